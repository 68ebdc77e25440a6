//! Lyrebird: a whole x86 PC in software. This crate is the composition root: the board, the boot loaders, the run loop
//! and the command line. See `docs/design.md` for the house.

/// Writes a line to standard error, unless that is gone: then there is nobody to tell, and no reason to panic.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

pub mod boot;
pub mod cli;
pub mod lockstep;
pub mod machine;
pub mod observe;
