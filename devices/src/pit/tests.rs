use super::*;

/// A counter in a mode with a count, written at tick 0, so that it is loaded at tick 1.
fn counter(mode: u8, count: u16) -> Counter {
    let mut counter = Counter::default();
    counter.control(0x30 | mode << 1, 0);
    for byte in count.to_le_bytes() {
        counter.write(byte, 0);
    }
    counter
}

fn read(counter: &mut Counter, tick: u64) -> u16 {
    u16::from_le_bytes([counter.read(tick), counter.read(tick)])
}

fn outs(counter: &mut Counter, ticks: std::ops::Range<u64>) -> String {
    ticks
        .map(|tick| {
            counter.advance(tick);
            if counter.out(tick) { 'H' } else { 'L' }
        })
        .collect()
}

#[test]
fn mode_0_interrupt_on_terminal_count() {
    let mut c = counter(0, 4);
    assert_eq!(outs(&mut c, 0..8), "LLLLLHHH");
    let mut c = counter(0, 4);
    assert_eq!((read(&mut c, 1), read(&mut c, 3), read(&mut c, 5), read(&mut c, 6)), (4, 2, 0, 0xffff));
    assert_eq!(counter(0, 4).next_event(0), Some(5));
}

#[test]
fn mode_0_gate_stops_the_count_but_not_the_output() {
    let mut c = counter(0, 4);
    c.set_gate(false, 3);
    assert_eq!((read(&mut c, 30), c.out(30), c.next_event(30)), (2, false, None));
    c.set_gate(true, 30);
    assert_eq!(c.next_event(30), Some(32));
}

#[test]
fn mode_1_one_shot_starts_at_the_gate() {
    let mut c = Counter::default();
    c.set_gate(false, 0);
    c.control(0x32, 0);
    c.write(3, 0);
    c.write(0, 0);
    assert_eq!(outs(&mut c, 0..3), "HHH");
    c.set_gate(true, 5);
    assert_eq!(outs(&mut c, 6..11), "LLLHH");
}

#[test]
fn mode_2_rate_generator() {
    let mut c = counter(2, 3);
    assert_eq!(outs(&mut c, 1..10), "HHLHHLHHL");
    assert_eq!((read(&mut c, 10), read(&mut c, 11), read(&mut c, 12)), (3, 2, 1));
    assert_eq!(c.next_event(12), Some(13));
    c.set_gate(false, 12);
    assert!(c.out(12) && c.out(15));
    c.set_gate(true, 20);
    assert_eq!(outs(&mut c, 21..25), "HHLH");
}

#[test]
fn mode_2_takes_a_new_count_at_the_end_of_the_cycle() {
    let mut c = counter(2, 4);
    c.write(2, 2);
    c.write(0, 2);
    assert_eq!(outs(&mut c, 2..10), "HHLHLHLH");
}

#[test]
fn mode_3_square_wave_even_and_odd() {
    let mut c = counter(3, 4);
    assert_eq!(outs(&mut c, 1..10), "HHLLHHLLH");
    let mut c = counter(3, 5);
    assert_eq!(outs(&mut c, 1..12), "HHHLLHHHLLH");
    let mut c = counter(3, 5);
    let values: Vec<u16> = (1..7).map(|tick| read(&mut c, tick)).collect();
    assert_eq!(values, [4, 2, 0, 4, 2, 4]);
    let mut c = counter(3, 6);
    c.write(2, 2);
    c.write(0, 2);
    assert_eq!(outs(&mut c, 2..10), "HHLHLHLH", "the new count begins with the next half");
}

#[test]
fn modes_4_and_5_strobes() {
    let mut c = counter(4, 3);
    assert_eq!(outs(&mut c, 0..7), "HHHHLHH");
    let mut c = counter(5, 2);
    assert_eq!(outs(&mut c, 0..4), "HHHH");
    c.set_gate(false, 4);
    c.set_gate(true, 5);
    assert_eq!(outs(&mut c, 6..11), "HHLHH");
    assert_eq!(counter(4, 3).next_event(0), Some(5), "the strobe's end");
}

#[test]
fn latches_hold_until_read() {
    let mut c = counter(2, 1000);
    c.latch_count(11);
    c.latch_count(50);
    assert_eq!((c.read(60), c.read(70)), ((990u16 & 0xff) as u8, 3));
    c.latch_status(80);
    assert_eq!(c.read(80), 0x80 | 0x34);
    let mut c = counter(2, 1000);
    c.latch_status(0);
    assert_eq!(c.read(0) & 0x40, 0x40, "the count is not loaded yet");
}

#[test]
fn bcd_counts_in_tens() {
    let mut c = Counter::default();
    c.control(0x31, 0);
    c.write(0x00, 0);
    c.write(0x10, 0);
    assert_eq!(read(&mut c, 2), 0x0999);
    assert_eq!(read(&mut c, 1002), 0x9999);
    let mut c = Counter::default();
    c.control(0x35, 0);
    c.write(0, 0);
    c.write(0, 0);
    assert_eq!((read(&mut c, 2), c.next_event(2)), (0x9999, Some(10_001)));
}

fn pit() -> Pit {
    Pit::new(Line::unconnected(), Timer::unconnected())
}

#[test]
fn counter_0_at_100_hertz_does_not_drift() {
    let mut pit = pit();
    let count = 11_932u16;
    for (port, value) in [(0x43, 0x34), (0x40, count as u8), (0x40, (count >> 8) as u8)] {
        pit.write(port, 1, value.into(), VmTime::ZERO);
    }
    let mut now = VmTime::ZERO;
    for _ in 0..360_000 {
        now = pit.timer.deadline();
        pit.timer(0, now);
        assert!(pit.out0.level());
    }
    assert_eq!(CLOCK.ticks_at(now), 1 + 360_000 * u64::from(count));
}

#[test]
fn a_late_timer_still_makes_an_edge() {
    let bus = lyrebird_core::LineBus::new();
    let mut pit = Pit::new(bus.line(0), Timer::unconnected());
    for (port, value) in [(0x43, 0x34), (0x40, 0), (0x40, 0x10)] {
        pit.write(port, 1, value, VmTime::ZERO);
    }
    bus.take();
    pit.timer(0, VmTime(50_000_000));
    assert_eq!(bus.take(), [(0, false), (0, true)]);
}

#[test]
fn port_61h_gates_counter_2_and_shows_it() {
    let mut pit = pit();
    let at = |tick| CLOCK.time_of(tick);
    for (port, value) in [(0x43, 0xb0), (0x42, 100), (0x42, 0)] {
        pit.write(port, 1, value, at(10));
    }
    assert_eq!(pit.read(0x61, 1, at(500)) & 0x20, 0);
    pit.write(0x61, 1, 1, at(1000));
    assert_eq!(pit.read(0x61, 1, at(1099)) & 0x21, 1);
    assert_eq!(pit.read(0x61, 1, at(1101)) & 0x21, 0x21);
    assert_ne!(pit.read(0x61, 1, at(18)) & 0x10, pit.read(0x61, 1, at(36)) & 0x10);
}

#[test]
fn read_back_latches_several_counters() {
    let mut pit = pit();
    for (port, value) in [(0x43, 0x34), (0x40, 0), (0x40, 1), (0x43, 0xb6), (0x42, 0), (0x42, 2)] {
        pit.write(port, 1, value, VmTime::ZERO);
    }
    pit.write(0x43, 1, 0xca, CLOCK.time_of(11)); // counters 0 and 2, count and status
    assert_eq!(pit.read(0x40, 1, CLOCK.time_of(20)), 0xb4);
    assert_eq!((pit.read(0x40, 1, CLOCK.time_of(20)), pit.read(0x40, 1, CLOCK.time_of(20))), (0xf6, 0));
}
