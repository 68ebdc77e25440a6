//! Checks by cells: a page that the code itself tells (by RIP, or absolute), and one that it goes on in, is compared with a
//! [cell](frontend_x86::tlb::cells) of its own, and looked for in the TLB only if that has another one.

use super::slots::TLB;
use super::{Emit, Region, V};
use crate::clif::{Area, Block, Value};
use crate::code::Symbol;
use frontend_x86::algebra::{Access, Arith, Bin, Cmp};
use frontend_x86::op::Width;
use frontend_x86::tlb::cells::{CLASSES, Class, Place};

const Q: Width = Width::Q;

/// Which cells of each class a region takes next.
pub struct Cells([usize; CLASSES]);

impl Cells {
    /// Those of a region: what its code looks like decides where they begin, so that it comes out the same in every run.
    pub fn of(region: &Region) -> Self {
        let ops = region.members.iter().flat_map(|m| m.ops);
        let add = |n: u32, by: u32| (n ^ by).wrapping_mul(0x0100_0193);
        let number = ops.fold(0, |n, op| add(add(n, op.offset.into()), op.len.into()));
        Cells([(number >> 16) as usize; CLASSES])
    }

    fn next(&mut self, class: Class) -> Place {
        let next = &mut self.0[class.number()];
        *next += 1;
        class.place(*next)
    }
}

impl Emit<'_, '_> {
    /// The next cell of a class, where cells are worth it: in wide regions, and if the host reaches so far behind the bank's beginning.
    fn cell(&mut self, class: Class) -> Option<Place> {
        let place = self.cells.next(class);
        (self.region.closed && self.asm.reaches(place.addend)).then_some(place)
    }

    /// How far from the host's memory a page is, if it has a cell. Whatever a way out wants has been written.
    pub(super) fn kept_in_cell(&mut self, page: V, access: Access) -> Option<Value> {
        let place = self.cell(Class::page(access.writes()))?;
        let bank = self.read(TLB);
        let bank = self.value_of(bank);
        let wanted = self.plus(Q, page, 1);
        let wanted = self.value_of(wanted);
        let tag = self.asm.load(Area::Own, Q, bank, place.tag);
        let same = self.asm.compare(Cmp::Eq, Q, wanted, tag);
        self.seldom(same, [], |emit| {
            let (_, addend) = emit.look_up(page, access, None, 4095);
            emit.asm.store(Area::Own, Q, bank, place.addend, addend);
            emit.fill(bank, place, wanted);
            []
        });
        Some(self.asm.load(Area::Own, Q, bank, place.addend))
    }

    fn fill(&mut self, bank: Value, place: Place, tag: Value) {
        self.asm.store(Area::Own, Q, bank, place.tag, tag);
        let marks = self.asm.load(Area::Own, Q, bank, place.marks);
        let marks = self.bin(Bin::Or, Q, V::Value(marks), V::Const(place.bit));
        let marks = self.value_of(marks);
        self.asm.store(Area::Own, Q, bank, place.marks, marks);
    }

    /// Goes to `moved` unless the page of a trace, with the RIP `base`, is mapped as it was.
    pub(super) fn check_page(&mut self, base: V, member: u8, moved: Block) {
        let Some(place) = self.cell(Class::CODE) else {
            return self.check_mapped(base, Symbol::Page { member }, moved);
        };
        let bank = self.read(TLB);
        let bank = self.value_of(bank);
        let wanted = self.asm.symbol(Symbol::CodeTag { member });
        let wanted = self.bin(Bin::Xor, Q, base, V::Value(wanted));
        let wanted = self.value_of(wanted);
        let tag = self.asm.load(Area::Own, Q, bank, place.tag);
        let same = self.asm.compare(Cmp::Eq, Q, wanted, tag);
        self.seldom(same, [], |emit| {
            emit.check_mapped(base, Symbol::Page { member }, moved);
            emit.fill(bank, place, wanted);
            []
        });
    }
}
