//! Loads of CR3 where contexts have no numbers: what is known of the address space that is come back to holds if its tables say so.

use super::pdpte;
use crate::cpu::Cpu;
use crate::system::control::cr4;
use crate::tlb::Path;
use lyrebird_core::CpuState;
use lyrebird_memory::{FlatMap, PageBytes};

/// CR3 has been loaded, and was this before; CR4.PCIDE is clear. What was translated is forgotten, and what the new address space had
/// translated when it was left is translated again at once, which takes a look at the last entry of each page's way.
pub fn change_space(cpu: &mut Cpu, before: u64) {
    let Cpu { tlb, state, view, memory, .. } = cpu;
    let (bits, root) = match (state.cr4 & cr4::PAE != 0, state.long_mode()) {
        (false, _) => (10, 22),
        (true, false) => (9, 30),
        (true, true) => (9, 39),
    };
    // Where a walk would not come to, no path does.
    let shifts = [0, 1, 2, 3].map(|depth| u32::saturating_sub(root, bits * depth));
    let mut tables = Tables { state, view, a20: memory.a20_mask(), bits, shifts, found: [None; 4] };
    tlb.change(before, state.cr3, |linear, path| tables.say(linear, path));
}

/// The paging structures as they are now.
struct Tables<'a> {
    state: &'a CpuState,
    view: &'a FlatMap,
    a20: u64,
    /// How many bits of an address each level takes, and where those of each depth are.
    bits: u32,
    shifts: [u32; 4],
    /// Tables that have been found, by some bits of the addresses that lead there.
    found: [Option<Table>; 4],
}

/// A table that paging structures lead to.
#[derive(Clone, Copy)]
struct Table {
    /// Its depth, the linear addresses that lead there, and the entries on the way.
    depth: usize,
    span: u64,
    above: Path,
    bytes: PageBytes,
}

impl Tables<'_> {
    /// Whether a walk would come by these entries.
    #[inline]
    fn say(&mut self, linear: u64, path: &Path) -> bool {
        let Some(depth) = path.iter().rposition(|entry| *entry != 0) else { return false };
        let number = linear >> self.shifts[depth];
        let span = number >> self.bits;
        let table = match &self.found[span as usize % 4] {
            // As a loop: the whole, but for the last one, would have to be copied.
            Some(table)
                if (table.depth, table.span) == (depth, span) && (0..depth).all(|i| table.above[i] == path[i]) =>
            {
                table.bytes
            }
            _ => match self.table(linear, depth, span, path) {
                Some(bytes) => bytes,
                None => return depth == 0 && pdpte(self.state, linear) == Some(path[0]),
            },
        };
        let bytes = if self.bits == 9 { 8 } else { 4 };
        table.load((number & ((1 << self.bits) - 1)) * bytes, bytes) == path[depth]
    }

    /// The table that these entries lead to, if a walk would come by them, and it is memory. PDPTEs are not looked up.
    #[inline(never)]
    fn table(&mut self, linear: u64, depth: usize, span: u64, path: &Path) -> Option<PageBytes> {
        let mut above = *path;
        above[depth] = 0;
        let to = match depth.checked_sub(1) {
            None if pdpte(self.state, linear).is_some() => return None,
            None => self.state.cr3,
            Some(before) => self.say(linear, &above).then_some(above[before])?,
        };
        let at = if self.bits == 9 { to & 0x000f_ffff_ffff_f000 } else { to & 0xffff_f000 };
        let bytes = self.view.lookup(at & self.a20).readable()?.bytes();
        self.found[span as usize % 4] = Some(Table { depth, span, above, bytes });
        Some(bytes)
    }
}
