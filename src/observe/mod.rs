//! Watching a guest and its engine: traces, hot spots, and what became of a block.

pub mod disassembly;
