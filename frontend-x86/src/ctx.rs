//! CPU and bus together: what the plain functions of an instruction's meaning work on.

use crate::cpu::Cpu;
use crate::exception::Exception;
use crate::op::{Form, Op, Width, bits};
use lyrebird_core::CpuBus;

/// A CPU with the machine around it.
pub struct Ctx<'a> {
    /// The CPU.
    pub cpu: &'a mut Cpu,
    /// The machine.
    pub bus: &'a mut dyn CpuBus,
}

/// How an instruction that is a plain function ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// On to the next instruction; nothing changed that matters to decoded code.
    Next,
    /// `cpu.next_rip` holds the address to go on at; the mode did not change.
    Jump,
    /// Go on at `cpu.next_rip`, but see first what there is to see: the mode, the interrupt flag, a mapping or the activity may
    /// have changed, or the bus was used.
    Leave,
}

/// What a plain function returns.
pub type Done = Result<Then, Exception>;

impl Ctx<'_> {
    /// The memory operand's offset in its segment.
    pub fn address(&self, op: &Op) -> u64 {
        let cpu = &*self.cpu;
        let sum = cpu.regs[usize::from(op.base)]
            .wrapping_add(cpu.regs[usize::from(op.index)] << op.scale)
            .wrapping_add(op.disp as u64);
        match op.ins.form {
            Form::A64 => sum,
            Form::A64Seg if op.ins.has(bits::ADDR32) => sum & 0xffff_ffff,
            Form::A64Seg => sum,
            Form::Flat32 | Form::Seg32 => sum & 0xffff_ffff,
            Form::Seg16 => sum & 0xffff,
        }
    }

    /// The address size of the op.
    pub fn address_width(&self, op: &Op) -> Width {
        match op.ins.form {
            Form::A64 => Width::Q,
            Form::A64Seg if op.ins.has(bits::ADDR32) => Width::D,
            Form::A64Seg => Width::Q,
            Form::Flat32 | Form::Seg32 => Width::D,
            Form::Seg16 => Width::W,
        }
    }

    /// Reads the op's register or memory operand of `w` (up to 64 bits) in the slot. High-byte registers included.
    pub fn read_operand(&mut self, op: &Op, slot: usize, w: Width) -> Result<u64, Exception> {
        let kind = if slot == 0 { op.ins.k0 } else { op.ins.k1 };
        let r = op.slot(slot);
        Ok(match kind {
            crate::op::Kind::Reg => self.cpu.reg(r) & w.mask(),
            crate::op::Kind::High => self.cpu.reg(r) >> 8 & 0xff,
            crate::op::Kind::Imm => op.imm & w.mask(),
            crate::op::Kind::Mem => {
                let at = self.address(op);
                self.read(op.seg, at, w.bytes())?
            }
            _ => 0,
        })
    }

    /// Writes the op's register or memory operand of `w` (up to 64 bits) in slot 0.
    pub fn write_operand(&mut self, op: &Op, w: Width, value: u64) -> Result<(), Exception> {
        match op.ins.k0 {
            crate::op::Kind::Reg => self.cpu.set_reg(op.r0, w, value),
            crate::op::Kind::High => {
                let reg = &mut self.cpu.regs[usize::from(op.r0 & 3)];
                *reg = *reg & !0xff00 | (value & 0xff) << 8;
            }
            crate::op::Kind::Mem => {
                let at = self.address(op);
                self.write(op.seg, at, w.bytes(), value)?;
            }
            _ => {}
        }
        Ok(())
    }
}
