use super::*;

/// A drive whose power-on attention has been told.
fn bench() -> Bench {
    let mut b = Bench::new();
    assert_eq!(b.scsi(&[0x00]), Err([6, 0x29, 0]));
    b
}

#[test]
fn kinds_of_devices_are_told_apart() {
    let mut b = Bench::new();
    b.command(0x170, [0, 0, 0, 0, 0, 0xa0, 0xec]);
    assert_eq!((b.status(0x170), b.inb(0x171), b.inb(0x174), b.inb(0x175)), (ERR, 4, 0x14, 0xeb));
    b.command(0x170, [0, 0, 0, 0, 0, 0xa0, 0xa1]);
    assert_eq!(b.status(0x170), DRQ);
    assert_eq!(b.read_data(0x170, 512)[..2], [0xc0, 0x85]);
    assert_eq!(b.status(0x170), OK);
    b.command(0x170, [0, 0, 0, 0, 0, 0xa0, 0x08]);
    assert_eq!((b.status(0x170), b.inb(0x174), b.inb(0x175)), (0, 0x14, 0xeb));
    assert_eq!(b.scsi(&[0x12, 0, 0, 0, 36]).unwrap()[..2], [5, 0x80]);
}

#[test]
fn blocks_come_in_pieces_of_the_byte_count() {
    let mut b = bench();
    assert_eq!(b.scsi(&[0x25]).unwrap(), [0, 0, 0, 100, 0, 0, 8, 0]);
    let data = b.scsi(&[0x28, 0, 0, 0, 0, 2, 0, 0, 3]).unwrap();
    assert_eq!((data.len(), &data[..512], &data[4 * 512..5 * 512]), (6144, &pattern(8)[..], &pattern(12)[..]));
    let all = b.scsi(&[0xa8, 0, 0, 0, 0, 0, 0, 0, 0, 101]).unwrap();
    assert_eq!(all.len(), 101 * 2048);
    assert_eq!((&all[400 * 512..401 * 512], all[401 * 512]), (&pattern(400)[..], 0));
    b.packet(2048, &[0x28, 0, 0, 0, 0, 0, 0, 0, 2]);
    for _ in 0..2 {
        assert_eq!((b.status(0x170), b.inb(0x172), b.inb(0x174), b.inb(0x175)), (DRQ, 2, 0, 8));
        b.read_data(0x170, 2048);
    }
    assert_eq!((b.status(0x170), b.inb(0x172)), (OK, 3));
    assert_eq!(b.scsi(&[0x28, 0, 0, 0, 0, 100, 0, 0, 2]), Err([5, 0x21, 0]));
    assert_eq!(b.scsi(&[0x28, 0, 0, 0, 0, 0, 0, 0, 0]), Ok(vec![]));
    assert_eq!(b.scsi(&[0xbe, 0, 0, 0, 0, 1, 0, 0, 1, 0x10]).unwrap()[..512], pattern(4));
}

#[test]
fn tables_of_contents() {
    let mut b = bench();
    let toc = b.scsi(&[0x43, 0, 0, 0, 0, 0, 0, 1, 0]).unwrap();
    assert_eq!(toc, [0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 0, 101]);
    let toc = b.scsi(&[0x43, 2, 0, 0, 0, 0, 0xaa, 1, 0]).unwrap();
    assert_eq!(toc, [0, 10, 1, 1, 0, 0x14, 0xaa, 0, 0, 0, 3, 26]);
    assert_eq!(b.scsi(&[0x43, 0, 1, 0, 0, 0, 0, 0, 12]).unwrap().len(), 12);
    assert_eq!(b.scsi(&[0x43, 0, 2, 0, 0, 0, 0, 1, 0]).unwrap().len(), 4 + 44);
    assert_eq!(b.scsi(&[0x43, 0, 0, 0, 0, 0, 0, 0, 4]).unwrap(), [0, 18, 1, 1]);
    assert_eq!(b.scsi(&[0x43, 0, 5, 0, 0, 0, 0, 1, 0]), Err([5, 0x24, 0]));
}

#[test]
fn the_tray_and_its_lock() {
    let mut b = bench();
    assert_eq!(b.scsi(&[0x1e, 0, 0, 0, 1]), Ok(vec![]));
    assert_eq!(b.scsi(&[0x1b, 0, 0, 0, 2]), Err([5, 0x53, 2]));
    assert_eq!(b.scsi(&[0x1e]), Ok(vec![]));
    assert_eq!(b.scsi(&[0x1b, 0, 0, 0, 2]), Ok(vec![]));
    assert_eq!(b.scsi(&[0x00]), Err([2, 0x3a, 2]));
    assert_eq!(b.scsi(&[0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8]).unwrap()[1], 0x10);
    assert_eq!(b.scsi(&[0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]).unwrap(), [0, 6, 4, 0x10, 3, 1, 0, 0]);
    assert_eq!(b.scsi(&[0x1b, 0, 0, 0, 3]), Ok(vec![]));
    assert_eq!(b.scsi(&[0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]).unwrap(), [0, 6, 4, 0x10, 2, 2, 0, 0]);
    assert_eq!(b.scsi(&[0x00]), Err([6, 0x28, 0]));
    assert_eq!(b.scsi(&[0x00]), Ok(vec![]));
}

#[test]
fn a_new_medium_is_noticed() {
    let mut b = bench();
    assert!(b.ide.change_medium(1, 0, None));
    assert_eq!(b.scsi(&[0x25]), Err([2, 0x3a, 1]));
    assert!(b.ide.change_medium(1, 0, Some(disk(8))));
    assert_eq!(b.scsi(&[0x25]), Err([6, 0x28, 0]));
    assert_eq!(b.scsi(&[0x25]).unwrap()[..4], [0, 0, 0, 1]);
    assert!(!b.ide.change_medium(0, 0, None), "that is a disk");
}

#[test]
fn pages_and_features() {
    let mut b = bench();
    let page = b.scsi(&[0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 255]).unwrap();
    assert_eq!((page[8], usize::from(page[1]) + 2), (0x2a, page.len()));
    assert_eq!(b.scsi(&[0x5a, 0, 0xc0 | 0x2a, 0, 0, 0, 0, 0, 255]), Err([5, 0x39, 0]));
    assert_eq!(b.scsi(&[0x5a, 0, 0x3e, 0, 0, 0, 0, 0, 255]), Err([5, 0x24, 0]));
    b.packet(0xfffe, &[0x55, 0x10, 0, 0, 0, 0, 0, 0, 16]);
    assert_eq!((b.status(0x170), b.inb(0x172), b.inb(0x174)), (DRQ, 0, 16));
    b.write_data(0x170, &[0; 16]);
    assert_eq!((b.status(0x170), b.inb(0x172)), (OK, 3));
    let features = b.scsi(&[0x46, 0, 0, 0, 0, 0, 0, 1, 0]).unwrap();
    assert_eq!((features[3] as usize + 4, features[7]), (features.len(), 8));
    assert_eq!(b.scsi(&[0x46, 2, 0, 3, 0, 0, 0, 1, 0]).unwrap().len(), 16);
    assert_eq!(b.scsi(&[0xff]), Err([5, 0x20, 0]));
}
