//! The machine as a CPU sees it.

use crate::time::VmTime;

/// An interrupt or exception, for those who watch a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its vector.
    pub vector: u8,
    /// What it comes from.
    pub cause: Cause,
    /// Its error code, if it has one.
    pub error: Option<u32>,
    /// Where it comes in between.
    pub cpl: u8,
    /// CS there.
    pub cs: u16,
    /// RIP there: the instruction that faulted, or the one that comes next.
    pub rip: u64,
    /// SS there.
    pub ss: u16,
    /// RSP there.
    pub rsp: u64,
    /// CR2, which for a page fault is its address.
    pub cr2: u64,
}

/// What an interrupt comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An interrupt controller.
    Interrupt,
    /// An NMI.
    Nmi,
    /// An instruction for it (INT n, INT3, INTO, INT1).
    Software,
    /// An exception.
    Exception,
}

/// What an engine calls for everything that is not CPU or RAM. One handle for each vCPU; the machine lock is taken inside.
///
/// After a call that may have raised an interrupt, changed the memory map or asked for a reset, the vCPU's
/// [`crate::Signals`] say so: an engine looks at them at the next instruction boundary.
pub trait CpuBus {
    /// Tells how many instructions the vCPU has retired, before an access by one of the methods below: a deterministic
    /// machine tells the time by it. A machine that follows the host's clock ignores it.
    fn note_retired(&mut self, _retired: u64) {}

    /// Tells that an interrupt or exception is about to be delivered. Whoever watches the guest hears it; a machine need not.
    fn note_delivery(&mut self, _delivery: Delivery) {}

    /// IN of 1, 2 or 4 bytes.
    fn port_read(&mut self, port: u16, bytes: u8) -> u32;

    /// OUT of 1, 2 or 4 bytes.
    fn port_write(&mut self, port: u16, bytes: u8, value: u32);

    /// REP INS into `data`, in items of `bytes`.
    fn port_read_block(&mut self, port: u16, bytes: u8, data: &mut [u8]);

    /// REP OUTS from `data`, in items of `bytes`.
    fn port_write_block(&mut self, port: u16, bytes: u8, data: &[u8]);

    /// A load of 1, 2, 4 or 8 bytes from a guest-physical address without RAM behind it.
    fn mmio_read(&mut self, gpa: u64, bytes: u8) -> u64;

    /// A store, likewise. Also for writes to ROM that a device wants to see.
    fn mmio_write(&mut self, gpa: u64, bytes: u8, value: u64);

    /// The interrupt acknowledge cycle: the vector to deliver, or `None` if the request has gone.
    fn acknowledge(&mut self) -> Option<u8>;

    /// Guest time now. `retired` is the number of instructions that this vCPU has retired, by which deterministic
    /// machines tell the time.
    fn now(&mut self, retired: u64) -> VmTime;

    /// The time-stamp counter now, before the vCPU's own offset.
    fn tsc(&mut self, retired: u64) -> u64;

    /// The local APIC's task priority as CR8 shows it: bits 7 to 4 of the TPR, in bits 3 to 0.
    fn cr8(&mut self) -> u8;

    /// Sets it.
    fn set_cr8(&mut self, value: u8);

    /// Reads an MSR that the local APIC implements: IA32_APIC_BASE (1Bh), IA32_TSC_DEADLINE (6E0h), x2APIC (800h to 8FFh).
    /// `None` asks for #GP.
    fn apic_msr_read(&mut self, index: u32) -> Option<u64>;

    /// Writes one; false asks for #GP.
    fn apic_msr_write(&mut self, index: u32, value: u64) -> bool;

    /// The FERR# pin, which the board wires to IRQ 13 (CR0.NE clear).
    fn set_ferr(&mut self, asserted: bool);

    /// 64 random bits, for RDRAND and RDSEED.
    fn entropy(&mut self) -> u64;

    /// PAUSE was executed: the vCPU most likely waits for another one. Where vCPUs take turns, it is the other's turn now.
    fn pause(&mut self) {}

    /// Whether an instruction just done through this bus wants the engine to return at the next instruction boundary
    /// (power-off, reset, a stopped machine).
    fn stop_requested(&mut self) -> bool;
}

/// A machine without devices, for engines by themselves: ports read as zero, addresses without memory as ones.
pub struct NoBus;

impl CpuBus for NoBus {
    fn port_read(&mut self, _: u16, _: u8) -> u32 {
        0
    }
    fn port_write(&mut self, _: u16, _: u8, _: u32) {}
    fn port_read_block(&mut self, _: u16, _: u8, _: &mut [u8]) {}
    fn port_write_block(&mut self, _: u16, _: u8, _: &[u8]) {}
    fn mmio_read(&mut self, _: u64, _: u8) -> u64 {
        u64::MAX
    }
    fn mmio_write(&mut self, _: u64, _: u8, _: u64) {}
    fn acknowledge(&mut self) -> Option<u8> {
        None
    }
    fn now(&mut self, retired: u64) -> VmTime {
        VmTime(retired)
    }
    fn tsc(&mut self, retired: u64) -> u64 {
        retired
    }
    fn cr8(&mut self) -> u8 {
        0
    }
    fn set_cr8(&mut self, _: u8) {}
    fn apic_msr_read(&mut self, _: u32) -> Option<u64> {
        None
    }
    fn apic_msr_write(&mut self, _: u32, _: u64) -> bool {
        false
    }
    fn set_ferr(&mut self, _: bool) {}
    fn entropy(&mut self) -> u64 {
        0x0123_4567_89ab_cdef
    }
    fn stop_requested(&mut self) -> bool {
        false
    }
}
