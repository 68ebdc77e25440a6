//! Resource descriptors, which tell an operating system what ports, memory and interrupts a device of the ACPI name
//! space uses (ACPI specification 6.4, section 6.4).

use super::aml::{self, Aml};

/// `ResourceTemplate () { ... }`: descriptors in a buffer, with an end tag whose checksum is not used.
pub fn template(descriptors: &[Vec<u8>]) -> Aml {
    aml::buffer(&bytes(descriptors))
}

/// The same without the buffer around it.
pub fn bytes(descriptors: &[Vec<u8>]) -> Vec<u8> {
    [descriptors.concat(), vec![0x79, 0]].concat()
}

/// `IO (Decode16, base, base, 1, length)`: fixed ports.
pub fn io(base: u16, length: u8) -> Vec<u8> {
    let [low, high] = base.to_le_bytes();
    vec![0x47, 1, low, high, low, high, 1, length]
}

/// `IRQNoFlags () {irq}`: edge-triggered, active high, as on ISA.
pub fn isa_irq(irq: u8) -> Vec<u8> {
    let [low, high] = (1u16 << (irq & 15)).to_le_bytes();
    vec![0x22, low, high]
}

/// `DMA (Compatibility, NotBusMaster, Transfer8) {channel}`.
pub fn isa_dma(channel: u8) -> Vec<u8> {
    vec![0x2a, 1 << (channel & 7), 0]
}

/// `Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { ... }`. The first number stands at [`INTERRUPT_NUMBER`].
pub fn interrupt(numbers: &[u32]) -> Vec<u8> {
    let mut out = vec![0x89];
    out.extend((2 + 4 * numbers.len() as u16).to_le_bytes());
    out.extend([0x09, numbers.len() as u8]);
    out.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
    out
}

/// Where the number stands in a template that begins with an [`interrupt`].
pub const INTERRUPT_NUMBER: u64 = 5;

/// A window of an address space that a bridge passes on (producer, both ends fixed).
fn window(tag: u8, kind: u8, specific: u8, fields: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend((3 + fields.len() as u16).to_le_bytes());
    out.extend([kind, 0x0c, specific]);
    out.extend(fields);
    out
}

fn words(min: u16, max: u16) -> Vec<u8> {
    [0, min, max, 0, (max - min).wrapping_add(1)].iter().flat_map(|w| w.to_le_bytes()).collect()
}

/// `WordBusNumber`.
pub fn bus_numbers(min: u16, max: u16) -> Vec<u8> {
    window(0x88, 2, 0, &words(min, max))
}

/// `WordIO`, the entire range decoded.
pub fn io_window(min: u16, max: u16) -> Vec<u8> {
    window(0x88, 1, 3, &words(min, max))
}

/// `DWordMemory`, read-write. `max` is the last address.
pub fn memory_window(cacheable: bool, min: u32, max: u32) -> Vec<u8> {
    let fields: Vec<u8> = [0, min, max, 0, (max - min).wrapping_add(1)].iter().flat_map(|w| w.to_le_bytes()).collect();
    window(0x87, 0, if cacheable { 3 } else { 1 }, &fields)
}
