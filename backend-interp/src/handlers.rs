//! Handlers: one wrapper for each semantic function, specialised by a packed shape, and one that is not. A handler ends in
//! the call of the next handler, in tail position.

use crate::copies::{self, Plan};
use crate::crossing;
use crate::fast::{Fast, Flow, GoSlow};
use crate::hint;
use crate::pool::Hash;
use crate::profile;
use crate::run::{Handler, Run, TracedOp};
use crate::slow;
use frontend_x86::algebra::Algebra;
use frontend_x86::op::bits::{FLAGS, FUSED};
use frontend_x86::op::{Form, Func, Ins, Kind, RIP_BASE, Width};
use frontend_x86::sem;
use frontend_x86::tlb::fetch_tag;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

/// Goes on with an op: a jump to its handler, or, with `loop-dispatch`, a return to the driving loop.
macro_rules! go {
    ($run:expr, $op:expr) => {{
        let op = $op;
        #[cfg(feature = "loop-dispatch")]
        return op;
        #[cfg(not(feature = "loop-dispatch"))]
        return ((*op).handler())($run, op);
    }};
}

/// Goes on with a trace. Its first op is waited for; those in the next lines come meanwhile.
macro_rules! begin {
    ($run:expr, $op:expr) => {{
        let op = $op;
        hint::will_read(op.wrapping_byte_add(hint::LINE));
        hint::will_read(op.wrapping_byte_add(2 * hint::LINE));
        go!($run, op)
    }};
}

/// What follows an op, by how it ended.
macro_rules! follow {
    ($run:expr, $op:expr, $flow:expr) => {
        match $flow {
            Ok(Flow::Next) => go!($run, $op.add(1)),
            Ok(Flow::Link) => link!($run, $op),
            Ok(Flow::To) => indirect($run, $op),
            Ok(Flow::Again) => {
                let left = (*$run).cpu.left - 1;
                (*$run).cpu.left = left;
                (*$run).uncounted += 1;
                if left < 0 { slow::stop_again($run, $op) } else { go!($run, $op) }
            }
            Err(GoSlow) => slow_path($run, $op),
        }
    };
}

/// Takes a resolved jump.
macro_rules! link {
    ($run:expr, $op:expr) => {{
        let left = (*$run).cpu.left - i64::from((*$op).count());
        (*$run).cpu.left = left;
        if left < 0 { slow::stop_at_target($run, $op) } else { begin!($run, (*$op).link()) }
    }};
}

/// Shapes for which the compiler leaves a closure of the semantics, or a call, in the handler: it would get a frame, and
/// its last call would be none. They run unspecialised.
const fn has_large_closure(i: Ins) -> bool {
    // RCL and RCR, and rotates whose flags somebody may want, which depend on the count.
    matches!(i.func, Func::Shift if i.sub < 4 && (i.sub >= 2 || i.has(FLAGS))) || matches!(i.func, Func::Div)
}

macro_rules! handlers {
    ($($name:ident $dynamic:ident = $($function:ident)::+ $(($($extra:ident)*))?;)*) => {$(
        pub unsafe fn $name<const SHAPE: u64>(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
            let i = const { Ins::unpack(SHAPE) };
            // SAFETY: the contract of `Handler`, which the caller keeps and is passed on.
            unsafe {
                if const { has_large_closure(Ins::unpack(SHAPE)) } {
                    return $dynamic(run, op);
                }
                let flow = sem::$($function)::+(&mut Fast { run, op, i } $(, i $($extra)*)?);
                if i.has(FUSED) {
                    return fused!(run, op, i, flow);
                }
                if const { matches!(Ins::unpack(SHAPE).func, Func::Jcc) } {
                    count!(op, flow);
                }
                follow!(run, op, flow)
            }
        }
        unsafe fn $dynamic(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
            /// What is not specialised is large: in a function of its own it costs the handler no frame.
            #[inline(never)]
            unsafe fn body(run: *mut Run, op: *const TracedOp) -> Result<Flow, GoSlow> {
                // SAFETY: the contract of `Handler`.
                let i = unsafe { (*op).near_ins() };
                sem::$($function)::+(&mut Fast { run, op, i } $(, i $($extra)*)?)
            }
            // SAFETY: as above.
            unsafe {
                let flow = body(run, op);
                if (*op).near_ins().func == Func::Jcc {
                    count!(op, flow);
                }
                follow!(run, op, flow)
            }
        }
    )*};
}

/// Notes which way a conditional jump goes.
macro_rules! count {
    ($op:expr, $flow:expr) => {
        match $flow {
            Ok(Flow::Next) => profile::not_taken(&*$op),
            Ok(_) => profile::taken(&*$op),
            Err(GoSlow) => {}
        }
    };
}

/// The op and the conditional jump after it, whose condition stands in the high half of the op's `sub`.
macro_rules! fused {
    ($run:expr, $op:expr, $i:expr, $flow:expr) => {
        match $flow {
            Ok(Flow::Next) => {
                let jump = $op.add(1);
                if (*$run).cpu.flags.condition($i.sub >> 4) {
                    profile::taken(&*jump);
                    if (*jump).link().is_null() { unlinked($run, jump) } else { link!($run, jump) }
                } else {
                    profile::not_taken(&*jump);
                    go!($run, $op.add(2))
                }
            }
            _ => slow_path($run, $op),
        }
    };
}

handlers! {
    goto goto_dyn = flow::goto;
    alu alu_dyn = alu::alu ();
    unary unary_dyn = unary::unary ();
    mov mov_dyn = mov::mov ();
    movzx movzx_dyn = mov::movzx ();
    movsx movsx_dyn = mov::movsx ();
    lea lea_dyn = mov::lea ();
    shift shift_dyn = shift::shift ();
    bit_test bit_test_dyn = bit::bit_test ();
    bit_scan bit_scan_dyn = bit::bit_scan ();
    mul_wide mul_wide_dyn = mul::mul_wide ();
    imul imul_dyn = mul::imul ();
    div div_dyn = mul::div ();
    extend_a extend_a_dyn = mov::extend_a ();
    extend_d extend_d_dyn = mov::extend_d ();
    setcc setcc_dyn = mov::setcc ();
    cmovcc cmovcc_dyn = mov::cmovcc ();
    jcc jcc_dyn = flow::jcc ();
    jmp jmp_dyn = flow::jmp ();
    jmp_indirect jmp_indirect_dyn = flow::jmp_indirect ();
    call call_dyn = flow::call ();
    call_indirect call_indirect_dyn = flow::call_indirect ();
    ret ret_dyn = flow::ret ();
    push push_dyn = stack::push ();
    pop pop_dyn = stack::pop ();
    leave leave_dyn = stack::leave ();
    bswap bswap_dyn = misc::bswap ();
    movs movs_dyn = string::movs ();
    stos stos_dyn = string::stos ();
    lods lods_dyn = string::lods ();
    pushf pushf_dyn = system::pushf ();
    popf popf_dyn = system::popf ();
}

/// Handlers of two ops one after the other, of which the first goes on with the second: one jump less.
macro_rules! pairs {
    ($($name:ident = $($first:ident)::+, $($second:ident)::+;)*) => {$(
        unsafe fn $name<const A: u64, const B: u64>(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
            // SAFETY: the contract of `Handler`; the second op follows.
            unsafe {
                let i = const { Ins::unpack(A) };
                if sem::$($first)::+(&mut Fast { run, op, i }, i).is_err() {
                    return slow_path(run, op);
                }
                let op = op.add(1);
                let i = const { Ins::unpack(B) };
                let flow = sem::$($second)::+(&mut Fast { run, op, i }, i);
                follow!(run, op, flow)
            }
        }
    )*};
}

pairs! {
    pop_pop = stack::pop, stack::pop;
    pop_ret = stack::pop, flow::ret;
    push_push = stack::push, stack::push;
    push_mov = stack::push, mov::mov;
    mov_push = mov::mov, stack::push;
    mov_mov = mov::mov, mov::mov;
}

/// Handlers of functions that are too rare for shapes of their own.
macro_rules! unspecialised {
    ($($name:ident = $($function:ident)::+;)*) => {$(
        unsafe fn $name(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
            /// In a function of its own, so that no frame of it can be the handler's.
            #[inline(never)]
            unsafe fn body(run: *mut Run, op: *const TracedOp) -> Result<Flow, GoSlow> {
                // SAFETY: the contract of `Handler`.
                let i = unsafe { (*op).near_ins() };
                sem::$($function)::+(&mut Fast { run, op, i }, i)
            }
            // SAFETY: as above.
            unsafe {
                let flow = body(run, op);
                follow!(run, op, flow)
            }
        }
    )*};
}

unspecialised! {
    xchg_dyn = exchange::xchg;
    double_shift_dyn = shift::double_shift;
    loop_dyn = flow::loop_;
    cmps_dyn = string::cmps;
    scas_dyn = string::scas;
    cmpxchg_dyn = exchange::cmpxchg;
    xadd_dyn = exchange::xadd;
    carry_dyn = misc::carry;
    direction_dyn = misc::direction;
    flags_byte_dyn = misc::flags_byte;
    movbe_dyn = misc::movbe;
    crc32_dyn = misc::crc32;
    xlat_dyn = misc::xlat;
    bmi_dyn = bmi::bmi;
    adx_dyn = bmi::adx;
    fence_dyn = misc::fence;
    interrupts_dyn = system::interrupts;
    swapgs_dyn = system::swapgs;
    push_segment_dyn = system::push_segment;
    mov_segment_dyn = system::mov_segment;
}

/// Handlers of functions that are too large to be inlined: what they do runs in a function of its own, so that the handler
/// itself keeps no frame and its last call stays a jump.
macro_rules! outlined {
    ($($name:ident $body:ident = $($function:ident)::+;)*) => {$(
        #[inline(never)]
        pub(crate) unsafe fn $body(run: *mut Run, op: *const TracedOp) -> Result<Flow, GoSlow> {
            // SAFETY: the contract of `Handler`.
            let i = unsafe { (*op).near_ins() };
            sem::$($function)::+(&mut Fast { run, op, i }, i)
        }
        unsafe fn $name(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
            // SAFETY: as above.
            unsafe {
                let flow = $body(run, op);
                follow!(run, op, flow)
            }
        }
    )*};
}

outlined! {
    vec_mov_dyn vec_mov_body = vector::vec_mov;
    vec_bin_dyn vec_bin_body = vector::vec_bin;
    vec_unary_dyn vec_unary_body = vector::vec_unary;
    vec_imm_dyn vec_imm_body = vector::vec_imm;
    vec_gpr_dyn vec_gpr_body = vector::vec_gpr;
    vec_float_dyn vec_float_body = vector::vec_float;
}

/// NOP.
pub unsafe fn nop<const SHAPE: u64>(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    let _ = run;
    // SAFETY: the contract of `Handler`.
    unsafe { go!(run, op.add(1)) }
}

/// A plain function. Never inlined into anything: it has a frame.
unsafe fn helper(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`.
    unsafe {
        let next = slow::run_helper(run, op);
        if next.is_null() {
            return next;
        }
        go!(run, next)
    }
}

/// An op that is apart.
pub unsafe fn apart(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`.
    unsafe { slow_path(run, op) }
}

/// Runs the op by the slow algebra, then goes on. Kept out of the fast handlers, which would get a frame by it.
#[inline(never)]
pub unsafe fn slow_path(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`.
    unsafe {
        if let Ok(Flow::Next) = crate::beside::store(run, op) {
            go!(run, op.add(1));
        }
        let next = slow::run_any(run, op);
        if next.is_null() {
            return next;
        }
        go!(run, next)
    }
}

/// Takes a direct jump that has no link yet, or never will because it leaves the page.
#[inline(never)]
pub unsafe fn unlinked(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`.
    unsafe {
        let i = (*op).near_ins();
        let flow = Fast { run, op, i }.jump_or_stop(i.w);
        follow!(run, op, flow)
    }
}

/// Which small number of a jump back to the start of a loop that copies says how far the op with the plan is.
pub const TO_PLAN: usize = 2;

/// The jump back to the start of a loop that copies.
pub unsafe fn back(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`; the op says which one behind the trace's end has the address of the plan, which lives as long as the
    // trace.
    unsafe {
        // No engine above looks at this trace: nobody wants to know how often.
        let i = (*op).near_ins();
        if i.func == Func::Jcc && !(*run).cpu.flags.condition(i.sub) {
            go!(run, op.add(1))
        }
        if (*op).link().is_null() {
            return unlinked(run, op);
        }
        let plan = (*op.add(usize::from((*op).small(TO_PLAN).load(Ordering::Relaxed)))).word().load(Ordering::Relaxed);
        copies::forward(run, op, &*std::ptr::with_exposed_provenance::<Plan>(plan as usize));
        link!(run, op)
    }
}

/// The end of a trace that stops in front of an instruction across pages: the run loop executes that one by itself.
pub unsafe fn across_pages(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`.
    unsafe { slow::stop_before_step(run, op) }
}

/// Goes on with the instruction across pages after it, if its rest is what it was decoded from.
pub unsafe fn across(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`; `sync_tlb` has set the bank's entries.
    unsafe {
        let next = crossing::next_page(&(*run).cpu);
        let entry = &*(*run).tlb.add(frontend_x86::tlb::index(next));
        if entry.execute == fetch_tag(next, (*op).behind()) {
            go!(run, op.add(1))
        }
        across_pages(run, op)
    }
}

/// Charges the budget for an op that ends in an indirect jump to `cpu.next_rip`, and takes it.
#[inline(never)]
unsafe fn indirect(run: *mut Run, op: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`.
    unsafe {
        (*run).cpu.left -= i64::from((*op).count());
        jump(run, op)
    }
}

/// See [`crate::hot::Ways::jump`].
#[inline(always)]
pub unsafe fn jump(run: *mut Run, _: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`; `sync_tlb` has set the bank's entries.
    unsafe {
        let r = &mut *run;
        let (found, base) = r.jumps.find(r.tlb, r.cpu.next_rip);
        if r.cpu.left < 0 || found.is_null() {
            return jump_elsewhere(run, found);
        }
        r.cpu.regs[RIP_BASE as usize] = base;
        begin!(run, found)
    }
}

/// The same where the cache of jumps does not know the target at once, or with which the budget is used up.
#[cold]
#[inline(never)]
unsafe fn jump_elsewhere(run: *mut Run, _: *const TracedOp) -> *const TracedOp {
    // SAFETY: the contract of `Handler`.
    unsafe {
        let found = crate::hot::leave_for(run, (*run).cpu.next_rip);
        if found.is_null() {
            return found;
        }
        go!(run, found)
    }
}

static SHAPES: &[(u64, Handler)] = include!(concat!(env!("OUT_DIR"), "/shapes.rs"));

type Pair = ((u64, u64), Handler);
static PAIRS: &[Pair] = include!(concat!(env!("OUT_DIR"), "/pairs.rs"));

/// The handler of two ops with these shapes, if there is one.
pub fn of_pair(a: Ins, b: Ins) -> Option<Handler> {
    let (first, second) = (a.func, b.func);
    if !matches!(first, Func::Mov | Func::Push | Func::Pop)
        || !matches!(second, Func::Mov | Func::Push | Func::Pop | Func::Ret)
    {
        return None;
    }
    let packed = (a.pack(), b.pack());
    PAIRS.iter().find(|(pair, _)| *pair == packed).map(|(_, handler)| *handler)
}

/// Handlers by shape.
fn table() -> &'static HashMap<u64, Handler, Hash> {
    static TABLE: OnceLock<HashMap<u64, Handler, Hash>> = OnceLock::new();
    TABLE.get_or_init(|| SHAPES.iter().copied().collect())
}

/// Whether a shape has a handler of its own.
pub fn is_specialised(i: Ins) -> bool {
    table().contains_key(&i.pack())
}

/// The handler of a shape.
pub fn of(i: Ins) -> Handler {
    if let Some(handler) = table().get(&i.pack()) {
        return *handler;
    }
    match i.func {
        Func::Helper => helper,
        Func::Nop => nop::<0>,
        Func::Goto => goto_dyn,
        Func::Across => across,
        Func::Alu => alu_dyn,
        Func::Unary => unary_dyn,
        Func::Mov => mov_dyn,
        Func::Movzx => movzx_dyn,
        Func::Movsx => movsx_dyn,
        Func::Lea => lea_dyn,
        Func::Xchg => xchg_dyn,
        Func::Shift => shift_dyn,
        Func::DoubleShift => double_shift_dyn,
        Func::BitTest => bit_test_dyn,
        Func::BitScan => bit_scan_dyn,
        Func::MulWide => mul_wide_dyn,
        Func::Imul => imul_dyn,
        Func::Div => div_dyn,
        Func::ExtendA => extend_a_dyn,
        Func::ExtendD => extend_d_dyn,
        Func::Setcc => setcc_dyn,
        Func::Cmovcc => cmovcc_dyn,
        Func::Jcc => jcc_dyn,
        Func::Jmp => jmp_dyn,
        Func::JmpIndirect => jmp_indirect_dyn,
        Func::Call => call_dyn,
        Func::CallIndirect => call_indirect_dyn,
        Func::Ret => ret_dyn,
        Func::Loop => loop_dyn,
        Func::Push => push_dyn,
        Func::Pop => pop_dyn,
        Func::Leave => leave_dyn,
        Func::Movs => movs_dyn,
        Func::Stos => stos_dyn,
        Func::Lods => lods_dyn,
        Func::Cmps => cmps_dyn,
        Func::Scas => scas_dyn,
        Func::Cmpxchg => cmpxchg_dyn,
        Func::Xadd => xadd_dyn,
        Func::Bswap => bswap_dyn,
        Func::Carry => carry_dyn,
        Func::Direction => direction_dyn,
        Func::FlagsByte => flags_byte_dyn,
        Func::Movbe => movbe_dyn,
        Func::Crc32 => crc32_dyn,
        Func::Xlat => xlat_dyn,
        Func::Bmi => bmi_dyn,
        Func::Adx => adx_dyn,
        Func::Fence => fence_dyn,
        Func::Pushf => pushf_dyn,
        Func::Popf => popf_dyn,
        Func::Interrupts => interrupts_dyn,
        Func::Swapgs => swapgs_dyn,
        Func::PushSegment => push_segment_dyn,
        Func::MovSegment => mov_segment_dyn,
        Func::VecMov => vec_mov_dyn,
        Func::VecBin => vec_bin_dyn,
        Func::VecUnary => vec_unary_dyn,
        Func::VecImm => vec_imm_dyn,
        Func::VecGpr => vec_gpr_dyn,
        Func::VecFloat => vec_float_dyn,
    }
}
