use super::*;

const TABLE: u64 = 0x8000;

impl Bench {
    /// Writes a table of (address, bytes), and shows it to a channel's bus master.
    fn table(&mut self, channel: u16, regions: &[(u32, u32)]) {
        for (n, (base, bytes)) in regions.iter().enumerate() {
            let last = if n + 1 == regions.len() { 1 << 31 } else { 0 };
            let at = TABLE + 8 * n as u64;
            self.memory.write_uint(at, 4, u64::from(*base)).unwrap();
            self.memory.write_uint(at + 4, 4, u64::from(bytes & 0xffff | last)).unwrap();
        }
        self.ide.write(BUS_MASTER + 8 * channel + 4, 4, TABLE as u32, NOW);
    }

    fn start(&mut self, channel: u16, to_memory: bool) -> u8 {
        self.out(BUS_MASTER + 8 * channel, if to_memory { 9 } else { 1 });
        self.inb(BUS_MASTER + 8 * channel + 2)
    }

    fn stop(&mut self, channel: u16) {
        self.out(BUS_MASTER + 8 * channel, 0);
        self.out(BUS_MASTER + 8 * channel + 2, 6);
        assert_eq!(self.inb(BUS_MASTER + 8 * channel + 2), 0);
    }

    fn memory(&self, at: u64, bytes: usize) -> Vec<u8> {
        let mut data = vec![0; bytes];
        self.memory.read(at, &mut data).unwrap();
        data
    }
}

#[test]
fn scattered_reads_and_gathered_writes() {
    let mut b = Bench::new();
    b.table(0, &[(0x1_0000, 256), (0x2_0000, 768)]);
    b.lba28(0xc8, 2, 20);
    assert!(!b.lines[0].level());
    assert_eq!(b.start(0, true), 4, "interrupt, and the table was as long as the transfer");
    assert!(b.lines[0].level());
    assert_eq!(b.status(0x1f0), OK);
    let data = [b.memory(0x1_0000, 256), b.memory(0x2_0000, 768)].concat();
    assert_eq!(data, [pattern(20), pattern(21)].concat());
    b.stop(0);

    b.memory.write(0x3_0000, &[0x5a; 1024]).unwrap();
    b.table(0, &[(0x3_0000, 1024)]);
    // Started before the command, as some drivers do.
    assert_eq!(b.start(0, false), 1);
    b.lba28(0xca, 2, 30);
    assert_eq!((b.inb(BUS_MASTER + 2), b.status(0x1f0)), (4, OK));
    b.stop(0);
    b.lba28(0x20, 2, 30);
    assert_eq!(b.read_data(0x1f0, 1024), [0x5a; 1024]);
}

#[test]
fn tables_that_do_not_fit() {
    let mut b = Bench::new();
    b.table(0, &[(0x1_0000, 4096)]);
    b.lba28(0xc8, 1, 0);
    assert_eq!(b.start(0, true), 5, "too long: still active, with the interrupt");
    b.stop(0);
    b.table(0, &[(0x1_0000, 512)]);
    b.lba28(0xc8, 2, 0);
    assert_eq!((b.start(0, true), b.lines[0].level()), (0, false), "too short: the drive waits");
    b.stop(0);
    b.out(0x3f6, 4);
    b.out(0x3f6, 0);
    assert_eq!(b.status(0x1f0), OK);
    for base in [0xf000_0000, RAM as u32 - 256] {
        b.table(0, &[(base, 512)]);
        b.lba28(0xc8, 1, 0);
        assert_eq!((b.start(0, true), b.status(0x1f0), b.inb(0x1f1)), (6, ERR, 4), "no memory");
        b.stop(0);
    }
    b.ide.write(BUS_MASTER + 4, 4, 0xfff0_0000, NOW);
    b.lba28(0xca, 1, 0);
    assert_eq!((b.start(0, false), b.status(0x1f0)), (6, ERR), "no table");
}

#[test]
fn a_table_without_an_end_ends() {
    let mut b = Bench::new();
    b.memory.write(0, &vec![0; 0x1_0000]).unwrap();
    b.ide.write(BUS_MASTER + 4, 4, 0, NOW);
    b.lba28(0xca, 0, 0);
    b.start(0, false);
    assert_eq!(b.status(0x1f0), OK);
    // All 2 bytes at a time.
    for n in 0..0x2000 {
        b.memory.write_uint(8 * n + 4, 4, 2).unwrap();
    }
    b.stop(0);
    b.lba28(0xca, 0, 0);
    b.start(0, false);
    assert_eq!(b.inb(BUS_MASTER + 2) & 1, 0);
}

#[test]
fn packets_by_the_bus_master() {
    let mut b = Bench::new();
    b.scsi(&[0]).unwrap_err();
    b.table(1, &[(0x4_0000, 0), (0x5_0000, 0)]);
    b.command(0x170, [1, 0, 0, 0, 0, 0xa0, 0xa0]);
    b.write_data(0x170, &[0x28, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0]);
    assert_eq!(b.start(1, true), 4);
    assert_eq!((b.status(0x170), b.inb(0x172)), (OK, 3));
    assert_eq!(b.memory(0x4_0000 + 255 * 512, 512), pattern(255));
    b.stop(1);
}
