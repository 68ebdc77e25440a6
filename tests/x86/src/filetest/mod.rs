//! Filetests: cases of what x86 means, as text (`tests/filetests`), run by every engine in every way it can be driven.
//!
//! A file holds tests. Lines that begin with `#` are comments. A test is:
//! ```text
//! test ADD carries out of the top
//! mode long64                       real16, v86, prot16, prot32, compat32 or long64
//! cpl 3                             0 if it is left out
//! iopl 3                            0 if it is left out, but 3 in v86
//! seg ds base 0x2000 limit 0xff attr 0xf3
//! page 0x5000 none                  or ro, super, nx: turns paging on; everything else is mapped one to one
//! alias 0x9000 0x5000               the first linear page leads where the second does
//! model pentium                     "max" if it is left out
//! budget 3                          run exactly so many instructions; otherwise up to an exception or the end
//! at 0x1000                         where the code stands; there may be several pieces
//! | 48 01 d8     add rax,rbx        bytes, and what iced-x86 disassembles them to
//! in
//! rax 1
//! [0x2000] 01 02
//! out
//! rax 0
//! flags cf af? zf                   all that are set; `?`: undefined
//! exception PF 2 cr2 0x5000
//! ```
//! Execution begins at the first piece of code, and ends behind the last one. What `out` does not list is not looked at,
//! except that an exception that is not expected fails. `BLESS=1` rewrites `out` and the disassembly.

mod parse;
mod registers;
mod run;
mod setup;

pub use parse::{File, Test};
pub use run::{Engine, Found, check, engines};

/// Where the kernel's own things (tables, handlers, stacks) stand: tests keep below.
pub const KERNEL: u64 = 0x11_0000;
