//! The 8042 keyboard controller at ports 60h and 64h (IBM PS/2 technical reference, "Keyboard and auxiliary device
//! controller"), with what stands at its two ports.

mod controller;
mod peripheral;
#[cfg(test)]
mod tests;

pub use controller::Ps2;
pub use peripheral::Peripheral;
