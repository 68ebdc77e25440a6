//! The fast algebra: plain numbers, RAM through the TLB, and a stop for everything else.

use crate::run::{Run, TracedOp};
use frontend_x86::algebra::{Access, Algebra, Arith};
use frontend_x86::concrete::ConcreteCpu;
use frontend_x86::exception::Exception;
use frontend_x86::flags::LazyFlags;
use frontend_x86::op::{Form, Ins, Op, RIP_BASE, Width, bits};
use frontend_x86::{Cpu, concrete, concrete_arith};
use lyrebird_memory::{GuestMemory, order};

/// How an op ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on with the next op.
    Next,
    /// Go where the op's immediate says.
    Link,
    /// Go to `cpu.next_rip`.
    To,
    /// The same op again.
    Again,
}

/// "Not on the fast path": nothing has changed; run the op by the slow algebra.
pub struct GoSlow;

/// A number at any address. `read_unaligned` and `write_unaligned` do the same, but where debug assertions are on they take the
/// address of a local for their checks: a handler that has given away such an address calls the next one, it does not jump to it.
#[repr(C, packed)]
struct Crooked<T>(T);

/// The algebra, for one op.
pub struct Fast {
    pub run: *mut Run,
    /// Not one that is apart.
    pub op: *const TracedOp,
    /// The op's shape, as a constant where there is a handler for it.
    pub i: Ins,
}

/// What both of this crate's algebras do alike. `$run` gives a `*mut Run`, `$op` a `*const TracedOp`.
macro_rules! common_algebra {
    () => {
        #[inline(always)]
        fn reg(&mut self, r: u8, w: Width) -> u64 {
            // SAFETY: register numbers come from the decoder and are below 18.
            unsafe { *(&raw const (*self.run).cpu.regs).cast::<u64>().add(usize::from(r)) & w.mask() }
        }
        #[inline(always)]
        fn set_reg(&mut self, r: u8, w: Width, v: u64) {
            // SAFETY: as above.
            unsafe {
                let reg = (&raw mut (*self.run).cpu.regs).cast::<u64>().add(usize::from(r));
                *reg = match w {
                    Width::B | Width::W => *reg & !w.mask() | v & w.mask(),
                    Width::D => v & w.mask(),
                    _ => v,
                };
            }
        }
        #[inline(always)]
        fn imm(&mut self, w: Width) -> u64 {
            self.op().imm & w.mask()
        }
        #[inline(always)]
        fn next_rip(&mut self, w: Width) -> u64 {
            let next = self.op().next_offset();
            let rip = self.reg(RIP_BASE, Width::Q).wrapping_add(next) & w.mask();
            // It is a call's: there will be a jump there.
            // SAFETY: see `Handler`.
            unsafe { (*self.run).jumps.expect(rip) };
            rip
        }
        #[inline(always)]
        fn vector(&mut self, r: u8, _w: Width) -> [u64; 4] {
            // SAFETY: vector register numbers are below 16.
            unsafe { *(&raw const (*self.run).cpu.state.vector).cast::<[u64; 4]>().add(usize::from(r & 15)) }
        }
        #[inline(always)]
        fn set_vector(&mut self, r: u8, w: Width, v: [u64; 4]) {
            // SAFETY: as above.
            unsafe {
                let reg = (&raw mut (*self.run).cpu.state.vector).cast::<[u64; 4]>().add(usize::from(r & 15));
                match w {
                    Width::Y => *reg = v,
                    _ => {
                        (*reg)[0] = v[0];
                        (*reg)[1] = v[1];
                    }
                }
            }
        }
        #[inline(always)]
        fn address(&mut self, i: Ins) -> u64 {
            let (base, index, scale, disp) = {
                let op = self.op();
                (op.base, op.index, op.scale, op.disp)
            };
            let base = self.reg(base, Width::Q);
            let index = self.reg(index, Width::Q);
            let sum = base.wrapping_add(index << (scale & 3)).wrapping_add(disp as u64);
            match i.form {
                Form::A64 => sum,
                Form::A64Seg if i.has(bits::ADDR32) => sum & 0xffff_ffff,
                Form::A64Seg => sum,
                Form::Flat32 | Form::Seg32 => sum & 0xffff_ffff,
                Form::Seg16 => sum & 0xffff,
            }
        }
        #[inline(always)]
        fn set_flags(&mut self, f: LazyFlags) {
            // SAFETY: see `Handler`.
            unsafe { (*self.run).cpu.flags = f }
        }
        #[inline(always)]
        fn condition(&mut self, cc: u8) -> bool {
            // SAFETY: see `Handler`.
            unsafe { (*self.run).cpu.flags.condition(cc) }
        }
        #[inline(always)]
        fn carry(&mut self) -> bool {
            self.condition(2)
        }
        #[inline(always)]
        fn flags_word(&mut self) -> u64 {
            // SAFETY: see `Handler`.
            unsafe { (*self.run).cpu.flags.to_rflags() }
        }
        #[inline(always)]
        fn system_flags(&mut self) -> u64 {
            // SAFETY: see `Handler`.
            unsafe { (*self.run).cpu.system_flags }
        }
        #[inline(always)]
        fn set_system_flags(&mut self, flags: u64) {
            // SAFETY: see `Handler`.
            unsafe { (*self.run).cpu.set_system_flags(flags) }
        }
        #[inline(always)]
        fn when(&mut self, c: bool, f: impl FnOnce(&mut Self)) {
            if c {
                f(self)
            }
        }
        #[inline(always)]
        fn next(&mut self) -> Flow {
            Flow::Next
        }
        #[inline(always)]
        fn jump_to(&mut self, w: Width, target: u64) -> Flow {
            // SAFETY: see `Handler`.
            unsafe { (*self.run).cpu.next_rip = target & w.mask() };
            Flow::To
        }
        #[inline(always)]
        fn skip_if(&mut self, c: bool) -> Option<Flow> {
            c.then_some(Flow::Next)
        }
        #[inline(always)]
        fn again_if(&mut self, c: bool) -> Flow {
            if c { Flow::Again } else { Flow::Next }
        }
        #[inline(always)]
        fn fence(&mut self) {
            std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
        }
    };
}
pub(crate) use common_algebra;

impl Arith for Fast {
    concrete_arith!();
}

impl ConcreteCpu for Fast {
    #[inline(always)]
    fn cpu(&mut self) -> &mut Cpu {
        // SAFETY: see `Handler`.
        unsafe { &mut (*self.run).cpu }
    }
    #[inline(always)]
    fn stop(&mut self, _exception: Exception) -> GoSlow {
        GoSlow
    }
    #[inline(always)]
    fn look_or_stop(&mut self) -> Result<(), GoSlow> {
        Err(GoSlow)
    }
    /// While there is no interrupt, nobody sees that it would have to wait for one more instruction, if that is known.
    #[inline(always)]
    fn shield_or_stop(&mut self) -> Result<(), GoSlow> {
        // SAFETY: see `Handler`: an op behind which the trace goes on.
        if unsafe { (*self.op.add(1)).length() > 0 } { Ok(()) } else { Err(GoSlow) }
    }
}

impl Fast {
    /// Whether other vCPUs run at the same time.
    #[inline(always)]
    pub fn is_shared(&mut self) -> bool {
        self.cpu().memory.is_shared()
    }

    /// Behind a load, where other vCPUs run at the same time.
    #[inline(always)]
    pub fn after_load(&mut self) {
        if order::MATTERS && self.cpu().memory.is_shared() {
            order::after_load();
        }
    }

    /// Before a store, likewise.
    #[inline(always)]
    pub fn before_store(&mut self) {
        if order::MATTERS && self.cpu().memory.is_shared() {
            order::before_store();
        }
    }

    /// The linear address of an access, if its form needs no fault.
    #[inline(always)]
    pub fn linear(&mut self, form: Form, seg: u8, offset: u64, bytes: u64, access: Access) -> Result<u64, GoSlow> {
        match form {
            Form::A64 | Form::Flat32 => Ok(offset),
            _ => {
                // SAFETY: the decoder's segment numbers are below 6.
                let bounds = unsafe { self.cpu().bounds.get_unchecked(usize::from(seg)) };
                if form == Form::A64Seg {
                    return Ok(bounds.base.wrapping_add(offset));
                }
                let high = if access.writes() { bounds.high_write } else { bounds.high_read };
                if offset < bounds.low || offset + bytes > high {
                    return Err(GoSlow);
                }
                Ok(bounds.base.wrapping_add(offset) & 0xffff_ffff)
            }
        }
    }
}

impl Algebra for Fast {
    type X = [u64; 4];
    type P = *mut u8;
    type Flow = Flow;
    type Stop = GoSlow;

    common_algebra!();

    #[inline(always)]
    fn op(&self) -> Op {
        // SAFETY: see `Handler`: the op is live for as long as its handler runs.
        unsafe { (*self.op).op_of(self.i) }
    }
    #[inline(always)]
    fn probe(&mut self, form: Form, seg: u8, offset: u64, w: Width, access: Access) -> Result<*mut u8, GoSlow> {
        let linear = self.linear(form, seg, offset, w.bytes(), access)?;
        // SAFETY: see `Handler`; the index is below ENTRIES.
        let entry = unsafe { &*(&*self.run).tlb.add(frontend_x86::tlb::index(linear)) };
        let tag = if access.writes() { entry.write } else { entry.read };
        if tag != (linear.wrapping_add(w.bytes() - 1) & !0xfff) {
            return Err(GoSlow);
        }
        Ok(linear.wrapping_add(entry.addend) as *mut u8)
    }
    #[inline(always)]
    fn load(&mut self, w: Width, p: *mut u8) -> u64 {
        // SAFETY: `probe` found the whole access inside one page of guest RAM or ROM.
        let v = unsafe {
            match w {
                Width::B => u64::from(p.read()),
                Width::W => u64::from(u16::from_le((*p.cast::<Crooked<u16>>()).0)),
                Width::D => u64::from(u32::from_le((*p.cast::<Crooked<u32>>()).0)),
                _ => u64::from_le((*p.cast::<Crooked<u64>>()).0),
            }
        };
        self.after_load();
        v
    }
    #[inline(always)]
    fn store(&mut self, w: Width, p: *mut u8, v: u64) {
        self.before_store();
        // SAFETY: as above, and the page may be written in place.
        unsafe {
            match w {
                Width::B => p.write(v as u8),
                Width::W => (*p.cast::<Crooked<u16>>()).0 = (v as u16).to_le(),
                Width::D => (*p.cast::<Crooked<u32>>()).0 = (v as u32).to_le(),
                _ => (*p.cast::<Crooked<u64>>()).0 = v.to_le(),
            }
        }
    }
    #[inline(always)]
    fn load_vector(&mut self, w: Width, p: *mut u8) -> [u64; 4] {
        let mut v = [0; 4];
        for (n, quad) in v.iter_mut().enumerate().take(if w == Width::Y { 4 } else { 2 }) {
            // SAFETY: as for `load`.
            *quad = self.load(Width::Q, unsafe { p.add(8 * n) });
        }
        v
    }
    #[inline(always)]
    fn store_vector(&mut self, w: Width, p: *mut u8, v: [u64; 4]) {
        for (n, quad) in v.iter().enumerate().take(if w == Width::Y { 4 } else { 2 }) {
            // SAFETY: as for `store`.
            self.store(Width::Q, unsafe { p.add(8 * n) }, *quad);
        }
    }
    #[inline(always)]
    fn update<E>(&mut self, locked: bool, w: Width, p: *mut u8, f: impl Fn(&mut Self, u64) -> (u64, E)) -> E {
        if locked {
            // SAFETY: see `Handler`; `probe` found the access in a page that may be written in place.
            return unsafe { GuestMemory::update(&(*self.run).cpu.memory, p, w.bytes(), |old| f(self, old)) };
        }
        let old = self.load(w, p);
        let (new, extra) = f(self, old);
        self.store(w, p, new);
        extra
    }
    #[inline(always)]
    fn raise_if_or_stop(&mut self, c: bool, _exception: Exception) -> Result<(), GoSlow> {
        if c { Err(GoSlow) } else { Ok(()) }
    }
    #[inline(always)]
    fn divide_or_stop(&mut self, signed: bool, w: Width, hi: u64, lo: u64, d: u64) -> Result<(u64, u64), GoSlow> {
        concrete::divide(signed, w, hi, lo, d).ok_or(GoSlow)
    }
    #[inline(always)]
    fn jump_or_stop(&mut self, w: Width) -> Result<Flow, GoSlow> {
        // A link exists only where the target has been checked. Jumps that leave the page have none: they go by the cache of
        // jump targets. What is left is linked by the slow path.
        // SAFETY: see `Handler`.
        if !unsafe { (*self.op).link().is_null() } {
            return Ok(Flow::Link);
        }
        if self.op().imm < 4096 {
            return Err(GoSlow);
        }
        let mode = self.cpu().mode.ip_width().mask();
        let target = self.reg(RIP_BASE, Width::Q).wrapping_add(self.op().imm) & w.mask() & mode;
        self.check_target_or_stop(w, target)?;
        self.cpu().next_rip = target;
        Ok(Flow::To)
    }
    #[inline(always)]
    fn jump_if_or_stop(&mut self, w: Width, c: bool) -> Result<Flow, GoSlow> {
        if c { self.jump_or_stop(w) } else { Ok(Flow::Next) }
    }
    #[inline(always)]
    fn check_target_or_stop(&mut self, _w: Width, target: u64) -> Result<(), GoSlow> {
        let cpu = self.cpu();
        let fine = match cpu.mode.code {
            frontend_x86::cpu::CodeSize::Bits64 => frontend_x86::access::canonical(target),
            _ => target <= u64::from(cpu.state.seg[1].limit),
        };
        if fine { Ok(()) } else { Err(GoSlow) }
    }
    #[inline(always)]
    fn string_block(&mut self, i: Ins) -> bool {
        crate::string::block(self, i)
    }
}
