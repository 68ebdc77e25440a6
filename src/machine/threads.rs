//! The run loop of a machine whose vCPUs have threads of their own. This thread leads: it calls timers, moves input and obeys
//! orders. What wants the machine to stand (a reset, a picture of the screen, a pause) is done while the crew is held.

use super::Machine;
use super::Outcome;
use super::board::Board;
use super::cpu_bus::SliceBus;
use super::crew::Crew;
use super::host_inputs::CpuInputs;
use super::shared_clock::SharedClock;
use super::spin::Spin;
use lyrebird_core::{Budget, CpuBus, Exit, Signals, TimerQueue, Vcpu, VmTime};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// After so many instructions a vCPU looks at its signals: some ten microseconds.
const SLICE: u64 = 10_000;
/// Input that waits for room in a device is offered again after so long.
const OFFER_AGAIN: Duration = Duration::from_millis(1);
/// As the machine's thread has it: engines were tried with that.
const STACK: usize = 8 << 20;

/// One vCPU's thread.
struct Hand {
    cpu: usize,
    board: Arc<Mutex<Board>>,
    inputs: Arc<CpuInputs>,
    timers: Arc<TimerQueue>,
    clock: Arc<SharedClock>,
    signals: Arc<Signals>,
    retired: Arc<AtomicU64>,
    crew: Arc<Crew>,
}

impl Hand {
    fn work(&self, vcpu: &mut dyn Vcpu) {
        let mut spin = Spin::default();
        while self.crew.begin(self.cpu) {
            let halted = self.turn(vcpu, &mut spin);
            self.crew.end(self.cpu);
            if let Some(seen) = halted {
                self.signals.sleep(seen);
            }
        }
    }

    /// Runs until the crew is held, or the vCPU is halted: then gives what [`Signals::news`] was before.
    fn turn(&self, vcpu: &mut dyn Vcpu, spin: &mut Spin) -> Option<u32> {
        loop {
            let seen = self.signals.news();
            self.signals.take(Signals::KICK);
            if self.crew.is_held() {
                return None;
            }
            let first = vcpu.retired();
            let bus = SliceBus::new(&self.board, &self.inputs, &self.signals, self.cpu, &self.clock, first);
            let mut bus = bus.among(&self.crew).resting(spin, &self.timers);
            let exit = vcpu.run(&mut bus, Budget::about(SLICE));
            self.retired.fetch_add(vcpu.retired().saturating_sub(first), Ordering::Relaxed);
            self.clock.follow_sometimes();
            if bus.stop_requested() {
                self.crew.ask();
            }
            match exit {
                Exit::Budget | Exit::Kicked | Exit::Debug { .. } => {}
                Exit::Halted if self.signals.news() == seen => return Some(seen),
                Exit::Halted => {}
                Exit::Shutdown | Exit::Fault(_) => self.crew.report(self.cpu, exit),
            }
        }
    }
}

impl Machine {
    /// Runs until there is an outcome, with a thread for each vCPU.
    pub(super) fn run_in_threads(&mut self) -> Outcome {
        loop {
            let mut vcpus = std::mem::take(&mut self.vcpus);
            self.memory.set_shared(true);
            let outcome = self.with_crew(&mut vcpus);
            self.memory.set_shared(false);
            self.vcpus = vcpus;
            match outcome {
                Some(outcome) => return outcome,
                None if std::mem::take(&mut self.reset_waits) => {
                    if let Some(outcome) = self.reset_or_fault() {
                        return outcome;
                    }
                }
                // No threads after all.
                None => return self.run_slices(),
            }
        }
    }

    fn with_crew(&mut self, vcpus: &mut [Box<dyn Vcpu>]) -> Option<Outcome> {
        let crew = Arc::new(Crew::new(self.handle.clone(), self.signals.clone()));
        std::thread::scope(|scope| {
            let crew = Dismissal(crew);
            for (cpu, vcpu) in vcpus.iter_mut().enumerate() {
                let hand = Hand {
                    cpu,
                    board: self.board.clone(),
                    inputs: self.inputs.cpu().clone(),
                    timers: self.timers.clone(),
                    clock: self.clock.clone(),
                    signals: self.signals[cpu].clone(),
                    retired: self.retired.clone(),
                    crew: crew.0.clone(),
                };
                let thread = std::thread::Builder::new().name(format!("cpu{cpu}")).stack_size(STACK);
                if let Err(error) = thread.spawn_scoped(scope, move || hand.work(&mut **vcpu)) {
                    tracing::warn!(%error, "no thread for a vCPU: vCPUs take turns on one");
                    self.threads = false;
                    return None;
                }
            }
            self.lead(&crew.0)
        })
    }

    /// Leads until there is an outcome, or the machine is to be reset.
    fn lead(&mut self, crew: &Crew) -> Option<Outcome> {
        let mut deadline = VmTime::ZERO;
        loop {
            // While all slept guest time may have leapt.
            let rested = crew.rests();
            self.clock.change(|clock| if rested { clock.wake_at(deadline) } else { clock.follow() });
            let quiet = !crew.is_held() && self.script.next() > self.clock.now();
            match self.handle.collect_news().filter(|_| quiet) {
                Some(news) => {
                    self.input_waits |= news;
                    self.serve();
                }
                None => {
                    crew.hold();
                    for (cpu, exit) in crew.take_news() {
                        let outcome = self.after_run(cpu, exit);
                        if outcome.is_some() {
                            return outcome;
                        }
                    }
                    let outcome = self.between_slices();
                    if outcome.is_some() || self.reset_waits {
                        return outcome;
                    }
                    crew.release();
                }
            }
            deadline = self.next_deadline();
            crew.plan(deadline);
            // Whoever arms a timer from here on sees the plan.
            if self.next_deadline() >= deadline {
                let left = deadline.since(self.clock.now());
                let until = (deadline != VmTime::NEVER).then(|| Duration::from_nanos(left));
                let again = self.input_waits.then_some(OFFER_AGAIN);
                self.handle.sleep(until.into_iter().chain(again).min());
            }
            crew.plan(VmTime::ZERO);
        }
    }
}

/// Sends the crew home when the lead goes, however it goes: the threads' scope waits for them.
struct Dismissal(Arc<Crew>);

impl Drop for Dismissal {
    fn drop(&mut self) {
        self.0.dismiss();
    }
}
