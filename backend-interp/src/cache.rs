//! Decoded code: traces of ops by physical page, and the cache of where indirect jumps lead.
//!
//! A trace is straight-line code from one entry to a jump that is always taken, or the end of the page; conditional jumps
//! stay inside. Traces do not know their linear address (see `frontend_x86::op`), so every mapping of a page shares them.
//! A page's traces are dropped together when its code is written to; their memory is kept until no handler can be in it.
//! They belong to all vCPUs ([`crate::pool`]); here is what one of them has come across, so that it finds it without a lock.

use crate::crossing;
use crate::handlers;
use crate::hot::{self, Hot};
use crate::iteration;
use crate::jumps::PageJumps;
use crate::pool::{Hash, Locked, Loss, Pool, Source, TraceKey, TracedOps, User};
use crate::profile;
use crate::run::{Handler, TracedOp};
use crate::shapes::{self, Shape};
use crate::traced::Apart;
use frontend_x86::Cpu;
use frontend_x86::decode::{Code, DecodeError, Decoded};
use frontend_x86::flags::rflags;
use frontend_x86::op::bits::{FLAGS, FUSED};
use frontend_x86::op::{Func, Ins, Op};
use frontend_x86::tlb::Entry;
use lyrebird_memory::{CodeWatch, GuestMemory, HostPage};
use std::collections::HashMap;
use std::ptr::null;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Most ops in a trace; `Op::count` holds their number.
const MAX_TRACE: usize = 128;
/// So many bytes hold most traces.
const MOSTLY: usize = 256;
/// So many traces are known without asking the pool.
const NEAR: usize = 1024;
/// How often code is read again because some was written to.
const TRIES: usize = 8;

/// A trace that was decoded.
struct Fresh {
    ops: TracedOps,
    /// See [`Source`].
    behind: Option<usize>,
    end: u16,
}

/// The traces that were looked up last: a direct-mapped cache.
struct Near(Box<[(TraceKey, *const TracedOp)]>);

impl Near {
    const NOTHING: (TraceKey, *const TracedOp) = ((0, 0, 0), null());

    fn new() -> Self {
        Near(vec![Self::NOTHING; NEAR].into())
    }

    fn slot(&mut self, key: TraceKey) -> &mut (TraceKey, *const TracedOp) {
        let (page, mode, offset) = key;
        &mut self.0[(page >> 12 ^ page >> 22 ^ usize::from(offset) ^ usize::from(mode) << 5) % NEAR]
    }

    fn find(&mut self, key: TraceKey) -> Option<*const TracedOp> {
        let (known, first) = *self.slot(key);
        (known == key && !first.is_null()).then_some(first)
    }

    fn forget(&mut self, key: TraceKey) {
        if self.slot(key).0 == key {
            *self.slot(key) = Self::NOTHING;
        }
    }

    fn clear(&mut self) {
        self.0.fill(Self::NOTHING);
    }
}

/// What [`CodeCache::refresh`] has dropped.
pub enum Dropped {
    /// Nothing.
    Nothing,
    /// Everything that was known.
    All,
    /// Some traces.
    Some {
        /// All in these host pages.
        pages: Vec<usize>,
        /// Those with these entries.
        traces: Vec<*const TracedOp>,
        /// Where the cache of jumps leads to them; nothing if it is to be searched.
        jumps: Option<Vec<u16>>,
    },
}

/// Adds where the cache of jumps leads to a page.
fn add(jumps: &mut Option<Vec<u16>>, known: &PageJumps) {
    match (jumps.as_mut(), known.places()) {
        (Some(jumps), Some(places)) => jumps.extend_from_slice(places),
        _ => *jumps = None,
    }
}

/// The decoded code that one vCPU knows, of the pool that it shares with others.
pub struct CodeCache {
    pool: Arc<Pool>,
    user: Arc<User>,
    /// The pool's epoch up to which what was dropped is forgotten here.
    seen: u64,
    near: Near,
    /// Where the cache of jumps leads to traces of a page.
    pages: HashMap<usize, PageJumps, Hash>,
    scratch: Scratch,
    watch: Arc<CodeWatch>,
    epoch: u64,
    code_epoch: u64,
    /// The next instruction is to be executed by itself: it lies across two pages.
    pub step_next: bool,
    /// The engine above, if there is one: then every trace begins with an entry op.
    pub hot: Option<Hot>,
}

// SAFETY: the raw pointers point into traces of the pool, which frees none that this vCPU has not said to have forgotten.
unsafe impl Send for CodeCache {}

impl CodeCache {
    /// Nothing known of a pool; hears of writes to this memory.
    pub fn new(memory: &GuestMemory, pool: Arc<Pool>) -> Self {
        pool.belong_to(memory);
        CodeCache {
            user: pool.join(),
            seen: pool.epoch(),
            pool,
            near: Near::new(),
            pages: HashMap::default(),
            scratch: Scratch::new(),
            watch: memory.watch_code(),
            epoch: memory.epoch(),
            code_epoch: memory.code_epoch(),
            step_next: false,
            hot: None,
        }
    }

    /// Whether code was written to, the memory map changed, or something was dropped or must be, since [`CodeCache::refresh`].
    #[inline]
    pub fn stale(&self, memory: &GuestMemory) -> bool {
        self.watch.pending() || memory.epoch() != self.epoch || self.pool.epoch() != self.seen || self.pool.is_full()
    }

    /// Changes with the map of memory.
    #[inline]
    pub fn map_epoch(&self) -> u64 {
        self.epoch
    }

    /// Drops what is stale. Only between handlers.
    pub fn refresh(&mut self, cpu: &mut Cpu) -> Dropped {
        let written = if self.watch.pending() { self.watch.take() } else { Vec::new() };
        let full = self.pool.is_full();
        let mut dropped = Dropped::Nothing;
        if !written.is_empty() || full || self.pool.epoch() != self.seen {
            let pool = self.pool.clone();
            let mut pool = pool.lock();
            pool.drop_written(&written, &self.user);
            if full {
                pool.make_room();
            }
            dropped = self.forget(pool.since(self.seen));
            self.seen = pool.epoch();
            pool.has_seen(&self.user);
        }
        let epoch = cpu.memory.epoch();
        if epoch != self.epoch {
            cpu.refresh_view();
            self.epoch = epoch;
        }
        self.follow_code(cpu);
        dropped
    }

    /// Forgets what was dropped.
    fn forget(&mut self, losses: Option<Vec<Loss>>) -> Dropped {
        let Some(losses) = losses.filter(|losses| !losses.contains(&Loss::Sight)) else {
            self.near.clear();
            self.pages.clear();
            return Dropped::All;
        };
        let (mut pages, mut traces, mut jumps) = (Vec::new(), Vec::new(), Some(Vec::new()));
        for loss in losses {
            match loss {
                Loss::Code | Loss::Sight => jumps = None,
                Loss::Page(page) => {
                    if pages.is_empty() {
                        self.near.clear();
                    }
                    if let Some(known) = self.pages.remove(&page) {
                        pages.push(page);
                        add(&mut jumps, &known);
                    }
                }
                Loss::Trace(key, first) => {
                    self.near.forget(key);
                    if let Some(known) = self.pages.get(&key.0) {
                        traces.push(first);
                        add(&mut jumps, known);
                    }
                }
            }
        }
        let nothing = pages.is_empty() && traces.is_empty() && jumps.is_some();
        if nothing { Dropped::Nothing } else { Dropped::Some { pages, traces, jumps } }
    }

    /// Whether everything that was dropped so far is forgotten here.
    #[inline]
    pub fn is_fresh(&self) -> bool {
        self.pool.epoch() == self.seen
    }

    /// This vCPU knows already what the engine above has just dropped ([`Loss::Code`]), and is in no code.
    pub fn knows_loss(&mut self, pool: &mut Locked<'_>) {
        if self.seen + 1 == pool.epoch() {
            self.seen = pool.epoch();
            pool.has_seen(&self.user);
        }
    }

    /// All that has been decoded.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The vCPU begins to run.
    pub fn start(&mut self, shared: bool) {
        self.user.begin(self.seen, shared);
    }

    /// It does not run any more, and is in no handler.
    pub fn stop(&self) {
        self.user.rest();
    }

    /// The vCPU begins to run beside others: from now on they may have to wait until it drops its fast write paths.
    pub fn begin(&mut self, cpu: &mut Cpu) {
        self.watch.begin(self.code_epoch);
        self.follow_code(cpu);
    }

    /// It does not run any more.
    pub fn rest(&self) {
        self.watch.rest();
    }

    /// Drops this vCPU's fast write paths, if some page has got its first code.
    fn follow_code(&mut self, cpu: &mut Cpu) {
        let epoch = cpu.memory.code_epoch();
        if epoch != self.code_epoch {
            cpu.tlb.flush_writes();
            self.code_epoch = epoch;
            self.watch.know(epoch);
        }
    }

    /// Waits until the other vCPUs have dropped theirs.
    fn await_others(&mut self, cpu: &mut Cpu) {
        self.follow_code(cpu);
        self.watch.rest();
        cpu.memory.await_others(&self.watch);
        self.begin(cpu);
    }

    /// Stops hearing of writes: the vCPU goes away.
    pub fn retire(&self, memory: &GuestMemory) {
        memory.unwatch_code(&self.watch);
        self.pool.leave(&self.user);
    }

    /// Notes that the cache of jumps leads to a trace of this page.
    pub fn note_jump(&mut self, page: usize, place: u16) {
        self.pages.entry(page).or_default().note(place);
    }

    /// The trace that begins at this offset of a host page; decodes it if need be. `gpa` is the page's guest-physical
    /// address. `null` if the first instruction goes on in the next page, or others have dropped something: traces that are newer than what
    /// this vCPU still knows are not for it, or it would execute them first and then what was there before.
    pub fn trace(&mut self, cpu: &mut Cpu, page: &HostPage, gpa: u64, offset: u16) -> *const TracedOp {
        let key = (page.key(), mode_key(cpu), offset);
        if let Some(first) = self.near.find(key) {
            return first;
        }
        let (known, kept) = {
            let mut pool = self.pool.lock();
            if pool.epoch() != self.seen {
                return null();
            }
            let known = pool.wanted(key);
            (known, if known.is_none() { pool.shelf().length(&key) } else { None })
        };
        let first = known.unwrap_or_else(|| self.decode(cpu, page, gpa, key, kept));
        if !first.is_null() {
            *self.near.slot(key) = (key, first);
        }
        first
    }

    /// Decodes a trace and adds it to the pool. On the shelf there may be one that was decoded from so many bytes.
    fn decode(
        &mut self,
        cpu: &mut Cpu,
        page: &HostPage,
        gpa: u64,
        key: TraceKey,
        kept: Option<usize>,
    ) -> *const TracedOp {
        for _ in 0..TRIES {
            let (stamp, last) = (cpu.memory.code_stamp(), cpu.memory.code_stamp_of(page.key()));
            let Some(Fresh { ops, behind, end }) = self.read(cpu, page, gpa, key, kept) else { return null() };
            let mut pool = self.pool.lock();
            if pool.epoch() != self.seen {
                return null();
            }
            // It was written to meanwhile, and another vCPU may have forgotten it already: it would not be told again.
            let same = match behind {
                None => cpu.memory.code_stamp_of(page.key()) == last,
                Some(_) => cpu.memory.code_stamp() == stamp,
            };
            if !same {
                continue;
            }
            let bytes = self.scratch.page.get(usize::from(key.2)..usize::from(end)).filter(|_| behind.is_none());
            return pool.insert(key, ops, Source { bytes: bytes.unwrap_or_default(), behind, end, stamp });
        }
        // Others write to code all the time.
        null()
    }

    /// Reads a trace, by way of the scratch page, and marks its bytes as code, so that no write to them goes unnoticed.
    fn read(&mut self, cpu: &mut Cpu, page: &HostPage, gpa: u64, key: TraceKey, kept: Option<usize>) -> Option<Fresh> {
        let from = usize::from(key.2);
        let at = gpa & !0xfff | u64::from(key.2);
        let hot = self.hot;
        let end = |ops: &TracedOps| ops.ops.iter().rev().find(|op| op.length() > 0).map(|op| op.op().next_offset());
        loop {
            let scratch = &mut self.scratch;
            let kept = kept.map(|length| from..from + length);
            let kept = kept.filter(|range| cpu.memory.read(at, &mut scratch.page[range.clone()]).is_ok());
            let (ops, behind) = match kept.and_then(|range| self.pool.lock().shelf().take(&key, &scratch.page[range])) {
                Some(mut ops) => {
                    if let (Some(hot), Some(first)) = (&hot, ops.ops.first_mut()) {
                        *first = entry(hot, key.2);
                    }
                    (ops, None)
                }
                None => {
                    let near = (from + MOSTLY).min(4096);
                    cpu.memory.read(at, &mut scratch.page[from..near]).ok()?;
                    match build(cpu, scratch, near, key.2, hot.as_ref()) {
                        Some(built) => built,
                        None => {
                            cpu.memory.read(at, &mut scratch.page[from..]).ok()?;
                            build(cpu, scratch, 4096, key.2, hot.as_ref())?
                        }
                    }
                }
            };
            let last = end(&ops)?;
            let fresh = Fresh { ops, behind, end: last as u16 };
            let new = cpu.memory.mark_code(page, u64::from(key.2), (last - 1).min(4095));
            if !cpu.memory.is_shared() {
                if new {
                    // Stores to the page must go the slow way from now on; this CPU's at once.
                    cpu.tlb.flush_writes_to(page.key() as u64);
                }
                if new || behind.is_some() {
                    self.code_epoch = cpu.memory.code_epoch();
                }
                return Some(fresh);
            }
            // What was read before all are sure to tell of writes is read again.
            self.await_others(cpu);
            let scratch = &mut self.scratch;
            let mut now = [0; 4096];
            let range = from..usize::from(last as u16).min(4096);
            if cpu.memory.read(at, &mut now[range.clone()]).is_err() || now[range.clone()] != scratch.page[range] {
                continue;
            }
            if behind.is_none() {
                return Some(fresh);
            }
            let again = build(cpu, scratch, 4096, key.2, hot.as_ref())?;
            if again.1 == behind && end(&again.0) == Some(last) && cpu.memory.code_epoch() == self.code_epoch {
                return Some(Fresh { ops: again.0, ..fresh });
            }
        }
    }

    /// The trace at another offset of the page that the current op stands in: the target of a jump. Null if it needs a
    /// step by itself.
    pub fn resolve(&mut self, cpu: &mut Cpu, _from: *const TracedOp, offset: u16) -> *const TracedOp {
        let rip = cpu.rip;
        let linear = linear_of(cpu, rip);
        let Some(entry) = executable(cpu, linear) else { return null() };
        let physical = cpu.tlb.banks[cpu.bank as usize].physical(frontend_x86::tlb::index(linear));
        let _ = entry;
        match cpu.view.lookup(physical).readable() {
            Some(page) => self.trace(cpu, &page, physical, offset),
            None => null(),
        }
    }
}

/// The linear address of an instruction pointer.
pub fn linear_of(cpu: &Cpu, rip: u64) -> u64 {
    match cpu.mode.code {
        frontend_x86::cpu::CodeSize::Bits64 => rip,
        _ => cpu.state.seg[1].base.wrapping_add(rip) & 0xffff_ffff,
    }
}

/// The TLB entry for a fetch, if there is one.
pub fn executable(cpu: &Cpu, linear: u64) -> Option<Entry> {
    let bank = &cpu.tlb.banks[cpu.bank as usize];
    let entry = bank.entry(frontend_x86::tlb::index(linear));
    entry.fetches(linear).then_some(entry)
}

/// Whether every byte of the page whose first byte has this RIP is inside the code segment. A RIP below zero belongs to a
/// page that the segment begins in the middle of.
pub fn within_limit(cpu: &Cpu, base: u64) -> bool {
    cpu.mode.code == frontend_x86::cpu::CodeSize::Bits64
        || (base as i64).saturating_add(0xfff) <= i64::from(cpu.state.seg[1].limit)
}

/// Whether a jump inside the page is a jump inside the page whatever the page's RIP: not where the segment begins in its
/// middle, since RIPs below zero wrap to the segment's end.
pub fn may_link(cpu: &Cpu) -> bool {
    cpu.regs[frontend_x86::op::RIP_BASE as usize] as i64 >= 0 || cpu.mode.code == frontend_x86::cpu::CodeSize::Bits64
}

/// The mode's part of a trace's key, with a bit for pages in which jumps may not be linked.
pub fn mode_key(cpu: &Cpu) -> u16 {
    u16::from(cpu.mode.key()) | u16::from(!may_link(cpu)) << 8
}

/// One op alone with an end after it, for [`crate::slow::step`].
pub fn single(decoded: Decoded) -> TracedOps {
    let op = profile::without(Op { count: 1, ..decoded.op });
    let mut apart = Apart::new();
    let alone = TracedOp::new(&op, shapes::number(Shape::new(&op)), handlers::of(op.ins), &mut apart);
    let end = TracedOp::pseudo(Func::Goto, handlers::across_pages, op.next_offset(), 1);
    TracedOps::new(vec![alone, end], apart, None)
}

/// What is needed for the time in which a trace is decoded, kept for the next one.
struct Scratch {
    page: Box<[u8; 4096]>,
    decoded: Vec<Decoded>,
    ops: Vec<TracedOp>,
    shapes: shapes::Near,
}

impl Scratch {
    fn new() -> Self {
        Scratch {
            page: Box::new([0; 4096]),
            decoded: Vec::with_capacity(MAX_TRACE),
            ops: Vec::with_capacity(MAX_TRACE + 4),
            shapes: shapes::Near::new(),
        }
    }
}

/// The op that a trace begins with for the engine above.
fn entry(hot: &Hot, offset: u16) -> TracedOp {
    let mut entry = TracedOp::pseudo(Func::Nop, hot::entry, u64::from(offset), 0);
    entry.set_word(hot.code);
    // SAFETY: nobody else has it yet.
    unsafe { hot::set_left(&entry, hot.threshold) };
    entry
}

/// Decodes a trace. Empty if the first instruction does not end in this page, unless what is mapped behind it is known: then
/// the trace goes on to that instruction's end, and the host page that it ends in is given, too. Where no engine above looks at the
/// ops, loops that copy are made short work of. Of the page only the beginning may be given: `None` if that is not enough.
fn build(
    cpu: &mut Cpu,
    scratch: &mut Scratch,
    given: usize,
    offset: u16,
    hot: Option<&Hot>,
) -> Option<(TracedOps, Option<usize>)> {
    let Scratch { page, decoded, ops, shapes } = scratch;
    let page = &page[..given];
    decoded.clear();
    ops.clear();
    let mut at = usize::from(offset);
    let mut ended = false;
    let mut across = false;
    let mut behind = None;
    let mut code = Code::new(&page[at..], offset, cpu.mode);
    while at < 4096 && decoded.len() < MAX_TRACE && !ended {
        if at >= page.len() {
            return None;
        }
        match code.next(&cpu.model) {
            // A jump that has no room for a link is executed by itself.
            Ok(d) if TracedOp::is_jump_apart(&d.op, shapes) => {
                across = true;
                break;
            }
            Ok(d) => {
                at += usize::from(d.op.len);
                ended = d.ends_block;
                decoded.push(d);
            }
            Err(DecodeError::NeedMore) if page.len() < 4096 => return None,
            Err(DecodeError::NeedMore) => {
                behind = crossing::decode(cpu, &page[at..], at as u16);
                match &behind {
                    Some(crossing) if !TracedOp::is_jump_apart(&crossing.decoded.op, shapes) => {
                        at += usize::from(crossing.decoded.op.len);
                        decoded.push(crossing.decoded);
                    }
                    _ => (behind, across) = (None, true),
                }
                break;
            }
        }
    }
    if decoded.is_empty() {
        return Some((TracedOps::new(Vec::new(), Apart::new(), None), None));
    }
    drop_dead_flags(decoded);
    let copies = if hot.is_none() { iteration::find(decoded, offset) } else { None };
    let (back, plan) = copies.map(|found| (found.back, found.plan)).unzip();
    let behind = behind.map(|crossing| crossing.page);
    let mut jump = 0;
    let mut apart = Apart::new();
    ops.extend(hot.map(|hot| entry(hot, offset)));
    // The op before, if it may be the first of a pair: ops that go well together have one handler, that of the first. Nothing comes to the
    // second but from there.
    let mut before: Option<Ins> = None;
    for (n, d) in decoded.iter().enumerate() {
        let mut op = profile::without(d.op);
        op.count = (n + 1) as u8;
        if op.next_offset() > 4096
            && let Some(behind) = behind
        {
            let at = u64::from(op.offset);
            let mut guard = TracedOp::pseudo(Func::Across, handlers::across, at, op.count);
            guard.set_word(behind as u64);
            ops.push(guard);
            before = None;
        }
        let next = decoded.get(n + 1).filter(|next| next.op.next_offset() <= 4096 && back != Some(n + 1));
        if let Some(fused) = next.and_then(|next| fuse(op.ins, &next.op)) {
            op.ins = fused;
        }
        let row = shapes.row(Shape::new(&op));
        let mut handler = row.handler;
        if back == Some(n) {
            handler = handlers::back;
            jump = ops.len();
        }
        let traced = TracedOp::new(&op, row.number, handler, &mut apart);
        let here = Some(op.ins).filter(|_| !traced.is_apart());
        let pair = before.zip(here).and_then(|(before, here)| handlers::of_pair(before, here));
        if let (Some(handler), Some(first)) = (pair, ops.last_mut()) {
            first.set_handler(handler);
        }
        before = here.filter(|_| pair.is_none());
        ops.push(traced);
    }
    let count = decoded.len() as u8;
    // Nothing comes to what is behind a jump that never goes on.
    if ops.last().is_some_and(|last| !last.is_last()) {
        let (handler, count) = if across {
            (handlers::across_pages as Handler, count + 1)
        } else {
            (handlers::of(TracedOp::pseudo_op(Func::Goto).ins), count)
        };
        ops.push(TracedOp::pseudo(Func::Goto, handler, at as u64, count));
    }
    let plan = plan.map(|plan| {
        // Behind the trace's end, where nothing goes.
        let distance = (ops.len() - jump) as u8;
        ops[jump].small(handlers::TO_PLAN).store(distance, Ordering::Relaxed);
        let plan = Box::new(plan);
        let mut told = TracedOp::pseudo(Func::Nop, handlers::across_pages, at as u64, count);
        told.set_word((&raw const *plan).expose_provenance() as u64);
        ops.push(told);
        plan
    });
    // As many as there are: there will be a hundred thousand traces.
    Some((TracedOps::new(ops.drain(..), apart, plan), behind))
}

/// The shape of an op together with the conditional jump after it, if a handler for both exists.
fn fuse(i: Ins, next: &Op) -> Option<Ins> {
    if next.ins.func != Func::Jcc || !matches!(i.func, Func::Alu | Func::Unary) {
        return None;
    }
    let fused = Ins { sub: i.sub | next.ins.sub << 4, bits: i.bits | FUSED | FLAGS, ..i };
    handlers::is_specialised(fused).then_some(fused)
}

/// Clears [`FLAGS`] where the flags are set again before anybody can look.
fn drop_dead_flags(decoded: &mut [Decoded]) {
    let mut live = rflags::ARITHMETIC;
    for d in decoded.iter_mut().rev() {
        if d.flags_touched != 0 && d.flags_touched & live == 0 && !d.may_stop {
            d.op.ins.bits &= !FLAGS;
        }
        // An instruction across pages may turn out to be another one.
        live = if d.may_stop || d.op.next_offset() > 4096 {
            rflags::ARITHMETIC
        } else {
            live & !d.flags_written | d.flags_read
        };
    }
}
