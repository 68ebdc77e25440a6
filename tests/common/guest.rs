//! Guest programs: kernels so small that a test can say all that they do. They print on COM1 and end the machine through a
//! debug exit port or by ACPI power-off.

use super::elf;
use iced_x86::IcedError;
use iced_x86::code_asm::*;

/// Where the programs are loaded.
pub const BASE: u32 = 0x10_0000;
/// Where the 64-bit part of a 64-bit program starts.
const BASE_64: u32 = BASE + 0x1000;
/// The descriptor table of a 64-bit program.
const GDT: u32 = BASE + 0x800;
/// Behind a program there is room for page tables and a stack.
const PAGE_TABLES: u32 = BASE + 0x10_0000;
const STACK_TOP: u32 = PAGE_TABLES + 0x1_0000;

/// COM1.
const COM1: u32 = 0x3f8;
/// The power management block's control register, PM1a_CNT.
const PM1_CNT: u32 = 0x604;
/// SLP_EN, with the SLP_TYP of soft-off, which is 0.
const SOFT_OFF: u32 = 0x2000;

/// How a program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Writes this value to the debug exit port at this address.
    DebugExit(u16, u32),
    /// Powers the machine off.
    PowerOff,
    /// Writes 6 to the reset control register.
    Reset,
    /// A triple fault.
    TripleFault,
    /// Halts with interrupts off.
    Halt,
}

/// A program under construction. `body` functions of tests write into `asm`; the helpers use AL, EDX and (R|E)SI only.
pub struct Program {
    /// The assembler.
    pub asm: CodeAssembler,
    print: CodeLabel,
    is_64: bool,
}

impl Program {
    fn new(bits: u32) -> Result<Self, IcedError> {
        let mut asm = CodeAssembler::new(bits)?;
        let print = asm.create_label();
        Ok(Program { asm, print, is_64: bits == 64 })
    }

    /// Prints a text.
    pub fn print(&mut self, text: &str) -> Result<(), IcedError> {
        let a = &mut self.asm;
        let mut over = a.create_label();
        a.call(over)?; // leaves the text's address on the stack
        a.db(&[text.as_bytes(), &[0]].concat())?;
        a.set_label(&mut over)?;
        match self.is_64 {
            true => a.pop(rsi)?,
            false => a.pop(esi)?,
        }
        a.call(self.print)
    }

    /// Prints the zero-terminated text at (R|E)SI.
    pub fn print_si(&mut self) -> Result<(), IcedError> {
        self.asm.call(self.print)
    }

    /// Ends the machine.
    pub fn end(&mut self, end: End) -> Result<(), IcedError> {
        let a = &mut self.asm;
        match end {
            End::DebugExit(port, value) => {
                a.mov(edx, u32::from(port))?;
                a.mov(eax, value)?;
                a.out(dx, eax)?;
            }
            End::PowerOff => {
                a.mov(edx, PM1_CNT)?;
                a.mov(eax, SOFT_OFF)?;
                a.out(dx, ax)?;
            }
            End::Reset => {
                a.mov(edx, 0xcf9u32)?;
                a.mov(al, 6)?;
                a.out(dx, al)?;
            }
            End::TripleFault => {
                // An empty IDT, and then any exception.
                match self.is_64 {
                    true => {
                        a.push(0)?;
                        a.push(0)?;
                        a.lidt(ptr(rsp))?;
                    }
                    false => {
                        a.push(0)?;
                        a.push(0)?;
                        a.lidt(ptr(esp))?;
                    }
                }
                a.ud2()?;
            }
            End::Halt => {}
        }
        let mut here = a.create_label();
        a.cli()?;
        a.set_label(&mut here)?;
        a.hlt()?;
        a.jmp(here)
    }

    /// Appends the routine that [`Program::print`] calls.
    fn finish(mut self, base: u32) -> Result<Vec<u8>, IcedError> {
        let a = &mut self.asm;
        let (mut wait, mut done) = (a.create_label(), a.create_label());
        a.set_label(&mut self.print)?;
        match self.is_64 {
            true => a.cmp(byte_ptr(rsi), 0)?,
            false => a.cmp(byte_ptr(esi), 0)?,
        }
        a.je(done)?;
        a.mov(edx, COM1 + 5)?;
        a.set_label(&mut wait)?;
        a.in_(al, dx)?;
        a.test(al, 0x20)?; // the transmitter has room
        a.je(wait)?;
        a.mov(edx, COM1)?;
        match self.is_64 {
            true => a.mov(al, byte_ptr(rsi))?,
            false => a.mov(al, byte_ptr(esi))?,
        }
        a.out(dx, al)?;
        match self.is_64 {
            true => a.inc(rsi)?,
            false => a.inc(esi)?,
        }
        a.jmp(self.print)?;
        a.set_label(&mut done)?;
        a.ret()?;
        self.asm.assemble(u64::from(base))
    }
}

fn expect<T>(result: Result<T, IcedError>) -> T {
    result.expect("the guest program assembles")
}

/// A Multiboot kernel. EBX has the address of the Multiboot information when `body` begins; there is a stack.
pub fn multiboot(body: impl FnOnce(&mut Program) -> Result<(), IcedError>) -> Vec<u8> {
    const MAGIC: u32 = 0x1bad_b002;
    let mut program = expect(Program::new(32));
    expect(program.asm.mov(esp, STACK_TOP));
    expect(body(&mut program));
    let header: Vec<u8> = [MAGIC, 0, 0u32.wrapping_sub(MAGIC)].iter().flat_map(|word| word.to_le_bytes()).collect();
    let entry = BASE + header.len() as u32;
    let code = [header, expect(program.finish(entry))].concat();
    elf::elf32(BASE, &code, STACK_TOP - BASE - code.len() as u32, entry)
}

/// A PVH kernel in a 64-bit ELF file, which goes to long mode by itself: the first GiB is mapped one to one. RBX has the
/// address of `hvm_start_info` when `body` begins; there is a stack.
pub fn pvh_64(body: impl FnOnce(&mut Program) -> Result<(), IcedError>) -> Vec<u8> {
    let mut code = expect(to_long_mode());
    code.resize((BASE_64 - BASE) as usize, 0);
    let mut program = expect(Program::new(64));
    expect(body(&mut program));
    code.extend(expect(program.finish(BASE_64)));
    elf::elf64_pvh(u64::from(BASE), &code, u64::from(STACK_TOP - BASE) - code.len() as u64, BASE)
}

fn to_long_mode() -> Result<Vec<u8>, IcedError> {
    let mut a = CodeAssembler::new(32)?;
    let mut fill = a.create_label();
    let (pdpt, pd) = (PAGE_TABLES + 0x1000, PAGE_TABLES + 0x2000);
    a.mov(esp, STACK_TOP)?;
    a.mov(dword_ptr(PAGE_TABLES), pdpt | 3)?;
    a.mov(dword_ptr(pdpt), pd | 3)?;
    a.mov(edi, pd)?;
    a.mov(eax, 0x83u32)?; // present, writable, 2 MiB
    a.mov(ecx, 512)?;
    a.set_label(&mut fill)?;
    a.mov(dword_ptr(edi), eax)?;
    a.add(eax, 0x20_0000)?;
    a.add(edi, 8)?;
    a.dec(ecx)?;
    a.jne(fill)?;
    a.mov(eax, cr4)?;
    a.or(eax, 0x620)?; // PAE, OSFXSR, OSXMMEXCPT
    a.mov(cr4, eax)?;
    a.mov(eax, PAGE_TABLES)?;
    a.mov(cr3, eax)?;
    a.mov(ecx, 0xc000_0080u32)?;
    a.rdmsr()?;
    a.or(eax, 0x100)?; // EFER.LME
    a.wrmsr()?;
    a.mov(eax, cr0)?;
    a.or(eax, 0x8000_0003u32)?; // PG, MP, PE
    a.mov(cr0, eax)?;
    a.lgdt(ptr(GDT))?;
    a.push(8)?;
    a.push(BASE_64)?;
    a.retf()?;
    let mut code = a.assemble(u64::from(BASE))?;
    code.resize((GDT - BASE) as usize, 0);
    // The operand of LGDT stands in the null descriptor.
    code.extend(23u16.to_le_bytes());
    code.extend(GDT.to_le_bytes());
    code.extend([0; 2]);
    code.extend(
        [0x00af_9b00_0000_ffffu64, 0x00cf_9300_0000_ffff].iter().flat_map(|descriptor| descriptor.to_le_bytes()),
    );
    Ok(code)
}

/// Prints a line and its command line, and ends.
pub fn hello_multiboot(end: End) -> Vec<u8> {
    multiboot(|program| {
        program.print("hello from 32 bits: ")?;
        program.asm.mov(esi, dword_ptr(ebx + 16))?;
        program.print_si()?;
        program.print("\n")?;
        program.end(end)
    })
}

/// The same in 64 bits.
pub fn hello_pvh_64(end: End) -> Vec<u8> {
    pvh_64(|program| {
        program.print("hello from 64 bits: ")?;
        program.asm.mov(rsi, qword_ptr(rbx + 24))?;
        program.print_si()?;
        program.print("\n")?;
        program.end(end)
    })
}

/// Writes on the screen, waits for a byte of the keyboard's, writes again, and ends with that byte.
pub fn greeter() -> Vec<u8> {
    multiboot(|program| {
        let a = &mut program.asm;
        let mut wait = a.create_label();
        // With the screen off (the sequencer's clocking mode, bit 5): no picture has half of it.
        a.mov(edx, 0x3c4u32)?;
        a.mov(eax, 0x2001u32)?;
        a.out(dx, ax)?;
        for (at, text) in [(160u32, "Guten Tag! "), (320, "Type something.")] {
            for (n, byte) in (0u32..).zip(text.bytes()) {
                a.mov(word_ptr(0xb_8000 + at + 2 * n), 0x1e00 | u32::from(byte))?;
            }
        }
        a.mov(eax, 0x0001u32)?;
        a.out(dx, ax)?;
        a.set_label(&mut wait)?;
        a.in_(al, 0x64)?;
        a.test(al, 1)?;
        a.jz(wait)?;
        a.in_(al, 0x60)?;
        a.mov(word_ptr(0xb_8000 + 480), 0x0c01)?;
        a.movzx(eax, al)?;
        a.mov(edx, 0xf4u32)?;
        a.out(dx, eax)?;
        program.end(End::Halt)
    })
}
