//! The engine and its vCPUs: an interpreted vCPU with a compiler above it.

mod enter;
mod evict;
mod reconsider;
mod regions;
mod reuse;
mod widen;

use crate::buffer::{BufferError, CodeBuffer, SEGMENTS};
use crate::clif::{Asm, CompileError, Compiler, Kind};
use crate::code::{Code, Symbol};
use crate::emit;
use crate::explain;
use crate::gather::{self, Found};
use crate::kept::Kept;
use crate::perf::PerfMap;
use crate::strip::{self, Strips};
use crate::worker::{Done, Worker};
use backend_interp::InterpVcpu;
use backend_interp::hot::{self, Hot};
use backend_interp::pool::{self, Above, Counts, Locked, Loss, Pool};
use backend_interp::run::{Run, TracedOp};
use enter::{Entrance, Exits, Own};
use evict::Room;
use frontend_x86::cpu::Mode;
use frontend_x86::model::Model;
use frontend_x86::op::{Func, RIP_BASE};
use frontend_x86::tlb::cells::{code_span, code_tag};
use lyrebird_core::engine::EngineError;
use lyrebird_core::{Budget, CpuBus, CpuState, Engine, Exit, Signals, Vcpu};
use lyrebird_memory::GuestMemory;
pub(crate) use reconsider::is_plain;
use regions::Regions;
use reuse::Asked;
use std::collections::{HashMap, HashSet};
use std::mem::transmute;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// How the engine works.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How often a trace is entered before it is compiled.
    pub threshold: u32,
    /// After how many entries of a trace at most strips are made for it (see [`crate::strip`]): a power of two, up to 4096.
    pub warm: u32,
    /// Bytes of code in memory, of all vCPUs: the oldest makes room for new code.
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
            warm: 256,
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
    /// Regions compiled anew, since they were left where nobody expected it.
    pub reconsidered: u64,
    /// Wide regions compiled: see [`gather::wide`].
    pub widened: u64,
    /// Strips made: see [`crate::strip`].
    pub strips: u64,
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
    /// The code of the vCPUs that were made last, and their memory.
    last: Option<(Weak<GuestMemory>, Weak<Common>)>,
}

impl JitEngine {
    /// An engine for this CPU model.
    pub fn new(model: Arc<Model>, options: Options) -> Self {
        JitEngine { model, options, kept: None, last: None }
    }

    /// The same, with translations that are kept from run to run.
    pub fn keeping(self, kept: Arc<Kept>) -> Self {
        JitEngine { kept: Some(kept), ..self }
    }

    /// What the vCPUs with this memory share.
    fn common(&mut self, memory: &Arc<GuestMemory>) -> Result<Arc<Common>, Error> {
        let same = |of: &Weak<GuestMemory>| of.upgrade().is_some_and(|of| Arc::ptr_eq(&of, memory));
        let known = self.last.as_ref().filter(|(of, _)| same(of)).and_then(|(_, common)| common.upgrade());
        let common = match known {
            Some(common) => common,
            None => Arc::new(Common::new(self.options, self.kept.clone())?),
        };
        self.last = Some((Arc::downgrade(memory), Arc::downgrade(&common)));
        Ok(common)
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
        match self.common(&memory) {
            Ok(common) => Ok(Box::new(JitVcpu::sharing(index, self.model.clone(), memory, signals, common))),
            Err(error) => {
                tracing::warn!(%error, cpu = index, "code cannot be translated here: the interpreter runs instead");
                Ok(Box::new(InterpVcpu::new(index, self.model.clone(), memory, signals)))
            }
        }
    }
}

/// What the vCPUs of a machine share: decoded code, and what was compiled of it. Where both are locked, the pool is first.
struct Common {
    pool: Arc<Pool>,
    compiled: Arc<Compiled>,
}

impl Common {
    fn new(options: Options, kept: Option<Arc<Kept>>) -> Result<Self, Error> {
        let ready = Arc::new(AtomicBool::new(false));
        let jit = Mutex::new(Jit::new(options, kept, ready.clone())?);
        let compiled = Arc::new(Compiled { jit, ready });
        Ok(Common { pool: Arc::new(Pool::new(Some(compiled.clone()))), compiled })
    }
}

/// What was compiled.
struct Compiled {
    jit: Mutex<Jit>,
    /// The thread that compiles has done something.
    ready: Arc<AtomicBool>,
}

impl Compiled {
    fn lock(&self) -> MutexGuard<'_, Jit> {
        self.jit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Above for Compiled {
    fn dropped(&self, entry: *const TracedOp) -> bool {
        self.lock().drop_trace(entry)
    }

    fn uses(&self, mut entries: &mut dyn Iterator<Item = *const TracedOp>) -> bool {
        let jit = self.lock();
        // By `&mut`, since `any` wants something of a known size.
        (&mut entries).any(|entry| jit.regions.has(entry))
    }
}

/// How traces are compiled.
enum Tier {
    /// At once, by the vCPU.
    Now(Box<Compiler>),
    /// By a thread.
    Beside(Worker),
}

/// The compiler, and what it has made, for all vCPUs.
pub(crate) struct Jit {
    tier: Tier,
    /// See [`Compiled::ready`].
    ready: Arc<AtomicBool>,
    buffer: CodeBuffer,
    /// Code for what is not compiled, or not yet.
    strips: Option<Strips>,
    /// See [`Options::warm`].
    warm: u32,
    entrance: Entrance,
    /// See [`emit::dispatch`].
    dispatch: u64,
    /// See [`emit::linked`].
    linked: u64,
    kept: Option<Arc<Kept>>,
    /// After how many entries traces are looked for among the kept ones: see [`reuse::asks`].
    asks: [i64; 2],
    /// How often they have been.
    asked: Asked,
    /// Those whose kept wide regions were looked for once.
    awaited: HashSet<*const TracedOp, pool::Hash>,
    /// The code of traces that have none.
    cold: u64,
    threshold: i64,
    regions: Regions,
    /// Traces that cannot be compiled.
    hopeless: HashSet<*const TracedOp, pool::Hash>,
    /// How many instructions its vCPU had executed when a region was first left where that was not expected, by first traces.
    left_since: HashMap<*const TracedOp, u64, pool::Hash>,
    /// What is known of accesses that were not in the page that they were expected in, by traces.
    apart: HashMap<*const TracedOp, reconsider::Apart, pool::Hash>,
    /// What the numbers of all pages with code have in common: see [`code_span`].
    span: Option<u64>,
    perf: Option<PerfMap>,
    sabotage: Option<u64>,
    /// See [`Options::shared`].
    pub(crate) shared: bool,
    /// The first traces of the regions whose code was placed in each segment of the buffer. Some may have been dropped since.
    placed: [Vec<*mut TracedOp>; SEGMENTS],
    /// Nobody enters the code in the next segment any more; at this epoch of the pool nobody is in it.
    draining: Option<u64>,
    statistics: Statistics,
}

// SAFETY: the pointers lead into traces of the pool, and are followed only as it allows.
unsafe impl Send for Jit {}

/// A trace is taken into a region if it was entered at least this part of the threshold's times.
const WARM: i64 = 4;

/// Strips have this part of the room for code.
const STRIPS: usize = 8;

/// After so many more entries a trace that found the worker busy asks again.
const AGAIN: i64 = 256;

impl Jit {
    fn new(options: Options, kept: Option<Arc<Kept>>, ready: Arc<AtomicBool>) -> Result<Self, Error> {
        let mut compiler = Compiler::new(options.verify)?.shared(options.shared);
        let strips = Strips::new(options.code_bytes / STRIPS);
        let mut buffer = CodeBuffer::up_to(options.code_bytes)?;
        let mut stub = |kind, body: fn(&mut Asm)| -> Result<Vec<u8>, Error> {
            Ok(compiler.compile(kind, body)?.bind(|_| None).ok_or(BufferError::Full)?)
        };
        let cold = buffer.place(&stub(Kind::Trace, emit::cold_code)?)? as u64;
        let entrance = buffer.place(&stub(Kind::Entrance, emit::entrance)?)?;
        let dispatch = stub(Kind::Trace, emit::dispatch)?;
        let linked = buffer.place(&stub(Kind::Trace, emit::linked)?)? as u64;
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
            true => match Worker::start(compiler, ready.clone()) {
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
            ready,
            buffer,
            strips,
            warm: options.warm,
            entrance,
            dispatch,
            linked,
            // Code that is wrong on purpose is for nobody.
            kept: kept.filter(|_| options.sabotage.is_none()),
            asks: reuse::asks(threshold),
            asked: Asked::default(),
            awaited: HashSet::default(),
            cold,
            threshold,
            regions: Regions::default(),
            hopeless: HashSet::default(),
            left_since: HashMap::default(),
            apart: HashMap::default(),
            span: None,
            perf,
            sabotage: options.sabotage,
            shared: options.shared,
            placed: Default::default(),
            draining: None,
            statistics: Statistics::default(),
        };
        Ok(jit)
    }

    /// Makes entry ops of a region's traces enter its code.
    ///
    /// # Safety
    /// The region's traces are live ones of the pool, and the code was made for them. This vCPU executes no code.
    unsafe fn install(&mut self, run: &mut Run, pool: &mut Locked<'_>, number: u64, region: &[Found], code: Code) {
        let entries = code.entries.clone();
        let span_of = |found: &Found| code_span(found.host >> 12);
        let span = *self.span.get_or_insert_with(|| region.first().map_or(0, span_of));
        let address = |symbol| match symbol {
            Symbol::Dispatch => Some(self.dispatch),
            Symbol::Linked => Some(self.linked),
            Symbol::CodeTag { member } => {
                let page = region.get(usize::from(member)).filter(|found| span_of(found) == span)?;
                Some(code_tag(page.host >> 12))
            }
            symbol => gather::address(region, symbol),
        };
        let (Some(code), Some(Found { entry, .. })) = (code.bind(address), region.first()) else { return };
        let entry = *entry;
        let instructions: u64 = region.iter().map(|found| found.used as u64).sum();
        // SAFETY: the caller's promise.
        let place = match unsafe { self.place(run, pool, &code) } {
            Room::At(place) => place,
            // SAFETY: the caller's promise.
            Room::Later => return unsafe { hot::set_left(entry, AGAIN) },
            Room::Never => return self.refuse(entry),
        };
        if let Some(perf) = &mut self.perf {
            // SAFETY: the caller's promise.
            let at = unsafe { (*entry).offset };
            let rip = run.cpu.regs[usize::from(RIP_BASE)].wrapping_add(u64::from(at));
            perf.add(place as u64, code.len(), format_args!("guest_{rip:x}"));
        }
        self.statistics.traces += 1;
        self.statistics.instructions += instructions;
        self.statistics.bytes += code.len() as u64;
        let mut replaced = Vec::new();
        for entry in self.regions.install(number, region, &entries) {
            self.placed[self.buffer.segment()].push(entry);
            // SAFETY: the caller's promise.
            unsafe {
                if hot::code(entry) != self.cold {
                    replaced.push(entry);
                }
                self.count_entries(entry);
                hot::set_code(entry, place as u64, enter::enter);
            }
        }
        if !replaced.is_empty() {
            run.jumps.forget_code_of(replaced, self.cold);
            self.lose(run, pool);
        }
    }

    /// Code that some traces had is not theirs any more, and ends without notice when one of its traces does: nobody may remember it.
    fn lose(&self, run: &mut Run, pool: &mut Locked<'_>) {
        pool.lose(Loss::Code);
        run.cache.knows_loss(pool);
    }

    /// Notes that a trace cannot be compiled.
    fn refuse(&mut self, entry: *const TracedOp) {
        self.statistics.refused += 1;
        self.hopeless.insert(entry);
    }

    /// Whether a trace has code of its own.
    pub fn has_code(&self, entry: *const TracedOp) -> bool {
        self.regions.has_code(entry)
    }

    fn statistics(&self) -> Statistics {
        let strips = self.strips.as_ref().map_or(0, |strips| strips.made().strips);
        Statistics { strips, ..self.statistics }
    }

    /// See [`hot::Hot::warmth`].
    fn warmth(&self) -> i64 {
        match self.strips {
            Some(_) => i64::from(self.warm.max(1).next_power_of_two()).min(hot::AGAIN),
            None => hot::AGAIN,
        }
    }

    /// Whether a trace has a strip.
    pub fn has_strip(&self, entry: *const TracedOp) -> bool {
        self.strips.as_ref().is_some_and(|strips| strips.has(entry))
    }

    /// How often a trace has been entered, as far as that is known.
    pub fn count(&self, entry: *const TracedOp) -> u32 {
        // Of a trace that is still to be asked for, the counter says something else.
        if self.kept.is_some() && !self.was_asked_for(entry) {
            return 0;
        }
        if self.has_code(entry) {
            // The counter counts something else by now.
            return self.threshold as u32;
        }
        // SAFETY: only traces of the pool are asked about.
        u32::try_from(self.threshold - unsafe { hot::left(entry) }).unwrap_or(0)
    }

    /// How often a trace must have been entered to be taken into a region.
    pub fn enough(&self) -> u32 {
        (self.threshold / WARM) as u32
    }

    /// A trace is no more. Whether regions that begin with other traces are gone, too.
    fn drop_trace(&mut self, entry: *const TracedOp) -> bool {
        self.hopeless.remove(&entry);
        self.left_since.remove(&entry);
        self.apart.remove(&entry);
        self.asked.forget(entry);
        self.awaited.remove(&entry);
        if let Some(strips) = &mut self.strips {
            strips.forget(entry);
        }
        let others = self.regions.end(entry);
        for other in &others {
            // SAFETY: a region ends when the first of its traces is dropped, so they have not been dropped before, and what is being
            // dropped now is not freed yet.
            unsafe { self.cool(*other) };
        }
        !others.is_empty()
    }

    /// Installs what the worker has finished. Only between ops.
    fn collect(&mut self, run: &mut Run, pool: &mut Locked<'_>) {
        while let Tier::Beside(worker) = &self.tier
            && let Some(done) = worker.take()
        {
            let Some((region, mode)) = self.regions.arrived(done.ticket) else {
                self.statistics.time += done.time;
                continue;
            };
            // SAFETY: the ticket of a region of which a trace is dropped is forgotten, so all of them live.
            unsafe { self.finish(run, pool, mode, &region, done) }
        }
    }

    /// Takes what came of a region's compilation.
    ///
    /// # Safety
    /// The region's traces are live ones of the pool. This vCPU executes no code.
    unsafe fn finish(&mut self, run: &mut Run, pool: &mut Locked<'_>, mode: Mode, region: &[Found], done: Done) {
        self.statistics.time += done.time;
        match done.code {
            Some(code) => {
                self.keep(mode, region, &code, done.closed);
                // SAFETY: the caller's promise.
                unsafe { self.install(run, pool, done.ticket, region, code) }
            }
            // What has code keeps it.
            None if done.closed => {}
            None => self.refuse(region[0].entry),
        }
    }
}

/// One vCPU of the engine.
pub struct JitVcpu {
    interp: InterpVcpu,
    own: *mut Own,
}

// SAFETY: what the pointer leads to belongs to this vCPU alone.
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
        let common = Common::new(options, kept).map_err(|e| EngineError(e.to_string()))?;
        Ok(Self::sharing(index, model, memory, signals, Arc::new(common)))
    }

    /// The same, with code that others of the same model and memory use, too.
    fn sharing(
        index: u32,
        model: Arc<Model>,
        memory: Arc<GuestMemory>,
        signals: Arc<Signals>,
        common: Arc<Common>,
    ) -> Self {
        let mut interp = InterpVcpu::sharing(index, model, memory, signals, common.pool.clone());
        let jit = common.compiled.lock();
        let (threshold, code, entrance) = (jit.patience(), jit.cold, jit.entrance);
        let warmth = jit.warmth();
        drop(jit);
        let own = Box::into_raw(Box::new(Own::new(common, entrance)));
        interp.run_mut().cache.hot = Some(Hot {
            threshold,
            notice: enter::notice,
            warm: enter::warm,
            sampled: enter::sampled,
            warmth,
            owner: own.cast(),
            code,
        });
        JitVcpu { interp, own }
    }

    fn own(&self) -> &Own {
        // SAFETY: the vCPU owns it and is not running.
        unsafe { &*self.own }
    }

    /// Does something with what was compiled.
    fn with<R>(&mut self, f: impl FnOnce(&mut Run, &mut Locked<'_>, &mut Jit) -> R) -> R {
        let common = self.own().common.clone();
        let mut pool = common.pool.lock();
        f(self.interp.run_mut(), &mut pool, &mut common.compiled.lock())
    }

    /// What compilation has cost so far, for all that share code with this vCPU.
    pub fn statistics(&self) -> Statistics {
        self.own().common.compiled.lock().statistics()
    }

    /// The region around a linear address compiled for another processor ("x86_64", "aarch64"): how many instructions it has,
    /// and the code, to look at. `None` if nothing is known there.
    pub fn emit_for(&mut self, linear: u64, target: &str) -> Result<Option<(u64, Vec<u8>)>, CompileError> {
        self.with(|run, pool, jit| explain::emit_for(run, pool, jit, linear, target))
    }

    /// The code generator's input for the last trace, for people; nothing if a thread compiles.
    pub fn last_text(&self) -> String {
        match &self.own().common.compiled.lock().tier {
            Tier::Now(compiler) => compiler.text(),
            Tier::Beside(_) => String::new(),
        }
    }
}

impl Vcpu for JitVcpu {
    fn run(&mut self, bus: &mut dyn CpuBus, budget: Budget) -> Exit {
        if self.own().common.compiled.ready.load(Ordering::Acquire) {
            self.with(|run, pool, jit| {
                jit.ready.store(false, Ordering::Release);
                jit.collect(run, pool);
            });
        }
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
        let Exits { ops, cold, loops } = &self.own().exits;
        let mut counters = self.interp.counters();
        counters.push(("left compiled code for the run loop".into(), *loops));
        counters.push(("left compiled code for code that is not compiled".into(), *cold));
        let ops = Func::ALL.iter().map(|func| (func, ops[*func as usize])).filter(|(_, count)| *count > 0);
        counters.extend(ops.map(|(func, count)| (format!("left compiled code to interpret {func:?}"), count)));
        let Statistics {
            traces,
            instructions,
            bytes,
            refused,
            reconsidered,
            widened,
            strips,
            time,
            evicted,
            longest_eviction,
        } = self.statistics();
        counters.push(("made a strip".into(), strips));
        counters.push(("compiled a region".into(), traces));
        counters.push(("could not compile a region".into(), refused));
        counters.push(("compiled a region anew".into(), reconsidered));
        counters.push(("compiled a wide region".into(), widened));
        counters.push(("compiled an instruction".into(), instructions));
        counters.push(("made a byte of code".into(), bytes));
        counters.push(("spent a millisecond compiling".into(), time.as_millis() as u64));
        counters.push(("dropped a region's code to make room".into(), evicted));
        counters.push(("waited a microsecond, at the longest, for that".into(), longest_eviction.as_micros() as u64));
        counters
    }

    fn tier(&mut self, linear: u64) -> Option<&'static str> {
        Some(self.with(|run, pool, jit| explain::tier(run, pool, jit, linear)))
    }

    fn explain(&mut self, linear: u64) -> Option<String> {
        self.with(|run, pool, jit| explain::explain(run, pool, jit, linear))
    }
}

impl Drop for JitVcpu {
    fn drop(&mut self) {
        let Counts { added, written, patched, full, dropped, code } = self.own().common.pool.counts();
        tracing::info!(
            executed = self.interp.retired(),
            added,
            written,
            patched,
            full,
            dropped,
            code,
            "a vCPU ends; traces of all"
        );
        self.interp.run_mut().cache.hot = None;
        // SAFETY: made by `Box::into_raw`, and nobody will look at it again: traces run only in `run`.
        drop(unsafe { Box::from_raw(self.own) });
    }
}

impl Drop for Jit {
    fn drop(&mut self) {
        let Statistics {
            traces,
            instructions,
            bytes,
            refused,
            reconsidered,
            widened,
            time,
            evicted,
            longest_eviction,
            ..
        } = self.statistics;
        let milliseconds = time.as_millis() as u64;
        tracing::info!(
            regions = traces,
            refused,
            reconsidered,
            widened,
            instructions,
            bytes,
            milliseconds,
            "what was compiled"
        );
        if let Some(strip::Made { strips, ops, bytes, dropped }) = self.strips.as_ref().map(Strips::made) {
            tracing::info!(strips, ops, bytes, dropped, "what was made for traces that are warm");
        }
        if evicted > 0 {
            tracing::info!(regions = evicted, ?longest_eviction, "what made room for other code");
        }
    }
}
