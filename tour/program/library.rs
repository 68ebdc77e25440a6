//! What every page uses: text on the screen, numbers, keys, the time.

use super::{ATTRIBUTE, Result, Tour};
use iced_x86::code_asm::*;

/// The subroutines.
pub struct Library {
    /// Writes the text at DS:SI to DI of the screen's text, with attribute AH. Leaves DI behind it and ES on the screen.
    pub print: CodeLabel,
    /// Writes EAX in decimal to ES:DI, with the attribute in [`ATTRIBUTE`].
    pub number: CodeLabel,
    /// Writes AL in hexadecimal, in the same way.
    pub hex: CodeLabel,
    /// Clears the text screen to the attribute BH, without a cursor, in mode 3.
    pub clear: CodeLabel,
    /// Writes the text at DS:SI to COM1.
    pub serial: CodeLabel,
    /// Waits for the next tick of the timer, or another interrupt; gives a key in AX, or zero.
    pub tick: CodeLabel,
}

impl Library {
    /// Labels for them all.
    pub fn new(code: &mut CodeAssembler) -> Self {
        Library {
            print: code.create_label(),
            number: code.create_label(),
            hex: code.create_label(),
            clear: code.create_label(),
            serial: code.create_label(),
            tick: code.create_label(),
        }
    }
}

/// The offset of a place of the text screen.
pub fn place(row: u16, column: u16) -> u32 {
    u32::from((row * 80 + column) * 2)
}

impl Tour {
    /// Writes a text.
    pub fn say(&mut self, row: u16, column: u16, attribute: u8, text: &str) -> Result {
        let (text, print) = (self.data.text(text), self.library.print);
        self.mov(di, place(row, column))?;
        self.mov(ah, u32::from(attribute))?;
        self.mov(si, u32::from(text))?;
        self.call(print)
    }

    /// Writes EAX as a number.
    pub fn say_number(&mut self, row: u16, column: u16, attribute: u8) -> Result {
        let number = self.library.number;
        self.mov(byte_ptr(ATTRIBUTE), u32::from(attribute))?;
        self.mov(di, place(row, column))?;
        self.call(number)
    }

    /// An empty page with its title and what the keys do.
    pub fn page(&mut self, title: &str, keys: &str) -> Result {
        let clear = self.library.clear;
        self.mov(bh, 0x17)?;
        self.call(clear)?;
        for (row, text) in [(0, title), (24, keys)] {
            self.say(row, 0, 0x70, &format!(" {text:<79}"))?;
        }
        Ok(())
    }

    /// Writes a byte to a port.
    pub fn outb(&mut self, port: u16, value: u8) -> Result {
        self.mov(al, u32::from(value))?;
        if let Ok(port) = u8::try_from(port) {
            return self.out(u32::from(port), al);
        }
        self.mov(dx, u32::from(port))?;
        self.out(dx, al)
    }

    /// ES becomes this segment.
    pub fn es_is(&mut self, segment: u16) -> Result {
        self.mov(ax, u32::from(segment))?;
        self.mov(es, ax)
    }

    /// Sets a mode of the BIOS's.
    pub fn video_mode(&mut self, mode: u8) -> Result {
        self.mov(ax, u32::from(mode))?;
        self.int(0x10)
    }

    /// Waits until the picture begins a new vertical retrace (input status register 1, bit 3).
    pub fn retrace(&mut self) -> Result {
        self.mov(dx, 0x3da)?;
        for wanted in [false, true] {
            let again = self.here()?;
            self.in_(al, dx)?;
            self.test(al, 8)?;
            if wanted {
                self.jz(again)?;
            } else {
                self.jnz(again)?;
            }
        }
        Ok(())
    }

    /// Writes a text by the BIOS, in whatever mode the screen is (INT 10h AH=13h).
    pub fn caption(&mut self, row: u8, column: u8, colour: u8, text: &str) -> Result {
        let address = self.data.text(text);
        self.xor(ax, ax)?;
        self.mov(es, ax)?;
        self.mov(bp, u32::from(address))?;
        self.mov(cx, text.chars().count() as u32)?;
        self.mov(dx, u32::from(row) << 8 | u32::from(column))?;
        self.mov(bx, u32::from(colour))?;
        self.mov(ax, 0x1300)?;
        self.int(0x10)
    }
}

/// Writes the subroutines.
pub fn write(t: &mut Tour) -> Result {
    let mut print = t.library.print;
    t.bind(&mut print)?;
    t.mov(cx, 0xb800)?;
    t.mov(es, cx)?;
    let mut end = t.label();
    let next = t.here()?;
    t.lodsb()?;
    t.test(al, al)?;
    t.jz(end)?;
    t.stosw()?;
    t.jmp(next)?;
    t.bind(&mut end)?;
    t.ret()?;

    let mut number = t.library.number;
    t.bind(&mut number)?;
    t.mov(cx, 0xb800)?;
    t.mov(es, cx)?;
    t.xor(cx, cx)?;
    t.mov(ebx, 10)?;
    let digit = t.here()?;
    t.xor(edx, edx)?;
    t.div(ebx)?;
    t.push(dx)?;
    t.inc(cx)?;
    t.test(eax, eax)?;
    t.jnz(digit)?;
    let out = t.here()?;
    t.pop(ax)?;
    t.add(al, u32::from(b'0'))?;
    t.mov(ah, byte_ptr(ATTRIBUTE))?;
    t.stosw()?;
    t.loop_(out)?;
    t.ret()?;

    let (mut hex, mut nibble, mut letter) = (t.library.hex, t.label(), t.label());
    t.bind(&mut hex)?;
    t.push(ax)?;
    t.shr(al, 4)?;
    t.call(nibble)?;
    t.pop(ax)?;
    t.and(al, 15)?;
    t.bind(&mut nibble)?;
    t.add(al, u32::from(b'0'))?;
    t.cmp(al, u32::from(b'9'))?;
    t.jbe(letter)?;
    t.add(al, 7)?;
    t.bind(&mut letter)?;
    t.mov(ah, byte_ptr(ATTRIBUTE))?;
    t.stosw()?;
    t.ret()?;

    let mut clear = t.library.clear;
    t.bind(&mut clear)?;
    t.push(bx)?;
    t.video_mode(3)?;
    t.mov(ah, 1)?; // no cursor
    t.mov(cx, 0x2000)?;
    t.int(0x10)?;
    t.pop(ax)?;
    t.mov(al, u32::from(b' '))?;
    t.mov(cx, 0xb800)?;
    t.mov(es, cx)?;
    t.xor(di, di)?;
    t.mov(cx, 80 * 25)?;
    t.rep().stosw()?;
    t.ret()?;

    let mut serial = t.library.serial;
    t.bind(&mut serial)?;
    let mut end = t.label();
    let next = t.here()?;
    t.lodsb()?;
    t.test(al, al)?;
    t.jz(end)?;
    t.mov(ah, al)?;
    t.mov(dx, 0x3fd)?;
    t.mov(cx, 0xffff)?; // there may be no port
    let (full, mut empty) = (t.here()?, t.label());
    t.in_(al, dx)?;
    t.test(al, 0x20)?;
    t.jnz(empty)?;
    t.loop_(full)?;
    t.bind(&mut empty)?;
    t.mov(al, ah)?;
    t.mov(dx, 0x3f8)?;
    t.out(dx, al)?;
    t.jmp(next)?;
    t.bind(&mut end)?;
    t.ret()?;

    let (mut tick, mut none) = (t.library.tick, t.label());
    t.bind(&mut tick)?;
    t.mov(ah, 1)?;
    t.int(0x16)?;
    let mut there = t.label();
    t.jnz(there)?;
    t.sti()?;
    t.hlt()?;
    t.mov(ah, 1)?;
    t.int(0x16)?;
    t.jz(none)?;
    t.bind(&mut there)?;
    t.xor(ah, ah)?;
    t.int(0x16)?;
    t.ret()?;
    t.bind(&mut none)?;
    t.xor(ax, ax)?;
    t.ret()
}
