//! The vCPUs' threads as the machine's thread leads them: who runs, holding all at instruction boundaries, sending them home.

use super::control::Handle;
use lyrebird_core::{Exit, Signals, VmTime};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// The crew.
pub struct Crew {
    state: Mutex<State>,
    bell: Condvar,
    /// As `state` has it, for a quick look.
    held: AtomicBool,
    /// When the lead will look at the timers by itself, in guest time; 0 while it is awake.
    planned: AtomicU64,
    handle: Handle,
    signals: Vec<Arc<Signals>>,
}

struct State {
    /// Nobody is to run.
    held: bool,
    /// Everybody is to go home.
    dismissed: bool,
    running: Vec<bool>,
    /// Ends of runs that the lead has to know of.
    news: Vec<(usize, Exit)>,
}

impl Crew {
    /// A crew of these vCPUs, of which nobody runs yet.
    pub fn new(handle: Handle, signals: Vec<Arc<Signals>>) -> Self {
        let running = vec![false; signals.len()];
        Crew {
            state: Mutex::new(State { held: false, dismissed: false, running, news: Vec::new() }),
            bell: Condvar::new(),
            held: AtomicBool::new(false),
            planned: AtomicU64::new(0),
            handle,
            signals,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    // ---- for the vCPUs' threads

    /// A vCPU wants to run: waits until nobody is held. False: it is to go home.
    pub fn begin(&self, cpu: usize) -> bool {
        let mut state =
            self.bell.wait_while(self.lock(), |s| s.held && !s.dismissed).unwrap_or_else(|e| e.into_inner());
        state.running[cpu] = !state.dismissed;
        !state.dismissed
    }

    /// It does not run any more, and stands at an instruction boundary.
    pub fn end(&self, cpu: usize) {
        self.lock().running[cpu] = false;
        self.bell.notify_all();
    }

    /// Whether nobody is to run. Whoever takes its kicks and looks then misses nothing.
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::SeqCst)
    }

    /// A vCPU has done something after which nobody is to go on before the lead has seen it.
    pub fn ask(&self) {
        self.lock().held = true;
        self.held.store(true, Ordering::SeqCst);
        self.handle.wake();
    }

    /// A vCPU's run has ended in a way that the lead has to know of.
    pub fn report(&self, cpu: usize, exit: Exit) {
        self.lock().news.push((cpu, exit));
        self.ask();
    }

    /// A timer is armed for this moment: the lead is woken if it would sleep longer.
    pub fn armed(&self, deadline: VmTime) {
        if deadline.as_nanos() < self.planned.load(Ordering::SeqCst) {
            self.handle.wake();
        }
    }

    // ---- for the lead

    /// Says when the lead will look at the timers by itself; zero while it is awake. It has to look at them once more after
    /// this call.
    pub fn plan(&self, deadline: VmTime) {
        self.planned.store(deadline.as_nanos(), Ordering::SeqCst);
    }

    /// Whether nobody runs.
    pub fn rests(&self) -> bool {
        !self.lock().running.contains(&true)
    }

    /// Stops everybody, at instruction boundaries. The lead must hold no lock that a vCPU may wait for.
    pub fn hold(&self) {
        let mut state = self.lock();
        state.held = true;
        self.held.store(true, Ordering::SeqCst);
        for (signals, _) in self.signals.iter().zip(&state.running).filter(|(_, running)| **running) {
            signals.kick();
        }
        drop(self.bell.wait_while(state, |state| state.running.contains(&true)));
    }

    /// Everybody may go on.
    pub fn release(&self) {
        self.lock().held = false;
        self.held.store(false, Ordering::SeqCst);
        self.bell.notify_all();
    }

    /// What was reported.
    pub fn take_news(&self) -> Vec<(usize, Exit)> {
        std::mem::take(&mut self.lock().news)
    }

    /// Sends everybody home.
    pub fn dismiss(&self) {
        self.lock().dismissed = true;
        self.held.store(true, Ordering::SeqCst);
        self.bell.notify_all();
        self.signals.iter().for_each(|signals| signals.kick());
    }
}
