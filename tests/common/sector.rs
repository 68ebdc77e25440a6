//! Boot sectors that a test assembles, which call services of our firmware and say on COM1 what they got.

use super::machine::config as kernel_config;
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use lyrebird::machine::{DriveConfig, Machine, MachineConfig, Outcome};
use lyrebird_core::block::MemoryDisk;
use roms::{BootOrder, Facts};

/// Where the results of services are written, and printed from.
pub const RESULTS: u32 = 0x600;

/// A boot sector under construction.
pub struct Sector {
    pub asm: CodeAssembler,
    pub results: u32,
}

impl Sector {
    pub fn new() -> Self {
        Sector { asm: CodeAssembler::new(16).unwrap(), results: 0 }
    }

    /// Calls a service and keeps EAX, EBX, ECX, EDX and FLAGS.
    pub fn call(&mut self, number: i32, in_a: u32, in_b: u32, in_c: u32, in_d: u32) -> Result<(), IcedError> {
        let a = &mut self.asm;
        a.mov(eax, in_a)?;
        a.mov(ebx, in_b)?;
        a.mov(ecx, in_c)?;
        a.mov(edx, in_d)?;
        a.int(number)?;
        let at = RESULTS + 20 * self.results;
        a.pushf()?;
        a.mov(dword_ptr(at), eax)?;
        a.pop(ax)?;
        a.mov(dword_ptr(at + 4), ebx)?;
        a.mov(dword_ptr(at + 8), ecx)?;
        a.mov(dword_ptr(at + 12), edx)?;
        a.mov(word_ptr(at + 16), ax)?;
        self.results += 1;
        Ok(())
    }

    /// Sends the results through COM1 as they are, and ends the machine.
    pub fn finish(mut self) -> Vec<u8> {
        let a = &mut self.asm;
        let count = 20 * self.results;
        let mut again = a.create_label();
        let code = (|| -> Result<(), IcedError> {
            a.mov(si, RESULTS)?;
            a.mov(cx, count.max(1))?;
            a.mov(dx, 0x3f8)?;
            a.set_label(&mut again)?;
            a.lodsb()?;
            a.out(dx, al)?;
            a.loop_(again)?;
            a.mov(dx, 0xf4)?;
            a.mov(eax, 1)?;
            a.out(dx, eax)
        })();
        code.unwrap();
        let mut bytes = a.assemble(0x7c00).unwrap();
        assert!(bytes.len() <= 510, "{}", bytes.len());
        bytes.resize(510, 0);
        bytes.extend([0x55, 0xaa]);
        bytes
    }
}

/// What a service gave back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    pub eax: u32,
    pub ebx: u32,
    pub ecx: u32,
    pub edx: u32,
    pub carry: bool,
    pub zero: bool,
}

pub fn machine(boot: BootOrder) -> (MachineConfig, Raw) {
    let (mut config, _) = kernel_config(super::guest::hello_multiboot(super::guest::End::PowerOff), "");
    let raw = Raw::default();
    config.serial =
        vec![Some(lyrebird_core::chars::CharPort { out: Box::new(raw.clone()), input: Default::default() })];
    config.boot = None;
    config.vga = true;
    config.firmware = Some(Facts { boot, ..Facts::default() });
    (config, raw)
}

/// COM1's bytes.
#[derive(Clone, Default)]
pub struct Raw(pub std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl lyrebird_core::chars::CharOut for Raw {
    fn write(&mut self, bytes: &[u8]) {
        self.0.lock().unwrap().extend(bytes);
    }

    fn flush(&mut self) {}
}

pub fn disk(data: Vec<u8>) -> Option<DriveConfig> {
    Some(DriveConfig::Disk(Box::new(MemoryDisk::new("disk", data))))
}

/// Runs the boot sector from a disk of 16 MiB, whose later sectors begin with their number.
pub fn run(sector: Sector) -> Vec<Answer> {
    let mut data = vec![0; 16 << 20];
    for (n, sector) in data.chunks_exact_mut(512).enumerate() {
        sector[..4].copy_from_slice(&(n as u32).to_le_bytes());
    }
    data[..512].copy_from_slice(&sector.finish());
    let (mut config, raw) = machine(BootOrder::default());
    config.drives[0] = disk(data);
    results(config, &raw)
}

pub fn results(config: MachineConfig, raw: &Raw) -> Vec<Answer> {
    assert_eq!(Machine::new(config).unwrap().run(), Outcome::DebugExit(3));
    let bytes = raw.0.lock().unwrap().clone();
    let dword = |b: &[u8]| u32::from_le_bytes(b.try_into().unwrap());
    bytes
        .chunks_exact(20)
        .map(|b| Answer {
            eax: dword(&b[..4]),
            ebx: dword(&b[4..8]),
            ecx: dword(&b[8..12]),
            edx: dword(&b[12..16]),
            carry: b[16] & 1 != 0,
            zero: b[16] & 0x40 != 0,
        })
        .collect()
}
