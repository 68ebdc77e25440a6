//! The MultiProcessor tables, for operating systems that have an APIC but no ACPI (Intel MultiProcessor Specification 1.4,
//! chapter 4).

use super::acpi::LEVEL_HIGH;
use super::sdt::checksum;
use super::{Board, IO_APIC_BASE, IO_APIC_ID, LOCAL_APIC_BASE, PCI_IRQS, PIRQ_IRQS, SCI_IRQ};

const PCI_BUS: u8 = 0;
const ISA_BUS: u8 = 1;
// Interrupt types.
const INT: u8 = 0;
const NMI: u8 = 1;
const EXT_INT: u8 = 3;

/// The floating pointer structure, which a kernel finds by its signature.
pub fn floating_pointer(table: u32) -> Vec<u8> {
    let mut out = b"_MP_".to_vec();
    out.extend(table.to_le_bytes());
    out.extend([1, 4, 0, 0, 0, 0, 0, 0]); // 16 bytes long, version 1.4, a configuration table is present, no IMCR
    out[10] = checksum(&out);
    out
}

/// The configuration table.
pub fn configuration_table(board: &Board) -> Vec<u8> {
    let mut entries: Vec<Vec<u8>> = Vec::new();
    for id in 0..board.cpus.min(255) as u8 {
        let flags = if id == 0 { 3 } else { 1 }; // enabled; the bootstrap processor
        let mut cpu = vec![0, id, 0x14, flags];
        cpu.extend(board.cpu_signature.to_le_bytes());
        cpu.extend(board.cpu_features.to_le_bytes());
        cpu.extend([0; 8]);
        entries.push(cpu);
    }
    entries.push([&[1, PCI_BUS][..], b"PCI   "].concat());
    entries.push([&[1, ISA_BUS][..], b"ISA   "].concat());
    entries.push([&[2, IO_APIC_ID, 0x11, 1][..], &IO_APIC_BASE.to_le_bytes()].concat());
    for slot in 1..32u8 {
        for pin in 0..4u8 {
            let irq = match (slot, pin) {
                (1, 0) => SCI_IRQ,
                _ => PIRQ_IRQS[super::pirq_of(slot, pin)],
            };
            entries.push(io_interrupt(INT, LEVEL_HIGH, PCI_BUS, slot << 2 | pin, irq));
        }
    }
    // The cascade (2) has no line of its own; interrupts that PCI uses are not ISA's.
    for irq in (0..16u8).filter(|irq| *irq != 2 && !PIRQ_IRQS.contains(irq)) {
        let (flags, input) = match irq {
            0 => (0, 2),
            SCI_IRQ => (LEVEL_HIGH, SCI_IRQ),
            _ if PCI_IRQS.contains(&irq) => (LEVEL_HIGH, irq),
            _ => (0, irq),
        };
        entries.push(io_interrupt(INT, flags, ISA_BUS, irq, input));
    }
    entries.push(vec![4, EXT_INT, 0, 0, ISA_BUS, 0, 0xff, 0]);
    entries.push(vec![4, NMI, 0, 0, ISA_BUS, 0, 0xff, 1]);

    let mut out = b"PCMP".to_vec();
    out.extend([0, 0, 4, 0]); // length, revision 1.4, checksum
    out.extend(b"LYREBIRD");
    out.extend(b"Lyrebird PC ");
    out.extend([0; 6]); // no OEM table
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend(LOCAL_APIC_BASE.to_le_bytes());
    out.extend([0; 4]); // no extended table
    out.extend(entries.concat());
    let length = out.len() as u16;
    out[4..6].copy_from_slice(&length.to_le_bytes());
    out[7] = checksum(&out);
    out
}

fn io_interrupt(kind: u8, flags: u16, bus: u8, source: u8, input: u8) -> Vec<u8> {
    let [low, high] = flags.to_le_bytes();
    vec![3, kind, low, high, bus, source, IO_APIC_ID, input]
}
