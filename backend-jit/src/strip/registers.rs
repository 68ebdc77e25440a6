//! Registers for values. One pass backwards finds what nobody needs; then, as the steps are emitted, a value keeps its register until
//! its last use, or until another one wants it more. Most values then lie in the vCPU's state anyway, and are loaded again from there;
//! others are put below the stack pointer, where nothing is called and signals leave 128 bytes alone.

use super::lower::{Lower, RUN};
use super::step::{REGS, Step, V};
use super::x64::{Mem, Reg};
use frontend_x86::Cpu;
use frontend_x86::flags::LazyFlags;
use frontend_x86::op::Width;
use std::mem::offset_of;

const Q: Width = Width::Q;
/// What values may have.
const POOL: [Reg; 7] = [Reg::RAX, Reg::RCX, Reg::RDX, Reg::R8, Reg::R9, Reg::R10, Reg::R11];
/// Places below the stack pointer.
const SPILLS: u32 = 16;
/// So many places of 64 bits from the first general register on are remembered: the registers, and the flags behind them.
pub const OWNERS: usize = (offset_of!(Cpu, flags) - offset_of!(Cpu, regs) + size_of::<LazyFlags>()) / 8;

/// Where the value of a step is.
#[derive(Clone, Copy, Default)]
pub struct Where {
    /// How often it is still to be used.
    pub uses: u32,
    pub reg: Option<Reg>,
    /// In the vCPU's state.
    pub home: Option<i32>,
    /// Below the stack pointer.
    pub spill: Option<u32>,
}

/// There is no place for a value.
pub struct TooMany;

/// Which steps are needed, and how often their values are used.
pub fn find_needed(steps: &[Step], at: &mut Vec<Where>, needed: &mut Vec<bool>) {
    at.clear();
    at.resize(steps.len(), Where::default());
    needed.clear();
    needed.resize(steps.len(), false);
    // What is written again before anybody can look.
    let mut covered: u32 = 0;
    for (n, step) in steps.iter().enumerate().rev() {
        if step.may_leave() {
            covered = 0;
        }
        needed[n] = match step {
            Step::SetOwn { at, .. } => match owner(*at) {
                Some(owner) => {
                    let again = covered & 1 << owner != 0;
                    covered |= 1 << owner;
                    !again
                }
                None => true,
            },
            step => step.has_effect() || at[n].uses > 0,
        };
        if needed[n] {
            step.each(|v| {
                if let V::Step(v) = v {
                    at[v as usize].uses += 1;
                }
            });
        }
    }
}

impl Lower<'_> {
    /// A register for the current step.
    pub(super) fn any(&mut self) -> Result<Reg, TooMany> {
        let free = |reg: &&Reg| self.busy & 1 << reg.0 == 0;
        let reg = match POOL.iter().filter(free).find(|reg| self.holds[usize::from(reg.0)].is_none()) {
            Some(reg) => *reg,
            None => {
                let has_home = |reg: &&Reg| {
                    self.holds[usize::from(reg.0)].is_some_and(|n| {
                        let at = &self.at[n as usize];
                        at.home.is_some() || at.spill.is_some()
                    })
                };
                let mut others = POOL.iter().filter(free);
                let reg = *others.clone().find(has_home).or_else(|| others.next()).ok_or(TooMany)?;
                self.evict(reg)?;
                reg
            }
        };
        self.busy |= 1 << reg.0;
        Ok(reg)
    }

    /// Takes a register away from its value.
    pub(super) fn evict(&mut self, reg: Reg) -> Result<(), TooMany> {
        let Some(n) = self.holds[usize::from(reg.0)].take() else { return Ok(()) };
        let at = &mut self.at[n as usize];
        at.reg = None;
        if at.home.is_none() && at.spill.is_none() {
            let place = (!self.spilled).trailing_zeros();
            if place >= SPILLS {
                return Err(TooMany);
            }
            at.spill = Some(place);
            self.spilled |= 1 << place;
            self.asm.store(Q, spill(place), reg);
        }
        Ok(())
    }

    /// Keeps a register for the current step, which nothing else is in then.
    pub(super) fn clear(&mut self, reg: Reg) -> Result<(), TooMany> {
        self.evict(reg)?;
        self.busy |= 1 << reg.0;
        Ok(())
    }

    /// A value in a register.
    pub(super) fn get(&mut self, v: V) -> Result<Reg, TooMany> {
        let n = match v {
            V::Const(v) => {
                let reg = self.any()?;
                self.asm.constant(reg, v);
                return Ok(reg);
            }
            V::Step(n) => n,
        };
        let Where { reg, home, spill: place, .. } = self.at[n as usize];
        if let Some(reg) = reg {
            self.busy |= 1 << reg.0;
            return Ok(reg);
        }
        let reg = self.any()?;
        match (home, place) {
            (_, Some(place)) => self.asm.load(Q, reg, spill(place)),
            (Some(home), None) => self.asm.load(Q, reg, Mem::at(RUN, home)),
            // It cannot be: what is still used is somewhere.
            (None, None) => return Err(TooMany),
        }
        self.give(n, reg);
        Ok(reg)
    }

    /// A register has a step's value from now on.
    pub(super) fn give(&mut self, n: u32, reg: Reg) {
        self.at[n as usize].reg = Some(reg);
        self.holds[usize::from(reg.0)] = Some(n);
    }

    /// A value has been used.
    pub(super) fn used(&mut self, v: V) {
        let V::Step(n) = v else { return };
        let at = &mut self.at[n as usize];
        at.uses -= 1;
        if at.uses == 0 {
            if let Some(reg) = at.reg.take() {
                self.holds[usize::from(reg.0)] = None;
            }
            if let Some(place) = at.spill.take() {
                self.spilled &= !(1 << place);
            }
        }
    }

    /// Uses a value that is in a register, to be overwritten: in its own register if nobody else wants it.
    pub(super) fn take(&mut self, v: V, reg: Reg) -> Result<Reg, TooMany> {
        let is_last = match v {
            V::Const(_) => true,
            V::Step(n) => self.at[n as usize].uses == 1,
        };
        let to = match is_last {
            true => reg,
            false => {
                let to = self.any()?;
                self.asm.mov(Q, to, reg);
                to
            }
        };
        self.used(v);
        Ok(to)
    }
}

fn spill(place: u32) -> Mem {
    Mem::at(Reg::RSP, -8 * (place as i32 + 1))
}

/// The number of a place in the vCPU's state among those that are remembered.
pub fn owner(at: i32) -> Option<usize> {
    let from = usize::try_from(at - REGS).ok()?;
    Some(from / 8).filter(|owner| *owner < OWNERS)
}
