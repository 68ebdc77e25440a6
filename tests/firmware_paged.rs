//! Our firmware's services for callers whose addresses are not the machine's: a V86 task under paging whose buffers lie
//! elsewhere, and a 32-bit caller that has the ROM mapped high, as a kernel has it.

mod common;

use common::machine::config as kernel_config;
use iced_x86::IcedError;
use iced_x86::code_asm::*;
use lyrebird::machine::{DriveConfig, Machine, MachineConfig, Outcome};
use lyrebird_core::block::MemoryDisk;
use lyrebird_core::chars::{CharPort, KeptOutput};
use roms::Facts;

/// Where the program is loaded, and what is where in it.
const BASE: u32 = 0x8000;
const PROTECTED: u32 = 0x8100;
const TASK: u32 = 0x8400;
const GDT: u32 = 0x8c00;
const POINTERS: u32 = 0x8c80;
const IDT: u32 = 0x9000;
const TSS: u32 = 0x9800;
const PAGES: u32 = 0x1_0000;
const END: u32 = 0x1_2000;
/// The task's buffers are at 2000:0000, and this is where the page tables put them; what is really at 20000h is seen at 3000:0.
const ELSEWHERE: u32 = 0x30_0000;
const HIGH: u32 = 0xc000_0000;

const READ_SECTOR: u32 = 128;
const WRITTEN_SECTOR: u32 = 300;

type Asm = Result<(), IcedError>;

fn assemble(bits: u32, at: u32, write: impl FnOnce(&mut CodeAssembler) -> Asm) -> Vec<u8> {
    let mut a = CodeAssembler::new(bits).unwrap();
    write(&mut a).unwrap();
    a.assemble(at.into()).unwrap()
}

/// Loads the program from the sectors behind it, and goes there.
fn boot_sector() -> Vec<u8> {
    let mut code = assemble(16, 0x7c00, |a| {
        a.xor(ax, ax)?;
        a.mov(ds, ax)?;
        a.mov(ax, BASE >> 4)?;
        a.mov(es, ax)?;
        a.xor(bx, bx)?;
        a.mov(ax, 0x0200 + (END - BASE) / 512)?;
        a.mov(cx, 2)?;
        a.mov(dx, 0x80)?;
        a.int(0x13)?;
        a.db(&[0xea, BASE as u8, (BASE >> 8) as u8, 0, 0]) // JMP 0:BASE
    });
    assert!(code.len() <= 446);
    code.resize(510, 0);
    code.extend([0x55, 0xaa]);
    code
}

/// To 32-bit code with paging, which then does what `rest` says.
fn program(rest: impl FnOnce(&mut CodeAssembler) -> Asm, task: Vec<u8>) -> Vec<u8> {
    let mut image = vec![0u8; (END - BASE) as usize];
    let mut put = |at: u32, bytes: &[u8]| {
        let at = (at - BASE) as usize;
        image[at..at + bytes.len()].copy_from_slice(bytes);
    };
    let code = assemble(16, BASE, |a| {
        a.cli()?;
        a.lgdt(word_ptr(POINTERS))?;
        a.lidt(word_ptr(POINTERS + 8))?;
        a.mov(eax, cr0)?;
        a.or(al, 1)?;
        a.mov(cr0, eax)?;
        a.db(&[0xea, PROTECTED as u8, (PROTECTED >> 8) as u8, 8, 0]) // JMP 8:PROTECTED
    });
    put(BASE, &code);
    let code = assemble(32, PROTECTED, |a| {
        a.mov(ax, 0x10)?;
        [ds, es, fs, gs, ss].into_iter().try_for_each(|segment| a.mov(segment, ax))?;
        a.mov(esp, 0x7c00)?;
        a.mov(ax, 0x18)?;
        a.ltr(ax)?;
        a.mov(eax, PAGES)?;
        a.mov(cr3, eax)?;
        a.mov(eax, cr0)?;
        a.or(eax, 0x8000_0000u32 as i32)?;
        a.mov(cr0, eax)?;
        rest(a)
    });
    assert!(code.len() < (TASK - PROTECTED) as usize - 32 && task.len() < (GDT - TASK) as usize);
    put(PROTECTED, &code);
    put(TASK, &task);
    // What must not happen: any exception ends the machine with another code.
    let trap = assemble(32, TASK - 32, |a| {
        a.mov(edx, 0xf4)?;
        a.mov(eax, 0x55)?;
        a.out(dx, eax)
    });
    put(TASK - 32, &trap);
    for vector in 0..256 {
        put(IDT + 8 * vector, &(u64::from(TASK - 32) | 8 << 16 | 0x8e00 << 32).to_le_bytes());
    }
    const TSS_LIMIT: u64 = 0x68 + 0x2000;
    let tss = TSS_LIMIT | u64::from(TSS) << 16 | 0x89 << 40;
    for (n, descriptor) in [0, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff, tss].into_iter().enumerate() {
        put(GDT + 8 * n as u32, &descriptor.to_le_bytes());
    }
    for (at, limit, base) in [(0, 0x1f, GDT), (8, 0x7ff, IDT)] {
        put(POINTERS + at, &[&(limit as u16).to_le_bytes()[..], &base.to_le_bytes()].concat());
    }
    // ESP0, SS0, and a map by which every port may be used.
    put(TSS + 4, &0x7c00u32.to_le_bytes());
    put(TSS + 8, &0x10u32.to_le_bytes());
    put(TSS + 0x66, &0x68u16.to_le_bytes());
    put(TSS + 0x68 + 0x2000, &[0xff]);
    for entry in [0, HIGH >> 22] {
        put(PAGES + 4 * entry, &((PAGES + 0x1000) | 7).to_le_bytes());
    }
    for page in 0..0x400u32 {
        let physical = match page {
            0x20..=0x2f => ELSEWHERE + (page - 0x20) * 0x1000,
            0x30..=0x3f => 0x2_0000 + (page - 0x30) * 0x1000,
            _ => page * 0x1000,
        };
        put(PAGES + 0x1000 + 4 * page, &(physical | 7).to_le_bytes());
    }
    [boot_sector(), image].concat()
}

/// Runs it from a disk whose later sectors begin with their number. What it sends comes out.
fn run(program: Vec<u8>) -> Vec<u8> {
    let mut data = vec![0; 16 << 20];
    for (n, sector) in data.chunks_exact_mut(512).enumerate() {
        sector[..4].copy_from_slice(&(n as u32).to_le_bytes());
    }
    data[..program.len()].copy_from_slice(&program);
    let (mut config, raw): (MachineConfig, KeptOutput) =
        (kernel_config(common::guest::hello_multiboot(common::guest::End::PowerOff), "").0, KeptOutput::default());
    config.serial = vec![Some(CharPort { out: Box::new(raw.clone()), input: Default::default() })];
    config.boot = None;
    config.vga = true;
    config.firmware = Some(Facts::default());
    config.drives[0] = Some(DriveConfig::Disk(Box::new(MemoryDisk::new("disk", data))));
    assert_eq!(Machine::new(config).unwrap().run(), Outcome::DebugExit(3));
    raw.0.lock().unwrap().clone()
}

/// INT as a V86 monitor that reflects it would do: flags, and a far call of what the vector says.
fn int(a: &mut CodeAssembler, number: u8) -> Asm {
    let [low, high] = (u16::from(number) * 4).to_le_bytes();
    a.pushf()?;
    a.db(&[0x2e, 0xff, 0x1e, low, high]) // CALL FAR CS:[4 * number]
}

fn send(a: &mut CodeAssembler, segment: u32, offset: u32, count: u32) -> Asm {
    let mut next = a.create_label();
    a.mov(ax, segment)?;
    a.mov(ds, ax)?;
    a.mov(si, offset)?;
    a.mov(cx, count)?;
    a.mov(dx, 0x3f8)?;
    a.set_label(&mut next)?;
    a.lodsb()?;
    a.out(dx, al)?;
    a.loop_(next)
}

fn end(a: &mut CodeAssembler) -> Asm {
    a.mov(dx, 0xf4)?;
    a.mov(eax, 1)?;
    a.out(dx, eax)
}

#[test]
fn a_v86_task_has_its_buffers_elsewhere() {
    let task = assemble(16, TASK, |a| {
        // A sector by geometry: head 2, sector 3, of 63.
        a.mov(ax, 0x0201)?;
        a.mov(cx, 3)?;
        a.mov(dx, 0x0280)?;
        a.xor(bx, bx)?;
        int(a, 0x13)?;
        // The VBE block, whose first bytes say what the caller knows of.
        a.mov(di, 0x400)?;
        a.mov(eax, u32::from_le_bytes(*b"VBE2"))?;
        a.mov(dword_ptr(di).es(), eax)?;
        a.mov(ax, 0x4f00)?;
        int(a, 0x10)?;
        // A sector written by a packet, and read back into another place.
        a.mov(di, 0x1000)?;
        a.mov(cx, 512)?;
        a.mov(al, 0x5a)?;
        a.cld()?;
        a.rep().stosb()?;
        a.mov(ax, 0x2000)?;
        a.mov(ds, ax)?;
        for (at, word) in [(0, 0x10), (2, 1), (4, 0x1000), (6, 0x2000), (8, WRITTEN_SECTOR)] {
            a.mov(word_ptr(0x800 + at), word)?;
        }
        a.mov(si, 0x800)?;
        a.mov(ax, 0x4300)?;
        a.mov(dl, 0x80)?;
        int(a, 0x13)?;
        a.mov(word_ptr(0x804), 0x1400)?;
        a.mov(ax, 0x4200)?;
        int(a, 0x13)?;
        // A text.
        a.mov(word_ptr(0x600), u32::from(u16::from_le_bytes(*b"Hi")))?;
        a.mov(bp, 0x600)?;
        a.mov(ax, 0x1300)?;
        a.mov(bx, 0x0007)?;
        a.mov(cx, 2)?;
        a.mov(dx, 0x0a05)?;
        int(a, 0x10)?;
        send(a, 0x2000, 0, 4)?;
        send(a, 0x2000, 0x400, 24)?;
        send(a, 0x2000, 0x1400, 4)?;
        send(a, 0x2000, 0x15fc, 4)?;
        send(a, 0xb800, (10 * 80 + 5) * 2, 4)?;
        send(a, 0x3000, 0, 4)?;
        send(a, 0x3000, 0x400, 4)?;
        end(a)
    });
    let got = run(program(
        |a| {
            // GS, FS, DS, ES, SS, ESP, EFLAGS (VM, IOPL 3), CS, EIP
            for word in [0, 0, 0, 0x2000, 0, 0x7000, 0x2_3002, 0, TASK] {
                a.push(word)?;
            }
            a.iretd()
        },
        task,
    ));
    assert_eq!(got[..4], READ_SECTOR.to_le_bytes());
    assert_eq!(got[4..8], *b"VESA");
    assert_ne!(got[24..26], [0, 0], "what VBE 2 has is there, since the caller's VBE2 was read");
    assert_eq!(got[28..36], [0x5a; 8]);
    assert_eq!(got[36..40], [b'H', 7, b'i', 7]);
    assert_eq!(got[40..48], [0; 8], "nothing is where the addresses point to without page tables");
}

#[test]
fn bios32_and_the_pci_bios_are_called_where_a_kernel_has_mapped_them() {
    let got = run(program(
        |a| {
            let (mut next, mut found, mut put, mut again) =
                (a.create_label(), a.create_label(), a.create_label(), a.create_label());
            // The structure, the entry, the service: each by its address beyond 3 GiB.
            a.mov(esi, HIGH + 0xf_0000)?;
            a.set_label(&mut next)?;
            a.cmp(dword_ptr(esi), u32::from_le_bytes(*b"_32_") as i32)?;
            a.je(found)?;
            a.add(esi, 16)?;
            a.jmp(next)?;
            a.set_label(&mut found)?;
            let call = |a: &mut CodeAssembler| {
                // CALL FAR of an offset in EDI, with CS = 8.
                a.mov(dword_ptr(0x7100), edi)?;
                a.mov(word_ptr(0x7104), 8)?;
                a.db(&[0xff, 0x1d, 0x00, 0x71, 0, 0])
            };
            a.mov(edi, dword_ptr(esi + 4))?;
            a.add(edi, HIGH as i32)?;
            a.mov(eax, u32::from_le_bytes(*b"$PCI"))?;
            a.xor(ebx, ebx)?;
            call(a)?;
            a.movzx(eax, al)?;
            a.mov(dword_ptr(0x7200), eax)?;
            a.lea(edi, dword_ptr(ebx + edx + HIGH as i32))?;
            a.mov(dword_ptr(0x7080), edi)?;
            a.mov(eax, 0xb101)?;
            call(a)?;
            a.mov(dword_ptr(0x7204), edx)?;
            a.mov(edi, dword_ptr(0x7080))?;
            a.mov(eax, 0xb102)?;
            a.mov(ecx, 0x7000)?;
            a.mov(edx, 0x8086)?;
            a.xor(esi, esi)?;
            call(a)?;
            a.mov(dword_ptr(0x7208), ebx)?;
            a.mov(eax, 0xb10a)?;
            a.xor(edi, edi)?;
            a.push(edi)?;
            // EDI is the register here, so that the way there is another one.
            a.mov(ecx, dword_ptr(0x7080))?;
            a.mov(dword_ptr(0x7100), ecx)?;
            a.pop(edi)?;
            a.db(&[0xff, 0x1d, 0x00, 0x71, 0, 0])?;
            a.mov(dword_ptr(0x720c), ecx)?;
            a.pushfd()?;
            a.pop(eax)?;
            a.mov(dword_ptr(0x7210), eax)?;
            // A service that the directory does not have.
            a.mov(esi, HIGH + 0xf_0000)?;
            a.set_label(&mut again)?;
            a.add(esi, 16)?;
            a.cmp(dword_ptr(esi), u32::from_le_bytes(*b"_32_") as i32)?;
            a.jne(again)?;
            a.mov(edi, dword_ptr(esi + 4))?;
            a.add(edi, HIGH as i32)?;
            a.mov(eax, u32::from_le_bytes(*b"$XYZ"))?;
            call(a)?;
            a.movzx(eax, al)?;
            a.mov(dword_ptr(0x7214), eax)?;
            a.mov(esi, 0x7200)?;
            a.mov(ecx, 24)?;
            a.mov(edx, 0x3f8)?;
            a.cld()?;
            a.set_label(&mut put)?;
            a.lodsb()?;
            a.out(dx, al)?;
            a.loop_(put)?;
            a.mov(edx, 0xf4)?;
            a.mov(eax, 1)?;
            a.out(dx, eax)
        },
        Vec::new(),
    ));
    let word = |n: usize| u32::from_le_bytes(std::array::from_fn(|byte| got[4 * n + byte]));
    assert_eq!(word(0), 0, "the PCI BIOS is there");
    assert_eq!(word(1), u32::from_le_bytes(*b"PCI "));
    assert_eq!(word(2) & 0xffff, 8, "the ISA bridge is device 1");
    assert_eq!((word(3), word(4) & 1), (0x7000_8086, 0));
    assert_eq!(word(5), 0x80);
}
