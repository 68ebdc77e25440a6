//! Moves what is computed for ways out only to the ways out.
//!
//! Flags, above all: an instruction states what they are made of where it stands, and mostly the next one replaces them before
//! anybody looks. Only the ways out in between want them, and these are in blocks that are seldom executed. Cranelift's optimiser
//! would do more, and takes longer than it gains; this looks at each instruction once.

use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Block, Function, Inst, Opcode, Value};

/// In so many blocks an instruction may be done again instead.
const MOST_COPIES: usize = 4;

/// Who uses a value.
#[derive(Clone, Default)]
struct Uses {
    /// How many operands of instructions in blocks that are often executed.
    hot: u32,
    /// Instructions in blocks that are not, with their blocks.
    cold: Vec<(Inst, Block)>,
}

/// Whether an instruction can be executed elsewhere, or not at all.
fn is_pure(opcode: Opcode) -> bool {
    !(opcode.is_terminator()
        || opcode.is_call()
        || opcode.can_load()
        || opcode.can_store()
        || opcode.can_trap()
        || opcode.other_side_effects())
}

/// Moves each pure instruction of whose results only cold blocks make use into these.
pub fn sink(func: &mut Function) {
    let (hot, cold): (Vec<Block>, Vec<Block>) = func.layout.blocks().partition(|block| !func.layout.is_cold(*block));
    let mut uses: SecondaryMap<Value, Uses> = SecondaryMap::with_capacity(func.dfg.num_values());
    for block in &hot {
        for inst in func.layout.block_insts(*block) {
            for value in func.dfg.inst_values(inst) {
                uses[value].hot += 1;
            }
        }
    }
    for block in cold {
        for inst in func.layout.block_insts(block) {
            for value in func.dfg.inst_values(inst) {
                uses[value].cold.push((inst, block));
            }
        }
    }
    // Users come before what they use.
    for block in hot.into_iter().rev() {
        let mut next = func.layout.last_inst(block);
        while let Some(inst) = next {
            next = func.layout.prev_inst(inst);
            if is_pure(func.dfg.insts[inst].opcode()) {
                sink_one(func, &mut uses, inst);
            }
        }
    }
}

fn sink_one(func: &mut Function, uses: &mut SecondaryMap<Value, Uses>, inst: Inst) {
    let &[result] = func.dfg.inst_results(inst) else { return };
    if uses[result].hot > 0 {
        return;
    }
    let users = std::mem::take(&mut uses[result].cold);
    let mut blocks: Vec<Block> = users.iter().map(|(_, block)| *block).collect();
    // Copies that were made meanwhile stand last.
    blocks.sort_unstable();
    blocks.dedup();
    if blocks.len() > MOST_COPIES {
        return;
    }
    let operands: Vec<Value> = func.dfg.inst_values(inst).collect();
    for block in blocks {
        let Some(first) = func.layout.first_inst(block) else { continue };
        let copy = func.dfg.clone_inst(inst);
        func.layout.insert_inst(copy, first);
        let &[copied] = func.dfg.inst_results(copy) else { continue };
        for (user, _) in users.iter().filter(|(_, at)| *at == block) {
            func.dfg.map_inst_values(*user, |value| if value == result { copied } else { value });
        }
        for operand in &operands {
            uses[*operand].cold.push((copy, block));
        }
    }
    for operand in operands {
        uses[operand].hot = uses[operand].hot.saturating_sub(1);
    }
    func.layout.remove_inst(inst);
}

#[cfg(test)]
mod tests {
    use crate::clif::{Area, Compiler, Kind};
    use frontend_x86::algebra::{Bin, Cmp};
    use frontend_x86::op::Width;

    #[test]
    fn what_only_a_way_out_wants_is_made_there() {
        let mut compiler = Compiler::new(true).unwrap();
        let made = compiler.compile(Kind::Trace, |asm| {
            let (entry, run) = (asm.entry(), asm.argument(0));
            asm.at(entry);
            let [l, r] = [0, 8].map(|at| asm.load(Area::Own, Width::Q, run, at));
            let wanted = asm.bin(Bin::Xor, Width::Q, l, r);
            let low = asm.bin(Bin::Sub, Width::Q, wanted, r);
            let often = asm.bin(Bin::Or, Width::Q, l, r);
            let nobody = asm.bin(Bin::Mul, Width::Q, l, r);
            let _ = asm.bin(Bin::And, Width::Q, nobody, r);
            let below = asm.compare(Cmp::Ult, Width::Q, l, r);
            let (out, on) = (asm.cold_block(), asm.block());
            asm.branch(below, out, on);
            asm.at(on);
            asm.store(Area::Own, Width::Q, run, 16, often);
            asm.leave(run);
            asm.at(out);
            asm.store(Area::Own, Width::Q, run, 16, low);
            asm.store(Area::Own, Width::Q, run, 24, often);
            asm.leave(run);
        });
        made.unwrap();
        let text = compiler.text();
        let place = |what: &str| text.find(what).unwrap_or(usize::MAX);
        let cold = place("cold:");
        assert!(cold < place("bxor") && place("bxor") < place("isub"), "{text}");
        assert!(place("bor") < cold, "{text}");
        assert!(!text.contains("imul") && !text.contains("band"), "{text}");
    }
}
