//! What the monitor shows: the registers and the display memory, turned into pixels. Nothing is drawn twice: the scene that the
//! registers describe is kept until one of them is written, and of a scene only those rows or characters whose memory was
//! written since, or which blink.

mod linear;
mod planes;
mod raster;
mod text;

use super::chip::{Chip, attribute, graphics, sequencer};
use super::timing::Timing;
use super::vram::{Dirty, Vram};
use linear::Linear;
use lyrebird_core::{Frame, VmTime};
use planes::Planes;
use raster::Raster;
use text::Text;

/// Black.
const BLACK: u32 = 0;

/// What the registers describe.
#[derive(Clone, Debug, PartialEq)]
enum Scene {
    /// No monitor could make a picture of it.
    Off,
    /// One colour everywhere.
    Blank { width: u32, height: u32, colour: u32 },
    /// Characters.
    Text(Text),
    /// One of the VGA's graphics modes.
    Planes(Planes),
    /// A mode of the DISPI interface.
    Linear(Linear),
}

impl Scene {
    fn of(chip: &Chip) -> Scene {
        let visible = chip.attribute_index & attribute::PALETTE_ADDRESS_SOURCE != 0;
        if let Some(mode) = chip.dispi.geometry() {
            return match visible {
                true => Scene::Linear(Linear::of(chip, mode)),
                false => Scene::Blank { width: mode.width, height: mode.height, colour: BLACK },
            };
        }
        let Some(raster) = Raster::of(chip) else { return Scene::Off };
        let (width, height) = (raster.width(), raster.height());
        if chip.sequencer[sequencer::CLOCKING_MODE] & 0x20 != 0 {
            return Scene::Blank { width, height, colour: BLACK };
        }
        if !visible {
            return Scene::Blank { width, height, colour: chip.dac.shown(chip.attribute[attribute::OVERSCAN]) };
        }
        match chip.graphics[graphics::MISCELLANEOUS] & 1 {
            0 => Scene::Text(Text::of(chip, raster)),
            _ => Scene::Planes(Planes::of(chip, raster)),
        }
    }

    fn size(&self) -> (u32, u32) {
        match self {
            Scene::Off => (0, 0),
            Scene::Blank { width, height, .. } => (*width, *height),
            Scene::Text(text) => text.size(),
            Scene::Planes(planes) => planes.size(),
            Scene::Linear(linear) => linear.size(),
        }
    }
}

/// What is still to be drawn of a scene that was drawn before.
struct Task<'a> {
    vram: &'a Vram,
    /// Everything.
    whole: bool,
    /// What was written.
    dirty: &'a Dirty,
    /// Frames since power-on: the clock of everything that blinks.
    frames: u64,
}

/// The last picture, as far as the next one builds on it.
#[derive(Default)]
pub struct Picture {
    scene: Option<Scene>,
    text: text::Drawn,
    blinked: bool,
}

impl Picture {
    /// Brings the frame up to date; returns whether anything in it changed.
    pub fn draw(&mut self, chip: &mut Chip, vram: &Vram, frame: &mut Frame, now: VmTime) -> bool {
        let dirty = vram.collect();
        let mut whole = false;
        if chip.take_changed() || self.scene.is_none() {
            let scene = Some(Scene::of(chip));
            whole = scene != self.scene;
            self.scene = scene;
        }
        let Some(scene) = &self.scene else { return false };
        let (width, height) = scene.size();
        let mut changed = false;
        let pixels = width as usize * height as usize;
        if (frame.width, frame.height, frame.pixels.len()) != (width, height, pixels) {
            (whole, changed) = (true, true);
            (frame.width, frame.height) = (width, height);
            frame.pixels.clear();
            frame.pixels.resize(pixels, BLACK);
        }
        if !matches!(scene, Scene::Text(_)) && frame.text.take().is_some() {
            changed = true;
        }
        let frames = Timing::of(chip).beam(now).frame;
        let task = Task { vram, whole, dirty: &dirty, frames };
        changed
            | match scene {
                Scene::Off => false,
                Scene::Blank { colour, .. } => whole && fill(&mut frame.pixels, *colour),
                Scene::Text(text) => text.draw(&mut self.text, &task, frame),
                Scene::Planes(planes) => planes.draw(&mut self.blinked, &task, frame),
                Scene::Linear(linear) => linear.draw(&task, frame),
            }
    }
}

/// Makes everything one colour.
fn fill(pixels: &mut [u32], colour: u32) -> bool {
    let changed = pixels.iter().any(|pixel| *pixel != colour);
    pixels.fill(colour);
    changed
}

/// Copies a row if it differs, and says whether it did.
fn copy(row: &mut [u32], new: &[u32]) -> bool {
    let differs = row != new;
    if differs {
        row.copy_from_slice(new);
    }
    differs
}

/// What the attribute controller makes of 4 bits.
fn colour(chip: &Chip, number: u8) -> u32 {
    let number = number & chip.attribute[attribute::PLANE_ENABLE] & 0xf;
    let register = chip.attribute[usize::from(number)];
    let select = chip.attribute[attribute::COLOUR_SELECT];
    // The colour select register gives the upper two bits, or the upper four.
    let index = match chip.attribute[attribute::MODE] & 0x80 {
        0 => register & 0x3f | (select & 0xc) << 4,
        _ => register & 0x0f | select << 4,
    };
    chip.dac.shown(index)
}
