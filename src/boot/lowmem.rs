//! What a BIOS would have left in the first megabyte and kernels look for even when no BIOS is there: the BIOS data area,
//! an interrupt table whose vectors all return at once, and the reset entry.

use super::plan::Write;
use super::space::{EBDA, VIDEO};
use super::tables::Board;

/// The interrupt table and the BIOS data area.
pub const BIOS_DATA_END: u64 = 0x500;
/// Where stubs stand behind our tables in the F segment.
pub const STUBS: u32 = 0xf_e000;

/// Where the FACS is, in the extended BIOS data area.
pub const FACS: u32 = EBDA as u32 + 0x200;

/// All of it.
pub fn writes(board: &Board) -> Vec<Write> {
    let mut low = Vec::with_capacity(BIOS_DATA_END as usize);
    for _ in 0..256 {
        low.extend([0x53, 0xff, 0x00, 0xf0]); // F000:FF53, where every PC has an IRET
    }
    low.extend(bios_data_area(board));
    let bytes = |gpa, bytes: &[u8]| Write::Bytes { gpa, bytes: bytes.to_vec() };
    vec![
        bytes(0, &low),
        bytes(EBDA, &[((VIDEO - EBDA) / 1024) as u8]),
        bytes(0xf_ff53, &[0xcf]),
        // MOV AL,6; MOV DX,CF9h; OUT DX,AL; HLT; JMP $-1: who jumps to the reset vector gets a reset.
        bytes(0xf_e05b, &[0xb0, 0x06, 0xba, 0xf9, 0x0c, 0xee, 0xf4, 0xeb, 0xfd]),
        bytes(0xf_fff0, &[0xea, 0x5b, 0xe0, 0x00, 0xf0]), // JMP F000:E05B
        bytes(0xf_fff5, b"01/01/26\0\xfc"),               // date, and the model byte of an AT
    ]
}

/// The 256 bytes at 400h, in text mode 3 with 80 columns and 25 rows.
fn bios_data_area(board: &Board) -> [u8; 0x100] {
    let mut area = [0; 0x100];
    let mut put = |offset: usize, bytes: &[u8]| area[offset..offset + bytes.len()].copy_from_slice(bytes);
    let bases = [0x3f8u16, 0x2f8, 0x3e8, 0x2e8];
    let serial: Vec<u16> = bases.iter().zip(board.serial_ports).filter(|(_, there)| *there).map(|(b, _)| *b).collect();
    put(0x00, &serial.iter().flat_map(|b| b.to_le_bytes()).collect::<Vec<u8>>());
    if board.parallel_port {
        put(0x08, &0x378u16.to_le_bytes());
    }
    put(0x0e, &((EBDA >> 4) as u16).to_le_bytes());
    // Equipment: floppy, FPU, mouse, colour text, counts of ports.
    let equipment =
        u16::from(board.floppy) | 0b10_0110 | (serial.len() as u16) << 9 | u16::from(board.parallel_port) << 14;
    put(0x10, &equipment.to_le_bytes());
    put(0x13, &((EBDA / 1024) as u16).to_le_bytes());
    put(0x1a, &[0x1e, 0, 0x1e, 0]); // the keyboard buffer is empty
    put(0x49, &[3, 80, 0, 0x00, 0x10]); // mode, columns, bytes of a page
    put(0x60, &[0x07, 0x06]); // the cursor's scan lines
    put(0x63, &[0xd4, 0x03, 0x29, 0x30]); // CRT controller, mode and palette registers
    put(0x80, &[0x1e, 0, 0x3e, 0]);
    put(0x84, &[24, 16, 0]); // last row, height of a character
    put(0x87, &[0x60, 0xf9, 0x51]);
    area
}
