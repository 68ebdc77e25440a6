//! Single instructions.

use super::*;
use crate::flags::rflags;
use crate::system::control::cr4;

#[test]
fn decimal_adjustments_against_their_definitions() {
    // AAM 10, AAD 10, DAA after 79h + 35h, DAS after 35h - 47h, AAA after '9' + '9'.
    let mut m = Machine::protected(0);
    m.cpu.regs[0] = 63;
    m.exec(&[0xd4, 10]).unwrap();
    assert_eq!(m.cpu.regs[0], 0x0603);
    m.exec(&[0xd5, 10]).unwrap();
    assert_eq!(m.cpu.regs[0], 63);
    assert_eq!(m.exec(&[0xd4, 0]), Err(Exception::divide()));
    m.cpu.regs[0] = 0x79 + 0x35;
    m.cpu.set_rflags(0);
    m.exec(&[0x27]).unwrap();
    assert_eq!((m.cpu.regs[0], m.cpu.rflags() & (rflags::CF | rflags::AF)), (0x14, rflags::CF | rflags::AF));
    m.cpu.regs[0] = 0xee;
    m.cpu.set_rflags(rflags::CF | rflags::AF);
    m.exec(&[0x2f]).unwrap();
    assert_eq!((m.cpu.regs[0], m.cpu.rflags() & rflags::CF), (0x88, rflags::CF));
    m.cpu.regs[0] = 0x39 + 0x39;
    m.cpu.set_rflags(rflags::AF);
    m.exec(&[0x37]).unwrap();
    assert_eq!(m.cpu.regs[0], 0x0108);
}

#[test]
fn the_ratio_to_the_bus_can_be_read_and_not_written() {
    use crate::model::Clock;
    let mut m = Machine::long(0);
    let clock = Clock { crystal_hz: 25_000_000, numerator: 96, denominator: 1 };
    let named = |name| Arc::new(Model::by_name(name).unwrap().with_clock(clock));
    m.cpu.model = named("x86-64-v2");
    // IA32_PERF_STATUS, MSR_PLATFORM_INFO, MSR_FLEX_RATIO, MSR_EBL_CR_POWERON: 2.4 GHz are 24 times 100 MHz.
    for (index, high, low, write) in [
        (0x198, 24 << 8, 1 << 31 | 24 << 8, false),
        (0xce, 24 << 8, 24 << 8, false),
        (0x194, 0, 0, true),
        (0x2a, 0, 0, true),
    ] {
        m.cpu.regs[1] = index;
        m.exec(&[0x0f, 0x32]).unwrap();
        assert_eq!((m.cpu.regs[2], m.cpu.regs[0]), (high, low), "{index:#x}");
        assert_eq!(m.exec(&[0x0f, 0x30]).is_ok(), write, "{index:#x}");
    }
    m.cpu.model = named("qemu64");
    assert_eq!(m.exec(&[0x0f, 0x32]), Err(Exception::protection(0)), "AMD's have none");
}

#[test]
fn ports_ask_the_permission_bitmap() {
    let mut m = Machine::protected(3);
    assert_eq!(m.exec(&[0xe4, 0x60]), Err(Exception::protection(0)));
    m.cpu.state.tr.limit = 0x68 + 0x20;
    m.poke(TSS + 0x68, 8, u64::MAX);
    m.poke(TSS + 0x68 + 0x0c, 1, 0xfe);
    m.exec(&[0xe4, 0x60]).unwrap();
    assert_eq!(m.cpu.regs[0], 0x60);
    assert_eq!(m.exec(&[0xe5, 0x60]), Err(Exception::protection(0)), "four ports, three of them forbidden");
    m.cpu.system_flags |= rflags::IOPL;
    m.exec(&[0xe7, 0x80]).unwrap();
    assert_eq!(m.bus.written, [(0x80, 4, 0x60)]);
}

#[test]
fn string_output_goes_by_blocks_and_comes_back_for_more() {
    let mut m = Machine::protected(0);
    (m.cpu.regs[6], m.cpu.regs[1], m.cpu.regs[2]) = (0x4ff8, 8, 0x1f0);
    m.exec(&[0xf3, 0x66, 0x6f]).unwrap();
    assert_eq!((m.cpu.regs[6], m.cpu.regs[1], m.cpu.rip), (0x5000, 4, CODE), "up to the page's end");
    m.exec(&[0xf3, 0x66, 0x6f]).unwrap();
    assert_eq!((m.cpu.regs[1], m.cpu.rip), (0, CODE + 3));
    assert_eq!(m.bus.written, [(0x1f0, 2, 8), (0x1f0, 2, 8)]);
    (m.cpu.regs[7], m.cpu.regs[1]) = (0x4000, 3);
    m.exec(&[0xf3, 0x6c]).unwrap();
    assert_eq!((m.peek(0x4000, 4), m.cpu.regs[7]), (0xf0_f0f0, 0x4003));
}

#[test]
fn string_ports_stop_where_memory_does() {
    // Up to the limit of ES and no further; then #GP in front of the item that would leave it.
    let mut m = Machine::protected(0);
    (m.cpu.state.seg[0].limit, m.cpu.regs[7], m.cpu.regs[1], m.cpu.regs[2]) = (0x4004, 0x4000, 4, 0x1f0);
    m.cpu.update_mode();
    for left in [3, 2] {
        m.exec(&[0xf3, 0x66, 0x6d]).unwrap();
        assert_eq!((m.cpu.regs[1], m.cpu.regs[7], m.cpu.rip), (left, 0x4008 - 2 * left, CODE));
    }
    assert_eq!(m.exec(&[0xf3, 0x66, 0x6d]), Err(Exception::protection(0)));
    assert_eq!((m.cpu.regs[1], m.cpu.regs[7], m.peek(0x4000, 8)), (2, 0x4004, 0xf0f0_f0f0));
    // The second page is not there: what fits is moved, and the fault says where the rest would go.
    let mut m = Machine::long(0);
    m.poke(0x10_2000, 8, 0x10_3007);
    for page in 0..256 {
        m.poke(0x10_3000 + 8 * page, 8, if page == 5 { 0 } else { page << 12 | 7 });
    }
    (m.cpu.regs[7], m.cpu.regs[1], m.cpu.regs[2]) = (0x4ff0, 8, 0x1f0);
    m.exec(&[0xf3, 0x6d]).unwrap();
    assert_eq!((m.cpu.regs[1], m.cpu.regs[7], m.cpu.rip), (4, 0x5000, CODE));
    let fault = m.exec(&[0xf3, 0x6d]).unwrap_err();
    assert_eq!((fault.vector, fault.address, m.cpu.regs[1], m.cpu.rip), (14, 0x5000, 4, CODE));
    // With a count of zero nothing is asked, not even the bitmap.
    let mut m = Machine::protected(3);
    m.cpu.regs[1] = 0;
    m.exec(&[0xf3, 0x6d]).unwrap();
    m.cpu.regs[1] = 1;
    assert_eq!(m.exec(&[0xf3, 0x6d]), Err(Exception::protection(0)));
}

#[test]
fn string_ports_go_down_and_to_devices_item_by_item() {
    let mut m = Machine::protected(0);
    m.cpu.system_flags |= rflags::DF;
    (m.cpu.regs[7], m.cpu.regs[1], m.cpu.regs[2]) = (0x5000, 3, 0x1f0);
    for (left, to) in [(2, 0x4ffe), (1, 0x4ffc), (0, 0x4ffa)] {
        m.exec(&[0xf3, 0x66, 0x6d]).unwrap();
        assert_eq!((m.cpu.regs[1], m.cpu.regs[7]), (left, to));
        m.cpu.rip = CODE;
    }
    assert_eq!(m.peek(0x4ffa, 8), 0xf0f0_f0f0_f0f0_0000);
    // Where there is no RAM, a device in memory sees each of them.
    m.cpu.system_flags &= !rflags::DF;
    (m.cpu.regs[6], m.cpu.regs[1]) = (0x30_0000, 2);
    m.exec(&[0xf3, 0x6e]).unwrap();
    m.cpu.rip = CODE;
    m.exec(&[0xf3, 0x6e]).unwrap();
    assert_eq!(m.bus.written, [(0x1f0, 1, u32::MAX), (0x1f0, 1, u32::MAX)]);
}

#[test]
fn fxsave_xsave_and_back() {
    let mut m = Machine::long(0);
    m.cpu.state.cr4 |= cr4::OSFXSR | cr4::OSXSAVE;
    m.cpu.state.xcr0 = 3;
    m.cpu.state.vector[9] = [1, 2, 0, 0];
    m.cpu.state.x87.status = 3 << 11;
    m.cpu.state.x87.r[3].significand = 77;
    m.cpu.regs[7] = 0x5000;
    let saved = m.cpu.save();
    m.exec(&[0x48, 0x0f, 0xae, 0x07]).unwrap();
    assert_eq!((m.peek(0x5020, 8), m.peek(0x5000 + 160 + 16 * 9, 8)), (77, 1));
    m.cpu.state.vector[9] = [0; 4];
    m.cpu.state.x87.r[3].significand = 0;
    m.exec(&[0x48, 0x0f, 0xae, 0x0f]).unwrap();
    assert_eq!((&m.cpu.state.vector, &m.cpu.state.x87), (&saved.vector, &saved.x87));
    (m.cpu.regs[0], m.cpu.regs[2]) = (3, 0);
    m.exec(&[0x48, 0x0f, 0xc7, 0x27]).unwrap();
    assert_eq!((m.peek(0x5200, 8), m.peek(0x5208, 8)), (3, 1 << 63 | 3));
    m.cpu.state.vector[9] = [0; 4];
    m.exec(&[0x48, 0x0f, 0xae, 0x2f]).unwrap();
    assert_eq!(&m.cpu.state.vector, &saved.vector);
    m.poke(0x5200, 8, 0);
    m.exec(&[0x48, 0x0f, 0xae, 0x2f]).unwrap();
    assert_eq!((m.cpu.state.vector[9], m.cpu.state.x87.control), ([0; 4], 0x37f));
    m.cpu.regs[7] = 0x5008;
    assert_eq!(m.exec(&[0x48, 0x0f, 0xae, 0x07]), Err(Exception::protection(0)));
}

#[test]
fn msrs_check_what_they_take() {
    let mut m = Machine::long(0);
    let mut set = |index: u64, value: u64| {
        (m.cpu.regs[0], m.cpu.regs[1], m.cpu.regs[2]) = (value & 0xffff_ffff, index, value >> 32);
        m.exec(&[0x0f, 0x30]).is_ok()
    };
    assert!(set(0xc000_0100, 0x1234) && !set(0xc000_0100, 1 << 47));
    assert!(set(0x277, 0x0007_0406_0007_0406) && !set(0x277, 2));
    assert!(!set(0xc000_0080, 0) && set(0xc000_0080, 0xd01), "LME stays while paging is on");
    assert!(!set(0xdead, 0) && !set(0xfe, 0) && !set(0x10a, 0), "unknown and read-only ones");
    assert!(set(0x3b, 500));
    assert_eq!(m.cpu.state.seg[4].base, 0x1234);
    m.exec(&[0x0f, 0x31]).unwrap();
    assert_eq!(m.cpu.regs[0], 1500);
}

#[test]
fn selector_questions() {
    let mut m = Machine::protected(3);
    m.cpu.regs[0] = u64::from(DATA_3);
    m.exec(&[0x0f, 0x02, 0xc8]).unwrap();
    assert_eq!((m.cpu.regs[1], m.cpu.rflags() & rflags::ZF), (0x00cf_f200, rflags::ZF));
    m.exec(&[0x0f, 0x03, 0xc8]).unwrap();
    assert_eq!(m.cpu.regs[1], 0xffff_ffff);
    m.exec(&[0x0f, 0x00, 0xe8]).unwrap();
    assert_eq!(m.cpu.rflags() & rflags::ZF, rflags::ZF);
    m.cpu.regs[0] = u64::from(DATA_0);
    m.exec(&[0x0f, 0x00, 0xe0]).unwrap();
    assert_eq!(m.cpu.rflags() & rflags::ZF, 0);
    m.cpu.state.cr4 |= cr4::UMIP;
    assert_eq!(m.exec(&[0x0f, 0x01, 0xe0]), Err(Exception::protection(0)));
}

#[test]
fn compare_and_exchange_wide() {
    let mut m = Machine::long(0);
    m.poke(0x5000, 8, 0x1111);
    m.poke(0x5008, 8, 0x2222);
    (m.cpu.regs[0], m.cpu.regs[2], m.cpu.regs[3], m.cpu.regs[1], m.cpu.regs[7]) = (0x1111, 0x2222, 3, 4, 0x5000);
    m.exec(&[0xf0, 0x48, 0x0f, 0xc7, 0x0f]).unwrap();
    assert_eq!((m.peek(0x5000, 8), m.peek(0x5008, 8)), (3, 4));
    m.exec(&[0xf0, 0x0f, 0xc7, 0x0f]).unwrap();
    assert_eq!((m.cpu.regs[0], m.cpu.regs[2], m.cpu.rflags() & rflags::ZF), (3, 0, 0));
    m.exec(&[0xf0, 0x0f, 0xc7, 0x0f]).unwrap();
    assert_eq!((m.peek(0x5000, 8), m.cpu.rflags() & rflags::ZF), (4 << 32 | 3, rflags::ZF));
}

#[test]
fn frames() {
    let mut m = Machine::protected(0);
    for r in [0, 1, 2, 3, 5, 6, 7] {
        m.cpu.regs[r] = r as u64 + 100;
    }
    m.exec(&[0x60]).unwrap();
    assert_eq!((m.on_stack(7, 4), m.on_stack(3, 4), m.on_stack(0, 4)), (100, STACK, 107));
    m.cpu.regs[0] = 0;
    m.exec(&[0x61]).unwrap();
    assert_eq!((m.cpu.regs[0], m.cpu.regs[4]), (100, STACK));
    m.cpu.regs[5] = 0x6000;
    m.poke(0x5ffc, 4, 0xabcd);
    m.exec(&[0xc8, 0x10, 0, 2]).unwrap();
    assert_eq!((m.cpu.regs[5], m.cpu.regs[4]), (STACK - 4, STACK - 4 - 8 - 16));
    assert_eq!((m.peek(STACK - 4, 4), m.peek(STACK - 8, 4), m.peek(STACK - 12, 4)), (0x6000, 0xabcd, STACK - 4));
    m.poke(0x5000, 8, 0x0000_0005_ffff_fffe);
    (m.cpu.regs[0], m.cpu.regs[1]) = (5, 0x5000);
    m.exec(&[0x62, 0x01]).unwrap();
    m.cpu.regs[0] = 6;
    assert_eq!(m.exec(&[0x62, 0x01]), Err(Exception::bound()));
}
