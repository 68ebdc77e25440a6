use super::*;

fn out(pic: &mut Pic, port: u16, value: u8) {
    pic.write(port, 1, value.into(), VmTime::ZERO);
}

fn inb(pic: &mut Pic, port: u16) -> u8 {
    pic.read(port, 1, VmTime::ZERO) as u8
}

/// As a PC's firmware sets it up: vectors 8 and 70h, all inputs enabled. `icw4` of the master.
fn pair(icw4: u8) -> Pic {
    let mut pic = Pic::new();
    for (port, value) in [(0x20, 0x11), (0x21, 8), (0x21, 4), (0x21, icw4), (0x21, 0)] {
        out(&mut pic, port, value);
    }
    for (port, value) in [(0xa0, 0x11), (0xa1, 0x70), (0xa1, 2), (0xa1, 1), (0xa1, 0)] {
        out(&mut pic, port, value);
    }
    pic
}

#[test]
fn fully_nested_priorities_and_eoi() {
    let mut pic = pair(1);
    pic.set_irq(4, true);
    pic.set_irq(3, true);
    assert!(pic.intr());
    assert_eq!(pic.acknowledge(), 8 + 3);
    assert!(!pic.intr(), "IRQ 4 is lower than the one in service");
    pic.set_irq(1, true);
    assert_eq!(pic.acknowledge(), 8 + 1);
    out(&mut pic, 0x20, 0x20);
    assert!(!pic.intr());
    out(&mut pic, 0x20, 0x20);
    assert_eq!(pic.acknowledge(), 8 + 4);
    out(&mut pic, 0x20, 0x0b);
    assert_eq!(inb(&mut pic, 0x20), 1 << 4);
    out(&mut pic, 0x20, 0x64);
    assert_eq!(inb(&mut pic, 0x20), 0);
}

#[test]
fn slave_interrupts_come_through_the_cascade() {
    let mut pic = pair(1);
    pic.set_irq(12, true);
    pic.set_irq(8, true);
    assert_eq!(pic.acknowledge(), 0x70);
    out(&mut pic, 0xa0, 0x20);
    out(&mut pic, 0x20, 0x20);
    assert!(pic.intr(), "the second request makes a new edge at IR2");
    assert_eq!(pic.acknowledge(), 0x74);
}

#[test]
fn spurious_interrupts() {
    let mut pic = pair(1);
    pic.set_irq(3, true);
    pic.set_irq(3, false);
    assert!(!pic.intr());
    assert_eq!(pic.acknowledge(), 8 + 7);
    out(&mut pic, 0x20, 0x0b);
    assert_eq!(inb(&mut pic, 0x20), 0, "nobody is in service");
    // The slave's request goes while the master's is being served.
    out(&mut pic, 0x4d0, 0);
    pic.set_irq(9, true);
    assert!(pic.intr());
    pic.slave.set_ir(1, false);
    assert_eq!(pic.acknowledge(), 0x77);
}

#[test]
fn level_triggered_requests_stay_until_the_line_falls() {
    let mut pic = pair(1);
    out(&mut pic, 0x4d1, 0xff);
    assert_eq!(inb(&mut pic, 0x4d1), 0xde);
    pic.set_irq(11, true);
    assert_eq!(pic.acknowledge(), 0x73);
    out(&mut pic, 0xa0, 0x20);
    out(&mut pic, 0x20, 0x20);
    assert!(pic.intr());
    pic.set_irq(11, false);
    assert!(!pic.intr());
}

#[test]
fn edge_triggered_requests_come_once() {
    let mut pic = pair(1);
    pic.set_irq(5, true);
    assert_eq!(pic.acknowledge(), 8 + 5);
    out(&mut pic, 0x20, 0x20);
    pic.set_irq(5, true);
    assert!(!pic.intr());
    pic.set_irq(5, false);
    pic.set_irq(5, true);
    assert!(pic.intr());
}

#[test]
fn automatic_eoi_and_rotation() {
    let mut pic = pair(3);
    out(&mut pic, 0x20, 0x80); // rotate in automatic EOI mode
    pic.set_irq(0, true);
    assert_eq!(pic.acknowledge(), 8);
    pic.set_irq(0, false);
    pic.set_irq(0, true);
    pic.set_irq(1, true);
    assert_eq!(pic.acknowledge(), 8 + 1, "IRQ 0 has become the lowest");
}

#[test]
fn rotation_by_command() {
    let mut pic = pair(1);
    out(&mut pic, 0x20, 0xc4); // IRQ 4 is the lowest, so IRQ 5 the highest
    pic.set_irq(3, true);
    pic.set_irq(5, true);
    assert_eq!(pic.acknowledge(), 8 + 5);
    out(&mut pic, 0x20, 0xa0); // rotate on non-specific EOI
    pic.set_irq(5, false);
    pic.set_irq(5, true);
    assert_eq!(pic.acknowledge(), 8 + 3);
}

#[test]
fn special_mask_mode_lets_lower_ones_through() {
    let mut pic = pair(1);
    pic.set_irq(1, true);
    pic.acknowledge();
    pic.set_irq(6, true);
    assert!(!pic.intr());
    out(&mut pic, 0x21, 1 << 1);
    out(&mut pic, 0x20, 0x68);
    assert_eq!(pic.acknowledge(), 8 + 6);
}

#[test]
fn special_fully_nested_mode_lets_a_slave_interrupt_itself() {
    for (icw4, nested) in [(0x11, true), (0x01, false)] {
        let mut pic = pair(icw4);
        pic.set_irq(12, true);
        assert_eq!(pic.acknowledge(), 0x74);
        pic.set_irq(9, true);
        assert_eq!(pic.intr(), nested);
    }
}

#[test]
fn polling() {
    let mut pic = pair(1);
    out(&mut pic, 0x20, 0x0c);
    assert_eq!(inb(&mut pic, 0x20), 0);
    pic.set_irq(6, true);
    out(&mut pic, 0x20, 0x0c);
    assert_eq!(inb(&mut pic, 0x20), 0x86);
    assert_eq!(inb(&mut pic, 0x20), 0, "IRR again: the request is in service");
    out(&mut pic, 0x20, 0x0b);
    assert_eq!(inb(&mut pic, 0x20), 1 << 6);
}

#[test]
fn masks_read_back_and_hold_requests() {
    let mut pic = pair(1);
    out(&mut pic, 0x21, 0xfb);
    assert_eq!(inb(&mut pic, 0x21), 0xfb);
    pic.set_irq(0, true);
    assert!(!pic.intr());
    out(&mut pic, 0x21, 0xfa);
    assert!(pic.intr());
}
