//! The words that every part of the machine shares: guest time, interrupt lines, timers, devices, the CPU state that
//! no engine owns, and the trait through which an engine is driven. See `docs/design.md` for the whole house.

#![forbid(unsafe_code)]

pub mod block;
pub mod bus;
pub mod chars;
pub mod cpu;
pub mod device;
pub mod dispi;
pub mod display;
pub mod engine;
pub mod input;
pub mod line;
pub mod saved;
pub mod time;
pub mod timer;

pub use block::{BlockDevice, BlockError};
pub use bus::{Cause, CpuBus, Delivery, NoBus};
pub use cpu::state::CpuState;
pub use device::{Device, MmioIo, PciConfig, PortIo, ResetKind};
pub use display::{Display, Frame, TextScreen};
pub use engine::{Budget, Engine, Exit, Signals, Vcpu};
pub use input::{InputEvent, InputQueue, Key, MouseButton};
pub use line::{Line, LineBus};
pub use saved::{RestoreError, Unit};
pub use time::{Frequency, VmTime};
pub use timer::{Timer, TimerQueue, TimerToken};
