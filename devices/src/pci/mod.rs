//! PCI: what every function needs ([`ConfigSpace`], [`Window`]), the i440FX host bridge and the PIIX3 ISA bridge.

pub mod config_space;
mod host;
mod pam;
mod piix3;
#[cfg(test)]
mod tests;
mod windows;

pub use config_space::{ConfigSpace, Identity};
pub use host::{ConfigAddress, HostBridge};
pub use pam::Pam;
pub use piix3::Piix3;
pub use windows::{Space, Window, WindowBus, WindowHandle};
