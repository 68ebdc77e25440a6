//! Watching a guest and its engine: instruction traces, interrupts, hot spots, and what became of a block. [`watch`] stands
//! between the machine and any engine, and costs nothing when it is not asked for.

pub mod disassembly;
pub mod filter;
mod hot;
mod listen;
mod record;
pub mod symbols;
pub mod watch;

pub use filter::Filter;
pub use record::Settings;
pub use symbols::Symbols;
pub use watch::WatchEngine;
