use super::*;

/// 2001-09-09 01:46:40, a Sunday.
const BILLION: i64 = 1_000_000_000;

fn clock() -> Rtc {
    Rtc::new(BILLION, Line::unconnected(), Timer::unconnected())
}

fn get(rtc: &mut Rtc, index: u8, now: u64) -> u8 {
    rtc.write(0x70, 1, index.into(), VmTime(now));
    rtc.read(0x71, 1, VmTime(now)) as u8
}

fn put(rtc: &mut Rtc, index: u8, value: u8, now: u64) {
    rtc.write(0x70, 1, index.into(), VmTime(now));
    rtc.write(0x71, 1, value.into(), VmTime(now));
}

#[test]
fn shows_the_time_in_bcd_and_in_binary() {
    let mut rtc = clock();
    let time: Vec<u8> = [0, 2, 4, 6, 7, 8, 9, 0x32].map(|i| get(&mut rtc, i, 0)).into();
    assert_eq!(time, [0x40, 0x46, 0x01, 0x01, 0x09, 0x09, 0x01, 0x20]);
    put(&mut rtc, 0x0b, 0x06, 0);
    assert_eq!(get(&mut rtc, 0, 19_000_000_000), 59);
    assert_eq!((get(&mut rtc, 2, 20_000_000_000), get(&mut rtc, 0, 20_000_000_000)), (47, 0));
}

#[test]
fn setting_the_clock_stops_updates_until_all_is_written() {
    let mut rtc = clock();
    put(&mut rtc, 0x0b, 0x82, 100);
    for (index, value) in [(0, 0x59), (2, 0x59), (4, 0x23), (6, 0x05), (7, 0x31), (8, 0x12), (9, 0x99), (0x32, 0x19)] {
        put(&mut rtc, index, value, 100);
    }
    assert_eq!(get(&mut rtc, 0, 5_000_000_000), 0x59);
    put(&mut rtc, 0x0b, 0x02, 5_000_000_000);
    let time: Vec<u8> = [0, 2, 4, 6, 7, 8, 9, 0x32].map(|i| get(&mut rtc, i, 6_000_000_000)).into();
    assert_eq!(time, [0, 0, 0, 0x06, 0x01, 0x01, 0x00, 0x20]);
}

#[test]
fn update_in_progress_comes_before_the_second() {
    let mut rtc = clock();
    assert_eq!(get(&mut rtc, 0x0a, 0), 0x26);
    assert_eq!(get(&mut rtc, 0x0a, 999_000_000), 0xa6);
    assert_eq!(get(&mut rtc, 0x0a, 1_000_000_000), 0x26);
}

#[test]
fn periodic_interrupt_at_1024_hertz() {
    let mut rtc = clock();
    put(&mut rtc, 0x0b, 0x42, 0);
    assert_eq!(rtc.timer.deadline(), VmTime(976_563));
    rtc.timer(0, VmTime(976_563));
    assert!(rtc.irq.level());
    assert_eq!(rtc.timer.deadline(), VmTime::NEVER);
    assert_eq!(get(&mut rtc, 0x0c, 976_563), 0xc0);
    assert!(!rtc.irq.level());
    assert_eq!(rtc.timer.deadline(), VmTime(1_953_125));
    assert_eq!(get(&mut rtc, 0x0c, 1_000_000), 0);
}

#[test]
fn alarm_and_update_ended() {
    let mut rtc = clock();
    for (index, value) in [(1, 0x30), (3, 0xff), (5, 0xff), (0x0b, 0x22)] {
        put(&mut rtc, index, value, 0);
    }
    assert_eq!(rtc.timer.deadline(), VmTime(50_000_000_000));
    rtc.timer(0, VmTime(50_000_000_000));
    assert!(rtc.irq.level());
    assert_eq!(get(&mut rtc, 0x0c, 50_000_000_000), 0xf0);
    put(&mut rtc, 0x0b, 0x12, 50_000_000_000);
    assert_eq!(rtc.timer.deadline(), VmTime(51_000_000_000));
}

#[test]
fn an_alarm_that_never_matches_ends_the_search() {
    let mut rtc = clock();
    put(&mut rtc, 5, 0x77, 0);
    put(&mut rtc, 0x0b, 0x22, 0);
    assert_eq!(rtc.timer.deadline(), VmTime::NEVER);
}

#[test]
fn ram_survives_reset_and_nmi_mask_follows_port_70h() {
    let mut rtc = clock();
    put(&mut rtc, 0x40, 0x5a, 0);
    rtc.write(0x70, 1, 0x8f, VmTime::ZERO);
    assert!(rtc.nmi_masked());
    rtc.reset(ResetKind::Hard, VmTime(10));
    assert!(!rtc.nmi_masked());
    assert_eq!(get(&mut rtc, 0x40, 20), 0x5a);
}

#[test]
fn a_stopped_divider_holds_the_clock() {
    let mut rtc = clock();
    put(&mut rtc, 0x0a, 0x66, 0);
    assert_eq!(get(&mut rtc, 0, 3_000_000_000), 0x40);
    put(&mut rtc, 0x0a, 0x26, 3_000_000_000);
    assert_eq!(get(&mut rtc, 0, 3_499_999_999), 0x40);
    assert_eq!(get(&mut rtc, 0, 3_500_000_000), 0x41);
}
