use super::*;

fn put(chip: &mut IoApic, register: u8, value: u32) {
    chip.write(0, 4, register.into(), VmTime::ZERO);
    chip.write(0x10, 4, value.into(), VmTime::ZERO);
}

fn get(chip: &mut IoApic, register: u8) -> u32 {
    chip.write(0, 4, register.into(), VmTime::ZERO);
    chip.read(0x10, 4, VmTime::ZERO) as u32
}

#[test]
fn version_and_entries_read_back() {
    let mut chip = IoApic::new(0x11);
    assert_eq!(get(&mut chip, 1), 0x0017_0011);
    assert_eq!(get(&mut chip, 0x10), 0x1_0000);
    put(&mut chip, 0x13, 0xab12_3456);
    put(&mut chip, 0x12, 0xffff_ffff);
    assert_eq!((get(&mut chip, 0x13), get(&mut chip, 0x12)), (0xab00_0000, 0x0001_afff));
}

#[test]
fn edges_are_sent_once_and_lost_while_masked() {
    let mut chip = IoApic::new(0x11);
    chip.set_pin(4, true);
    put(&mut chip, 0x18, 0x0030);
    assert!(!chip.has_outputs());
    chip.set_pin(4, false);
    chip.set_pin(4, true);
    chip.set_pin(4, true);
    let sent = chip.take_outputs();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].vector, sent[0].level, sent[0].destination), (0x30, false, Destination::Physical(0)));
}

#[test]
fn a_level_is_sent_again_after_eoi_while_it_stands() {
    let mut chip = IoApic::new(0x20);
    chip.set_pin(10, true);
    put(&mut chip, 0x24, 0x8040 | LOGICAL as u32);
    assert_eq!(chip.take_outputs().len(), 1, "a standing level is seen when it is unmasked");
    assert_eq!(get(&mut chip, 0x24) & REMOTE_IRR as u32, REMOTE_IRR as u32);
    chip.set_pin(10, false);
    chip.set_pin(10, true);
    assert!(!chip.has_outputs());
    chip.end_of_interrupt(0x40);
    assert_eq!(chip.take_outputs().len(), 1);
    chip.set_pin(10, false);
    chip.write(0x40, 4, 0x40, VmTime::ZERO);
    assert!(!chip.has_outputs());
    assert_eq!(get(&mut chip, 0x24) & REMOTE_IRR as u32, 0);
}

#[test]
fn version_11_has_no_eoi_register() {
    let mut chip = IoApic::new(0x11);
    put(&mut chip, 0x24, 0x8040);
    chip.set_pin(10, true);
    chip.take_outputs();
    chip.write(0x40, 4, 0x40, VmTime::ZERO);
    assert!(!chip.has_outputs());
    // Switching to edge and back clears a stuck remote IRR.
    put(&mut chip, 0x24, 0x1_0040);
    put(&mut chip, 0x24, 0x8040);
    assert_eq!(chip.take_outputs().len(), 1);
}
