use super::*;
use lyrebird_core::{Device, ResetKind};

fn words(block: &[u8]) -> Vec<u16> {
    block.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}

#[test]
fn identify_says_what_the_disk_is() {
    let mut b = Bench::new();
    b.command(0x1f0, [0, 0, 0, 0, 0, 0xa0, 0xec]);
    assert!(b.lines[0].level());
    assert_eq!(b.status(0x1f0), DRQ);
    assert!(!b.lines[0].level());
    let block = b.read_data(0x1f0, 512);
    let id = words(&block);
    assert_eq!((id[0] & 0x8000, id[1], id[3], id[6]), (0, 2, 16, 63));
    assert_eq!(u32::from(id[60]) | u32::from(id[61]) << 16, 3000);
    assert_eq!(id[100..104], [3000, 0, 0, 0]);
    assert_eq!((id[49] & 0x300, id[53], id[63] & 7), (0x300, 7, 7));
    assert_eq!((id[83] & 0xc400, id[87] & 0xc000), (0x4400, 0x4000));
    assert_eq!(&block[54..74], b"YLERIBDRH RADDSI K  ");
    assert_eq!(block.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
    assert_eq!((b.status(0x1f0), b.lines[0].level()), (OK, false));
}

#[test]
fn each_sector_of_a_pio_read_interrupts() {
    let mut b = Bench::new();
    b.lba28(0x20, 3, 10);
    for n in 10..13 {
        assert!(b.lines[0].level());
        assert_eq!(b.status(0x1f0), DRQ);
        assert_eq!(b.read_data(0x1f0, 512), pattern(n));
    }
    assert_eq!((b.status(0x1f0), b.inb(0x1f2), b.inb(0x1f3)), (OK, 0, 12));
    // By 32 bits, and a count of zero is 256.
    b.lba28(0x20, 0, 0);
    assert_eq!(b.ide.read(0x1f0, 4, NOW).to_le_bytes(), pattern(0)[..4]);
    let rest = b.read_data(0x1f0, 256 * 512 - 4);
    assert_eq!((&rest[rest.len() - 512..], b.status(0x1f0)), (&pattern(255)[..], OK));
}

#[test]
fn what_is_written_reads_back() {
    let mut b = Bench::new();
    b.lba28(0x30, 2, 100);
    assert!(!b.lines[0].level(), "the first block of a write has no interrupt");
    assert_eq!(b.status(0x1f0), DRQ);
    b.write_data(0x1f0, &[1; 512]);
    assert!(b.lines[0].level());
    assert_eq!(b.status(0x1f0), DRQ);
    b.write_data(0x1f0, &[2; 512]);
    assert!(b.lines[0].level());
    assert_eq!(b.status(0x1f0), OK);
    assert_eq!(b.simple([0, 0, 0, 0, 0, 0xe0, 0xe7]), OK);
    b.lba28(0x20, 2, 100);
    let data = b.read_data(0x1f0, 1024);
    assert!(data[..512] == [1; 512] && data[512..] == [2; 512]);
}

#[test]
fn addresses_by_48_bits_and_by_cylinder() {
    let mut b = Bench::new();
    // READ SECTORS EXT: the previous values are the upper halves.
    for (port, value) in [(0x1f6, 0x40), (0x1f2, 0), (0x1f3, 0), (0x1f4, 0), (0x1f5, 0)] {
        b.out(port, value);
    }
    for (port, value) in [(0x1f2, 1), (0x1f3, 0xb7), (0x1f4, 0x0b), (0x1f5, 0), (0x1f7, 0x24)] {
        b.out(port, value);
    }
    assert_eq!((b.status(0x1f0), b.read_data(0x1f0, 512)), (DRQ, pattern(2999)));
    b.lba28(0x27, 0, 0);
    assert_eq!((b.inb(0x1f3), b.inb(0x1f4)), (0xb7, 0x0b));
    b.out(0x3f6, 0x80);
    assert_eq!(b.inb(0x1f3), 0, "HOB shows the upper half");
    b.out(0x3f6, 0);
    // Cylinder 1, head 2, sector 3 of 16 heads and 63 sectors.
    b.command(0x1f0, [0, 1, 3, 1, 0, 0xa2, 0x20]);
    assert_eq!(b.read_data(0x1f0, 512), pattern(1008 + 2 * 63 + 2));
    // INITIALIZE DEVICE PARAMETERS: 4 heads of 10 sectors.
    assert_eq!(b.simple([0, 10, 0, 0, 0, 0xa3, 0x91]), OK);
    b.command(0x1f0, [0, 1, 3, 1, 0, 0xa2, 0x20]);
    assert_eq!(b.read_data(0x1f0, 512), pattern(40 + 20 + 2));
    for registers in [[0, 1, 0, 0, 0, 0xa0, 0x20], [0, 1, 11, 0, 0, 0xa0, 0x20], [0, 1, 1, 0, 0, 0xa4, 0x40]] {
        assert_eq!((b.simple(registers), b.inb(0x1f1)), (ERR, 0x10));
    }
}

#[test]
fn multiple_needs_its_mode() {
    let mut b = Bench::new();
    b.lba28(0xc4, 5, 0);
    assert_eq!((b.status(0x1f0), b.inb(0x1f1)), (ERR, 4));
    assert_eq!(b.simple([0, 3, 0, 0, 0, 0xa0, 0xc6]), ERR);
    assert_eq!(b.simple([0, 4, 0, 0, 0, 0xa0, 0xc6]), OK);
    b.lba28(0xc4, 5, 0);
    assert_eq!(b.status(0x1f0), DRQ);
    b.read_data(0x1f0, 2046);
    assert!(!b.lines[0].level());
    b.read_data(0x1f0, 2);
    assert!(b.lines[0].level(), "the next block");
    assert_eq!((b.status(0x1f0), b.read_data(0x1f0, 512), b.status(0x1f0)), (DRQ, pattern(4), OK));
    b.lba28(0xc5, 5, 0);
    b.write_data(0x1f0, &[9; 5 * 512]);
    assert_eq!(b.status(0x1f0), OK);
}

#[test]
fn errors_are_the_guests() {
    let mut b = Bench::new();
    for (registers, error) in [
        ([0, 1, 0xb8, 0x0b, 0, 0xe0, 0x20], 0x10), // beyond the end
        ([0, 2, 0xb7, 0x0b, 0, 0xe0, 0x30], 0x10),
        ([0, 0, 0, 0, 0, 0xa0, 0x00], 0x04), // NOP
        ([0, 0, 0, 0, 0, 0xa0, 0xff], 0x04),
        ([0, 0, 0, 0, 0, 0xa0, 0xa1], 0x04), // IDENTIFY PACKET DEVICE on a disk
        ([0x77, 0, 0, 0, 0, 0xa0, 0xef], 0x04),
        ([0xd0, 0, 0, 0, 0, 0xa0, 0xb0], 0x04), // SMART without its key
    ] {
        assert_eq!((b.simple(registers), b.inb(0x1f1)), (ERR, error), "{registers:x?}");
    }
    b.ide.connect_disk(0, 0, Box::new(MemoryDisk::read_only("cd", vec![0; 4096])));
    b.lba28(0x30, 1, 0);
    assert_eq!((b.status(0x1f0), b.inb(0x1f1)), (ERR, 4));
}

#[test]
fn features_power_and_smart() {
    let mut b = Bench::new();
    for (features, count) in [(2, 0), (0x82, 0), (3, 0x22), (3, 0x45), (3, 0x0c), (0x55, 0), (0xaa, 0)] {
        assert_eq!(b.simple([features, count, 0, 0, 0, 0xa0, 0xef]), OK);
    }
    assert_eq!(b.simple([3, 0x46, 0, 0, 0, 0xa0, 0xef]), ERR);
    for (command, mode) in [(0xe0, 0x00), (0xe1, 0xff), (0xe6, 0x00)] {
        assert_eq!(b.simple([0, 0, 0, 0, 0, 0xa0, command]), OK);
        assert_eq!((b.simple([0, 0, 0, 0, 0, 0xa0, 0xe5]), b.inb(0x1f2)), (OK, mode));
    }
    assert_eq!(b.simple([0xda, 0, 0, 0x4f, 0xc2, 0xa0, 0xb0]), OK);
    assert_eq!((b.inb(0x1f4), b.inb(0x1f5)), (0x4f, 0xc2));
    b.command(0x1f0, [0xd0, 1, 0, 0x4f, 0xc2, 0xa0, 0xb0]);
    let data = b.read_data(0x1f0, 512);
    assert_eq!(data.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)), 0);
    assert_eq!(b.simple([0xd9, 0, 0, 0x4f, 0xc2, 0xa0, 0xb0]), OK);
    assert_eq!(b.simple([0xd0, 0, 0, 0x4f, 0xc2, 0xa0, 0xb0]), ERR);
    assert_eq!(b.simple([0, 4, 0, 0, 0, 0xe0, 0x40]), OK);
    assert_eq!(b.simple([0, 0, 0, 0, 0, 0xa0, 0x10]), OK);
}

#[test]
fn resets_leave_a_signature() {
    let mut b = Bench::new();
    let signature = |b: &mut Bench, base: u16| [1, 2, 3, 4, 5, 7].map(|register| b.inb(base + register));
    assert_eq!(signature(&mut b, 0x1f0), [1, 1, 1, 0, 0, OK]);
    assert_eq!(signature(&mut b, 0x170), [1, 1, 1, 0x14, 0xeb, 0]);
    b.lba28(0x20, 4, 77);
    b.out(0x3f6, 0x04);
    assert_eq!(b.inb(0x3f6), 0x80);
    assert!(!b.lines[0].level());
    b.out(0x3f6, 0x00);
    assert_eq!(signature(&mut b, 0x1f0), [1, 1, 1, 0, 0, OK]);
    b.command(0x1f0, [0, 9, 9, 9, 9, 0xb0, 0x90]);
    assert!(b.lines[0].level());
    assert_eq!(signature(&mut b, 0x1f0), [1, 1, 1, 0, 0, OK]);
    b.ide.reset(ResetKind::Hard, NOW);
    assert_eq!(signature(&mut b, 0x170), [1, 1, 1, 0x14, 0xeb, 0]);
}

#[test]
fn an_absent_device_is_answered_for() {
    let mut b = Bench::new();
    b.out(0x1f6, 0xb0);
    assert_eq!(b.status(0x1f0), 0);
    b.out(0x1f2, 0x55);
    assert_eq!(b.inb(0x1f2), 0x55, "device 0's register");
    b.out(0x1f7, 0xec);
    assert_eq!((b.status(0x1f0), b.lines[0].level()), (0, false));
    let mut ide = Ide::new(b.memory.clone(), b.lines.clone(), WindowHandle::unconnected());
    ide.write(0x1f2, 1, 0x55, NOW);
    assert_eq!((ide.read(0x1f2, 1, NOW), ide.read(0x1f7, 1, NOW)), (0, 0));
}

#[test]
fn interrupts_can_be_switched_off() {
    let mut b = Bench::new();
    b.out(0x3f6, 0x02);
    b.lba28(0x20, 1, 0);
    assert!(!b.lines[0].level());
    assert_eq!(b.inb(0x3f6), DRQ, "Alternate Status");
    b.out(0x3f6, 0x00);
    assert!(b.lines[0].level(), "it was pending all the time");
    b.inb(0x3f6);
    assert!(b.lines[0].level(), "Alternate Status leaves it");
    b.status(0x1f0);
    assert!(!b.lines[0].level());
}
