//! The architectural state of one x86 CPU, which no engine owns, and the table of its elements.

pub mod elements;
pub mod segment;
pub mod state;
pub mod x87;
