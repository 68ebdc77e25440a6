//! Cranelift's programming interface, wrapped: it changes with every release, and this is the only module that may
//! have to follow. [`Compiler`] owns what is used again for each function, [`Asm`] builds one.
//!
//! Numbers are `I64`; truths are `I8` as comparisons give them.

mod sink;
pub mod vector;

use crate::code::{Code, Function, Hole, Symbol};
use cranelift_codegen::Context;
use cranelift_codegen::FinalizedRelocTarget;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::immediates::Imm64;
use cranelift_codegen::ir::{
    AbiParam, BlockArg, Endianness, ExternalName, GlobalValueData, InstBuilder, InstructionData, MemFlagsData, Opcode,
    SigRef, Signature, StackSlotData, StackSlotKind, Type, UserExternalName, UserFuncName, ValueDef, types,
};
use cranelift_codegen::isa::{self, CallConv, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use frontend_x86::algebra::{Bin, Cmp};
use frontend_x86::op::Width;
use std::panic::{AssertUnwindSafe, catch_unwind};
use target_lexicon::Architecture;

pub use cranelift_codegen::ir::{Block, Value};

/// Why a function could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The host's processor is not one that Cranelift knows.
    #[error("no code generator for this host: {0}")]
    Host(String),
    /// Cranelift refused.
    #[error("the code generator failed: {0}")]
    Failed(String),
}

/// What a function is called like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Code of a trace: `(run, op) -> op`, entered and left by tail calls from its like.
    Trace,
    /// The way from Rust into traces: `(run, op, code) -> op`.
    Entrance,
}

/// Makes functions, one after the other.
pub struct Compiler {
    isa: OwnedTargetIsa,
    context: Context,
    builder: FunctionBuilderContext,
    control: ControlPlane,
    /// The calling convention of traces.
    traces: CallConv,
    listings: bool,
    ordered: bool,
}

/// A type of the given width.
fn type_of(w: Width) -> Type {
    match w {
        Width::B => types::I8,
        Width::W => types::I16,
        Width::D => types::I32,
        _ => types::I64,
    }
}

impl Compiler {
    /// A compiler for the host. `check` runs Cranelift's verifier on each function, for tests.
    pub fn new(check: bool) -> Result<Self, CompileError> {
        Self::with(check, cranelift_native::builder().map_err(|e| CompileError::Host(e.to_string()))?)
    }

    /// A compiler for another processor by its name ("x86_64", "aarch64"), to look at its code, if Cranelift was built with it.
    pub fn for_target(name: &str) -> Result<Self, CompileError> {
        let target = format!("{name}-unknown-linux-gnu");
        let builder = isa::lookup_by_name(&target).map_err(|e| CompileError::Host(e.to_string()))?;
        Self::with(false, builder)
    }

    fn with(check: bool, builder: isa::Builder) -> Result<Self, CompileError> {
        let mut flags = settings::builder();
        let wanted = [
            ("opt_level", "none"),
            ("enable_verifier", if check { "true" } else { "false" }),
            // Tail calls need them on x86-64.
            ("preserve_frame_pointers", "true"),
            ("enable_probestack", "false"),
            ("unwind_info", "false"),
            ("is_pic", "false"),
        ];
        for (name, value) in wanted {
            flags.set(name, value).map_err(|e| CompileError::Host(e.to_string()))?;
        }
        let isa = builder.finish(settings::Flags::new(flags)).map_err(|e| CompileError::Host(e.to_string()))?;
        // The convention for tail calls saves the registers that a C function has to, at every step from trace to trace. On
        // x86-64 Winch's, which saves none, makes the same tail calls; Cranelift's verifier and debug assertions do not know
        // that.
        let x64 = isa.triple().architecture == Architecture::X86_64;
        let traces = if x64 && !check && !cfg!(debug_assertions) { CallConv::Winch } else { CallConv::Tail };
        Ok(Compiler {
            isa,
            context: Context::new(),
            builder: FunctionBuilderContext::new(),
            control: ControlPlane::default(),
            traces,
            listings: false,
            ordered: false,
        })
    }

    /// Keeps the order of the guest's loads and stores, as x86 has it (SDM vol. 3, section 9.2.2), for whoever else looks at its
    /// memory at the same time, if `shared` and the host would not by itself.
    pub fn shared(self, shared: bool) -> Self {
        self.ordered(shared && cfg!(not(target_arch = "x86_64")))
    }

    /// The same for any target.
    pub fn ordered(self, ordered: bool) -> Self {
        Compiler { ordered, ..self }
    }

    fn signature(&self, conv: CallConv, params: usize) -> Signature {
        let mut signature = Signature::new(conv);
        signature.params.extend((0..params).map(|_| AbiParam::new(types::I64)));
        signature.returns.push(AbiParam::new(types::I64));
        signature
    }

    /// Compiles a function. Should the code generator panic over it, that is an error like any other: the guest goes on without.
    pub fn compile(&mut self, kind: Kind, body: impl FnOnce(&mut Asm)) -> Result<Code, CompileError> {
        catch_unwind(AssertUnwindSafe(|| self.make(kind, body))).unwrap_or_else(|_| {
            // What it has left behind may be anything.
            (self.context, self.builder) = (Context::new(), FunctionBuilderContext::new());
            Err(CompileError::Failed("it panicked".into()))
        })
    }

    fn make(&mut self, kind: Kind, body: impl FnOnce(&mut Asm)) -> Result<Code, CompileError> {
        let host = self.isa.default_call_conv();
        self.context.clear();
        self.context.set_disasm(self.listings);
        self.context.func.signature = match kind {
            Kind::Trace => self.signature(self.traces, 2),
            Kind::Entrance => self.signature(host, 3),
        };
        self.context.func.name = UserFuncName::user(0, 0);
        let trace = self.signature(self.traces, 2);
        let hosts = [2, 3, 4, 5].map(|params| self.signature(host, params));
        let mut b = FunctionBuilder::new(&mut self.context.func, &mut self.builder);
        let entry = b.create_block();
        b.append_block_params_for_function_params(entry);
        b.func.layout.append_block(entry);
        b.switch_to_block(entry);
        let trace = b.import_signature(trace);
        let hosts = hosts.map(|signature| b.import_signature(signature));
        // AArch64 has 12 bits, of numbers of eight bytes; others that are not x86-64 have no more, or little.
        let x64 = self.isa.triple().architecture == Architecture::X86_64;
        let reach = if x64 { i32::MAX } else { 8 * 4095 };
        let mut asm = Asm { b, entry, trace, hosts, ordered: self.ordered, reach, constants: Vec::new() };
        body(&mut asm);
        asm.b.seal_all_blocks();
        asm.b.finalize(self.isa.frontend_config());
        sink::sink(&mut self.context.func);
        self.context
            .compile(&*self.isa, &mut self.control)
            .map_err(|e| CompileError::Failed(format!("{:?}", e.inner)))?;
        let code = self.context.compiled_code().ok_or_else(|| CompileError::Failed("no code".into()))?;
        let names = &self.context.func.params;
        let holes = code.buffer.relocs().iter().map(|reloc| {
            let FinalizedRelocTarget::ExternalName(ExternalName::User(name)) = reloc.target else { return None };
            let symbol = Symbol::unpack(names.user_named_funcs()[name].index)?;
            (reloc.kind == Reloc::Abs8 && reloc.addend == 0).then_some(Hole { at: reloc.offset, symbol })
        });
        let holes = holes.collect::<Option<_>>();
        let holes = holes.ok_or_else(|| CompileError::Failed("the code has relocations of an unknown kind".into()))?;
        Ok(Code { bytes: code.code_buffer().to_vec(), holes, entries: vec![0] })
    }

    /// Has [`Compiler::listing`] ready after each function.
    pub fn want_listing(&mut self) {
        self.listings = true;
    }

    /// The last function's code as text, for people, if that was wanted.
    pub fn listing(&self) -> String {
        self.context.compiled_code().and_then(|code| code.vcode.clone()).unwrap_or_default()
    }

    /// The last function as text, for people.
    pub fn text(&self) -> String {
        self.context.func.display().to_string()
    }
}

/// Where memory lies that is read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// The engine's own: aligned, in the host's byte order.
    Own,
    /// The guest's: little endian, anywhere.
    Guest,
}

fn block_arguments(values: &[Value]) -> Vec<BlockArg> {
    values.iter().map(|v| BlockArg::Value(*v)).collect()
}

/// A function under construction.
pub struct Asm<'f> {
    b: FunctionBuilder<'f>,
    entry: Block,
    trace: SigRef,
    hosts: [SigRef; 4],
    /// See [`Compiler::shared`].
    ordered: bool,
    /// See [`Asm::reaches`].
    reach: i32,
    /// The constants of the current block.
    constants: Vec<(u64, Value)>,
}

impl Asm<'_> {
    fn flags(area: Area) -> MemFlagsData {
        match area {
            Area::Own => MemFlagsData::trusted(),
            Area::Guest => MemFlagsData::new().with_notrap().with_endianness(Endianness::Little),
        }
    }

    /// The block that the function begins in.
    pub fn entry(&self) -> Block {
        self.entry
    }

    /// An argument of the function.
    pub fn argument(&self, n: usize) -> Value {
        self.b.block_params(self.entry)[n]
    }

    // ---- numbers

    /// A constant.
    pub fn constant(&mut self, v: u64) -> Value {
        if let Some((_, value)) = self.constants.iter().find(|(known, _)| *known == v) {
            return *value;
        }
        let value = self.b.ins().iconst(types::I64, v as i64);
        self.constants.push((v, value));
        value
    }

    /// An address that is known when the code is placed.
    pub fn symbol(&mut self, symbol: Symbol) -> Value {
        let name = UserExternalName { namespace: 0, index: symbol.pack() };
        let name = ExternalName::user(self.b.func.declare_imported_user_function(name));
        let data = GlobalValueData::Symbol { name, offset: Imm64::new(0), colocated: false, tls: false };
        let address = self.b.create_global_value(data);
        self.b.ins().symbol_value(types::I64, address)
    }

    /// The low bits of a number, in a type of their own.
    fn narrow(&mut self, w: Width, v: Value) -> Value {
        if w >= Width::Q {
            return v;
        }
        if let ValueDef::Result(inst, _) = self.b.func.dfg.value_def(v) {
            match self.b.func.dfg.insts[inst] {
                // What has only just been widened need not be cut off again.
                InstructionData::Unary { opcode: Opcode::Uextend | Opcode::Sextend, arg }
                    if self.b.func.dfg.value_type(arg) == type_of(w) =>
                {
                    return arg;
                }
                // The instructions of the host that take a constant want to see it.
                InstructionData::UnaryImm { opcode: Opcode::Iconst, imm } => {
                    return self.b.ins().iconst(type_of(w), imm.bits() & w.mask() as i64);
                }
                _ => {}
            }
        }
        self.b.ins().ireduce(type_of(w), v)
    }

    fn widen(&mut self, v: Value) -> Value {
        if self.b.func.dfg.value_type(v) == types::I64 { v } else { self.b.ins().uextend(types::I64, v) }
    }

    /// The low `w` bits, the rest zero.
    pub fn truncate(&mut self, w: Width, v: Value) -> Value {
        if w >= Width::Q {
            return v;
        }
        if self.fits(w, v) {
            return v;
        }
        let narrow = self.narrow(w, v);
        self.widen(narrow)
    }

    /// Whether a number is seen to have no more than `w` bits.
    fn fits(&self, w: Width, v: Value) -> bool {
        let ValueDef::Result(inst, _) = self.b.func.dfg.value_def(v) else { return false };
        match self.b.func.dfg.insts[inst] {
            InstructionData::Unary { opcode: Opcode::Uextend, arg } => {
                self.b.func.dfg.value_type(arg).bits() <= w.bits()
            }
            InstructionData::Load { opcode: Opcode::Uload8, .. } => true,
            InstructionData::Load { opcode: Opcode::Uload16, .. } => w >= Width::W,
            InstructionData::Load { opcode: Opcode::Uload32, .. } => w >= Width::D,
            _ => false,
        }
    }

    /// The low `w` bits, sign-extended to 64.
    pub fn sign_extend(&mut self, w: Width, v: Value) -> Value {
        if w >= Width::Q {
            return v;
        }
        let narrow = self.narrow(w, v);
        self.b.ins().sextend(types::I64, narrow)
    }

    /// `frontend_x86::concrete::bin`, as code: operands and result are clean in `w`.
    pub fn bin(&mut self, op: Bin, w: Width, l: Value, r: Value) -> Value {
        // And, or and their like keep clean what is clean. In 32 bits the host clears the rest without being asked, and
        // takes every constant.
        let logic = matches!(op, Bin::And | Bin::Or | Bin::Xor);
        let (l, r) = if logic && w != Width::D { (l, r) } else { (self.narrow(w, l), self.narrow(w, r)) };
        let ins = self.b.ins();
        let v = match op {
            Bin::And => ins.band(l, r),
            Bin::Or => ins.bor(l, r),
            Bin::Xor => ins.bxor(l, r),
            Bin::Add => ins.iadd(l, r),
            Bin::Sub => ins.isub(l, r),
            Bin::Mul => ins.imul(l, r),
            Bin::Shl => ins.ishl(l, r),
            Bin::Shr => ins.ushr(l, r),
            Bin::Sar => ins.sshr(l, r),
            Bin::Rol => ins.rotl(l, r),
            _ => ins.rotr(l, r),
        };
        self.widen(v)
    }

    /// The high half of the 128-bit product.
    pub fn mul_high(&mut self, signed: bool, l: Value, r: Value) -> Value {
        if signed { self.b.ins().smulhi(l, r) } else { self.b.ins().umulhi(l, r) }
    }

    /// Unsigned 64-bit quotient and remainder; the divisor is not zero.
    pub fn divide(&mut self, l: Value, r: Value) -> (Value, Value) {
        (self.b.ins().udiv(l, r), self.b.ins().urem(l, r))
    }

    /// How many bits are set.
    pub fn popcount(&mut self, v: Value) -> Value {
        self.b.ins().popcnt(v)
    }

    /// Zeros above the highest one of 64 bits.
    pub fn leading_zeros(&mut self, v: Value) -> Value {
        self.b.ins().clz(v)
    }

    /// Zeros below the lowest one of 64 bits.
    pub fn trailing_zeros(&mut self, v: Value) -> Value {
        self.b.ins().ctz(v)
    }

    /// The bytes of the low `w` bits in reverse order.
    pub fn swap_bytes(&mut self, w: Width, v: Value) -> Value {
        if w == Width::B {
            return v;
        }
        let v = self.narrow(w, v);
        let v = self.b.ins().bswap(v);
        self.widen(v)
    }

    // ---- truths

    /// A comparison of clean values.
    pub fn compare(&mut self, cmp: Cmp, w: Width, l: Value, r: Value) -> Value {
        let cc = match cmp {
            Cmp::Eq => IntCC::Equal,
            Cmp::Ne => IntCC::NotEqual,
            Cmp::Ult => IntCC::UnsignedLessThan,
            Cmp::Ule => IntCC::UnsignedLessThanOrEqual,
            Cmp::Slt => IntCC::SignedLessThan,
            Cmp::Sle => IntCC::SignedLessThanOrEqual,
        };
        let (l, r) = (self.narrow(w, l), self.narrow(w, r));
        self.b.ins().icmp(cc, l, r)
    }

    /// A constant truth.
    pub fn truth(&mut self, c: bool) -> Value {
        self.b.ins().iconst(types::I8, i64::from(c))
    }

    /// Logic on truths.
    pub fn logic(&mut self, op: Bin, l: Value, r: Value) -> Value {
        match op {
            Bin::And => self.b.ins().band(l, r),
            Bin::Or => self.b.ins().bor(l, r),
            _ => self.b.ins().bxor(l, r),
        }
    }

    /// The opposite truth.
    pub fn not(&mut self, c: Value) -> Value {
        let one = self.truth(true);
        self.b.ins().bxor(c, one)
    }

    /// 1 or 0 as a number.
    pub fn number(&mut self, c: Value) -> Value {
        self.widen(c)
    }

    /// One of two numbers.
    pub fn select(&mut self, c: Value, yes: Value, no: Value) -> Value {
        self.b.ins().select(c, yes, no)
    }

    // ---- memory

    /// Whether the host's loads and stores reach so far behind an address by themselves.
    pub fn reaches(&self, offset: i32) -> bool {
        (0..=self.reach).contains(&offset)
    }

    /// Loads `w`, zero-extended.
    pub fn load(&mut self, area: Area, w: Width, at: Value, offset: i32) -> Value {
        let flags = Self::flags(area);
        let ins = self.b.ins();
        let v = match w {
            Width::B => ins.uload8(types::I64, flags, at, offset),
            Width::W => ins.uload16(types::I64, flags, at, offset),
            Width::D => ins.uload32(flags, at, offset),
            _ => ins.load(type_of(w), flags, at, offset),
        };
        self.order(area);
        self.widen(v)
    }

    /// Behind a load and before a store: no access comes before a load that it follows, no store before an access.
    pub fn order(&mut self, area: Area) {
        if self.ordered && area == Area::Guest {
            self.b.ins().fence();
        }
    }

    /// Stores the low `w` bits.
    pub fn store(&mut self, area: Area, w: Width, at: Value, offset: i32, v: Value) {
        let v = self.narrow(w, v);
        self.order(area);
        self.b.ins().store(Self::flags(area), v, at, offset);
    }

    /// Takes one from a number of 32 bits of the engine's: one instruction of hosts that compute in memory.
    pub fn count_down(&mut self, at: Value, offset: i32) {
        let flags = Self::flags(Area::Own);
        let count = self.b.ins().load(types::I32, flags, at, offset);
        let fewer = self.b.ins().iadd_imm_s(count, -1);
        self.b.ins().store(flags, fewer, at, offset);
    }

    /// Replaces `old` by `new` in the guest's memory, atomically, and gives what was there. The place is aligned.
    pub fn exchange_if(&mut self, w: Width, at: Value, old: Value, new: Value) -> Value {
        let (old, new) = (self.narrow(w, old), self.narrow(w, new));
        let flags = Self::flags(Area::Guest).with_aligned();
        let v = self.b.ins().atomic_cas(flags, at, old, new);
        // No later load comes before the store, which it could where this is a pair of instructions.
        self.order(Area::Guest);
        self.widen(v)
    }

    /// Orders memory accesses.
    pub fn fence(&mut self) {
        self.b.ins().fence();
    }

    /// The address of room for `numbers` numbers on the stack.
    pub fn room(&mut self, numbers: u32) -> Value {
        let slot = self.b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 8 * numbers, 3));
        self.b.ins().stack_addr(types::I64, slot, 0)
    }

    // ---- control

    /// A new block without parameters, which is executed as often as the one that is built.
    pub fn block(&mut self) -> Block {
        let seldom = self.b.current_block().is_some_and(|here| self.b.func.layout.is_cold(here));
        if seldom { self.cold_block() } else { self.b.create_block() }
    }

    /// A new block that is seldom executed.
    pub fn cold_block(&mut self) -> Block {
        let block = self.b.create_block();
        self.b.set_cold_block(block);
        block
    }

    /// A new parameter of a block, which may have been filled already.
    pub fn parameter(&mut self, block: Block) -> Value {
        self.b.func.dfg.append_block_param(block, types::I64)
    }

    /// Which of a block's parameters this is.
    pub fn parameter_number(&self, block: Block, v: Value) -> Option<usize> {
        self.b.block_params(block).iter().position(|p| *p == v)
    }

    /// Goes on building in this block.
    pub fn at(&mut self, block: Block) {
        self.b.switch_to_block(block);
        self.constants.clear();
    }

    /// Jumps.
    pub fn jump(&mut self, to: Block, arguments: &[Value]) {
        self.b.ins().jump(to, &block_arguments(arguments));
    }

    /// Branches.
    pub fn branch(&mut self, c: Value, yes: Block, no: Block) {
        self.b.ins().brif(c, yes, &[], no, &[]);
    }

    /// The same, with arguments.
    pub fn branch_with(&mut self, c: Value, yes: (Block, &[Value]), no: (Block, &[Value])) {
        self.b.ins().brif(c, yes.0, &block_arguments(yes.1), no.0, &block_arguments(no.1));
    }

    /// Returns an op.
    pub fn leave(&mut self, op: Value) {
        self.b.ins().return_(&[op]);
    }

    /// Goes on in another trace's code, for good.
    pub fn tail_call(&mut self, code: Value, run: Value, op: Value) {
        self.b.ins().return_call_indirect(self.trace, code, &[run, op]);
    }

    /// Calls a trace's code from an entrance.
    pub fn call_trace(&mut self, code: Value, run: Value, op: Value) -> Value {
        let call = self.b.ins().call_indirect(self.trace, code, &[run, op]);
        self.b.inst_results(call)[0]
    }

    /// Calls a Rust function of two to five numbers that returns one.
    pub fn call(&mut self, function: Function, arguments: &[Value]) -> Value {
        self.call_symbol(Symbol::Function(function), arguments)
    }

    /// The same, of one that has a symbol of another kind.
    pub fn call_symbol(&mut self, symbol: Symbol, arguments: &[Value]) -> Value {
        let callee = self.symbol(symbol);
        let call = self.b.ins().call_indirect(self.hosts[arguments.len() - 2], callee, arguments);
        self.b.inst_results(call)[0]
    }
}

/// The flags of a [`Compiler`] as text, for keys of kept code.
impl std::fmt::Display for Compiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}{}", self.isa.triple(), if self.ordered { "ordered " } else { "" }, self.isa.flags())?;
        self.isa.isa_flags().iter().try_for_each(|flag| write!(f, " {flag}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_next_function_is_made() {
        let mut compiler = Compiler::new(true).unwrap();
        let unlucky = |asm: &mut Asm| {
            asm.at(asm.entry());
            panic!("as a defect of the code generator would");
        };
        assert!(matches!(compiler.compile(Kind::Trace, unlucky), Err(CompileError::Failed(_))));
        let fine = |asm: &mut Asm| {
            let (entry, run) = (asm.entry(), asm.argument(0));
            asm.at(entry);
            asm.leave(run);
        };
        assert!(!compiler.compile(Kind::Trace, fine).unwrap().bytes.is_empty());
    }

    #[test]
    fn guest_accesses_are_ordered_where_that_is_asked_for() {
        let body = |asm: &mut Asm| {
            let (entry, run) = (asm.entry(), asm.argument(0));
            asm.at(entry);
            let own = asm.load(Area::Own, Width::Q, run, 0);
            let v = asm.load(Area::Guest, Width::D, own, 0);
            asm.store(Area::Guest, Width::D, own, 8, v);
            asm.store(Area::Own, Width::Q, run, 8, v);
            asm.leave(run);
        };
        let mut plain = Compiler::new(true).unwrap();
        plain.compile(Kind::Trace, body).unwrap();
        assert!(!plain.text().contains("fence"));
        let name = plain.to_string();
        let mut ordered = plain.ordered(true);
        ordered.compile(Kind::Trace, body).unwrap();
        assert_eq!(ordered.text().matches("fence").count(), 2, "{}", ordered.text());
        assert_ne!(ordered.to_string(), name, "kept code is told apart");
    }
}
