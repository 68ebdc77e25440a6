//! Exceptions: what an instruction raises instead of completing (Intel SDM vol. 3, chapter 6).

/// Vector numbers.
#[allow(missing_docs, reason = "the manual's names")]
pub mod vector {
    pub const DE: u8 = 0;
    pub const DB: u8 = 1;
    pub const NMI: u8 = 2;
    pub const BP: u8 = 3;
    pub const OF: u8 = 4;
    pub const BR: u8 = 5;
    pub const UD: u8 = 6;
    pub const NM: u8 = 7;
    pub const DF: u8 = 8;
    pub const TS: u8 = 10;
    pub const NP: u8 = 11;
    pub const SS: u8 = 12;
    pub const GP: u8 = 13;
    pub const PF: u8 = 14;
    pub const MF: u8 = 16;
    pub const AC: u8 = 17;
    pub const MC: u8 = 18;
    pub const XM: u8 = 19;
}

/// A fault: the instruction has changed nothing that it may not have, and will be restarted.
/// (Traps, like INT3 and #DB after a step, are delivered by the functions that cause them.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Its vector.
    pub vector: u8,
    /// Its error code, if the vector has one.
    pub error: Option<u32>,
    /// What to add for #PF: the linear address for CR2. For #DB: bits for DR6.
    pub address: u64,
}

impl Exception {
    const fn plain(vector: u8) -> Self {
        Exception { vector, error: None, address: 0 }
    }
    const fn coded(vector: u8, error: u32) -> Self {
        Exception { vector, error: Some(error), address: 0 }
    }
    /// #DE.
    pub const fn divide() -> Self {
        Self::plain(vector::DE)
    }
    /// #UD.
    pub const fn undefined() -> Self {
        Self::plain(vector::UD)
    }
    /// #NM.
    pub const fn device_not_available() -> Self {
        Self::plain(vector::NM)
    }
    /// #BR.
    pub const fn bound() -> Self {
        Self::plain(vector::BR)
    }
    /// #MF.
    pub const fn x87() -> Self {
        Self::plain(vector::MF)
    }
    /// #XM.
    pub const fn simd() -> Self {
        Self::plain(vector::XM)
    }
    /// #GP.
    pub const fn protection(error: u32) -> Self {
        Self::coded(vector::GP, error)
    }
    /// #SS.
    pub const fn stack(error: u32) -> Self {
        Self::coded(vector::SS, error)
    }
    /// #NP.
    pub const fn not_present(error: u32) -> Self {
        Self::coded(vector::NP, error)
    }
    /// #TS.
    pub const fn invalid_tss(error: u32) -> Self {
        Self::coded(vector::TS, error)
    }
    /// #AC.
    pub const fn alignment() -> Self {
        Self::coded(vector::AC, 0)
    }
    /// #PF.
    pub const fn page(error: u32, linear: u64) -> Self {
        Exception { vector: vector::PF, error: Some(error), address: linear }
    }
    /// #DB as a fault or trap; `dr6` has the bits to set.
    pub const fn debug(dr6: u64) -> Self {
        Exception { vector: vector::DB, error: None, address: dr6 }
    }
}
