//! Compilation beside the vCPU: a thread that takes copies of traces and gives their code back. The vCPU never waits; when
//! the queue is full, a trace asks again later.

use crate::clif::{CompileError, Compiler, Kind};
use crate::code::Code;
use crate::emit::{self, Member, Region};
use crate::gather::Found;
use crossbeam_channel::{Receiver, Sender, bounded};
use frontend_x86::cpu::Mode;
use frontend_x86::op::{Func, Op};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Traces that may wait.
const QUEUE: usize = 64;

/// A region to compile.
pub struct Job {
    /// Identifies it to the vCPU.
    pub ticket: u64,
    /// Its traces with copies of their ops.
    members: Vec<(Found, Vec<Op>)>,
    /// The mode that they were decoded for.
    mode: Mode,
    closed: bool,
}

// SAFETY: the worker follows no pointer of a job: links and entries are compared only, handlers are not called, the ops are
// the copies.
unsafe impl Send for Job {}

impl Job {
    /// A job, with the ops copied. `closed`: see [`Region`].
    pub fn new(ticket: u64, region: &[Found], mode: Mode, closed: bool) -> Self {
        let members = region.iter().map(|found| (*found, found.whole())).collect();
        Job { ticket, members, mode, closed }
    }

    /// How many instructions the region has.
    pub fn instructions(&self) -> u64 {
        self.members.iter().map(|(_, ops)| ops.len() as u64).sum()
    }

    /// See [`crate::Options::sabotage`].
    pub fn sabotage(&mut self, immediate: u64) {
        for op in self.members.iter_mut().flat_map(|(_, ops)| ops) {
            if op.ins.func == Func::Alu && op.imm == immediate {
                op.imm += 1;
            }
        }
    }
}

/// What became of a job.
pub struct Done {
    /// The job's.
    pub ticket: u64,
    /// The job's.
    pub closed: bool,
    /// The code; `None` if the trace cannot be compiled.
    pub code: Option<Code>,
    /// How long it took.
    pub time: Duration,
}

/// Compiles a region; `None` if it cannot be, and is left to the interpreter.
pub fn compile_or_not(compiler: &mut Compiler, job: &Job) -> Option<Code> {
    compile(compiler, job).unwrap_or_else(|error| {
        tracing::warn!(%error, instructions = job.instructions(), "code stays interpreted; please report this");
        None
    })
}

/// Compiles a region; `None` if it holds what cannot be translated.
pub fn compile(compiler: &mut Compiler, job: &Job) -> Result<Option<Code>, CompileError> {
    let members: Vec<Member> = job.members.iter().map(|(found, ops)| found.member(ops)).collect();
    let region = Region { members: &members, mode: job.mode, closed: job.closed };
    let mut whole = false;
    let code = compiler.compile(Kind::Trace, |asm| whole = emit::translate(asm, region))?;
    Ok(whole.then_some(Code { entries: region.entries(), ..code }))
}

/// The thread.
pub struct Worker {
    jobs: Option<Sender<Job>>,
    done: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts it. It sets `tell` whenever something is done.
    pub fn start(mut compiler: Compiler, tell: Arc<AtomicBool>) -> std::io::Result<Self> {
        let (jobs, queue) = bounded::<Job>(QUEUE);
        // Room for every job in flight and one more: the worker never waits for the vCPU.
        let (results, done) = bounded(2 * QUEUE);
        let body = move || {
            for job in queue {
                let begun = Instant::now();
                let code = compile_or_not(&mut compiler, &job);
                let done = Done { ticket: job.ticket, closed: job.closed, code, time: begun.elapsed() };
                if results.send(done).is_err() {
                    return;
                }
                tell.store(true, Ordering::Release);
            }
        };
        let thread = std::thread::Builder::new().name("jit".into()).spawn(body)?;
        Ok(Worker { jobs: Some(jobs), done, thread: Some(thread) })
    }

    /// Gives the worker a job, if it has room for one.
    pub fn give(&self, job: Job) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.try_send(job).is_ok())
    }

    /// A finished job, if there is one.
    pub fn take(&self) -> Option<Done> {
        self.done.try_recv().ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        // It may be waiting for room among the results.
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            let _ = self.done.recv_timeout(Duration::from_millis(10));
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
