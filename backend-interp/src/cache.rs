//! Decoded code: traces of ops by physical page, and the cache of where indirect jumps lead.
//!
//! A trace is straight-line code from one entry to a jump that is always taken, or the end of the page; conditional jumps
//! stay inside. Traces do not know their linear address (see `frontend_x86::op`), so every mapping of a page shares them.
//! A page's traces are dropped together when its code is written to; their memory is kept until no handler can be in it.

use crate::crossing;
use crate::handlers;
use crate::hot::{self, Hot};
use crate::jumps::PageJumps;
use crate::run::{Handler, TracedOp};
use crate::shelf::Shelf;
use frontend_x86::Cpu;
use frontend_x86::decode::{self, DecodeError, Decoded};
use frontend_x86::flags::rflags;
use frontend_x86::op::bits::{FLAGS, FUSED};
use frontend_x86::op::{Func, Ins, Kind, Op, Width};
use frontend_x86::tlb::Entry;
use lyrebird_memory::{CodeWatch, GuestMemory, HostPage};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ptr::null;
use std::sync::Arc;

/// Most ops in a trace; `Op::count` holds their number.
const MAX_TRACE: usize = 128;
/// More decoded ops than this, about 80 MiB, and some pages are dropped.
const MAX_OPS: usize = 1 << 20;
/// So many at a time: the guest waits meanwhile.
const PAGES_AT_ONCE: usize = 16;

/// The ops of a trace, at an address that does not move.
pub struct TracedOps(Box<[TracedOp]>);

impl TracedOps {
    /// The trace's first op.
    pub fn first(&self) -> *const TracedOp {
        self.0.as_ptr()
    }
}

/// Which code: physical page, mode, and offset in the page.
pub type TraceKey = (usize, u16, u16);

/// A fast hash for keys that are spread already: host addresses and offsets.
#[derive(Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(u64::from(*b)));
    }
    fn write_u64(&mut self, v: u64) {
        self.0 = (self.0.rotate_left(23) ^ v).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    fn write_u16(&mut self, v: u16) {
        self.write_u64(u64::from(v));
    }
    fn write_usize(&mut self, v: usize) {
        self.write_u64(v as u64);
    }
}
/// Maps with that hash.
pub type Hash = BuildHasherDefault<KeyHasher>;

#[derive(Default)]
struct PageTraces {
    keys: Vec<TraceKey>,
    traces: Vec<TracedOps>,
    /// What the traces were decoded from; nothing for those that go on in the next page.
    bytes: Vec<Box<[u8]>>,
    /// Pages with a trace that goes on in the first bytes of this one.
    before: Vec<usize>,
    jumps: PageJumps,
}

/// What [`CodeCache::refresh`] has dropped.
pub enum Dropped {
    /// Nothing.
    Nothing,
    /// The traces in these host pages.
    Pages {
        /// The pages.
        pages: Vec<usize>,
        /// Where the cache of jumps leads to them; nothing if it is to be searched.
        jumps: Option<Vec<u16>>,
    },
}

/// All decoded code of one vCPU.
pub struct CodeCache {
    entries: HashMap<TraceKey, *const TracedOp, Hash>,
    pages: HashMap<usize, PageTraces, Hash>,
    /// Dropped, and perhaps to come again.
    shelf: Shelf,
    ops: usize,
    watch: Arc<CodeWatch>,
    epoch: u64,
    code_epoch: u64,
    /// The next instruction is to be executed by itself: it lies across two pages.
    pub step_next: bool,
    /// The engine above, if there is one: then every trace begins with an entry op.
    pub hot: Option<Hot>,
}

// SAFETY: the raw pointers point into traces that the same cache owns.
unsafe impl Send for CodeCache {}

impl CodeCache {
    /// An empty cache that hears of writes to this memory.
    pub fn new(memory: &GuestMemory) -> Self {
        CodeCache {
            entries: HashMap::default(),
            pages: HashMap::default(),
            shelf: Shelf::default(),
            ops: 0,
            watch: memory.watch_code(),
            epoch: memory.epoch(),
            code_epoch: memory.code_epoch(),
            step_next: false,
            hot: None,
        }
    }

    /// Whether code was written to, the memory map changed, or the cache became full, since [`CodeCache::refresh`].
    #[inline]
    pub fn stale(&self, memory: &GuestMemory) -> bool {
        self.watch.pending() || memory.epoch() != self.epoch || self.ops > MAX_OPS
    }

    /// Drops what is stale. Only between handlers.
    pub fn refresh(&mut self, cpu: &mut Cpu) -> Dropped {
        let mut pages = if self.watch.pending() { self.watch.take() } else { Vec::new() };
        if self.ops > MAX_OPS {
            // Any will do: which are still in use is not known. What comes again is decoded again.
            pages.extend(self.pages.keys().take(PAGES_AT_ONCE));
        }
        let (mut dropped, mut jumps) = (Vec::new(), Some(Vec::new()));
        pages.into_iter().for_each(|page| self.drop_page(page, &mut dropped, &mut jumps));
        let epoch = cpu.memory.epoch();
        if epoch != self.epoch {
            cpu.refresh_view();
            self.epoch = epoch;
        }
        self.follow_code(cpu);
        if dropped.is_empty() { Dropped::Nothing } else { Dropped::Pages { pages: dropped, jumps } }
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
    }

    /// Drops the traces of a page, and of pages whose traces go on in it; adds those pages to `dropped`, and where the cache of
    /// jumps leads to them to `jumps`, as long as that is all there is to forget.
    fn drop_page(&mut self, page: usize, dropped: &mut Vec<usize>, jumps: &mut Option<Vec<u16>>) {
        let Some(traces) = self.pages.remove(&page) else { return };
        dropped.push(page);
        for key in &traces.keys {
            self.entries.remove(key);
        }
        self.ops -= traces.traces.iter().map(|t| t.0.len()).sum::<usize>();
        if self.tell_dropped(&traces.traces) {
            *jumps = None;
        }
        for ((key, trace), bytes) in traces.keys.into_iter().zip(traces.traces).zip(traces.bytes) {
            self.shelf.put(key, bytes, trace.0.into_vec());
        }
        match (jumps.as_mut(), traces.jumps.places()) {
            (Some(jumps), Some(places)) => jumps.extend_from_slice(places),
            _ => *jumps = None,
        }
        for before in traces.before {
            self.drop_page(before, dropped, jumps);
        }
    }

    /// Notes that the cache of jumps leads to a trace of this page.
    pub fn note_jump(&mut self, page: usize, place: u16) {
        if let Some(traces) = self.pages.get_mut(&page) {
            traces.jumps.note(place);
        }
    }

    /// Whether the engine above has no code for other traces any more, too.
    fn tell_dropped(&self, traces: &[TracedOps]) -> bool {
        let mut others = false;
        if let Some(above) = &self.hot {
            // SAFETY: `owner` is what the engine above gave beside the function.
            traces.iter().for_each(|trace| others |= unsafe { (above.dropped)(above.owner, trace.first()) });
        }
        others
    }

    /// The trace that begins at this offset of a host page; decodes it if need be. `gpa` is the page's guest-physical
    /// address. `null` if the first instruction goes on in the next page.
    pub fn trace(&mut self, cpu: &mut Cpu, page: &HostPage, gpa: u64, offset: u16) -> *const TracedOp {
        let key = (page.key(), mode_key(cpu), offset);
        if let Some(op) = self.entries.get(&key) {
            return *op;
        }
        let mut bytes = [0; 4096];
        let from = usize::from(offset);
        let at = gpa & !0xfff | u64::from(offset);
        let end = |ops: &[TracedOp]| ops.iter().rev().find(|op| op.op.len > 0).map(|op| op.op.next_offset());
        let (mut ops, behind) = loop {
            let kept = self.shelf.length(&key).map(|length| from..from + length);
            let kept = kept.filter(|range| cpu.memory.read(at, &mut bytes[range.clone()]).is_ok());
            let (ops, behind) = match kept.and_then(|range| self.shelf.take(&key, &bytes[range])) {
                Some(ops) => (ops, None),
                None if cpu.memory.read(at, &mut bytes[from..]).is_err() => return null(),
                None => build(cpu, &bytes, offset),
            };
            let Some(last) = end(&ops) else { return null() };
            let new = cpu.memory.mark_code(page, u64::from(offset), (last - 1).min(4095));
            if !cpu.memory.is_shared() {
                if new {
                    // Stores to the page must go the slow way from now on; this CPU's at once.
                    cpu.tlb.flush_writes_to(page.key() as u64);
                }
                if new || behind.is_some() {
                    self.code_epoch = cpu.memory.code_epoch();
                }
                break (ops, behind);
            }
            // What was read before all are sure to tell of writes is read again.
            self.await_others(cpu);
            let mut now = [0; 4096];
            let range = from..usize::from(last as u16).min(4096);
            if cpu.memory.read(at, &mut now[range.clone()]).is_err() || now[range.clone()] != bytes[range] {
                continue;
            }
            if behind.is_none() {
                break (ops, behind);
            }
            let again = build(cpu, &bytes, offset);
            if again.1 == behind && end(&again.0) == Some(last) && cpu.memory.code_epoch() == self.code_epoch {
                break again;
            }
        };
        if let Some(behind) = behind {
            let before = &mut self.pages.entry(behind).or_default().before;
            if !before.contains(&page.key()) {
                before.push(page.key());
            }
        }
        if let Some(above) = &self.hot {
            let mut entry = pseudo(Func::Nop, hot::entry, u64::from(offset), 0);
            (entry.op.imm, entry.op.disp) = (above.code, above.threshold);
            ops.insert(0, entry);
        }
        let last = end(&ops).filter(|last| behind.is_none() && *last <= 4096).unwrap_or(0) as usize;
        let ops = TracedOps(ops.into_boxed_slice());
        let first = ops.first();
        self.ops += ops.0.len();
        let traces = self.pages.entry(page.key()).or_default();
        traces.keys.push(key);
        traces.traces.push(ops);
        traces.bytes.push(bytes.get(from..last).unwrap_or_default().into());
        self.entries.insert(key, first);
        first
    }

    /// The trace that begins at this offset of the page with this key, if it has been decoded for the mode.
    pub fn known(&self, page: usize, mode: u16, offset: u16) -> Option<*const TracedOp> {
        self.entries.get(&(page, mode, offset)).copied()
    }

    /// The trace in which the instruction at this offset lies, if one has been decoded for the mode: the one that begins last.
    pub fn around(&self, page: usize, mode: u16, offset: u16) -> Option<*const TracedOp> {
        let traces = self.pages.get(&page)?;
        let with = traces.keys.iter().zip(&traces.traces).filter(|((_, m, first), ops)| {
            *m == mode && *first <= offset && ops.0.iter().any(|op| op.op.len > 0 && op.op.offset == offset)
        });
        with.max_by_key(|((_, _, first), _)| *first).map(|(_, ops)| ops.first())
    }

    /// The trace at another offset of the page that the current op stands in: the target of a jump. Null if it needs a
    /// step by itself.
    pub fn resolve(&mut self, cpu: &mut Cpu, _from: *const TracedOp, offset: u16) -> *const TracedOp {
        let rip = cpu.rip;
        let linear = linear_of(cpu, rip);
        let Some(entry) = executable(cpu, linear) else { return null() };
        let physical = cpu.tlb.banks[cpu.bank as usize].physical[frontend_x86::tlb::index(linear)];
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
    let entry = bank.entries[frontend_x86::tlb::index(linear)];
    (entry.execute == linear & !0xfff).then_some(entry)
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

fn pseudo(func: Func, handler: Handler, offset: u64, count: u8) -> TracedOp {
    let ins = Ins {
        func,
        sub: 0,
        w: Width::Q,
        w2: Width::D,
        k0: Kind::None,
        k1: Kind::None,
        form: frontend_x86::op::Form::A64,
        bits: FLAGS,
    };
    let op = Op {
        ins,
        imm: offset,
        disp: 0,
        base: 0,
        index: 0,
        scale: 0,
        seg: 0,
        r0: 0,
        r1: 0,
        r2: 0,
        len: 0,
        offset: offset as u16,
        helper: 0,
        count,
        imm2: 0,
        fop: 0,
    };
    TracedOp { handler, link: null(), op }
}

/// One op alone with an end after it, for [`crate::slow::step`].
pub fn single(decoded: Decoded) -> TracedOps {
    let mut op = decoded.op;
    op.count = 1;
    TracedOps(Box::new([
        TracedOp { handler: handlers::of(op.ins), link: null(), op },
        pseudo(Func::Goto, handlers::across_pages, op.next_offset(), 1),
    ]))
}

/// Decodes a trace. Empty if the first instruction does not end in this page, unless what is mapped behind it is known: then
/// the trace goes on to that instruction's end, and the host page that it ends in is given, too.
fn build(cpu: &mut Cpu, page: &[u8; 4096], offset: u16) -> (Vec<TracedOp>, Option<usize>) {
    let mut decoded: Vec<Decoded> = Vec::with_capacity(16);
    let mut at = usize::from(offset);
    let mut ended = false;
    let mut across = false;
    let mut behind = None;
    while at < 4096 && decoded.len() < MAX_TRACE && !ended {
        match decode::decode(&page[at..], at as u16, cpu.mode, &cpu.model) {
            Ok(d) => {
                at += usize::from(d.op.len);
                ended = d.ends_block;
                decoded.push(d);
            }
            Err(DecodeError::NeedMore) => {
                behind = crossing::decode(cpu, &page[at..], at as u16);
                match &behind {
                    Some(crossing) => {
                        at += usize::from(crossing.decoded.op.len);
                        decoded.push(crossing.decoded);
                    }
                    None => across = true,
                }
                break;
            }
        }
    }
    if decoded.is_empty() {
        return (Vec::new(), None);
    }
    drop_dead_flags(&mut decoded);
    let behind = behind.map(|crossing| crossing.page);
    let mut ops: Vec<TracedOp> = Vec::with_capacity(decoded.len() + 2);
    for (n, d) in decoded.iter().enumerate() {
        let mut op = d.op;
        op.count = (n + 1) as u8;
        if op.next_offset() > 4096
            && let Some(behind) = behind
        {
            let mut guard = pseudo(Func::Across, handlers::across, u64::from(op.offset), op.count);
            guard.op.disp = behind as i64;
            ops.push(guard);
        }
        let mut shape = op.ins;
        let next = decoded.get(n + 1).filter(|next| next.op.next_offset() <= 4096);
        if let Some(fused) = next.and_then(|next| fuse(op.ins, &next.op)) {
            shape = fused;
            op.ins = fused;
        }
        ops.push(TracedOp { handler: handlers::of_op(&op, shape), link: null(), op });
    }
    let count = decoded.len() as u8;
    // What follows the last op, even after a jump: a handler may ask for the next op of a `Jcc` only, but nothing is
    // lost by an end behind every trace.
    ops.push(if across {
        pseudo(Func::Goto, handlers::across_pages, at as u64, count + 1)
    } else {
        let mut end = pseudo(Func::Goto, handlers::across_pages, at as u64, count);
        end.handler = handlers::of(end.op.ins);
        end
    });
    (ops, behind)
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
        if d.flags_written != 0 && d.flags_written & live == 0 && !d.may_stop {
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
