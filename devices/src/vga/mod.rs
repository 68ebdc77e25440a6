//! The display adapter: IBM's VGA (PS/2 Hardware Interface Technical Reference, Video Subsystem) with the DISPI interface of
//! QEMU's `-vga std` (QEMU's docs/specs/standard-vga), as PCI function 1234:1111.
//!
//! ```text
//!   ports 3B0h-3DFh, 1CEh   ----> Chip (registers) --- access ---> Vram <---- BAR 0, in place
//!   A0000h-BFFFFh, BAR 2    ---->   |                               |
//!                                   +----------> Picture <----------+------> Frame
//! ```
//! Nothing here runs by itself: the beam is computed when somebody looks, and the picture is drawn when somebody asks.

mod access;
mod chip;
mod dac;
mod defaults;
mod dispi;
mod edid;
mod function;
mod index;
mod mmio;
mod picture;
mod timing;
mod vram;

#[cfg(test)]
mod tests;

pub use chip::Chip;
pub use function::{LEGACY_BASE, LEGACY_BYTES, Vga, VgaError};
