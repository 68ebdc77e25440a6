//! Lyrebird: a whole x86 PC in software. This crate is the composition root: the board, the boot loaders, the run loop
//! and the command line. See `docs/design.md` for the house.

pub mod boot;
pub mod cli;
pub mod lockstep;
pub mod machine;
pub mod observe;
