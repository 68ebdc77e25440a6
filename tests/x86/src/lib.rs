//! Tests of what x86 means, for every engine: random code against the host CPU ([`native`], [`generate`], [`oracle`]).

#![allow(clippy::precedence, reason = "page table entries and floats are sums of shifted fields")]

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub mod bench;
pub mod case;
pub mod filetest;
pub mod generate;
pub mod guest;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub mod native;
pub mod oracle;
pub mod rng;
pub mod undefined;
pub mod vendor;
pub mod wild;
