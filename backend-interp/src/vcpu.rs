//! The run loop: between traces it looks at signals, delivers events and exceptions, and finds the next trace.

use crate::cache::{self, CodeCache, Dropped};
use crate::hot;
use crate::jumps::{Gone, JumpCache};
use crate::pool::{Pool, TracedOps};
use crate::run::{Left, Run, TracedOp};
use crate::slow;
use frontend_x86::cpu::CodeSize;
use frontend_x86::decode::{self, DecodeError, MAX_LEN};
use frontend_x86::exception::Exception;
use frontend_x86::model::Model;
use frontend_x86::op::RIP_BASE;
use frontend_x86::system::boundary::{self, Boundary};
use frontend_x86::system::raise;
use frontend_x86::{Cpu, access, paging};
use lyrebird_core::cpu::state::Shadow;
use lyrebird_core::engine::EngineError;
use lyrebird_core::{Budget, CpuBus, CpuState, Engine, Exit, Signals, Vcpu};
use lyrebird_memory::GuestMemory;
use std::ptr::NonNull;
use std::sync::{Arc, Weak};

/// Most instructions that a trace retires before it looks at the budget.
const TRACE: i64 = 128;

/// Makes interpreted vCPUs of one model.
pub struct InterpEngine {
    model: Arc<Model>,
    /// The decoded code of the vCPUs that were made last, and their memory.
    pool: Option<(Weak<GuestMemory>, Weak<Pool>)>,
}

impl InterpEngine {
    /// An engine for this CPU model.
    pub fn new(model: Arc<Model>) -> Self {
        InterpEngine { model, pool: None }
    }
}

impl Engine for InterpEngine {
    fn name(&self) -> &'static str {
        "interp"
    }

    fn create_vcpu(
        &mut self,
        index: u32,
        memory: Arc<GuestMemory>,
        signals: Arc<Signals>,
    ) -> Result<Box<dyn Vcpu>, EngineError> {
        let same = |of: &Weak<GuestMemory>| of.upgrade().is_some_and(|of| Arc::ptr_eq(&of, &memory));
        let known = self.pool.as_ref().filter(|(of, _)| same(of)).and_then(|(_, pool)| pool.upgrade());
        let pool = known.unwrap_or_default();
        self.pool = Some((Arc::downgrade(&memory), Arc::downgrade(&pool)));
        Ok(Box::new(InterpVcpu::sharing(index, self.model.clone(), memory, signals, pool)))
    }
}

/// An instruction that was executed by itself, and the bytes that it was decoded from.
struct Stepped {
    linear: u64,
    mode: u16,
    bytes: [u8; MAX_LEN],
    len: usize,
    ops: TracedOps,
}

/// One interpreted vCPU.
pub struct InterpVcpu {
    run: Box<Run>,
    steps: Vec<Option<Stepped>>,
    counts: Counts,
    /// The last run ended because its budget was used up.
    used_up: bool,
}

/// How often the run loop was come back to, by reason.
#[derive(Default)]
struct Counts {
    looks: u64,
    finds: u64,
    steps: u64,
    exceptions: u64,
}

// SAFETY: the raw pointers in `Run` lead into its own TLB and traces, and to a bus that is only there during a run.
unsafe impl Send for InterpVcpu {}

const STEPS: usize = 256;

impl InterpVcpu {
    /// A vCPU after power-on.
    pub fn new(index: u32, model: Arc<Model>, memory: Arc<GuestMemory>, signals: Arc<Signals>) -> Self {
        Self::sharing(index, model, memory, signals, Arc::default())
    }

    /// The same, with decoded code that others of the same model and memory use, too.
    pub fn sharing(
        index: u32,
        model: Arc<Model>,
        memory: Arc<GuestMemory>,
        signals: Arc<Signals>,
        pool: Arc<Pool>,
    ) -> Self {
        let cache = CodeCache::new(&memory, pool);
        // The CPU keeps them where they are.
        let bits = signals.word();
        let run = Run {
            cpu: Cpu::new(index, model, memory, signals),
            signals: bits,
            tlb: std::ptr::null_mut(),
            bus: None,
            left: Left::Look,
            uncounted: 0,
            counted_from: 0,
            stepping: false,
            unexpected: 0,
            armed: 0,
            last_beside: None,
            jumps: JumpCache::new(),
            cache,
        };
        InterpVcpu {
            run: Box::new(run),
            steps: (0..STEPS).map(|_| None).collect(),
            counts: Counts::default(),
            used_up: false,
        }
    }

    /// What runs, for an engine above this one.
    pub fn run_mut(&mut self) -> &mut Run {
        &mut self.run
    }

    /// The CPU, for tests that look at what is not architectural.
    pub fn cpu(&mut self) -> &mut Cpu {
        &mut self.run.cpu
    }

    fn execute(&mut self, exact: bool) -> Exit {
        loop {
            let run = &mut *self.run;
            if run.cpu.left <= 0 {
                self.used_up = true;
                return Exit::Budget;
            }
            match run.cache.refresh(&mut run.cpu) {
                Dropped::Nothing => {}
                Dropped::All => run.jumps.clear(),
                // SAFETY: jumps lead to traces of this cache, and nothing but these have been dropped.
                Dropped::Some { pages, traces, jumps } => unsafe {
                    run.jumps.forget(&Gone { pages: &pages, traces: &traces }, jumps.as_deref());
                },
            }
            run.count_retired(0);
            if run.cpu.signals.take(Signals::KICK) != 0 {
                return Exit::Kicked;
            }
            // SAFETY: this is a run.
            match boundary::poll(&mut unsafe { run.ctx() }) {
                Boundary::Execute => {}
                Boundary::Halted => return Exit::Halted,
                Boundary::Shutdown => return Exit::Shutdown,
            }
            run.sync_tlb();
            // More than a trace's length, so that something is left to execute an instruction across pages by itself.
            let alone = run.cpu.careful || run.cpu.state.shadow != Shadow::None || exact && run.cpu.left <= TRACE;
            self.counts.looks += 1;
            let left = if alone {
                self.step()
            } else if exact {
                // A trace may use the budget up in its middle: keep the length of one back.
                self.reserve(TRACE);
                let left = self.traces();
                self.reserve(-TRACE);
                left
            } else {
                self.traces()
            };
            if let Left::Exception(exception) = left
                && !self.raise(exception)
            {
                return Exit::Shutdown;
            }
        }
    }

    /// Sets a part of the budget aside.
    fn reserve(&mut self, instructions: i64) {
        self.run.cpu.left -= instructions;
        self.run.counted_from -= instructions;
    }

    /// Delivers an exception; false: a triple fault.
    fn raise(&mut self, exception: Exception) -> bool {
        self.counts.exceptions += 1;
        let run = &mut *self.run;
        // SAFETY: this is a run.
        let survived = raise::raise(&mut unsafe { run.ctx() }, exception);
        // An instruction that faults uses the budget too, or a guest could keep us here for ever.
        run.cpu.left -= 1;
        run.uncounted += 1;
        run.sync_tlb();
        survived
    }

    /// Executes traces until there is something to look at.
    fn traces(&mut self) -> Left {
        loop {
            self.counts.finds += 1;
            let run = &mut *self.run;
            let first = match find(run) {
                Ok(first) => first,
                Err(exception) => return Left::Exception(exception),
            };
            if first.is_null() {
                return if run.cache.is_fresh() { self.step() } else { Left::Look };
            }
            if std::mem::take(&mut self.used_up)
                && let Some(hot) = run.cache.hot
            {
                // SAFETY: `first` is about to be entered.
                unsafe { (hot.sampled)(run, first.cast_mut()) };
            }
            run.left = Left::Look;
            let mut op = first;
            while !op.is_null() {
                // SAFETY: `first` is the trace at RIP in the CPU's mode, and `find` has set RIP_BASE.
                op = unsafe { ((*op).handler())(run, op) };
            }
            if run.cache.step_next {
                run.cache.step_next = false;
                if run.left == Left::Find && run.cpu.left > 0 {
                    return self.step();
                }
            }
            if run.left != Left::Find || run.cpu.left <= 0 || run.cache.stale(&run.cpu.memory) {
                return run.left;
            }
        }
    }

    /// Executes one instruction by itself, with everything checked around it.
    fn step(&mut self) -> Left {
        self.counts.steps += 1;
        let shadow = self.run.cpu.state.shadow;
        // SAFETY: this is a run.
        if let Err(exception) = boundary::before_instruction(&mut unsafe { self.run.ctx() }) {
            return Left::Exception(exception);
        }
        let slot = match self.fetch() {
            Ok(slot) => slot,
            Err(exception) => return Left::Exception(exception),
        };
        let run = &mut *self.run;
        let linear = cache::linear_of(&run.cpu, run.cpu.rip);
        run.cpu.regs[RIP_BASE as usize] = run.cpu.rip.wrapping_sub(linear & 0xfff);
        let Some(stepped) = &self.steps[slot] else { return Left::Look };
        // SAFETY: the ops were decoded for this mode and offset, and live in `steps` for the whole call.
        let left = unsafe { slow::step(run, &stepped.ops) };
        if matches!(left, Left::Exception(_)) {
            return left;
        }
        // SAFETY: this is a run.
        match boundary::after_instruction(&mut unsafe { run.ctx() }, shadow) {
            Ok(()) => Left::Look,
            Err(exception) => Left::Exception(exception),
        }
    }

    /// Decodes the instruction at RIP, which may lie in two pages or in none of RAM. Gives its place in `steps`.
    fn fetch(&mut self) -> Result<usize, Exception> {
        let run = &mut *self.run;
        let rip = run.cpu.rip;
        let room = check_rip(&run.cpu)?;
        let linear = cache::linear_of(&run.cpu, rip);
        let mut bytes = [0; MAX_LEN];
        let in_page = (4096 - (linear & 0xfff) as usize).min(MAX_LEN);
        let len = in_page.min(room);
        fetch_bytes(run, linear, &mut bytes[..len])?;
        let slot = (linear ^ linear >> 8) as usize % STEPS;
        let mode = cache::mode_key(&run.cpu);
        let same = |known: &Stepped, bytes: &[u8]| {
            known.linear == linear && known.mode == mode && known.bytes[..known.len] == bytes[..known.len]
        };
        if let Some(known) = &self.steps[slot]
            && known.len <= len
            && same(known, &bytes)
        {
            return Ok(slot);
        }
        let offset = (linear & 0xfff) as u16;
        let mut total = len;
        let decoded = match decode::decode(&bytes[..len], offset, run.cpu.mode, &run.cpu.model) {
            Ok(decoded) => decoded,
            // Only now may the second page be touched.
            Err(DecodeError::NeedMore) if in_page < room && in_page < MAX_LEN => {
                total = room.min(MAX_LEN);
                let mut next = linear.wrapping_add(in_page as u64);
                if run.cpu.mode.code != CodeSize::Bits64 {
                    next &= 0xffff_ffff;
                }
                fetch_bytes(run, next, &mut bytes[in_page..total])?;
                if let Some(known) = &self.steps[slot]
                    && known.len <= total
                    && same(known, &bytes)
                {
                    return Ok(slot);
                }
                decode::decode(&bytes[..total], offset, run.cpu.mode, &run.cpu.model)
                    .map_err(|DecodeError::NeedMore| Exception::protection(0))?
            }
            // It goes on beyond the code segment's limit.
            Err(DecodeError::NeedMore) => return Err(Exception::protection(0)),
        };
        let len = usize::from(decoded.op.len).min(total);
        self.steps[slot] = Some(Stepped { linear, mode, bytes, len, ops: cache::single(decoded) });
        Ok(slot)
    }
}

/// Checks RIP against the code segment, and gives the number of bytes up to its end.
fn check_rip(cpu: &Cpu) -> Result<usize, Exception> {
    if cpu.mode.code == CodeSize::Bits64 {
        return if access::canonical(cpu.rip) { Ok(MAX_LEN) } else { Err(Exception::protection(0)) };
    }
    match u64::from(cpu.state.seg[1].limit).checked_sub(cpu.rip) {
        Some(rest) => Ok(rest.saturating_add(1).min(MAX_LEN as u64) as usize),
        None => Err(Exception::protection(0)),
    }
}

fn fetch_bytes(run: &mut Run, linear: u64, buf: &mut [u8]) -> Result<(), Exception> {
    // SAFETY: this is a run.
    let mut ctx = unsafe { run.ctx() };
    let physical = match cache::executable(ctx.cpu, linear) {
        Some(_) => {
            let bank = &ctx.cpu.tlb.banks[ctx.cpu.bank as usize];
            bank.physical(frontend_x86::tlb::index(linear)) | linear & 0xfff
        }
        None => ctx.fill_execute(linear)?,
    };
    ctx.read_physical_bytes(physical, buf);
    run.sync_tlb();
    Ok(())
}

/// The trace at RIP, with `RIP_BASE` set; null if the instruction there must be executed by itself, or something was dropped.
fn find(run: &mut Run) -> Result<*const TracedOp, Exception> {
    let rip = run.cpu.rip;
    // SAFETY: `sync_tlb` has set the bank's entries.
    let (known, base) = unsafe { run.jumps.find(run.tlb, rip) };
    if !known.is_null() {
        run.cpu.regs[RIP_BASE as usize] = base;
        return Ok(known);
    }
    // SAFETY: as above.
    let (known, base) = unsafe { run.jumps.find_second(run.tlb, rip) };
    if !known.is_null() {
        run.cpu.regs[RIP_BASE as usize] = base;
        return Ok(known);
    }
    check_rip(&run.cpu)?;
    let linear = cache::linear_of(&run.cpu, rip);
    let offset = linear & 0xfff;
    let base = rip.wrapping_sub(offset);
    if !cache::within_limit(&run.cpu, base) {
        return Ok(std::ptr::null());
    }
    // SAFETY: this is a run.
    let physical = match cache::executable(&run.cpu, linear) {
        Some(_) => run.cpu.tlb.banks[run.cpu.bank as usize].physical(frontend_x86::tlb::index(linear)) | offset,
        None => {
            // SAFETY: this is a run.
            let physical = unsafe { run.ctx() }.fill_execute(linear)?;
            run.sync_tlb();
            // SAFETY: as above. Often only the TLB had forgotten it.
            let (known, base) = unsafe { run.jumps.find(run.tlb, rip) };
            if !known.is_null() {
                run.cpu.regs[RIP_BASE as usize] = base;
                return Ok(known);
            }
            physical
        }
    };
    let Some(page) = run.cpu.view.lookup(physical).readable() else { return Ok(std::ptr::null()) };
    run.cpu.regs[RIP_BASE as usize] = base;
    let op = run.cache.trace(&mut run.cpu, &page, physical, offset as u16);
    if !op.is_null() {
        // SAFETY: a trace of the cache, of which nothing has been dropped since.
        let code = unsafe { hot::code(op) };
        if let Some(place) = run.jumps.insert(run.cpu.mode, linear, page.key() as u64, op, code) {
            run.cache.note_jump(page.key(), place);
        }
    }
    Ok(op)
}

impl Vcpu for InterpVcpu {
    fn run(&mut self, bus: &mut dyn CpuBus, budget: Budget) -> Exit {
        // SAFETY: only the lifetime is changed: the pointer is removed again before this call returns.
        let bus: NonNull<dyn CpuBus> = unsafe { std::mem::transmute(NonNull::from(bus)) };
        let run = &mut *self.run;
        run.bus = Some(bus);
        run.cpu.left = i64::try_from(budget.instructions).unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
        run.counted_from = run.cpu.left;
        run.uncounted = 0;
        let shared = run.cpu.memory.is_shared();
        run.cache.start(shared);
        if shared {
            run.cache.begin(&mut run.cpu);
        }
        let exit = self.execute(budget.exact);
        self.run.cache.stop();
        if shared {
            self.run.cache.rest();
        }
        self.run.count_retired(0);
        self.run.bus = None;
        exit
    }

    fn state(&mut self) -> CpuState {
        self.run.cpu.save()
    }

    fn set_state(&mut self, state: &CpuState) {
        self.run.cpu.load(state);
        self.run.sync_tlb();
    }

    fn retired(&self) -> u64 {
        self.run.cpu.state.retired
    }

    fn translate(&mut self, linear: u64) -> Option<u64> {
        paging::debug_translate(&mut self.run.cpu, linear)
    }

    fn counters(&self) -> Vec<(String, u64)> {
        let Counts { looks, finds, steps, exceptions } = self.counts;
        let named = [
            ("looked around (signals, events, budget)", looks),
            ("looked a trace up", finds),
            ("executed an instruction by itself", steps),
            ("delivered an exception", exceptions),
        ];
        named.map(|(name, count)| (name.to_owned(), count)).into()
    }

    fn tier(&mut self, _linear: u64) -> Option<&'static str> {
        Some("interpreted")
    }
}

impl Drop for InterpVcpu {
    fn drop(&mut self) {
        self.run.cache.retire(&self.run.cpu.memory);
    }
}
