//! Raising exceptions: what happens when delivering one raises another (Intel SDM vol. 3, table 6-5).

use super::control::cr0;
use super::debug;
use super::interrupt::{Event, deliver};
use crate::ctx::Ctx;
use crate::exception::{Exception, vector};
use lyrebird_core::cpu::state::Activity;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Benign,
    Contributory,
    PageFault,
    DoubleFault,
}

fn class(event: Event) -> Class {
    let Event::Exception(e) = event else { return Class::Benign };
    match e.vector {
        vector::DE | vector::TS | vector::NP | vector::SS | vector::GP => Class::Contributory,
        vector::PF => Class::PageFault,
        vector::DF => Class::DoubleFault,
        _ => Class::Benign,
    }
}

/// Delivers an exception that the instruction at `cpu.rip` raised. False: a triple fault, and the CPU has shut down.
pub fn raise(ctx: &mut Ctx, exception: Exception) -> bool {
    begin(ctx, Event::Exception(exception))
}

/// Most exceptions that are raised one by another at one boundary.
const SERIAL: usize = 16;

/// Delivers an event, and what its delivery raises. False: a triple fault, and the CPU has shut down.
pub fn begin(ctx: &mut Ctx, event: Event) -> bool {
    ctx.cpu.debug_hits = 0;
    let mut event = event;
    for _ in 0..SERIAL {
        if let Event::Exception(e) = event {
            note(ctx, &e);
        }
        let Err(next) = deliver(ctx, fitting(ctx, event)) else { return true };
        let second = Event::Exception(next);
        event = match (class(event), class(second)) {
            (Class::DoubleFault, Class::Contributory | Class::PageFault) => {
                ctx.cpu.state.activity = Activity::Shutdown;
                ctx.cpu.next_rip = ctx.cpu.rip;
                return false;
            }
            (Class::Contributory, Class::Contributory) | (Class::PageFault, Class::Contributory | Class::PageFault) => {
                // CR2 tells of the last page fault, even of one that became a double fault.
                note(ctx, &next);
                Event::Exception(Exception { vector: vector::DF, error: Some(0), address: 0 })
            }
            _ => second,
        };
    }
    // A benign exception whose delivery raises itself (#AC on a misaligned stack) goes on for ever on a real processor,
    // which then answers to INIT only. Here the instruction is tried again, so that the host gets its turn.
    ctx.cpu.next_rip = ctx.cpu.rip;
    true
}

/// Real mode pushes no error codes.
fn fitting(ctx: &Ctx, event: Event) -> Event {
    match event {
        Event::Exception(e) if ctx.cpu.state.cr0 & cr0::PE == 0 => Event::Exception(Exception { error: None, ..e }),
        other => other,
    }
}

/// What an exception leaves in CR2 and DR6 before it is delivered.
fn note(ctx: &mut Ctx, e: &Exception) {
    match e.vector {
        vector::PF => ctx.cpu.state.cr2 = e.address,
        vector::DB => {
            ctx.cpu.state.dr6 |= e.address;
            debug::clear_for_handler(ctx.cpu);
        }
        _ => {}
    }
}
