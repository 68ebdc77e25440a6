//! What x86 means: decoding to ops, the meaning of each instruction over an algebra, flags, paging, segmentation,
//! exceptions and CPU models. No engine is named here; every engine brings its own algebra or calls the plain functions.
//!
//! Where to find what:
//! - [`op`]: the compact form of a decoded instruction; [`decode`] makes it from bytes.
//! - [`algebra`]: the traits that the semantics are written over; [`sem`]: the semantics.
//! - [`cpu`]: the running form of the CPU state, shared by all engines; [`ctx`]: CPU and bus together, for plain functions.
//! - [`helper`]: the table of instructions whose meaning is a plain function ([`system`], [`x87`]).
//! - [`paging`], [`tlb`], [`access`]: linear addresses, their cache, and checked memory access.

#![forbid(unsafe_code)]

pub mod access;
pub mod algebra;
pub mod concrete;
pub mod cpu;
pub mod ctx;
pub mod decode;
pub mod exception;
pub mod flags;
pub mod helper;
pub mod model;
pub mod op;
pub mod paging;
pub mod sem;
pub mod sse;
pub mod system;
pub mod tlb;
pub mod x87;

pub use cpu::Cpu;
pub use ctx::Ctx;
pub use exception::Exception;
pub use op::{Ins, Op, Width};
