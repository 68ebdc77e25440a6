//! The window with a guest that is not there: it draws what it is asked for, and ends. SDL's dummy driver needs no display;
//! with SDL_VIDEODRIVER=x11 the window can be looked at.
#![cfg(feature = "window")]

use host::screen::window::Window;
use host::screen::{Guest, State, Wish};
use lyrebird_core::{Frame, InputEvent};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Coloured stripes that move, in several sizes one after the other.
struct Stripes {
    begin: Instant,
    lasts: Duration,
    state: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    frame: Frame,
    version: u64,
    drawn: u64,
    sizes: usize,
    hook: Option<Box<dyn Fn() + Send>>,
    quit: bool,
}

const SIZES: [(u32, u32); 4] = [(720, 400), (320, 200), (0, 0), (800, 600)];

impl Guest for Stripes {
    fn input(&self, event: InputEvent) {
        println!("{event:?}");
    }

    fn ask_for_picture(&self) {
        let mut inside = self.state.lock().unwrap();
        let passed = self.begin.elapsed();
        let which = (passed.as_micros() * SIZES.len() as u128 / self.lasts.as_micros().max(1)) as usize;
        let (width, height) = SIZES[which.min(SIZES.len() - 1)];
        let shift = passed.as_millis() as u32 / 20;
        let pixel = |n: u32| {
            let (x, y) = (n % width, n / width);
            if x == 0 || y == 0 || x == width - 1 || y == height - 1 {
                return 0xff_ffff;
            }
            (x + shift) << 16 & 0xff_0000 | (y << 8) & 0xff00 | (x ^ y) & 0xff
        };
        let pixels = (0..width * height).map(pixel).collect();
        inside.sizes = inside.sizes.max(which + 1);
        inside.frame = Frame { width, height, pixels, text: None };
        inside.version += 1;
        inside.drawn += 1;
        if let Some(hook) = &inside.hook {
            hook();
        }
    }

    fn look(&self, look: &mut dyn FnMut(&Frame, u64, u64)) {
        let inside = self.state.lock().unwrap();
        look(&inside.frame, inside.version, inside.drawn);
    }

    fn when_drawn(&self, call: Box<dyn Fn() + Send>) {
        self.state.lock().unwrap().hook = Some(call);
    }

    fn state(&self) -> State {
        let over = self.begin.elapsed() > self.lasts || self.state.lock().unwrap().quit;
        if over { State::Ended } else { State::Running }
    }

    fn insert(&self, file: &std::path::Path) -> Result<String, String> {
        println!("insert {}", file.display());
        Ok(format!("{} is in", file.display()))
    }

    fn wish(&self, wish: Wish) {
        println!("{wish:?}");
        self.state.lock().unwrap().quit |= wish == Wish::Quit;
    }
}

#[test]
fn a_window_shows_a_guest_to_its_end() {
    let seconds = std::env::var("LYREBIRD_WINDOW_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    if std::env::var_os("SDL_VIDEODRIVER").is_none() {
        sdl2_driver("dummy");
    }
    let window = Window::open("stripes", false).unwrap();
    let lasts = Duration::from_secs_f64(seconds);
    let guest = Stripes { begin: Instant::now(), lasts, state: Mutex::default() };
    window.run(&guest).unwrap();
    let inside = guest.state.lock().unwrap();
    let drawn = inside.drawn as f64 / guest.begin.elapsed().as_secs_f64();
    assert_eq!(inside.sizes, SIZES.len());
    assert!((5.0..61.0).contains(&drawn), "{drawn} pictures a second");
}

fn sdl2_driver(name: &str) {
    // SAFETY: this process has no other thread that looks at its environment: it is the only test of this program.
    unsafe { std::env::set_var("SDL_VIDEODRIVER", name) };
}
