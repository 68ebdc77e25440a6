//! When to ask a machine for a picture: 60 times a second while its screen changes, ever less often while it does not, and
//! hardly at all while nobody can see it.

use std::time::{Duration, Instant};

/// From one picture to the next while the screen changes.
const LIVELY: Duration = Duration::from_micros(16_667);
/// After a tenth of a second without a change.
const QUIET: Duration = Duration::from_millis(33);
/// After a second without one.
const CALM: Duration = Duration::from_millis(50);
/// While it is hidden.
const HIDDEN: Duration = Duration::from_millis(500);
/// How long a machine may take for a picture before anything else is done than to wait for it.
const PATIENCE: Duration = Duration::from_millis(500);

/// When the next picture is due.
#[derive(Debug)]
pub struct Pace {
    /// When the last one was asked for.
    last: Option<Instant>,
    /// It is not there yet.
    asked: bool,
    /// So many pictures were there at the last look.
    drawn: u64,
    /// So many of them were all the same.
    unchanged: u32,
    hidden: bool,
    /// Nothing is faster than this.
    fastest: Duration,
}

impl Pace {
    /// For a front end that shows no more pictures than one in this time.
    pub fn new(fastest: Duration) -> Self {
        Pace { last: None, asked: false, drawn: 0, unchanged: 0, hidden: false, fastest }
    }

    /// Sixty times a second.
    pub fn sixty_hertz() -> Self {
        Self::new(LIVELY)
    }

    fn interval(&self) -> Duration {
        let usual = match self.unchanged {
            _ if self.hidden => HIDDEN,
            0..6 => LIVELY,
            6..36 => QUIET,
            _ => CALM,
        };
        usual.max(self.fastest)
    }

    /// Whether to ask now; then it counts as asked.
    pub fn ask(&mut self, now: Instant) -> bool {
        let due = self.last.is_none_or(|last| now.saturating_duration_since(last) >= self.interval());
        let ask = due && !self.asked;
        if ask {
            (self.last, self.asked) = (Some(now), true);
        }
        ask
    }

    /// What was seen: how many pictures were drawn, and whether the last differs from the one before.
    pub fn seen(&mut self, drawn: u64, changed: bool) {
        if drawn != self.drawn {
            (self.drawn, self.asked) = (drawn, false);
            self.unchanged = self.unchanged.saturating_add(1);
        }
        if changed {
            self.unchanged = 0;
        }
    }

    /// A person does something, and wants to see what comes of it.
    pub fn hurry(&mut self) {
        self.unchanged = 0;
    }

    /// Nobody can see the picture, or they can again.
    pub fn set_hidden(&mut self, hidden: bool) {
        self.hidden = hidden;
    }

    /// How long there is nothing to do.
    pub fn wait(&self, now: Instant) -> Duration {
        match (self.asked, self.last) {
            (true, _) => PATIENCE,
            (false, Some(last)) => self.interval().saturating_sub(now.saturating_duration_since(last)),
            (false, None) => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for a second; how often?
    fn in_a_second(pace: &mut Pace, changes: bool) -> u64 {
        let start = Instant::now();
        let before = pace.drawn;
        for millisecond in 0..1000 {
            if pace.ask(start + Duration::from_millis(millisecond)) {
                pace.seen(pace.drawn + 1, changes);
            }
        }
        pace.last = None;
        pace.drawn - before
    }

    #[test]
    fn a_screen_that_stands_still_is_asked_less() {
        let mut pace = Pace::sixty_hertz();
        let lively = in_a_second(&mut pace, true);
        assert!((55..=60).contains(&lively), "{lively}");
        let first = in_a_second(&mut pace, false);
        assert!((30..40).contains(&first), "{first}");
        let later = in_a_second(&mut pace, false);
        assert!(later <= 24, "{later}");
        pace.hurry();
        assert!(in_a_second(&mut pace, true) >= 55);
        pace.set_hidden(true);
        assert!(in_a_second(&mut pace, true) <= 3);
    }

    #[test]
    fn nothing_is_asked_twice() {
        let mut pace = Pace::sixty_hertz();
        let start = Instant::now();
        assert_eq!(pace.wait(start), Duration::ZERO);
        assert!(pace.ask(start));
        assert!(!pace.ask(start + Duration::from_secs(9)));
        assert_eq!(pace.wait(start), PATIENCE);
        pace.seen(1, true);
        assert_eq!(pace.wait(start), LIVELY);
        assert!(!pace.ask(start) && pace.ask(start + LIVELY));
    }
}
