//! What happens to a machine by itself, at moments of guest time that were fixed before it was started: keys are pressed,
//! pictures of its screen are taken, it ends. In a deterministic machine each of these is at the same instruction in every run.

use super::control::NewMedium;
use super::{Machine, Order, Outcome};
use lyrebird_core::{Frame, InputEvent, VmTime};
use std::path::{Path, PathBuf};

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody does something with keyboard or mouse.
    Input(InputEvent),
    /// Somebody gives an order.
    Order(Order),
    /// Somebody takes a picture, for this file.
    Picture(PathBuf),
    /// Somebody puts a medium in, with this image.
    Insert(PathBuf),
}

/// So many nanoseconds late, the next key waits as long.
const LATE: u64 = 20_000_000;

/// Who gets the pictures; called on the machine's thread.
pub type Album = Box<dyn FnMut(&Path, &Frame) + Send>;

/// Who opens images; called on the machine's thread.
pub type Opener = Box<dyn FnMut(&Path) -> Result<NewMedium, String> + Send>;

/// All that happens, in its order.
#[derive(Default)]
pub struct Script {
    /// Latest first.
    steps: Vec<(VmTime, Step)>,
    album: Option<Album>,
    opener: Option<Opener>,
    last_picture: Option<PathBuf>,
}

impl Script {
    /// A script of these steps; of those at the same moment the first is done first.
    pub fn new(mut steps: Vec<(VmTime, Step)>) -> Self {
        steps.sort_by_key(|(when, _)| *when);
        steps.reverse();
        Script { steps, ..Script::default() }
    }

    /// Gives the pictures to `album`: those of the script, and one for the file `last` when the machine's run has ended.
    pub fn pictures(mut self, last: Option<PathBuf>, album: Album) -> Self {
        (self.last_picture, self.album) = (last, Some(album));
        self
    }

    /// Lets `opener` open the images of media.
    pub fn media(mut self, opener: Opener) -> Self {
        self.opener = Some(opener);
        self
    }

    /// When something happens next.
    pub(super) fn next(&self) -> VmTime {
        self.steps.last().map_or(VmTime::NEVER, |(when, _)| *when)
    }

    fn pop_due(&mut self, now: VmTime) -> Option<Step> {
        if self.next() > now {
            return None;
        }
        let (when, step) = self.steps.pop()?;
        // On a host that gave the machine no time, everything would be due at once, which is more than a keyboard keeps: what a
        // person does one after the other stays so.
        if matches!(step, Step::Input(_)) && now.as_nanos() - when.as_nanos() > LATE {
            let (mut before, mut after) = (when, now);
            for (next, _) in self.steps.iter_mut().rev().take_while(|(_, step)| matches!(step, Step::Input(_))) {
                let moved = after + (next.as_nanos() - before.as_nanos()).min(LATE);
                if *next >= moved {
                    break;
                }
                before = std::mem::replace(next, moved);
                after = moved;
            }
        }
        Some(step)
    }
}

impl Machine {
    /// Does what the script has for now.
    pub(super) fn play(&mut self, now: VmTime) -> Option<Outcome> {
        while let Some(step) = self.script.pop_due(now) {
            match step {
                Step::Input(event) => self.lock().input(event, now),
                Step::Picture(file) => self.take_picture(&file),
                Step::Insert(file) => self.insert(&file),
                Step::Order(order) => {
                    let outcome = self.obey(order);
                    if outcome.is_some() {
                        return outcome;
                    }
                }
            }
        }
        None
    }

    fn insert(&mut self, file: &Path) {
        match self.script.opener.as_mut().map(|open| open(file)) {
            Some(Ok(NewMedium { drive, medium })) => _ = self.lock().change_medium(drive, Some(medium)),
            Some(Err(error)) => tracing::error!("{error}"),
            None => tracing::error!("nobody opens {}", file.display()),
        }
    }

    /// The picture at the end, if one was asked for.
    pub(super) fn take_last_picture(&mut self) {
        if let Some(file) = self.script.last_picture.clone() {
            self.take_picture(&file);
        }
    }

    fn take_picture(&mut self, file: &Path) {
        let now = self.clock.now();
        let Some(mut album) = self.script.album.take() else { return };
        let handle = self.handle.clone();
        handle.draw_for(|frame| self.lock().draw(frame, now), |frame| album(file, frame));
        self.script.album = Some(album);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_in_their_order() {
        let picture = |name: &str| Step::Picture(name.into());
        let mut script = Script::new(vec![
            (VmTime(20), picture("c")),
            (VmTime(10), picture("a")),
            (VmTime(10), picture("b")),
            (VmTime(30), Step::Order(Order::Quit)),
        ]);
        assert_eq!(script.next(), VmTime(10));
        assert_eq!(script.pop_due(VmTime(9)), None);
        let due: Vec<_> = std::iter::from_fn(|| script.pop_due(VmTime(25))).collect();
        assert_eq!(due, [picture("a"), picture("b"), picture("c")]);
        assert_eq!(script.next(), VmTime(30));
        assert_eq!(Script::default().next(), VmTime::NEVER);
    }

    #[test]
    fn keys_that_are_late_do_not_come_at_once() {
        let key = |down| Step::Input(InputEvent::Key { key: lyrebird_core::Key(4), down });
        let ms = |n: u64| VmTime(n * 1_000_000);
        let mut script =
            Script::new(vec![(ms(10), key(true)), (ms(30), key(false)), (ms(50), key(true)), (ms(51), key(false))]);
        let due = |script: &mut Script, now| std::iter::from_fn(|| script.pop_due(now)).count();
        assert_eq!(due(&mut script, ms(500)), 1);
        assert_eq!(due(&mut script, ms(519)), 0);
        assert_eq!(due(&mut script, ms(520)), 1);
        assert_eq!(script.next(), ms(540));
        assert_eq!(due(&mut script, ms(541)), 2, "as near to each other as they should be");
    }
}
