use super::*;
use lyrebird_core::MouseButton;

impl Bench {
    fn moved(&mut self, dx: i32, dy: i32) {
        self.ps2.input(InputEvent::MouseMove { dx, dy }, self.now);
    }

    fn button(&mut self, button: MouseButton, down: bool) {
        self.ps2.input(InputEvent::MouseButton { button, down }, self.now);
    }

    fn wheel(&mut self, notches: i32) {
        self.ps2.input(InputEvent::MouseWheel { notches }, self.now);
    }

    fn packets(&mut self) -> Vec<u8> {
        self.wait(11 * MS);
        let mut bytes = Vec::new();
        loop {
            let more = self.all();
            if more.is_empty() {
                return bytes;
            }
            bytes.extend(more);
            self.wait(11 * MS);
        }
    }
}

#[test]
fn streams_what_happens() {
    let mut b = Bench::new();
    assert_eq!(b.mouse(&[0xff]), [0xfa, 0xaa, 0]);
    b.moved(5, 5);
    assert_eq!(b.packets(), [], "not before it is enabled");
    assert_eq!(b.mouse(&[0xf4]), [0xfa]);
    b.moved(5, 3);
    assert!(b.irq12.level());
    assert_eq!(b.packets(), [0x28, 5, 0xfd], "down is negative");
    b.button(MouseButton::Left, true);
    b.button(MouseButton::Left, false);
    assert_eq!(b.packets(), [0x09, 0, 0, 0x08, 0, 0], "a quick click is seen");
    b.button(MouseButton::Back, true);
    assert_eq!(b.packets(), []);
}

#[test]
fn far_movements_take_more_packets_and_overflow_at_last() {
    let mut b = Bench::new();
    b.mouse(&[0xf4]);
    b.moved(-300, 0);
    assert_eq!(b.packets(), [0x18, 0, 0, 0x18, 0xd4, 0]);
    b.moved(100_000, 0);
    let packets = b.packets();
    assert_eq!(packets[..3], [0x48, 0xff, 0]);
    assert_eq!(packets[3..6], [0x08, 0xff, 0]);
    assert_eq!(packets.chunks(3).map(|packet| i32::from(packet[1])).sum::<i32>(), 2048);
}

#[test]
fn samples_come_at_their_rate() {
    let mut b = Bench::new();
    b.mouse(&[0xf3, 10, 0xf4]);
    b.moved(1, 0);
    assert_eq!(b.all(), [0x08, 1, 0]);
    b.moved(1, 0);
    b.moved(1, 0);
    b.wait(90 * MS);
    assert_eq!(b.all(), []);
    b.wait(10 * MS);
    assert_eq!(b.all(), [0x08, 2, 0]);
    assert_eq!(b.mouse(&[0xf3, 11]), [0xfa, 0xfe]);
    assert_eq!(b.mouse(&[0xe9]), [0xfa, 0x20, 2, 10]);
}

#[test]
fn knocks_make_a_wheel_and_more_buttons() {
    let mut b = Bench::new();
    b.mouse(&[0xf3, 200, 0xf3, 100, 0xf3, 80]);
    assert_eq!(b.mouse(&[0xf2]), [0xfa, 3]);
    b.mouse(&[0xf4]);
    b.wheel(1);
    assert_eq!(b.packets(), [0x08, 0, 0, 0xff], "away from the person is negative");
    b.mouse(&[0xf3, 200, 0xf3, 200, 0xf3, 80]);
    assert_eq!(b.mouse(&[0xf2]), [0xfa, 4]);
    b.wheel(-2);
    b.button(MouseButton::Forward, true);
    assert_eq!(b.packets(), [0x08, 0, 0, 0x02, 0x08, 0, 0, 0x20]);
    assert_eq!(b.mouse(&[0xff, 0xf2]), [0xfa, 0xaa, 0, 0xfa, 0]);
}

#[test]
fn remote_and_wrap_modes_scaling_and_status() {
    let mut b = Bench::new();
    b.mouse(&[0xf4, 0xf0]);
    b.moved(7, -1);
    assert_eq!(b.packets(), []);
    assert_eq!(b.mouse(&[0xeb]), [0xfa, 0x08, 7, 1]);
    assert_eq!(b.mouse(&[0xe9]), [0xfa, 0x60, 2, 100]);
    assert_eq!(b.mouse(&[0xee]), [0xfa]);
    assert_eq!(b.mouse(&[0xf4, 0x12]), [0xf4, 0x12], "an echo");
    assert_eq!(b.mouse(&[0xec, 0xea]), [0xfa, 0xfa]);
    assert_eq!(b.mouse(&[0xe8, 3, 0xe7]), [0xfa; 3]);
    b.button(MouseButton::Right, true);
    b.packets();
    assert_eq!(b.mouse(&[0xe9]), [0xfa, 0x31, 3, 100]);
    assert_eq!(b.mouse(&[0xfe]), [0x31, 3, 100]);
    b.moved(5, 0);
    assert_eq!(b.packets(), [0x0a, 9, 0]);
    b.moved(20, 0);
    assert_eq!(b.packets(), [0x0a, 40, 0]);
    assert_eq!(b.mouse(&[0xf6, 0xe9]), [0xfa, 0xfa, 0x01, 2, 100]);
    assert_eq!(b.mouse(&[0x77]), [0xfe]);
}

#[test]
fn a_command_ends_a_packet() {
    let mut b = Bench::new();
    b.mouse(&[0xf4]);
    b.moved(1, 1);
    assert_eq!(b.get(0x60), 0x28);
    assert_eq!(b.mouse(&[0xf5]), [0xfa]);
}
