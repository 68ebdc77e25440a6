//! What the integration tests share: guest programs of our own, assembled here, so that no test needs a file from elsewhere.

#![allow(dead_code, reason = "every test program uses another part of it")]

pub mod elf;
pub mod flat;
pub mod guest;
pub mod machine;
pub mod pio;
pub mod screens;
pub mod sector;
pub mod threads;
