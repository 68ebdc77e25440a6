//! The device behind the trap ports: takes a caller's registers in, runs the service that the stub stands for, gives the
//! registers back.
//!
//! ```text
//!   port  +0  OUT dword: run (the value is the frame's linear address)    IN byte: what the stub does next
//!         +1  OUT byte: the frame comes next
//!         +4  REP OUTSB: the frame to the host    REP INSB: the frame from the host
//! ```
//! The frame passes through a port and not through memory, so that it does not matter how the guest's addresses are mapped:
//! the CPU does that itself, in V86 mode as in real mode, and so does a guest that interprets the BIOS.

use crate::call::{Call, Flow, Pause};
use crate::disk::DiskState;
use crate::frame::{BYTES, Regs};
use crate::image::service;
use crate::mouse::MouseState;
use crate::platform::{Facts, Platform};
use crate::start::StartState;
use crate::video::VideoState;
use lyrebird_core::{Device, ResetKind, RestoreError, Unit, VmTime};
use serde::{Deserialize, Serialize};

/// The first trap port. Nothing else of a PC is there.
pub const PORTS: u16 = 0x4f0;
/// How many there are.
pub const PORT_COUNT: u16 = 8;
/// Where the frame goes through.
pub const FRAME_PORT: u16 = PORTS + 4;

const KIND: &str = "firmware";

/// What stubs are told to do next.
mod next {
    pub const DONE: u8 = 0;
    pub const HALT: u8 = 1;
    pub const AGAIN: u8 = 2;
}

/// What the firmware remembers between calls and does not keep in the guest's own data areas.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub(crate) disk: DiskState,
    pub(crate) start: StartState,
    pub(crate) mouse: MouseState,
    pub(crate) video: VideoState,
    /// When INT 15h AH=83h sets the caller's flag, and where that is.
    pub(crate) alarm: Option<(u64, u64)>,
    /// When INT 15h AH=86h returns.
    pub(crate) wait_end: u64,
    /// The APM interface is connected.
    pub(crate) apm: bool,
}

/// The frame on its way.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Passage {
    bytes: Vec<u8>,
    at: usize,
    next: u8,
}

/// The device.
pub struct Firmware {
    facts: Facts,
    state: State,
    passage: Passage,
    /// A machine started more than once since power-on does not obey "once" any more.
    started: bool,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    state: State,
    passage: Passage,
    started: bool,
}

impl Firmware {
    /// The firmware of a machine.
    pub fn new(facts: Facts) -> Self {
        Firmware { facts, state: State::default(), passage: Passage::default(), started: false }
    }

    /// OUT to the trap ports.
    pub fn port_write(&mut self, machine: &mut dyn Platform, port: u16, bytes: u8, value: u32) {
        match port {
            FRAME_PORT => value.to_le_bytes()[..bytes.min(4).into()].iter().for_each(|byte| self.take(*byte)),
            PORTS => self.run(machine),
            _ => self.passage.at = 0,
        }
    }

    /// IN from the trap ports.
    pub fn port_read(&mut self, port: u16) -> u8 {
        match port {
            FRAME_PORT => {
                let byte = self.passage.bytes.get(self.passage.at).copied().unwrap_or(0xff);
                self.passage.at = (self.passage.at + 1) % BYTES;
                byte
            }
            PORTS => self.passage.next,
            _ => 0xff,
        }
    }

    fn take(&mut self, byte: u8) {
        let passage = &mut self.passage;
        passage.bytes.resize(BYTES, 0);
        passage.bytes[passage.at % BYTES] = byte;
        passage.at = (passage.at + 1) % BYTES;
    }

    fn run(&mut self, machine: &mut dyn Platform) {
        let mut bytes = [0; BYTES];
        let count = self.passage.bytes.len().min(BYTES);
        bytes[..count].copy_from_slice(&self.passage.bytes[..count]);
        let mut regs = Regs::from_bytes(&bytes);
        let state = &mut self.state;
        if regs.service == service::POST {
            state.start = StartState { again: self.started, ..StartState::default() };
            self.started = true;
        }
        tracing::trace!(
            service = format_args!("{:x}", regs.service),
            eax = format_args!("{:x}", regs.eax),
            ebx = format_args!("{:x}", regs.ebx),
            ecx = format_args!("{:x}", regs.ecx),
            edx = format_args!("{:x}", regs.edx),
            ip = format_args!("{:x}:{:x}", regs.cs, regs.ip),
            "call"
        );
        let mut call = Call { regs: &mut regs, machine, state, facts: &self.facts };
        let flow = serve(&mut call);
        let next = match flow {
            Ok(()) => next::DONE,
            Err(Pause::Interrupt) => next::HALT,
            Err(Pause::Moment) => next::AGAIN,
        };
        self.passage = Passage { bytes: regs.to_bytes().to_vec(), at: 0, next };
    }
}

/// Finds the service that a stub stands for.
fn serve(call: &mut Call<'_>) -> Flow {
    use crate::{clock, disk, equipment, keyboard, mouse, pci, post, serial, start, system, video};
    match call.regs.service {
        service::POST => post::run(call),
        service::BOOT => return start::boot(call),
        service::NO_BOOT => return start::next(call),
        service::VIDEO_POST => video::post(call),
        service::KEY => keyboard::interrupt(call),
        service::MOUSE => mouse::interrupt(call),
        service::CLOCK => clock::interrupt(call),
        service::PCI32 => pci::service(call),
        service::APM32 => system::apm(call),
        0x10 => video::service(call),
        0x11 => equipment::list(call),
        0x12 => equipment::memory(call),
        0x13 => return disk::service(call),
        0x14 => return serial::service(call),
        0x15 => return system::service(call),
        0x16 => return keyboard::service(call),
        0x17 => serial::printer(call),
        0x1a => clock::service(call),
        _ => {}
    }
    Ok(())
}

impl Device for Firmware {
    fn name(&self) -> &str {
        KIND
    }

    fn reset(&mut self, kind: ResetKind, _now: VmTime) {
        self.state = State::default();
        self.passage = Passage::default();
        if kind == ResetKind::Power {
            self.started = false;
        }
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { facts: _, state, passage, started } = self;
        Unit::pack(KIND, 1, &Saved { state: state.clone(), passage: passage.clone(), started: *started })
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        let Saved { state, passage, started } = unit.unpack(KIND, 1)?;
        (self.state, self.passage, self.started) = (state, passage, started);
        self.passage.at %= BYTES;
        Ok(())
    }
}
