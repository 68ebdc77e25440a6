//! INT 10h AH=01h to 0Ah, 0Eh and 13h: the cursor, pages, scrolling, and characters, in text modes and in graphics modes.

use super::modes::Mode;
use super::{crtc_port, graphics, present};
use crate::bda;
use crate::call::{Call, linear};

/// Characters in a row, and the last row.
pub fn size(call: &mut Call<'_>) -> (u8, u8) {
    (call.bda(bda::COLUMNS).max(1), call.bda(bda::ROWS))
}

/// The cursor of a page: column and row.
pub fn cursor(call: &mut Call<'_>, page: u8) -> (u8, u8) {
    let [column, row] = call.bda_word(bda::CURSORS + 2 * u64::from(page & 7)).to_le_bytes();
    (column, row)
}

/// AH=02h.
pub fn set_cursor(call: &mut Call<'_>, page: u8, column: u8, row: u8) {
    if page > 7 {
        return;
    }
    call.set_bda_word(bda::CURSORS + 2 * u64::from(page), u16::from_le_bytes([column, row]));
    if page == call.bda(bda::ACTIVE_PAGE) && !present(call).is_graphics() {
        let columns = call.bda_word(bda::COLUMNS);
        let start = call.bda_word(bda::PAGE_START) / 2;
        let place = start.wrapping_add(u16::from(row).wrapping_mul(columns)).wrapping_add(column.into());
        let [low, high] = place.to_le_bytes();
        let port = crtc_port(call);
        call.out_indexed(port, 0x0e, high);
        call.out_indexed(port, 0x0f, low);
    }
}

/// AH=01h. The lines are those of a character of eight; they are fitted to the present height unless that is off.
pub fn set_cursor_shape(call: &mut Call<'_>, shape: u16) {
    call.set_bda_word(bda::CURSOR_SHAPE, shape);
    let height = call.bda(bda::CHAR_HEIGHT);
    let [mut end, mut start] = (shape & 0x3f1f).to_le_bytes();
    let emulate = call.bda(bda::VIDEO_OPTIONS) & 1 == 0;
    if emulate && height > 8 && end < 8 && start < 0x20 {
        let scale = |line: u8| ((u16::from(line) + 1) * u16::from(height) / 8) as u8;
        // A line at the bottom stays near the bottom.
        start = if end == start + 1 { scale(end).saturating_sub(2) } else { scale(start).saturating_sub(1) };
        end = scale(end) - if end > start { 1 } else { 0 };
        if start > end {
            end = height - 1;
        }
    }
    let port = crtc_port(call);
    call.out_indexed(port, 0x0a, start);
    call.out_indexed(port, 0x0b, end);
}

/// AH=05h.
pub fn set_page(call: &mut Call<'_>, page: u8) {
    let mode = present(call);
    if page > 7 {
        return;
    }
    let bytes = call.bda_word(bda::PAGE_BYTES);
    let start = bytes.wrapping_mul(page.into());
    call.set_bda_word(bda::PAGE_START, start);
    call.set_bda(bda::ACTIVE_PAGE, page);
    // The CRT controller counts characters in text modes, and bytes of a plane otherwise.
    let address = if mode.is_graphics() { start } else { start / 2 };
    let [low, high] = address.to_le_bytes();
    let port = crtc_port(call);
    call.out_indexed(port, 0x0c, high);
    call.out_indexed(port, 0x0d, low);
    let (column, row) = cursor(call, page);
    set_cursor(call, page, column, row);
}

fn cell(call: &mut Call<'_>, mode: &Mode, page: u8, column: u8, row: u8) -> u64 {
    let bytes = call.bda_word(bda::PAGE_BYTES);
    let (columns, _) = size(call);
    let place = u16::from(row).wrapping_mul(columns.into()).wrapping_add(column.into()).wrapping_mul(2);
    linear(mode.segment, bytes.wrapping_mul(u16::from(page & 7)).wrapping_add(place) & 0x7fff)
}

/// A window to scroll: from and to column and row, by so many rows (0: all), up or down, with what new rows have.
#[derive(Clone, Copy, Debug)]
pub struct Scroll {
    /// The left column.
    pub left: u8,
    /// The upper row.
    pub top: u8,
    /// The right column.
    pub right: u8,
    /// The lower row.
    pub bottom: u8,
    /// Rows.
    pub rows: u8,
    /// Downward.
    pub down: bool,
    /// The attribute of new rows.
    pub attribute: u8,
}

/// AH=06h and 07h.
pub fn scroll_window(call: &mut Call<'_>) {
    let regs = *call.regs;
    let page = call.bda(bda::ACTIVE_PAGE);
    let window = Scroll {
        left: regs.cl(),
        top: regs.ch(),
        right: regs.dl(),
        bottom: regs.dh(),
        rows: regs.al(),
        down: regs.ah() == 7,
        attribute: regs.bh(),
    };
    scroll(call, page, window);
}

fn scroll(call: &mut Call<'_>, page: u8, mut window: Scroll) {
    let mode = present(call);
    let (columns, last) = size(call);
    window.right = window.right.min(columns - 1);
    window.bottom = window.bottom.min(last);
    if window.left > window.right || window.top > window.bottom {
        return;
    }
    let height = window.bottom - window.top + 1;
    if window.rows == 0 || window.rows > height {
        window.rows = height;
    }
    if mode.is_graphics() {
        return graphics::scroll(call, mode, window);
    }
    let width = usize::from(window.right - window.left) + 1;
    let blank = [b' ', window.attribute].repeat(width);
    for n in 0..height {
        let row = if window.down { window.bottom - n } else { window.top + n };
        let line = if n + window.rows < height {
            let from = if window.down { row - window.rows } else { row + window.rows };
            let from = cell(call, mode, page, window.left, from);
            call.bytes(from, width * 2)
        } else {
            blank.clone()
        };
        let to = cell(call, mode, page, window.left, row);
        call.write(to, &line);
    }
}

/// AH=08h.
pub fn read_character(call: &mut Call<'_>) {
    let mode = present(call);
    let page = call.regs.bh();
    let (column, row) = cursor(call, page);
    let word = if mode.is_graphics() {
        graphics::read_character(call, mode, column, row).into()
    } else {
        let at = cell(call, mode, page, column, row);
        call.word(at)
    };
    call.regs.set_ax(word);
}

/// Puts a character somewhere. Without an attribute the place keeps its own.
fn put(call: &mut Call<'_>, page: u8, (column, row): (u8, u8), character: u8, attribute: Option<u8>, colour: u8) {
    let mode = present(call);
    if mode.is_graphics() {
        return graphics::draw_character(call, mode, column, row, character, attribute.unwrap_or(colour));
    }
    let at = cell(call, mode, page, column, row);
    match attribute {
        Some(attribute) => call.write(at, &[character, attribute]),
        None => call.set_byte(at, character),
    }
}

/// AH=09h and 0Ah.
pub fn write_characters(call: &mut Call<'_>) {
    let regs = *call.regs;
    let mode = present(call);
    let (columns, last) = size(call);
    let (mut column, mut row) = cursor(call, regs.bh());
    let attribute = (regs.ah() == 9 || mode.is_graphics()).then(|| regs.bl());
    // No more than there are places on the screen.
    let most = u16::from(columns) * (u16::from(last) + 1);
    for _ in 0..regs.cx().min(most) {
        put(call, regs.bh(), (column, row), regs.al(), attribute, regs.bl());
        column = column.wrapping_add(1);
        if column >= columns {
            column = 0;
            row = row.wrapping_add(1);
            if row > last {
                break;
            }
        }
    }
}

/// AH=0Eh, and each character of AH=13h.
pub fn teletype(call: &mut Call<'_>, page: u8, character: u8, attribute: Option<u8>, colour: u8) {
    let (columns, last) = size(call);
    let (mut column, mut row) = cursor(call, page);
    match character {
        0x07 => return,
        0x08 => column = column.saturating_sub(1),
        b'\n' => row = row.wrapping_add(1),
        b'\r' => column = 0,
        _ => {
            put(call, page, (column, row), character, attribute, colour);
            column = column.wrapping_add(1);
            if column >= columns {
                column = 0;
                row = row.wrapping_add(1);
            }
        }
    }
    if row > last {
        row = last;
        let mode = present(call);
        let attribute = if mode.is_graphics() {
            0
        } else {
            let at = cell(call, mode, page, column, row);
            call.byte(at + 1)
        };
        let window = Scroll { left: 0, top: 0, right: columns - 1, bottom: last, rows: 1, down: false, attribute };
        scroll(call, page, window);
    }
    set_cursor(call, page, column, row);
}

/// AH=13h.
pub fn write_string(call: &mut Call<'_>) {
    let regs = *call.regs;
    let page = regs.bh() & 7;
    let pairs = regs.al() & 2 != 0;
    let step = if pairs { 2 } else { 1 };
    let Some(bytes) = call.borrow(linear(regs.es, regs.bp()), usize::from(regs.cx()) * step) else { return };
    let before = cursor(call, page);
    set_cursor(call, page, regs.dl(), regs.dh());
    for place in bytes.chunks_exact(step) {
        let attribute = if pairs { place[1] } else { regs.bl() };
        let control = matches!(place[0], 0x07 | 0x08 | b'\n' | b'\r');
        teletype(call, page, place[0], (!control).then_some(attribute), attribute);
    }
    if regs.al() & 1 == 0 {
        set_cursor(call, page, before.0, before.1);
    }
}

/// Prints a text of ours, in code page 437's ASCII part.
pub fn print(call: &mut Call<'_>, text: &str) {
    let page = call.bda(bda::ACTIVE_PAGE);
    for byte in text.bytes() {
        teletype(call, page, byte, None, 7);
    }
}
