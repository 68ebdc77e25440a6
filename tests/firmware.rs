//! Our own firmware on a whole machine: boot sectors that a test assembles are started from a hard disk, a floppy and a CD, call
//! services and say on COM1 what they got.

mod common;

use common::sector::{RESULTS, Sector, disk, machine, results, run};
use iced_x86::code_asm::*;
use lyrebird::machine::{DriveConfig, Machine, Outcome};
use lyrebird_core::block::MemoryDisk;
use roms::{BootDevice, BootOrder};

#[test]
fn memory_is_told_in_all_its_ways() {
    let mut sector = Sector::new();
    sector.call(0x12, 0, 0, 0, 0).unwrap();
    sector.call(0x15, 0x8800, 0, 0, 0).unwrap();
    sector.call(0x15, 0xe801, 0, 0, 0).unwrap();
    sector.asm.mov(di, 0x1000).unwrap();
    sector.call(0x15, 0xe820, 0, 20, 0x534d_4150).unwrap();
    sector.call(0x15, 0xe820, 99, 20, 0x534d_4150).unwrap();
    let got = run(sector);
    assert_eq!(got[0].eax, 639);
    assert_eq!((got[1].eax & 0xffff, got[1].carry), (31 << 10, false));
    assert_eq!((got[2].eax & 0xffff, got[2].ebx & 0xffff), (15 << 10, 16 << 4));
    assert_eq!((got[3].eax, got[3].ebx, got[3].ecx, got[3].carry), (0x534d_4150, 1, 20, false));
    assert!(got[4].carry);
}

#[test]
fn disks_are_read_by_geometry_and_by_packets() {
    let mut sector = Sector::new();
    sector.call(0x13, 0x0800, 0, 0, 0x80).unwrap();
    sector.call(0x13, 0x4100, 0x55aa, 0, 0x80).unwrap();
    sector.call(0x13, 0x0201, 0x2000, 0x0003, 0x0180).unwrap(); // head 1, sector 3: 63 + 2
    sector.asm.mov(eax, dword_ptr(0x2000)).unwrap();
    sector.asm.mov(dword_ptr(0x3000), eax).unwrap();
    sector.call(0x13, 0x0201, 0x2000, 0x0001, 0x0081).unwrap(); // no such drive
    sector.call(0x16, 0x0100, 0, 0, 0).unwrap();
    let got = run(sector);
    assert_eq!((got[0].ecx & 0x3f, got[0].edx >> 8 & 0xff, got[0].edx & 0xff), (63, 15, 1));
    assert_eq!((got[1].ebx & 0xffff, got[1].ecx & 0xffff, got[1].carry), (0xaa55, 5, false));
    assert_eq!((got[2].eax & 0xff00, got[2].carry), (0, false));
    assert!(got[3].carry);
    assert!(got[4].zero, "no key is waiting");
}

#[test]
fn the_screen_is_in_mode_3_and_the_adapter_has_vbe() {
    let mut sector = Sector::new();
    sector.call(0x10, 0x0f00, 0, 0, 0).unwrap();
    sector.asm.mov(di, 0x2000).unwrap();
    sector.call(0x10, 0x4f00, 0, 0, 0).unwrap();
    sector.asm.mov(di, 0x2000).unwrap();
    sector.call(0x10, 0x4f01, 0, 0x0118, 0).unwrap();
    sector.call(0x10, 0x0013, 0, 0, 0).unwrap();
    sector.call(0x10, 0x0c2a, 0, 100, 50).unwrap();
    sector.call(0x10, 0x0d00, 0, 100, 50).unwrap();
    sector.call(0x10, 0x4f02, 0x4118, 0, 0).unwrap();
    sector.call(0x10, 0x4f03, 0, 0, 0).unwrap();
    let got = run(sector);
    assert_eq!((got[0].eax & 0xffff, got[0].ebx >> 8 & 0xff), (0x5003, 0));
    assert_eq!((got[1].eax & 0xffff, got[2].eax & 0xffff), (0x4f, 0x4f));
    assert_eq!(got[5].eax & 0xff, 0x2a);
    assert_eq!((got[6].eax & 0xffff, got[7].ebx & 0xffff), (0x4f, 0x4118));
}

#[test]
fn post_takes_less_than_10_ms() {
    let mut sector = Sector::new();
    sector.asm.rdtsc().unwrap();
    sector.asm.mov(dword_ptr(RESULTS), eax).unwrap();
    sector.results = 1;
    let nanoseconds = run(sector)[0].eax;
    println!("POST takes {nanoseconds} ns of guest time");
    assert!(nanoseconds < 10_000_000, "{nanoseconds}");
}

#[test]
fn the_monitor_describes_itself() {
    let mut sector = Sector::new();
    sector.call(0x10, 0x4f15, 0, 0, 0).unwrap();
    sector.asm.mov(di, 0x2000).unwrap();
    sector.call(0x10, 0x4f15, 1, 0, 0).unwrap();
    sector.asm.mov(eax, dword_ptr(0x2004)).unwrap();
    sector.asm.mov(ebx, dword_ptr(0x2008)).unwrap();
    sector.asm.mov(dword_ptr(RESULTS + 40), eax).unwrap();
    sector.asm.mov(dword_ptr(RESULTS + 44), ebx).unwrap();
    sector.results = 3;
    let got = run(sector);
    assert_eq!((got[0].eax & 0xffff, got[0].ebx & 0xffff), (0x4f, 2));
    assert_eq!(got[1].eax & 0xffff, 0x4f);
    assert_eq!((got[2].eax, got[2].ebx), (0x00ff_ffff, 0x0001_3233), "an EDID, of LYR");
}

#[test]
fn apm_switches_the_power_off() {
    let mut sector = Sector::new();
    sector.call(0x15, 0x5300, 0, 0, 0).unwrap();
    sector.asm.cmp(word_ptr(RESULTS + 4), 0x504d).unwrap(); // "PM"
    let mut wrong = sector.asm.create_label();
    sector.asm.jne(wrong).unwrap();
    sector.call(0x15, 0x5301, 0, 0, 0).unwrap();
    sector.call(0x15, 0x530e, 0, 0x0102, 0).unwrap();
    sector.call(0x15, 0x5307, 1, 3, 0).unwrap();
    sector.asm.set_label(&mut wrong).unwrap();
    sector.asm.nop().unwrap();
    let (mut config, _) = machine(BootOrder::default());
    config.drives[0] = disk(sector.finish());
    assert_eq!(Machine::new(config).unwrap().run(), Outcome::PowerOff);
}

#[test]
fn the_pci_bios_finds_the_bridge() {
    let mut sector = Sector::new();
    sector.call(0x1a, 0xb101, 0, 0, 0).unwrap();
    sector.asm.xor(si, si).unwrap();
    sector.call(0x1a, 0xb102, 0, 0x7000, 0x8086).unwrap();
    let got = run(sector);
    assert_eq!((got[0].edx, got[0].carry), (u32::from_le_bytes(*b"PCI "), false));
    assert_eq!((got[1].ebx & 0xffff, got[1].carry), (8, false));
}

#[test]
fn a_wait_lasts_as_long_as_it_says() {
    let mut sector = Sector::new();
    sector.call(0x1a, 0x0000, 0, 0, 0).unwrap();
    sector.call(0x15, 0x8600, 0, 0x0003, 0x0d40).unwrap(); // 0.2 s
    sector.call(0x1a, 0x0000, 0, 0, 0).unwrap();
    let got = run(sector);
    let ticks = (got[2].edx & 0xffff).wrapping_sub(got[0].edx & 0xffff) & 0xffff;
    assert!((3..=5).contains(&ticks), "{ticks}");
}

/// A CD with an El Torito entry of this kind.
fn cd(sector: Sector, kind: u8) -> Vec<u8> {
    let mut data = vec![0u8; 2 << 20];
    data[17 * 2048..17 * 2048 + 30].copy_from_slice(b"\0CD001\x01EL TORITO SPECIFICATION");
    data[17 * 2048 + 0x47] = 19;
    let catalog = &mut data[19 * 2048..20 * 2048];
    catalog[0] = 1;
    catalog[28..32].copy_from_slice(&[0xaa, 0x55, 0x55, 0xaa]);
    catalog[32..44].copy_from_slice(&[0x88, kind, 0, 0, 0, 0, 4, 0, 20, 0, 0, 0]);
    data[20 * 2048..20 * 2048 + 512].copy_from_slice(&sector.finish());
    data
}

#[test]
fn cds_start_without_emulation_and_as_a_floppy() {
    for (kind, drive) in [(0u8, 0xe2u32), (2, 0x00)] {
        let mut sector = Sector::new();
        // DL is the drive: read its parameters.
        sector.asm.mov(byte_ptr(0x5f0), dl).unwrap();
        sector.asm.mov(si, 0x1000).unwrap();
        sector.call(0x13, 0x4b01, 0, 0, drive).unwrap();
        sector.asm.mov(al, byte_ptr(0x1001)).unwrap();
        sector.call(0x13, 0x1500, 0, 0, drive).unwrap();
        let (mut config, raw) = machine(BootOrder { order: vec![BootDevice::Cdrom], ..BootOrder::default() });
        let medium = MemoryDisk::read_only("cd", cd(sector, kind));
        config.drives[2] = Some(DriveConfig::Cdrom(Some(Box::new(medium))));
        let got = results(config, &raw);
        assert!(!got[0].carry, "kind {kind}");
        assert_eq!(got[1].carry, kind == 0);
    }
}

#[test]
fn random_registers_do_no_harm() {
    // Every service with every function and registers that make no sense; vectors that end the machine are left out.
    let mut seed = 0x1234_5678u32;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed
    };
    for number in [0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x1a] {
        for _ in 0..12 {
            let mut sector = Sector::new();
            sector.asm.sti().unwrap();
            let mut calls = 0;
            while calls < 6 {
                let mut word = next();
                // Waiting for a key or for hours, and switching off, are what those are for.
                let function = word >> 8 & 0xff;
                if number == 0x16 && function & 0xef == 0 || number == 0x15 && matches!(function, 0x86 | 0x53) {
                    word |= 0x8000;
                }
                // Memory moves and reads would overwrite the test itself: their addresses stay where nothing is.
                sector.asm.mov(ax, 0x4000).unwrap();
                sector.asm.mov(es, ax).unwrap();
                if number == 0x15 && function == 0x87 || number == 0x13 && matches!(function, 0x42 | 0x43 | 0x03 | 0x05)
                {
                    continue;
                }
                sector.call(number, word, next(), next(), next() & 0xffff_ff83).unwrap();
                calls += 1;
            }
            run(sector);
        }
    }
}

#[test]
fn a_machine_with_nothing_to_start_says_what_to_do() {
    let (config, _) = machine(BootOrder::default());
    let mut machine = Machine::new(config).unwrap();
    machine.power_on().unwrap();
    let handle = machine.handle();
    let thread = std::thread::spawn(move || machine.run());
    let text = || {
        handle.draw();
        handle.look(|frame, _, _| {
            let cells = frame.text.as_ref().map(|text| text.cells.clone()).unwrap_or_default();
            cells.iter().map(|cell| char::from(cell.0)).collect::<String>()
        })
    };
    let since = std::time::Instant::now();
    while !text().contains("lyrebird run disk.img") && since.elapsed().as_secs() < 20 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let seen = text();
    handle.order(lyrebird::machine::Order::Quit);
    assert_eq!(thread.join().unwrap(), Outcome::Quit);
    assert!(seen.contains("There is nothing to start from"), "{seen}");
}
