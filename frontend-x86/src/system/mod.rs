//! System instructions and events: everything whose meaning is a plain function on the CPU and the machine around it, and in
//! [`algebra`] what those need that are statements in [`crate::sem::system`].
//!
//! For engines: [`boundary`] says what to do between instructions, [`raise`] what to do with an exception.

pub mod algebra;
pub mod bcd;
pub mod boundary;
pub mod cmpxchg;
pub mod control;
pub mod debug;
pub mod descriptor;
pub mod far;
pub mod frames;
pub mod gates;
pub mod interrupt;
pub mod io;
pub mod iret;
pub mod misc;
pub mod msr;
pub mod raise;
pub mod segment;
pub mod stack;
pub mod syscall;
pub mod tables;
pub mod task;
pub mod v86;
pub mod xsave;

#[cfg(test)]
mod tests;

pub use boundary::{Boundary, after_instruction, before_instruction, poll};
pub use interrupt::{Event, deliver};
pub use raise::raise;
