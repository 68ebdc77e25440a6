//! System instructions and events.

pub mod control;
pub mod debug;
pub mod misc;
