//! PCI: addresses, ports and interrupts for every function (PCI 2.3, section 6.2.5).

use crate::call::Call;
use crate::{pci, tables};

/// The first port to give away.
const PORTS: u32 = 0xc000;
/// Where memory is given away from: in the hole, clear of RAM.
const MEMORY: u32 = 0xe000_0000;

const COMMAND: u8 = 0x04;
const BAR0: u8 = 0x10;
const INTERRUPT_LINE: u8 = 0x3c;
const INTERRUPT_PIN: u8 = 0x3d;

struct Bar {
    devfn: u8,
    register: u8,
    bytes: u32,
    port: bool,
}

/// Gives every function what it asks for, the largest first.
pub fn assign(call: &mut Call<'_>) {
    let functions = pci::functions(call);
    let mut bars = Vec::new();
    for &devfn in &functions {
        // A bridge has two of them, everything else six.
        let count = if pci::read(call, devfn, 0x0e, 1) & 0x7f == 0 { 6 } else { 2 };
        let command = pci::read(call, devfn, COMMAND, 2);
        pci::write(call, devfn, COMMAND, 2, command & !3);
        let mut n = 0;
        while n < count {
            let register = BAR0 + 4 * n;
            pci::write(call, devfn, register, 4, u32::MAX);
            let mask = pci::read(call, devfn, register, 4);
            let port = mask & 1 != 0;
            let bits = if port { mask & !3 } else { mask & !15 };
            if mask != 0 && bits != 0 {
                let bytes = (bits | if port { 0xffff_0000 } else { 0 }).wrapping_neg();
                bars.push(Bar { devfn, register, bytes: bytes.max(4), port });
            }
            let wide = !port && mask & 6 == 4;
            if wide && n + 1 < count {
                pci::write(call, devfn, register + 4, 4, 0);
                n += 1;
            }
            n += 1;
        }
    }
    bars.sort_by_key(|bar| std::cmp::Reverse(bar.bytes));
    let (mut port, mut memory) = (PORTS, MEMORY);
    for bar in &bars {
        let next = if bar.port { &mut port } else { &mut memory };
        let end = if bar.port { 0x1_0000 } else { tables::PCI_HOLE.end };
        let place = next
            .checked_next_multiple_of(bar.bytes)
            .filter(|at| at.checked_add(bar.bytes).is_some_and(|last| last <= end));
        let Some(at) = place else { continue };
        *next = at + bar.bytes;
        pci::write(call, bar.devfn, bar.register, 4, at);
    }
    for &devfn in &functions {
        if devfn == 0 {
            continue;
        }
        let class = pci::read(call, devfn, 0x0a, 2);
        if class == 0x0101 {
            pci::write(call, devfn, 0x40, 4, 0x8000_8000); // both channels are decoded
        }
        let pin = pci::read(call, devfn, INTERRUPT_PIN, 1) as u8;
        // Power management's interrupt is the SCI, whatever its pin says.
        if (1..=4).contains(&pin) && devfn != (1 << 3 | 3) {
            let irq = tables::PIRQ_IRQS[tables::pirq_of(devfn >> 3, pin - 1)];
            pci::write(call, devfn, INTERRUPT_LINE, 1, irq.into());
        }
        let command = pci::read(call, devfn, COMMAND, 2);
        pci::write(call, devfn, COMMAND, 2, command | 7);
    }
}
