//! A guest that does anything at all: nothing panics, no picture is too large, and the state survives being saved.

use super::*;
use lyrebird_core::{Device, ResetKind};

/// Numbers that look random.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn step(rig: &mut Rig, random: &mut Random) {
    let (value, now) = (random.next(), rig.now);
    match random.next() % 16 {
        0..4 => {
            let port = [0x3c4, 0x3ce, 0x3d4, 0x3b4][random.next() as usize % 4];
            rig.set(port, random.next() as u8 % 28, value as u8);
        }
        4 => rig.attribute(random.next() as u8 & 31, value as u8),
        5..8 => {
            let ports: Vec<u16> = (0x3b0..0x3e0).chain(0x1ce..0x1d1).collect();
            let port = ports[random.next() as usize % ports.len()];
            let bytes = 1 << (random.next() % 3);
            match random.next() & 1 {
                0 => PortIo::write(&mut rig.vga, port, bytes, value as u32, now),
                _ => _ = PortIo::read(&mut rig.vga, port, bytes, now),
            }
        }
        8..11 => {
            let value = [value as u16, value as u16 % 2048, 640, 8, 0x41, 0xffff][random.next() as usize % 6];
            rig.dispi(random.next() as u16 % 12, value);
        }
        11..13 => {
            let offset = random.next() % 0x2_1000;
            let bytes = 1 << (random.next() % 4);
            match random.next() & 1 {
                0 => MmioIo::write(&mut rig.vga, offset, bytes, value, now),
                _ => _ = MmioIo::read(&mut rig.vga, offset, bytes, now),
            }
        }
        13 => rig.vga.config_write((random.next() as u8) & 0x3c, 4, value as u32, now),
        14 => _ = rig.memory.write(value & 0xffff_ffff, &[value as u8; 8]),
        _ => rig.now = rig.now + value % 100_000_000,
    }
}

#[test]
fn any_setting_draws() {
    let mut random = Random(0x1234_5678_9abc_def1);
    for round in 0..60 {
        let mut rig = if round % 2 == 0 { Rig::text() } else { Rig::mode(modes::ALL[round % modes::ALL.len()]) };
        for _ in 0..40 {
            (0..20).for_each(|_| step(&mut rig, &mut random));
            rig.draw();
            let frame = &rig.frame;
            assert!(frame.width <= 2560 && frame.height <= 2048, "{} by {}", frame.width, frame.height);
            assert_eq!(frame.pixels.len(), (frame.width * frame.height) as usize);
            if let Some(text) = &frame.text {
                assert_eq!(text.cells.len(), (text.columns * text.rows) as usize);
                assert!(text.cursor.is_none_or(|(x, y)| x < text.columns && y < text.rows));
            }
            assert!(!rig.draw(), "a second look at the same moment shows nothing new");
        }
        // What was drawn bit by bit is what is drawn at once.
        let mut whole = Frame::default();
        rig.vga.draw(&mut whole, rig.now);
        assert_eq!(whole, rig.frame);
    }
}

#[test]
fn saved_state_is_the_whole_state() {
    let mut random = Random(0xdead_beef);
    for _ in 0..12 {
        let mut rig = Rig::text();
        (0..200).for_each(|_| step(&mut rig, &mut random));
        rig.draw();
        let unit = rig.vga.save(rig.now);
        let mut other = Rig::new();
        other.vga.restore(&unit, rig.now).unwrap();
        assert_eq!(other.vga.save(rig.now), unit);
        other.now = rig.now;
        other.draw();
        assert_eq!(other.frame, rig.frame);
        rig.vga.reset(ResetKind::Hard, rig.now);
        rig.vga.restore(&unit, rig.now).unwrap();
        assert_eq!(rig.vga.save(rig.now), unit);
    }
}
