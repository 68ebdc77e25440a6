//! What became of a block, as text for people: its ops, the code generator's input, and the host's code.

use crate::clif::{CompileError, Compiler};
use crate::engine::{Jit, is_plain};
use crate::gather::{self, Found};
use crate::worker::{self, Job};
use backend_interp::cache;
use backend_interp::pool::Locked;
use backend_interp::run::{Run, TracedOp};
use frontend_x86::op::RIP_BASE;
use frontend_x86::paging;
use std::fmt::Write;

/// The entry op of the trace that holds a linear address, in the CPU's mode.
fn find(run: &mut Run, pool: &Locked<'_>, linear: u64) -> Option<*mut TracedOp> {
    let physical = paging::debug_translate(&mut run.cpu, linear)?;
    let page = run.cpu.view.lookup(physical).readable()?;
    let mode = cache::mode_key(&run.cpu);
    pool.around(page.key(), mode, (linear & 0xfff) as u16).map(|entry| entry.cast_mut())
}

/// What executes the code at a linear address: "compiled" code, a "strip", or else it is "interpreted".
pub fn tier(run: &mut Run, pool: &Locked<'_>, jit: &Jit, linear: u64) -> &'static str {
    match find(run, pool, linear) {
        Some(entry) if jit.has_code(entry) => "compiled",
        Some(entry) if jit.has_strip(entry) => "strip",
        _ => "interpreted",
    }
}

/// The region around a linear address, as if it was compiled now, and where its first trace begins.
fn region(run: &mut Run, pool: &Locked<'_>, jit: &Jit, linear: u64) -> Option<(*mut TracedOp, u64, Vec<Found>)> {
    let entry = find(run, pool, linear)?;
    let old = run.cpu.regs[usize::from(RIP_BASE)];
    // SAFETY: the cache knows live traces only.
    let offset = u64::from(unsafe { (*entry).offset });
    let first = linear & !0xfff | offset;
    run.cpu.regs[usize::from(RIP_BASE)] = first.wrapping_sub(cache::linear_of(&run.cpu, 0)).wrapping_sub(offset);
    let compiled = |entry| jit.has_code(entry);
    // SAFETY: live traces, and nothing runs meanwhile; RIP_BASE is that of the first one's page.
    let region =
        unsafe { gather::gather(run, pool, entry, is_plain(entry), |entry| jit.count(entry), jit.enough(), compiled) };
    run.cpu.regs[usize::from(RIP_BASE)] = old;
    Some((entry, first, region))
}

/// Compiles the region around a linear address for another processor: how many instructions it has, and the code.
pub fn emit_for(
    run: &mut Run,
    pool: &Locked<'_>,
    jit: &Jit,
    linear: u64,
    target: &str,
) -> Result<Option<(u64, Vec<u8>)>, CompileError> {
    let Some((_, _, region)) = region(run, pool, jit, linear) else { return Ok(None) };
    let job = Job::new(0, &region, run.cpu.mode, false);
    let mut compiler = Compiler::for_target(target)?.ordered(jit.shared && target != "x86_64");
    let code = worker::compile(&mut compiler, &job)?;
    Ok(code.map(|code| (job.instructions(), code.bytes)))
}

/// The text. The region is gathered and compiled anew: it may have grown since the code was made that runs.
pub fn explain(run: &mut Run, pool: &Locked<'_>, jit: &Jit, linear: u64) -> Option<String> {
    let (entry, first, region) = region(run, pool, jit, linear)?;
    let state = match (jit.has_code(entry), jit.has_strip(entry)) {
        (true, _) => "is compiled",
        (false, true) => "is a strip",
        (false, false) => "is interpreted",
    };
    let mut text = format!("block {linear:#x}: in the trace that begins at {first:#x}, which {state}\n");
    _ = writeln!(text, "its region has {} traces:", region.len());
    for (n, Found { ops, used, page, .. }) in region.iter().enumerate() {
        _ = writeln!(text, "trace {n}");
        for op in &ops[..*used] {
            let o = &op.op();
            let at = (first & !0xfff).wrapping_add((page << 12) as u64).wrapping_add(u64::from(o.offset));
            _ = writeln!(
                text,
                "  {at:016x} {:?} sub {:#x} {:?}/{:?} {:?},{:?} r {},{},{} mem {}+{}<<{}{:+#x} imm {:#x} bits {:#x}",
                o.ins.func,
                o.ins.sub,
                o.ins.w,
                o.ins.w2,
                o.ins.k0,
                o.ins.k1,
                o.r0,
                o.r1,
                o.r2,
                o.base,
                o.index,
                o.scale,
                o.disp,
                o.imm,
                o.ins.bits
            );
        }
    }
    let job = Job::new(0, &region, run.cpu.mode, false);
    let compiled = Compiler::new(false).map_err(|error| error.to_string()).and_then(|mut compiler| {
        compiler.want_listing();
        match worker::compile(&mut compiler, &job) {
            Ok(Some(code)) => Ok((code.bytes.len(), compiler.text(), compiler.listing())),
            Ok(None) => Err("it holds what is not translated".into()),
            Err(error) => Err(error.to_string()),
        }
    });
    match compiled {
        Ok((bytes, clif, listing)) => {
            _ = write!(text, "code generator's input (CLIF)\n{clif}\nhost code, {bytes} bytes\n{listing}");
        }
        Err(why) => _ = writeln!(text, "no code: {why}"),
    }
    Some(text)
}
