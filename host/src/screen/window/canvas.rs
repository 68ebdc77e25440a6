//! The picture in the window: a texture of the guest's size, drawn where [`place`] says.

use crate::screen::place::{Placement, place};
use lyrebird_core::Frame;
use sdl2::pixels::{Color, PixelFormatEnum};
use sdl2::rect::Rect;
use sdl2::render::{Canvas, ScaleMode, Texture, TextureCreator};
use sdl2::video::{Window, WindowContext};

/// Textures, which their creator outlives.
pub struct Picture<'c> {
    creator: &'c TextureCreator<WindowContext>,
    texture: Option<Texture<'c>>,
    /// The enlarged picture that is shrunk into its place, with its size.
    enlarged: Option<(Texture<'c>, (u32, u32))>,
    size: (u32, u32),
}

impl<'c> Picture<'c> {
    /// Nothing to see yet.
    pub fn new(creator: &'c TextureCreator<WindowContext>) -> Self {
        Picture { creator, texture: None, enlarged: None, size: (0, 0) }
    }

    /// The guest's size; zero while it shows nothing.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// Takes a new picture; says whether its size is another.
    pub fn update(&mut self, frame: &Frame) -> Result<bool, String> {
        let size = (frame.width, frame.height);
        let new = size != self.size;
        if new {
            self.size = size;
            (self.texture, self.enlarged) = (None, None);
        }
        if size.0 == 0 || size.1 == 0 || frame.pixels.len() != size.0 as usize * size.1 as usize {
            self.size = (0, 0);
            self.texture = None;
            return Ok(false);
        }
        let texture = match &mut self.texture {
            Some(texture) => texture,
            none => {
                let made = self.creator.create_texture_streaming(PixelFormatEnum::RGB888, size.0, size.1);
                none.insert(made.map_err(|error| error.to_string())?)
            }
        };
        // SAFETY: any byte of a u32 is a valid u8, and the slice covers exactly the pixels, which live longer than this call.
        let bytes = unsafe { std::slice::from_raw_parts(frame.pixels.as_ptr().cast::<u8>(), frame.pixels.len() * 4) };
        texture.update(None, bytes, size.0 as usize * 4).map_err(|error| error.to_string())?;
        Ok(new)
    }

    /// Draws it into the window.
    pub fn present(&mut self, canvas: &mut Canvas<Window>) -> Result<(), String> {
        canvas.set_draw_color(Color::BLACK);
        canvas.clear();
        if let Some(texture) = &mut self.texture {
            let placement = place(self.size, canvas.output_size()?);
            let at = placement.place;
            let at = Rect::new(at.x as i32, at.y as i32, at.width, at.height);
            if !placement.shrink {
                texture.set_scale_mode(ScaleMode::Nearest);
                canvas.copy(texture, None, at)?;
            } else {
                match enlarge(canvas, self.creator, texture, &mut self.enlarged, self.size, &placement) {
                    Some(enlarged) => canvas.copy(enlarged, None, at)?,
                    None => {
                        texture.set_scale_mode(ScaleMode::Linear);
                        canvas.copy(texture, None, at)?;
                    }
                }
            }
        }
        canvas.present();
        Ok(())
    }
}

/// The picture with each pixel a square of `placement.scale`; `None` if that is one, or the renderer cannot do it.
fn enlarge<'e, 'c>(
    canvas: &mut Canvas<Window>,
    creator: &'c TextureCreator<WindowContext>,
    texture: &mut Texture<'c>,
    kept: &'e mut Option<(Texture<'c>, (u32, u32))>,
    size: (u32, u32),
    placement: &Placement,
) -> Option<&'e Texture<'c>> {
    let large = (size.0.checked_mul(placement.scale)?, size.1.checked_mul(placement.scale)?);
    if placement.scale < 2 || !canvas.render_target_supported() {
        return None;
    }
    if kept.as_ref().is_none_or(|(_, size)| *size != large) {
        let mut made = creator.create_texture_target(PixelFormatEnum::RGB888, large.0, large.1).ok()?;
        made.set_scale_mode(ScaleMode::Linear);
        *kept = Some((made, large));
    }
    let (target, _) = kept.as_mut()?;
    texture.set_scale_mode(ScaleMode::Nearest);
    let mut copied = Ok(());
    canvas.with_texture_canvas(target, |canvas| copied = canvas.copy(texture, None, None)).ok()?;
    copied.ok()?;
    Some(target)
}
