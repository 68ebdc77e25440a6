//! Room for new code: the code in the segment of the buffer that was filled longest ago is dropped, and its traces are
//! interpreted and counted again. A segment is small, so that the guest does not wait long.

use super::Jit;
use crate::buffer::BufferError;
use backend_interp::hot;
use backend_interp::run::{Run, TracedOp};
use std::time::Instant;

impl Jit {
    /// Places code; `None` if it is larger than a segment.
    ///
    /// # Safety
    /// No code is being executed.
    pub(super) unsafe fn place(&mut self, run: &mut Run, code: &[u8]) -> Option<*const u8> {
        match self.buffer.place(code) {
            Err(BufferError::Full) if code.len() <= self.buffer.largest() => {
                // SAFETY: the caller's promise.
                unsafe { self.evict(run) };
                self.buffer.place(code).ok()
            }
            result => result.ok(),
        }
    }

    /// Empties the next segment of the buffer.
    ///
    /// # Safety
    /// No code is being executed.
    unsafe fn evict(&mut self, run: &mut Run) {
        let begun = Instant::now();
        let (segment, gone) = self.buffer.advance();
        for entry in std::mem::take(&mut self.placed[segment]) {
            // SAFETY: traces that have code are live.
            unsafe {
                if self.live.contains(&entry.cast_const()) && gone.contains(&(*entry).op.imm) {
                    self.live.remove(&entry.cast_const());
                    self.cool(entry);
                    self.statistics.evicted += 1;
                }
            }
        }
        run.jumps.forget_code(gone, self.cold);
        self.statistics.longest_eviction = self.statistics.longest_eviction.max(begun.elapsed());
    }

    /// Has a trace interpreted and counted again.
    ///
    /// # Safety
    /// The trace is live, and nobody else looks at its entry op.
    pub(super) unsafe fn cool(&self, entry: *mut TracedOp) {
        let patience = if self.was_asked_for(entry) { self.threshold } else { self.patience() };
        // SAFETY: the caller's promise.
        unsafe {
            (*entry).handler = hot::entry;
            (*entry).op.imm = self.cold;
            (*entry).op.disp = patience;
        }
    }
}
