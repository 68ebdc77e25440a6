//! What [`frontend_x86::sem::block`] needs: REP MOVS and REP STOS as block operations on plain RAM.

use crate::beside;
use crate::fast::{Fast, GoSlow};
use frontend_x86::algebra::{Access, Algebra};
use frontend_x86::op::{Func, Ins, Width};
use frontend_x86::sem::block::{self, Blocks};

/// Does as many iterations as lie in one page on each side, none onto what others read; false if none. The count is not zero.
#[inline(never)]
pub fn block(a: &mut Fast, i: Ins) -> bool {
    matches!(i.func, Func::Movs | Func::Stos) && (block::block(a, i).is_ok() || beside::block(a, i))
}

impl Blocks for Fast {
    #[inline(always)]
    fn counts_down(&mut self) -> Result<bool, GoSlow> {
        Ok(self.direction())
    }
    #[inline(always)]
    fn stop_if(&mut self, c: bool) -> Result<(), GoSlow> {
        if c { Err(GoSlow) } else { Ok(()) }
    }
    #[inline(always)]
    fn fitting(&mut self, n: u64, room: u64) -> Result<u64, GoSlow> {
        if room == 0 { Err(GoSlow) } else { Ok(n.min(room)) }
    }
    #[inline(always)]
    fn left_over(&mut self, _w: Width, count: u64, n: u64) -> u64 {
        count - n
    }
    #[inline(always)]
    fn room_in_segment(&mut self, i: Ins, seg: u8, offset: u64, access: Access, down: bool) -> Option<u64> {
        // SAFETY: see `Handler`; segment numbers are below 6.
        let bounds = unsafe { &(&(*self.run).cpu.bounds)[usize::from(seg)] };
        let high = if access.writes() { bounds.high_write } else { bounds.high_read };
        Some(block::reach(i, offset, bounds.low, high, down))
    }
    #[inline(always)]
    fn host_address(&mut self, p: *mut u8) -> u64 {
        p as u64
    }
    #[inline(always)]
    fn below(&mut self, p: *mut u8, bytes: u64) -> *mut u8 {
        p.wrapping_sub(bytes as usize)
    }
    #[inline(always)]
    fn copy(&mut self, to: *mut u8, from: *mut u8, bytes: u64) {
        self.before_store();
        // SAFETY: both ranges lie in probed pages of guest RAM and do not leave them.
        unsafe { std::ptr::copy(from, to, bytes as usize) };
        self.after_load();
    }
    #[inline(always)]
    fn fill(&mut self, w: Width, to: *mut u8, bytes: u64, item: u64) {
        if w == Width::B {
            self.before_store();
            // SAFETY: as above.
            unsafe { to.write_bytes(item as u8, bytes as usize) };
            return;
        }
        for at in (0..bytes).step_by(w.bytes() as usize) {
            // SAFETY: as above.
            self.store(w, unsafe { to.add(at as usize) }, item);
        }
    }
}
