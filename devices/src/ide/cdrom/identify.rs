//! IDENTIFY PACKET DEVICE (ATA/ATAPI-6, 8.16).

use super::super::identify::Words;
use super::Cdrom;

impl Cdrom {
    pub(super) fn identify(&self) -> Vec<u8> {
        let mut words = Words::new(&format!("LB{:05}", u32::from(self.number) + 1), "LYREBIRD CD-ROM");
        // A removable CD-ROM device, data 50 us after the command, packets of 12 bytes.
        words.set(0, &[0x85c0]);
        words.set(49, &[0x0f00]); // LBA, DMA, IORDY
        words.set(51, &[0x0200, 0x0200]);
        words.modes(self.state.mode);
        words.set(80, &[0x007e]);
        // NOP is there as far as it must be: it aborts. DEVICE RESET, PACKET, power management.
        let commands = 1 << 9 | 1 << 4 | 1 << 3;
        words.set(82, &[commands, 1 << 14, 1 << 14, commands, 0, 1 << 14]);
        words.set(93, &[if self.number & 1 == 0 { 0x600b } else { 0x6f00 }]);
        words.finish()
    }
}
