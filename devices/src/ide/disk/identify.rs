//! IDENTIFY DEVICE (ATA/ATAPI-6, 8.15).

use super::super::identify::Words;
use super::{Disk, MOST_MULTIPLE};

/// Largest number of cylinders that CHS addresses with the default translation.
const MOST_CYLINDERS: u64 = 16_383;
/// Sectors that 28 bits count.
const MOST_LBA28: u64 = (1 << 28) - 1;

impl Disk {
    pub(super) fn identify(&self) -> Vec<u8> {
        let (sectors, state) = (self.medium.sectors(), &self.state);
        let cylinders = (sectors / (16 * 63)).clamp(1, MOST_CYLINDERS) as u16;
        let mut words = Words::new(&format!("LB{:05}", u32::from(self.number) + 1), "LYREBIRD HARDDISK");
        words.set(0, &[0x0040, cylinders]); // not removable
        words.set(3, &[16]);
        words.set(6, &[63]);
        words.set(20, &[3, 512, 4]); // cache that reads ahead, its sectors, ECC bytes: as disks before ATA-4 say
        words.set(47, &[0x8000 | u16::from(MOST_MULTIPLE), 1]); // and 32-bit accesses to the Data register
        words.set(49, &[0x0f00, 0x4000, 0x0200, 0x0200]); // LBA, DMA, IORDY
        words.modes(state.mode);
        let current = self.cylinders().min(MOST_CYLINDERS as u16);
        words.set(54, &[current, state.heads.into(), state.track.into()]);
        words.set_dword(57, u32::from(current) * u32::from(state.heads) * u32::from(state.track));
        words.set(59, &[if state.multiple == 0 { 0 } else { 0x0100 | u16::from(state.multiple) }]);
        words.set_dword(60, sectors.min(MOST_LBA28) as u32);
        words.set(80, &[0x007e]); // ATA-1 to ATA/ATAPI-6
        // NOP, look-ahead, write cache, power management, SMART; FLUSH CACHE (EXT), 48 bits; FUA.
        let enabled = |on: bool, bit: u16| if on { bit } else { 0 };
        let always = 1 << 14 | 1 << 3;
        let switched = enabled(state.look_ahead, 1 << 6) | enabled(state.write_cache, 1 << 5) | enabled(state.smart, 1);
        let second = 1 << 14 | 1 << 13 | 1 << 12 | 1 << 10;
        let third = 1 << 14 | 1 << 6;
        words.set(82, &[always | 1 << 6 | 1 << 5 | 1, second, third]);
        words.set(85, &[always | switched, second & !(1 << 14), third]);
        // A cable of 80 conductors; how device 0 or 1 found its number.
        words.set(93, &[if self.number & 1 == 0 { 0x600b } else { 0x6f00 }]);
        (0..4).for_each(|n| words.set(100 + n, &[(sectors >> (16 * n)) as u16]));
        words.finish()
    }
}
