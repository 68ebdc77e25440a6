//! The keys and buttons that a person holds down, as far as the guest knows: no guest shall be left with a key that never
//! comes up, and the keys that are ours shall not reach it.

use lyrebird_core::{InputEvent, Key, MouseButton};

/// What Ctrl+Alt and a letter do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HotKey {
    /// G: the mouse is the guest's, or the host's again.
    Grab,
    /// F: full screen, and back.
    FullScreen,
    /// V: types what was copied.
    Paste,
    /// S: writes a picture.
    Screenshot,
    /// P: pauses, and resumes.
    Pause,
    /// R: resets.
    Reset,
    /// M: resets, and asks what to start from.
    BootMenu,
    /// B: presses the power button.
    PowerButton,
    /// E: takes the CD out.
    Eject,
    /// Q: ends.
    Quit,
}

/// What to say about them.
pub const HOT_KEYS: &str = "Ctrl+Alt+G mouse, F full screen, V paste, S picture, P pause, R reset, M choose what to start, B power button, E eject the CD, Q quit";

impl HotKey {
    fn of(letter: char) -> Option<Self> {
        Some(match letter.to_ascii_lowercase() {
            'g' => HotKey::Grab,
            'f' => HotKey::FullScreen,
            'v' => HotKey::Paste,
            's' => HotKey::Screenshot,
            'p' => HotKey::Pause,
            'r' => HotKey::Reset,
            'm' => HotKey::BootMenu,
            'b' => HotKey::PowerButton,
            'e' => HotKey::Eject,
            'q' => HotKey::Quit,
            _ => return None,
        })
    }
}

const CTRLS: [Key; 2] = [Key(0xe0), Key(0xe4)];
const LEFT_ALT: Key = Key(0xe2);

/// What comes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressed {
    /// It is the guest's.
    Guest(InputEvent),
    /// It is ours.
    Ours(HotKey),
    /// It is nobody's.
    Nobody,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Held {
    keys: Vec<Key>,
    buttons: Vec<MouseButton>,
}

impl Held {
    /// A key went down. `letter` is what the person's layout has on it; where that is no letter of ours (on a Greek
    /// keyboard, say) the place of the key decides. The right Alt key is AltGr, which writes on many layouts, and is the guest's.
    pub fn key_down(&mut self, key: Key, letter: Option<char>) -> Pressed {
        let letter = letter.filter(char::is_ascii_alphabetic).or(match key.0 {
            4..=0x1d => Some(char::from(b'a' + key.0 - 4)),
            _ => None,
        });
        let ours = CTRLS.iter().any(|ctrl| self.keys.contains(ctrl)) && self.keys.contains(&LEFT_ALT);
        if let Some(hot) = letter.and_then(HotKey::of).filter(|_| ours) {
            return Pressed::Ours(hot);
        }
        if self.keys.contains(&key) {
            return Pressed::Nobody; // the host repeats it
        }
        self.keys.push(key);
        Pressed::Guest(InputEvent::Key { key, down: true })
    }

    /// A key came up; nothing comes of it if the guest does not know it to be down.
    pub fn key_up(&mut self, key: Key) -> Option<InputEvent> {
        let place = self.keys.iter().position(|held| *held == key)?;
        self.keys.remove(place);
        Some(InputEvent::Key { key, down: false })
    }

    /// A button went down or came up, with the mouse being the guest's or not.
    pub fn button(&mut self, button: MouseButton, down: bool) -> Option<InputEvent> {
        let place = self.buttons.iter().position(|held| *held == button);
        match (place, down) {
            (None, true) => self.buttons.push(button),
            (Some(place), false) => _ = self.buttons.remove(place),
            _ => return None,
        }
        Some(InputEvent::MouseButton { button, down })
    }

    /// Everything comes up: the keyboard is somebody else's now.
    pub fn release_all(&mut self) -> Vec<InputEvent> {
        let keys = self.keys.drain(..).rev().map(|key| InputEvent::Key { key, down: false });
        let buttons = self.buttons.drain(..).map(|button| InputEvent::MouseButton { button, down: false });
        keys.chain(buttons).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CTRL: Key = Key(0xe0);
    const G: Key = Key(0x0a);

    fn down(key: Key) -> Pressed {
        Pressed::Guest(InputEvent::Key { key, down: true })
    }

    fn up(key: Key) -> InputEvent {
        InputEvent::Key { key, down: false }
    }

    #[test]
    fn ctrl_alt_and_a_letter_are_ours() {
        let mut held = Held::default();
        assert_eq!(held.key_down(G, Some('g')), down(G));
        assert_eq!(held.key_up(G), Some(up(G)));
        assert_eq!(held.key_down(CTRL, None), down(CTRL));
        assert_eq!(held.key_down(LEFT_ALT, None), down(LEFT_ALT));
        assert_eq!(held.key_down(G, Some('g')), Pressed::Ours(HotKey::Grab));
        assert_eq!(held.key_up(G), None, "the guest never saw it go down");
        assert_eq!(held.key_down(Key(4), Some('q')), Pressed::Ours(HotKey::Quit), "a French keyboard");
        assert_eq!(held.key_down(Key(0x14), Some('a')), down(Key(0x14)));
        assert_eq!(held.key_down(G, Some('γ')), Pressed::Ours(HotKey::Grab), "a Greek keyboard");
        assert_eq!(held.release_all(), [up(Key(0x14)), up(LEFT_ALT), up(CTRL)]);
        assert_eq!(held.key_up(CTRL), None);
    }

    #[test]
    fn the_right_alt_key_writes() {
        let mut held = Held::default();
        held.key_down(CTRL, None);
        held.key_down(Key(0xe6), None);
        assert_eq!(held.key_down(Key(0x14), Some('q')), down(Key(0x14)), "a German @ on Windows");
    }

    #[test]
    fn repetitions_and_lost_buttons_vanish() {
        let mut held = Held::default();
        held.key_down(G, Some('g'));
        assert_eq!(held.key_down(G, Some('g')), Pressed::Nobody);
        assert_eq!(held.button(MouseButton::Left, false), None);
        assert!(held.button(MouseButton::Left, true).is_some());
        assert_eq!(held.button(MouseButton::Left, true), None);
        assert_eq!(held.release_all().len(), 2);
    }
}
