//! What is known of an address space without a PCID when it is come back to.

use super::Machine;
use crate::algebra::Access;
use crate::system::control::{cr0, cr4, efer, set_cr3};
use crate::tlb::Bank;

const SPACE: u64 = 0x10_0000;
const OTHER: u64 = 0x11_0000;
/// A small page, and one within a large page.
const SMALL: u64 = 0x0812_3000;
const LARGE: u64 = 0x0d00_4000;
const PAGE: u64 = 0x5000;
/// Present, writable, for users; accessed, dirty; large.
const ON: u64 = 7;
const USED: u64 = 0x67;
const WHOLE: u64 = 0x80;

/// Where the entries of both pages are, from the root on: what is at the end of each is changed by the tests.
struct Paging {
    machine: Machine,
    bytes: usize,
    ways: [Vec<u64>; 2],
}

/// With as many levels of tables.
fn paging(levels: usize) -> Paging {
    let mut m = Machine::protected(0);
    let (bits, bytes) = if levels == 2 { (10, 4) } else { (9, 8) };
    let mut ways = [vec![], vec![]];
    for (linear, way) in [SMALL, LARGE].into_iter().zip(&mut ways) {
        let last = if linear == LARGE { levels - 2 } else { levels - 1 };
        for depth in 0..=last {
            let shift = 12 + bits * (levels - 1 - depth);
            let table_at = |depth: usize| 0x12_0000 + 0x1000 * depth as u64;
            let table = if depth == 0 { SPACE } else { table_at(depth) };
            let at = table + (linear >> shift & ((1 << bits) - 1)) * bytes as u64;
            let frame = if linear == LARGE { WHOLE } else { PAGE };
            let entry = match depth {
                _ if depth == last => frame | ON,
                0 if levels == 3 => table_at(1) | 1,
                _ => table_at(depth + 1) | ON,
            };
            m.poke(at, bytes, entry);
            way.push(at);
        }
    }
    m.cpu.state.cr4 |= if levels == 2 { cr4::PSE } else { cr4::PAE };
    m.cpu.state.efer = if levels == 4 { efer::LME | efer::LMA } else { 0 };
    m.cpu.state.cr0 |= cr0::PG | cr0::WP;
    set_cr3(&mut m.ctx(), SPACE).unwrap();
    m.cpu.tlb.flush_all();
    Paging { machine: m, bytes, ways }
}

impl Paging {
    fn load(&mut self, cr3: u64) {
        set_cr3(&mut self.machine.ctx(), cr3).unwrap();
    }

    fn fill(&mut self) {
        for linear in [SMALL, LARGE] {
            self.machine.ctx().fill(linear, Access::Write, Bank::User).unwrap();
        }
    }

    fn known(&self) -> [bool; 2] {
        [SMALL, LARGE].map(|linear| self.machine.cpu.tlb.write_physical(Bank::User, linear).is_some())
    }

    /// What is known of the space when it is come back to, after something has been done to one of its entries; nothing is wrong with it then.
    fn after(&mut self, at: u64, change: fn(u64) -> u64) -> [bool; 2] {
        self.fill();
        assert_eq!(self.known(), [true; 2]);
        self.load(OTHER);
        assert_eq!(self.known(), [false; 2]);
        let was = self.machine.peek(at, self.bytes);
        self.machine.poke(at, self.bytes, change(was));
        self.load(SPACE);
        let known = self.known();
        self.machine.poke(at, self.bytes, was);
        self.load(SPACE);
        known
    }
}

#[test]
fn what_the_tables_still_say_is_known_again() {
    for levels in 2..=4 {
        let mut p = paging(levels);
        let (small, large) = (p.ways[0].clone(), p.ways[1].clone());
        assert_eq!(p.after(small[0], |entry| entry), [true; 2], "{levels} levels");
        let ends = [small[levels - 1], large[levels - 2]];
        for (changed, at) in ends.into_iter().enumerate() {
            let mut one = [true; 2];
            one[changed] = false;
            // Another frame, read-only, and what nobody has accessed or written.
            let changes: [fn(u64) -> u64; 5] = [|e| e + 0x40_0000, |e| e & !2, |e| e & !0x20, |e| e & !0x40, |_| 0];
            for change in changes {
                assert_eq!(p.after(at, change), one, "{levels} levels");
            }
            assert_eq!(p.machine.peek(at, 1) & USED, USED, "a look sets nothing");
        }
        // What is above them both, or above one.
        assert_eq!(p.after(small[0], |_| 0), if levels == 2 { [false, true] } else { [false; 2] });
        assert_eq!(p.after(small[levels - 2], |e| e ^ 8), [false, true]);
    }
}

#[test]
fn the_same_space_anew_is_looked_at_too() {
    let mut p = paging(2);
    p.fill();
    let at = p.ways[0][1];
    p.machine.poke(at, 4, 0);
    p.load(SPACE);
    assert_eq!(p.known(), [false, true]);
}
