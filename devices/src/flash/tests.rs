use super::*;
use lyrebird_core::block::MemoryDisk;

const NOW: VmTime = VmTime::ZERO;
const END: u64 = 1 << 32;
const BYTES: usize = 0x4000;

fn flash(image: MemoryDisk) -> (Flash, Arc<GuestMemory>) {
    let memory = Arc::new(GuestMemory::new());
    (Flash::new("flash0", memory.clone(), Box::new(image), END).unwrap(), memory)
}

fn erased() -> (Flash, Arc<GuestMemory>) {
    flash(MemoryDisk::new("test", vec![0xff; BYTES]))
}

fn put(flash: &mut Flash, offset: u64, values: &[u8]) {
    values.iter().for_each(|value| flash.write(offset, 1, (*value).into(), NOW));
}

fn get(flash: &mut Flash, offset: u64) -> u8 {
    flash.read(offset, 1, NOW) as u8
}

#[test]
fn reads_in_place_until_a_command_comes() {
    let (mut flash, memory) = flash(MemoryDisk::new("test", (0..BYTES).map(|n| n as u8).collect()));
    let mut bytes = [0; 4];
    memory.read(END - 4, &mut bytes).unwrap();
    assert_eq!(bytes, [0xfc, 0xfd, 0xfe, 0xff]);
    assert!(matches!(memory.lookup(END - 1), Backing::RomDevice(_)));
    put(&mut flash, 0, &[0x90]);
    assert_eq!(memory.lookup(END - 1), Backing::Device);
    assert_eq!((get(&mut flash, 0), get(&mut flash, 1)), (0x89, 0x18));
    put(&mut flash, 0, &[0x98]);
    assert_eq!([0x10, 0x11, 0x12].map(|at| get(&mut flash, at)), *b"QRY");
    put(&mut flash, 0, &[0xff]);
    assert!(matches!(memory.lookup(END - 1), Backing::RomDevice(_)));
    assert_eq!(flash.read(0x101, 4, NOW), 0x0403_0201);
}

#[test]
fn the_way_firmware_knows_it() {
    let (mut flash, _) = erased();
    put(&mut flash, 0, &[0x50]);
    assert_eq!(get(&mut flash, 0), 0xff, "the array");
    put(&mut flash, 0, &[0x70]);
    assert_eq!(get(&mut flash, 0), 0);
}

#[test]
fn programs_bits_to_zero_and_erases_blocks() {
    let (mut flash, memory) = erased();
    put(&mut flash, 0x1005, &[0x10, 0xf0]);
    assert_eq!(get(&mut flash, 0), 0x80);
    put(&mut flash, 0x1005, &[0x40, 0x3c, 0xff]);
    assert_eq!(get(&mut flash, 0x1005), 0x30);
    assert_eq!(memory.read_uint(flash.base() + 0x1005, 1).unwrap(), 0x30);
    let mut sector = [0; SECTOR];
    flash.image.read_at(8, &mut sector).unwrap();
    assert_eq!(sector[5], 0x30, "in the image too");
    put(&mut flash, 0x1abc, &[0x20, 0xd0, 0xff]);
    assert_eq!(get(&mut flash, 0x1005), 0xff);
    put(&mut flash, 0, &[0x20, 0x00]);
    assert_eq!(get(&mut flash, 0), 0xb0, "no confirmation");
}

#[test]
fn the_write_buffer() {
    let (mut flash, _) = erased();
    put(&mut flash, 0x1fe, &[0xe8]);
    assert_eq!(get(&mut flash, 0), 0x80);
    put(&mut flash, 0x1fe, &[3]);
    for (offset, value) in [(0x1fe, 1), (0x1ff, 2), (0x200, 3), (0x300, 4)] {
        put(&mut flash, offset, &[value]);
    }
    put(&mut flash, 0x1fe, &[0xd0]);
    assert_eq!(get(&mut flash, 0), 0x80);
    put(&mut flash, 0, &[0xff]);
    assert_eq!(flash.read(0x1fe, 4, NOW), 0xff03_0201);
    assert_eq!(get(&mut flash, 0x300), 4);
}

#[test]
fn what_cannot_be_written_says_so() {
    let (mut flash, _) = flash(MemoryDisk::read_only("test", vec![0xff; BYTES]));
    put(&mut flash, 0, &[0x10, 0]);
    assert_eq!(get(&mut flash, 0), 0x90);
    put(&mut flash, 0, &[0x50, 0x20, 0xd0]);
    assert_eq!(get(&mut flash, 0), 0xa0);
    let memory = Arc::new(GuestMemory::new());
    let odd = Box::new(MemoryDisk::new("odd", vec![0; 5000]));
    let error = Flash::new("flash0", memory, odd, END).err().unwrap().to_string();
    assert!(error.contains("steps of 4 KiB"), "{error}");
}

#[test]
fn nothing_that_a_guest_does_panics_and_states_survive() {
    let mut seed = 7u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u32
    };
    let (mut flash, _) = erased();
    for step in 0..5_000 {
        let offset = u64::from(next()) % (BYTES as u64 - 8);
        let value = [0x10, 0x20, 0x40, 0xd0, 0xe8, 0xff, 0x50, 0x70, 0x90, 0x98, next() as u8][next() as usize % 11];
        match next() % 5 {
            0 => _ = flash.read(offset, 8, NOW),
            1 => flash.write(offset, 8, next().into(), NOW),
            _ => put(&mut flash, offset, &[value]),
        }
        if step % 100 == 0 {
            let saved = flash.save(NOW);
            let (mut other, memory) = erased();
            other.restore(&saved, NOW).unwrap();
            assert_eq!(other.save(NOW), saved);
            assert_eq!(matches!(memory.lookup(END - 1), Backing::RomDevice(_)), other.mapped);
        }
    }
}
