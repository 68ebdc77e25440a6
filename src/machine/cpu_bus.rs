//! The board as one vCPU sees it, for the length of one slice of instructions.

use super::board::Board;
use super::clock::Clock;
use super::crew::Crew;
use super::host_inputs::CpuInputs;
use super::shared_clock::SharedClock;
use super::spin::Spin;
use devices::apic::TSC_CLOCK;
use lyrebird_core::{CpuBus, Signals, TimerQueue, VmTime};
use std::sync::{Arc, Mutex, MutexGuard};

/// Of so many PAUSEs on a vCPU's own thread one lets other threads run: there may be more of them than processors.
const PAUSES: u32 = 32;

/// The bus of one vCPU.
pub struct SliceBus<'a> {
    board: &'a Mutex<Board>,
    inputs: &'a CpuInputs,
    signals: &'a Arc<Signals>,
    cpu: usize,
    clock: &'a SharedClock,
    /// The clock as it stood when the slice began.
    start: Clock,
    /// How many instructions the vCPU had retired then.
    first: u64,
    /// Deterministic guest time, as far as the vCPU has told.
    now: VmTime,
    /// When the slice will end. A timer that is armed for an earlier moment ends it.
    end: VmTime,
    /// Other vCPUs wait for their turn.
    others_wait: bool,
    /// The vCPU has a thread of its own among these.
    crew: Option<&'a Crew>,
    pauses: u32,
    /// The vCPU's PAUSE loops, and the timers that it must not oversleep; none if its thread is not to sleep in them.
    spin: Option<(&'a mut Spin, &'a TimerQueue)>,
    /// Nanoseconds that its thread has slept.
    rested: u64,
    stop: bool,
}

impl<'a> SliceBus<'a> {
    /// The bus for a slice that begins now.
    pub fn new(
        board: &'a Mutex<Board>,
        inputs: &'a CpuInputs,
        signals: &'a Arc<Signals>,
        cpu: usize,
        clock: &'a SharedClock,
        first: u64,
    ) -> Self {
        let start = clock.copy();
        let (now, end) = (start.now(), VmTime::ZERO);
        let (others_wait, crew, pauses, spin, rested, stop) = (false, None, 0, None, 0, false);
        SliceBus {
            board,
            inputs,
            signals,
            cpu,
            clock,
            start,
            first,
            now,
            end,
            others_wait,
            crew,
            pauses,
            spin,
            rested,
            stop,
        }
    }

    /// Says when the slice ends, and whether other vCPUs wait for their turn: then a PAUSE ends this one's.
    pub fn turn(mut self, end: VmTime, others_wait: bool) -> Self {
        (self.end, self.others_wait) = (end, others_wait);
        self
    }

    /// The vCPU has a thread of its own.
    pub fn among(mut self, crew: &'a Crew) -> Self {
        self.crew = Some(crew);
        self
    }

    /// The thread may sleep in the vCPU's PAUSE loops, if guest time follows the host's clock.
    pub fn resting(mut self, spin: &'a mut Spin, timers: &'a TimerQueue) -> Self {
        self.spin = (!self.clock.deterministic()).then_some((spin, timers));
        self
    }

    /// Nanoseconds that the thread has slept in the slice.
    pub fn rested(&self) -> u64 {
        self.rested
    }

    /// Lets the thread sleep for a moment, if the vCPU has long been in a PAUSE loop. It holds no lock.
    fn rest(&mut self) -> bool {
        let Some((spin, timers)) = self.spin.as_mut().filter(|_| !self.others_wait) else { return false };
        if !spin.count() || !spin.look() {
            return false;
        }
        let rested = spin.rest(timers.next_deadline().since(self.clock.now()));
        self.rested += rested;
        if rested == 0 {
            return false;
        }
        // The slice was planned without that.
        self.signals.kick();
        true
    }

    /// Guest time. A slice that takes longer than guest time may leap at once ends, or time would stand until it does: guests
    /// that wait for a chip would wait twice.
    fn time(&mut self) -> VmTime {
        if self.clock.deterministic() {
            return self.now;
        }
        let (now, stands) = self.clock.look();
        if stands {
            match self.crew {
                Some(_) => self.clock.follow_sometimes(),
                None => self.signals.kick(), // the run loop lets it go on
            }
        }
        now
    }

    fn lock(&self) -> MutexGuard<'a, Board> {
        self.board.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Makes an access, and looks whether it wants the slice to end.
    fn access<T>(&mut self, access: impl FnOnce(&mut Board, usize, VmTime) -> T) -> T {
        let mut board = self.lock();
        // The time of the access is when its turn has come: devices see no time go back.
        let now = self.time();
        let value = access(&mut board, self.cpu, now);
        self.stop |= board.requests.pending();
        let deadline = board.timers.next_deadline();
        match self.crew {
            Some(crew) => crew.armed(deadline),
            None if deadline < self.end => self.signals.kick(),
            None => {}
        }
        if self.stop {
            self.signals.kick();
        }
        value
    }
}

impl CpuBus for SliceBus<'_> {
    fn note_retired(&mut self, retired: u64) {
        if self.clock.deterministic() {
            let since = retired.saturating_sub(self.first);
            self.now = self.now.max(self.start.now() + self.start.nanos_for(since));
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
        if self.rest() {
            return;
        }
        if self.crew.is_some() {
            self.pauses += 1;
            if self.pauses.is_multiple_of(PAUSES) { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
    }

    fn stop_requested(&mut self) -> bool {
        self.stop
    }
}
