//! Accesses without sense: nothing may panic or run for ever, and any state is saved and restored to the same bytes.

use super::*;
use lyrebird_core::{Device, PciConfig};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.next() as usize % all.len()]
    }
}

const COMMANDS: [u8; 24] = [
    0x20, 0x24, 0xc4, 0x29, 0xc8, 0x25, 0x30, 0x34, 0xc5, 0x39, 0xca, 0x35, 0x40, 0xc6, 0xec, 0xef, 0x91, 0xf8, 0xb0,
    0xa0, 0xa1, 0x08, 0x90, 0xe7,
];

fn poke(b: &mut Bench, random: &mut Random) {
    let base = random.one_of(&[0x1f0u16, 0x170]);
    let (value, width) = (random.next(), random.one_of(&[1u8, 2, 4]));
    match random.next() % 12 {
        0 => b.out(base + 7, random.one_of(&COMMANDS)),
        1 => b.out(base + 7, value as u8),
        2 => b.out(base + 0x206, random.one_of(&[0, 2, 4, 0x80, 0])),
        3 => b.ide.write(base + (value % 8) as u16, width, random.next(), NOW),
        4 => b.out(base + 6, value as u8),
        5 => b.out(base + 1 + (value % 5) as u16, random.one_of(&[0, 1, 2, 3, 4, 0x4f, 0xc2, 0xff])),
        6 => _ = b.ide.read(base + (value % 8) as u16, width, NOW),
        7 => _ = b.read_data(base, (value % 70_000) as usize & !1),
        8 => b.write_data(base, &vec![value as u8; (random.next() % 3000) as usize & !1]),
        9 => {
            let packet = random.one_of(&[0x28u8, 0xa8, 0x43, 0x46, 0x4a, 0x5a, 0x55, 0x1b, 0xbe, 0x42, 0x51, 0x52]);
            let mut bytes: Vec<u8> = (0..12).map(|_| (random.next() & 3) as u8).collect();
            bytes[0] = packet;
            b.out(base + 7, 0xa0);
            b.write_data(base, &bytes);
        }
        10 => {
            let table = random.one_of(&[0, 0x8000, 0xfff8, value]);
            b.ide.write(BUS_MASTER + 4 + (random.next() % 2 * 8) as u16, 4, table, NOW);
            b.ide.write(BUS_MASTER + (random.next() % 16) as u16, width, random.next(), NOW);
        }
        _ => {
            b.ide.config_write(0x40 + (value % 8) as u8, 1, random.next(), NOW);
            b.memory.write_uint(u64::from(value) % (RAM - 8), 8, random.next().into()).unwrap();
        }
    }
}

#[test]
fn nothing_that_a_guest_does_panics_and_states_survive() {
    for seed in 0..6 {
        let (mut b, mut random) = (Bench::new(), Random(seed));
        b.ide.connect_disk(0, 1, disk(100));
        b.ide.connect_cdrom(1, 1, None);
        for step in 0..2500 {
            poke(&mut b, &mut random);
            if step % 50 == 0 {
                let saved = b.ide.save(NOW);
                let mut other = Bench::new();
                other.ide.connect_disk(0, 1, disk(100));
                other.ide.connect_cdrom(1, 1, None);
                other.ide.restore(&saved, NOW).unwrap();
                assert_eq!(other.ide.save(NOW), saved);
                assert_eq!(other.lines.each_ref().map(Line::level), b.lines.each_ref().map(Line::level));
            }
        }
    }
}

#[test]
fn a_state_in_the_middle_of_a_transfer_goes_on() {
    let mut b = Bench::new();
    b.lba28(0x20, 3, 5);
    b.read_data(0x1f0, 700);
    let saved = b.ide.save(NOW);
    let mut other = Bench::new();
    other.ide.restore(&saved, NOW).unwrap();
    let rest = other.read_data(0x1f0, 3 * 512 - 700);
    assert_eq!(rest, [pattern(6), pattern(7)].concat()[188..]);
    assert_eq!(other.status(0x1f0), OK);
}

#[test]
fn a_state_of_another_machine_is_refused() {
    let saved = Bench::new().ide.save(NOW);
    let mut other = Bench::new();
    other.ide.connect_disk(0, 0, disk(10));
    assert!(other.ide.restore(&saved, NOW).unwrap_err().to_string().contains("3000 sectors"));
    let mut other = Bench::new();
    other.ide.connect_disk(1, 1, disk(10));
    assert!(other.ide.restore(&saved, NOW).is_err());
}
