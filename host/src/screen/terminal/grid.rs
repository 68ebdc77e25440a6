//! A guest's picture as characters of a terminal: text modes as they are, graphics roughly, two pixels a place.

use crate::screen::cp437;
use crossterm::style::Color;
use lyrebird_core::{Frame, TextScreen};

/// One place of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// What stands there.
    pub character: char,
    /// Its colour.
    pub front: Color,
    /// The colour behind it.
    pub back: Color,
}

/// Nothing.
pub const BLANK: Cell = Cell { character: ' ', front: Color::Reset, back: Color::Reset };

/// What the terminal shall show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Characters in a row.
    pub columns: usize,
    /// The places, row by row.
    pub cells: Vec<Cell>,
    /// Where the cursor is, by column and row; `None` hides it.
    pub cursor: Option<(usize, usize)>,
}

/// The adapters count colours with blue as bit 0, terminals with red.
fn colour(number: u8) -> Color {
    let swapped = number & 8 | (number & 1) << 2 | number & 2 | (number & 4) >> 2;
    Color::AnsiValue(swapped)
}

impl Grid {
    /// Nothing but blanks.
    pub fn new(columns: usize, rows: usize) -> Self {
        Grid { columns, cells: vec![BLANK; columns * rows], cursor: None }
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.cells.len().checked_div(self.columns).unwrap_or(0)
    }

    /// The picture, as well as it goes.
    pub fn show(&mut self, frame: &Frame) {
        self.cells.fill(BLANK);
        self.cursor = None;
        match &frame.text {
            Some(screen) => self.text(screen),
            None if frame.width > 0 && frame.height > 0 => self.graphics(frame),
            None => self.say(&["The guest's screen is dark."]),
        }
    }

    fn text(&mut self, screen: &TextScreen) {
        let characters = cp437::table();
        let rows = self.rows();
        let width = screen.columns as usize;
        // A terminal that is too low shows what is around the cursor.
        let cursor_row = screen.cursor.map_or(0, |(_, row)| row as usize);
        let first = (cursor_row + 1).saturating_sub(rows);
        for row in 0..rows.min((screen.rows as usize).saturating_sub(first)) {
            let there = screen.cells.iter().skip((first + row) * width).take(width.min(self.columns));
            for (place, (code, attribute)) in self.cells[row * self.columns..].iter_mut().zip(there) {
                *place = Cell {
                    character: characters[usize::from(*code)],
                    front: colour(attribute & 15),
                    back: colour(attribute >> 4),
                };
            }
        }
        let place = screen.cursor.map(|(column, row)| (column as usize, (row as usize).wrapping_sub(first)));
        self.cursor = place.filter(|(column, row)| *column < self.columns && *row < rows);
    }

    /// Upper half blocks: the colour of the character is the upper pixel, the one behind it the lower.
    fn graphics(&mut self, frame: &Frame) {
        let (width, height) = (frame.width as usize, frame.height as usize);
        let rows = self.rows();
        if rows == 0 || self.columns == 0 {
            return;
        }
        // The same scale both ways, a place being twice as high as it is wide.
        let scale = (width as f64 / self.columns as f64).max(height as f64 / (2 * rows) as f64).max(1.0);
        let mean = |column: usize, row: usize| {
            let from = |at: usize, most: usize| ((at as f64 * scale) as usize).min(most);
            let (left, right) = (from(column, width), from(column + 1, width));
            let (top, bottom) = (from(row, height), from(row + 1, height));
            let (mut sum, mut count) = ([0u64; 3], 0);
            for line in frame.pixels.chunks(width).take(bottom).skip(top) {
                for pixel in &line[left.min(line.len())..right.min(line.len())] {
                    let [_, parts @ ..] = pixel.to_be_bytes();
                    sum.iter_mut().zip(parts).for_each(|(sum, part)| *sum += u64::from(part));
                    count += 1;
                }
            }
            match count {
                0 => Color::Reset,
                _ => Color::Rgb { r: (sum[0] / count) as u8, g: (sum[1] / count) as u8, b: (sum[2] / count) as u8 },
            }
        };
        for row in 0..rows {
            for column in 0..self.columns {
                let (front, back) = (mean(column, 2 * row), mean(column, 2 * row + 1));
                if front != Color::Reset {
                    self.cells[row * self.columns + column] = Cell { character: '▀', front, back };
                }
            }
        }
    }

    /// Lines of ours, over what is there.
    pub fn say(&mut self, lines: &[&str]) {
        let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0) + 2;
        for (row, line) in lines.iter().enumerate().take(self.rows()) {
            let padded = format!(" {line:<width$}");
            let places = self.cells[row * self.columns..].iter_mut().take(self.columns);
            for (place, character) in places.zip(padded.chars().take(width)) {
                *place = Cell { character, front: Color::AnsiValue(0), back: Color::AnsiValue(7) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(grid: &Grid, row: usize) -> String {
        grid.cells[row * grid.columns..][..grid.columns].iter().map(|cell| cell.character).collect()
    }

    fn text_frame(columns: u32, rows: u32, cursor: Option<(u32, u32)>) -> Frame {
        let cells = (0..columns * rows).map(|n| (b'a' + (n / columns) as u8, 0x1e)).collect();
        let text = Some(TextScreen { columns, rows, cells, cursor });
        Frame { width: columns * 9, height: rows * 16, pixels: vec![0; (columns * rows * 144) as usize], text }
    }

    #[test]
    fn text_has_its_colours() {
        let mut grid = Grid::new(6, 3);
        grid.show(&text_frame(4, 2, Some((1, 1))));
        assert_eq!([line(&grid, 0), line(&grid, 1), line(&grid, 2)], ["aaaa  ", "bbbb  ", "      "]);
        assert_eq!(grid.cells[0].front, Color::AnsiValue(11), "yellow");
        assert_eq!(grid.cells[0].back, Color::AnsiValue(4), "blue");
        assert_eq!(grid.cursor, Some((1, 1)));
    }

    #[test]
    fn a_low_terminal_follows_the_cursor() {
        let mut grid = Grid::new(3, 2);
        grid.show(&text_frame(4, 5, Some((1, 4))));
        assert_eq!([line(&grid, 0), line(&grid, 1)], ["ddd", "eee"]);
        assert_eq!(grid.cursor, Some((1, 1)));
    }

    #[test]
    fn graphics_are_two_pixels_a_place() {
        let (red, blue) = (0xff_0000, 0x00_00ff);
        let pixels = [vec![red; 8 * 4], vec![blue; 8 * 4]].concat();
        let mut grid = Grid::new(2, 1);
        grid.show(&Frame { width: 8, height: 8, pixels, text: None });
        let expected =
            Cell {
                character: '▀', front: Color::Rgb { r: 255, g: 0, b: 0 }, back: Color::Rgb { r: 0, g: 0, b: 255 }
            };
        assert_eq!(grid.cells, [expected; 2]);
    }

    #[test]
    fn any_sizes_do() {
        for (columns, rows) in [(0, 0), (1, 1), (80, 1), (1, 50)] {
            let mut grid = Grid::new(columns, rows);
            grid.show(&text_frame(80, 25, Some((79, 24))));
            grid.show(&Frame { width: 3, height: 2, pixels: vec![0; 6], text: None });
            grid.show(&Frame::default());
            grid.say(&["x", "y"]);
            assert_eq!(grid.cells.len(), columns * rows);
        }
    }
}
