//! Events: real mode, gates of both protected modes, double and triple faults, what poll does first.

use super::*;
use crate::exception::vector;
use crate::flags::rflags;
use crate::system::interrupt::{Event, deliver};
use lyrebird_core::cpu::state::{Activity, Shadow};

#[test]
fn real_mode_pushes_three_words() {
    let mut m = Machine::real();
    m.poke(0x21 * 4, 4, 0x2000_0042);
    m.cpu.set_rflags(rflags::IF | rflags::CF);
    m.cpu.rip = 0x123;
    m.exec(&[0xcd, 0x21]).unwrap();
    assert_eq!((m.cpu.rip, m.cpu.seg(SegReg::Cs).base), (0x42, 0x2_0000));
    assert_eq!(m.cpu.regs[4], STACK - 6);
    assert_eq!([0, 1, 2].map(|i| m.on_stack(i, 2)), [0x125, 0x1000, 0x203]);
    assert_eq!(m.cpu.rflags(), 0x3);
    m.exec(&[0xcf]).unwrap();
    assert_eq!((m.cpu.rip, m.cpu.seg(SegReg::Cs).base, m.cpu.rflags()), (0x125, 0x1_0000, 0x203));
}

#[test]
fn protected_mode_from_user_to_kernel_and_back() {
    let mut m = Machine::protected(3);
    m.gate(14, 14, 0, CODE_0, 0x5_4321);
    m.cpu.set_rflags(rflags::IF | rflags::ZF);
    assert!(m.raise(Exception::page(6, 0x1234_5000)));
    assert_eq!(m.cpu.state.cr2, 0x1234_5000);
    assert_eq!((m.cpu.rip, m.cpu.cpl()), (0x5_4321, 0));
    assert_eq!(m.selectors()[1..3], [CODE_0, DATA_0]);
    let frame = [0, 1, 2, 3, 4, 5].map(|i| m.on_stack(i, 4));
    assert_eq!(frame, [6, CODE, CODE_3.into(), 0x1_0242, STACK, DATA_3.into()]);
    assert_eq!(m.cpu.rflags(), 0x42);
    m.cpu.regs[4] += 4;
    m.exec(&[0xcf]).unwrap();
    assert_eq!((m.cpu.rip, m.cpu.cpl(), m.cpu.regs[4]), (CODE, 3, STACK));
    assert_eq!(m.cpu.rflags() & !rflags::RF, 0x242);
}

#[test]
fn a_trap_gate_leaves_if_and_dpl_guards_software_interrupts() {
    let mut m = Machine::protected(3);
    m.gate(0x80, 15, 3, CODE_0, 0x500);
    m.gate(0x81, 14, 0, CODE_0, 0x600);
    m.cpu.set_rflags(rflags::IF);
    assert_eq!(m.exec(&[0xcd, 0x81]), Err(Exception::protection(0x81 << 3 | 2)));
    assert_eq!(m.cpu.rip, CODE);
    m.exec(&[0xcd, 0x80]).unwrap();
    assert_eq!((m.cpu.rip, m.cpu.rflags() & rflags::IF), (0x500, rflags::IF));
    assert_eq!(m.on_stack(0, 4), CODE + 2);
    let mut m = Machine::protected(3);
    m.gate(0x81, 14, 0, CODE_0, 0x600);
    deliver(&mut m.ctx(), Event::Interrupt(0x81)).unwrap();
    assert_eq!(m.cpu.rip, 0x600);
}

#[test]
fn error_codes_of_bad_gates() {
    let mut m = Machine::protected(0);
    let fails = |m: &mut Machine, event| deliver(&mut m.ctx(), event).unwrap_err();
    assert_eq!(fails(&mut m, Event::Interrupt(0x40)), Exception::protection(0x40 << 3 | 3));
    m.gate(0x40, 14, 0, 0x78, 0);
    assert_eq!(fails(&mut m, Event::Interrupt(0x40)), Exception::protection(0x79));
    assert_eq!(fails(&mut m, Event::Software(0x40)), Exception::protection(0x78));
    m.gate(0x40, 14, 0, CODE_0, 0);
    let raw = m.peek(IDT + 0x40 * 8, 8);
    m.poke(IDT + 0x40 * 8, 8, raw & !(1 << 47));
    assert_eq!(fails(&mut m, Event::Interrupt(0x40)), Exception::not_present(0x40 << 3 | 3));
    m.cpu.state.idtr.limit = 0x1f;
    assert_eq!(fails(&mut m, Event::Software(4)), Exception::protection(4 << 3 | 2));
}

#[test]
fn long_mode_aligns_the_stack_and_takes_the_ist() {
    let mut m = Machine::long(3);
    m.gate64(14, 14, 0, 0, 0xffff_8000_0000_1000);
    m.poke(TSS + 4, 8, 0x8008);
    assert!(m.raise(Exception::page(4, 0x40)));
    assert_eq!((m.cpu.rip, m.cpu.cpl()), (0xffff_8000_0000_1000, 0));
    assert_eq!(m.cpu.regs[4], 0x8000 - 48);
    let frame = [0, 1, 2, 3, 4, 5].map(|i| m.on_stack(i, 8));
    assert_eq!(frame, [4, CODE, CODE_3.into(), 0x1_0002, STACK, DATA_3.into()]);
    assert_eq!(m.selectors()[2], 0);
    m.cpu.regs[4] += 8;
    m.exec(&[0x48, 0xcf]).unwrap();
    assert_eq!((m.cpu.rip, m.cpu.cpl(), m.cpu.regs[4]), (CODE, 3, STACK));
    assert_eq!(m.selectors()[2], DATA_3);

    let mut m = Machine::long(0);
    m.gate64(2, 14, 0, 3, 0x7000);
    m.poke(TSS + 28 + 24, 8, 0xa000);
    m.cpu.signals.raise(Signals::NMI);
    assert_eq!(m.poll(), Boundary::Execute);
    assert_eq!((m.cpu.rip, m.cpu.regs[4]), (0x7000, 0xa000 - 40));
    assert_eq!(m.selectors()[2], DATA_0, "the level did not change");
    assert!(m.cpu.state.nmi_blocked);
    m.cpu.signals.raise(Signals::NMI);
    m.poll();
    assert_eq!(m.cpu.regs[4], 0xa000 - 40, "a second NMI waits");
    m.exec(&[0x48, 0xcf]).unwrap();
    assert!(!m.cpu.state.nmi_blocked);
}

#[test]
fn double_and_triple_faults() {
    let mut m = Machine::protected(0);
    m.gate(8, 14, 0, CODE_0, 0x700);
    assert!(m.raise(Exception::protection(0)), "#GP without a gate, then #GP: #DF");
    assert_eq!((m.cpu.rip, m.on_stack(0, 4)), (0x700, 0));
    let mut m = Machine::protected(0);
    m.gate(13, 14, 0, CODE_0, 0x800);
    assert!(m.raise(Exception::undefined()), "benign, then #GP: #GP");
    assert_eq!((m.cpu.rip, m.on_stack(0, 4)), (0x800, 6 << 3 | 3));
    let mut m = Machine::protected(0);
    assert!(!m.raise(Exception::divide()));
    assert_eq!(m.cpu.state.activity, Activity::Shutdown);
    assert_eq!(m.poll(), Boundary::Shutdown);
    m.cpu.signals.raise(Signals::INIT);
    assert_eq!(m.poll(), Boundary::Execute);
    assert_eq!((m.cpu.rip, m.cpu.seg(SegReg::Cs).base), (0xfff0, 0xffff_0000));
}

#[test]
fn a_fault_on_the_way_changes_nothing() {
    let mut m = Machine::protected(3);
    m.gate(0x30, 14, 3, CODE_0, 0x700);
    m.poke(TSS + 8, 2, 0);
    let before = m.cpu.save();
    assert_eq!(m.exec(&[0xcd, 0x30]), Err(Exception::invalid_tss(0)));
    assert_eq!(deliver(&mut m.ctx(), Event::Interrupt(0x30)), Err(Exception::invalid_tss(1)));
    assert_eq!(m.cpu.save(), before);
}

#[test]
fn interrupts_wait_for_if_and_shadows_and_wake_from_hlt() {
    let mut m = Machine::protected(0);
    m.gate(0x40, 14, 0, CODE_0, 0x900);
    m.bus.vector = Some(0x40);
    m.cpu.signals.set_intr(true);
    assert_eq!(m.poll(), Boundary::Execute);
    assert_eq!(m.cpu.rip, CODE);
    // As STI leaves it.
    m.cpu.system_flags |= rflags::IF;
    m.cpu.state.shadow = Shadow::Sti;
    m.poll();
    assert_eq!(m.cpu.rip, CODE);
    let before = m.cpu.state.shadow;
    m.exec(&[0xf4]).unwrap();
    boundary::after_instruction(&mut m.ctx(), before).unwrap();
    assert_eq!(m.cpu.state.activity, Activity::Halted);
    assert_eq!(m.poll(), Boundary::Execute);
    assert_eq!((m.cpu.rip, m.on_stack(0, 4)), (0x900, CODE + 1));
    m.exec(&[0xf4]).unwrap();
    assert_eq!(m.poll(), Boundary::Halted);
}

#[test]
fn single_steps_and_breakpoints() {
    let mut m = Machine::protected(0);
    m.gate(1, 14, 0, CODE_0, 0xa00);
    m.cpu.set_rflags(rflags::TF);
    assert!(m.cpu.careful);
    boundary::before_instruction(&mut m.ctx()).unwrap();
    m.exec(&[0xd6]).unwrap();
    boundary::after_instruction(&mut m.ctx(), Shadow::None).unwrap();
    m.poll();
    assert_eq!((m.cpu.rip, m.cpu.state.dr6), (0xa00, 0xffff_4ff0));
    assert_eq!((m.on_stack(0, 4), m.on_stack(2, 4)), (CODE + 1, 0x102));
    assert_eq!(m.cpu.rflags() & rflags::TF, 0);

    let mut m = Machine::protected(0);
    m.gate(1, 14, 0, CODE_0, 0xa00);
    m.cpu.state.dr[2] = CODE;
    m.cpu.state.dr7 = 0x400 | 2 << 4;
    m.cpu.update_mode();
    let e = boundary::before_instruction(&mut m.ctx()).unwrap_err();
    assert_eq!(e, Exception::debug(4));
    m.raise(e);
    assert_eq!((m.cpu.rip, m.cpu.state.dr6 & 15, m.on_stack(2, 4)), (0xa00, 4, 2));
    let flags = m.cpu.regs[4] + 8;
    m.poke(flags, 4, 0x1_0002);
    m.exec(&[0xcf]).unwrap();
    assert_eq!(m.cpu.rflags() & rflags::RF, rflags::RF);
    boundary::before_instruction(&mut m.ctx()).unwrap();
    assert_eq!(m.cpu.rflags() & rflags::RF, 0);
    assert_eq!(vector::DB, 1);
}

#[test]
fn virtual_8086_mode_in_and_out() {
    let mut m = Machine::protected(0);
    let sp = STACK - 36;
    let image = [0x100, 0x1000, 0x2_3202, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000, 0x7000];
    for (i, value) in image.into_iter().enumerate() {
        m.poke(sp + 4 * i as u64, 4, value);
    }
    m.cpu.regs[4] = sp;
    m.exec(&[0xcf]).unwrap();
    assert!(m.cpu.v86());
    assert_eq!((m.cpu.cpl(), m.cpu.rip, m.cpu.regs[4]), (3, 0x100, 0x2000));
    assert_eq!(m.selectors(), [0x4000, 0x1000, 0x3000, 0x5000, 0x6000, 0x7000]);
    m.gate(13, 14, 0, CODE_0, 0xb00);
    m.gate(0x21, 14, 3, CODE_0, 0xc00);
    m.exec(&[0xcd, 0x21]).unwrap();
    assert_eq!((m.cpu.rip, m.cpu.cpl(), m.cpu.regs[4]), (0xc00, 0, STACK_0 - 36));
    assert_eq!([0, 1, 2, 3, 4].map(|i| m.on_stack(i, 4)), [0x102, 0x1000, 0x2_3202, 0x2000, 0x3000]);
    assert_eq!(m.selectors()[3..], [0, 0, 0]);
    m.exec(&[0xcf]).unwrap();
    assert!(m.cpu.v86());
    // Without IOPL 3, INT n faults; with the extensions it works on VIF.
    m.cpu.system_flags &= !rflags::IOPL;
    assert_eq!(m.exec(&[0xcd, 0x21]), Err(Exception::protection(0)));
    m.cpu.state.cr4 |= crate::system::control::cr4::VME;
    m.cpu.system_flags |= rflags::VIF;
    // A redirection bitmap of zeros below the I/O map sends it to the 8086 program's own handler.
    m.cpu.state.tr.limit = 0x100;
    m.poke(TSS + 0x66, 2, 0x90);
    m.poke(0x21 * 4, 4, 0x2222_0333);
    m.exec(&[0xcd, 0x21]).unwrap();
    assert_eq!((m.cpu.rip, m.selectors()[1]), (0x333, 0x2222));
    assert_eq!(m.cpu.system_flags & rflags::VIF, 0);
    assert_eq!(m.peek(0x3_0000 + m.cpu.regs[4] + 4, 2) & 0x3200, 0x3200, "the image has IF from VIF, and IOPL 3");
    m.exec(&[0xcf]).unwrap();
    assert_eq!((m.cpu.system_flags & rflags::VIF, m.selectors()[1]), (rflags::VIF, 0x1000));
}
