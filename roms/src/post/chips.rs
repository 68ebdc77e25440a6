//! The chips of the board: interrupt controllers, timer, DMA, clock, keyboard controller, PCI router, power management.

use crate::call::Call;
use crate::{clock, pci, tables};

/// The PIIX3's functions: ISA bridge, IDE, power management.
const ISA: u8 = 1 << 3;
const PM: u8 = 1 << 3 | 3;

/// Sets them up.
pub fn set_up(call: &mut Call<'_>) {
    // 8259A: vectors 08h and 70h, edges except for PCI's and the SCI; timer, keyboard, cascade and floppy can interrupt,
    // and of the second the clock, the mouse, the coprocessor.
    for (port, value) in
        [(0x20, 0x11), (0x21, 0x08), (0x21, 0x04), (0x21, 0x01), (0xa0, 0x11), (0xa1, 0x70), (0xa1, 0x02), (0xa1, 0x01)]
    {
        call.outb(port, value);
    }
    call.outb(0x21, 0xb8);
    call.outb(0xa1, 0x8e);
    call.outb(0x4d0, 0x00);
    call.outb(0x4d1, 0x0e);
    // 8254: the tick of 18.2 Hz, the memory's refresh, the speaker.
    for (port, value) in
        [(0x43, 0x36), (0x40, 0), (0x40, 0), (0x43, 0x54), (0x41, 0x12), (0x43, 0xb6), (0x42, 0x33), (0x42, 0x05)]
    {
        call.outb(port, value);
    }
    let speaker = call.inb(0x61);
    call.outb(0x61, speaker & !3);
    // 8237A: the second's channel 4 is the cascade.
    call.outb(0x0d, 0);
    call.outb(0xda, 0);
    call.outb(0xd6, 0xc0);
    call.outb(0xd4, 0);
    // MC146818: BCD, 24 hours, no interrupts.
    call.set_cmos(clock::STATUS_A, 0x26);
    call.set_cmos(clock::STATUS_B, 0x02);
    call.cmos(clock::STATUS_C);
    keyboard(call);
    call.machine.memory().set_a20(true);
    // PCI: PIRQA to PIRQD, and power management's ports.
    for (register, irq) in (0x60..).zip(tables::PIRQ_IRQS) {
        pci::write(call, ISA, register, 1, irq.into());
    }
    pci::write(call, PM, 0x40, 4, u32::from(tables::PM_BASE) | 1);
    pci::write(call, PM, 0x80, 1, 1);
    pci::write(call, PM, 0x90, 4, u32::from(tables::SMBUS_BASE) | 1);
    pci::write(call, PM, 0xd2, 1, 0x09); // the SMBus controller works, and has IRQ 9
    pci::write(call, PM, 0x3c, 1, tables::SCI_IRQ.into());
}

/// 8042: scan codes are translated, the keyboard interrupts, the mouse waits until somebody wants it.
fn keyboard(call: &mut Call<'_>) {
    call.outb(0x64, 0xad);
    call.outb(0x64, 0xa7);
    for _ in 0..32 {
        if call.inb(0x64) & 1 == 0 {
            break;
        }
        call.inb(0x60);
    }
    call.outb(0x64, 0xaa);
    call.inb(0x60);
    call.outb(0x64, 0x60);
    call.outb(0x60, 0x65);
    call.outb(0x64, 0xae);
    call.outb(0x60, 0xf4);
    for _ in 0..4 {
        if call.inb(0x64) & 1 != 0 {
            call.inb(0x60);
        }
    }
}
