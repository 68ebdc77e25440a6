//! The engine and its vCPUs: an interpreted vCPU with a compiler above it.

mod evict;
mod reuse;

use crate::buffer::{BufferError, CodeBuffer, SEGMENTS};
use crate::clif::{Asm, CompileError, Compiler, Kind};
use crate::code::{Code, Symbol};
use crate::emit;
use crate::explain;
use crate::gather::{self, Found};
use crate::kept::Kept;
use crate::mxcsr;
use crate::perf::PerfMap;
use crate::worker::{self, Job, Worker};
use backend_interp::InterpVcpu;
use backend_interp::hot::Hot;
use backend_interp::jumps::Jump;
use backend_interp::run::{Run, TracedOp};
use frontend_x86::model::Model;
use frontend_x86::op::{Func, RIP_BASE};
use lyrebird_core::engine::EngineError;
use lyrebird_core::{Budget, CpuBus, CpuState, Engine, Exit, Signals, Vcpu};
use lyrebird_memory::GuestMemory;
use std::collections::{HashMap, HashSet};
use std::mem::transmute;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How the engine works.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How often a trace is entered before it is compiled.
    pub threshold: u32,
    /// Bytes of code in memory, of each vCPU: the oldest makes room for new code.
    pub code_bytes: usize,
    /// Compile on a thread beside the vCPU's.
    pub background: bool,
    /// Several vCPUs run at the same time.
    pub shared: bool,
    /// Check the code generator's input, for tests.
    pub verify: bool,
    /// Tell `perf` what code lies where, in the file that it looks for.
    pub perf_map: bool,
    /// For tests of what is to find errors of this engine: operations with this immediate are translated as if it was one
    /// more.
    pub sabotage: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            threshold: 4000,
            code_bytes: 64 << 20,
            background: false,
            shared: false,
            verify: false,
            perf_map: false,
            sabotage: None,
        }
    }
}

/// What compilation has cost and given so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Traces compiled.
    pub traces: u64,
    /// Instructions in them.
    pub instructions: u64,
    /// Bytes of host code.
    pub bytes: u64,
    /// Traces that could not be compiled.
    pub refused: u64,
    /// Time spent.
    pub time: Duration,
    /// Regions whose code made room for other code.
    pub evicted: u64,
    /// The longest that the guest had to wait for that.
    pub longest_eviction: Duration,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error(transparent)]
    Buffer(#[from] BufferError),
    #[error("no file for perf: {0}")]
    Perf(#[from] std::io::Error),
}

/// Makes vCPUs that compile.
pub struct JitEngine {
    model: Arc<Model>,
    options: Options,
    kept: Option<Arc<Kept>>,
}

impl JitEngine {
    /// An engine for this CPU model.
    pub fn new(model: Arc<Model>, options: Options) -> Self {
        JitEngine { model, options, kept: None }
    }

    /// The same, with translations that are kept from run to run.
    pub fn keeping(self, kept: Arc<Kept>) -> Self {
        JitEngine { kept: Some(kept), ..self }
    }
}

impl Engine for JitEngine {
    fn name(&self) -> &'static str {
        "jit"
    }

    fn create_vcpu(
        &mut self,
        index: u32,
        memory: Arc<GuestMemory>,
        signals: Arc<Signals>,
    ) -> Result<Box<dyn Vcpu>, EngineError> {
        match JitVcpu::keeping(
            index,
            self.model.clone(),
            memory.clone(),
            signals.clone(),
            self.options,
            self.kept.clone(),
        ) {
            Ok(vcpu) => Ok(Box::new(vcpu)),
            Err(error) => {
                tracing::warn!(%error, cpu = index, "code cannot be translated here: the interpreter runs instead");
                Ok(Box::new(InterpVcpu::new(index, self.model.clone(), memory, signals)))
            }
        }
    }
}

/// The way from Rust into compiled code.
type Entrance = unsafe extern "C" fn(run: *mut Run, op: *const TracedOp, code: u64) -> *const TracedOp;

/// How traces are compiled.
enum Tier {
    /// At once, by the vCPU.
    Now(Box<Compiler>),
    /// By a thread.
    Beside(Worker),
}

/// The compiler of a vCPU.
pub(crate) struct Jit {
    tier: Tier,
    buffer: CodeBuffer,
    entrance: Entrance,
    /// See [`emit::dispatch`].
    dispatch: u64,
    /// The entries of the cache of jumps.
    jumps: u64,
    kept: Option<Arc<Kept>>,
    /// After how many entries traces are looked for among the kept ones: see [`reuse::asks`].
    asks: [i64; 2],
    /// How often they have been.
    asked: HashMap<*const TracedOp, usize>,
    /// The code of traces that have none.
    cold: u64,
    threshold: i64,
    /// Traces with code of their own.
    live: HashSet<*const TracedOp>,
    /// The first traces of the regions that a trace is in.
    regions: HashMap<*const TracedOp, Vec<*mut TracedOp>>,
    /// First traces of regions in which accesses that were to share TLB checks were too often in two pages.
    unshared: HashSet<*const TracedOp>,
    perf: Option<PerfMap>,
    sabotage: Option<u64>,
    /// The first traces of the regions whose code was placed in each segment of the buffer. Some may have been dropped since.
    placed: [Vec<*mut TracedOp>; SEGMENTS],
    /// Regions at the worker's: tickets by entry op, and traces by ticket. Dropped regions are in neither.
    waiting: HashMap<*const TracedOp, u64>,
    entries: HashMap<u64, Vec<Found>>,
    ticket: u64,
    statistics: Statistics,
    exits: Exits,
}

/// How often compiled code came back to the interpreter, and for what.
struct Exits {
    /// To execute an operation, by its [`Func`].
    ops: [u64; 256],
    /// For code that is not compiled.
    cold: u64,
    /// For the run loop.
    loops: u64,
}

/// A trace is taken into a region if it was entered at least this part of the threshold's times.
const WARM: i64 = 4;

/// So many accesses of a region may miss the page that they were expected in.
const APART: i64 = 256;

/// After so many more entries a trace that found the worker busy asks again.
const AGAIN: i64 = 256;

impl Jit {
    fn new(options: Options, kept: Option<Arc<Kept>>, jumps: *const Jump) -> Result<Self, Error> {
        let mut compiler = Compiler::new(options.verify)?.shared(options.shared);
        let mut buffer = CodeBuffer::up_to(options.code_bytes)?;
        let mut stub = |kind, body: fn(&mut Asm)| -> Result<Vec<u8>, Error> {
            let address = |symbol| (symbol == Symbol::Jumps).then_some(jumps as u64);
            Ok(compiler.compile(kind, body)?.bind(address).ok_or(BufferError::Full)?)
        };
        let cold = buffer.place(&stub(Kind::Trace, emit::cold_code)?)? as u64;
        let entrance = buffer.place(&stub(Kind::Entrance, emit::entrance)?)?;
        let dispatch = stub(Kind::Trace, emit::dispatch)?;
        let mut perf = options.perf_map.then(PerfMap::open).transpose()?;
        let bytes = dispatch.len();
        let dispatch = buffer.place(&dispatch)? as u64;
        if let Some(perf) = &mut perf {
            perf.add(dispatch, bytes, format_args!("dispatch"));
        }
        buffer.keep();
        // SAFETY: the code was made for this signature and the host's calling convention.
        let entrance = unsafe { transmute::<*const u8, Entrance>(entrance) };
        let tier = match options.background {
            false => Tier::Now(Box::new(compiler)),
            true => match Worker::start(compiler) {
                Ok(worker) => Tier::Beside(worker),
                Err(error) => {
                    tracing::warn!(%error, "no thread for the compiler: the guest waits for it");
                    Tier::Now(Box::new(Compiler::new(options.verify)?.shared(options.shared)))
                }
            },
        };
        let threshold = i64::from(options.threshold.max(1));
        let jit = Jit {
            tier,
            buffer,
            entrance,
            dispatch,
            jumps: jumps as u64,
            // Code that is wrong on purpose is for nobody.
            kept: kept.filter(|_| options.sabotage.is_none()),
            asks: reuse::asks(threshold),
            asked: HashMap::new(),
            cold,
            threshold,
            live: HashSet::new(),
            regions: HashMap::new(),
            unshared: HashSet::new(),
            perf,
            sabotage: options.sabotage,
            placed: Default::default(),
            waiting: HashMap::new(),
            entries: HashMap::new(),
            ticket: 0,
            statistics: Statistics::default(),
            exits: Exits { ops: [0; 256], cold: 0, loops: 0 },
        };
        Ok(jit)
    }

    /// Makes the entry op of a region's first trace enter its code.
    ///
    /// # Safety
    /// The region's traces are live ones of the cache, and the code was made for them. No code is being executed.
    unsafe fn install(&mut self, run: &mut Run, region: &[Found], code: Code) {
        let address = |symbol| match symbol {
            Symbol::Dispatch => Some(self.dispatch),
            Symbol::Jumps => Some(self.jumps),
            symbol => gather::address(region, symbol),
        };
        let (Some(code), Some(Found { entry, .. })) = (code.bind(address), region.first()) else { return };
        let entry = *entry;
        let instructions: u64 = region.iter().map(|found| found.ops.len() as u64 - 1).sum();
        // SAFETY: the caller's promise, and no code is being executed.
        let Some(place) = (unsafe { self.place(run, &code) }) else {
            self.statistics.refused += 1;
            return;
        };
        self.placed[self.buffer.segment()].push(entry);
        if let Some(perf) = &mut self.perf {
            // SAFETY: the caller's promise.
            let at = unsafe { (*entry).op.offset };
            let rip = run.cpu.regs[usize::from(RIP_BASE)].wrapping_add(u64::from(at));
            perf.add(place as u64, code.len(), format_args!("guest_{rip:x}"));
        }
        self.live.insert(entry);
        self.statistics.traces += 1;
        self.statistics.instructions += instructions;
        self.statistics.bytes += code.len() as u64;
        // SAFETY: the caller's promise; nobody else looks at the op. The address is there before the handler that uses it.
        unsafe {
            (*entry).op.imm = place as u64;
            (*entry).op.disp = APART;
            (*entry).handler = enter;
        }
    }

    /// Whether a trace has code of its own.
    pub fn has_code(&self, entry: *const TracedOp) -> bool {
        self.live.contains(&entry)
    }

    /// Whether a trace has been entered often enough to be taken into a region.
    ///
    /// # Safety
    /// The entry op is of a live trace.
    pub unsafe fn is_warm(&self, entry: *const TracedOp) -> bool {
        // SAFETY: the caller's promise.
        let left = unsafe { (*entry).op.disp };
        // Of a trace that is still to be asked for, the counter says something else.
        let counts = self.kept.is_none() || self.was_asked_for(entry);
        counts && left <= self.threshold - self.threshold / WARM
    }

    /// Compiled code has come back with this op.
    ///
    /// # Safety
    /// It is null or of a live trace.
    unsafe fn count_exit(&mut self, then: *const TracedOp) {
        if then.is_null() {
            self.exits.loops += 1;
            return;
        }
        // SAFETY: the caller's promise.
        let op = unsafe { &(*then).op };
        match (op.ins.func, op.len) {
            (Func::Nop, 0) => self.exits.cold += 1,
            (func, _) => self.exits.ops[func as usize] += 1,
        }
    }

    /// Forgets a trace's code, or that it is being made; whether there was any.
    fn forget(&mut self, entry: *const TracedOp) -> bool {
        let ticket = self.waiting.remove(&entry);
        if let Some(ticket) = ticket {
            self.entries.remove(&ticket);
        }
        self.live.remove(&entry) || ticket.is_some()
    }

    /// Installs what the worker has finished. Only between ops.
    fn collect(&mut self, run: &mut Run) {
        while let Tier::Beside(worker) = &self.tier
            && let Some(done) = worker.take()
        {
            self.statistics.time += done.time;
            let Some(region) = self.entries.remove(&done.ticket) else { continue };
            self.waiting.remove(&region[0].entry.cast_const());
            match done.code {
                Some(code) => {
                    self.keep(run, &region, &code);
                    // SAFETY: the ticket of a region of which a trace is dropped is forgotten, so all of them live.
                    unsafe { self.install(run, &region, code) }
                }
                None => self.statistics.refused += 1,
            }
        }
    }
}

/// Told by the interpreter that a trace is hot.
///
/// # Safety
/// See [`Hot::notice`]; `owner` is the `Jit` of the vCPU that runs.
unsafe fn notice(run: *mut Run, entry: *mut TracedOp) {
    // SAFETY: the vCPU owns both and is running; no compiled code is being executed, since this is called by the
    // interpreter between ops.
    let (run, jit) = unsafe {
        let Some(hot) = (*run).cache.hot else { return };
        (&mut *run, &mut *hot.owner.cast::<Jit>())
    };
    jit.collect(run);
    // SAFETY: the interpreter is about to enter this trace.
    if unsafe { jit.find(run, entry) } {
        return;
    }
    let warm = |entry: *const TracedOp| {
        // SAFETY: a trace of the cache.
        unsafe { jit.is_warm(entry) }
    };
    // SAFETY: the interpreter is about to enter this trace.
    let region = unsafe { gather::gather(run, entry, warm, |entry| jit.live.contains(&entry)) };
    jit.claim(&region);
    let mut job = Job::new(jit.ticket, &region, run.cpu.mode, jit.shares(entry));
    if let Some(immediate) = jit.sabotage {
        job.sabotage(immediate);
    }
    match &mut jit.tier {
        Tier::Now(compiler) => {
            let begun = Instant::now();
            let code = worker::compile(compiler, &job);
            jit.statistics.time += begun.elapsed();
            match code {
                Ok(Some(code)) => {
                    jit.keep(run, &region, &code);
                    // SAFETY: the interpreter is about to enter this trace; the others were found in its cache just now.
                    unsafe { jit.install(run, &region, code) }
                }
                _ => jit.statistics.refused += 1,
            }
        }
        Tier::Beside(worker) => {
            if worker.give(job) {
                jit.entries.insert(jit.ticket, region);
                jit.waiting.insert(entry, jit.ticket);
                jit.ticket += 1;
            } else {
                // SAFETY: as above; nobody else looks at the op.
                unsafe { (*entry).op.disp = AGAIN };
            }
        }
    }
}

/// Told by the interpreter that a trace is no more. Whether regions that begin with other traces are gone, too.
///
/// # Safety
/// `owner` is a `Jit` that nobody else is using.
unsafe fn dropped(owner: *mut (), entry: *const TracedOp) -> bool {
    // SAFETY: the caller's promise.
    let jit = unsafe { &mut *owner.cast::<Jit>() };
    jit.forget(entry);
    jit.unshared.remove(&entry);
    jit.asked.remove(&entry);
    let mut others = false;
    for first in jit.regions.remove(&entry).unwrap_or_default() {
        if jit.forget(first) && first.cast_const() != entry {
            // SAFETY: a region's first trace that is not forgotten yet has not been dropped before, and what is being dropped
            // now is not freed yet.
            unsafe { jit.cool(first) };
            others = true;
        }
    }
    others
}

/// The handler of entry ops whose trace is compiled.
///
/// # Safety
/// The contract of [`backend_interp::run::Handler`].
unsafe fn enter(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: only `notice` installs this, with the code's address in the op; code and owner live as long as the run.
    unsafe {
        let Some(hot) = (*run).cache.hot else { return op.add(1) };
        if (*op).op.disp < 0 {
            (*hot.owner.cast::<Jit>()).unshared.insert(op);
            notice(run, op.cast_mut());
            if !(*hot.owner.cast::<Jit>()).has_code(op) {
                // It made room for other code.
                return op;
            }
            // Should it not compile, the old code serves.
            (*op.cast_mut()).op.disp = i64::MAX;
        }
        let entrance = (*hot.owner.cast::<Jit>()).entrance;
        let linear = (*run).cpu.regs[usize::from(RIP_BASE)].wrapping_add(u64::from((*op).op.offset));
        (*run).jumps.renew(linear, op, (*op).op.imm);
        mxcsr::clear();
        let then = entrance(run, op, (*op).op.imm);
        mxcsr::fetch(run);
        (*hot.owner.cast::<Jit>()).count_exit(then);
        then
    }
}

/// One vCPU of the engine.
pub struct JitVcpu {
    /// Dropped before the code that its traces enter.
    interp: InterpVcpu,
    jit: *mut Jit,
}

// SAFETY: the compiler belongs to this vCPU alone.
unsafe impl Send for JitVcpu {}

impl JitVcpu {
    /// A vCPU after power-on.
    pub fn new(
        index: u32,
        model: Arc<Model>,
        memory: Arc<GuestMemory>,
        signals: Arc<Signals>,
        options: Options,
    ) -> Result<Self, EngineError> {
        Self::keeping(index, model, memory, signals, options, None)
    }

    /// The same, with translations that are kept from run to run.
    pub fn keeping(
        index: u32,
        model: Arc<Model>,
        memory: Arc<GuestMemory>,
        signals: Arc<Signals>,
        options: Options,
        kept: Option<Arc<Kept>>,
    ) -> Result<Self, EngineError> {
        let mut interp = InterpVcpu::new(index, model, memory, signals);
        let jit = Jit::new(options, kept, interp.run_mut().jumps.entries()).map_err(|e| EngineError(e.to_string()))?;
        let (threshold, code) = (jit.patience(), jit.cold);
        let jit = Box::into_raw(Box::new(jit));
        interp.run_mut().cache.hot = Some(Hot { threshold, notice, dropped, owner: jit.cast(), code });
        Ok(JitVcpu { interp, jit })
    }

    /// What compilation has cost so far.
    pub fn statistics(&self) -> Statistics {
        // SAFETY: the vCPU owns it and is not running.
        unsafe { (*self.jit).statistics }
    }

    /// The region around a linear address compiled for another processor ("x86_64", "aarch64"): how many instructions it has,
    /// and the code, to look at. `None` if nothing is known there.
    pub fn emit_for(&mut self, linear: u64, target: &str) -> Result<Option<(u64, Vec<u8>)>, CompileError> {
        // SAFETY: the vCPU owns it and is not running.
        explain::emit_for(self.interp.run_mut(), unsafe { &*self.jit }, linear, target)
    }

    /// The code generator's input for the last trace, for people; nothing if a thread compiles.
    pub fn last_text(&self) -> String {
        // SAFETY: as above.
        match unsafe { &(*self.jit).tier } {
            Tier::Now(compiler) => compiler.text(),
            Tier::Beside(_) => String::new(),
        }
    }
}

impl Vcpu for JitVcpu {
    fn run(&mut self, bus: &mut dyn CpuBus, budget: Budget) -> Exit {
        // SAFETY: the vCPU owns it and is not running yet.
        unsafe { (*self.jit).collect(self.interp.run_mut()) };
        self.interp.run(bus, budget)
    }

    fn state(&mut self) -> CpuState {
        self.interp.state()
    }

    fn set_state(&mut self, state: &CpuState) {
        self.interp.set_state(state);
    }

    fn retired(&self) -> u64 {
        self.interp.retired()
    }

    fn translate(&mut self, linear: u64) -> Option<u64> {
        self.interp.translate(linear)
    }

    fn counters(&self) -> Vec<(String, u64)> {
        // SAFETY: the vCPU owns it and is not running.
        let Exits { ops, cold, loops } = unsafe { &(*self.jit).exits };
        let mut counters = self.interp.counters();
        counters.push(("left compiled code for the run loop".into(), *loops));
        counters.push(("left compiled code for code that is not compiled".into(), *cold));
        let ops = Func::ALL.iter().map(|func| (func, ops[*func as usize])).filter(|(_, count)| *count > 0);
        counters.extend(ops.map(|(func, count)| (format!("left compiled code to interpret {func:?}"), count)));
        let Statistics { traces, instructions, bytes, refused, time, evicted, longest_eviction } = self.statistics();
        counters.push(("compiled a region".into(), traces));
        counters.push(("could not compile a region".into(), refused));
        counters.push(("compiled an instruction".into(), instructions));
        counters.push(("made a byte of code".into(), bytes));
        counters.push(("spent a millisecond compiling".into(), time.as_millis() as u64));
        counters.push(("dropped a region's code to make room".into(), evicted));
        counters.push(("waited a microsecond, at the longest, for that".into(), longest_eviction.as_micros() as u64));
        counters
    }

    fn tier(&mut self, linear: u64) -> Option<&'static str> {
        // SAFETY: the vCPU owns it and is not running.
        Some(explain::tier(self.interp.run_mut(), unsafe { &*self.jit }, linear))
    }

    fn explain(&mut self, linear: u64) -> Option<String> {
        // SAFETY: as above.
        explain::explain(self.interp.run_mut(), unsafe { &*self.jit }, linear)
    }
}

impl Drop for JitVcpu {
    fn drop(&mut self) {
        let Statistics { traces, instructions, bytes, refused, time, evicted, longest_eviction } = self.statistics();
        let milliseconds = time.as_millis() as u64;
        let executed = self.interp.retired();
        tracing::info!(regions = traces, refused, instructions, bytes, milliseconds, executed, "what was compiled");
        if evicted > 0 {
            tracing::info!(regions = evicted, ?longest_eviction, "what made room for other code");
        }
        self.interp.run_mut().cache.hot = None;
        // SAFETY: made by `Box::into_raw`, and nobody will enter its code again: traces run only in `run`.
        drop(unsafe { Box::from_raw(self.jit) });
    }
}
