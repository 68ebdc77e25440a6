//! The tables by which firmware describes the board to operating systems: ACPI, MultiProcessor and SMBIOS. Without firmware
//! (direct boot) they are all that a kernel learns; our own firmware will hand out the same ones. Nothing here depends
//! on the boot loaders.

pub mod acpi;
pub mod aml;
pub mod dsdt;
pub mod loader;
pub mod mp;
pub mod resource;
pub mod sdt;
pub mod smbios;

/// The power management block's first port (PIIX4 PM function, PMBASE).
pub const PM_BASE: u16 = 0x600;
/// The first port of its SMBus controller (SMBBA).
pub const SMBUS_BASE: u16 = 0x700;
/// The interrupt by which ACPI hardware asks for attention.
pub const SCI_IRQ: u8 = 9;
/// Where PCI devices' memory may be placed below 4 GiB: above all RAM, below the I/O APIC.
pub const PCI_HOLE: std::ops::Range<u32> = 0xc000_0000..0xfec0_0000;
/// Where the I/O APIC is.
pub const IO_APIC_BASE: u32 = 0xfec0_0000;
/// Where the HPET is.
pub const HPET_BASE: u32 = 0xfed0_0000;
/// The I/O APIC's identifier.
pub const IO_APIC_ID: u8 = 0;
/// Where the local APICs are.
pub const LOCAL_APIC_BASE: u32 = 0xfee0_0000;
/// ISA interrupts that PCI may use, and which are level-triggered for that reason.
pub const PCI_IRQS: [u8; 4] = [5, 9, 10, 11];
/// Where PIRQA to PIRQD are routed unless the operating system changes it.
pub const PIRQ_IRQS: [u8; 4] = [10, 10, 11, 11];

/// Which of PIRQA to PIRQD (0 to 3) a slot's pin (0 to 3 for INTA to INTD) is wired to.
pub fn pirq_of(slot: u8, pin: u8) -> usize {
    usize::from(slot.wrapping_sub(1).wrapping_add(pin) & 3)
}

/// What the tables need to know of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// Processors; their APIC identifiers are 0, 1, 2...
    pub cpus: u32,
    /// All of RAM.
    pub ram_bytes: u64,
    /// CPUID leaf 1's EAX: family, model, stepping.
    pub cpu_signature: u32,
    /// CPUID leaf 1's EDX.
    pub cpu_features: u32,
    /// Whether there are local APICs and an I/O APIC.
    pub apic: bool,
    /// Which of COM1 to COM4 are there.
    pub serial_ports: [bool; 4],
    /// Whether LPT1 is there.
    pub parallel_port: bool,
    /// The power management block's first port: [`PM_BASE`] unless a firmware has moved it.
    pub pm_base: u16,
    /// Whether an HPET is there.
    pub hpet: bool,
    /// Whether a floppy controller is there.
    pub floppy: bool,
}

impl Default for Board {
    fn default() -> Self {
        Board {
            cpus: 1,
            ram_bytes: 128 << 20,
            cpu_signature: 0x600,
            cpu_features: 0x201, // FPU, APIC
            apic: true,
            serial_ports: [true, true, false, false],
            parallel_port: false,
            pm_base: PM_BASE,
            hpet: true,
            floppy: false,
        }
    }
}

/// A piece of memory with its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The guest-physical address.
    pub gpa: u32,
    /// What stands there.
    pub bytes: Vec<u8>,
}

/// All tables, placed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// The tables: the FACS, then the others in order of address.
    pub placed: Vec<Placed>,
    /// Where the ACPI root pointer is.
    pub rsdp: u32,
    /// Where the MP floating pointer is, if there are APICs.
    pub mp: Option<u32>,
    /// Where the SMBIOS entry point is.
    pub smbios: u32,
    /// The first address behind the tables.
    pub end: u32,
}

impl Tables {
    /// Appends a table at the next address with the given alignment.
    fn put(&mut self, align: u32, bytes: Vec<u8>) -> u32 {
        let gpa = self.end.next_multiple_of(align);
        self.end = gpa + bytes.len() as u32;
        self.placed.push(Placed { gpa, bytes });
        gpa
    }
}

/// Builds all tables from `base` on, but for the FACS, which goes to `facs`: guests write to it. Kernels look for the entry
/// points between F0000h and FFFFFh (ACPI also from E0000h).
pub fn build(board: &Board, base: u32, facs: u32) -> Tables {
    let mut tables = Tables { end: base, ..Tables::default() };
    tables.placed.push(Placed { gpa: facs, bytes: acpi::facs() });
    let dsdt = tables.put(16, dsdt::build(board));
    let fadt = tables.put(16, acpi::fadt(board, facs, dsdt));
    let mut roots = vec![fadt];
    if board.apic {
        roots.push(tables.put(16, acpi::madt(board)));
        let mp = tables.put(16, mp::configuration_table(board));
        tables.mp = Some(tables.put(16, mp::floating_pointer(mp)));
    }
    if board.hpet {
        roots.push(tables.put(16, acpi::hpet()));
    }
    let rsdt = tables.put(16, acpi::rsdt(&roots));
    let xsdt = tables.put(16, acpi::xsdt(&roots));
    tables.rsdp = tables.put(16, acpi::rsdp(rsdt, u64::from(xsdt)));
    let structures = smbios::structures(board);
    let entry = smbios::entry_point(0, &structures);
    let table = (tables.end.next_multiple_of(16) + entry.len() as u32).next_multiple_of(16);
    tables.smbios = tables.put(16, smbios::entry_point(table, &structures));
    tables.put(16, structures.bytes);
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACS: u32 = 0x9_fe00;

    fn at(tables: &Tables, gpa: u32) -> &[u8] {
        &tables.placed.iter().find(|p| p.gpa == gpa).unwrap().bytes
    }

    fn sum(bytes: &[u8]) -> u8 {
        bytes.iter().fold(0, |sum, &b| sum.wrapping_add(b))
    }

    fn u32_at(bytes: &[u8], offset: usize) -> u32 {
        u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap())
    }

    #[test]
    fn every_table_is_reached_from_the_root_pointer_and_sums_to_zero() {
        for cpus in [1, 4, 255] {
            let board = Board { cpus, floppy: true, parallel_port: true, ..Board::default() };
            let tables = build(&board, 0xf_0000, FACS);
            assert!(tables.end < 0xf_e000, "{:#x}", tables.end);
            let rsdp = at(&tables, tables.rsdp);
            assert_eq!((rsdp.len(), sum(rsdp), sum(&rsdp[..20])), (36, 0, 0));
            let (rsdt, xsdt) = (at(&tables, u32_at(rsdp, 16)), at(&tables, u32_at(rsdp, 24)));
            assert_eq!((sum(rsdt), sum(xsdt)), (0, 0));
            for index in 0..3 {
                assert_eq!(u32_at(rsdt, 36 + 4 * index), u32_at(xsdt, 36 + 8 * index));
                let table = at(&tables, u32_at(rsdt, 36 + 4 * index));
                assert_eq!((sum(table), u32_at(table, 4) as usize), (0, table.len()));
            }
            let fadt = at(&tables, u32_at(rsdt, 36));
            assert_eq!((&fadt[..4], fadt.len()), (&b"FACP"[..], 244));
            assert_eq!(u32_at(fadt, 36), FACS);
            assert_eq!(&at(&tables, u32_at(fadt, 36))[..4], b"FACS");
            let dsdt = at(&tables, u32_at(fadt, 40));
            assert_eq!((&dsdt[..4], sum(dsdt)), (&b"DSDT"[..], 0));
            assert_eq!((u32_at(fadt, 132), u32_at(fadt, 140)), (0, u32_at(fadt, 40)));
        }
    }

    #[test]
    fn the_fadt_has_its_fields_where_the_specification_has_them() {
        let fadt = acpi::fadt(&Board::default(), 0x1000, 0x2000);
        assert_eq!(u16::from_le_bytes([fadt[46], fadt[47]]), 9);
        assert_eq!((u32_at(&fadt, 48), fadt[52], fadt[53]), (0xb2, 0xf1, 0xf0));
        assert_eq!((u32_at(&fadt, 56), u32_at(&fadt, 64), u32_at(&fadt, 76)), (0x600, 0x604, 0x608));
        assert_eq!((fadt[88], fadt[89], fadt[91], fadt[108]), (4, 2, 4, 0x32));
        assert_eq!((&fadt[116..120], u32_at(&fadt, 120), fadt[128]), (&[1, 8, 0, 0][..], 0xcf9, 6));
        assert_eq!((u32_at(&fadt, 152), u32_at(&fadt, 176), u32_at(&fadt, 212)), (0x600, 0x604, 0x608));
    }

    #[test]
    fn mp_and_smbios_sum_to_zero() {
        let tables = build(&Board { cpus: 8, ..Board::default() }, 0xf_0000, FACS);
        let mp = at(&tables, tables.mp.unwrap());
        assert_eq!((mp.len(), sum(mp)), (16, 0));
        let table = at(&tables, u32_at(mp, 4));
        assert_eq!((sum(table), u16::from_le_bytes([table[4], table[5]]) as usize), (0, table.len()));
        let (mut offset, mut entries) = (44, 0);
        while offset < table.len() {
            offset += if table[offset] == 0 { 20 } else { 8 };
            entries += 1;
        }
        assert_eq!((offset, entries), (table.len(), u16::from_le_bytes([table[34], table[35]])));
        let smbios = at(&tables, tables.smbios);
        assert_eq!((smbios.len(), sum(smbios), sum(&smbios[16..])), (smbios::ENTRY_POINT_BYTES, 0, 0));
        let structures = at(&tables, u32_at(smbios, 24));
        assert_eq!(usize::from(u16::from_le_bytes([smbios[22], smbios[23]])), structures.len());
    }

    #[test]
    fn without_apics_there_is_neither_madt_nor_mp_table() {
        let tables = build(&Board { apic: false, ..Board::default() }, 0xf_0000, FACS);
        assert_eq!(tables.mp, None);
        assert!(tables.placed.iter().all(|p| &p.bytes[..4] != b"APIC" && &p.bytes[..4] != b"PCMP"));
    }

    #[test]
    fn pins_turn_by_one_from_slot_to_slot() {
        assert_eq!([pirq_of(1, 0), pirq_of(1, 3), pirq_of(2, 0), pirq_of(3, 0), pirq_of(3, 3)], [0, 3, 1, 2, 1]);
    }
}
