use super::*;

#[test]
fn reads_by_dma_over_both_sides() {
    let mut b = Bench::new();
    b.channel(0x44, 4 * SECTOR);
    // Cylinder 0, from head 0, sector 17: two sectors there, two on the other side.
    assert_eq!(b.run(&[0xe6, 0, 0, 0, 17, 2, 18, 0x1b, 0xff]), [0x04, 0, 0, 0, 1, 3, 2]);
    assert_eq!(b.bytes(BUFFER, 4 * SECTOR), [16, 17, 18, 19].map(pattern).concat());
}

#[test]
fn where_a_read_ends() {
    let mut b = Bench::new();
    b.channel(0x44, SECTOR);
    assert_eq!(b.run(&[0x46, 0, 0, 0, 18, 2, 18, 0x1b, 0xff]), [0, 0, 0, 1, 0, 1, 2], "next cylinder");
    b.channel(0x44, 3 * SECTOR);
    assert_eq!(b.run(&[0x46, 0, 0, 0, 17, 2, 18, 0x1b, 0xff])[..3], [0x40, 0x80, 0], "end of cylinder");
    b.channel(0x44, 100);
    assert_eq!(b.run(&[0x46, 0, 0, 0, 2, 2, 18, 0x1b, 0xff]), [0, 0, 0, 0, 0, 3, 2]);
    assert_eq!(b.bytes(BUFFER, 100), pattern(1)[..100]);
}

#[test]
fn a_seek_is_implied() {
    let mut b = Bench::new();
    b.channel(0x44, SECTOR);
    assert_eq!(b.run(&[0xe6, 0, 16, 0, 13, 2, 13, 0, 0xff]), [0, 0, 0, 16, 1, 1, 2], "as the Bochs BIOS does it");
    assert_eq!(b.bytes(BUFFER, SECTOR), pattern(16 * 36 + 12));
}

#[test]
fn errors() {
    let mut b = Bench::new();
    b.channel(0x44, SECTOR);
    assert_eq!(b.run(&[0x46, 0, 0, 0, 19, 2, 36, 0x1b, 0xff])[..3], [0x40, 0x04, 0], "no such sector");
    assert_eq!(b.run(&[0x46, 0, 99, 0, 1, 2, 18, 0x1b, 0xff])[..2], [0x40, 0x01], "no such cylinder");
    assert_eq!(b.run(&[0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff])[..3], [0, 0, 0], "back");
    b.channel(0x44, SECTOR);
    assert_eq!(b.run(&[0x46, 0, 0, 0, 1, 3, 18, 0x1b, 0xff])[..3], [0x40, 0x04, 0], "another size");
    b.out(0x3f7, 2);
    assert_eq!(b.run(&[0x4a, 0])[..3], [0x40, 0x01, 0], "another data rate");
    b.out(0x3f7, 0);
    assert_eq!(b.run(&[0x4a, 4]), [0x04, 0, 0, 0, 1, 1, 2]);
    assert_eq!(b.run(&[0x4a, 1])[..2], [0x41, 0x01], "no drive");
    b.out(0x3f2, 0x0c);
    assert_eq!(b.run(&[0x4a, 0])[..2], [0x40, 0x01], "the motor stands");
    // The DMA channel is masked: the disk does not wait for ever.
    b.dma.write(0x0a, 1, 6, b.now);
    b.out(0x3f2, 0x1c);
    assert_eq!(b.run(&[0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff])[..2], [0x40, 0x10]);
}

#[test]
fn writes_and_write_protection() {
    let mut b = Bench::new();
    b.memory.write(BUFFER, &[0x5a; 700]).unwrap();
    b.channel(0x48, 700);
    assert_eq!(b.run(&[0x45, 0, 0, 0, 3, 2, 18, 0x1b, 0xff]), [0, 0, 0, 0, 0, 5, 2]);
    b.channel(0x44, 2 * SECTOR);
    b.run(&[0x46, 0, 0, 0, 3, 2, 18, 0x1b, 0xff]);
    let bytes = b.bytes(BUFFER, 2 * SECTOR);
    assert!(bytes[..700].iter().all(|byte| *byte == 0x5a) && bytes[700..].iter().all(|byte| *byte == 0));
    let medium = MemoryDisk::read_only("test", vec![0; 1440 << 10]);
    b.fdc.drive(0).unwrap().insert(Some(Box::new(medium)));
    assert_eq!(b.command(&[0x04, 0]), [0x78]);
    assert_eq!(b.run(&[0x45, 0, 0, 0, 3, 2, 18, 0x1b, 0xff])[..2], [0x40, 0x02]);
}

#[test]
fn deleted_marks() {
    let mut b = Bench::new();
    b.channel(0x48, SECTOR);
    b.run(&[0x49, 0, 0, 0, 2, 2, 18, 0x1b, 0xff]);
    b.channel(0x44, 3 * SECTOR);
    let results = b.run(&[0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff]);
    assert_eq!((results[2], results[5]), (0x40, 3), "ends after the deleted sector");
    b.channel(0x44, 2 * SECTOR);
    assert_eq!(b.run(&[0x66, 0, 0, 0, 1, 2, 18, 0x1b, 0xff])[..6], [0, 0, 0, 0, 0, 4], "skips it");
    assert_eq!(b.bytes(BUFFER + 512, SECTOR), pattern(2));
    b.channel(0x44, SECTOR);
    assert_eq!(b.run(&[0x4c, 0, 0, 0, 2, 2, 18, 0x1b, 0xff])[..3], [0, 0, 0]);
}

#[test]
fn byte_by_byte() {
    let mut b = Bench::new();
    b.command(&[0x03, 0xdf, 0x03]);
    b.command(&[0x46, 0, 0, 0, 1, 2, 2, 0x1b, 0xff]);
    assert_eq!(b.inp(0x3f4), 0x30);
    let mut bytes = Vec::new();
    while b.inp(0x3f4) & 0x20 != 0 {
        if b.inp(0x3f4) & 0x80 != 0 {
            assert_eq!(b.inp(0x3f4), 0xf0);
            assert!(b.irq.level());
            bytes.push(b.inp(0x3f5));
        } else {
            b.wait(MS);
        }
    }
    assert_eq!(bytes, [0, 1].map(pattern).concat());
    assert_eq!(b.results(), [0x40, 0x80, 0, 1, 0, 1, 2], "no terminal count without DMA");
    b.command(&[0x45, 0, 0, 0, 5, 2, 5, 0x1b, 0xff]);
    b.wait(MS);
    assert_eq!(b.inp(0x3f4), 0xb0);
    for n in 0..SECTOR {
        b.out(0x3f5, !n as u8);
    }
    assert_eq!(b.results().len(), 7);
    let (medium, _) = b.fdc.drive(0).unwrap().medium().unwrap();
    let mut sector = [0; SECTOR];
    medium.read_at(4, &mut sector).unwrap();
    assert_eq!((sector[0], sector[511]), (0xff, 0));
}

#[test]
fn formats_verifies_scans_and_reads_tracks() {
    let mut b = Bench::new();
    b.command(&[0x0f, 0, 2]);
    b.wait(10 * MS);
    b.command(&[0x08]);
    let headers: Vec<u8> = (1..=18).flat_map(|sector| [2, 1, sector, 2]).collect();
    b.memory.write(BUFFER, &headers).unwrap();
    b.channel(0x48, headers.len());
    assert_eq!(b.run(&[0x4d, 4, 2, 18, 0x54, 0xf6])[..3], [0x04, 0, 0]);
    b.channel(0x44, SECTOR);
    assert_eq!(b.run(&[0x42, 4, 2, 1, 1, 2, 18, 0x1b, 0xff])[..3], [0x04, 0, 0]);
    assert_eq!(b.bytes(BUFFER, SECTOR), [0xf6; SECTOR]);
    assert_eq!(b.run(&[0x56, 4, 2, 1, 1, 2, 18, 0x1b, 0xff])[..3], [0x04, 0, 0]);
    b.memory.write(BUFFER, &[0xf6; SECTOR]).unwrap();
    b.channel(0x48, SECTOR);
    assert_eq!(b.run(&[0x51, 4, 2, 1, 3, 2, 3, 0x1b, 1])[2], 0x08, "equal");
    b.memory.write(BUFFER, &[0x11; SECTOR]).unwrap();
    b.channel(0x48, SECTOR);
    assert_eq!(b.run(&[0x51, 4, 2, 1, 3, 2, 3, 0x1b, 1])[2], 0x04);
}

#[test]
fn other_formats() {
    for (kib, rate, last) in [(160, 2, 8), (360, 1, 9), (720, 2, 9), (1200, 0, 15), (2880, 3, 36)] {
        let mut b = Bench::bare();
        b.fdc.connect(0, Some(floppy(kib)));
        b.begin(rate);
        b.command(&[0x13, 0, 0x60, 0]); // with implied seeks
        b.channel(0x44, SECTOR);
        assert_eq!(b.run(&[0x46, 0, 7, 0, last, 2, last, 0x1b, 0xff])[..3], [0, 0, 0], "{kib}");
        let heads = if kib == 160 { 1 } else { 2 };
        let sector = 7 * heads * usize::from(last) + usize::from(last) - 1;
        assert_eq!(b.bytes(BUFFER, SECTOR), pattern(sector));
    }
}
