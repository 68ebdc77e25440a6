//! Where RAM is, as INT 15h AX=E820h and its older relatives tell (ACPI 6.5, section 15.1).

use crate::bda::EBDA;
use crate::platform::Facts;

/// RAM that anybody may use.
pub const RAM: u32 = 1;
/// Anything else.
pub const RESERVED: u32 = 2;

const MIB: u64 = 1 << 20;
const GIB_4: u64 = 1 << 32;
/// The ROM below 4 GiB, with room for larger ones.
const ROM: u64 = 0xfffc_0000;

/// The map: base, bytes, kind.
pub fn map(facts: &Facts) -> Vec<(u64, u64, u32)> {
    let mut map = vec![(0, EBDA, RAM), (EBDA, 0xa_0000 - EBDA, RESERVED), (0xf_0000, MIB - 0xf_0000, RESERVED)];
    if facts.low_ram > MIB {
        map.push((MIB, facts.low_ram - MIB, RAM));
    }
    map.push((ROM, GIB_4 - ROM, RESERVED));
    if facts.high_ram > 0 {
        map.push((GIB_4, facts.high_ram, RAM));
    }
    map
}

/// KiB from 1 MiB to 16 MiB, and blocks of 64 KiB above (INT 15h AX=E801h).
pub fn extended(facts: &Facts) -> (u16, u16) {
    let below = facts.low_ram.clamp(MIB, 16 * MIB) - MIB;
    let above = facts.low_ram.saturating_sub(16 * MIB);
    ((below >> 10) as u16, (above >> 16).min(0xffff) as u16)
}

/// KiB from 1 MiB, as far as 16 bits tell (INT 15h AH=88h).
pub fn extended_kib(facts: &Facts) -> u16 {
    (facts.low_ram.saturating_sub(MIB) >> 10).min(0xfc00) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ram_on_both_sides_of_the_hole() {
        let facts = Facts { low_ram: 3 << 30, high_ram: 1 << 30, ..Facts::default() };
        let ram: u64 = map(&facts).iter().filter(|entry| entry.2 == RAM).map(|entry| entry.1).sum();
        assert_eq!(ram, (4u64 << 30) - (MIB - EBDA));
        assert!(map(&facts).windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
        assert_eq!(extended(&facts), (15 * 1024, (3 << 14) - 256));
        assert_eq!(extended_kib(&Facts { low_ram: 8 * MIB, ..facts }), 7 * 1024);
    }
}
