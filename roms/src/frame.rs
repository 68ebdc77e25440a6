//! What the ROM's stubs push on the caller's stack before they call the host: the caller's registers, and where it goes
//! on. The service changes them, and the stub takes them back.

use serde::{Deserialize, Serialize};

/// Bytes of a frame.
pub const BYTES: usize = 52;

/// FLAGS: carry, by which most services tell success from failure.
pub const CF: u16 = 1;
/// FLAGS: zero.
pub const ZF: u16 = 0x40;
/// FLAGS: interrupts are on.
pub const IF: u16 = 0x200;

/// The registers of a caller. The order of the fields is the order on the stack, from the lowest address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regs {
    /// GS.
    pub gs: u16,
    /// FS.
    pub fs: u16,
    /// ES.
    pub es: u16,
    /// DS.
    pub ds: u16,
    /// EDI.
    pub edi: u32,
    /// ESI.
    pub esi: u32,
    /// EBP.
    pub ebp: u32,
    /// ESP when the registers were pushed; what is written here is not taken back.
    pub esp: u32,
    /// EBX.
    pub ebx: u32,
    /// EDX.
    pub edx: u32,
    /// ECX.
    pub ecx: u32,
    /// EAX.
    pub eax: u32,
    /// Zero at first. A service that has to wait keeps here what it waits for.
    pub scratch: u32,
    /// Which stub this is; see [`crate::image::service`].
    pub service: u16,
    /// Where the caller goes on.
    pub ip: u16,
    /// Its segment.
    pub cs: u16,
    /// The caller's flags.
    pub flags: u16,
}

macro_rules! halves {
    ($($word:ident $set_word:ident $low:ident $set_low:ident $high:ident $set_high:ident of $whole:ident;)*) => {
        #[allow(missing_docs, reason = "the registers' own names")]
        impl Regs {
            $(
                pub fn $word(&self) -> u16 { self.$whole as u16 }
                pub fn $set_word(&mut self, value: u16) { self.$whole = self.$whole & !0xffff | u32::from(value); }
                pub fn $low(&self) -> u8 { self.$whole as u8 }
                pub fn $set_low(&mut self, value: u8) { self.$whole = self.$whole & !0xff | u32::from(value); }
                pub fn $high(&self) -> u8 { (self.$whole >> 8) as u8 }
                pub fn $set_high(&mut self, value: u8) {
                    self.$whole = self.$whole & !0xff00 | u32::from(value) << 8;
                }
            )*
        }
    };
}

halves! {
    ax set_ax al set_al ah set_ah of eax;
    bx set_bx bl set_bl bh set_bh of ebx;
    cx set_cx cl set_cl ch set_ch of ecx;
    dx set_dx dl set_dl dh set_dh of edx;
}

impl Regs {
    /// SI.
    pub fn si(&self) -> u16 {
        self.esi as u16
    }

    /// Changes SI alone.
    pub fn set_si(&mut self, value: u16) {
        self.esi = self.esi & !0xffff | u32::from(value);
    }

    /// DI.
    pub fn di(&self) -> u16 {
        self.edi as u16
    }

    /// Changes DI alone.
    pub fn set_di(&mut self, value: u16) {
        self.edi = self.edi & !0xffff | u32::from(value);
    }

    /// BP.
    pub fn bp(&self) -> u16 {
        self.ebp as u16
    }

    /// Changes BP alone.
    pub fn set_bp(&mut self, value: u16) {
        self.ebp = self.ebp & !0xffff | u32::from(value);
    }

    /// Sets or clears a flag.
    pub fn set_flag(&mut self, flag: u16, on: bool) {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
    }

    /// From the bytes of the stack.
    pub fn from_bytes(bytes: &[u8; BYTES]) -> Self {
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let dword = |at: usize| u32::from(word(at)) | u32::from(word(at + 2)) << 16;
        Regs {
            gs: word(0),
            fs: word(2),
            es: word(4),
            ds: word(6),
            edi: dword(8),
            esi: dword(12),
            ebp: dword(16),
            esp: dword(20),
            ebx: dword(24),
            edx: dword(28),
            ecx: dword(32),
            eax: dword(36),
            scratch: dword(40),
            service: word(44),
            ip: word(46),
            cs: word(48),
            flags: word(50),
        }
    }

    /// To the bytes of the stack.
    pub fn to_bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        let words = [(0, self.gs), (2, self.fs), (4, self.es), (6, self.ds), (44, self.service)];
        for (at, value) in words.into_iter().chain([(46, self.ip), (48, self.cs), (50, self.flags)]) {
            bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        let dwords = [self.edi, self.esi, self.ebp, self.esp, self.ebx, self.edx, self.ecx, self.eax, self.scratch];
        for (n, value) in dwords.into_iter().enumerate() {
            bytes[8 + 4 * n..12 + 4 * n].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_round() {
        let bytes: [u8; BYTES] = std::array::from_fn(|n| n as u8 + 1);
        assert_eq!(Regs::from_bytes(&bytes).to_bytes(), bytes);
    }

    #[test]
    fn halves_leave_the_rest_alone() {
        let mut regs = Regs { eax: 0x1234_5678, ..Regs::default() };
        regs.set_ah(0xab);
        regs.set_al(0xcd);
        assert_eq!((regs.eax, regs.ax()), (0x1234_abcd, 0xabcd));
        regs.set_ax(1);
        assert_eq!(regs.eax, 0x1234_0001);
    }
}
