//! What a slice of the run loop costs beside the guest's instructions, and what a screen that does not change costs to draw.
//! `cargo bench --bench slices` prints nanoseconds.

use lyrebird::machine::{Machine, MachineConfig, Order, Outcome, Script, Step, TimeMode};
use lyrebird_core::engine::EngineError;
use lyrebird_core::{Budget, CpuBus, CpuState, Engine, Exit, Frame, Signals, Vcpu, VmTime};
use lyrebird_memory::GuestMemory;
use std::sync::Arc;
use std::time::Instant;

/// An engine whose instructions cost nothing.
struct Free(CpuState);

impl Vcpu for Free {
    fn run(&mut self, _bus: &mut dyn CpuBus, budget: Budget) -> Exit {
        self.0.retired += budget.instructions;
        Exit::Budget
    }

    fn state(&mut self) -> CpuState {
        self.0.clone()
    }

    fn set_state(&mut self, state: &CpuState) {
        self.0 = state.clone();
    }

    fn retired(&self) -> u64 {
        self.0.retired
    }

    fn translate(&mut self, linear: u64) -> Option<u64> {
        Some(linear)
    }
}

impl Engine for Free {
    fn name(&self) -> &'static str {
        "free"
    }

    fn create_vcpu(
        &mut self,
        _index: u32,
        _memory: Arc<GuestMemory>,
        _signals: Arc<Signals>,
    ) -> Result<Box<dyn Vcpu>, EngineError> {
        Ok(Box::new(Free(self.0.clone())))
    }
}

fn machine(time: TimeMode, script: Script) -> Machine {
    let mut config = MachineConfig::new(4 << 20, Box::new(Free(CpuState::reset(0x600, true))));
    (config.vga, config.time, config.script) = (true, time, script);
    Machine::new(config).expect("a machine")
}

fn main() {
    // So many slices of at most 50,000 instructions of a nanosecond each, and not fewer than half of them.
    const SLICES: u64 = 1_000_000;
    let end = Script::new(vec![(VmTime(SLICES * 50_000), Step::Order(Order::Quit))]);
    let mut busy = machine(TimeMode::DETERMINISTIC, end);
    let start = Instant::now();
    assert_eq!(busy.run(), Outcome::Quit);
    println!("a slice: {} ns", start.elapsed().as_nanos() / u128::from(SLICES));

    const PICTURES: u32 = 10_000;
    let mut idle = machine(TimeMode::DETERMINISTIC, Script::default());
    idle.power_on().expect("power");
    let board = idle.board();
    let mut board = board.lock().expect("one thread");
    // The largest mode.
    for (index, value) in [(1, 2560), (2, 1600), (3, 32), (4, 0x41)] {
        board.port_write(0x1ce, 2, index, VmTime(1));
        board.port_write(0x1cf, 2, value, VmTime(1));
    }
    let mut frame = Frame::default();
    board.draw(&mut frame, VmTime(1));
    let start = Instant::now();
    let changed = (0..PICTURES).filter(|n| board.draw(&mut frame, VmTime(u64::from(*n) * 16_666_667))).count();
    println!("a picture of 2560x1600 that has not changed: {} ns", start.elapsed().as_nanos() / u128::from(PICTURES));
    assert_eq!(changed, 0);
}
