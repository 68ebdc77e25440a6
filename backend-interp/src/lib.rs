//! The interpreter: runs the semantics of `frontend-x86` on plain numbers. It is the cold tier below the JIT, the oracle in
//! tests, and the engine on hosts where generated code is forbidden.
//!
//! Code is decoded once, into *traces* of ops kept by physical page ([`cache`]). Each op carries its handler, a function
//! specialised by the op's shape; a handler ends by calling the next op's handler in tail position, which the compiler turns
//! into a jump ([`handlers`]). A handler that meets anything unusual (a TLB miss, MMIO, a fault) stops before any change
//! of state, and the same semantics run once more over a slow algebra that can do everything ([`slow`]).
//!
//! `unsafe` here is of three kinds: ops are reached by raw pointers that [`cache`] keeps alive; guest RAM is reached by host
//! addresses from the TLB; the run's bus is a borrowed trait object whose lifetime is the run's ([`run`]).

#![allow(clippy::missing_safety_doc, reason = "handlers share one contract, written at `run::Handler`")]

mod beside;
pub mod cache;
mod copies;
mod crossing;
mod fast;
mod handlers;
mod held;
pub mod hint;
pub mod hot;
mod iteration;
pub mod jumps;
pub mod pool;
pub mod profile;
mod room;
pub mod run;
mod shapes;
mod shelf;
mod slow;
mod string;
mod sums;
mod traced;
mod vcpu;

pub use vcpu::{InterpEngine, InterpVcpu};
