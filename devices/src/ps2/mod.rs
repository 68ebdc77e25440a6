//! The 8042 keyboard controller at ports 60h and 64h (IBM PS/2 technical reference, "Keyboard and auxiliary device
//! controller"), with what stands at its two ports: a keyboard and a mouse.

mod controller;
mod keyboard;
mod mouse;
mod scancodes;
#[cfg(test)]
mod tests;

pub use controller::Ps2;
pub use keyboard::Keyboard;
pub use mouse::Mouse;
