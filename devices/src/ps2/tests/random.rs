//! Accesses without sense: nothing may panic or run for ever, and any state is saved and restored to the same bytes.

use super::*;
use lyrebird_core::MouseButton;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }
}

fn poke(b: &mut Bench, random: &mut Random) {
    let value = random.next();
    match random.next() % 10 {
        0 => b.put(0x64, value as u8),
        1 => b.put(0x60, value as u8),
        2 => b.put(0x60, 0xe0 | value as u8),
        3 => {
            b.put(0x64, 0xd4);
            b.put(0x60, 0xe0 | value as u8);
        }
        4 => _ = b.get(0x60),
        5 => _ = b.get(0x64),
        6 => b.key(value as u8, value & 0x100 != 0),
        7 => b.ps2.input(InputEvent::MouseMove { dx: value as i32, dy: random.next() as i32 }, b.now),
        8 => {
            let button = [MouseButton::Left, MouseButton::Right, MouseButton::Back][value as usize % 3];
            b.ps2.input(InputEvent::MouseButton { button, down: value & 0x100 != 0 }, b.now);
            b.ps2.input(InputEvent::MouseWheel { notches: value as i32 }, b.now);
        }
        _ => b.wait(u64::from(value % 500_000_000)),
    }
}

#[test]
fn nothing_that_a_guest_does_panics_and_states_survive() {
    for seed in 0..8 {
        let (mut b, mut random) = (Bench::new(), Random(seed));
        for step in 0..3000 {
            poke(&mut b, &mut random);
            if step % 50 == 0 {
                let saved = b.ps2.save(b.now);
                let mut other = Bench::new();
                other.ps2.restore(&saved, b.now).unwrap();
                assert_eq!(other.ps2.save(b.now), saved);
                assert_eq!(
                    (other.irq1.level(), other.irq12.level(), other.timers.next_deadline()),
                    (b.irq1.level(), b.irq12.level(), b.timers.next_deadline())
                );
            }
        }
    }
}
