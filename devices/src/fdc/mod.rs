//! The 82077AA floppy disk controller at ports 3F0h to 3F7h (Intel data sheet 290166) with two drives, by DMA channel 2 or
//! byte by byte, and IRQ 6.
//!
//! ```text
//!   command phase --> execution phase (sectors, by a timer) --> result phase
//! ```
//! Drives are quicker than real ones, but nothing happens at once: seeks and sectors take guest time.

mod command;
mod controller;
mod data;
mod drive;
pub mod format;
mod sector;
#[cfg(test)]
mod tests;

pub use controller::Fdc;
pub use drive::Drive;
pub use format::Format;
