//! The ACPI tables beside the DSDT: RSDP, RSDT, XSDT, FADT, FACS and MADT (ACPI specification 6.4, chapter 5).

use super::sdt::{Sdt, checksum};
use super::{Board, HPET_BASE, IO_APIC_BASE, LOCAL_APIC_BASE, PCI_IRQS, SCI_IRQ};

/// The root pointer, revision 2, which leads to both the RSDT and the XSDT.
pub fn rsdp(rsdt: u32, xsdt: u64) -> Vec<u8> {
    let mut out = b"RSD PTR ".to_vec();
    out.push(0);
    out.extend(b"LYREBD");
    out.push(2);
    out.extend(rsdt.to_le_bytes());
    out[8] = checksum(&out);
    out.extend(36u32.to_le_bytes());
    out.extend(xsdt.to_le_bytes());
    out.extend([0; 4]);
    out[32] = checksum(&out);
    out
}

/// The table of 32-bit pointers.
pub fn rsdt(tables: &[u32]) -> Vec<u8> {
    let mut table = Sdt::new(b"RSDT", 1);
    for &gpa in tables {
        table.u32(gpa);
    }
    table.finish()
}

/// The same pointers with 64 bits.
pub fn xsdt(tables: &[u32]) -> Vec<u8> {
    let mut table = Sdt::new(b"XSDT", 1);
    for &gpa in tables {
        table.u64(u64::from(gpa));
    }
    table.finish()
}

/// The firmware's side of the global lock and the waking vector. It has no checksum, and the guest writes to it.
pub fn facs() -> Vec<u8> {
    let mut out = b"FACS".to_vec();
    out.extend(64u32.to_le_bytes());
    out.resize(64, 0);
    out[32] = 1; // version
    out
}

// FADT flags.
const WBINVD: u32 = 1 << 0;
const PROC_C1: u32 = 1 << 2;
const SLP_BUTTON_IS_NOT_FIXED: u32 = 1 << 5;
const RTC_S4: u32 = 1 << 7;
const RESET_REG_SUP: u32 = 1 << 10;

/// The fixed hardware: power management ports, SCI, how to switch ACPI on and how to reset. Revision 3, the oldest that
/// has the reset register.
pub fn fadt(board: &Board, facs: u32, dsdt: u32) -> Vec<u8> {
    let mut t = Sdt::new(b"FACP", 3);
    t.u32(facs).u32(dsdt);
    t.u8(1); // was INT_MODEL: dual PIC and APIC
    t.u8(0); // preferred profile: unspecified
    t.u16(u16::from(SCI_IRQ));
    t.u32(0xb2).u8(0xf1).u8(0xf0); // SMI_CMD, ACPI_ENABLE, ACPI_DISABLE
    t.u8(0).u8(0); // S4BIOS_REQ, PSTATE_CNT
    t.u32(u32::from(board.pm_base)).u32(0); // PM1a, PM1b event blocks
    t.u32(u32::from(board.pm_base) + 4).u32(0); // PM1a, PM1b control blocks
    t.u32(0); // PM2 control block
    t.u32(u32::from(board.pm_base) + 8); // PM timer
    t.u32(0).u32(0); // GPE0, GPE1
    t.bytes(&[4, 2, 0, 4, 0, 0, 0, 0]); // lengths of PM1 event, PM1 control, PM2, timer, GPE0, GPE1; GPE1 base; CST_CNT
    t.u16(0xfff).u16(0xfff); // C2 and C3 take so long that they are not there
    t.u16(0).u16(0); // flush size and stride: WBINVD works
    t.bytes(&[0, 0, 0, 0, 0x32]); // duty cycle, day and month alarms, century in CMOS 32h
    t.u16(0b11); // IAPC_BOOT_ARCH: ISA devices, 8042
    t.u8(0);
    t.u32(WBINVD | PROC_C1 | SLP_BUTTON_IS_NOT_FIXED | RTC_S4 | RESET_REG_SUP);
    t.io_address(8, 0xcf9).u8(6); // hard reset by the reset control register
    t.bytes(&[0; 3]);
    t.u64(0).u64(u64::from(dsdt)); // the FACS by one pointer only
    t.io_address(32, board.pm_base).io_address(0, 0);
    t.io_address(16, board.pm_base + 4).io_address(0, 0);
    t.io_address(0, 0);
    t.io_address(32, board.pm_base + 8);
    t.io_address(0, 0).io_address(0, 0);
    t.finish()
}

/// The event timers (IA-PC HPET specification 1.0a, 3.2.4).
pub fn hpet() -> Vec<u8> {
    let mut t = Sdt::new(b"HPET", 1);
    t.u32(0x8086_a201); // the lower half of its capabilities
    t.bytes(&[0, 64, 0, 0]).u64(HPET_BASE.into()); // memory
    t.u8(0).u16(128).u8(0); // its number, the least period in ticks, no page protection
    t.finish()
}

/// Interrupt flags of the MADT and of the MP table: active high, level-triggered.
pub const LEVEL_HIGH: u16 = 0b1101;

/// The interrupt controllers: local APICs, one I/O APIC, how ISA interrupts reach it, NMI on LINT1.
pub fn madt(board: &Board) -> Vec<u8> {
    let mut t = Sdt::new(b"APIC", 1);
    t.u32(LOCAL_APIC_BASE).u32(1); // PCAT_COMPAT: the PICs are there as well
    for id in 0..board.cpus.min(255) as u8 {
        t.bytes(&[0, 8, id, id]).u32(1);
    }
    t.bytes(&[1, 12, super::IO_APIC_ID, 0]).u32(IO_APIC_BASE).u32(0);
    t.bytes(&[2, 10, 0, 0]).u32(2).u16(0); // the timer is wired to input 2
    for irq in PCI_IRQS {
        t.bytes(&[2, 10, 0, irq]).u32(u32::from(irq)).u16(LEVEL_HIGH);
    }
    t.bytes(&[4, 6, 0xff]).u16(0).u8(1);
    t.finish()
}
