//! The board and the run loop, with vCPUs whose program is a Rust closure.

use super::*;
use lyrebird_core::chars::{CharInput, CharOut, CharPort, KeptOutput};
use lyrebird_core::engine::EngineError;
use lyrebird_core::{Budget, CpuBus, Exit};

mod threads;

/// What a vCPU does when it is run: it may use its bus and signals, and says what it retired and why it stops.
type Script = Box<dyn FnMut(&mut dyn CpuBus, &Signals, Budget) -> (u64, Exit) + Send>;

struct FakeVcpu {
    script: Script,
    signals: Arc<Signals>,
    state: CpuState,
}

impl Vcpu for FakeVcpu {
    fn run(&mut self, bus: &mut dyn CpuBus, budget: Budget) -> Exit {
        let (retired, exit) = (self.script)(bus, &self.signals, budget);
        self.state.retired += retired;
        exit
    }

    fn state(&mut self) -> CpuState {
        self.state.clone()
    }

    fn set_state(&mut self, state: &CpuState) {
        self.state = state.clone();
    }

    fn retired(&self) -> u64 {
        self.state.retired
    }

    fn translate(&mut self, linear: u64) -> Option<u64> {
        Some(linear)
    }
}

struct FakeEngine(Vec<Option<Script>>);

impl Engine for FakeEngine {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn create_vcpu(
        &mut self,
        index: u32,
        _memory: Arc<GuestMemory>,
        signals: Arc<Signals>,
    ) -> Result<Box<dyn Vcpu>, EngineError> {
        let script = self.0[index as usize].take().ok_or(EngineError("made before".into()))?;
        Ok(Box::new(FakeVcpu { script, signals, state: CpuState::reset(0x600, index == 0) }))
    }
}

fn config(scripts: Vec<Script>) -> MachineConfig {
    let cpus = scripts.len() as u32;
    let engine = FakeEngine(scripts.into_iter().map(Some).collect());
    MachineConfig {
        cpus,
        time: TimeMode::DETERMINISTIC,
        debug_exit: Some(DebugExitConfig { iobase: 0xf4, iosize: 4 }),
        testdev: true,
        rtc_base: RtcBase::Fixed(1_000_000_000),
        ..MachineConfig::new(4 << 20, Box::new(engine))
    }
}

fn machine(scripts: Vec<Script>) -> Machine {
    Machine::new(config(scripts)).unwrap()
}

fn script(run: impl FnMut(&mut dyn CpuBus, &Signals, Budget) -> (u64, Exit) + Send + 'static) -> Script {
    Box::new(run)
}

fn outb(bus: &mut dyn CpuBus, port: u16, value: u8) {
    bus.port_write(port, 1, value.into());
}

fn exit(bus: &mut dyn CpuBus, code: u32) -> (u64, Exit) {
    bus.port_write(0xf4, 4, code);
    (1, Exit::Kicked)
}

fn set_up_pic(bus: &mut dyn CpuBus) {
    for (port, value) in
        [(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0xa0, 0x11), (0xa1, 0x28), (0xa1, 2), (0xa1, 1)]
    {
        outb(bus, port, value);
    }
    outb(bus, 0x21, 0);
    outb(bus, 0xa1, 0);
}

#[test]
fn a_guest_ends_the_machine() {
    let mut machine = machine(vec![script(|bus, _, _| exit(bus, 5))]);
    assert_eq!(machine.run(), Outcome::DebugExit(11));
    assert_eq!(machine.instructions(), 1);
}

#[test]
fn a_script_is_played_at_its_times() {
    let second = 1_000_000_000;
    let steps = vec![
        (VmTime(2 * second), Step::Picture("a.png".into())),
        (VmTime(3 * second), Step::Order(Order::PowerButton)),
        (VmTime(4 * second), Step::Order(Order::Quit)),
    ];
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let album = seen.clone();
    let mut config = config(vec![script(|_, _, _| (10, Exit::Halted))]);
    config.script = super::Script::new(steps).pictures(
        Some("end.png".into()),
        Box::new(move |path, _| album.lock().unwrap().push(path.display().to_string())),
    );
    let mut machine = Machine::new(config).unwrap();
    assert_eq!(machine.run(), Outcome::Quit);
    assert_eq!(*seen.lock().unwrap(), ["a.png", "end.png"]);
    assert_eq!(machine.now(), VmTime(4 * second), "idle time is skipped, and nothing is late");
}

#[test]
fn media_are_put_in_and_taken_out() {
    use lyrebird_core::block::MemoryDisk;
    let has_medium = |machine: &mut Machine| match machine.lock().ide().drive(1, 0) {
        Some(devices::ide::Drive::Cdrom(cdrom)) => cdrom.medium().is_some(),
        _ => panic!("no drive"),
    };
    for (steps, there) in [
        (vec![Step::Insert("a.iso".into())], true),
        (vec![Step::Insert("a.iso".into()), Step::Order(Order::Eject)], false),
        (vec![Step::Insert("missing.iso".into())], false),
    ] {
        let mut config = config(vec![script(|_, _, _| (10, Exit::Halted))]);
        config.drives[2] = Some(DriveConfig::Cdrom(None));
        let steps = steps.into_iter().chain([Step::Order(Order::Quit)]);
        let steps = (1..).map(VmTime).zip(steps).collect();
        config.script = super::Script::new(steps).media(Box::new(|file| {
            let medium = Box::new(MemoryDisk::new("cd", vec![0; 8192]));
            let there = file.starts_with("a.iso");
            if there { Ok(NewMedium { drive: Removable::Cdrom, medium }) } else { Err("it is not there".into()) }
        }));
        let mut machine = Machine::new(config).unwrap();
        assert_eq!(machine.run(), Outcome::Quit);
        assert_eq!(has_medium(&mut machine), there);
    }
    // From outside, into a drive that is not there: nothing happens.
    let mut machine = machine(vec![script(|bus, _, _| exit(bus, 0))]);
    let medium = Box::new(MemoryDisk::new("floppy", vec![0; 1_474_560]));
    machine.handle().insert(NewMedium { drive: Removable::Floppy, medium });
    assert_eq!(machine.run(), Outcome::DebugExit(1));
}

#[test]
fn a_halted_machine_skips_to_the_timers_interrupt() {
    let mut step = 0;
    let mut machine = machine(vec![script(move |bus, signals, _| {
        step += 1;
        match step {
            1 => {
                set_up_pic(bus);
                for (port, value) in [(0x43, 0x34), (0x40, 0x9c), (0x40, 0x2e)] {
                    outb(bus, port, value); // 11,932 ticks
                }
                (50, Exit::Halted)
            }
            2 => {
                assert_ne!(signals.bits() & Signals::INTR, 0);
                assert_eq!(bus.acknowledge(), Some(0x20));
                assert_eq!(signals.bits() & Signals::INTR, 0);
                outb(bus, 0x20, 0x20);
                (10, Exit::Halted)
            }
            _ => {
                assert_eq!(bus.acknowledge(), Some(0x20));
                exit(bus, 0)
            }
        }
    })]);
    assert_eq!(machine.run(), Outcome::DebugExit(1));
    let now = machine.now().as_nanos();
    assert!((20_000_300..20_002_500).contains(&now), "two periods of 10.0002 ms, not {now}");
}

#[test]
fn deterministic_slices_end_at_deadlines() {
    let mut budgets = Vec::new();
    let mut machine = machine(vec![script(move |bus, signals, budget| {
        assert!(budget.exact);
        budgets.push(budget.instructions);
        if budgets.len() == 1 {
            set_up_pic(bus);
            for (port, value) in [(0x43, 0x30), (0x40, 0), (0x40, 0x10)] {
                outb(bus, port, value);
            }
            assert_eq!(signals.bits() & Signals::KICK, 0, "4,096 ticks are longer than a slice");
        }
        if signals.bits() & Signals::INTR != 0 {
            let last = budgets[budgets.len() - 2];
            assert!(last < 100_000 && budgets[0] == 100_000);
            return exit(bus, 0);
        }
        (budget.instructions, Exit::Budget)
    })]);
    assert_eq!(machine.run(), Outcome::DebugExit(1));
    // 4,097 ticks, since the count is loaded at the tick after its write.
    assert_eq!(machine.now(), devices::pit::CLOCK.time_of(4_097) + 1);
}

#[test]
fn a_timer_armed_within_the_slice_ends_it() {
    let mut slices = 0;
    let mut machine = machine(vec![script(move |bus, signals, budget| {
        slices += 1;
        match slices {
            1 => {
                bus.mmio_write(0xfee0_00f0, 4, 0x1ff);
                bus.mmio_write(0xfee0_0320, 4, 0x41);
                bus.mmio_write(0xfee0_03e0, 4, 0xb);
                bus.note_retired(100);
                bus.mmio_write(0xfee0_0380, 4, 1_000);
                assert_ne!(signals.bits() & Signals::KICK, 0);
                (101, Exit::Kicked)
            }
            2 => {
                assert_eq!(budget, Budget::exactly(999));
                (999, Exit::Budget)
            }
            _ => {
                assert_eq!(bus.acknowledge(), Some(0x41));
                exit(bus, 0)
            }
        }
    })]);
    assert_eq!(machine.run(), Outcome::DebugExit(1));
    assert_eq!(machine.now(), VmTime(1_101));
}

#[test]
fn pause_hands_over_to_a_vcpu_that_waits() {
    let mut turn = 0;
    let spin = script(move |bus, signals, _| {
        turn += 1;
        bus.pause();
        assert_eq!(signals.bits() & Signals::KICK != 0, turn == 1, "only the first time somebody waits");
        if turn == 1 { (4, Exit::Kicked) } else { exit(bus, 0) }
    });
    let halt = script(|_, _, _| (1, Exit::Halted));
    assert_eq!(machine(vec![spin, halt]).run(), Outcome::DebugExit(1));
}

#[test]
fn a_long_pause_loop_lets_the_thread_sleep_unless_time_follows_the_instructions() {
    for (time, sleeps) in [(TimeMode::RealTime, true), (TimeMode::DETERMINISTIC, false)] {
        let spin = script(move |bus, signals, _| {
            let begun = std::time::Instant::now();
            let long = || begun.elapsed().as_secs() >= if sleeps { 60 } else { 1 };
            while signals.bits() & Signals::KICK == 0 && !long() {
                bus.pause();
            }
            // The slice was planned without the sleep, and ends.
            assert_eq!(signals.bits() & Signals::KICK != 0, sleeps);
            exit(bus, 0)
        });
        let config = MachineConfig { time, ..config(vec![spin]) };
        assert_eq!(Machine::new(config).unwrap().run(), Outcome::DebugExit(1));
    }
}

#[test]
fn slices_among_others_end_anywhere_in_a_loop() {
    let mut places = [false; 8];
    let spin = script(move |bus, _, budget| {
        places[(budget.instructions % 8) as usize] = true;
        if places == [true; 8] { exit(bus, 0) } else { (budget.instructions, Exit::Budget) }
    });
    let other = script(|_, _, budget| (budget.instructions, Exit::Budget));
    assert_eq!(machine(vec![spin, other]).run(), Outcome::DebugExit(1));
}

#[test]
fn interrupts_by_ioapic_with_the_timer_at_pin_2() {
    let mut step = 0;
    let mut machine = machine(vec![script(move |bus, _, _| {
        step += 1;
        if step == 1 {
            bus.mmio_write(0xfee0_00f0, 4, 0x1ff);
            bus.mmio_write(0xfee0_0350, 4, 0x1_0000);
            for (register, value) in [(0x14, 0x30u64), (0x16, 0x31), (0x30, 0x8032)] {
                bus.mmio_write(0xfec0_0000, 4, register);
                bus.mmio_write(0xfec0_0010, 4, value);
            }
            outb(bus, 0x2010, 1);
            assert_eq!(bus.acknowledge(), Some(0x32), "global interrupt 16");
            bus.mmio_write(0xfee0_00b0, 4, 0);
            assert_eq!(bus.acknowledge(), Some(0x32), "the level still stands");
            outb(bus, 0x2010, 0);
            bus.mmio_write(0xfee0_00b0, 4, 0);
            assert_eq!(bus.acknowledge(), None);
            for (port, value) in [(0x43, 0x34), (0x40, 0), (0x40, 0)] {
                outb(bus, port, value);
            }
            return (1, Exit::Halted);
        }
        assert_eq!(bus.acknowledge(), Some(0x30));
        exit(bus, 0)
    })]);
    assert_eq!(machine.run(), Outcome::DebugExit(1));
}

#[test]
fn application_processors_wait_for_their_start_up() {
    let started = Arc::new(AtomicU64::new(0));
    let (first, second) = (started.clone(), started);
    let mut step = 0;
    let bootstrap = script(move |bus, _, budget| {
        step += 1;
        if step == 1 {
            bus.mmio_write(0xfee0_0310, 4, 1 << 24);
            bus.mmio_write(0xfee0_0300, 4, 0x4500);
            bus.mmio_write(0xfee0_0300, 4, 0x4609);
        }
        if first.load(Ordering::Relaxed) == 9 {
            return exit(bus, 0);
        }
        (budget.instructions, Exit::Budget)
    });
    let application = script(move |_, signals, _| {
        if signals.take(Signals::INIT | Signals::SIPI) == Signals::INIT | Signals::SIPI {
            second.store(signals.sipi_vector().into(), Ordering::Relaxed);
        }
        (0, Exit::Halted)
    });
    let mut machine = machine(vec![bootstrap, application]);
    assert_eq!(machine.run(), Outcome::DebugExit(1));
    assert_eq!(machine.cpu_state(1).activity, lyrebird_core::cpu::state::Activity::WaitForSipi);
}

#[test]
fn resets_put_the_kernel_in_place_again() {
    for (port, value) in [(0xcf9, 6), (0x64, 0xfe), (0x92, 3)] {
        let mut runs = 0;
        let mut config = config(vec![script(move |bus, _, _| {
            runs += 1;
            if runs == 2 {
                return exit(bus, 0);
            }
            outb(bus, port, value);
            assert!(bus.stop_requested());
            (1, Exit::Kicked)
        })]);
        let boots = Arc::new(AtomicU64::new(0));
        let count = boots.clone();
        config.boot = Some(Box::new(move |target| {
            count.fetch_add(1, Ordering::Relaxed);
            target.cpus[0].rip = 0x1000;
            target.memory.write(0xf_0000, &[0x12])?;
            Ok(())
        }));
        let mut machine = Machine::new(config).unwrap();
        assert_eq!(machine.run(), Outcome::DebugExit(1));
        assert_eq!((boots.load(Ordering::Relaxed), machine.cpu_state(0).rip), (2, 0x1000));
        assert_eq!(machine.memory().read_uint(0xf_0000, 1).unwrap(), 0x12, "without firmware the area is RAM");
    }
}

#[test]
fn triple_faults_reset_unless_forbidden() {
    let mut runs = 0;
    let mut machine = machine(vec![script(move |bus, _, _| {
        runs += 1;
        if runs == 1 { (1, Exit::Shutdown) } else { exit(bus, 3) }
    })]);
    assert_eq!(machine.run(), Outcome::DebugExit(7));
    let config = MachineConfig { no_reboot: true, ..config(vec![script(|_, _, _| (1, Exit::Shutdown))]) };
    assert_eq!(Machine::new(config).unwrap().run(), Outcome::TripleFault);
}

#[test]
fn soft_off_where_pmbase_points() {
    let mut machine = machine(vec![script(|bus, _, _| {
        // Function 1.3: move PMBASE to B000h.
        bus.port_write(0xcf8, 4, 0x8000_0b40);
        bus.port_write(0xcfc, 4, 0xb001);
        bus.port_write(0x604, 2, 0x2000);
        assert!(!bus.stop_requested());
        bus.port_write(0xb004, 2, 0x2000);
        (1, Exit::Kicked)
    })]);
    assert_eq!(machine.run(), Outcome::PowerOff);
}

#[test]
fn accesses_are_split_and_unclaimed_ones_read_ones() {
    let mut machine = machine(vec![script(|bus, _, _| {
        assert_eq!((bus.port_read(0x1234, 4), bus.port_read(0x1238, 1)), (0xffff_ffff, 0xff));
        assert_eq!(bus.mmio_read(0xf000_0000, 8), u64::MAX);
        bus.port_write(0x70, 2, 0x5a40); // index and data in one
        assert_eq!(bus.port_read(0x71, 1), 0x5a);
        bus.port_write(0xe0, 4, 0x1122_3344);
        assert_eq!((bus.port_read(0xe2, 4), bus.port_read(0xe1, 2)), (0x0000_1122, 0x2233));
        bus.mmio_write(0xff00_0ffe, 4, 0xaabb_ccdd);
        assert_eq!(bus.mmio_read(0xff00_1000, 2), 0xaabb);
        let mut data = [0; 4];
        bus.port_read_block(0xe0, 2, &mut data);
        assert_eq!(data, [0x44, 0x33, 0x44, 0x33]);
        for (devfn, id) in [(0x00, 0x1237_8086), (0x08, 0x7000_8086), (0x0b, 0x7113_8086), (0x10, 0xffff_ffff)] {
            bus.port_write(0xcf8, 4, 0x8000_0000 | devfn << 8);
            assert_eq!(bus.port_read(0xcfc, 4), id);
        }
        exit(bus, 0)
    })]);
    assert_eq!(machine.run(), Outcome::DebugExit(1));
}

/// Output that counts how often somebody waits for it.
#[derive(Clone, Default)]
struct Slow(Arc<std::sync::atomic::AtomicU32>);

impl CharOut for Slow {
    fn write(&mut self, _bytes: &[u8]) {}
    fn flush(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn the_guest_does_not_wait_for_the_host_to_write() {
    let slow = Slow::default();
    let mut slices = 0;
    let talk = script(move |bus, _, _| {
        slices += 1;
        outb(bus, 0x3f8, b'x');
        if slices < 100 { (1, Exit::Budget) } else { exit(bus, 0) }
    });
    let mut config = config(vec![talk]);
    config.serial = vec![Some(CharPort { out: Box::new(slow.clone()), input: Arc::default() })];
    config.parallel = Some(Box::new(slow.clone()));
    assert_eq!(Machine::new(config).unwrap().run(), Outcome::DebugExit(1));
    assert_eq!(slow.0.load(Ordering::Relaxed), 1, "in the end, what was sent is made visible");
}

#[test]
fn serial_input_wakes_a_sleeping_machine() {
    for time in [TimeMode::RealTime, TimeMode::DETERMINISTIC] {
        let (wire, input) = (KeptOutput::default(), Arc::new(CharInput::default()));
        let mut step = 0;
        let echo = script(move |bus, signals, _| {
            step += 1;
            if step == 1 {
                set_up_pic(bus);
                outb(bus, 0x3fa, 1);
                outb(bus, 0x3fc, 8);
                outb(bus, 0x3f9, 1);
                return (1, Exit::Halted);
            }
            assert_ne!(signals.bits() & Signals::INTR, 0);
            assert_eq!(bus.acknowledge(), Some(0x24));
            outb(bus, 0x20, 0x20);
            while bus.port_read(0x3fd, 1) & 1 != 0 {
                let byte = bus.port_read(0x3f8, 1);
                bus.port_write(0x3f8, 1, byte);
                if byte == u32::from(b'!') {
                    return exit(bus, 0);
                }
            }
            (1, Exit::Halted)
        });
        let port = CharPort { out: Box::new(wire.clone()), input: input.clone() };
        let config = MachineConfig { serial: vec![Some(port)], time, ..config(vec![echo]) };
        let mut machine = Machine::new(config).unwrap();
        let sender = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(20));
            input.push(b"a text that is longer than the FIFO!");
        });
        assert_eq!(machine.run(), Outcome::DebugExit(1));
        sender.join().unwrap();
        assert_eq!(*wire.0.lock().unwrap(), b"a text that is longer than the FIFO!");
    }
}

#[test]
fn orders_from_other_threads() {
    let mut config = config(vec![script(|_, _, budget| (budget.instructions, Exit::Budget))]);
    config.time = TimeMode::RealTime;
    let mut machine = Machine::new(config).unwrap();
    let handle = machine.handle();
    let other = std::thread::spawn(move || {
        for order in [Order::Pause, Order::Resume, Order::Nmi, Order::PowerButton, Order::Quit] {
            std::thread::sleep(std::time::Duration::from_millis(3));
            handle.order(order);
        }
    });
    assert_eq!(machine.run(), Outcome::Quit);
    other.join().unwrap();
}

#[test]
fn firmware_is_at_4_gib_and_at_1_mib() {
    let image: Vec<u8> = (0..0x4_0000u32).map(|n| (n >> 12) as u8).collect();
    let config = MachineConfig { bios: Some(image), ..config(vec![script(|_, _, _| (0, Exit::Halted))]) };
    let mut machine = Machine::new(config).unwrap();
    machine.power_on().unwrap();
    let byte = |gpa| machine.memory().read_uint(gpa, 1).unwrap();
    assert_eq!((byte(0xffff_fff0), byte(0xfffc_0000)), (0x3f, 0x00));
    assert_eq!((byte(0xf_fff0), byte(0xe_0000), byte(0xd_ffff)), (0x3f, 0x20, 0xff));
}

#[test]
fn ram_beyond_3_gib_is_above_4_gib() {
    let mut config = config(vec![script(|_, _, _| (0, Exit::Halted))]);
    config.memory = 4 << 30;
    let machine = Machine::new(config).unwrap();
    let ranges = machine.memory().ram_ranges();
    assert_eq!(ranges.last(), Some(&(4 << 30, 1 << 30)));
    assert_eq!(machine.board().lock().unwrap().rtc().cmos(0x5c), 0x40);
}

/// A generator of accesses.
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn random_access(board: &mut Board, random: &mut Random, now: VmTime) {
    const PORTS: [u16; 26] = [
        0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x40, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x92, 0xb2, 0xe0, 0xf0, 0x3f8,
        0x3fa, 0x3fc, 0x510, 0x514, 0x518, 0x600, 0xafe0, 0x2000,
    ];
    const PAGES: [u64; 4] = [0xfee0_0000, 0xfec0_0000, 0xff00_0000, 0xfee0_0000];
    let bytes = 1 << random.next(3);
    let value = random.next(1 << 32) as u32 >> random.next(32);
    match random.next(8) {
        0 => {
            let (devfn, register) = (random.next(16) as u32, random.next(64) as u32);
            board.port_write(0xcf8, 4, 0x8000_0000 | devfn << 8 | register << 2, now);
            board.port_write(0xcfc, 4, value, now);
        }
        1 => {
            let page = PAGES[random.next(4) as usize];
            board.mmio_write(0, page + random.next(0x40) * 16, 4, value.into(), now);
        }
        2 => _ = board.mmio_read(0, PAGES[random.next(4) as usize] + random.next(0x400), bytes, now),
        3 => _ = board.acknowledge(0),
        4 => {
            let msr = [0x1b, 0x6e0, 0x800 + random.next(0x40) as u32][random.next(3) as usize];
            if msr != 0x1b {
                board.apics[0].write_msr(msr, value.into(), now);
            }
            board.settle();
        }
        5 => _ = board.port_read(PORTS[random.next(26) as usize] + random.next(4) as u16, bytes, now),
        _ => board.port_write(PORTS[random.next(26) as usize] + random.next(4) as u16, bytes, value, now),
    }
    board.take_request();
}

#[test]
fn random_accesses_never_panic_and_states_survive_a_round_trip() {
    let build = || {
        let mut config = config(vec![script(|_, _, _| (0, Exit::Halted))]);
        config.serial = vec![Some(CharPort::unconnected())];
        config.debugcon = Some(Box::new(lyrebird_core::chars::NoOutput));
        let mut machine = Machine::new(config).unwrap();
        machine.power_on().unwrap();
        machine.board()
    };
    for seed in 0..40 {
        let (board, other) = (build(), build());
        let (mut board, mut other) = (board.lock().unwrap(), other.lock().unwrap());
        let mut random = Random(seed);
        let mut now = VmTime::ZERO;
        for step in 0..2_000 {
            random_access(&mut board, &mut random, now);
            now = now + random.next(5_000_000);
            board.fire_timers(now);
            if let Some(uart) = &mut board.serial[0] {
                let room = uart.room();
                uart.receive(&vec![7; room.min(3)]);
            }
            if step % 500 == 0 {
                let saved = board.save(now);
                other.restore(&saved, now).unwrap();
                for (before, after) in saved.iter().zip(other.save(now)) {
                    assert_eq!(*before, after, "seed {seed}, step {step}");
                }
                assert_eq!(board.timers.next_deadline(), other.timers.next_deadline(), "seed {seed}, step {step}");
            }
        }
        let mut port = Random(!seed);
        for _ in 0..3_000 {
            // Anywhere, at any width; the lines of tests may stay as they are.
            let (at, bytes) = (port.next(0x1_0000) as u16, 1 << port.next(3));
            board.port_write(at, bytes, port.next(1 << 32) as u32, now);
            board.port_read(at, bytes, now);
            board.mmio_write(0, port.next(1 << 32), 8, 0, now);
            board.take_request();
        }
    }
}
