//! The way into a case's code, and back out of the signal handler.

use super::{Stop, signal};
use crate::case::Registers;
use std::arch::naked_asm;
use std::mem::offset_of;

const LINUX_CODE32: u16 = 0x23;

#[repr(C, packed)]
struct FarPointer {
    offset: u32,
    selector: u16,
}

static mut TARGET: u64 = 0;
static mut FAR_TARGET: FarPointer = FarPointer { offset: 0, selector: LINUX_CODE32 };
/// Whether the host has YMM registers.
static mut HAS_YMM: bool = false;
/// The stack pointer to go back to.
pub static mut BACK: u64 = 0;

/// Runs code until its exception.
pub unsafe fn run(start: &Registers, narrow: bool, patience: u64) -> Stop {
    // SAFETY: `Native` exists once, so nobody else uses the statics.
    unsafe {
        HAS_YMM = is_x86_feature_detected!("avx");
        TARGET = start.rip;
        FAR_TARGET.offset = start.rip as u32;
        signal::arm(patience);
        if narrow {
            enter32(start)
        } else {
            enter64(start)
        }
        signal::disarm()
    }
}

macro_rules! enter {
    ($name:ident, $segments:literal, $jump:literal, $target:ident) => {
        /// Loads all registers and jumps. Comes back by `leave`.
        #[unsafe(naked)]
        unsafe extern "sysv64" fn $name(start: *const Registers) {
            naked_asm!(
                "push rbx", "push rbp", "push r12", "push r13", "push r14", "push r15",
                "mov [rip + {back}], rsp",
                $segments,
                "cmp byte ptr [rip + {ymm}], 0",
                "je 2f",
                "mov eax, 7",
                "xor edx, edx",
                "xrstor64 [rdi + {fx}]",
                "jmp 3f",
                "2:",
                "fxrstor64 [rdi + {fx}]",
                "3:",
                "push qword ptr [rdi + {rflags}]",
                "popfq",
                "mov rax, [rdi]", "mov rcx, [rdi + 8]", "mov rdx, [rdi + 16]", "mov rbx, [rdi + 24]",
                "mov rsp, [rdi + 32]", "mov rbp, [rdi + 40]", "mov rsi, [rdi + 48]",
                "mov r8, [rdi + 64]", "mov r9, [rdi + 72]", "mov r10, [rdi + 80]", "mov r11, [rdi + 88]",
                "mov r12, [rdi + 96]", "mov r13, [rdi + 104]", "mov r14, [rdi + 112]", "mov r15, [rdi + 120]",
                "mov rdi, [rdi + 56]",
                $jump,
                back = sym BACK,
                target = sym $target,
                ymm = sym HAS_YMM,
                fx = const offset_of!(Registers, fx),
                rflags = const offset_of!(Registers, rflags),
            )
        }
    };
}

enter!(enter64, "", "jmp qword ptr [rip + {target}]", TARGET);
enter!(enter32, "mov eax, 0x2b\nmov ds, eax\nmov es, eax", "jmp fword ptr [rip + {target}]", FAR_TARGET);

/// Where the signal handler leads, with the stack pointer in [`BACK`].
#[unsafe(naked)]
pub unsafe extern "sysv64" fn leave() {
    naked_asm!(
        "fninit",
        "push 0x1f80",
        "ldmxcsr [rsp]",
        "pop rax",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret"
    )
}
