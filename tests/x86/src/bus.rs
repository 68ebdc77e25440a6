//! A machine without devices.

use lyrebird_core::{CpuBus, VmTime};

/// Ports read as zero, addresses without memory as ones.
pub struct NoBus;

impl CpuBus for NoBus {
    fn port_read(&mut self, _: u16, _: u8) -> u32 {
        0
    }
    fn port_write(&mut self, _: u16, _: u8, _: u32) {}
    fn port_read_block(&mut self, _: u16, _: u8, _: &mut [u8]) {}
    fn port_write_block(&mut self, _: u16, _: u8, _: &[u8]) {}
    fn mmio_read(&mut self, _: u64, _: u8) -> u64 {
        u64::MAX
    }
    fn mmio_write(&mut self, _: u64, _: u8, _: u64) {}
    fn acknowledge(&mut self) -> Option<u8> {
        None
    }
    fn now(&mut self, retired: u64) -> VmTime {
        VmTime(retired)
    }
    fn tsc(&mut self, retired: u64) -> u64 {
        retired
    }
    fn cr8(&mut self) -> u8 {
        0
    }
    fn set_cr8(&mut self, _: u8) {}
    fn apic_msr_read(&mut self, _: u32) -> Option<u64> {
        None
    }
    fn apic_msr_write(&mut self, _: u32, _: u64) -> bool {
        false
    }
    fn set_ferr(&mut self, _: bool) {}
    fn entropy(&mut self) -> u64 {
        0x0123_4567_89ab_cdef
    }
    fn stop_requested(&mut self) -> bool {
        false
    }
}
