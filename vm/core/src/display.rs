//! The screen between a display adapter and whoever shows it: a window, a terminal, a picture file.
//!
//! The adapter draws into a [`Frame`] when the machine's event loop asks it to, at a moment when no vCPU runs; the host half
//! gets the frame and never sees the adapter.

/// What a monitor shows at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Pixels in a row. Zero before the first picture, and while the adapter gives no signal.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The rows from the top, without gaps; each pixel is 0x00RRGGBB.
    pub pixels: Vec<u32>,
    /// The characters behind the pixels, in text modes.
    pub text: Option<TextScreen>,
}

/// A screen of characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextScreen {
    /// Characters in a row.
    pub columns: u32,
    /// Rows.
    pub rows: u32,
    /// Character (code page 437) and attribute (background in the high nibble) of each place, row by row.
    pub cells: Vec<(u8, u8)>,
    /// Column and row of the cursor, if one is shown at all.
    pub cursor: Option<(u32, u32)>,
}

/// A display adapter, as the machine's event loop sees it.
pub trait Display {
    /// Brings the frame up to date, and returns whether anything in it is different from before. `frame` is the one that the
    /// last call left; a new one is drawn whole. No vCPU runs meanwhile, so dirty pages may be collected.
    fn draw(&mut self, frame: &mut Frame, now: crate::VmTime) -> bool;
}
