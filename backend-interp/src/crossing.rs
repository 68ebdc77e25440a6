//! Instructions that begin in one page and end in the next. A trace may hold one, as its last: an op before it
//! ([`Func::Across`]) looks whether the next page is still the one that the instruction's rest was decoded from, since traces
//! are shared between all places at which a page is mapped.
//!
//! [`Func::Across`]: frontend_x86::op::Func::Across

use frontend_x86::cpu::CodeSize;
use frontend_x86::decode::{self, Decoded, MAX_LEN};
use frontend_x86::op::RIP_BASE;
use frontend_x86::{Cpu, paging};

/// An instruction across pages.
pub struct Crossing {
    /// What it is.
    pub decoded: Decoded,
    /// The key of the host page that it ends in.
    pub page: usize,
}

/// The linear address of the page behind the current one, where RIP is the linear address.
#[inline(always)]
pub fn next_page(cpu: &Cpu) -> u64 {
    cpu.regs[usize::from(RIP_BASE)].wrapping_add(4096) & cpu.mode.ip_width().mask()
}

/// Decodes the instruction that begins with `head`, the last bytes of the current page, from the page that is mapped behind
/// it. `None` where that is not to be had, or of no use: without flat segments, at the last page, if the page is no memory.
pub fn decode(cpu: &mut Cpu, head: &[u8], offset: u16) -> Option<Crossing> {
    if !cpu.mode.flat && cpu.mode.code != CodeSize::Bits64 {
        return None;
    }
    let next = next_page(cpu);
    // Whoever executes the instruction looks at rights, and has the page marked as used: this is only to know its bytes.
    let physical = if next == 0 { None } else { paging::debug_translate(cpu, next) }?;
    let page = cpu.view.lookup(physical).readable()?;
    let mut bytes = [0; MAX_LEN];
    let (first, rest) = bytes.split_at_mut(head.len().min(MAX_LEN));
    first.copy_from_slice(&head[..first.len()]);
    let last = rest.len().max(1) as u64 - 1;
    if cpu.memory.mark_code(&page, 0, last) {
        cpu.tlb.flush_writes_to(page.key() as u64);
    }
    cpu.memory.read(physical & !0xfff, rest).ok()?;
    let decoded = decode::decode(&bytes, offset, cpu.mode, &cpu.model).ok()?;
    Some(Crossing { decoded, page: page.key() })
}
