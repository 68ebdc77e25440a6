//! From what a terminal sends to keys of a PC: it knows characters and modifiers, never a key that comes up.

use crate::screen::keys::{self, ALT, CTRL, SHIFT};
use crate::screen::typing;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use lyrebird_core::{InputEvent, Key};

/// The strokes that make what was typed; none if a PC's keyboard has no such key.
pub fn strokes(event: &KeyEvent) -> Vec<InputEvent> {
    let named = |name: &str| keys::by_name(name).map(|key| (key, false));
    let found = match event.code {
        KeyCode::Char(character) => keys::by_character(character),
        KeyCode::Enter => named("ret"),
        KeyCode::Esc => named("esc"),
        KeyCode::Backspace => named("backspace"),
        KeyCode::Tab => named("tab"),
        KeyCode::BackTab => named("tab").map(|(key, _)| (key, true)),
        KeyCode::Left => named("left"),
        KeyCode::Right => named("right"),
        KeyCode::Up => named("up"),
        KeyCode::Down => named("down"),
        KeyCode::Home => named("home"),
        KeyCode::End => named("end"),
        KeyCode::PageUp => named("pgup"),
        KeyCode::PageDown => named("pgdn"),
        KeyCode::Insert => named("insert"),
        KeyCode::Delete => named("delete"),
        KeyCode::F(number) => named(&format!("f{number}")),
        KeyCode::CapsLock => named("caps_lock"),
        KeyCode::ScrollLock => named("scroll_lock"),
        KeyCode::NumLock => named("num_lock"),
        KeyCode::PrintScreen => named("print"),
        KeyCode::Pause => named("pause"),
        KeyCode::Menu => named("menu"),
        _ => None,
    };
    let Some((key, shift)) = found else { return Vec::new() };
    let has = |modifier| event.modifiers.contains(modifier);
    // With a character, Shift is what its place on our keyboard needs, not what the person's layout needed.
    let shift = shift || has(KeyModifiers::SHIFT) && !matches!(event.code, KeyCode::Char(_));
    let held: Vec<Key> = [(CTRL, has(KeyModifiers::CONTROL)), (ALT, has(KeyModifiers::ALT)), (SHIFT, shift)]
        .into_iter()
        .filter_map(|(key, held)| held.then_some(key))
        .collect();
    typing::stroke(key, &held)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn downs(code: KeyCode, modifiers: KeyModifiers) -> Vec<u8> {
        let down = |event| match event {
            InputEvent::Key { key, down: true } => Some(key.0),
            _ => None,
        };
        strokes(&KeyEvent::new(code, modifiers)).into_iter().filter_map(down).collect()
    }

    #[test]
    fn characters_and_modifiers() {
        assert_eq!(downs(KeyCode::Char('a'), KeyModifiers::NONE), [4]);
        assert_eq!(downs(KeyCode::Char('A'), KeyModifiers::SHIFT), [0xe1, 4]);
        assert_eq!(downs(KeyCode::Char('c'), KeyModifiers::CONTROL), [0xe0, 6]);
        assert_eq!(downs(KeyCode::Char('/'), KeyModifiers::SHIFT), [0x38], "Shift-7 on a German keyboard");
        assert_eq!(downs(KeyCode::Char('x'), KeyModifiers::ALT), [0xe2, 0x1b]);
        assert_eq!(downs(KeyCode::BackTab, KeyModifiers::SHIFT), [0xe1, 0x2b]);
        assert_eq!(downs(KeyCode::F(12), KeyModifiers::NONE), [0x45]);
        assert_eq!(downs(KeyCode::Up, KeyModifiers::SHIFT), [0xe1, 0x52]);
        assert_eq!(downs(KeyCode::Char('ø'), KeyModifiers::NONE), Vec::<u8>::new());
        assert_eq!(downs(KeyCode::F(99), KeyModifiers::NONE), Vec::<u8>::new());
    }
}
