//! What this program brings along for a PC to start with: the characters of its screen.

#![forbid(unsafe_code)]

pub mod font;
