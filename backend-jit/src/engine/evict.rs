//! Room for new code: the code in the segment of the buffer that was filled longest ago is dropped, and its traces are
//! interpreted and counted again. A segment is small, so that the guest does not wait long.
//!
//! Another vCPU may be in that code. So it is taken away from its traces while the segment before it still has room; when there is
//! none any more, all have looked around, most likely, and the segment is filled. Nobody waits for anybody.

use super::Jit;
use crate::buffer::BufferError;
use backend_interp::hot;
use backend_interp::pool::{Locked, Loss};
use backend_interp::run::{Run, TracedOp};
use std::time::Instant;

/// What there is for code.
pub enum Room {
    /// It lies here.
    At(*const u8),
    /// Somebody is in the code that has to make room.
    Later,
    /// It is larger than a segment.
    Never,
}

impl Jit {
    /// Places code.
    ///
    /// # Safety
    /// This vCPU executes no code.
    pub(super) unsafe fn place(&mut self, run: &mut Run, pool: &mut Locked<'_>, code: &[u8]) -> Room {
        match self.buffer.place(code) {
            Ok(place) => {
                if pool.is_shared() && self.draining.is_none() && self.buffer.is_nearly_full() {
                    // SAFETY: the caller's promise.
                    unsafe { self.drain(run, pool) };
                }
                return Room::At(place);
            }
            Err(BufferError::Full) if code.len() <= self.buffer.largest() => {}
            Err(_) => return Room::Never,
        }
        // SAFETY: the caller's promise.
        let over = self.draining.unwrap_or_else(|| unsafe { self.drain(run, pool) });
        if !pool.is_over(over) {
            return Room::Later;
        }
        self.draining = None;
        self.buffer.advance();
        self.buffer.place(code).map_or(Room::Never, Room::At)
    }

    /// Takes away the code in the next segment of the buffer, and gives the epoch at which nobody is in it.
    ///
    /// # Safety
    /// This vCPU executes no code.
    unsafe fn drain(&mut self, run: &mut Run, pool: &mut Locked<'_>) -> u64 {
        let begun = Instant::now();
        let (segment, gone) = self.buffer.next();
        for entry in std::mem::take(&mut self.placed[segment]) {
            // SAFETY: traces that have code are live.
            unsafe {
                if self.has_code(entry) && gone.contains(&hot::code(entry)) {
                    self.regions.forget(entry);
                    self.cool(entry);
                    self.statistics.evicted += 1;
                }
            }
        }
        run.jumps.forget_code(gone, self.cold);
        let over = pool.lose(Loss::Code);
        run.cache.knows_loss(pool);
        self.draining = Some(over);
        self.statistics.longest_eviction = self.statistics.longest_eviction.max(begun.elapsed());
        over
    }

    /// Has a trace interpreted and counted again.
    ///
    /// # Safety
    /// The trace is not freed.
    pub(super) unsafe fn cool(&self, entry: *mut TracedOp) {
        let patience = if self.was_asked_for(entry) { self.threshold } else { self.patience() };
        // SAFETY: the caller's promise.
        unsafe {
            hot::set_left(entry, patience);
            hot::set_code(entry, self.cold, hot::entry);
        }
    }
}
