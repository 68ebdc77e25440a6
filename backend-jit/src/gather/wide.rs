//! Wide regions: what is entered very often is compiled once more, together with all that it goes on into, though much of that
//! has code of its own: functions that are called, and what follows the calls. So the way through costs no jumps by way of
//! the cache, and what is in host registers stays there.
//!
//! Such a region is *closed*: it is entered by its first trace only; others go on to enter the code that the other traces have.

use super::{Found, Place, successors, with};
use backend_interp::pool::Locked;
use backend_interp::run::{Run, TracedOp};
use frontend_x86::cpu::Mode;

/// Most ops.
const MOST: usize = 120;
/// Most traces.
const MOST_TRACES: usize = 32;
/// A trace is taken in if it is reached at least in this part of the entries.
const LEAST: f32 = 1.0 / 16.0;

/// The traces of a wide region around one that is entered very often, in an order in which what goes on comes before what it goes
/// on in, but for loops.
///
/// # Safety
/// `entry` is the entry op that `run` is about to execute.
pub unsafe fn widen(run: &Run, pool: &Locked<'_>, entry: *mut TracedOp, plain: bool) -> Vec<Found> {
    let place = Place::of(run, pool);
    let mut not: Vec<*mut TracedOp> = Vec::new();
    loop {
        // SAFETY: the trace is about to be executed.
        let first = unsafe { Found::new(entry, 0, place.host, plain) };
        let members = gather(run, &place, first, &not);
        let reached = ordered(&members, run.cpu.mode);
        let tried = not.len();
        // What follows a call is not come to, if the call's return is elsewhere.
        not.extend(members.iter().map(|m| m.entry).filter(|entry| reached.iter().all(|r| r.entry != *entry)));
        if not.len() == tried || not.len() > MOST_TRACES {
            return reached;
        }
    }
}

/// The first trace and what it goes on into most often, without some.
fn gather(run: &Run, place: &Place<'_>, first: Found, not: &[*mut TracedOp]) -> Vec<Found> {
    let mut members = vec![first];
    let mut size = first.used;
    let mut candidates: Vec<(Found, f32)> = Vec::new();
    let mut newest = 1.0;
    while members.len() < MOST_TRACES {
        for (found, part) in members.last().map(|last| successors(run, place, last)).unwrap_or_default() {
            let part = newest * part;
            match candidates.iter_mut().find(|(known, _)| known.entry == found.entry) {
                Some((_, known)) => *known += part,
                None if not.contains(&found.entry) => {}
                None => candidates.push((found, part)),
            }
        }
        candidates.retain(|(c, _)| size + c.used <= MOST && members.iter().all(|m| m.entry != c.entry));
        let best = (0..candidates.len()).max_by(|a, b| candidates[*a].1.total_cmp(&candidates[*b].1));
        let best = best.map(|n| candidates.swap_remove(n)).filter(|(_, part)| *part >= LEAST);
        let Some((best, part)) = best else { break };
        size += best.used;
        newest = part;
        members.push(best);
    }
    members
}

/// Reverse postorder.
fn ordered(members: &[Found], mode: Mode) -> Vec<Found> {
    let edges = with(members, mode, true, |region| region.edges());
    let mut left: Vec<Vec<usize>> = vec![Vec::new(); members.len()];
    edges.iter().for_each(|way| left[way.from].push(way.to));
    let mut seen = vec![false; members.len()];
    let mut order = Vec::new();
    let mut path = vec![0];
    seen[0] = true;
    while let Some(&at) = path.last() {
        match left[at].pop() {
            Some(to) if !seen[to] => {
                seen[to] = true;
                path.push(to);
            }
            Some(_) => {}
            None => {
                path.pop();
                order.push(members[at]);
            }
        }
    }
    // What is not reached inside is left out.
    order.reverse();
    order
}
