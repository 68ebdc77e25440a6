//! POST: from reset to a PC that can start something. Everything that takes a real BIOS its seconds takes no guest time here.

mod area;
mod chips;
mod devices;

use crate::call::{Call, linear};
use crate::image::{self, SYSTEM_ROM_BYTES, VIDEO_SEGMENT};
use crate::platform::Facts;
use crate::{bda, pci, tables, video};

/// The host bridge's registers that say what C0000h to FFFFFh is.
const PAM0: u8 = 0x59;
/// CMOS: what to do after a reset.
const SHUTDOWN: u8 = 0x0f;

/// Where POST puts the tables.
const TABLES: u32 = 0xf_0000;

/// Runs it.
pub fn run(call: &mut Call<'_>) {
    shadow(call, 0x3333);
    copy_roms(call);
    chips::set_up(call);
    devices::assign(call);
    let shutdown = call.cmos(SHUTDOWN);
    call.set_cmos(SHUTDOWN, 0);
    area::vectors(call);
    if matches!(shutdown, 0x05 | 0x09 | 0x0a) {
        // A program of the 286 left protected mode by a reset, and goes on where it said.
        lock(call);
        let (offset, segment) = (call.bda_word(bda::SHUTDOWN_ENTRY), call.bda_word(bda::SHUTDOWN_ENTRY + 2));
        (call.regs.ip, call.regs.cs) = (offset, segment);
        return;
    }
    area::fill(call);
    place_tables(call);
    if has_adapter(call) {
        call.write(linear(VIDEO_SEGMENT, 0), &image::video_rom());
        video::post(call);
    }
    lock(call);
    splash(call);
}

/// Sets what is ROM and RAM between C0000h and FFFFFh: each nibble is a piece of two registers.
fn shadow(call: &mut Call<'_>, attributes: u16) {
    let value = (attributes & 0xff) as u32;
    pci::write(call, 0, PAM0, 1, 0x30 & value);
    for n in 1..7 {
        pci::write(call, 0, PAM0 + n, 1, value);
    }
}

/// Copies the system ROM to the RAM that now stands in its place.
fn copy_roms(call: &mut Call<'_>) {
    let mut rom = vec![0; SYSTEM_ROM_BYTES];
    let at = (1 << 32) - SYSTEM_ROM_BYTES as u64;
    if call.machine.memory().read(at, &mut rom).is_ok() {
        call.write(0x10_0000 - SYSTEM_ROM_BYTES as u64, &rom);
    }
    // Nothing is in the segments of other adapters' ROMs.
    call.write(linear(VIDEO_SEGMENT, 0), &vec![0; 0x2_0000]);
}

/// The VGA BIOS and the F segment can only be read from now on; between them is RAM for whoever wants it.
fn lock(call: &mut Call<'_>) {
    pci::write(call, 0, PAM0, 1, 0x10);
    pci::write(call, 0, PAM0 + 1, 1, 0x11);
}

fn has_adapter(call: &mut Call<'_>) -> bool {
    pci::functions(call).into_iter().any(|devfn| pci::read(call, devfn, 0x0a, 2) == 0x0300)
}

/// ACPI, MP and SMBIOS tables, and the PCI interrupt routing table.
fn place_tables(call: &mut Call<'_>) {
    let facts: &Facts = call.facts;
    let tables = tables::build(&facts.board, TABLES, (bda::EBDA + bda::EBDA_FACS) as u32);
    for table in &tables.placed {
        call.write(table.gpa.into(), &table.bytes);
    }
    let at = tables.end.next_multiple_of(16);
    let routing = routing_table();
    if (at as usize + routing.len()) < 0xf_0000 + usize::from(image::place::CODE) {
        call.write(at.into(), &routing);
    }
}

/// The $PIR table (Microsoft's "PCI IRQ Routing Table Specification" 1.0).
fn routing_table() -> Vec<u8> {
    let slots = pci::routing_slots();
    let mut table = Vec::new();
    table.extend(b"$PIR");
    table.extend(0x0100u16.to_le_bytes());
    table.extend((32 + slots.len() as u16).to_le_bytes());
    table.extend([0, 1 << 3]); // the router: 00:01.0
    table.extend(0x0c00u16.to_le_bytes()); // PCI alone has IRQ 10 and 11
    table.extend(0x7000_8086u32.to_le_bytes());
    table.extend([0; 16]);
    table.extend(slots);
    table[31] = table.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
    table
}

fn splash(call: &mut Call<'_>) {
    let memory = (call.facts.low_ram + call.facts.high_ram) >> 20;
    video::print(call, &format!("Lyrebird, {memory} MiB of memory. F12 or Esc: choose what to start\r\n"));
}
