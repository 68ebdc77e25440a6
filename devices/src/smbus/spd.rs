//! What memory modules say of themselves: JEDEC's Serial Presence Detect (Standard 21-C, section 4.1.2: appendix D for SDRAM,
//! appendix X for DDR2). As much RAM as the machine has, in as few modules as there can be; SDRAM, which is what an i440FX
//! drives, or DDR2 where that would not suffice.

use super::Eeprom;

/// Places for modules.
const SLOTS: usize = 8;
const MIB: u64 = 1 << 20;

/// A kind of memory: the smallest and the largest module in MiB, as powers of two.
#[derive(Clone, Copy)]
enum Kind {
    Sdram,
    Ddr2,
}

impl Kind {
    fn sizes(self) -> std::ops::RangeInclusive<u32> {
        match self {
            Kind::Sdram => 2..=9,
            Kind::Ddr2 => 7..=14,
        }
    }

    /// The modules that make up so many MiB, largest first, and what is left.
    fn split(self, mut mib: u64) -> (Vec<u32>, u64) {
        let (smallest, largest) = self.sizes().into_inner();
        let mut modules = Vec::new();
        while mib >> smallest != 0 && modules.len() < SLOTS {
            let size = mib.ilog2().min(largest);
            mib -= 1 << size;
            modules.push(size);
        }
        (modules, mib)
    }
}

/// Modules with so much RAM together, as far as their sizes can say it.
pub fn modules(ram: u64) -> Vec<Eeprom> {
    let mib = ram / MIB;
    let (sdram, missing) = Kind::Sdram.split(mib);
    let (ddr2, still_missing) = Kind::Ddr2.split(mib);
    let (kind, sizes) = if missing <= still_missing { (Kind::Sdram, sdram) } else { (Kind::Ddr2, ddr2) };
    (1..).zip(sizes).map(|(serial, size)| Eeprom::new(contents(kind, size, serial))).collect()
}

/// The bytes of a module of two to the `size` MiB.
fn contents(kind: Kind, size: u32, serial: u32) -> [u8; 256] {
    let mut bytes = [0; 256];
    match kind {
        Kind::Sdram => sdram(&mut bytes, size),
        Kind::Ddr2 => ddr2(&mut bytes, size),
    }
    bytes[63] = bytes[..63].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    // No maker has a number for us; the part's name is free.
    bytes[73..91].fill(b' ');
    bytes[73..81].copy_from_slice(b"Lyrebird");
    bytes[95..99].copy_from_slice(&serial.to_be_bytes());
    bytes
}

/// 133 MHz, CAS latency 3, four banks, one row of chips with 64 data bits.
fn sdram(bytes: &mut [u8; 256], size: u32) {
    // A row's size is 2 to the (rows + columns) times 4 banks times 8 bytes.
    let rows = (size.div_ceil(2) + 8).max(11);
    let columns = size + 15 - rows;
    bytes[..32].copy_from_slice(&[
        128,
        8,
        4,
        rows as u8,
        columns as u8,
        1,
        64,
        0,
        1,    // LVTTL
        0x75, // 7.5 ns
        0x54, // 5.4 ns from the clock to the data
        0,    // no parity
        0x82, // refresh each 7.8 us, by itself
        8,
        0,
        1,
        0x8f, // bursts of 1, 2, 4, 8 and a page
        4,
        0x04, // CAS latency 3
        0x01,
        0x01,
        0,
        0x0e,
        0,
        0,
        0,
        0,
        20, // ns: precharge, row to row, row to column, row active
        15,
        20,
        45,
        density(size, 2),
    ]);
    bytes[32..36].copy_from_slice(&[0x15, 0x08, 0x15, 0x08]);
    bytes[62] = 0x12;
}

/// DDR2-800, CAS latencies 4 to 6, one rank with 64 data bits.
fn ddr2(bytes: &mut [u8; 256], size: u32) {
    let banks = if size <= 9 { 4 } else { 8 };
    let columns = size.saturating_sub(11).min(2) + 10;
    let rows = size + if banks == 4 { 15 } else { 14 } - columns;
    bytes[..48].copy_from_slice(&[
        128,
        8,
        8,
        rows as u8,
        columns as u8,
        0x60, // 30 mm high, one rank
        64,
        0,
        5,    // SSTL 1.8 V
        0x25, // 2.5 ns
        0x40,
        0,
        0x82,
        8,
        0,
        0,
        0x0c, // bursts of 4 and 8
        banks,
        0x70,
        0,
        2, // unbuffered
        0,
        3,
        0x30,
        0x45,
        0x3d,
        0x60,
        50, // quarters of ns: precharge, row to row, row to column
        30,
        50,
        45, // ns: row active
        density(size, 7),
        0x17,
        0x25,
        0x05,
        0x12,
        60,
        30,
        30,
        0,
        0x06,
        58,
        127,
        0x80,
        0x14,
        0x1e,
        0,
        0,
    ]);
    bytes[62] = 0x13;
}

/// Byte 31: a bit for each size of a rank; after the highest it goes on from the lowest. `first` is the size of bit 0 or, for
/// DDR2, of bit 5.
fn density(size: u32, first: u32) -> u8 {
    let bit = if first == 7 { size - 7 + 5 } else { size - first };
    1 << (bit % 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size in MiB as Linux users' decode-dimms reckons it, and the kind.
    fn read(module: &Eeprom) -> (u32, u8) {
        let mut module = module.clone();
        let bytes: Vec<u8> = (0..=255).map(|_| module.read()).collect();
        assert_eq!(bytes[63], bytes[..63].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)));
        let ranks = if bytes[2] == 4 { bytes[5] } else { (bytes[5] & 7) + 1 };
        ((u32::from(ranks) * u32::from(bytes[17])) << (bytes[3] + bytes[4] - 17), bytes[2])
    }

    #[test]
    fn modules_make_up_the_ram() {
        for (mib, kind, sizes) in [
            (1, 4, vec![]),
            (4, 4, vec![4]),
            (64, 4, vec![64]),
            (100, 4, vec![64, 32, 4]),
            (512, 4, vec![512]),
            (3584, 4, vec![512; 7]),
            (8192, 8, vec![8192]),
            (6144, 8, vec![4096, 2048]),
            (65536, 8, vec![16384; 4]),
            (1 << 20, 8, vec![16384; 8]),
        ] {
            let modules = modules(mib << 20);
            assert_eq!(modules.iter().map(|module| read(module).0).collect::<Vec<_>>(), sizes, "{mib} MiB");
            assert!(modules.iter().all(|module| read(module).1 == kind), "{mib} MiB");
        }
    }

    #[test]
    fn every_size_has_plausible_rows_and_columns() {
        for kind in [Kind::Sdram, Kind::Ddr2] {
            for size in kind.sizes() {
                let module = Eeprom::new(contents(kind, size, 1));
                assert_eq!(read(&module).0, 1 << size);
                let (rows, columns) = (module.clone().nth(3), module.clone().nth(4));
                assert!((11..=16).contains(&rows) && (6..=13).contains(&columns), "{rows} {columns}");
            }
        }
        assert_eq!((density(9, 2), density(7, 7), density(9, 7), density(10, 7)), (0x80, 0x20, 0x80, 0x01));
    }

    impl Eeprom {
        fn nth(mut self, at: u8) -> u8 {
            self.set_pointer(at);
            self.read()
        }
    }
}
