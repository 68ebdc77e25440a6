//! The chips of a PC, one folder each: a pure register-level model, the glue that makes it a [`lyrebird_core::Device`],
//! and tests from its data sheet. A device is told the time, evaluates its counters when somebody looks, and knows its
//! surroundings only by handles.

#![forbid(unsafe_code)]

pub mod acpi_pm;
pub mod apic;
pub mod debug_exit;
pub mod debugcon;
pub mod dma;
pub mod fdc;
pub mod ferr;
pub mod flash;
pub mod fw_cfg;
pub mod hpet;
pub mod ide;
pub mod ioapic;
pub mod parallel;
pub mod pci;
pub mod pic;
pub mod pit;
pub mod port92;
pub mod ps2;
pub mod request;
pub mod rtc;
pub mod smbus;
pub mod testdev;
pub mod uart;
pub mod vga;
