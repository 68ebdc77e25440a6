//! The SMBus host controller of the PIIX4's power management function (Intel data sheet 290562, section 11; SMBus
//! Specification 1.0) and the memory modules' EEPROMs on its bus, by which firmware, Linux and memory testers learn what RAM
//! there is. The PCI function is [`crate::acpi_pm`]'s, which owns the controller.
//!
//! ```text
//!   chip.rs    the controller's registers: a transaction is over as soon as it has begun
//!   eeprom.rs  a module's 256 bytes, write-protected
//!   spd.rs     what they say: JEDEC's serial presence detect
//! ```

mod chip;
mod eeprom;
mod spd;
#[cfg(test)]
mod tests;

pub use chip::{Saved, SmBus};
pub use eeprom::Eeprom;
pub use spd::modules;
