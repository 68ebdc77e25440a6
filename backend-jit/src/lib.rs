//! The Cranelift engine: hot traces of the interpreter as host code.
//!
//! The meaning of instructions comes from `frontend-x86`, the same that the interpreter runs: [`emit`] is a second
//! algebra, whose values are those of generated code. Traces, their cache and their invalidation are the interpreter's
//! too: a trace begins with an entry op that counts ([`backend_interp::hot`]), and when it is hot it is compiled together
//! with those that it goes on into ([`gather`]), and its handler is replaced by one that enters the compiled code
//! ([`engine`]); a thread may do the compiling. Regions go on into one another by tail calls; whatever is
//! unusual leaves to the interpreter in front of the op, with the state of that moment.
//!
//! `unsafe` here is of two kinds: the memory that code lies in ([`buffer`]), and the passage between Rust and that code
//! ([`engine`], [`host`], `mxcsr`).

pub mod buffer;
pub mod clif;
pub mod code;
pub mod emit;
pub mod engine;
mod explain;
mod gather;
pub mod host;
pub mod kept;
mod moved;
mod mxcsr;
mod perf;
mod strip;
mod worker;

pub use engine::{JitEngine, JitVcpu, Options, Statistics};
pub use kept::Kept;
