//! The device behind the trap ports: takes a caller's registers in, runs the service that the stub stands for, gives the
//! registers back.
//!
//! ```text
//!   port  +0  OUT dword: run (the value is the frame's linear address)    IN byte: what the stub does next
//!         +1  OUT byte: the frame comes next
//!         +4  REP OUTSB: the frame to the host    REP INSB: the frame from the host
//!             IN dword, twice: a piece of the caller's memory (see `transit`), whose bytes come next
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
use crate::transit::{Transit, Way};
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
    pub const GIVE: u8 = 3;
    pub const BORROW: u8 = 4;
}

/// In a frame's scratch field: the stub comes back after a step of what is in transit.
const BACK: u32 = 1 << 31;

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
    transit: Transit,
    /// A machine started more than once since power-on does not obey "once" any more.
    started: bool,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    state: State,
    passage: Passage,
    #[serde(default)]
    transit: Transit,
    started: bool,
}

impl Firmware {
    /// The firmware of a machine.
    pub fn new(facts: Facts) -> Self {
        Firmware {
            facts,
            state: State::default(),
            passage: Passage::default(),
            transit: Transit::default(),
            started: false,
        }
    }

    /// Asks what to start from, the next time that the machine starts.
    pub fn ask_what_to_start(&mut self) {
        self.state.start.asked = true;
    }

    /// OUT to the trap ports.
    pub fn port_write(&mut self, machine: &mut dyn Platform, port: u16, bytes: u8, value: u32) {
        match port {
            FRAME_PORT => self.write_block(&value.to_le_bytes()[..bytes.min(4).into()]),
            PORTS => self.run(machine),
            _ => self.passage.at = 0,
        }
    }

    /// IN from the trap ports.
    pub fn port_read(&mut self, port: u16, bytes: u8) -> u32 {
        match port {
            FRAME_PORT if bytes == 4 => self.transit.word(),
            FRAME_PORT => {
                let mut data = [0xff; 4];
                self.read_block(&mut data[..bytes.min(4).into()]);
                u32::from_le_bytes(data)
            }
            PORTS => self.passage.next.into(),
            _ => u32::MAX,
        }
    }

    /// REP OUTSB to [`FRAME_PORT`].
    pub fn write_block(&mut self, data: &[u8]) {
        match self.transit.open() {
            true => self.transit.pass_in(data),
            false => data.iter().for_each(|byte| self.take(*byte)),
        }
    }

    /// REP INSB from [`FRAME_PORT`].
    pub fn read_block(&mut self, data: &mut [u8]) {
        if self.transit.open() {
            return self.transit.pass_out(data);
        }
        for byte in data {
            *byte = self.passage.bytes.get(self.passage.at).copied().unwrap_or(0xff);
            self.passage.at = (self.passage.at + 1) % BYTES;
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
        if regs.scratch & BACK == 0 {
            // A new call; whoever left an old one before its end does not come back.
            self.transit = Transit::default();
        }
        regs.scratch &= !BACK;
        let next = match self.transit.step().map(told).or_else(|| self.transit.after()) {
            Some(next) => next,
            None => self.serve(machine, &mut regs),
        };
        if next >= next::GIVE {
            regs.scratch |= BACK;
        }
        self.passage = Passage { bytes: regs.to_bytes().to_vec(), at: 0, next };
    }

    /// Runs a service. What the stub does next comes out.
    fn serve(&mut self, machine: &mut dyn Platform, regs: &mut Regs) -> u8 {
        let before = *regs;
        let state = &mut self.state;
        if regs.service == service::POST {
            state.start = StartState { again: self.started, asked: state.start.asked, ..StartState::default() };
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
        let mut call = Call { regs, machine, state, facts: &self.facts, transit: &mut self.transit };
        let flow = serve(&mut call);
        if self.transit.wants() {
            *regs = before;
            return self.transit.step().map_or(next::AGAIN, told);
        }
        let next = match flow {
            Ok(()) => next::DONE,
            Err(Pause::Interrupt) => next::HALT,
            Err(Pause::Moment) => next::AGAIN,
        };
        self.transit.end(next).map_or(next, told)
    }
}

fn told(way: Way) -> u8 {
    match way {
        Way::Give => next::GIVE,
        Way::Borrow => next::BORROW,
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
        let asked = self.state.start.asked;
        self.state = State::default();
        // Whoever asked pulled this reset line.
        self.state.start.asked = asked;
        self.passage = Passage::default();
        self.transit = Transit::default();
        if kind == ResetKind::Power {
            self.started = false;
        }
    }

    fn save(&self, _now: VmTime) -> Unit {
        let Self { facts: _, state, passage, transit, started } = self;
        Unit::pack(
            KIND,
            1,
            &Saved { state: state.clone(), passage: passage.clone(), transit: transit.clone(), started: *started },
        )
    }

    fn restore(&mut self, unit: &Unit, _now: VmTime) -> Result<(), RestoreError> {
        let Saved { state, passage, transit, started } = unit.unpack(KIND, 1)?;
        (self.state, self.passage, self.transit, self.started) = (state, passage, transit, started);
        self.passage.at %= BYTES;
        Ok(())
    }
}
