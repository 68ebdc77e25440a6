//! The RAMDAC (Inmos IMSG176, as in IBM's VGA; 8 bits wide by the DISPI interface): 256 colours, and a mask on their numbers.

use serde::{Deserialize, Serialize};

/// The palette and the state of its ports.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dac {
    /// Red, green and blue of each colour, as they were written.
    colours: Vec<[u8; 3]>,
    mask: u8,
    read_index: u8,
    write_index: u8,
    /// Which of the three is next.
    component: u8,
    /// Red and green of the colour that is being written.
    pending: [u8; 2],
    /// The last address went to 3C7h: the ports are in read mode.
    reading: bool,
    /// Components have 8 bits, not 6.
    pub wide: bool,
}

impl Default for Dac {
    fn default() -> Self {
        Dac {
            colours: vec![[0; 3]; 256],
            mask: 0xff,
            read_index: 0,
            write_index: 0,
            component: 0,
            pending: [0; 2],
            reading: false,
            wide: false,
        }
    }
}

impl Dac {
    /// Reads 3C6h to 3C9h.
    pub fn read(&mut self, port: u16) -> u8 {
        match port {
            0x3c6 => self.mask,
            0x3c7 => 3 * u8::from(self.reading),
            0x3c8 => self.write_index,
            _ => {
                let value = self.colours[usize::from(self.read_index)][usize::from(self.component)];
                self.component += 1;
                if self.component == 3 {
                    self.component = 0;
                    self.read_index = self.read_index.wrapping_add(1);
                }
                value
            }
        }
    }

    /// Writes 3C6h to 3C9h; returns whether a colour may look different now.
    pub fn write(&mut self, port: u16, value: u8) -> bool {
        match port {
            0x3c6 => {
                let changed = self.mask != value;
                self.mask = value;
                changed
            }
            0x3c7 => {
                (self.read_index, self.component, self.reading) = (value, 0, true);
                false
            }
            0x3c8 => {
                (self.write_index, self.component, self.reading) = (value, 0, false);
                false
            }
            _ => {
                let value = if self.wide { value } else { value & 0x3f };
                if let Some(place) = self.pending.get_mut(usize::from(self.component)) {
                    *place = value;
                    self.component += 1;
                    return false;
                }
                let [red, green] = self.pending;
                let colour = &mut self.colours[usize::from(self.write_index)];
                let changed = *colour != [red, green, value];
                *colour = [red, green, value];
                self.component = 0;
                self.write_index = self.write_index.wrapping_add(1);
                changed
            }
        }
    }

    /// What the monitor shows for a number: 0x00RRGGBB.
    pub fn shown(&self, index: u8) -> u32 {
        // Six bits are spread such that 63 is full brightness.
        let wide = |value: u8| u32::from(if self.wide { value } else { value << 2 | value >> 4 & 3 });
        let [red, green, blue] = self.colours[usize::from(index & self.mask)];
        wide(red) << 16 | wide(green) << 8 | wide(blue)
    }

    /// Makes a restored state one that the ports could have led to.
    pub fn sanitise(&mut self) {
        self.colours.resize(256, [0; 3]);
        self.component %= 3;
    }
}
