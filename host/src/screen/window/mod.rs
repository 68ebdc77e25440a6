//! The guest's screen in a window of SDL2, with keyboard, mouse and clipboard.
//!
//! All of it happens on the main thread, which sleeps in SDL until something comes: an event of the host's, or the picture
//! that was asked for.

mod canvas;
mod full;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"), not(feature = "window-bundled")))]
mod late;

use super::held::{HOT_KEYS, Held, HotKey, Pressed};
use super::pace::Pace;
use super::place::first_size;
use super::typing::Typist;
use super::{Guest, State, Wish, picture};
use canvas::Picture;
use full::FullScreen;
use lyrebird_core::{InputEvent, Key, MouseButton};
use sdl2::event::{Event, WindowEvent};
use sdl2::keyboard::Scancode;
use sdl2::mouse::MouseWheelDirection;
use sdl2::render::Canvas;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// The size before the first picture: that of 80 by 25 characters.
const BEFORE: (u32, u32) = (720, 400);
/// How long the title has a message of ours.
const MESSAGE: Duration = Duration::from_secs(5);

/// Something happened to the machine that is worth a look.
struct Wake;

/// A window.
pub struct Window {
    name: String,
    sdl: sdl2::Sdl,
    video: sdl2::VideoSubsystem,
    canvas: Canvas<sdl2::video::Window>,
    events: sdl2::EventPump,
    /// The size that we gave it last; if it has another, somebody likes that better.
    given: (u32, u32),
    /// The size of the guest's picture.
    picture: (u32, u32),
    title: String,
    message: Option<(String, Instant)>,
    held: Held,
    typist: Typist,
    grabbed: bool,
    full: FullScreen,
}

fn fail(why: impl std::fmt::Display) -> io::Error {
    io::Error::other(why.to_string())
}

/// Makes sure that SDL is there.
pub fn load() -> io::Result<()> {
    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64"),
        not(feature = "window-bundled")
    ))]
    late::load()?;
    Ok(())
}

impl Window {
    /// Opens one, on the main thread, for a machine of this name.
    pub fn open(name: &str, full_screen: bool) -> io::Result<Self> {
        load()?;
        for (hint, value) in [
            // Signals are the program's own.
            ("SDL_NO_SIGNAL_HANDLERS", "1"),
            ("SDL_VIDEO_ALLOW_SCREENSAVER", "1"),
            ("SDL_VIDEO_MINIMIZE_ON_FOCUS_LOSS", "0"),
            ("SDL_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR", "0"),
            // Relative motion is for guests: counts of the mouse as they are.
            ("SDL_MOUSE_RELATIVE_MODE_CENTER", "1"),
        ] {
            sdl2::hint::set(hint, value);
        }
        let sdl = sdl2::init().map_err(fail)?;
        let video = sdl.video().map_err(fail)?;
        let mut builder = video.window(name, BEFORE.0, BEFORE.1);
        builder.position_centered().resizable();
        let window = builder.build().map_err(fail)?;
        let mut canvas = window.into_canvas().build().map_err(fail)?;
        let mut events = sdl.event_pump().map_err(fail)?;
        let mut full = FullScreen::default();
        if full_screen {
            // What the window's beginning has led to comes first, or its old place would be its last.
            events.pump_events();
            full.turn(canvas.window_mut(), &video).map_err(fail)?;
        }
        video.text_input().stop();
        Ok(Window {
            name: name.into(),
            sdl,
            video,
            canvas,
            events,
            given: BEFORE,
            picture: BEFORE,
            title: String::new(),
            message: None,
            held: Held::default(),
            typist: Typist::default(),
            grabbed: false,
            full,
        })
    }

    /// Shows the guest until it ends.
    pub fn run(mut self, guest: &dyn Guest) -> io::Result<()> {
        let subsystem = self.sdl.event().map_err(fail)?;
        subsystem.register_custom_event::<Wake>().map_err(fail)?;
        let sender = subsystem.event_sender();
        guest.when_drawn(Box::new(move || _ = sender.push_custom_event(Wake)));
        tracing::info!(driver = self.video.current_video_driver(), "{HOT_KEYS}");

        let creator = self.canvas.texture_creator();
        let mut picture = Picture::new(&creator);
        let mut pace = Pace::sixty_hertz();
        let mut version = u64::MAX;
        let mut present = true;
        while guest.state() != State::Ended {
            let now = Instant::now();
            if let Some(event) = self.typist.due(now) {
                guest.input(event);
            }
            if pace.ask(now) {
                guest.ask_for_picture();
            }
            let wait = self.typist.wait(now).unwrap_or(Duration::MAX).min(pace.wait(now));
            let milliseconds = wait.as_micros().div_ceil(1000).clamp(1, 1000) as u32;
            let mut next = self.events.wait_event_timeout(milliseconds);
            while let Some(event) = next {
                present |= self.event(event, guest, &mut pace);
                next = self.events.poll_event();
            }

            let mut updated = Ok(false);
            guest.look(&mut |frame, now_version, drawn| {
                let changed = now_version != version;
                pace.seen(drawn, changed);
                if changed {
                    version = now_version;
                    updated = picture.update(frame);
                    present = true;
                }
            });
            if updated.map_err(fail)? {
                self.picture = picture.size();
                self.fit();
            }
            if present {
                present = false;
                picture.present(&mut self.canvas).map_err(fail)?;
            }
            self.update_title(guest.state());
        }
        self.set_grabbed(false);
        guest.when_drawn(Box::new(|| {}));
        Ok(())
    }

    /// The guest has changed its mode: the window follows, unless somebody chose its size.
    fn fit(&mut self) {
        let window = self.canvas.window_mut();
        let maximized = window.window_flags() & sdl2::sys::SDL_WindowFlags::SDL_WINDOW_MAXIMIZED as u32 != 0;
        if maximized || self.full.is_on(window) || window.size() != self.given {
            return;
        }
        let desktop = window.display_index().and_then(|display| self.video.display_usable_bounds(display));
        let (left, top, width, height) =
            desktop.map_or((0, 0, 1920, 1080), |area| (area.x(), area.y(), area.width(), area.height()));
        let size = first_size(self.picture, (width, height));
        if window.set_size(size.0, size.1).is_err() {
            return;
        }
        self.given = size;
        // A window that grows shall not grow out of the desktop.
        let (x, y) = window.position();
        let most = |at: i32, first: i32, room: u32, size: u32| at.min(first + room as i32 - size as i32).max(first);
        let inside = (most(x, left, width, size.0), most(y, top, height, size.1));
        if inside != (x, y) {
            use sdl2::video::WindowPos::Positioned;
            window.set_position(Positioned(inside.0), Positioned(inside.1));
        }
    }

    fn update_title(&mut self, state: State) {
        if self.message.as_ref().is_some_and(|(_, until)| *until <= Instant::now()) {
            self.message = None;
        }
        let title = title(&self.name, state, self.grabbed, self.message.as_ref().map(|(text, _)| text.as_str()));
        if title != self.title {
            // A title with a NUL in it stays as it was.
            _ = self.canvas.window_mut().set_title(&title);
            self.title = title;
        }
    }

    fn set_grabbed(&mut self, grabbed: bool) {
        if grabbed == self.grabbed {
            return;
        }
        self.grabbed = grabbed;
        self.sdl.mouse().set_relative_mouse_mode(grabbed);
        // The host's own keys, Alt+Tab for one, are the guest's then.
        self.canvas.window_mut().set_keyboard_grab(grabbed);
    }

    /// Handles an event; says whether the picture must be drawn again.
    fn event(&mut self, event: Event, guest: &dyn Guest, pace: &mut Pace) -> bool {
        match event {
            Event::Quit { .. } => guest.wish(Wish::Quit),
            Event::Window { win_event, .. } => return self.window_event(win_event, guest, pace),
            Event::RenderTargetsReset { .. } | Event::RenderDeviceReset { .. } => return true,
            Event::KeyDown { scancode: Some(scancode), keycode, repeat: false, .. } => {
                let Some(key) = key(scancode) else { return false };
                pace.hurry();
                let letter = keycode.and_then(|code| char::from_u32(u32::try_from(code.into_i32()).ok()?));
                match self.held.key_down(key, letter) {
                    Pressed::Guest(event) => guest.input(event),
                    Pressed::Ours(hot) => self.hot_key(hot, guest),
                    Pressed::Nobody => {}
                }
            }
            Event::KeyUp { scancode: Some(scancode), .. } => {
                if let Some(event) = key(scancode).and_then(|key| self.held.key_up(key)) {
                    guest.input(event);
                }
            }
            Event::MouseMotion { xrel, yrel, .. } if self.grabbed => {
                pace.hurry();
                guest.input(InputEvent::MouseMove { dx: xrel, dy: yrel });
            }
            Event::MouseWheel { y, direction, .. } if self.grabbed => {
                let notches = if direction == MouseWheelDirection::Flipped { -y } else { y };
                guest.input(InputEvent::MouseWheel { notches });
            }
            Event::DropFile { filename, .. } => {
                let text = guest.insert(filename.as_ref()).unwrap_or_else(|why| why);
                _ = writeln!(std::io::stderr(), "lyrebird: {text}");
                self.say(text);
            }
            Event::MouseButtonDown { .. } if !self.grabbed => self.set_grabbed(true),
            Event::MouseButtonDown { mouse_btn, .. } => self.button(mouse_btn, true, guest),
            Event::MouseButtonUp { mouse_btn, .. } => self.button(mouse_btn, false, guest),
            _ => {}
        }
        false
    }

    fn button(&mut self, button: sdl2::mouse::MouseButton, down: bool, guest: &dyn Guest) {
        let button = match button {
            sdl2::mouse::MouseButton::Left => MouseButton::Left,
            sdl2::mouse::MouseButton::Right => MouseButton::Right,
            sdl2::mouse::MouseButton::Middle => MouseButton::Middle,
            sdl2::mouse::MouseButton::X1 => MouseButton::Back,
            sdl2::mouse::MouseButton::X2 => MouseButton::Forward,
            sdl2::mouse::MouseButton::Unknown => return,
        };
        if let Some(event) = self.held.button(button, down) {
            guest.input(event);
        }
    }

    fn window_event(&mut self, event: WindowEvent, guest: &dyn Guest, pace: &mut Pace) -> bool {
        match event {
            WindowEvent::FocusLost => {
                self.held.release_all().into_iter().for_each(|event| guest.input(event));
                self.set_grabbed(false);
            }
            WindowEvent::Minimized | WindowEvent::Hidden => pace.set_hidden(true),
            WindowEvent::Restored | WindowEvent::Shown | WindowEvent::Maximized | WindowEvent::Exposed => {
                pace.set_hidden(false);
                return true;
            }
            WindowEvent::Resized(..) | WindowEvent::SizeChanged(..) => return true,
            _ => {}
        }
        false
    }

    fn hot_key(&mut self, hot: HotKey, guest: &dyn Guest) {
        match hot {
            HotKey::Grab => self.set_grabbed(!self.grabbed),
            HotKey::FullScreen => {
                if let Err(why) = self.full.turn(self.canvas.window_mut(), &self.video) {
                    self.say(format!("no full screen: {why}"));
                }
                // The guest may have changed its mode meanwhile.
                self.fit();
            }
            HotKey::Paste => {
                // Ctrl and Alt are down, and would change every key.
                self.held.release_all().into_iter().for_each(|event| guest.input(event));
                let text = self.video.clipboard().clipboard_text().unwrap_or_default();
                match self.typist.type_text(&text) {
                    _ if text.is_empty() => self.say("nothing was copied".into()),
                    0 => {}
                    unknown => {
                        self.say(format!("{unknown} characters are on no key of an American keyboard, and left out"));
                    }
                }
            }
            HotKey::Screenshot => {
                let mut text = String::new();
                guest.look(&mut |frame, _, _| {
                    text = match picture::save_new(frame, &self.name) {
                        Ok(path) => format!("the picture is in {}", path.display()),
                        Err(error) => error.to_string(),
                    };
                });
                _ = writeln!(std::io::stderr(), "lyrebird: {text}");
                self.say(text);
            }
            HotKey::Pause => guest.wish(Wish::PauseOrResume),
            HotKey::Reset => guest.wish(Wish::Reset),
            HotKey::BootMenu => guest.wish(Wish::BootMenu),
            HotKey::PowerButton => guest.wish(Wish::PowerButton),
            HotKey::Eject => {
                guest.wish(Wish::Eject);
                self.say("the CD is out; drop an image onto the window to put one in".into());
            }
            HotKey::Quit => guest.wish(Wish::Quit),
        }
    }

    fn say(&mut self, text: String) {
        self.message = Some((text, Instant::now() + MESSAGE));
    }
}

/// SDL's scancodes are HID's usages, as far as keyboards have them; what is above is on no PC's keyboard.
fn key(scancode: Scancode) -> Option<Key> {
    u8::try_from(scancode as i32).ok().filter(|usage| (4..=0xe7).contains(usage)).map(Key)
}

/// What stands over the window.
fn title(name: &str, state: State, grabbed: bool, message: Option<&str>) -> String {
    let paused = if state == State::Paused { " (paused; Ctrl+Alt+P resumes)" } else { "" };
    let more = match message {
        Some(message) => format!(" - {message}"),
        None if grabbed => " - Ctrl+Alt+G releases the mouse".into(),
        None => String::new(),
    };
    format!("{name} - Lyrebird{paused}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scancodes_are_usages() {
        for (scancode, usage) in [
            (Scancode::A, Some(4)),
            (Scancode::Return, Some(0x28)),
            (Scancode::NonUsBackslash, Some(0x64)),
            (Scancode::LCtrl, Some(0xe0)),
            (Scancode::RGui, Some(0xe7)),
            (Scancode::AudioNext, None),
        ] {
            assert_eq!(key(scancode), usage.map(Key), "{scancode:?}");
        }
    }

    #[test]
    fn the_title_says_how_to_get_out() {
        assert_eq!(title("pc", State::Running, false, None), "pc - Lyrebird");
        assert!(title("pc", State::Running, true, None).contains("Ctrl+Alt+G"));
        assert!(title("pc", State::Paused, false, Some("x")).contains("paused"));
    }
}
