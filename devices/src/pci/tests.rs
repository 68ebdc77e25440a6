use super::*;
use crate::request::{Request, Requests};
use lyrebird_core::{Device, PciConfig, PortIo, ResetKind, VmTime};
use lyrebird_memory::{GuestMemory, Region, Target};
use std::sync::Arc;

const NOW: VmTime = VmTime::ZERO;

fn bridge() -> (HostBridge, Arc<GuestMemory>) {
    let memory = Arc::new(GuestMemory::new());
    let ram = memory.add_block("ram", 0x20_0000).unwrap();
    memory.map(Region { base: 0, bytes: 0x20_0000, priority: 0, target: Target::Ram { block: ram, offset: 0 } });
    let pam = Pam::new(memory.clone(), ram, &[0x5a; 0x1_0000], &[0x55, 0xaa]).unwrap();
    (HostBridge::new(pam), memory)
}

#[test]
fn pam_copies_the_bios_to_ram() {
    let (mut bridge, memory) = bridge();
    let byte = |gpa| memory.read_uint(gpa, 1).unwrap();
    assert_eq!((byte(0xf_fff0), byte(0xe_fff0), byte(0xc_0000), byte(0xc_0002)), (0x5a, 0xff, 0x55, 0xff));
    memory.write(0xf_fff0, &[1]).unwrap();
    assert_eq!(byte(0xf_fff0), 0x5a);
    bridge.config_write(0x59, 1, 0x20, NOW); // reads ROM, writes RAM
    memory.write(0xf_fff0, &[2]).unwrap();
    assert_eq!(byte(0xf_fff0), 0x5a);
    bridge.config_write(0x59, 1, 0x10, NOW); // reads RAM, writes nothing
    memory.write(0xf_fff0, &[3]).unwrap();
    assert_eq!(byte(0xf_fff0), 2);
    bridge.config_write(0x5a, 1, 0x30, NOW); // C4000h to C7FFFh
    memory.write(0xc_4000, &[4]).unwrap();
    memory.write(0xc_0000, &[4]).unwrap();
    assert_eq!((byte(0xc_4000), byte(0xc_0000)), (4, 0x55));
    bridge.reset(ResetKind::Hard, NOW);
    assert_eq!((byte(0xf_fff0), byte(0xc_4000)), (0x5a, 0xff));
    bridge.shadow_all();
    assert_eq!((byte(0xf_fff0), byte(0xc_4000)), (2, 4));
}

#[test]
fn mechanism_1() {
    let (mut bridge, _) = bridge();
    assert_eq!(bridge.target(), None);
    bridge.set_address(0x8000_0a43);
    assert_eq!(bridge.target(), Some(ConfigAddress { bus: 0, devfn: 0x0a, register: 0x40 }));
    assert_eq!(bridge.address(), 0x8000_0a40);
    assert_eq!((bridge.config_read(0, 4, NOW), bridge.config_read(0x2c, 4, NOW)), (0x1237_8086, 0x1100_1af4));
    bridge.config_write(0, 4, 0, NOW);
    assert_eq!(bridge.config_read(2, 2, NOW), 0x1237);
}

#[test]
fn base_address_registers_open_windows() {
    let bus = WindowBus::new();
    let mut space = ConfigSpace::new(Identity { vendor: 1, device: 2, class: 0x01_0180, revision: 0 });
    space.add_bar(0, Space::Memory, 0x1000, 0, bus.handle(7));
    space.add_bar(4, Space::Port, 16, 0, bus.handle(8));
    space.write(0x10, 4, 0xffff_ffff);
    space.write(0x20, 4, 0xffff_ffff);
    assert_eq!((space.read(0x10, 4), space.read(0x20, 4)), (0xffff_f000, 0xffff_fff1));
    space.write(0x04, 2, 3);
    assert!(!bus.pending(), "all ones decode nothing");
    space.write(0x20, 4, 0xc001);
    let window = Window { space: Space::Port, base: 0xc000, bytes: 16, offset: 0 };
    assert_eq!(bus.take(), [(8, Some(window))]);
    space.write(0x10, 4, 0xe000_0000);
    assert_eq!(space.window(0).unwrap().base, 0xe000_0000);
    space.write(0x04, 1, 2);
    bus.take();
    let saved = space.save();
    space.reset();
    assert_eq!(bus.take(), [(7, None)]);
    space.restore(&saved);
    assert_eq!(bus.take().len(), 1);
}

#[test]
fn interrupt_routing_and_reset_register() {
    let requests = Requests::default();
    let mut bridge = Piix3::new(requests.clone());
    assert_eq!(bridge.route(0), None);
    bridge.config_write(0x60, 4, 0x800b_0a0b, NOW);
    assert_eq!([0, 1, 2, 3].map(|n| bridge.route(n)), [Some(11), Some(10), Some(11), None]);
    bridge.write(0xcf9, 1, 2, NOW);
    assert!(!requests.pending());
    bridge.write(0xcf9, 1, 6, NOW);
    assert_eq!(requests.take(), Some(Request::Reset));
}
