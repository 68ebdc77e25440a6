//! The DSDT: the board as an operating system discovers it by ACPI. It is an i440FX board with a PIIX3 ISA bridge at 00:01.0,
//! whose four PCI interrupts are routed to ISA interrupts both with the PIC and with the I/O APIC.

use super::aml::{self, Aml};
use super::resource;
use super::{Board, SCI_IRQ, sdt};

/// The names of the PCI interrupt links, PIRQA to PIRQD.
const LINKS: [&str; 4] = ["LNKA", "LNKB", "LNKC", "LNKD"];
/// Where PIRQx may be routed.
const LINK_IRQS: [u32; 3] = [5, 10, 11];
/// A PIRQ route register with this bit set routes nowhere.
const ROUTE_DISABLED: u64 = 0x80;

/// The whole table.
pub fn build(board: &Board) -> Vec<u8> {
    let mut table = sdt::Sdt::new(b"DSDT", 1);
    let soft_off = aml::package(&[aml::integer(0), aml::integer(0), aml::integer(0), aml::integer(0)]);
    table.bytes(&aml::name("\\_S5", soft_off));
    table.bytes(&aml::scope("\\_SB", &[host_bridge(board), links()]));
    table.bytes(&aml::scope("\\_PR", &[processors(board)]));
    table.finish()
}

fn processors(board: &Board) -> Aml {
    (0..board.cpus.min(255)).flat_map(|i| aml::processor(&format!("C{i:03X}"), i as u8)).collect()
}

fn host_bridge(board: &Board) -> Aml {
    let windows = resource::template(&[
        resource::bus_numbers(0, 0xff),
        resource::io(0xcf8, 8),
        resource::io_window(0, 0xcf7),
        resource::io_window(0xd00, 0xffff),
        resource::memory_window(true, 0xa_0000, 0xb_ffff),
        resource::memory_window(false, super::PCI_HOLE.start, super::PCI_HOLE.end - 1),
    ]);
    aml::device(
        "PCI0",
        &[
            aml::name("_HID", aml::eisa_id("PNP0A03")),
            aml::name("_UID", aml::integer(0)),
            aml::name("_CRS", windows),
            aml::name("_PRT", routing()),
            isa_bridge(board),
        ],
    )
}

/// Which link each slot's four pins reach: the board turns the pins by one from slot to slot. The power management
/// function (slot 1, INTA) is wired to the SCI instead.
fn routing() -> Aml {
    let mut entries = Vec::new();
    for slot in 1..32u64 {
        for pin in 0..4u64 {
            let link = match (slot, pin) {
                (1, 0) => "LNKS",
                _ => LINKS[super::pirq_of(slot as u8, pin as u8)],
            };
            entries.push(aml::package(&[
                aml::integer(slot << 16 | 0xffff),
                aml::integer(pin),
                aml::path(link),
                aml::integer(0),
            ]));
        }
    }
    aml::package(&entries)
}

/// The interrupt link devices and the methods that they share.
fn links() -> Aml {
    let mut out = aml::byte_fields("\\_SB.PCI0.ISA.PIRQ", &["PRQ0", "PRQ1", "PRQ2", "PRQ3"]);
    // Status: present, shown and functioning, but enabled only when the register routes somewhere.
    out.extend(aml::method(
        "IQST",
        1,
        &[
            aml::if_then(aml::and(aml::arg0(), aml::integer(ROUTE_DISABLED)), &[aml::ret(aml::integer(9))]),
            aml::ret(aml::integer(0xb)),
        ],
    ));
    // Current setting: the register's number, or 0 when disabled.
    out.extend(aml::method(
        "IQCR",
        1,
        &[
            aml::store(resource::template(&[resource::interrupt(&[0])]), aml::local0()),
            aml::create_dword_field(aml::local0(), resource::INTERRUPT_NUMBER, "PRRI"),
            aml::if_then(
                aml::and(aml::arg0(), aml::integer(ROUTE_DISABLED)),
                &[aml::store(aml::integer(0), aml::path("PRRI"))],
            ),
            aml::or_else(&[aml::store(aml::arg0(), aml::path("PRRI"))]),
            aml::ret(aml::local0()),
        ],
    ));
    for (index, link) in LINKS.iter().enumerate() {
        let register = format!("PRQ{index}");
        let register = || aml::path(&register);
        out.extend(aml::device(
            link,
            &[
                aml::name("_HID", aml::eisa_id("PNP0C0F")),
                aml::name("_UID", aml::integer(index as u64)),
                aml::name("_PRS", resource::template(&[resource::interrupt(&LINK_IRQS)])),
                aml::method("_STA", 0, &[aml::ret(aml::call("IQST", &[register()]))]),
                aml::method("_DIS", 0, &[aml::or(register(), aml::integer(ROUTE_DISABLED), register())]),
                aml::method("_CRS", 0, &[aml::ret(aml::call("IQCR", &[register()]))]),
                aml::method(
                    "_SRS",
                    1,
                    &[
                        aml::create_dword_field(aml::arg0(), resource::INTERRUPT_NUMBER, "PRRI"),
                        aml::store(aml::path("PRRI"), register()),
                    ],
                ),
            ],
        ));
    }
    let sci = || resource::template(&[resource::interrupt(&[u32::from(SCI_IRQ)])]);
    out.extend(aml::device(
        "LNKS",
        &[
            aml::name("_HID", aml::eisa_id("PNP0C0F")),
            aml::name("_UID", aml::integer(LINKS.len() as u64)),
            aml::name("_PRS", sci()),
            aml::name("_CRS", sci()),
            aml::name("_STA", aml::integer(0xb)),
            aml::method("_DIS", 0, &[]),
            aml::method("_SRS", 1, &[]),
        ],
    ));
    out
}

fn isa_device(at: &str, id: &str, uid: Option<u64>, resources: &[Vec<u8>]) -> Aml {
    let mut body = vec![aml::name("_HID", aml::eisa_id(id))];
    body.extend(uid.map(|uid| aml::name("_UID", aml::integer(uid))));
    body.push(aml::name("_STA", aml::integer(0xf)));
    body.push(aml::name("_CRS", resource::template(resources)));
    aml::device(at, &body)
}

fn isa_bridge(board: &Board) -> Aml {
    use resource::{io, isa_dma, isa_irq};
    let mut body = vec![
        aml::name("_ADR", aml::integer(0x1_0000)),
        aml::pci_config_region("PIRQ", 0x60, 4),
        isa_device("RTC", "PNP0B00", None, &[io(0x70, 2), isa_irq(8)]),
        isa_device("KBD", "PNP0303", None, &[io(0x60, 1), io(0x64, 1), isa_irq(1)]),
        isa_device("MOU", "PNP0F13", None, &[isa_irq(12)]),
        isa_device("TIMR", "PNP0100", None, &[io(0x40, 4), isa_irq(0)]),
        isa_device("DMAC", "PNP0200", None, &[io(0x00, 16), io(0x81, 15), io(0xc0, 32), isa_dma(4)]),
        isa_device("SPKR", "PNP0800", None, &[io(0x61, 1)]),
        isa_device("FPU", "PNP0C04", None, &[io(0xf0, 1), isa_irq(13)]),
        // Ports that no device of the list claims: fast A20, APM, ELCR, power management, reset control is in CF8's range.
        isa_device(
            "MBRD",
            "PNP0C02",
            None,
            &[io(0x92, 1), io(0xb2, 2), io(0x4d0, 2), io(board.pm_base, 64), io(super::SMBUS_BASE, 16)],
        ),
    ];
    for (index, (base, irq)) in [(0x3f8, 4), (0x2f8, 3), (0x3e8, 4), (0x2e8, 3)].into_iter().enumerate() {
        if board.serial_ports[index] {
            let at = format!("COM{}", index + 1);
            body.push(isa_device(&at, "PNP0501", Some(index as u64 + 1), &[io(base, 8), isa_irq(irq)]));
        }
    }
    if board.parallel_port {
        body.push(isa_device("LPT1", "PNP0400", Some(1), &[io(0x378, 8), isa_irq(7)]));
    }
    if board.floppy {
        body.push(isa_device("FDC0", "PNP0700", None, &[io(0x3f2, 4), io(0x3f7, 1), isa_irq(6), isa_dma(2)]));
    }
    aml::device("ISA", &body)
}
