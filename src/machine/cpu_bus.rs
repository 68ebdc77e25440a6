//! The board as one vCPU sees it, for the length of one slice of instructions.

use super::board::Board;
use super::clock::Clock;
use super::host_inputs::HostInputs;
use devices::apic::TSC_CLOCK;
use lyrebird_core::{CpuBus, Signals, VmTime};
use std::sync::{Arc, Mutex, MutexGuard};

/// The bus of one vCPU.
pub struct SliceBus<'a> {
    board: &'a Mutex<Board>,
    inputs: &'a mut HostInputs,
    signals: &'a Arc<Signals>,
    cpu: usize,
    /// The clock as it stood when the slice began.
    clock: Clock,
    /// How many instructions the vCPU had retired then.
    first: u64,
    /// Deterministic guest time, as far as the vCPU has told.
    now: VmTime,
    /// When the slice will end. A timer that is armed for an earlier moment ends it.
    end: VmTime,
    /// Other vCPUs wait for their turn.
    others_wait: bool,
    stop: bool,
}

impl<'a> SliceBus<'a> {
    /// The bus for a slice that begins now.
    pub fn new(
        board: &'a Mutex<Board>,
        inputs: &'a mut HostInputs,
        signals: &'a Arc<Signals>,
        cpu: usize,
        clock: Clock,
        first: u64,
        end: VmTime,
    ) -> Self {
        SliceBus { board, inputs, signals, cpu, clock, first, now: clock.now(), end, others_wait: false, stop: false }
    }

    /// Says whether other vCPUs wait for their turn: then a PAUSE ends this one's.
    pub fn others_wait(mut self, others_wait: bool) -> Self {
        self.others_wait = others_wait;
        self
    }

    fn time(&self) -> VmTime {
        if self.clock.deterministic() { self.now } else { self.clock.now() }
    }

    fn lock(&self) -> MutexGuard<'a, Board> {
        self.board.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Makes an access, and looks whether it wants the slice to end.
    fn access<T>(&mut self, access: impl FnOnce(&mut Board, usize, VmTime) -> T) -> T {
        let (now, mut board) = (self.time(), self.lock());
        let value = access(&mut board, self.cpu, now);
        self.stop |= board.requests.pending();
        if self.stop || board.timers.next_deadline() < self.end {
            self.signals.kick();
        }
        value
    }
}

impl CpuBus for SliceBus<'_> {
    fn note_retired(&mut self, retired: u64) {
        if self.clock.deterministic() {
            let since = retired.saturating_sub(self.first);
            self.now = self.now.max(self.clock.now() + self.clock.nanos_for(since));
        }
    }

    fn port_read(&mut self, port: u16, bytes: u8) -> u32 {
        self.access(|board, _, now| board.port_read(port, bytes, now))
    }

    fn port_write(&mut self, port: u16, bytes: u8, value: u32) {
        self.access(|board, _, now| board.port_write(port, bytes, value, now));
    }

    fn port_read_block(&mut self, port: u16, bytes: u8, data: &mut [u8]) {
        self.access(|board, _, now| board.port_read_block(port, bytes, data, now));
    }

    fn port_write_block(&mut self, port: u16, bytes: u8, data: &[u8]) {
        self.access(|board, _, now| board.port_write_block(port, bytes, data, now));
    }

    fn mmio_read(&mut self, gpa: u64, bytes: u8) -> u64 {
        self.access(|board, cpu, now| board.mmio_read(cpu, gpa, bytes, now))
    }

    fn mmio_write(&mut self, gpa: u64, bytes: u8, value: u64) {
        self.access(|board, cpu, now| board.mmio_write(cpu, gpa, bytes, value, now));
    }

    fn acknowledge(&mut self) -> Option<u8> {
        self.access(|board, cpu, _| board.acknowledge(cpu))
    }

    fn now(&mut self, retired: u64) -> VmTime {
        self.note_retired(retired);
        self.time()
    }

    fn tsc(&mut self, retired: u64) -> u64 {
        let ticks = TSC_CLOCK.ticks_at(self.now(retired));
        if self.clock.stands() {
            self.signals.kick(); // the run loop lets it go on
        }
        self.inputs.tsc(ticks)
    }

    fn cr8(&mut self) -> u8 {
        self.lock().apics.get(self.cpu).map_or(0, |apic| apic.cr8())
    }

    fn set_cr8(&mut self, value: u8) {
        self.access(|board, cpu, _| {
            if let Some(apic) = board.apics.get_mut(cpu) {
                apic.set_cr8(value);
            }
            board.settle();
        });
    }

    fn apic_msr_read(&mut self, index: u32) -> Option<u64> {
        self.access(|board, cpu, now| board.apics.get_mut(cpu)?.read_msr(index, now))
    }

    fn apic_msr_write(&mut self, index: u32, value: u64) -> bool {
        self.access(|board, cpu, now| {
            let done = board.apics.get_mut(cpu).is_some_and(|apic| apic.write_msr(index, value, now));
            board.settle();
            done
        })
    }

    fn set_ferr(&mut self, asserted: bool) {
        self.access(|board, _, _| {
            board.ferr.set(asserted);
            board.settle();
        });
    }

    fn entropy(&mut self) -> u64 {
        self.inputs.entropy()
    }

    fn pause(&mut self) {
        if self.others_wait {
            self.signals.kick();
        }
    }

    fn stop_requested(&mut self) -> bool {
        self.stop
    }
}
