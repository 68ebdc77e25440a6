//! Compares x87 instructions, from decoding to the last bit of the FSAVE image, with the processor that the test runs on.
#![cfg(target_arch = "x86_64")]

#[path = "x87_host/machine.rs"]
mod machine;

use iced_x86::{Decoder, DecoderOptions};
use machine::{IMAGE, Machine, OPERAND};
use std::arch::global_asm;
use std::arch::x86_64::__cpuid;

global_asm!(include_str!("x87_host/asm.s"));

unsafe extern "C" {
    static x87_host_slots: [[u8; 4]; 2 * 8 * 256];
    fn x87_host_run(
        before: *const Image,
        after: *mut Image,
        memory: *mut Memory,
        slot: *const u8,
        flags: &mut u64,
        ax: &mut u64,
    );
}

/// An FSAVE image in the 32-bit layout.
#[repr(C, align(16))]
#[derive(Clone, Copy, PartialEq, Eq)]
struct Image([u8; 108]);

/// What stands at the memory operand; FRSTOR reads all of it.
#[repr(C, align(16))]
#[derive(Clone, Copy, PartialEq, Eq)]
struct Memory([u8; 112]);

impl Image {
    fn half(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }
    fn word(&self, at: usize) -> u32 {
        u32::from(self.half(at)) | u32::from(self.half(at + 2)) << 16
    }
    fn control(&self) -> u16 {
        self.half(0)
    }
    fn status(&self) -> u16 {
        self.half(4)
    }
    fn register(&self, i: usize) -> (u16, u64) {
        let at = 28 + 10 * i;
        let low = u64::from(self.word(at)) | u64::from(self.word(at + 4)) << 32;
        (self.half(at + 8), low)
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "fcw {:04x} fsw {:04x} ftw {:04x} ", self.control(), self.status(), self.half(8))?;
        write!(
            f,
            "ip {:08x} fop:cs {:08x} dp {:08x} ds {:08x}",
            self.word(12),
            self.word(16),
            self.word(20),
            self.word(24)
        )?;
        for i in 0..8 {
            let (se, m) = self.register(i);
            write!(f, " {se:04x}.{m:016x}")?;
        }
        Ok(())
    }
}

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
    fn pattern(&mut self) -> u64 {
        let (a, b) = (self.below(64), self.below(64));
        match self.below(8) {
            0 => 0,
            1 => !0,
            2 => 1 << a,
            3 => 1 << a | 1 << b,
            4 => !0 << a,
            5 => self.next() << a,
            _ => self.next(),
        }
    }
    /// Sign and exponent, significand.
    fn f80(&mut self) -> (u16, u64) {
        let sign = self.next() as u16 & 0x8000;
        let field = match self.below(16) {
            0 => 0,
            1 => self.below(70) as u16,
            2 => 0x7fff,
            3 => 0x7ffe - self.below(70) as u16,
            4 => self.next() as u16 & 0x7fff,
            5 => 0x3fff - 1023 - 60 + self.below(130) as u16,
            6 => 0x3fff + 1000 + self.below(30) as u16,
            7 => 0x3fff - 127 - 30 + self.below(60) as u16,
            8 => 0x3fff + 120 + self.below(10) as u16,
            9 => 0x3fff + self.below(64) as u16,
            _ => 0x3fff - 8 + self.below(16) as u16,
        };
        let mut significand = self.pattern();
        if self.below(30) != 0 {
            significand &= !(1 << 63);
            if field != 0 {
                significand |= 1 << 63;
            } else if self.below(2) == 0 {
                significand = 0;
            }
        }
        (sign | field, significand)
    }
    fn m64(&mut self) -> u64 {
        let field = match self.below(8) {
            0 => 0,
            1 => 0x7ff,
            2 => self.below(0x800),
            _ => 1023 - 8 + self.below(16),
        };
        self.next() & 1 << 63 | field << 52 | self.pattern() & ((1 << 52) - 1)
    }
    fn m32(&mut self) -> u32 {
        let field = match self.below(8) {
            0 => 0,
            1 => 0xff,
            2 => self.below(0x100),
            _ => 127 - 8 + self.below(16),
        };
        (self.next() & 1 << 31 | field << 23 | self.pattern() >> self.below(41) & 0x7f_ffff) as u32
    }

    fn control(&mut self) -> u16 {
        let masks = if self.below(4) == 0 { self.next() & 0x3f } else { 0x3f };
        (self.below(4) << 10 | [0, 1, 2, 3, 3, 3][self.below(6) as usize] << 8 | 0x40 | masks) as u16
    }

    /// A state; without a pending exception unless it is asked for.
    fn image(&mut self, pending: bool) -> Image {
        let control = self.control();
        let mut status = self.next() as u16 & 0x7f7f;
        if !pending {
            status &= control | !0x3f;
        }
        let mut tags = 0u16;
        let empties = self.below(3);
        for i in 0..8 {
            let empty = match empties {
                0 => false,
                1 => self.below(2) == 0,
                _ => self.below(8) == 0,
            };
            tags |= if empty { 3 << (2 * i) } else { 0 };
        }
        let mut image = Image([0; 108]);
        let mut put = |at: usize, value: u32| image.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
        put(0, 0xffff_0000 | u32::from(control));
        put(4, 0xffff_0000 | u32::from(status));
        put(8, 0xffff_0000 | u32::from(tags));
        put(12, self.next() as u32);
        put(16, (self.next() as u32 & 0x7ff) << 16);
        put(20, self.next() as u32);
        put(24, 0xffff_0000);
        let mut last = (0, 0);
        for i in 0..8 {
            let mut value = self.f80();
            if i > 0 {
                match self.below(8) {
                    0 => value = last,
                    1 => value.0 = value.0 & 0x8000 | last.0 & 0x7fff,
                    _ => {}
                }
            }
            last = value;
            let at = 28 + 10 * i;
            image.0[at..at + 8].copy_from_slice(&value.1.to_le_bytes());
            image.0[at + 8..at + 10].copy_from_slice(&value.0.to_le_bytes());
        }
        image
    }

    /// An operand for the memory forms of an opcode.
    fn memory(&mut self, first: u8, second: u8) -> Memory {
        let mut memory = Memory([0x5a; 112]);
        let mut put = |bytes: &[u8]| memory.0[..bytes.len()].copy_from_slice(bytes);
        let environment = matches!((first, second >> 3 & 7), (0xd9 | 0xdd, 4));
        match first {
            _ if environment => {
                let image = self.image(true);
                put(&image.0);
            }
            0xd9 if second >> 3 & 7 == 5 => put(&(self.next() as u16).to_le_bytes()),
            0xd8 | 0xd9 => put(&self.m32().to_le_bytes()),
            0xdc | 0xdd => put(&self.m64().to_le_bytes()),
            0xdf if second >> 3 & 7 == 4 => {
                let mut digits = [0; 10];
                for byte in &mut digits[..9] {
                    *byte = (self.below(10) * 16 + self.below(10)) as u8;
                }
                digits[9] = self.next() as u8;
                put(&digits);
            }
            0xdb if second >> 3 & 7 == 5 => {
                let (se, m) = self.f80();
                put(&m.to_le_bytes());
                memory.0[8..10].copy_from_slice(&se.to_le_bytes());
            }
            _ => put(&self.pattern().to_le_bytes()),
        }
        memory
    }
}

/// An instruction of the tables in `asm.s`.
#[derive(Clone, Copy)]
struct Case {
    prefixed: bool,
    first: u8,
    second: u8,
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} {:02x?}", self.name(), self.code())
    }
}

impl Case {
    fn all() -> Vec<Case> {
        let mut all = Vec::new();
        for prefixed in [false, true] {
            for first in 0xd8..=0xdf {
                for second in (0..0x40u8).step_by(8).map(|m| m | 2).chain(0xc0..=0xff) {
                    let case = Case { prefixed, first, second };
                    // The prefix only matters to the environments.
                    let environment = matches!((first, second >> 3), (0xd9 | 0xdd, 4 | 6));
                    let instr = Decoder::new(64, &case.code(), DecoderOptions::NONE).decode();
                    if !instr.is_invalid() && (!prefixed || environment) {
                        all.push(case);
                    }
                }
            }
        }
        all
    }
    fn code(self) -> Vec<u8> {
        if self.prefixed { vec![0x66, self.first, self.second] } else { vec![self.first, self.second] }
    }
    fn name(self) -> String {
        let instr = Decoder::new(64, &self.code(), DecoderOptions::NONE).decode();
        format!("{:?}", instr.code())
    }
    fn slot(self) -> *const u8 {
        let at = usize::from(self.prefixed) * 2048 + usize::from(self.first - 0xd8) * 256 + usize::from(self.second);
        // SAFETY: the table has that many slots.
        unsafe { x87_host_slots[at].as_ptr() }
    }
    fn has_memory(self) -> bool {
        self.second < 0xc0
    }
    /// It does not report pending exceptions.
    fn unwaiting(self) -> bool {
        let name = self.name();
        name.starts_with("Fn") && name != "Fnop"
    }
    /// Its values may differ in the last place.
    fn approximate(self) -> bool {
        self.first == 0xd9 && matches!(self.second, 0xf0..=0xf3 | 0xf9 | 0xfb | 0xfe | 0xff)
    }
}

/// All that an instruction works on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct World {
    image: Image,
    memory: [u8; 112],
    flags: u64,
    ax: u64,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        writeln!(f, "{:?} flags {:x} rax {:x}", self.image, self.flags, self.ax)?;
        write!(f, "  {:02x?}", &self.memory[..16])
    }
}

/// Also gives the low half of the operand's address.
fn native(case: Case, before: &World) -> (World, u32) {
    let mut after = Image([0; 108]);
    let mut memory = Memory(before.memory);
    let (mut flags, mut ax) = (before.flags, before.ax);
    // SAFETY: the slot is an x87 instruction whose operand is `memory`, which is large enough for all of them.
    unsafe { x87_host_run(&before.image, &mut after, &mut memory, case.slot(), &mut flags, &mut ax) };
    let world = World { image: after, memory: memory.0, flags: flags & 0x8d5, ax };
    (world, std::ptr::from_ref(&memory) as usize as u32)
}

fn ours(machine: &mut Machine, case: Case, before: &World) -> World {
    machine.cpu.state.x87.status = 0;
    machine.write(IMAGE, &before.image.0);
    machine.write(OPERAND, &before.memory);
    machine.run(0, &[0xdd, 0x22], IMAGE).unwrap();
    machine.cpu.set_rflags(before.flags | 2);
    machine.cpu.regs[0] = before.ax;
    machine.run(case.slot() as u64, &case.code(), OPERAND).unwrap();
    let (flags, ax) = (machine.cpu.rflags() & 0x8d5, machine.cpu.regs[0]);
    machine.run(0, &[0xdd, 0x32], IMAGE).unwrap();
    World { image: Image(machine.read(IMAGE)), memory: machine.read(OPERAND), flags, ax }
}

/// Whether two register values are the same, or next to each other.
fn near((exponent_a, a): (u16, u64), (exponent_b, b): (u16, u64)) -> bool {
    let key = |exponent: u16, m: u64| i128::from(exponent & 0x7fff) << 63 | i128::from(m & !(1 << 63));
    (exponent_a ^ exponent_b) & 0x8000 == 0 && key(exponent_a, a).abs_diff(key(exponent_b, b)) <= 1
}

/// Takes out of both worlds what may differ: FCS and FDS, which new processors do not keep; FOP and FDP where the
/// processor only keeps those of unmasked exceptions; last places of functions, and C1, which tells how they rounded.
fn normalize(case: Case, before: &World, theirs: &mut World, ours: &mut World, operand: u32) {
    const ES: u16 = 0x80;
    const C1: u8 = 2;
    let reported = theirs.image.status() & ES != 0;
    for at in [16, 24] {
        theirs.image.0[at..at + 2].fill(0);
        ours.image.0[at..at + 2].fill(0);
    }
    if theirs.image.word(20) == operand && case.has_memory() {
        theirs.image.0[20..24].copy_from_slice(&(OPERAND as u32).to_le_bytes());
    }
    for (from, to) in [(18, 20), (20, 24)] {
        if !reported && theirs.image.0[from..to] == before.image.0[from..to] {
            let kept = theirs.image;
            ours.image.0[from..to].copy_from_slice(&kept.0[from..to]);
        }
    }
    if case.approximate() && theirs.image != ours.image {
        for i in 0..8 {
            let at = 28 + 10 * i;
            if near(theirs.image.register(i), ours.image.register(i)) {
                let kept = theirs.image;
                ours.image.0[at..at + 10].copy_from_slice(&kept.0[at..at + 10]);
            }
        }
        ours.image.0[5] = ours.image.0[5] & !C1 | theirs.image.0[5] & C1;
    }
}

/// Where the manual leaves results undefined, Intel's processors are the measure.
fn intel() -> bool {
    let leaf = __cpuid(0);
    (leaf.ebx, leaf.edx, leaf.ecx) == (0x756e_6547, 0x4965_6e69, 0x6c65_746e)
}

#[test]
fn as_the_processor() {
    if !intel() {
        return;
    }
    let (cases, mut machine, mut rng) = (Case::all(), Machine::long(), Rng(1));
    let mut last: Option<Image> = None;
    for _ in 0..if cfg!(debug_assertions) { 60_000 } else { 1_200_000 } {
        let case = cases[rng.below(cases.len() as u64) as usize];
        let pending = case.unwaiting() && rng.below(2) == 0;
        let image = match last {
            Some(image) if rng.below(4) != 0 => image,
            _ => rng.image(pending),
        };
        let memory = rng.memory(case.first, case.second);
        let before = World { image, memory: memory.0, flags: rng.next() & 0x8d5, ax: rng.next() };
        let (mut theirs, operand) = native(case, &before);
        let mut ours = ours(&mut machine, case, &before);
        normalize(case, &before, &mut theirs, &mut ours, operand);
        assert_eq!(theirs, ours, "{case}\nbefore {before:?}");
        // A pending exception would stop the processor at the next step.
        last = (theirs.image.status() & 0x80 == 0).then_some(theirs.image);
    }
}
