//! Text as key strokes on an American keyboard, at a pace that guests can take: for pasting, and for terminals, which know
//! of no key that comes up.

use super::keys::{self, SHIFT};
use lyrebird_core::{InputEvent, Key};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// From one event to the next. A keyboard's own fastest repetition is 33 ms a key; guests that look for keys rarely have 16
/// bytes of buffer.
const PACE: Duration = Duration::from_millis(12);
/// More text than this is not pasted: it would take longer than an hour.
const MOST: usize = 100_000;

/// The events of one stroke, with Shift around it if it must be.
pub fn stroke(key: Key, modifiers: &[Key]) -> Vec<InputEvent> {
    let event = |key, down| InputEvent::Key { key, down };
    let mut events: Vec<_> = modifiers.iter().map(|modifier| event(*modifier, true)).collect();
    events.extend([event(key, true), event(key, false)]);
    events.extend(modifiers.iter().rev().map(|modifier| event(*modifier, false)));
    events
}

/// The events that type a character; none if an American keyboard has no key for it.
pub fn type_character(character: char) -> Vec<InputEvent> {
    match keys::by_character(character) {
        Some((key, true)) => stroke(key, &[SHIFT]),
        Some((key, false)) => stroke(key, &[]),
        None => Vec::new(),
    }
}

/// Events that wait for their time.
#[derive(Debug, Default)]
pub struct Typist {
    waiting: VecDeque<InputEvent>,
    next: Option<Instant>,
}

impl Typist {
    /// Adds text; returns how many of its characters have no key. Line ends of any kind are Enter, once.
    pub fn type_text(&mut self, text: &str) -> usize {
        let mut unknown = 0;
        for character in text.replace("\r\n", "\n").chars().take(MOST) {
            let events = type_character(character);
            unknown += usize::from(events.is_empty());
            self.waiting.extend(events);
        }
        unknown
    }

    /// Adds events.
    pub fn add(&mut self, events: impl IntoIterator<Item = InputEvent>) {
        self.waiting.extend(events);
    }

    /// Forgets what waits, but for the keys that are held: those come up.
    pub fn stop(&mut self) -> Vec<InputEvent> {
        let mut ups: Vec<InputEvent> = Vec::new();
        let mut seen = Vec::new();
        for event in self.waiting.drain(..) {
            if let InputEvent::Key { key, down } = event
                && !seen.contains(&key)
            {
                seen.push(key);
                if !down {
                    ups.push(event);
                }
            }
        }
        ups
    }

    /// The event whose time has come, if there is one.
    pub fn due(&mut self, now: Instant) -> Option<InputEvent> {
        if self.next.is_some_and(|next| next > now) {
            return None;
        }
        let event = self.waiting.pop_front();
        self.next = event.map(|_| now + PACE);
        event
    }

    /// How long nothing is due; `None` if nothing waits.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        (!self.waiting.is_empty()).then(|| self.next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: u8, down: bool) -> InputEvent {
        InputEvent::Key { key: Key(key), down }
    }

    #[test]
    fn shift_goes_around() {
        assert_eq!(type_character('a'), [key(4, true), key(4, false)]);
        assert_eq!(type_character('A'), [key(0xe1, true), key(4, true), key(4, false), key(0xe1, false)]);
        assert_eq!(type_character('ß'), []);
    }

    #[test]
    fn events_come_at_their_pace() {
        let mut typist = Typist::default();
        assert_eq!(typist.type_text("é\r\na"), 1);
        let start = Instant::now();
        assert_eq!(typist.wait(start), Some(Duration::ZERO));
        assert_eq!(typist.due(start), Some(key(0x28, true)));
        assert_eq!(typist.due(start), None);
        assert_eq!(typist.wait(start), Some(PACE));
        assert_eq!(typist.due(start + PACE), Some(key(0x28, false)));
        assert_eq!(typist.due(start + PACE * 3), Some(key(4, true)));
        assert_eq!(typist.stop(), [key(4, false)], "what is held comes up");
        assert_eq!((typist.due(start + PACE * 9), typist.wait(start)), (None, None));
    }
}
