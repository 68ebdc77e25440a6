//! The programmable attribute map of the 82441FX (data sheet 290549, section 3.2.18): which of the 13 pieces of memory from
//! C0000h to FFFFFh are RAM, and which are whatever ROM is behind them.

use lyrebird_memory::{BlockId, GuestMemory, MemoryError, Region, RegionId, Target};
use std::sync::Arc;

/// The first piece.
const FIRST: u64 = 0xc_0000;
/// The end of the last.
const END: u64 = 0x10_0000;
/// Above plain RAM, below what devices put there.
const PRIORITY: i32 = 1;

/// The pieces, and what is behind them.
pub struct Pam {
    memory: Arc<GuestMemory>,
    ram: BlockId,
    rom: BlockId,
    pieces: Vec<Piece>,
}

struct Piece {
    base: u64,
    bytes: u64,
    region: RegionId,
    /// Bit 0: reads go to RAM. Bit 1: writes do.
    attribute: u8,
}

impl Pam {
    /// Lays the pieces out over a block of RAM whose start is address 0. `bios` is the firmware's image: its end appears at
    /// the end of the area; `video_bios`, of 128 KiB at most, to the area's start, where firmware without PCI looks for it. The
    /// rest reads as ones.
    pub fn new(memory: Arc<GuestMemory>, ram: BlockId, bios: &[u8], video_bios: &[u8]) -> Result<Self, MemoryError> {
        let rom = memory.add_block("isa-rom", END - FIRST)?;
        let block = memory.block(rom);
        block.fill(0, &vec![0xff; (END - FIRST) as usize])?;
        // 128 KiB, as the ISA bridge's BIOS chip select covers.
        let image = &bios[bios.len().saturating_sub(0x2_0000)..];
        block.fill(END - FIRST - image.len() as u64, image)?;
        block.fill(0, &video_bios[..video_bios.len().min(0x2_0000)])?;
        let mut pam = Pam { memory, ram, rom, pieces: Vec::new() };
        let ends = (FIRST..0xf_0000).step_by(0x4000).map(|base| (base, 0x4000)).chain([(0xf_0000, 0x1_0000)]);
        for (base, bytes) in ends {
            let region = pam.memory.map(pam.region(base, bytes, 0));
            pam.pieces.push(Piece { base, bytes, region, attribute: 0 });
        }
        Ok(pam)
    }

    fn region(&self, base: u64, bytes: u64, attribute: u8) -> Region {
        let (ram, rom) = ((self.ram, base), (self.rom, base - FIRST));
        let target = match attribute & 3 {
            0 => Target::Rom { block: rom.0, offset: rom.1 },
            1 => Target::Rom { block: ram.0, offset: ram.1 },
            2 => Target::Split { read: rom, write: ram },
            _ => Target::Ram { block: ram.0, offset: ram.1 },
        };
        Region { base, bytes, priority: PRIORITY, target }
    }

    /// Makes the pieces what the seven registers PAM0 to PAM6 say.
    pub fn set(&mut self, registers: [u8; 7]) {
        for n in 0..self.pieces.len() {
            // PAM0's upper half is the last piece; from PAM1 on each half is one.
            let nibble = if n == 12 { registers[0] >> 4 } else { registers[1 + n / 2] >> (4 * (n % 2)) };
            let attribute = nibble & 3;
            if self.pieces[n].attribute != attribute {
                let Piece { base, bytes, region, .. } = self.pieces[n];
                self.memory.remap(region, self.region(base, bytes, attribute));
                self.pieces[n].attribute = attribute;
            }
        }
    }
}
