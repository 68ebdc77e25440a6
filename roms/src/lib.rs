//! The firmware that the program carries, so that a PC starts from a disk with nothing else installed: a BIOS and a VGA
//! BIOS, the tables that they hand out, and the characters of the screen.
//!
//! ```text
//!   guest: INT 13h --> stub in ROM: pushes registers, OUT --> Firmware::run: a service in Rust --> Platform: the machine
//!                      stub: takes registers back, IRET <------------'
//! ```
//! [`image`] makes the ROMs, which hold little but stubs. [`Firmware`] is what answers at the trap ports: a device of the
//! board like any other, except that it may use the board. Interfaces are those of the IBM PC/AT Technical Reference, of
//! Ralf Brown's Interrupt List, and of the specifications that the modules name.

#![forbid(unsafe_code)]

pub mod bda;
pub mod call;
mod clock;
pub mod disk;
mod equipment;
mod firmware;
pub mod font;
pub mod frame;
pub mod image;
mod keyboard;
mod memory_map;
mod mouse;
mod pci;
pub mod platform;
mod post;
mod serial;
mod start;
mod system;
pub mod tables;
mod transit;
mod video;

pub use firmware::{FRAME_PORT, Firmware, PORT_COUNT, PORTS};
pub use platform::{BootDevice, BootOrder, Facts, Floppy, Platform};
