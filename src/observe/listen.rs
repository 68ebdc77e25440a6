//! A bus that passes everything on and hears of interrupts.

use lyrebird_core::{CpuBus, Delivery, VmTime};

/// The bus.
pub struct Listen<'a> {
    /// The machine.
    pub bus: &'a mut dyn CpuBus,
    /// What was delivered, in order.
    pub heard: Vec<Delivery>,
}

impl CpuBus for Listen<'_> {
    fn note_retired(&mut self, retired: u64) {
        self.bus.note_retired(retired);
    }
    fn note_delivery(&mut self, delivery: Delivery) {
        self.heard.push(delivery);
        self.bus.note_delivery(delivery);
    }
    fn port_read(&mut self, port: u16, bytes: u8) -> u32 {
        self.bus.port_read(port, bytes)
    }
    fn port_write(&mut self, port: u16, bytes: u8, value: u32) {
        self.bus.port_write(port, bytes, value);
    }
    fn port_read_block(&mut self, port: u16, bytes: u8, data: &mut [u8]) {
        self.bus.port_read_block(port, bytes, data);
    }
    fn port_write_block(&mut self, port: u16, bytes: u8, data: &[u8]) {
        self.bus.port_write_block(port, bytes, data);
    }
    fn mmio_read(&mut self, gpa: u64, bytes: u8) -> u64 {
        self.bus.mmio_read(gpa, bytes)
    }
    fn mmio_write(&mut self, gpa: u64, bytes: u8, value: u64) {
        self.bus.mmio_write(gpa, bytes, value);
    }
    fn acknowledge(&mut self) -> Option<u8> {
        self.bus.acknowledge()
    }
    fn now(&mut self, retired: u64) -> VmTime {
        self.bus.now(retired)
    }
    fn tsc(&mut self, retired: u64) -> u64 {
        self.bus.tsc(retired)
    }
    fn cr8(&mut self) -> u8 {
        self.bus.cr8()
    }
    fn set_cr8(&mut self, value: u8) {
        self.bus.set_cr8(value);
    }
    fn apic_msr_read(&mut self, index: u32) -> Option<u64> {
        self.bus.apic_msr_read(index)
    }
    fn apic_msr_write(&mut self, index: u32, value: u64) -> bool {
        self.bus.apic_msr_write(index, value)
    }
    fn set_ferr(&mut self, asserted: bool) {
        self.bus.set_ferr(asserted);
    }
    fn entropy(&mut self) -> u64 {
        self.bus.entropy()
    }
    fn pause(&mut self) {
        self.bus.pause();
    }
    fn stop_requested(&mut self) -> bool {
        self.bus.stop_requested()
    }
}
