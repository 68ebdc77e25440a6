//! Machines whose vCPUs have threads of their own.

use super::*;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Duration;

const APIC: u64 = 0xfee0_0000;

fn threaded(scripts: Vec<Script>) -> MachineConfig {
    MachineConfig { time: TimeMode::RealTime, threads: true, ..config(scripts) }
}

fn enable_apic(bus: &mut dyn CpuBus) {
    bus.mmio_write(APIC + 0xf0, 4, 0x1ff);
}

/// Runs until it is told not to.
fn busy() -> Script {
    script(|_, _, _| {
        std::thread::sleep(Duration::from_micros(50));
        (100, Exit::Budget)
    })
}

#[test]
fn vcpus_run_at_the_same_time() {
    let meeting = Arc::new(Barrier::new(2));
    let other = meeting.clone();
    let first = script(move |bus, _, _| {
        meeting.wait();
        exit(bus, 0)
    });
    let second = script(move |_, _, _| {
        other.wait();
        (1, Exit::Halted)
    });
    let mut machine = Machine::new(threaded(vec![first, second])).unwrap();
    assert_eq!(machine.run(), Outcome::DebugExit(1));
    assert_eq!(machine.instructions(), 2);
}

#[test]
fn an_interrupt_between_cpus_wakes_a_halted_one() {
    let ready = Arc::new(AtomicBool::new(false));
    let told = ready.clone();
    let mut sent = 0;
    let first = script(move |bus, _, _| {
        if !ready.swap(false, Ordering::SeqCst) {
            return (100, Exit::Budget);
        }
        sent += 1;
        std::thread::sleep(Duration::from_micros(if sent % 4 == 0 { 300 } else { 0 }));
        bus.mmio_write(APIC + 0x310, 4, 1 << 24);
        bus.mmio_write(APIC + 0x300, 4, 0x4041);
        (10, Exit::Budget)
    });
    let mut received = 0;
    let second = script(move |bus, _, _| {
        enable_apic(bus);
        // Whoever halts while an interrupt stands is not woken by it.
        while let Some(vector) = bus.acknowledge() {
            assert_eq!(vector, 0x41);
            bus.mmio_write(APIC + 0xb0, 4, 0);
            received += 1;
            if received == 200 {
                return exit(bus, 0);
            }
        }
        told.store(true, Ordering::SeqCst);
        (1, Exit::Halted)
    });
    // A vCPU that is woken for nothing says that it is ready again: an interrupt may then stay in the APIC for a while.
    assert_eq!(Machine::new(threaded(vec![first, second])).unwrap().run(), Outcome::DebugExit(1));
}

#[test]
fn timers_fire_while_all_sleep_and_while_others_run() {
    for other in [script(|_, _, _| (1, Exit::Halted)), busy()] {
        let mut ticks = 0;
        let ticking = script(move |bus, _, _| {
            if ticks == 0 {
                enable_apic(bus);
                bus.mmio_write(APIC + 0x320, 4, 0x2_0042); // periodic
                bus.mmio_write(APIC + 0x3e0, 4, 0xb);
                bus.mmio_write(APIC + 0x380, 4, 1_000_000);
                ticks = 1;
            }
            while let Some(vector) = bus.acknowledge() {
                // The 8259A, which nobody has set up, may have something to say, too.
                if vector == 0x42 {
                    bus.mmio_write(APIC + 0xb0, 4, 0);
                    ticks += 1;
                }
                if ticks == 6 {
                    return exit(bus, 0);
                }
            }
            (1, Exit::Halted)
        });
        let mut machine = Machine::new(threaded(vec![ticking, other])).unwrap();
        assert_eq!(machine.run(), Outcome::DebugExit(1));
        assert!(machine.now() >= VmTime(5_000_000), "{:?}", machine.now());
    }
}

#[test]
fn a_reset_begins_anew_with_all() {
    let boots = Arc::new(AtomicU32::new(0));
    let (count, seen) = (boots.clone(), boots.clone());
    let first = script(move |bus, _, _| match seen.load(Ordering::SeqCst) {
        3 => exit(bus, 0),
        _ => {
            outb(bus, 0xcf9, 6);
            (1, Exit::Kicked)
        }
    });
    let mut config = threaded(vec![first, busy(), script(|_, _, _| (1, Exit::Halted))]);
    config.boot = Some(Box::new(move |target| {
        assert_eq!(target.cpus.len(), 3);
        count.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }));
    assert_eq!(Machine::new(config).unwrap().run(), Outcome::DebugExit(1));
    assert_eq!(boots.load(Ordering::SeqCst), 3);
}

#[test]
fn a_triple_fault_of_any_cpu_is_the_machines() {
    let faulty = script(|_, _, _| (1, Exit::Shutdown));
    let config = MachineConfig { no_reboot: true, ..threaded(vec![busy(), faulty]) };
    assert_eq!(Machine::new(config).unwrap().run(), Outcome::TripleFault);
    let broken = script(|_, _, _| (1, Exit::Fault("a reason".into())));
    let outcome = Machine::new(threaded(vec![broken, busy()])).unwrap().run();
    assert_eq!(outcome, Outcome::Fault("vCPU 0: a reason".into()));
}

#[test]
fn orders_and_pictures_while_all_run_or_sleep() {
    let running = Arc::new(AtomicU32::new(0));
    let counted = || {
        let running = running.clone();
        script(move |_, _, _| {
            running.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_micros(50));
            (100, Exit::Budget)
        })
    };
    let mut config = threaded(vec![counted(), script(|_, _, _| (1, Exit::Halted)), counted()]);
    config.vga = true;
    let mut machine = Machine::new(config).unwrap();
    let (handle, runs) = (machine.handle(), running.clone());
    let other = std::thread::spawn(move || {
        let pause = || std::thread::sleep(Duration::from_millis(10));
        pause();
        handle.order(Order::Pause);
        while !handle.is_paused() {
            pause();
        }
        let stood = runs.load(Ordering::SeqCst);
        pause();
        assert_eq!(runs.load(Ordering::SeqCst), stood, "a paused machine stands");
        handle.order(Order::Resume);
        for _ in 0..5 {
            handle.draw();
            pause();
        }
        while handle.look(|_, _, drawn| drawn) == 0 {
            pause();
        }
        for order in [Order::Nmi, Order::PowerButton, Order::Quit] {
            handle.order(order);
            pause();
        }
    });
    assert_eq!(machine.run(), Outcome::Quit);
    other.join().unwrap();
    assert!(running.load(Ordering::SeqCst) > 2);
}

#[test]
fn a_sleeper_is_woken_by_what_is_new() {
    let signals = Signals::new();
    signals.raise(Signals::INTR);
    let seen = signals.news();
    let sleeper = std::thread::spawn({
        let signals = signals.clone();
        move || signals.sleep(seen)
    });
    std::thread::sleep(Duration::from_millis(10));
    signals.raise(Signals::INTR);
    assert!(!sleeper.is_finished());
    signals.kick();
    sleeper.join().unwrap();
}
