//! Small machines for the tests of this crate: RAM, page tables, a CPU in flat 32-bit or in 64-bit mode.

#![allow(dead_code, reason = "each test uses a part")]

use frontend_x86::model::Model;
use lyrebird_core::cpu::segment::Segment;
use lyrebird_core::{CpuState, Vcpu};
use lyrebird_memory::{GuestMemory, Region, Target};
use std::sync::Arc;

/// Bytes of RAM.
pub const RAM: u64 = 0x1_8000;
/// Where code begins.
pub const CODE: u64 = 0x1000;
/// Where data lies: one page.
pub const DATA: u64 = 0x4000;
/// The first byte above the stack.
pub const STACK: u64 = 0x8000;
const TABLES: u64 = 0x1_0000;

/// RAM with an identity map for 64-bit mode in it.
pub fn memory() -> Arc<GuestMemory> {
    let memory = Arc::new(GuestMemory::new());
    let ram = memory.add_block("ram", RAM).unwrap();
    memory.map(Region { base: 0, bytes: RAM, priority: 0, target: Target::Ram { block: ram, offset: 0 } });
    tables(|at, value| memory.write(at, &value.to_le_bytes()).unwrap());
    memory
}

/// The entries of the page tables.
pub fn tables(mut entry: impl FnMut(u64, u64)) {
    entry(TABLES, TABLES + 0x1003);
    entry(TABLES + 0x1000, TABLES + 0x2003);
    entry(TABLES + 0x2000, 0x83);
}

/// The model of all tests.
pub fn model() -> Arc<Model> {
    Arc::new(Model::by_name("max").unwrap())
}

/// The state at the beginning: flat segments, standing at [`CODE`].
pub fn state(vcpu: &mut dyn Vcpu, long: bool) -> CpuState {
    let mut state = vcpu.state();
    let data = Segment { selector: 0x10, base: 0, limit: u32::MAX, attributes: 0xc093 };
    state.seg = [data; 6];
    state.seg[1] = Segment { selector: 8, attributes: if long { 0xa09b } else { 0xc09b }, ..data };
    state.cr0 = 0x11;
    state.cr4 = 0x600;
    if long {
        state.cr0 |= 1 << 31;
        state.cr3 = TABLES;
        state.cr4 |= 0x20;
        state.efer = 0x500;
    }
    state.rip = CODE;
    state.gpr[4] = STACK - 0x100;
    state
}

/// Random numbers (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let v = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let v = (v ^ v >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        v ^ v >> 31
    }
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
    /// A number with a taste for edges.
    pub fn number(&mut self) -> u64 {
        match self.below(8) {
            0 => self.below(3),
            1 => u64::MAX - self.below(3),
            2 => 1 << self.below(64),
            3 => (1 << self.below(64)) - 1,
            4 => self.below(256),
            _ => self.next(),
        }
    }
}
