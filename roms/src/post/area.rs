//! The interrupt vectors and the BIOS data areas.

use crate::bda;
use crate::call::Call;
use crate::clock;
use crate::disk::{self, geometry};
use crate::image::{self, SYSTEM_SEGMENT};
use crate::platform::Floppy;

const SERIAL: [u16; 4] = [0x3f8, 0x2f8, 0x3e8, 0x2e8];
const PARALLEL: u16 = 0x378;

/// The vectors.
pub fn vectors(call: &mut Call<'_>) {
    call.write(0, &[0; 0x400]);
    for (number, offset) in image::vectors() {
        call.set_vector(number, SYSTEM_SEGMENT, offset);
    }
}

/// The data areas. The display's part comes from the VGA BIOS.
pub fn fill(call: &mut Call<'_>) {
    call.write(bda::BASE, &[0; 0x100]);
    call.write(bda::EBDA, &[0; 0x400]);
    call.set_byte(bda::EBDA, 1);
    let board = &call.facts.board;
    let serial: Vec<u16> =
        SERIAL.into_iter().zip(board.serial_ports).filter(|port| port.1).map(|port| port.0).collect();
    let parallel = board.parallel_port;
    for (n, port) in (0..).zip(&serial) {
        call.set_bda_word(bda::COM_PORTS + 2 * n, *port);
    }
    if parallel {
        call.set_bda_word(bda::LPT_PORTS, PARALLEL);
    }
    call.write(bda::BASE + bda::LPT_TIMEOUTS, &[0x14; 4]);
    call.write(bda::BASE + bda::COM_TIMEOUTS, &[1; 4]);
    call.set_bda_word(bda::EBDA_POINTER, bda::EBDA_SEGMENT);
    call.set_bda_word(bda::MEMORY_KIB, (bda::EBDA / 1024) as u16);
    let floppies = (0..2).filter(|drive| !matches!(call.machine.floppy(*drive), Floppy::None)).count() as u16;
    let floppy_bits = if floppies > 0 { 1 | (floppies - 1) << 6 } else { 0 };
    // Floppies, coprocessor, mouse, 80 by 25 colours, ports.
    let equipment = floppy_bits | 0x26 | (serial.len() as u16) << 9 | u16::from(parallel) << 14;
    call.set_bda_word(bda::EQUIPMENT, equipment);
    if floppies > 0 {
        call.set_bda(bda::FLOPPY_RATE + 4, 0x07);
        call.set_bda(bda::FLOPPY_MEDIA, 0x07);
    }
    for (offset, value) in [
        (bda::KEY_HEAD, 0x1e),
        (bda::KEY_TAIL, 0x1e),
        (bda::KEY_BUFFER_START, 0x1e),
        (bda::KEY_BUFFER_END, 0x3e),
        (bda::CRTC_PORT, 0x3d4),
        (bda::COLUMNS, 80),
        (bda::PAGE_BYTES, 0x1000),
        (bda::CHAR_HEIGHT, 16),
    ] {
        call.set_bda_word(offset, value);
    }
    call.set_bda(bda::VIDEO_MODE, 3);
    call.set_bda(bda::ROWS, 24);
    call.set_bda(bda::KEY_FLAGS_3, 0x10); // a keyboard of 101 keys
    call.set_bda(bda::KEY_LEDS, 0x10);
    let ticks = clock::ticks_now(call);
    call.set_dword(bda::BASE + bda::TICKS, ticks);
    let disks = disk::disk_places(call);
    call.set_bda(bda::DISK_COUNT, disks.len() as u8);
    fixed_disks(call, &disks);
}

/// The parameter tables behind INT 41h and 46h.
fn fixed_disks(call: &mut Call<'_>, places: &[usize]) {
    for (n, place) in places.iter().take(2).enumerate() {
        let Some(sectors) = call.machine.disk(*place).map(|disk| disk.sectors()) else { continue };
        let geometry = geometry::disk(sectors, None);
        let mut table = [0; 16];
        table[..2].copy_from_slice(&geometry.cylinders.to_le_bytes());
        table[2] = geometry.heads as u8;
        table[5..7].copy_from_slice(&0xffffu16.to_le_bytes());
        table[8] = 0xc0 | if geometry.heads > 8 { 8 } else { 0 };
        table[12..14].copy_from_slice(&geometry.cylinders.to_le_bytes());
        table[14] = geometry.sectors;
        let at = bda::EBDA_FIXED_DISK + 16 * n as u64;
        call.write(bda::EBDA + at, &table);
        call.set_vector(if n == 0 { 0x41 } else { 0x46 }, bda::EBDA_SEGMENT, at as u16);
    }
}
