//! Power management of the PIIX4 (8086:7113 as PCI function 1.3; Intel data sheet 290562): ACPI's PM1 registers and timer at
//! PMBASE, the APM ports B2h and B3h by which ACPI is switched on, general-purpose events at
//! AFE0h, and the SMBus controller's ports at SMBBA (its registers are [`crate::smbus`]'s).

mod chip;
mod function;
#[cfg(test)]
mod tests;

pub use chip::{Chip, PM_CLOCK};
pub use function::AcpiPm;
