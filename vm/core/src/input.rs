//! What a person does with keyboard and mouse, on its way from a host half to the devices of the machine.

/// A key, by its place on the keyboard: the usage number of the HID usage tables (page 07h, "Keyboard/Keypad"), which
/// is also SDL's scancode. 04h is the key with A on an American keyboard, whatever the layout has printed on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(pub u8);

/// Buttons of a mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MouseButton {
    /// The left one.
    Left,
    /// The right one.
    Right,
    /// The one in the middle, or the wheel pressed.
    Middle,
    /// The fourth, "back".
    Back,
    /// The fifth, "forward".
    Forward,
}

/// One thing that a person did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputEvent {
    /// A key went down or came up. A host's own repetition is not sent: keyboards repeat by themselves.
    Key {
        /// Which.
        key: Key,
        /// Down.
        down: bool,
    },
    /// The mouse moved by so many counts, right and down being positive.
    MouseMove {
        /// To the right.
        dx: i32,
        /// Down.
        dy: i32,
    },
    /// The wheel turned by so many notches; away from the person is positive.
    MouseWheel {
        /// Notches.
        notches: i32,
    },
    /// A button went down or came up.
    MouseButton {
        /// Which.
        button: MouseButton,
        /// Down.
        down: bool,
    },
}

/// Events that wait for the machine's event loop, which is where they enter the machine.
#[derive(Default)]
pub struct InputQueue {
    events: std::sync::Mutex<Vec<InputEvent>>,
}

impl InputQueue {
    /// More than a person can do while the machine looks away; what comes after is dropped, as a keyboard's full buffer does.
    const ROOM: usize = 4096;

    /// Adds an event, from any thread.
    pub fn push(&self, event: InputEvent) {
        let mut events = self.events.lock().unwrap_or_else(|e| e.into_inner());
        if events.len() < Self::ROOM {
            events.push(event);
        }
    }

    /// Takes all that wait, oldest first.
    pub fn take(&self) -> Vec<InputEvent> {
        std::mem::take(&mut *self.events.lock().unwrap_or_else(|e| e.into_inner()))
    }
}
