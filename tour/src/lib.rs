//! A guest of our own, which the program carries so that anybody on any host sees a PC at work: text and graphics modes,
//! keyboard, mouse, timers and disk, with a verdict on each. It is a disk that starts through any PC BIOS, in real mode, and
//! is assembled from `program/` when this crate is built.

/// The first sectors of the disk, beginning with the boot sector.
static IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tour.img"));

/// Bytes of the whole disk. Behind the program there is room that the disk test writes to.
const SIZE: usize = 4 << 20;

/// The disk.
pub fn disk() -> Vec<u8> {
    let mut disk = IMAGE.to_vec();
    disk.resize(SIZE, 0);
    disk
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_bootable_disk_with_a_right_checksum() {
        let disk = disk();
        assert_eq!(disk.len(), SIZE);
        assert_eq!(disk[510..512], [0x55, 0xaa]);
        let sum = IMAGE[512..]
            .chunks(4)
            .fold(0u32, |sum, word| sum.wrapping_add(u32::from_le_bytes(word.try_into().expect("whole words"))));
        assert_eq!(sum, 0);
        assert!(IMAGE.len() <= 1 << 20, "the disk test writes from there on");
    }
}
