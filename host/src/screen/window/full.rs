//! Full screen. It is the window manager's affair; where X11 runs without one nobody listens to SDL, and the window is made as large
//! as the display by hand.

use sdl2::VideoSubsystem;
use sdl2::rect::Rect;
use sdl2::video::{FullscreenType, Window, WindowPos};

/// What the window was before it was made full by hand.
#[derive(Default)]
pub struct FullScreen {
    before: Option<Rect>,
}

impl FullScreen {
    /// Whether the window has all of the screen.
    pub fn is_on(&self, window: &Window) -> bool {
        self.before.is_some() || window.fullscreen_state() != FullscreenType::Off
    }

    /// Turns it on or off.
    pub fn turn(&mut self, window: &mut Window, video: &VideoSubsystem) -> Result<(), String> {
        if let Some(before) = self.before.take() {
            window.set_bordered(true);
            set_place(window, before)?;
        } else if window.fullscreen_state() != FullscreenType::Off {
            window.set_fullscreen(FullscreenType::Off)?;
        } else if video.current_video_driver() == "x11" && !has_window_manager() {
            let (x, y) = window.position();
            let (width, height) = window.size();
            let display = window.display_index().and_then(|display| video.display_bounds(display))?;
            window.set_bordered(false);
            set_place(window, display)?;
            self.before = Some(Rect::new(x, y, width, height));
        } else {
            window.set_fullscreen(FullscreenType::Desktop)?;
        }
        Ok(())
    }
}

fn set_place(window: &mut Window, at: Rect) -> Result<(), String> {
    window.set_size(at.width(), at.height()).map_err(|error| error.to_string())?;
    window.set_position(WindowPos::Positioned(at.x()), WindowPos::Positioned(at.y()));
    Ok(())
}

/// Whether there is one, as it says by a property of the root window (Extended Window Manager Hints, `_NET_SUPPORTING_WM_CHECK`).
#[cfg(all(unix, not(target_os = "macos")))]
fn has_window_manager() -> bool {
    use x11rb::protocol::xproto::{AtomEnum, ConnectionExt, Window};
    let asked = || -> Result<bool, Box<dyn std::error::Error>> {
        let (x, screen) = x11rb::connect(None)?;
        let root = x11rb::connection::Connection::setup(&x).roots.get(screen).ok_or("no screen")?.root;
        let name = x.intern_atom(true, b"_NET_SUPPORTING_WM_CHECK")?.reply()?.atom;
        let window = |of: Window| -> Result<Option<Window>, Box<dyn std::error::Error>> {
            let reply = x.get_property(false, of, name, AtomEnum::WINDOW, 0, 1)?.reply()?;
            Ok(reply.value32().and_then(|mut values| values.next()))
        };
        // The window that it names bears the same property: else it is what a window manager has left behind.
        Ok(name != 0 && window(root)?.is_some_and(|theirs| window(theirs).is_ok_and(|same| same == Some(theirs))))
    };
    // If nobody can be asked, it is as it mostly is.
    asked().unwrap_or(true)
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn has_window_manager() -> bool {
    true
}
