use super::*;

fn apics(count: u32) -> Vec<LocalApic> {
    let mut apics: Vec<LocalApic> = (0..count).map(|cpu| LocalApic::new(cpu, Timer::unconnected())).collect();
    for apic in &mut apics {
        put(apic, 0xf0, 0x1ff);
    }
    apics
}

fn put(apic: &mut LocalApic, offset: u64, value: u32) {
    apic.write(offset, 4, value.into(), VmTime::ZERO);
}

fn get(apic: &mut LocalApic, offset: u64) -> u32 {
    apic.read(offset, 4, VmTime::ZERO) as u32
}

fn fixed(vector: u8, destination: Destination) -> Message {
    Message { destination, short: true, mode: DeliveryMode::Fixed, vector, level: false }
}

/// Sends all IPIs that wait.
fn pump(apics: &mut [LocalApic]) {
    for cpu in 0..apics.len() {
        for output in apics[cpu].take_outputs() {
            if let Output::Ipi(message) = output {
                deliver(apics, &message);
            }
        }
    }
}

#[test]
fn priorities_and_eoi() {
    let mut apics = apics(1);
    for vector in [0x31, 0x52, 0x58] {
        deliver(&mut apics, &fixed(vector, Destination::All));
    }
    let apic = &mut apics[0];
    assert_eq!(apic.acknowledge(), Some(0x58));
    assert_eq!((apic.request(), get(apic, 0xa0)), (None, 0x50), "same class waits");
    put(apic, 0xb0, 0);
    put(apic, 0x80, 0x40);
    assert_eq!(apic.acknowledge(), Some(0x52));
    put(apic, 0xb0, 0);
    assert_eq!(apic.request(), None, "the task priority holds 31h back");
    apic.set_cr8(2);
    assert_eq!(get(apic, 0x80), 0x20);
    assert_eq!(apic.acknowledge(), Some(0x31));
    assert_eq!(get(apic, 0x110), 1 << 17);
}

#[test]
fn level_triggered_eoi_is_broadcast() {
    let mut apics = apics(1);
    deliver(&mut apics, &Message { level: true, ..fixed(0x60, Destination::Physical(0)) });
    assert_eq!(get(&mut apics[0], 0x1b0), 1);
    apics[0].acknowledge();
    put(&mut apics[0], 0xb0, 0);
    assert_eq!(apics[0].take_outputs(), [Output::Eoi(0x60)]);
}

#[test]
fn logical_destinations() {
    let mut apics = apics(3);
    for (cpu, apic) in apics.iter_mut().enumerate() {
        put(apic, 0xd0, 1 << (24 + cpu));
    }
    deliver(&mut apics, &fixed(0x40, Destination::Logical(0b101)));
    assert_eq!(apics.iter().map(LocalApic::request).collect::<Vec<_>>(), [Some(0x40), None, Some(0x40)]);
    // Cluster model: cluster 2, members 0 to 2.
    for (cpu, apic) in apics.iter_mut().enumerate() {
        put(apic, 0xe0, 0x0fff_ffff);
        put(apic, 0xd0, 0x2000_0000 | 1 << (24 + cpu));
    }
    deliver(&mut apics, &fixed(0x50, Destination::Logical(0x22)));
    deliver(&mut apics, &fixed(0x60, Destination::Logical(0x32)));
    assert_eq!(apics.iter().map(LocalApic::request).collect::<Vec<_>>(), [Some(0x40), Some(0x50), Some(0x40)]);
}

#[test]
fn lowest_priority_goes_to_the_idlest() {
    let mut apics = apics(2);
    put(&mut apics[0], 0x80, 0x30);
    let message = Message { mode: DeliveryMode::LowestPriority, ..fixed(0x70, Destination::Physical(0xff)) };
    assert!(deliver(&mut apics, &message));
    assert_eq!((apics[0].request(), apics[1].request()), (None, Some(0x70)));
}

#[test]
fn ipis_by_icr_and_shorthand() {
    let mut apics = apics(3);
    put(&mut apics[0], 0x310, 2 << 24);
    put(&mut apics[0], 0x300, 0x41);
    pump(&mut apics);
    assert_eq!(apics[2].request(), Some(0x41));
    put(&mut apics[1], 0x300, 0xc_0000 | 0x42);
    pump(&mut apics);
    assert_eq!((apics[0].request(), apics[1].request()), (Some(0x42), None));
    put(&mut apics[1], 0x300, 0x4_0000 | 0x43);
    pump(&mut apics);
    assert_eq!(apics[1].request(), Some(0x43));
    // INIT, its de-assert, and start-up.
    put(&mut apics[0], 0x310, 1 << 24);
    for low in [0xc500, 0x8500, 0x0699] {
        put(&mut apics[0], 0x300, low);
        pump(&mut apics);
    }
    assert_eq!(apics[1].take_events(), CpuEvents { nmi: false, init: true, sipi: Some(0x99) });
    assert_eq!((get(&mut apics[1], 0xf0), apics[1].request()), (0xff, None), "INIT resets the APIC");
    put(&mut apics[0], 0x300, 0x400);
    pump(&mut apics);
    assert!(apics[1].take_events().nmi);
}

#[test]
fn timer_one_shot_and_periodic() {
    let mut apic = apics(1).remove(0);
    put(&mut apic, 0x3e0, 3); // by 16
    put(&mut apic, 0x320, 0x44);
    put(&mut apic, 0x380, 1000);
    assert_eq!(apic.timer.deadline(), VmTime(16_000));
    assert_eq!(apic.read(0x390, 4, VmTime(8_000)), 500);
    apic.timer(0, VmTime(16_000));
    assert_eq!((apic.acknowledge(), apic.timer.deadline()), (Some(0x44), VmTime::NEVER));
    put(&mut apic, 0xb0, 0);
    apic.write(0x320, 4, 0x2_0045, VmTime(20_000));
    apic.write(0x380, 4, 100, VmTime(20_000));
    apic.timer(0, VmTime(21_700));
    assert_eq!((apic.request(), apic.timer.deadline()), (Some(0x45), VmTime(23_200)));
    assert_eq!(apic.read(0x390, 4, VmTime(21_760)), 90);
    apic.write(0x380, 4, 0, VmTime(22_000));
    assert_eq!(apic.timer.deadline(), VmTime::NEVER);
}

#[test]
fn tsc_deadline() {
    let mut apic = apics(1).remove(0);
    assert!(apic.write_msr(TSC_DEADLINE, 500, VmTime(100)));
    assert_eq!(apic.read_msr(TSC_DEADLINE, VmTime(100)), Some(0), "not in that mode");
    put(&mut apic, 0x320, 0x4_0050);
    apic.write_msr(TSC_DEADLINE, 500, VmTime(100));
    assert_eq!(apic.timer.deadline(), VmTime(500));
    apic.timer(0, VmTime(500));
    assert_eq!((apic.request(), apic.read_msr(TSC_DEADLINE, VmTime(501))), (Some(0x50), Some(0)));
    put(&mut apic, 0xb0, 0);
    apic.write_msr(TSC_DEADLINE, 1, VmTime(600));
    assert_eq!(apic.timer.deadline(), VmTime::NEVER, "a deadline in the past is due at once");
}

#[test]
fn x2apic_mode() {
    let mut apics = apics(2);
    assert_eq!(apics[1].read_msr(0x802, VmTime::ZERO), None);
    assert!(apics[1].write_msr(APIC_BASE, 0xfee0_0c00, VmTime::ZERO));
    assert!(!apics[1].write_msr(APIC_BASE, 0xfee0_0800, VmTime::ZERO), "only through off");
    assert_eq!(apics[1].page(), None);
    assert_eq!((apics[1].read_msr(0x802, VmTime::ZERO), apics[1].read_msr(0x80d, VmTime::ZERO)), (Some(1), Some(2)));
    assert!(apics[1].write_msr(0x80f, 0x1ff, VmTime::ZERO));
    assert!(apics[1].write_msr(0x83f, 0x66, VmTime::ZERO));
    assert_eq!(apics[1].acknowledge(), Some(0x66));
    assert!(apics[1].write_msr(0x80b, 0, VmTime::ZERO));
    assert!(!apics[1].write_msr(0x80b, 1, VmTime::ZERO));
    assert!(!apics[1].write_msr(0x802, 0, VmTime::ZERO));
    assert!(apics[1].write_msr(0x830, 0x67, VmTime::ZERO));
    pump(&mut apics);
    assert_eq!(apics[0].request(), Some(0x67));
    let logical = Message { short: false, ..fixed(0x68, Destination::Logical(2)) };
    deliver(&mut apics, &logical);
    assert_eq!(apics[1].request(), Some(0x68));
}

#[test]
fn software_disable_masks_everything() {
    let mut apic = apics(1).remove(0);
    put(&mut apic, 0x350, 0x700);
    assert!(apic.accepts_pic());
    put(&mut apic, 0xf0, 0xff);
    assert!(!apic.accepts_pic());
    put(&mut apic, 0x350, 0x700);
    assert_eq!(get(&mut apic, 0x350), 0x1_0700);
    apic.write_msr(APIC_BASE, 0xfee0_0000, VmTime::ZERO);
    assert!(apic.accepts_pic(), "switched off, the CPU has its INTR pin again");
}

#[test]
fn virtual_wire_from_reset_on_the_bootstrap_processor_only() {
    assert!(LocalApic::new(0, Timer::unconnected()).accepts_pic());
    assert!(!LocalApic::new(1, Timer::unconnected()).accepts_pic());
}

#[test]
fn lint_pins() {
    let mut apic = apics(1).remove(0);
    put(&mut apic, 0x350, 0x0041);
    apic.set_lint(0, true);
    assert_eq!(apic.acknowledge(), Some(0x41));
    put(&mut apic, 0x360, 0x400);
    apic.set_lint(1, true);
    assert!(apic.take_events().nmi);
}

#[test]
fn errors() {
    let mut apic = apics(1).remove(0);
    put(&mut apic, 0x370, 0xfe);
    put(&mut apic, 0x300, 0x4_0005);
    assert_eq!(get(&mut apic, 0x280), 0);
    put(&mut apic, 0x280, 0);
    assert_eq!((get(&mut apic, 0x280), apic.request()), (0x20, Some(0xfe)));
    get(&mut apic, 0x3f0);
    put(&mut apic, 0x280, 0);
    assert_eq!(get(&mut apic, 0x280), 0x80);
}

#[test]
fn messages_from_devices() {
    let message = Message::msi(0xfee0_1000, 0x4123).unwrap();
    assert_eq!((message.destination, message.vector), (Destination::Physical(1), 0x23));
    assert_eq!(Message::msi(0xfed0_0000, 0), None);
}
