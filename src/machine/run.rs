//! The run loop: vCPUs take turns on one thread, in slices that end where the next timer is due; between slices timers are
//! called, input is moved and orders are obeyed; when every vCPU is halted the thread sleeps.

use super::clock::Clock;
use super::control::{NewMedium, Order, Removable};
use super::cpu_bus::SliceBus;
use super::spin::Spin;
use super::{Machine, Outcome};
use devices::request::Request;
use lyrebird_core::{Budget, Exit, ResetKind, Signals, VmTime};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The longest slice of the only vCPU, in instructions: some 50 microseconds, for which news from other threads may have to wait.
const SLICE: u64 = 100_000;
/// The longest slice of a vCPU among others.
const TURN: u64 = 50_000;
/// The shortest, so that a timer that fires all the time lets the guest get on.
const SHORTEST: u64 = 100;
/// Sleeping for less than this takes longer than waiting.
const TOO_SHORT_TO_SLEEP: u64 = 20_000;

/// What the run loop remembers of a vCPU.
#[derive(Debug, Default)]
pub(super) struct Seat {
    /// The vCPU came back halted, with these signals standing; only another one can wake it.
    halted: Option<u32>,
    spin: Spin,
}

/// How fast the engine was, to guess how long a slice takes on a machine that follows the host's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Instructions in 1,024 nanoseconds.
    rate: u64,
}

impl Pace {
    pub(super) fn new() -> Self {
        Pace { rate: 100 }
    }

    fn instructions_for(&self, nanos: u64) -> u64 {
        (u128::from(nanos) * u128::from(self.rate) / 1_024).min(u128::from(SLICE)) as u64
    }

    fn learn(&mut self, instructions: u64, nanos: u64) {
        if instructions > 1_000 && nanos > 0 {
            let measured = (u128::from(instructions) * 1_024 / u128::from(nanos)).clamp(1, 1 << 16) as u64;
            self.rate = (self.rate * 7 + measured).div_ceil(8);
        }
    }
}

/// The longest slice of a vCPU among others, and whether it must end at that very instruction. Neither may be regular: an
/// engine prefers to stop at jumps, and a loop that releases a lock only to take it again before it jumps would never
/// be seen without it.
fn uneven(retired: u64) -> (u64, bool) {
    let random = retired.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48;
    (TURN - (random & 0x3ff), random >> 10 & 7 == 0)
}

impl Machine {
    /// Runs until there is an outcome. A machine may be run again after [`Outcome::Quit`].
    pub fn run(&mut self) -> Outcome {
        if let Err(error) = self.power_on() {
            return Outcome::Fault(format!("{error:#}"));
        }
        self.clock.change(Clock::start);
        let outcome = if self.threads { self.run_in_threads() } else { self.run_slices() };
        self.clock.change(Clock::pause);
        self.take_last_picture();
        let mut board = self.lock();
        board.flush();
        board.flush_drives();
        drop(board);
        outcome
    }

    pub(super) fn run_slices(&mut self) -> Outcome {
        loop {
            let mut ran = false;
            for cpu in 0..self.vcpus.len() {
                if let Some(outcome) = self.between_slices() {
                    return outcome;
                }
                if self.can_run(cpu) {
                    ran = true;
                    if let Some(outcome) = self.slice(cpu) {
                        return outcome;
                    }
                }
            }
            if !ran {
                self.idle();
            }
        }
    }

    fn can_run(&mut self, cpu: usize) -> bool {
        let bits = self.signals[cpu].bits() & !Signals::KICK;
        let Some(standing) = &mut self.seats[cpu].halted else { return true };
        *standing &= bits; // a level that has fallen may rise again
        bits & !*standing != 0
    }

    /// Runs one vCPU for a while.
    fn slice(&mut self, cpu: usize) -> Option<Outcome> {
        let clock = self.clock.copy();
        let now = clock.now();
        let due = self.next_deadline().since(now);
        let others_wait = (0..self.vcpus.len()).any(|other| other != cpu && self.can_run(other));
        let (longest, exact) = if others_wait { uneven(self.vcpus[cpu].retired()) } else { (SLICE, false) };
        let budget = if clock.deterministic() {
            Budget::exactly(clock.instructions_for(due).clamp(SHORTEST, longest))
        } else {
            let instructions = self.pace.instructions_for(due).clamp(SHORTEST, longest);
            if exact { Budget::exactly(instructions) } else { Budget::about(instructions) }
        };
        let end = if clock.deterministic() {
            now + clock.nanos_for(budget.instructions)
        } else {
            now + budget.instructions * 1_024 / self.pace.rate
        };
        self.signals[cpu].take(Signals::KICK);
        let (vcpu, signals) = (&mut self.vcpus[cpu], &self.signals[cpu]);
        let first = vcpu.retired();
        let bus = SliceBus::new(&self.board, self.inputs.cpu(), signals, cpu, &self.clock, first);
        let mut bus = bus.turn(end, others_wait).resting(&mut self.seats[cpu].spin, &self.timers);
        let exit = vcpu.run(&mut bus, budget);
        let rested = bus.rested();
        let retired = vcpu.retired().saturating_sub(first);
        self.retired.fetch_add(retired, Ordering::Relaxed);
        if clock.deterministic() {
            self.clock.change(|clock| clock.retire(retired));
        } else {
            self.pace.learn(retired, self.clock.now().since(now).saturating_sub(rested));
        }
        self.seats[cpu].halted = (exit == Exit::Halted).then(|| self.signals[cpu].bits() & !Signals::KICK);
        self.after_run(cpu, exit)
    }

    /// What becomes of the machine when a vCPU's run has ended so.
    pub(super) fn after_run(&mut self, cpu: usize, exit: Exit) -> Option<Outcome> {
        match exit {
            Exit::Budget | Exit::Kicked | Exit::Debug { .. } | Exit::Halted => None,
            Exit::Shutdown => {
                tracing::info!(cpu, "triple fault");
                if self.no_reboot {
                    return Some(Outcome::TripleFault);
                }
                self.reset_or_fault()
            }
            Exit::Fault(text) => Some(Outcome::Fault(format!("vCPU {cpu}: {text}"))),
        }
    }

    /// When a timer or the script has something to do.
    pub(super) fn next_deadline(&self) -> VmTime {
        self.timers.next_deadline().min(self.script.next())
    }

    /// What is done between slices: orders, timers, input, output, and what devices ask of the machine.
    pub(super) fn between_slices(&mut self) -> Option<Outcome> {
        let (orders, news) = self.handle.collect();
        self.input_waits |= news;
        if news {
            self.put_media_in();
        }
        for order in orders {
            if let Some(outcome) = self.obey(order) {
                return Some(outcome);
            }
        }
        self.clock.change(Clock::follow);
        let now = self.clock.now();
        if self.script.next() <= now
            && let Some(outcome) = self.play(now)
        {
            return Some(outcome);
        }
        self.serve();
        let request = {
            let mut board = self.board.lock().unwrap_or_else(|e| e.into_inner());
            self.handle.draw_if_asked(|frame| board.draw(frame, now));
            // Output is not flushed here: the host halves' threads write it soon enough, and to wait for them in every slice
            // would give away the processor on a busy host.
            board.take_request()
        };
        match request? {
            Request::Reset if self.no_reboot => Some(Outcome::Reset),
            Request::Reset => self.reset_or_fault(),
            Request::PowerOff if self.no_shutdown => {
                tracing::info!("powered off; the machine stands");
                self.pause_until_resumed()
            }
            Request::PowerOff => Some(Outcome::PowerOff),
            Request::Exit(code) => Some(Outcome::DebugExit(code)),
        }
    }

    /// Timers that are due are called, and input is moved.
    pub(super) fn serve(&mut self) {
        if !self.input_waits && self.timers.next_deadline() > self.clock.now() {
            return;
        }
        let mut board = self.board.lock().unwrap_or_else(|e| e.into_inner());
        let now = self.clock.now();
        if self.timers.next_deadline() <= now {
            board.fire_timers(now);
        }
        if self.input_waits {
            self.input_waits = false;
            for event in self.inputs.person() {
                board.input(event, now);
            }
            for port in 0..board.serial.len() {
                let Some(uart) = &mut board.serial[port] else { continue };
                let bytes = self.inputs.serial(port, uart.room());
                if !bytes.is_empty() {
                    uart.receive(&bytes);
                }
                self.input_waits |= self.inputs.serial_waits(port);
            }
            board.settle();
        }
    }

    pub(super) fn reset_or_fault(&mut self) -> Option<Outcome> {
        if self.vcpus.is_empty() {
            // They are with their threads, which end first.
            self.reset_waits = true;
            return None;
        }
        self.reset(ResetKind::Hard).err().map(|error| Outcome::Fault(format!("{error:#}")))
    }

    pub(super) fn obey(&mut self, order: Order) -> Option<Outcome> {
        let now = self.clock.now();
        match order {
            Order::Quit => return Some(Outcome::Quit),
            Order::Reset => return self.reset_or_fault(),
            Order::BootMenu => {
                self.lock().ask_what_to_start();
                return self.reset_or_fault();
            }
            Order::PowerButton => self.lock().press_power_button(now),
            Order::Nmi => self.lock().nmi(),
            Order::Pause => return self.pause_until_resumed(),
            Order::Resume => {}
            Order::Eject => _ = self.lock().change_medium(Removable::Cdrom, None),
        }
        None
    }

    /// Media that somebody has handed in go into their drives.
    fn put_media_in(&mut self) {
        for NewMedium { drive, medium } in self.handle.collect_media() {
            self.lock().change_medium(drive, Some(medium));
        }
    }

    /// Guest time stands until somebody resumes the machine, resets it or ends it.
    fn pause_until_resumed(&mut self) -> Option<Outcome> {
        self.clock.change(Clock::pause);
        self.handle.set_paused(true);
        loop {
            self.handle.sleep(None);
            let (orders, news) = self.handle.collect();
            self.input_waits |= news;
            self.put_media_in();
            let now = self.clock.now();
            self.handle.draw_if_asked(|frame| self.lock().draw(frame, now));
            for order in orders {
                match order {
                    Order::Quit => return Some(Outcome::Quit),
                    Order::Resume | Order::Reset | Order::BootMenu => {
                        self.clock.change(Clock::start);
                        self.handle.set_paused(false);
                        return if order == Order::Resume { None } else { self.obey(order) };
                    }
                    Order::Eject => _ = self.lock().change_medium(Removable::Cdrom, None),
                    Order::PowerButton | Order::Nmi | Order::Pause => {}
                }
            }
        }
    }

    /// Every vCPU is halted: until the next timer there is nothing to do.
    fn idle(&mut self) {
        if self.input_waits {
            // A receiver is full and the guest sleeps: only an interrupt or a timer can change that.
            std::thread::yield_now();
        }
        let deadline = self.next_deadline();
        if self.clock.deterministic() {
            match deadline {
                VmTime::NEVER => self.handle.sleep(None),
                _ => self.clock.change(|clock| clock.skip_to(deadline)),
            }
            return;
        }
        self.clock.change(|clock| clock.idle_until(deadline));
        match deadline.since(self.clock.now()) {
            _ if deadline == VmTime::NEVER => self.handle.sleep(None),
            left if left > TOO_SHORT_TO_SLEEP => self.handle.sleep(Some(Duration::from_nanos(left))),
            _ => std::hint::spin_loop(),
        }
        self.clock.change(|clock| clock.idle_until(deadline));
    }
}
