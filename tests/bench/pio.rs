//! How fast a guest moves data through the IDE Data register: READ SECTORS with REP INSW and WRITE SECTORS with REP OUTSW,
//! 256 sectors a command, on a disk in memory. `cargo bench --bench pio` prints megabytes a second.

#[path = "../common/mod.rs"]
mod common;

use common::guest::{self, End};
use common::machine::{config, run};
use common::pio::{self, Move};
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use lyrebird::machine::DriveConfig;
use lyrebird_core::block::MemoryDisk;
use std::time::Instant;

const COMMANDS: u32 = 2000;
const BUFFER: u32 = 0x80_0000;

fn measure(what: &str, body: impl FnOnce(&mut guest::Program) -> Result<(), IcedError>) {
    let kernel = guest::multiboot(|program| {
        let mut again = program.asm.create_label();
        program.asm.mov(ebx, COMMANDS)?;
        program.asm.set_label(&mut again)?;
        program.asm.mov(edi, BUFFER)?;
        program.asm.mov(esi, BUFFER)?;
        body(program)?;
        program.asm.dec(ebx)?;
        program.asm.jne(again)?;
        program.end(End::DebugExit(0xf4, 0))
    });
    let (mut config, printed) = config(kernel, "");
    config.drives[0] = Some(DriveConfig::Disk(Box::new(MemoryDisk::new("disk", vec![7; 1 << 20]))));
    let began = Instant::now();
    run((config, printed));
    let seconds = began.elapsed().as_secs_f64();
    println!("{what}: {:.0} MB/s", f64::from(COMMANDS * 256 * 512 / 1_000_000) / seconds);
}

fn main() {
    measure("IDE PIO, rep insw", |program| pio::read(program, 0, 256, Move::Words));
    measure("IDE PIO, rep outsw", |program| pio::write(program, 0, 256, Move::Words));
}
