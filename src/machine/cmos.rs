//! What a PC's set-up leaves in CMOS RAM for its firmware (Ralf Brown's "CMOS memory map"; 34h and up as QEMU's firmware
//! expects it).

use super::board::RamLayout;
use devices::rtc::Rtc;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Fills the standard bytes in.
pub fn fill(rtc: &mut Rtc, ram: RamLayout, cpus: u32, boot_order: [u8; 3]) {
    let extended = (ram.low.saturating_sub(MIB) / KIB).min(0xffff) as u16;
    let above_16_mib = (ram.low.saturating_sub(16 * MIB) / (64 * KIB)).min(0xffff) as u16;
    let above_4_gib = ((ram.high / (64 * KIB)).min(0xff_ffff) as u32).to_le_bytes();
    let mut pair = |index: u8, value: u16| {
        let [low, high] = value.to_le_bytes();
        rtc.set_cmos(index, low);
        rtc.set_cmos(index + 1, high);
    };
    pair(0x15, (ram.low / KIB).min(640) as u16);
    pair(0x17, extended);
    pair(0x30, extended);
    pair(0x34, above_16_mib);
    for (index, byte) in (0x5b..).zip(&above_4_gib[..3]) {
        rtc.set_cmos(index, *byte);
    }
    rtc.set_cmos(0x14, 0x06); // coprocessor and mouse
    rtc.set_cmos(0x5f, cpus.saturating_sub(1).min(255) as u8);
    rtc.set_cmos(0x3d, boot_order[1] << 4 | boot_order[0] & 15);
    rtc.set_cmos(0x38, boot_order[2] << 4 | 1); // bit 0: no check of the floppy's signature
}
