//! What direct boot does to a machine: bytes to write into guest RAM, and the registers of the bootstrap processor. A plan
//! is made once and applied after every reset.

use super::error::BootError;
use super::image::Image;
use lyrebird_core::CpuState;
use lyrebird_core::cpu::segment::{Segment, TableRegister};
use lyrebird_memory::GuestMemory;

/// How a kernel was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A Linux bzImage by the 32-bit boot protocol.
    Linux,
    /// An ELF file with a Xen PHYS32_ENTRY note.
    Pvh,
    /// A Multiboot 1 kernel.
    Multiboot,
}

/// Something to put into guest memory.
#[derive(Clone, Debug)]
pub enum Write {
    /// These bytes.
    Bytes {
        /// Where.
        gpa: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// A piece of a file, which is read when the plan is applied.
    Image {
        /// Where.
        gpa: u64,
        /// The file.
        image: Image,
        /// Where in the file.
        offset: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// So many zeros.
    Zeros {
        /// Where.
        gpa: u64,
        /// How many.
        bytes: u64,
    },
}

/// The registers to start with: 32-bit protected mode, flat segments, no paging, interrupts off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The physical address of the first instruction.
    pub eip: u32,
    /// What the protocol passes in EAX.
    pub eax: u32,
    /// What the protocol passes in EBX.
    pub ebx: u32,
    /// What the protocol passes in ESI.
    pub esi: u32,
    /// A small stack, for kernels that use one before they have their own.
    pub esp: u32,
    /// Where the global descriptor table is.
    pub gdt: u32,
    /// How many bits a physical address has, for the masks of the MTRRs.
    pub physical_bits: u32,
}

/// The descriptor tables that all protocols share. Linux demands 10h for code and 18h for data; the last is the TSS that
/// PVH wants to be in TR.
pub const GDT: [u64; 5] = [0, 0, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x0000_8b00_0000_0067];
/// The code segment's selector.
pub const CODE_SELECTOR: u16 = 0x10;
/// The data segments' selector.
pub const DATA_SELECTOR: u16 = 0x18;
const TSS_SELECTOR: u16 = 0x20;

/// A plan, ready to be applied.
#[derive(Clone, Debug)]
pub struct BootPlan {
    /// By which protocol the kernel starts.
    pub protocol: Protocol,
    /// What goes into RAM, in this order.
    pub writes: Vec<Write>,
    /// Where and how the bootstrap processor starts.
    pub start: Start,
    /// What the user should know although it is no error.
    pub warnings: Vec<String>,
}

impl BootPlan {
    /// Puts everything in place: RAM, and the state of the bootstrap processor, which is the first of `cpus`. The others
    /// wait for their start-up IPI as after any reset, but firmware has given them the same MTRRs.
    pub fn install(&self, memory: &GuestMemory, cpus: &mut [CpuState]) -> Result<(), BootError> {
        self.apply(memory)?;
        if let Some(bootstrap) = cpus.first_mut() {
            self.start.set(bootstrap);
        }
        cpus.iter_mut().for_each(|cpu| self.start.set_mtrrs(cpu));
        Ok(())
    }

    /// Writes guest RAM.
    pub fn apply(&self, memory: &GuestMemory) -> Result<(), BootError> {
        for write in &self.writes {
            match write {
                Write::Bytes { gpa, bytes } => put(memory, *gpa, bytes)?,
                Write::Image { gpa, image, offset, bytes } => {
                    let mut piece = vec![0; PIECE.min(*bytes) as usize];
                    let mut done = 0;
                    while done < *bytes {
                        let piece = &mut piece[..PIECE.min(*bytes - done) as usize];
                        image.fill(offset + done, piece)?;
                        put(memory, gpa + done, piece)?;
                        done += piece.len() as u64;
                    }
                }
                Write::Zeros { gpa, bytes } => zero(memory, *gpa, *bytes)?,
            }
        }
        Ok(())
    }
}

/// How much of a file is read at a time: so little stays in the host's caches on its way into the guest's memory.
const PIECE: u64 = 0x1_0000;

fn put(memory: &GuestMemory, gpa: u64, bytes: &[u8]) -> Result<(), BootError> {
    memory.write(gpa, bytes)?;
    match gpa < super::space::EXTENDED {
        true => verify(memory, gpa, bytes),
        false => Ok(()),
    }
}

/// Writes to ROM vanish without a word, and below 1 MiB the chipset decides what is RAM: look whether they arrived.
fn verify(memory: &GuestMemory, gpa: u64, bytes: &[u8]) -> Result<(), BootError> {
    let mut found = vec![0; bytes.len()];
    memory.read(gpa, &mut found)?;
    match found.iter().zip(bytes).position(|(a, b)| a != b) {
        None => Ok(()),
        Some(at) => Err(BootError::NotWritable {
            gpa: gpa + at as u64,
            remedy: "make C0000h-FFFFFh RAM (PAM registers) before a direct boot",
        }),
    }
}

fn zero(memory: &GuestMemory, gpa: u64, bytes: u64) -> Result<(), BootError> {
    static ZEROS: [u8; 0x1_0000] = [0; 0x1_0000];
    let mut done = 0;
    while done < bytes {
        let step = (bytes - done).min(ZEROS.len() as u64);
        memory.write(gpa + done, &ZEROS[..step as usize])?;
        done += step;
    }
    Ok(())
}

impl Start {
    /// Sets the registers of a CPU that has just been reset.
    pub fn set(&self, state: &mut CpuState) {
        let common = Segment::PRESENT | Segment::S | Segment::READ_WRITE | Segment::ACCESSED;
        let flat = |selector, kind| Segment {
            selector,
            base: 0,
            limit: u32::MAX,
            attributes: common | Segment::DEFAULT_BIG | Segment::GRANULARITY | kind,
        };
        state.seg = [flat(DATA_SELECTOR, 0); 6];
        state.seg[1] = flat(CODE_SELECTOR, Segment::CODE);
        state.tr = Segment { selector: TSS_SELECTOR, base: 0, limit: 0x67, attributes: Segment::PRESENT | 11 };
        state.gdtr = TableRegister { base: u64::from(self.gdt), limit: (GDT.len() * 8 - 1) as u16 };
        state.idtr = TableRegister { base: 0, limit: 0 };
        state.cr0 = 0x11;
        state.cr3 = 0;
        state.cr4 = 0;
        state.efer = 0;
        state.rflags = CpuState::RFLAGS_FIXED;
        state.gpr = [0; 16];
        state.gpr[0] = u64::from(self.eax);
        state.gpr[3] = u64::from(self.ebx);
        state.gpr[4] = u64::from(self.esp);
        state.gpr[6] = u64::from(self.esi);
        state.rip = u64::from(self.eip);
    }

    /// Memory types as firmware leaves them: RAM write-back, video memory and the hole for PCI uncacheable, ROM
    /// write-protected. Linux does without PAT when the MTRRs are off.
    pub fn set_mtrrs(&self, state: &mut CpuState) {
        const WRITE_BACK: u64 = 0x0606_0606_0606_0606;
        const WRITE_PROTECTED: u64 = 0x0505_0505_0505_0505;
        let mtrrs = &mut state.mtrrs;
        mtrrs.def_type = 0xc00 | 6;
        mtrrs.fixed = [WRITE_PROTECTED; 11];
        mtrrs.fixed[..2].fill(WRITE_BACK); // 0-80000h in 64 KiB steps, 80000h-A0000h in 16 KiB steps
        mtrrs.fixed[2] = 0; // A0000h-C0000h
        mtrrs.base = [0; 8];
        mtrrs.mask = [0; 8];
        // RAM below 4 GiB ends at 3 GiB at the latest.
        let base = u64::from(super::tables::PCI_HOLE.start);
        let size = super::space::FOUR_GIB - base;
        mtrrs.base[0] = base;
        mtrrs.mask[0] = ((1u64 << self.physical_bits.clamp(32, 52)) - 1) & !(size - 1) | 0x800;
    }
}
