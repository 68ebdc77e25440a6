//! Far jumps, calls and returns, call gates, task switches, fast system calls, and the way into long mode.

use super::*;
use crate::flags::rflags;
use crate::system::control::cr4;

/// `jmp far` or `call far` to a 32-bit pointer.
fn far(opcode: u8, selector: u16, offset: u32) -> Vec<u8> {
    let mut bytes = vec![opcode];
    bytes.extend(offset.to_le_bytes());
    bytes.extend(selector.to_le_bytes());
    bytes
}

#[test]
fn real_mode_to_protected_mode() {
    let mut m = Machine::real();
    m.poke(GDT + 8, 8, 0x00cf_9a00_0000_ffff);
    m.poke(GDT + 16, 8, 0x00cf_9200_0000_ffff);
    m.poke(0x600, 8, (GDT << 16) | 0x17);
    m.exec(&[0x0f, 0x01, 0x16, 0x00, 0x06]).unwrap();
    assert_eq!(m.cpu.state.gdtr, TableRegister { base: GDT, limit: 0x17 });
    m.cpu.regs[0] = 0x11;
    m.exec(&[0x0f, 0x22, 0xc0]).unwrap();
    assert!(m.cpu.protected());
    let mut jump = vec![0x66];
    jump.extend(far(0xea, 8, 0x12_3456));
    m.exec(&jump).unwrap();
    assert_eq!((m.cpu.rip, m.cpu.seg(SegReg::Cs).base), (0x12_3456, 0));
    assert_eq!(m.peek(GDT + 8 + 5, 1), 0x9b, "the accessed bit");
    m.cpu.regs[0] = 16;
    m.exec(&[0x8e, 0xd8]).unwrap();
    assert_eq!(m.cpu.seg(SegReg::Ds).limit, 0xffff_ffff);
    // Back in real mode the limit stays: unreal mode.
    m.cpu.regs[0] = 0x10;
    m.exec(&[0x0f, 0x22, 0xc0]).unwrap();
    m.cpu.regs[0] = 0x40;
    m.exec(&[0x8e, 0xd8]).unwrap();
    assert_eq!((m.cpu.seg(SegReg::Ds).base, m.cpu.seg(SegReg::Ds).limit), (0x400, 0xffff_ffff));
}

#[test]
fn privilege_of_far_jumps() {
    let mut m = Machine::protected(0);
    assert_eq!(m.exec(&far(0xea, 0, 0)), Err(Exception::protection(0)));
    assert_eq!(m.exec(&far(0xea, DATA_0, 0)), Err(Exception::protection(DATA_0.into())));
    assert_eq!(m.exec(&far(0xea, CODE_3, 0)), Err(Exception::protection(0x18)));
    assert_eq!(m.exec(&far(0xea, 0x78, 0)), Err(Exception::protection(0x78)));
    m.exec(&far(0xea, CODE_0, 0x4000)).unwrap();
    assert_eq!(m.cpu.rip, 0x4000);
    let mut m = Machine::protected(3);
    m.poke(GDT + u64::from(FREE), 8, 0x00cf_9e00_0000_ffff);
    m.exec(&far(0xea, FREE, 0x4000)).unwrap();
    assert_eq!((m.cpu.cpl(), m.selectors()[1]), (3, FREE | 3), "conforming code keeps the level");
}

#[test]
fn calls_and_returns() {
    let mut m = Machine::protected(0);
    m.exec(&far(0x9a, CODE_0, 0x4000)).unwrap();
    assert_eq!([0, 1].map(|i| m.on_stack(i, 4)), [CODE + 7, CODE_0.into()]);
    m.exec(&[0xca, 8, 0]).unwrap();
    assert_eq!((m.cpu.rip, m.cpu.regs[4]), (CODE + 7, STACK + 8));
    // To an outer level: the data segments of level 0 are dropped.
    let sp = STACK - 16;
    for (i, v) in [0x5000, u64::from(CODE_3), 0x7000, u64::from(DATA_3)].into_iter().enumerate() {
        m.poke(sp + 4 * i as u64, 4, v);
    }
    m.cpu.regs[4] = sp;
    m.exec(&[0xcb]).unwrap();
    assert_eq!((m.cpu.rip, m.cpu.cpl(), m.cpu.regs[4]), (0x5000, 3, 0x7000));
    assert_eq!(m.selectors(), [0, CODE_3, DATA_3, 0, 0, 0]);
}

#[test]
fn a_call_gate_switches_stacks_and_copies_parameters() {
    let mut m = Machine::protected(3);
    let gate = 0x0000_ec02_0000_0000 | u64::from(CODE_0) << 16 | 0x4444;
    m.poke(GDT + u64::from(FREE), 8, gate);
    m.poke(STACK, 4, 0x1111);
    m.poke(STACK + 4, 4, 0x2222);
    m.exec(&far(0x9a, FREE | 3, 0)).unwrap();
    assert_eq!((m.cpu.rip, m.cpu.cpl(), m.cpu.regs[4]), (0x4444, 0, STACK_0 - 24));
    let frame = [0, 1, 2, 3, 4, 5].map(|i| m.on_stack(i, 4));
    assert_eq!(frame, [CODE + 7, CODE_3.into(), 0x1111, 0x2222, STACK, DATA_3.into()]);
    m.exec(&[0xca, 8, 0]).unwrap();
    assert_eq!((m.cpu.rip, m.cpu.cpl(), m.cpu.regs[4]), (CODE + 7, 3, STACK + 8));
}

#[test]
fn a_16_bit_stack_keeps_the_upper_half_of_esp() {
    let mut m = Machine::protected(0);
    m.poke(GDT + u64::from(FREE), 8, 0x0000_f200_0000_ffff);
    let sp = STACK - 20;
    for (i, v) in [0x5000, CODE_3.into(), 0x202, 0x1234_7000, u64::from(FREE | 3)].into_iter().enumerate() {
        m.poke(sp + 4 * i as u64, 4, v);
    }
    m.cpu.regs[4] = sp;
    m.cpu.state.seg[2].limit = 0xffff_ffff;
    m.exec(&[0xcf]).unwrap();
    assert_eq!(m.cpu.regs[4], 0x7000);
    assert_eq!(m.cpu.mode.stack, crate::op::Width::W);
}

fn other_task(m: &mut Machine, base: u64) {
    m.tss(FREE, base, 9);
    m.poke(base + 0x20, 4, 0x6000);
    m.poke(base + 0x24, 4, 0x2);
    m.poke(base + 0x28, 4, 0xaaaa);
    m.poke(base + 0x38, 4, 0x7800);
    for (i, s) in [DATA_0, CODE_0, DATA_0, DATA_0, 0, 0].into_iter().enumerate() {
        m.poke(base + 0x48 + 4 * i as u64, 2, s.into());
    }
    m.poke(base + 0x60, 2, 0);
}

#[test]
fn tasks_by_call_and_back_by_iret() {
    let mut m = Machine::protected(0);
    m.tss(TSS_SELECTOR, TSS, 11);
    other_task(&mut m, 0x3800);
    m.cpu.regs[0] = 0x5555;
    m.exec(&far(0x9a, FREE, 0)).unwrap();
    assert_eq!((m.cpu.rip, m.cpu.regs[0], m.cpu.regs[4]), (0x6000, 0xaaaa, 0x7800));
    assert_eq!(m.cpu.rflags() & rflags::NT, rflags::NT);
    assert_eq!((m.cpu.state.tr.selector, m.cpu.state.cr0 & cr0::TS), (FREE, cr0::TS));
    assert_eq!(m.peek(0x3800, 2), u64::from(TSS_SELECTOR), "the link");
    assert_eq!(m.peek(GDT + u64::from(FREE) + 5, 1), 0x8b, "busy");
    assert_eq!(m.peek(TSS + 0x20, 4), CODE + 7);
    assert_eq!(m.exec(&far(0x9a, FREE, 0)), Err(Exception::protection(FREE.into())), "busy already");
    m.exec(&[0xcf]).unwrap();
    assert_eq!((m.cpu.rip, m.cpu.regs[0], m.cpu.state.tr.selector), (CODE + 7, 0x5555, TSS_SELECTOR));
    assert_eq!(m.peek(GDT + u64::from(FREE) + 5, 1), 0x89);
    assert_eq!(m.peek(0x3800 + 0x24, 4) & rflags::NT, 0);
}

#[test]
fn a_task_gate_for_an_exception_pushes_the_error_code_in_the_new_task() {
    let mut m = Machine::protected(3);
    m.tss(TSS_SELECTOR, TSS, 11);
    other_task(&mut m, 0x3800);
    m.gate(10, 5, 0, FREE, 0);
    m.gate(13, 5, 0, FREE, 0);
    assert!(m.raise(Exception::protection(0x1234)));
    assert_eq!((m.cpu.rip, m.cpu.cpl(), m.on_stack(0, 4)), (0x6000, 0, 0x1234));
    // A new task whose SS cannot be loaded takes its #TS itself.
    let mut m = Machine::protected(0);
    m.tss(TSS_SELECTOR, TSS, 11);
    other_task(&mut m, 0x3800);
    m.poke(0x3800 + 0x50, 2, 0x78);
    m.gate(10, 14, 0, CODE_0, 0xd00);
    m.gate(8, 14, 0, CODE_0, 0xe00);
    m.exec(&far(0xea, FREE, 0)).unwrap();
    assert_eq!(m.cpu.state.activity, lyrebird_core::cpu::state::Activity::Shutdown, "it has no stack either");
}

#[test]
fn into_long_mode_and_down_to_compatibility() {
    let mut m = Machine::protected(0);
    m.poke(0x10_0000, 8, 0x10_1007);
    m.poke(0x10_1000, 8, 0x10_2007);
    m.poke(0x10_2000, 8, 0x87);
    m.poke(GDT + u64::from(FREE), 8, 0x00af_9a00_0000_ffff);
    let cr = |m: &mut Machine, n: u8, value: u64| {
        m.cpu.regs[0] = value;
        m.exec(&[0x0f, 0x22, 0xc0 | n << 3])
    };
    cr(&mut m, 4, cr4::PAE).unwrap();
    cr(&mut m, 3, 0x10_0000).unwrap();
    m.cpu.regs[1] = 0xc000_0080;
    (m.cpu.regs[0], m.cpu.regs[2]) = (efer::LME, 0);
    m.exec(&[0x0f, 0x30]).unwrap();
    cr(&mut m, 0, 0x8000_0011).unwrap();
    assert!(m.cpu.state.long_mode() && !m.cpu.mode64());
    m.exec(&far(0xea, FREE, 0x5000)).unwrap();
    assert!(m.cpu.mode64());
    assert_eq!(cr(&mut m, 0, 0x11), Err(Exception::protection(0)), "not from 64-bit mode");
    assert_eq!(cr(&mut m, 4, 0), Err(Exception::protection(0)));
    m.cpu.regs[4] = STACK - 8;
    m.poke(STACK - 8, 8, 0x6000 | u64::from(CODE_0) << 32);
    m.exec(&[0xcb]).unwrap();
    assert_eq!((m.cpu.rip, m.cpu.mode.code), (0x6000, crate::cpu::CodeSize::Bits32));
    cr(&mut m, 0, 0x11).unwrap();
    assert!(!m.cpu.state.long_mode());
}

#[test]
fn syscall_and_sysret() {
    let mut m = Machine::long(3);
    m.cpu.state.star = 0x0013_0008_0000_0000;
    m.cpu.state.lstar = 0xffff_8000_0000_0100;
    m.cpu.state.sfmask = rflags::IF | rflags::TF;
    m.cpu.set_rflags(rflags::IF | rflags::CF);
    m.exec(&[0x0f, 0x05]).unwrap();
    assert_eq!((m.cpu.rip, m.cpu.cpl(), m.cpu.regs[1], m.cpu.regs[11]), (0xffff_8000_0000_0100, 0, CODE + 2, 0x203));
    assert_eq!((m.cpu.rflags(), m.selectors()[1..3].to_vec()), (3, vec![8, 16]));
    m.cpu.regs[1] = 1 << 47;
    assert_eq!(m.exec(&[0x48, 0x0f, 0x07]), Err(Exception::protection(0)));
    m.cpu.regs[1] = 0x7000;
    m.exec(&[0x48, 0x0f, 0x07]).unwrap();
    assert_eq!((m.cpu.rip, m.cpu.cpl(), m.cpu.rflags()), (0x7000, 3, 0x203));
    assert_eq!(m.selectors()[1..3], [0x23, 0x1b]);
}
