//! The ACPI and SMBIOS tables as files for a firmware that knows QEMU's machines: SeaBIOS and OVMF place them where they
//! like, and follow the commands of `etc/table-loader` to put pointers and checksums right (QEMU's
//! `hw/acpi/bios-linker-loader.c` describes them).

use super::{Board, Placed, Tables, acpi, dsdt, smbios};

/// The file of all tables that the root pointer leads to.
const TABLES: &str = "etc/acpi/tables";
const RSDP: &str = "etc/acpi/rsdp";
/// A file's name in a command.
const NAME: usize = 56;
/// A command.
const COMMAND: usize = 128;

/// Where a file may be placed.
#[derive(Clone, Copy)]
enum Zone {
    High = 1,
    FSegment = 2,
}

/// The commands.
#[derive(Default)]
struct Script(Vec<u8>);

impl Script {
    fn command(&mut self, number: u32, names: &[&str], rest: &[u8]) {
        let mut command = number.to_le_bytes().to_vec();
        for name in names {
            let mut field = name.as_bytes().to_vec();
            field.resize(NAME, 0);
            command.extend(field);
        }
        command.extend(rest);
        command.resize(COMMAND, 0);
        self.0.extend(command);
    }

    fn allocate(&mut self, file: &str, align: u32, zone: Zone) {
        self.command(1, &[file], &[&align.to_le_bytes()[..], &[zone as u8]].concat());
    }

    /// At `offset` in a file stands an offset into `to`, which becomes an address.
    fn pointer(&mut self, file: &str, to: &str, offset: u32, bytes: u8) {
        self.command(2, &[file, to], &[&offset.to_le_bytes()[..], &[bytes]].concat());
    }

    fn checksum(&mut self, file: &str, at: u32, start: u32, bytes: u32) {
        self.command(3, &[file], &[at, start, bytes].map(u32::to_le_bytes).concat());
    }

    /// The checksum of a table with the standard header.
    fn table(&mut self, start: u32, bytes: usize) {
        self.checksum(TABLES, start + 9, start, bytes as u32);
    }
}

/// All files, with their names.
pub fn files(board: &Board) -> Vec<(&'static str, Vec<u8>)> {
    let mut tables = Tables::default();
    let mut script = Script::default();
    script.allocate(RSDP, 16, Zone::FSegment);
    script.allocate(TABLES, 64, Zone::High);
    let facs = tables.put(64, acpi::facs());
    let dsdt = tables.put(16, dsdt::build(board));
    let fadt_bytes = acpi::fadt(board, facs, dsdt);
    let fadt_length = fadt_bytes.len();
    let fadt = tables.put(16, fadt_bytes);
    // FIRMWARE_CTRL, DSDT, X_DSDT.
    for (offset, bytes) in [(36, 4), (40, 4), (140, 8)] {
        script.pointer(TABLES, TABLES, fadt + offset, bytes);
    }
    script.table(fadt, fadt_length);
    let mut roots = vec![fadt];
    if board.apic {
        roots.push(tables.put(16, acpi::madt(board)));
    }
    if board.hpet {
        roots.push(tables.put(16, acpi::hpet()));
    }
    let mut root = |bytes: Vec<u8>, size: u8| {
        let length = bytes.len();
        let gpa = tables.put(16, bytes);
        for index in 0..roots.len() as u32 {
            script.pointer(TABLES, TABLES, gpa + 36 + index * u32::from(size), size);
        }
        script.table(gpa, length);
        gpa
    };
    let (rsdt, xsdt) = (root(acpi::rsdt(&roots), 4), root(acpi::xsdt(&roots), 8));
    script.pointer(RSDP, TABLES, 16, 4);
    script.pointer(RSDP, TABLES, 24, 8);
    script.checksum(RSDP, 8, 0, 20);
    script.checksum(RSDP, 32, 0, 36);
    let mut structures = smbios::structures(board);
    let anchor = smbios::entry_point(0, &structures);
    vec![
        (RSDP, acpi::rsdp(rsdt, xsdt.into())),
        (TABLES, blob(&tables.placed)),
        ("etc/table-loader", script.0),
        ("etc/smbios/smbios-tables", std::mem::take(&mut structures.bytes)),
        ("etc/smbios/smbios-anchor", anchor),
    ]
}

/// The tables in one piece.
fn blob(placed: &[Placed]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for table in placed {
        bytes.resize(table.gpa as usize, 0);
        bytes.extend(&table.bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn number(bytes: &[u8], offset: usize) -> usize {
        u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap()) as usize
    }

    fn name(bytes: &[u8]) -> String {
        String::from_utf8(bytes.iter().copied().take_while(|byte| *byte != 0).collect()).unwrap()
    }

    /// Does what a firmware does.
    #[test]
    fn a_firmware_that_follows_the_commands_has_whole_tables() {
        let mut files: BTreeMap<String, Vec<u8>> =
            self::files(&Board::default()).into_iter().map(|(name, bytes)| (name.to_string(), bytes)).collect();
        let script = files["etc/table-loader"].clone();
        let mut places = BTreeMap::new();
        for command in script.chunks_exact(COMMAND) {
            let first = name(&command[4..60]);
            match command[0] {
                1 => _ = places.insert(first, 0x7f_0000 + places.len() * 0x10_0000),
                2 => {
                    let (to, offset) = (places[&name(&command[60..116])], number(command, 116));
                    let file = files.get_mut(&first).unwrap();
                    let value = number(file, offset) + to;
                    file[offset..offset + 4].copy_from_slice(&(value as u32).to_le_bytes());
                }
                3 => {
                    let [at, start, length] = [60, 64, 68].map(|offset| number(command, offset));
                    let file = files.get_mut(&first).unwrap();
                    file[at] = 0;
                    let sum = file[start..start + length].iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
                    file[at] = sum;
                }
                other => panic!("command {other}"),
            }
        }
        let (rsdp, tables, base) = (&files[RSDP], &files[TABLES], places[TABLES]);
        let sum = |bytes: &[u8]| bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        assert_eq!((sum(rsdp), sum(&rsdp[..20])), (0, 0));
        let table = |address: usize| {
            let bytes = &tables[address - base..];
            &bytes[..number(bytes, 4)]
        };
        for (root, size) in [(table(number(rsdp, 16)), 4), (table(number(rsdp, 24)), 8)] {
            assert_eq!(sum(root), 0);
            let found: Vec<&[u8]> =
                (36..root.len()).step_by(size).map(|offset| &table(number(root, offset))[..4]).collect();
            assert_eq!(found, [b"FACP", b"APIC", b"HPET"]);
        }
        let fadt = table(number(table(number(rsdp, 16)), 36));
        assert_eq!((sum(fadt), sum(table(number(fadt, 40)))), (0, 0));
        assert_eq!(&table(number(fadt, 140))[..4], b"DSDT");
        assert_eq!(number(fadt, 36) % 64, 0);
    }
}
