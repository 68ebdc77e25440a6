//! Debug registers, breakpoints and single-stepping (Intel SDM vol. 3, chapter 17).

use crate::cpu::Cpu;

/// Notes data breakpoints that an access hits; they are raised as a trap when the instruction is done.
pub fn note_data_access(cpu: &mut Cpu, linear: u64, bytes: u64, write: bool) {
    for i in 0..4 {
        let enabled = cpu.state.dr7 >> (2 * i) & 3 != 0;
        let kind = cpu.state.dr7 >> (16 + 4 * i) & 3; // 1: writes, 3: reads and writes
        let length = [1, 2, 8, 4][(cpu.state.dr7 >> (18 + 4 * i) & 3) as usize];
        if !enabled || !(kind == 3 || kind == 1 && write) {
            continue;
        }
        let from = cpu.state.dr[i] & !(length - 1);
        if linear < from.wrapping_add(length) && from < linear.wrapping_add(bytes) {
            cpu.debug_hits |= 1 << i;
        }
    }
}
