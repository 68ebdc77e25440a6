//! A CPU that runs one instruction at a time: the smallest algebra that the vector semantics can run on.

use frontend_x86::algebra::{Access, Algebra, Arith};
use frontend_x86::concrete::ConcreteCpu;
use frontend_x86::cpu::Mode;
use frontend_x86::decode::{self, Decoded};
use frontend_x86::flags::Flags;
use frontend_x86::model::Model;
use frontend_x86::op::{Form, Func, Ins, Op, Width};
use frontend_x86::{Cpu, Ctx, Exception, helper, sem};
use lyrebird_core::cpu::segment::Segment;
use lyrebird_core::{NoBus, Signals};
use lyrebird_memory::{GuestMemory, Region, Target};
use std::sync::Arc;

/// Where the memory operands' 64 bytes are: linear and physical.
pub const BUFFER: u64 = 0x1000;

pub struct Machine {
    pub cpu: Cpu,
    model: Arc<Model>,
    memory: Arc<GuestMemory>,
}

impl Machine {
    /// In 64-bit mode without paging (which no processor can be in, but no instruction here can tell), SSE enabled.
    pub fn new() -> Self {
        let memory = Arc::new(GuestMemory::new());
        let block = memory.add_block("ram", 0x4000).unwrap();
        let target = Target::Ram { block, offset: 0 };
        memory.map(Region { base: 0, bytes: 0x4000, priority: 0, target });
        let model = Arc::new(Model::by_name("max").unwrap());
        let mut cpu = Cpu::new(0, model.clone(), memory.clone(), Signals::new());
        cpu.state.efer |= 1 << 10;
        cpu.state.seg[1].attributes |= Segment::LONG;
        cpu.state.cr4 |= 3 << 9;
        cpu.update_mode();
        Machine { cpu, model, memory }
    }

    pub fn decode(&self, code: &[u8]) -> Decoded {
        let mode: Mode = self.cpu.mode;
        decode::decode(code, 0x100, mode, &self.model).unwrap()
    }

    pub fn buffer(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        self.memory.read(BUFFER, &mut bytes).unwrap();
        bytes
    }

    pub fn set_buffer(&self, bytes: &[u8; 64]) {
        self.memory.write(BUFFER, bytes).unwrap();
    }

    /// Runs one instruction.
    pub fn run(&mut self, op: &Op) -> Result<(), Exception> {
        if op.ins.func == Func::Helper {
            let mut ctx = Ctx { cpu: &mut self.cpu, bus: &mut NoBus };
            return helper::HELPERS[usize::from(op.helper)](&mut ctx, op).map(|_| ());
        }
        sem::exec(&mut Run { cpu: &mut self.cpu, op }, op.ins)
    }
}

struct Run<'a> {
    cpu: &'a mut Cpu,
    op: &'a Op,
}

impl Run<'_> {
    fn ctx(&mut self) -> (Cx<'_>, &Op) {
        (Cx(self.cpu), self.op)
    }
}

/// A CPU on its way into a [`Ctx`].
struct Cx<'a>(&'a mut Cpu);

impl Cx<'_> {
    fn with<R>(self, f: impl FnOnce(&mut Ctx) -> R) -> R {
        f(&mut Ctx { cpu: self.0, bus: &mut NoBus })
    }
}

impl ConcreteCpu for Run<'_> {
    fn cpu(&mut self) -> &mut Cpu {
        self.cpu
    }
    fn stop(&mut self, exception: Exception) -> Exception {
        exception
    }
    fn look_or_stop(&mut self) -> Result<(), Exception> {
        unreachable!()
    }
    fn shield_or_stop(&mut self) -> Result<(), Exception> {
        unreachable!()
    }
}

impl Arith for Run<'_> {
    frontend_x86::concrete_arith!();
}

impl Algebra for Run<'_> {
    type X = [u64; 4];
    type P = (u8, u64);
    type Flow = ();
    type Stop = Exception;

    fn op(&self) -> Op {
        *self.op
    }
    fn reg(&mut self, r: u8, w: Width) -> u64 {
        self.cpu.reg(r) & w.mask()
    }
    fn set_reg(&mut self, r: u8, w: Width, v: u64) {
        self.cpu.set_reg(r, w, v);
    }
    fn reg_high(&mut self, _: u8) -> u64 {
        unreachable!()
    }
    fn set_reg_high(&mut self, _: u8, _: u64) {
        unreachable!()
    }
    fn imm(&mut self, w: Width) -> u64 {
        self.op.imm & w.mask()
    }
    fn next_rip(&mut self, _: Width) -> u64 {
        unreachable!()
    }
    fn vector(&mut self, r: u8, w: Width) -> [u64; 4] {
        let v = self.cpu.state.vector[usize::from(r)];
        if w == Width::Y { v } else { [v[0], v[1], 0, 0] }
    }
    fn set_vector(&mut self, r: u8, w: Width, v: [u64; 4]) {
        let quads = if w == Width::Y { 4 } else { 2 };
        self.cpu.state.vector[usize::from(r)][..quads].copy_from_slice(&v[..quads]);
    }
    fn address(&mut self, _: Ins) -> u64 {
        let (cx, op) = self.ctx();
        let op = *op;
        cx.with(|ctx| ctx.address(&op))
    }
    fn probe(&mut self, _: Form, seg: u8, offset: u64, w: Width, access: Access) -> Result<Self::P, Exception> {
        let bank = self.cpu.bank;
        self.ctx().0.with(|ctx| {
            let linear = ctx.linear(seg, offset, w.bytes(), access)?;
            ctx.physical(linear, w.bytes(), access, bank)
        })?;
        Ok((seg, offset))
    }
    fn load(&mut self, w: Width, p: Self::P) -> u64 {
        self.ctx().0.with(|ctx| ctx.read(p.0, p.1, w.bytes()).unwrap())
    }
    fn store(&mut self, w: Width, p: Self::P, v: u64) {
        self.ctx().0.with(|ctx| ctx.write(p.0, p.1, w.bytes(), v).unwrap());
    }
    fn load_vector(&mut self, _: Width, p: Self::P) -> [u64; 4] {
        let low = self.load(Width::Q, p);
        [low, self.load(Width::Q, (p.0, p.1 + 8)), 0, 0]
    }
    fn store_vector(&mut self, _: Width, p: Self::P, v: [u64; 4]) {
        self.store(Width::Q, p, v[0]);
        self.store(Width::Q, (p.0, p.1 + 8), v[1]);
    }
    fn update<E>(&mut self, _: bool, _: Width, _: Self::P, _: impl Fn(&mut Self, u64) -> (u64, E)) -> E {
        unreachable!()
    }
    fn set_flags(&mut self, f: Flags<u64>) {
        self.cpu.flags = f;
    }
    fn condition(&mut self, cc: u8) -> bool {
        self.cpu.flags.condition(cc)
    }
    fn carry(&mut self) -> bool {
        self.cpu.flags.condition(2)
    }
    fn flags_word(&mut self) -> u64 {
        self.cpu.flags.to_rflags()
    }
    fn system_flags(&mut self) -> u64 {
        self.cpu.system_flags
    }
    fn set_system_flags(&mut self, _: u64) {
        unreachable!()
    }
    fn when(&mut self, c: bool, f: impl FnOnce(&mut Self)) {
        if c {
            f(self);
        }
    }
    fn raise_if_or_stop(&mut self, _: bool, _: Exception) -> Result<(), Exception> {
        unreachable!()
    }
    fn divide_or_stop(&mut self, _: bool, _: Width, _: u64, _: u64, _: u64) -> Result<(u64, u64), Exception> {
        unreachable!()
    }
    fn next(&mut self) {}
    fn jump_or_stop(&mut self, _: Width) -> Result<(), Exception> {
        unreachable!()
    }
    fn jump_if_or_stop(&mut self, _: Width, _: bool) -> Result<(), Exception> {
        unreachable!()
    }
    fn check_target_or_stop(&mut self, _: Width, _: u64) -> Result<(), Exception> {
        unreachable!()
    }
    fn jump_to(&mut self, _: Width, _: u64) {
        unreachable!()
    }
    fn skip_if(&mut self, _: bool) -> Option<()> {
        unreachable!()
    }
    fn again_if(&mut self, _: bool) {
        unreachable!()
    }
    fn fence(&mut self) {}
    fn string_block(&mut self, _: Ins) -> bool {
        false
    }
}
