//! The guest's screen in the terminal, for hosts without windows: text modes as text, graphics roughly, the keyboard as far
//! as terminals know keys. Ctrl-A begins a command to us, as on a serial line.

mod grid;
mod keyboard;

use super::pace::Pace;
use super::typing::{Typist, stroke};
use super::{Guest, State, Wish, keys, picture};
use crate::terminal::{self, Raw};
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::style::{Color, Print, SetBackgroundColor, SetForegroundColor};
use crossterm::{QueueableCommand, queue};
use grid::Grid;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::io::{self, BufWriter, Write};
use std::time::{Duration, Instant};

/// A terminal shows no more pictures than one in this time.
const FASTEST: Duration = Duration::from_millis(33);
/// How long a message of ours stays.
const MESSAGE: Duration = Duration::from_secs(4);

const HELP: &[&str] = &[
    "Keys of this terminal (any key goes back):",
    "Ctrl-A x       end the program, as if the plug were pulled",
    "Ctrl-A d       send Ctrl+Alt+Delete",
    "Ctrl-A s       write a picture into the current folder",
    "Ctrl-A p       pause, and resume",
    "Ctrl-A r       press the reset button",
    "Ctrl-A m       the same, and choose what to start",
    "Ctrl-A b       press the power button",
    "Ctrl-A e       take the CD out",
    "Ctrl-A l       draw everything again",
    "Ctrl-A Ctrl-A  send Ctrl-A",
];

/// Waits for something to read, and says whether nothing will ever come again: the terminal was closed.
fn is_gone(wait: Duration) -> bool {
    let stdin = rustix::stdio::stdin();
    let mut waits = [PollFd::new(&stdin, PollFlags::IN)];
    let wait = Timespec { tv_sec: wait.as_secs() as _, tv_nsec: wait.subsec_nanos().into() };
    // A signal, as of another size, ends the wait, too.
    _ = rustix::event::poll(&mut waits, Some(&wait));
    waits[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
}

/// The terminal, with the guest's screen in it.
pub struct TerminalScreen {
    name: String,
    _raw: Raw,
    /// What the terminal shows; `None` if that is not known.
    shown: Option<Grid>,
    typist: Typist,
    prefix: bool,
    message: Option<(Vec<String>, Instant)>,
}

impl TerminalScreen {
    /// Takes the terminal for a machine of this name.
    pub fn open(name: &str) -> io::Result<Self> {
        let raw = Raw::enter(false)?;
        terminal::show_screen(&raw)?;
        Ok(TerminalScreen {
            name: name.into(),
            _raw: raw,
            shown: None,
            typist: Typist::default(),
            prefix: false,
            message: None,
        })
    }

    /// Shows the guest until it ends. Without its terminal it ends, too.
    pub fn run(mut self, guest: &dyn Guest) -> io::Result<()> {
        let shown = self.show(guest);
        if is_gone(Duration::ZERO) {
            guest.wish(Wish::Quit);
            return Ok(());
        }
        shown
    }

    fn show(&mut self, guest: &dyn Guest) -> io::Result<()> {
        let mut pace = Pace::new(FASTEST);
        let mut version = None;
        while guest.state() != State::Ended {
            let now = Instant::now();
            if let Some(event) = self.typist.due(now) {
                guest.input(event);
            }
            if pace.ask(now) {
                guest.ask_for_picture();
            }
            // Nothing but the terminal can end this wait, and a picture may be there soon.
            let wait = self.typist.wait(now).unwrap_or(FASTEST).min(pace.wait(now)).min(FASTEST);
            // Of a terminal that is gone crossterm would read for ever.
            if is_gone(wait) {
                return Ok(());
            }
            while event::poll(Duration::ZERO)? {
                pace.hurry();
                version = None;
                self.event(event::read()?, guest);
            }
            if self.message.as_ref().is_some_and(|(_, until)| *until <= Instant::now()) {
                self.message = None;
                version = None;
            }
            let state = guest.state();
            let mut result = Ok(());
            guest.look(&mut |frame, now_version, drawn| {
                let shown = Some((now_version, state));
                pace.seen(drawn, version.is_some_and(|(before, _)| before != now_version));
                if shown != version {
                    version = shown;
                    result = self.draw(frame, state);
                }
            });
            result?;
        }
        Ok(())
    }

    fn draw(&mut self, frame: &lyrebird_core::Frame, state: State) -> io::Result<()> {
        let (columns, rows) = crossterm::terminal::size()?;
        let mut grid = Grid::new(columns.into(), rows.into());
        grid.show(frame);
        match &self.message {
            Some((lines, _)) => grid.say(&lines.iter().map(String::as_str).collect::<Vec<_>>()),
            None if state == State::Paused => grid.say(&["Paused; Ctrl-A p resumes"]),
            None => {}
        }
        let same_size =
            self.shown.as_ref().filter(|old| old.columns == grid.columns && old.cells.len() == grid.cells.len());
        let mut out = BufWriter::new(io::stdout().lock());
        let (mut front, mut back) = (Color::Reset, Color::Reset);
        queue!(out, SetForegroundColor(front), SetBackgroundColor(back), Hide)?;
        let mut at = None;
        for (index, cell) in grid.cells.iter().enumerate() {
            if same_size.is_some_and(|old| old.cells[index] == *cell) {
                continue;
            }
            if at != Some(index) || index % grid.columns == 0 {
                let (row, column) = (index / grid.columns, index % grid.columns);
                out.queue(MoveTo(column as u16, row as u16))?;
            }
            if cell.front != front {
                front = cell.front;
                out.queue(SetForegroundColor(front))?;
            }
            if cell.back != back {
                back = cell.back;
                out.queue(SetBackgroundColor(back))?;
            }
            out.queue(Print(cell.character))?;
            at = Some(index + 1);
        }
        if let Some((column, row)) = grid.cursor {
            queue!(out, MoveTo(column as u16, row as u16), Show)?;
        }
        out.flush()?;
        drop(out);
        self.shown = Some(grid);
        Ok(())
    }

    fn say(&mut self, lines: Vec<String>, how_long: Duration) {
        self.message = Some((lines, Instant::now() + how_long));
    }

    fn event(&mut self, event: Event, guest: &dyn Guest) {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(&key, guest),
            Event::Paste(text) => {
                let unknown = self.typist.type_text(&text);
                if unknown > 0 {
                    let text = format!("{unknown} characters are on no key of an American keyboard, and left out");
                    self.say(vec![text], MESSAGE);
                }
            }
            Event::Resize(..) => self.shown = None,
            _ => {}
        }
    }

    fn key(&mut self, key: &KeyEvent, guest: &dyn Guest) {
        self.message = None;
        let is_prefix = key.code == KeyCode::Char('a') && key.modifiers == KeyModifiers::CONTROL;
        if !std::mem::replace(&mut self.prefix, is_prefix) {
            if !is_prefix {
                self.typist.add(keyboard::strokes(key));
            }
            return;
        }
        self.prefix = false;
        match key.code {
            _ if is_prefix => self.typist.add(keyboard::strokes(key)),
            KeyCode::Char('x' | 'X') => guest.wish(Wish::Quit),
            KeyCode::Char('h' | 'H' | '?') => {
                self.say(HELP.iter().map(ToString::to_string).collect(), Duration::from_secs(3600));
            }
            KeyCode::Char('d') => {
                let delete = keys::by_name("delete").unwrap_or(keys::ESCAPE);
                self.typist.add(stroke(delete, &[keys::CTRL, keys::ALT]));
            }
            KeyCode::Char('s') => {
                let mut text = String::new();
                guest.look(&mut |frame, _, _| {
                    text = match picture::save_new(frame, &self.name) {
                        Ok(path) => format!("The picture is in {}", path.display()),
                        Err(error) => error.to_string(),
                    };
                });
                self.say(vec![text], MESSAGE);
            }
            KeyCode::Char('p') => guest.wish(Wish::PauseOrResume),
            KeyCode::Char('r') => guest.wish(Wish::Reset),
            KeyCode::Char('m') => guest.wish(Wish::BootMenu),
            KeyCode::Char('b') => guest.wish(Wish::PowerButton),
            KeyCode::Char('e') => guest.wish(Wish::Eject),
            KeyCode::Char('l') => self.shown = None,
            _ => {} // no such command: neither key reaches the guest
        }
    }
}
