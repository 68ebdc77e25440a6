//! Traces whose page was dropped, in case that their own bytes are as they were: programs that keep data between their code, as
//! boot loaders and BIOSes do, lose the page's traces again and again, and decoding them is dear.

use crate::pool::{Hash, TraceKey, TracedOps};
use std::collections::HashMap;

/// No more ops than this, less than 1 MiB.
const MAX_OPS: usize = 1 << 15;

/// The traces.
#[derive(Default)]
pub struct Shelf {
    kept: HashMap<TraceKey, TracedOps, Hash>,
    ops: usize,
    /// Some came again since [`Shelf::grow_older`].
    is_of_use: bool,
}

impl Shelf {
    /// Keeps a trace that nothing leads to any more. One without bytes is not kept.
    pub fn put(&mut self, key: TraceKey, mut ops: TracedOps) {
        if ops.bytes().is_empty() || ops.ops.len() > MAX_OPS {
            return;
        }
        let number = ops.ops.len();
        if self.ops + number > MAX_OPS {
            self.kept.clear();
            self.ops = 0;
        }
        // Where jumps lead is no more.
        ops.ops.iter_mut().filter(|op| op.may_link()).for_each(|op| op.set_word(0));
        self.ops += number;
        if let Some(old) = self.kept.insert(key, ops) {
            self.ops -= old.ops.len();
        }
    }

    /// How many bytes the trace that is kept for this key was decoded from.
    pub fn length(&self, key: &TraceKey) -> Option<usize> {
        self.kept.get(key).map(|kept| kept.bytes().len())
    }

    /// The trace for this key, if it is what these bytes decode to. An entry op is as the engine above has left it.
    pub fn take(&mut self, key: &TraceKey, bytes: &[u8]) -> Option<TracedOps> {
        if self.kept.get(key)?.bytes() != bytes {
            return None;
        }
        let kept = self.kept.remove(key)?;
        self.ops -= kept.ops.len();
        self.is_of_use = true;
        Some(kept)
    }

    /// To be called now and then: if nothing has come again since the last time, nothing will. Whether that is so.
    pub fn grow_older(&mut self) -> bool {
        let is_idle = !std::mem::take(&mut self.is_of_use);
        if is_idle {
            *self = Self::default();
        }
        is_idle
    }
}
