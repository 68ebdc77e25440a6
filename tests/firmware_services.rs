//! The services of our firmware, one after the other, as a boot sector calls them: the screen's characters and colours, keys, the
//! clock, serial line and printer, floppies.

mod common;

use common::sector::{Answer, RESULTS, Sector, machine, results, run};
use iced_x86::code_asm::*;
use lyrebird::machine::script::Step;
use lyrebird::machine::{Machine, Outcome, RtcBase, Script};
use lyrebird_core::block::MemoryDisk;
use lyrebird_core::chars::{CharPort, KeptOutput};
use lyrebird_core::{InputEvent, Key, VmTime};
use roms::{BootDevice, BootOrder};

fn ax(answer: &Answer) -> u32 {
    answer.eax & 0xffff
}

#[test]
fn characters_are_written_and_read() {
    let mut sector = Sector::new();
    sector.call(0x10, 0x0003, 0, 0, 0).unwrap(); // 0: mode 3
    sector.call(0x10, 0x0200, 0, 0, 0x0307).unwrap(); // 1: the cursor to row 3, column 7
    sector.call(0x10, 0x0941, 0x001e, 3, 0).unwrap(); // 2: AAA, yellow on blue
    sector.call(0x10, 0x0800, 0, 0, 0).unwrap(); // 3: what is there
    sector.call(0x10, 0x0e42, 7, 0, 0).unwrap(); // 4: a B as a teletype writes it
    sector.call(0x10, 0x0300, 0, 0, 0).unwrap(); // 5: where the cursor is now
    sector.call(0x10, 0x0100, 0, 0x0307, 0).unwrap(); // 6: the cursor's shape
    sector.call(0x10, 0x0300, 0, 0, 0).unwrap(); // 7
    let got = run(sector);
    assert_eq!(ax(&got[3]), 0x1e41);
    assert_eq!(got[5].edx & 0xffff, 0x0308);
    assert_eq!(got[7].ecx & 0xffff, 0x0307);
}

#[test]
fn windows_scroll() {
    let mut sector = Sector::new();
    sector.call(0x10, 0x0200, 0, 0, 0x0307).unwrap(); // 0
    sector.call(0x10, 0x0942, 0x001e, 1, 0).unwrap(); // 1
    sector.call(0x10, 0x0602, 0x7000, 0, 0x184f).unwrap(); // 2: two lines up
    sector.call(0x10, 0x0200, 0, 0, 0x0107).unwrap(); // 3
    sector.call(0x10, 0x0800, 0, 0, 0).unwrap(); // 4: the B has moved there
    sector.call(0x10, 0x0701, 0x2000, 0x0100, 0x0107).unwrap(); // 5: this line alone down, which empties it
    sector.call(0x10, 0x0800, 0, 0, 0).unwrap(); // 6
    sector.call(0x10, 0x0200, 0, 0, 0x184f).unwrap(); // 7
    sector.call(0x10, 0x0800, 0, 0, 0).unwrap(); // 8: what came in below
    let got = run(sector);
    assert_eq!((ax(&got[4]), ax(&got[6]), ax(&got[8])), (0x1e42, 0x2020, 0x7020));
}

#[test]
fn strings_go_to_pages() {
    let mut sector = Sector::new();
    sector.call(0x10, 0x0501, 0, 0, 0).unwrap(); // 0: page 1 is shown
    sector.call(0x10, 0x0f00, 0, 0, 0).unwrap(); // 1
    sector.asm.mov(dword_ptr(0x5000), u32::from_le_bytes(*b"wxyz")).unwrap();
    sector.asm.mov(bp, 0x5000).unwrap();
    sector.call(0x10, 0x1301, 0x0124, 4, 0x0503).unwrap(); // 2: a string on page 1
    sector.call(0x10, 0x0300, 0x0100, 0, 0).unwrap(); // 3
    sector.call(0x10, 0x0200, 0x0100, 0, 0x0505).unwrap(); // 4
    sector.call(0x10, 0x0800, 0x0100, 0, 0).unwrap(); // 5
    let got = run(sector);
    assert_eq!(got[1].ebx >> 8 & 0xff, 1);
    assert_eq!(got[3].edx & 0xffff, 0x0507);
    assert_eq!(ax(&got[5]), 0x2479); // y
}

#[test]
fn planar_pixels_and_what_the_display_is() {
    let mut sector = Sector::new();
    sector.call(0x10, 0x0012, 0, 0, 0).unwrap(); // 0: 640 by 480 in 16 colours
    sector.call(0x10, 0x0c0b, 0, 639, 479).unwrap(); // 1
    sector.call(0x10, 0x0d00, 0, 639, 479).unwrap(); // 2
    sector.call(0x10, 0x1a00, 0, 0, 0).unwrap(); // 3: the display's code
    sector.call(0x10, 0x1130, 0x0600, 0, 0).unwrap(); // 4: the font of 8 by 16
    let got = run(sector);
    assert_eq!(got[2].eax & 0xff, 0x0b);
    assert_eq!((got[3].eax & 0xff, got[3].ebx & 0xff), (0x1a, 8));
    assert_eq!(got[4].ecx & 0xffff, 16);
}

#[test]
fn palette_and_dac() {
    let mut sector = Sector::new();
    sector.call(0x10, 0x1000, 0x2a05, 0, 0).unwrap(); // 0: attribute 5 is colour 2Ah
    sector.call(0x10, 0x1007, 0x0005, 0, 0).unwrap(); // 1
    sector.call(0x10, 0x1010, 0x0063, 0x1122, 0x3300).unwrap(); // 2: DAC register 63h: green 11h, blue 22h, red 33h
    sector.call(0x10, 0x1015, 0x0063, 0, 0).unwrap(); // 3
    sector.call(0x10, 0x1003, 0x0000, 0, 0).unwrap(); // 4: no blinking
    sector.call(0x10, 0x1a00, 0, 0, 0).unwrap(); // 5
    let got = run(sector);
    assert_eq!(got[1].ebx >> 8 & 0xff, 0x2a);
    assert_eq!((got[3].ecx & 0xffff, got[3].edx >> 8 & 0xff), (0x1122, 0x33));
}

/// A machine that starts this sector from floppy drive A.
fn from_floppy(sector: Sector) -> (lyrebird::machine::MachineConfig, common::sector::Raw) {
    let (mut config, raw) = machine(BootOrder { order: vec![BootDevice::Floppy], ..BootOrder::default() });
    let mut data = vec![0; 1_474_560];
    data[..512].copy_from_slice(&sector.finish());
    data[35 * 512..35 * 512 + 4].copy_from_slice(b"bird");
    config.floppies[0] = Some(Some(Box::new(MemoryDisk::new("floppy", data))));
    (config, raw)
}

#[test]
fn floppies_are_read_written_and_described() {
    let mut sector = Sector::new();
    sector.call(0x13, 0x0800, 0, 0, 0).unwrap(); // 0: the drive's parameters
    sector.asm.push(ds).unwrap();
    sector.asm.pop(es).unwrap();
    sector.call(0x13, 0x0201, 0x4000, 0x0012, 0x0100).unwrap(); // 1: cylinder 0, head 1, sector 18
    sector.asm.mov(eax, dword_ptr(0x4000)).unwrap();
    sector.asm.mov(dword_ptr(RESULTS + 20), eax).unwrap();
    sector.asm.mov(dword_ptr(0x4000), u32::from_le_bytes(*b"lyre")).unwrap();
    sector.call(0x13, 0x0301, 0x4000, 0x4f01, 0x0000).unwrap(); // 2: to the last cylinder
    sector.call(0x13, 0x0201, 0x4200, 0x4f01, 0x0000).unwrap(); // 3
    sector.asm.mov(eax, dword_ptr(0x4200)).unwrap();
    sector.asm.mov(dword_ptr(RESULTS + 60), eax).unwrap();
    sector.call(0x13, 0x0201, 0x4000, 0x5001, 0x0000).unwrap(); // 4: behind it
    sector.call(0x13, 0x1500, 0, 0, 0).unwrap(); // 5: a drive that notices changes
    let (config, raw) = from_floppy(sector);
    let got = results(config, &raw);
    assert_eq!((got[0].ebx & 0xff, got[0].ecx & 0xffff, got[0].edx & 0xffff), (4, 0x4f12, 0x0101));
    assert_eq!(got[1].eax.to_le_bytes(), *b"bird");
    assert!(!got[2].carry);
    assert_eq!(got[3].eax.to_le_bytes(), *b"lyre");
    assert!(got[4].carry);
    assert_eq!(got[5].eax >> 8 & 0xff, 2);
}

#[test]
fn keys_are_waited_for_and_shifts_are_seen() {
    let mut sector = Sector::new();
    sector.asm.sti().unwrap();
    sector.call(0x16, 0x0000, 0, 0, 0).unwrap(); // 0: waits
    sector.call(0x16, 0x1000, 0, 0, 0).unwrap(); // 1: waits
    sector.call(0x16, 0x1200, 0, 0, 0).unwrap(); // 2: the shift keys
    sector.call(0x16, 0x0500, 0, 0x1c0d, 0).unwrap(); // 3: a key of our own
    sector.call(0x16, 0x0100, 0, 0, 0).unwrap(); // 4: it is waiting
    let (mut config, raw) = from_floppy(sector);
    let key = |usage, down| Step::Input(InputEvent::Key { key: Key(usage), down });
    let steps = [key(4, true), key(4, false), key(0xe1, true), key(0x44, true)]; // a, shift and F11
    config.script = Script::new((1..).map(|n| VmTime(n * 300_000_000)).zip(steps).collect());
    let got = results(config, &raw);
    assert_eq!(ax(&got[0]), 0x1e61);
    assert_eq!(ax(&got[1]), 0x8700);
    assert_eq!(got[2].eax & 3, 2, "the left shift key is down");
    assert_eq!((ax(&got[4]), got[4].zero), (0x1c0d, false));
}

#[test]
fn clock_serial_line_and_printer() {
    let mut sector = Sector::new();
    sector.call(0x1a, 0x0400, 0, 0, 0).unwrap(); // 0: the date
    sector.call(0x1a, 0x0200, 0, 0, 0).unwrap(); // 1: the time
    sector.call(0x14, 0x00e3, 0, 0, 1).unwrap(); // 2: COM2 at 9600, 8 bits
    sector.call(0x14, 0x0153, 0, 0, 1).unwrap(); // 3: an S
    sector.call(0x14, 0x0300, 0, 0, 1).unwrap(); // 4: the line's state
    sector.call(0x17, 0x0100, 0, 0, 0).unwrap(); // 5: the printer
    sector.call(0x17, 0x0050, 0, 0, 0).unwrap(); // 6: a P
    let (mut config, raw) = from_floppy(sector);
    let (line, paper) = (KeptOutput::default(), KeptOutput::default());
    config.serial.push(Some(CharPort { out: Box::new(line.clone()), input: Default::default() }));
    config.parallel = Some(Box::new(paper.clone()));
    if let Some(facts) = &mut config.firmware {
        facts.board.serial_ports = [true, true, false, false];
        facts.board.parallel_port = true;
    }
    config.rtc_base = RtcBase::Fixed(951_782_400); // 29 February 2000, 0:00
    let got = results(config, &raw);
    assert_eq!((got[0].ecx & 0xffff, got[0].edx & 0xffff, got[0].carry), (0x2000, 0x0229, false));
    assert_eq!((got[1].ecx & 0xffff, got[1].carry), (0, false));
    assert_eq!(got[4].eax & 0x6000, 0x6000, "all is sent");
    assert_eq!((line.0.lock().unwrap().as_slice(), paper.0.lock().unwrap().as_slice()), (&b"S"[..], &b"P"[..]));
    assert_eq!(got[6].eax >> 8 & 0x29, 0, "no error");
}

#[test]
fn a_key_asks_what_to_start() {
    // F12, then the second line, which is the floppy.
    let mut sector = Sector::new();
    sector.call(0x12, 0, 0, 0, 0).unwrap();
    let (mut config, raw) = from_floppy(sector);
    if let Some(facts) = &mut config.firmware {
        facts.boot = BootOrder { menu: true, order: vec![BootDevice::Floppy], ..BootOrder::default() };
    }
    let key = |usage, down| Step::Input(InputEvent::Key { key: Key(usage), down });
    config.script = Script::new(vec![
        (VmTime(500_000_000), key(0x1e, true)), // 1
        (VmTime(550_000_000), key(0x1e, false)),
        (VmTime(20_000_000_000), Step::Order(lyrebird::machine::Order::Quit)),
    ]);
    assert_eq!(Machine::new(config).unwrap().run(), Outcome::DebugExit(3));
    assert_eq!(raw.0.lock().unwrap().len(), 20);
}

#[test]
fn an_order_resets_and_asks_what_to_start() {
    use lyrebird::machine::Order;
    let after = |steps: Vec<(VmTime, Step)>| {
        let mut sector = Sector::new();
        sector.call(0x12, 0, 0, 0, 0).unwrap();
        let (mut config, _) = from_floppy(sector);
        if let Some(facts) = &mut config.firmware {
            facts.boot = BootOrder { order: vec![BootDevice::Floppy], ..BootOrder::default() };
        }
        config.script = Script::new(steps);
        Machine::new(config).unwrap().run()
    };
    let key = |down| Step::Input(InputEvent::Key { key: Key(0x1e), down }); // 1
    let (order, quit) = ((VmTime(0), Step::Order(Order::BootMenu)), (VmTime(3_000_000_000), Step::Order(Order::Quit)));
    assert_eq!(after(vec![order.clone(), quit.clone()]), Outcome::Quit, "it waits");
    let chosen = [(VmTime(500_000_000), key(true)), (VmTime(550_000_000), key(false))];
    assert_eq!(after([vec![order], chosen.to_vec(), vec![quit]].concat()), Outcome::DebugExit(3));
}

#[test]
fn vbe_describes_the_adapter_and_its_modes() {
    let mut sector = Sector::new();
    sector.asm.mov(dword_ptr(0x2000), u32::from_le_bytes(*b"VBE2")).unwrap();
    sector.asm.mov(di, 0x2000).unwrap();
    sector.call(0x10, 0x4f00, 0, 0, 0).unwrap(); // 0
    sector.asm.mov(eax, dword_ptr(0x2000)).unwrap();
    sector.asm.mov(dword_ptr(RESULTS + 4), eax).unwrap();
    sector.asm.mov(eax, dword_ptr(0x2004)).unwrap();
    sector.asm.mov(dword_ptr(RESULTS + 8), eax).unwrap();
    sector.asm.mov(eax, dword_ptr(0x2012)).unwrap();
    sector.asm.mov(dword_ptr(RESULTS + 12), eax).unwrap();
    sector.call(0x10, 0x4f01, 0, 0x4118, 0).unwrap(); // 1: 1024 by 768 in 24 bits, with the flag for a linear frame buffer
    sector.asm.mov(eax, dword_ptr(0x2012)).unwrap();
    sector.asm.mov(dword_ptr(RESULTS + 24), eax).unwrap();
    sector.asm.mov(eax, dword_ptr(0x2028)).unwrap();
    sector.asm.mov(dword_ptr(RESULTS + 28), eax).unwrap();
    sector.asm.mov(al, byte_ptr(0x2019)).unwrap();
    sector.asm.mov(dword_ptr(RESULTS + 32), eax).unwrap();
    sector.call(0x10, 0x4f01, 0, 0x01ff, 0).unwrap(); // 2: no mode
    sector.call(0x10, 0x4f00, 0, 0, 0).unwrap(); // 3: without asking for VBE 2
    let got = run(sector);
    assert_eq!((ax(&got[0]), got[0].ebx.to_le_bytes()), (0x004f, *b"VESA"));
    assert_eq!((got[0].ecx & 0xffff, got[0].edx & 0xffff), (0x0300, 256), "the version, and blocks of 64 KiB");
    assert_eq!(ax(&got[1]), 0x004f);
    assert_eq!((got[1].ebx & 0xffff, got[1].ebx >> 16), (1024, 768));
    assert!(got[1].ecx >= 0xc000_0000 && got[1].ecx & 0xff_ffff == 0, "{:x}", got[1].ecx);
    assert_eq!(got[1].edx & 0xff, 24);
    assert_eq!((ax(&got[2]), ax(&got[3])), (0x014f, 0x004f));
}

#[test]
fn the_monitor_can_be_put_to_sleep() {
    let mut sector = Sector::new();
    // The sequencer's clocking mode register, into what the call has left in ECX.
    let clocking = |sector: &mut Sector, call: u32| {
        sector.asm.mov(dx, 0x3c4u32).unwrap();
        sector.asm.mov(al, 1).unwrap();
        sector.asm.out(dx, al).unwrap();
        sector.asm.inc(dx).unwrap();
        sector.asm.in_(al, dx).unwrap();
        sector.asm.movzx(eax, al).unwrap();
        sector.asm.mov(dword_ptr(RESULTS + 20 * call + 8), eax).unwrap();
    };
    sector.call(0x10, 0x4f10, 0x0000, 0, 0).unwrap(); // 0: what there is
    sector.call(0x10, 0x4f10, 0x0201, 0, 0).unwrap(); // 1: suspend
    clocking(&mut sector, 1);
    sector.call(0x10, 0x4f10, 0x0002, 0, 0).unwrap(); // 2: and now
    sector.call(0x10, 0x4f10, 0x0801, 0, 0).unwrap(); // 3: reduced power is for flat panels
    sector.call(0x10, 0x4f10, 0x0001, 0, 0).unwrap(); // 4: on
    clocking(&mut sector, 4);
    let got = run(sector);
    assert_eq!((ax(&got[0]), got[0].ebx & 0xffff), (0x004f, 0x0710));
    assert_eq!((ax(&got[1]), ax(&got[2]), got[2].ebx >> 8 & 0xff), (0x004f, 0x004f, 2));
    assert_eq!((ax(&got[3]), ax(&got[4])), (0x014f, 0x004f));
    assert_eq!((got[1].ecx & 0x20, got[4].ecx & 0x20), (0x20, 0), "screen off, and on");
}

#[test]
fn there_is_one_monitor() {
    let mut sector = Sector::new();
    sector.asm.mov(di, 0x2000).unwrap();
    sector.call(0x10, 0x4f15, 0, 0, 0).unwrap(); // 0
    sector.call(0x10, 0x4f15, 1, 0, 1).unwrap(); // 1: whichever block
    sector.asm.mov(eax, dword_ptr(0x2000)).unwrap();
    sector.asm.mov(dword_ptr(RESULTS + 24), eax).unwrap();
    sector.call(0x10, 0x4f15, 1, 1, 0).unwrap(); // 2: of another adapter
    sector.call(0x10, 0x4f15, 2, 0, 0).unwrap(); // 3: no such function
    let got = run(sector);
    assert_eq!((ax(&got[0]), got[0].ebx & 0xffff), (0x004f, 2));
    assert_eq!((ax(&got[1]), got[1].ebx), (0x004f, 0xffff_ff00));
    assert_eq!((ax(&got[2]), ax(&got[3])), (0x014f, 0x014f));
}
