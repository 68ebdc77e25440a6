//! The guest programs of our own are kernels as the direct boot loaders want them.

mod common;

use common::guest::{self, End};
use lyrebird::boot::{BootRequest, Image, Protocol, load_into, tables};

fn protocol(kernel: Vec<u8>) -> Protocol {
    let request = BootRequest::new(Image { path: "guest".into(), bytes: kernel }, tables::Board::default());
    load_into(&[(0, 16 << 20)], &request).unwrap().protocol
}

#[test]
fn guest_programs_are_recognised() {
    for end in [End::DebugExit(0xf4, 1), End::PowerOff, End::Reset, End::TripleFault, End::Halt] {
        assert_eq!(protocol(guest::hello_multiboot(end)), Protocol::Multiboot);
        assert_eq!(protocol(guest::hello_pvh_64(end)), Protocol::Pvh);
    }
}
