//! Strips: host code for what is not worth a compiler's time, or not yet. A trace that has been entered some hundred times gets it; it is
//! compiled after thousands. Much of what a guest that starts executes is between the two.
//!
//! A strip is nothing but a longer handler. It stands in an op and executes that one and those after it, up to one that it leaves to the
//! interpreter, with the contract of [`backend_interp::run::Handler`]: all of the vCPU's state is in its place wherever another handler may
//! go on, and whatever is unusual goes on by the op's own slow path. So nothing else has to know of strips: links, budgets, counters,
//! faults, and code that changes are the interpreter's.
//!
//! The meaning of instructions is the one that all have: [`record`] has a third algebra, which gives steps, and [`lower`] makes host
//! instructions ([`x64`]) of those in one pass. That takes about as long as decoding the code took. There is a lowering for x86-64 hosts
//! only; elsewhere such code is interpreted.

mod algebra;
mod lower;
mod record;
mod registers;
mod step;
mod x64;

use crate::buffer::{BufferError, CodeBuffer, SEGMENTS};
use crate::gather;
use crate::perf::PerfMap;
use backend_interp::hot::{self, Ways};
use backend_interp::pool::{self, Locked, Loss};
use backend_interp::profile;
use backend_interp::run::{Handler, Run, TracedOp};
use frontend_x86::cpu::Mode;
use frontend_x86::op::Func;
use lower::{Room, lower};
use record::Record;
use std::collections::HashMap;
use std::mem::transmute;
use std::slice::from_raw_parts;

/// Most bytes of code. With half of it starting programs takes a tenth longer.
const MOST: usize = 4 << 20;
/// So many segments of it are used where decoded code takes much of its room: what there is beside the guest's RAM would be more than it is to be,
/// and such guests take no longer for it.
const CROWDED: usize = SEGMENTS / 2;

/// What fewer of a trace's entries than this part get to is not worth it.
const SELDOM: f32 = 1.0 / 4.0;

/// One strip.
struct Head {
    /// The number of the op in which it stands.
    op: u16,
    handler: Handler,
    /// How long it is.
    bytes: usize,
}

/// What was made for a trace.
struct Strip {
    /// The ops in which strips stand, and the handlers that they had.
    heads: Vec<(*const TracedOp, Handler)>,
    /// The entry op's handler from now on.
    entry: Handler,
}

impl Strip {
    fn is_any(&self) -> bool {
        !self.heads.is_empty() || !std::ptr::fn_addr_eq(self.entry, hot::counted as Handler)
    }
}

/// All strips, of all vCPUs.
pub struct Strips {
    buffer: CodeBuffer,
    ways: Ways,
    of: HashMap<*const TracedOp, Strip, pool::Hash>,
    /// The traces whose strips are in each segment of the buffer. Some may have been dropped since.
    placed: [Vec<*const TracedOp>; SEGMENTS],
    /// The strips of the next segment were dropped, for there is no room. Nobody is in them from this epoch of the pool on.
    draining: Option<u64>,
    record: Record,
    room: Room,
    made: Made,
}

/// What was made so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Made {
    /// Strips.
    pub strips: u64,
    /// Ops in them.
    pub ops: u64,
    /// Bytes of code.
    pub bytes: u64,
    /// Traces whose strips were dropped for want of room.
    pub dropped: u64,
}

impl Strips {
    /// None yet. There will be so many bytes of code at most; nothing if strips cannot be had here.
    pub fn new(bytes: usize) -> Option<Strips> {
        if !has_what_it_takes() {
            return None;
        }
        let ways = hot::ways();
        let mut buffer = match CodeBuffer::near(ways.origin, bytes.min(MOST)) {
            Ok(Some(buffer)) => buffer,
            Ok(None) => {
                tracing::info!("no room for code near the program: what is not compiled is interpreted");
                return None;
            }
            Err(error) => {
                tracing::info!(%error, "what is not compiled is interpreted");
                return None;
            }
        };
        buffer.keep();
        Some(Strips {
            buffer,
            ways,
            of: HashMap::default(),
            placed: Default::default(),
            draining: None,
            record: Record::default(),
            room: Room::default(),
            made: Made::default(),
        })
    }

    /// What was made so far.
    pub fn made(&self) -> Made {
        self.made
    }

    /// Whether a trace has strips.
    pub fn has(&self, entry: *const TracedOp) -> bool {
        self.of.get(&entry).is_some_and(|strip| strip.is_any())
    }

    /// Makes strips for a trace.
    ///
    /// # Safety
    /// The trace is a live one of the pool, of the CPU's mode; this vCPU executes no strip.
    pub unsafe fn make(
        &mut self,
        run: &mut Run,
        pool: &mut Locked<'_>,
        perf: Option<&mut PerfMap>,
        entry: *const TracedOp,
    ) {
        if let Some(strip) = self.of.get(&entry) {
            // It was compiled meanwhile, and that code is gone.
            // SAFETY: the caller's promise.
            return unsafe { hot::set_handler(entry, strip.entry) };
        }
        // What is filled last may be given back then.
        if self.draining.is_some() && !self.make_room(run, pool) {
            return;
        }
        // SAFETY: the caller's promise; a trace is an entry op and those behind it.
        let ops = unsafe { from_raw_parts(entry, gather::ops_of(entry).len() + 1) };
        let mut heads = self.cut(run.cpu.mode, ops);
        if matches!(heads, Err(BufferError::Full)) && self.make_room(run, pool) {
            heads = self.cut(run.cpu.mode, ops);
        }
        let Ok(heads) = heads else { return };
        if let Some(perf) = perf {
            for Head { op, handler, bytes } in &heads {
                let rip = run.rip_at(ops[usize::from(*op)].offset.into());
                perf.add(*handler as usize as u64, *bytes, format_args!("strip_{rip:x}"));
            }
        }
        let mut strip = Strip { heads: Vec::new(), entry: hot::counted };
        for Head { op: n, handler, .. } in heads {
            let op = &ops[usize::from(n)];
            if n == 0 {
                strip.entry = handler;
            } else {
                strip.heads.push((op, op.handler()));
                // SAFETY: as above; the code was made for these ops.
                unsafe { hot::set_handler(op, handler) };
            }
        }
        // SAFETY: as above.
        unsafe { hot::set_handler(entry, strip.entry) };
        self.of.insert(entry, strip);
        self.placed[self.buffer.segment()].push(entry);
    }

    /// Makes the code for the ops of a trace.
    fn cut(&mut self, mode: Mode, ops: &[TracedOp]) -> Result<Vec<Head>, BufferError> {
        let Strips { buffer, ways, record, room, made, .. } = self;
        let mut heads = Vec::new();
        record.begin(mode);
        let mut n = 0;
        let mut share = 1.0;
        while n < ops.len() && share >= SELDOM && !record.is_over() {
            let first = n;
            record.clear();
            if first == 0 {
                record.count();
                n = 1;
            }
            while n < ops.len()
                && share >= SELDOM
                && !record.is_over()
                && may_be_recorded(&ops[n], ways)
                && record.take(n as u16, &ops[n])
            {
                share *= goes_on(&ops[n]);
                n += 1;
            }
            // One op alone has a handler already.
            let is_made = n - first > 1 && lower(room, &record.steps, ops, ways, first as u16, n as u16).is_ok();
            if is_made && room.asm.len() <= buffer.largest() {
                let at = buffer.place_at(room.asm.len(), |address| room.asm.finish(address))?;
                made.strips += 1;
                made.ops += (n - first) as u64;
                made.bytes += room.asm.len() as u64;
                // SAFETY: it was made for this signature and the host's calling convention.
                let handler = unsafe { transmute::<*const u8, Handler>(at) };
                heads.push(Head { op: first as u16, handler, bytes: room.asm.len() });
            }
            if let Some(op) = ops.get(n) {
                share *= goes_on(op);
            }
            n += 1;
        }
        Ok(heads)
    }

    /// A trace is no more: its ops, which may come again in another one, have their handlers back.
    pub fn forget(&mut self, entry: *const TracedOp) {
        for (op, handler) in self.of.remove(&entry).map(|strip| strip.heads).unwrap_or_default() {
            // SAFETY: what is dropped is not freed yet.
            unsafe { hot::set_handler(op, handler) };
        }
    }

    /// Drops the strips that are in the next segment of the buffer, the oldest ones, and what there is to be no room for. Whether there is room
    /// then: others may be in them for a while.
    fn make_room(&mut self, run: &mut Run, pool: &mut Locked<'_>) -> bool {
        let over = match self.draining {
            Some(over) => over,
            None => {
                let beyond = self.buffer.shall_have(if pool.is_crowded() { CROWDED } else { SEGMENTS });
                let (next, _) = self.buffer.next();
                for segment in beyond.chain([next]) {
                    for entry in std::mem::take(&mut self.placed[segment]) {
                        self.drop_strip(entry);
                    }
                }
                let over = pool.lose(Loss::Code);
                run.cache.knows_loss(pool);
                over
            }
        };
        let is_over = pool.is_over(over);
        self.draining = Some(over).filter(|_| !is_over);
        if is_over {
            self.buffer.advance();
        }
        is_over
    }

    /// Takes a strip away from its trace, which lives.
    fn drop_strip(&mut self, entry: *const TracedOp) {
        let Some(strip) = self.of.get(&entry) else { return };
        // SAFETY: strips of traces that are dropped are forgotten, so this one lives.
        unsafe {
            if std::ptr::fn_addr_eq((*entry).handler(), strip.entry) {
                hot::set_handler(entry, hot::entry);
            }
        }
        self.made.dropped += 1;
        self.forget(entry);
    }
}

/// Whether an op's handler does what its shape says.
fn may_be_recorded(op: &TracedOp, ways: &Ways) -> bool {
    !op.is_goto() || std::ptr::fn_addr_eq(op.handler(), ways.goto)
}

/// How often an op goes on to the next one, as far as is known.
fn goes_on(op: &TracedOp) -> f32 {
    if op.ins().func != Func::Jcc {
        return 1.0;
    }
    let (taken, not) = profile::counts(&op.op());
    not as f32 / (taken + not).max(1) as f32
}

/// Whether the host has the instructions that strips are made of.
fn has_what_it_takes() -> bool {
    // Elsewhere arguments are in other registers, too.
    #[cfg(all(target_arch = "x86_64", unix))]
    return std::arch::is_x86_feature_detected!("bmi2");
    #[cfg(not(all(target_arch = "x86_64", unix)))]
    false
}
