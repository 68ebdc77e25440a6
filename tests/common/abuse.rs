//! A guest that is out to break the board: a string of bytes becomes accesses by ports, memory and PCI, data for DMA,
//! keys, and time. Whatever it is, nothing may panic or hang, and what was saved is restored to the same bytes.

use backend_interp::InterpEngine;
use frontend_x86::model::Model;
use lyrebird::machine::{DebugExitConfig, DriveConfig, Machine, MachineConfig, RtcBase, TimeMode, board::Board};
use lyrebird_core::block::MemoryDisk;
use lyrebird_core::chars::{CharPort, NoOutput};
use lyrebird_core::{InputEvent, Key, MouseButton, VmTime};
use std::sync::Arc;

const RAM: u64 = 4 << 20;

/// A machine with everything that can be plugged in.
fn machine() -> Machine {
    let disk = |sectors: usize| Box::new(MemoryDisk::new("disk", vec![0x5a; sectors * 512]));
    let mut config = MachineConfig::new(
        RAM,
        Box::new(InterpEngine::new(Arc::new(Model::by_name("x86-64-v2").expect("the usual model")))),
    );
    config.cpus = 2;
    config.serial = (0..4).map(|_| Some(CharPort::unconnected())).collect();
    config.debugcon = Some(Box::new(NoOutput));
    config.parallel = Some(Box::new(NoOutput));
    config.drives[0] = Some(DriveConfig::Disk(disk(5_000)));
    config.drives[2] = Some(DriveConfig::Cdrom(Some(disk(400))));
    config.drives[3] = Some(DriveConfig::Cdrom(None));
    config.floppies = [Some(Some(disk(2_880))), Some(None)];
    config.flash = vec![disk(256), disk(64)];
    config.vga = true;
    config.testdev = true;
    config.debug_exit = Some(DebugExitConfig::default());
    config.firmware = Some(roms::Facts::default());
    config.rtc_base = RtcBase::Fixed(1_700_000_000);
    config.time = TimeMode::DETERMINISTIC;
    Machine::new(config).expect("a machine")
}

/// Ports worth more attention than others.
const PORTS: [(u16, u16); 28] = [
    (0x00, 16),
    (0x20, 2),
    (0x40, 4),
    (0x60, 1),
    (0x61, 1),
    (0x64, 1),
    (0x70, 2),
    (0x80, 16),
    (0xa0, 2),
    (0xc0, 32),
    (0xf0, 2),
    (0x170, 8),
    (0x1f0, 8),
    (0x1ce, 3),
    (0x376, 1),
    (0x378, 3),
    (0x3b4, 44),
    (0x3f0, 8),
    (0x3f8, 8),
    (0x4d0, 2),
    (0x4f0, 8),
    (0x510, 12),
    (0x600, 64),
    (0x700, 16),
    (0xb2, 2),
    (0xafe0, 4),
    (0xc000, 16),
    (0xcf8, 8),
];

/// The same of addresses.
const PLACES: [(u64, u64); 8] = [
    (0xa_0000, 0x2_0000),
    (0xc_0000, 0x4_0000),
    (0xfd00_0000, 0x100_0000),
    (0xfebf_0000, 0x1000),
    (0xfec0_0000, 0x40),
    (0xfed0_0000, 0x400),
    (0xfee0_0000, 0x400),
    (0xffff_0000 - 0x1_8000, 0x2_8000),
];

/// The bytes, one after the other; zeroes when there are no more.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn u8(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    fn u32(&mut self) -> u32 {
        u32::from(self.u16()) | u32::from(self.u16()) << 16
    }

    /// Small numbers are what registers like.
    fn value(&mut self) -> u32 {
        match self.u8() {
            small @ 0..=0x9f => small.into(),
            0xa0..=0xcf => 1 << (self.u8() & 31),
            _ => self.u32(),
        }
    }

    fn port(&mut self) -> u16 {
        match usize::from(self.u8()) {
            n if n < 8 * PORTS.len() => {
                let (first, count) = PORTS[n % PORTS.len()];
                first + u16::from(self.u8()) % count
            }
            _ => self.u16(),
        }
    }

    fn address(&mut self) -> u64 {
        let (first, count) = PLACES[usize::from(self.u8()) % PLACES.len()];
        first + u64::from(self.u32()) % count
    }

    fn width(&mut self) -> u8 {
        [1, 1, 2, 4][usize::from(self.u8() & 3)]
    }
}

/// One thing that the guest does, or that happens to it.
fn step(bytes: &mut Bytes<'_>, board: &mut Board, now: &mut VmTime) {
    let (what, width) = (bytes.u8(), bytes.width());
    match what % 16 {
        0..=4 => {
            let (port, value) = (bytes.port(), bytes.value());
            board.port_write(port, width, value, *now);
        }
        5..=6 => _ = board.port_read(bytes.port(), width, *now),
        7 => {
            let (address, value) = (bytes.address(), bytes.value());
            board.mmio_write(usize::from(what >> 7), address, 2 * width, value.into(), *now);
        }
        8 => _ = board.mmio_read(usize::from(what >> 7), bytes.address(), 2 * width, *now),
        9 => {
            // A register of one of the functions.
            let function = [0x00, 0x08, 0x09, 0x0b, 0x10][usize::from(bytes.u8()) % 5];
            let register = u32::from(bytes.u8() & 0xfc);
            board.port_write(0xcf8, 4, 1 << 31 | function << 8 | register, *now);
            let value = bytes.value();
            board.port_write(0xcfc + u16::from(bytes.u8() & 3), width, value, *now);
        }
        10 => {
            let mut data = vec![0; usize::from(bytes.u16() % 4096) * usize::from(width)];
            board.port_read_block(bytes.port(), width, &mut data, *now);
        }
        11 => {
            let data = vec![bytes.u8(); usize::from(bytes.u16() % 2048) * usize::from(width)];
            board.port_write_block(bytes.port(), width, &data, *now);
        }
        12 => {
            // Tables and buffers for DMA.
            let (at, value) = (u64::from(bytes.u32()) % (RAM - 8), bytes.u32());
            _ = board.memory().write_uint(at & !3, 4, value.into());
        }
        13 => {
            let (kind, value) = (bytes.u8(), bytes.u8());
            let event = match kind & 3 {
                0 => InputEvent::MouseMove { dx: i32::from(value as i8) * 40, dy: i32::from(kind) },
                1 => InputEvent::MouseWheel { notches: i32::from(value as i8) },
                2 => InputEvent::MouseButton { button: MouseButton::Left, down: value & 1 != 0 },
                _ => InputEvent::Key { key: Key(value), down: kind & 4 != 0 },
            };
            board.input(event, *now);
        }
        14 if width == 4 => board.press_power_button(*now),
        14 => {
            // A frame for a service of our firmware, and what its stub would do then.
            let mut frame = [0; roms::frame::BYTES];
            frame.iter_mut().for_each(|byte| *byte = bytes.u8());
            frame[40..44].fill(0);
            frame[45] &= 1;
            board.port_write(roms::PORTS + 1, 1, 0, *now);
            board.port_write_block(roms::FRAME_PORT, 1, &frame, *now);
            board.port_write(roms::PORTS, 4, 0, *now);
            for _ in 0..u32::from(bytes.u8() % 4) {
                let next = board.port_read(roms::PORTS, 1, *now);
                board.port_read_block(roms::FRAME_PORT, 1, &mut frame, *now);
                let _segment = board.port_read(roms::FRAME_PORT, 4, *now);
                let mut data = vec![bytes.u8(); board.port_read(roms::FRAME_PORT, 4, *now) as usize & 0xffff];
                match next {
                    3 => board.port_read_block(roms::FRAME_PORT, 1, &mut data, *now),
                    4 => board.port_write_block(roms::FRAME_PORT, 1, &data, *now),
                    _ => break,
                }
                board.port_write(roms::PORTS + 1, 1, 0, *now);
                board.port_write_block(roms::FRAME_PORT, 1, &frame, *now);
                board.port_write(roms::PORTS, 4, 0, *now);
            }
        }
        _ => {
            *now = *now + u64::from(bytes.u32() >> 2 >> (bytes.u8() & 15));
            board.fire_timers(*now);
        }
    }
}

/// Does what the bytes say, at most so many steps.
pub fn abuse(bytes: &[u8], most: usize) {
    let mut machine = machine();
    machine.power_on().expect("power");
    let board = machine.board();
    let mut board = board.lock().expect("one thread");
    board.firmware_defaults();
    let (mut now, mut bytes) = (VmTime(1), Bytes(bytes));
    for _ in 0..most {
        if bytes.0.is_empty() {
            break;
        }
        step(&mut bytes, &mut board, &mut now);
    }
    let saved = board.save(now);
    let other = self::machine();
    let other = other.board();
    let mut other = other.lock().expect("one thread");
    other.restore(&saved, now).expect("what was saved is good");
    for (after, before) in other.save(now).iter().zip(&saved) {
        assert_eq!(after, before, "{} is not restored as it was saved", before.0);
    }
}
