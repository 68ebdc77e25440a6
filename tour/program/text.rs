//! Page 1: all characters, and all colours of text.

use super::library::place;
use super::{ATTRIBUTE, Result, Tour};
use iced_x86::code_asm::*;

pub fn write(t: &mut Tour) -> Result {
    t.page("Colours and characters", "Any key goes back")?;
    t.say(2, 4, 0x1e, "Code page 437, from 00 to FF")?;
    t.say(2, 45, 0x1e, "16 colours on 8, and blinking")?;
    let hex = t.library.hex;
    // 16 rows of 16 characters; BL counts them.
    t.es_is(0xb800)?;
    t.mov(byte_ptr(ATTRIBUTE), 0x13)?;
    t.xor(bx, bx)?;
    t.mov(di, place(4, 4))?;
    let row = t.here()?;
    t.push(di)?;
    t.mov(al, bl)?;
    t.call(hex)?;
    t.add(di, 2)?;
    t.mov(ah, 0x1f)?;
    let character = t.here()?;
    t.mov(al, bl)?;
    t.stosw()?;
    t.mov(al, u32::from(b' '))?;
    t.stosw()?;
    t.inc(bl)?;
    t.test(bl, 15)?;
    t.jnz(character)?;
    t.pop(di)?;
    t.add(di, 160)?;
    t.test(bl, bl)?;
    t.jnz(row)?;
    // 16 rows of 16 attributes: the background from left to right, blinking on the right half.
    t.xor(bx, bx)?;
    t.mov(di, place(4, 45))?;
    let row = t.here()?;
    t.mov(cx, 16)?;
    t.push(di)?;
    let cell = t.here()?;
    t.mov(ah, bh)?;
    t.shl(ah, 4)?;
    t.or(ah, bl)?;
    t.mov(al, u32::from(b'A'))?;
    t.add(al, bl)?;
    t.stosw()?;
    t.stosw()?;
    t.inc(bh)?;
    t.loop_(cell)?;
    t.xor(bh, bh)?;
    t.pop(di)?;
    t.add(di, 160)?;
    t.inc(bl)?;
    t.cmp(bl, 16)?;
    t.jb(row)?;
    t.say(22, 4, 0x17, "░░▒▒▓▓██ ╔═╗ ┌─┐ │ ← → ↑ ↓ ► ◄ •")?;
    t.xor(ah, ah)?;
    t.int(0x16)?;
    t.ret()
}
