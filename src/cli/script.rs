//! What somebody wants to happen in the guest at given times, as text: `--keys`, `--screenshot`, `--exit-after`.

use super::nearest::nearest;
use crate::machine::script::Step;
use crate::machine::{Order, Script};
use host::screen::{keys, picture, typing};
use lyrebird_core::{InputEvent, Key, MouseButton, VmTime};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// How long a key or a button is held, and how long after that the next one comes.
const HOLD: u64 = 50_000_000;
/// From one event to the next in text.
const TYPING: u64 = 20_000_000;
/// About three years.
const MOST_SECONDS: f64 = 1e8;

/// A moment, in seconds of guest time since power-on.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub f64);

impl Seconds {
    fn time(self) -> VmTime {
        VmTime((self.0 * 1e9).round() as u64)
    }
}

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim().parse() {
            Ok(seconds) if (0.0..=MOST_SECONDS).contains(&seconds) => Ok(Seconds(seconds)),
            _ => Err(format!("`{text}` is no number of seconds, as in 5 or 2.5")),
        }
    }
}

/// A picture to take: `FILE@SECONDS`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Screenshot {
    /// Where to write it.
    pub file: PathBuf,
    /// When.
    pub at: Seconds,
}

impl FromStr for Screenshot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((file, at)) = text.rsplit_once('@') else {
            return Err(format!("`{text}` does not say when: write FILE@SECONDS, as in {text}@5"));
        };
        Ok(Screenshot { file: picture_file(file)?, at: at.parse()? })
    }
}

/// A file for a picture, whose name says how it is written.
pub fn picture_file(text: &str) -> Result<PathBuf, String> {
    let file = PathBuf::from(text);
    match picture::Format::of(&file) {
        Some(_) => Ok(file),
        None => Err(format!("`{text}` does not end in .png (a picture) or .txt (the characters of a text screen)")),
    }
}

impl TryFrom<String> for Screenshot {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Screenshot> for String {
    fn from(shot: Screenshot) -> String {
        format!("{}@{}", shot.file.display(), shot.at.0)
    }
}

/// Key strokes and the like, with their times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Strokes {
    text: String,
    steps: Vec<(VmTime, Step)>,
}

impl TryFrom<String> for Strokes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Strokes> for String {
    fn from(strokes: Strokes) -> String {
        strokes.text
    }
}

impl fmt::Display for Strokes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Strokes {
    type Err = String;

    /// `SECONDS:ITEM,ITEM,SECONDS:ITEM,...`
    fn from_str(text: &str) -> Result<Self, String> {
        let mut writer = Writer { now: VmTime::ZERO, steps: Vec::new() };
        let mut items = super::qemu::split_commas(text).into_iter();
        while let Some(item) = items.next() {
            let item = match item.split_once(':') {
                // A colon may be in a text, too.
                Some((seconds, rest)) if !seconds.contains('=') => {
                    writer.now = seconds.parse::<Seconds>()?.time();
                    rest.to_owned()
                }
                _ => item,
            };
            writer.item(item.trim_start(), || items.next())?;
        }
        Ok(Strokes { text: text.into(), steps: writer.steps })
    }
}

struct Writer {
    now: VmTime,
    steps: Vec<(VmTime, Step)>,
}

impl Writer {
    fn item(&mut self, item: &str, mut next: impl FnMut() -> Option<String>) -> Result<(), String> {
        match item.split_once('=') {
            None if item.is_empty() => {}
            None => self.chord(item)?,
            Some(("type", text)) => self.text(text)?,
            Some(("wait", seconds)) => self.now = self.now + seconds.parse::<Seconds>()?.time().as_nanos(),
            Some(("mouse", dx)) => {
                let dy = next().unwrap_or_default();
                let (dx, dy) = (number(dx), number(&dy));
                let (Some(dx), Some(dy)) = (dx, dy) else {
                    return Err(format!("`{item}` does not say how far the mouse moves: write mouse=RIGHT,DOWN"));
                };
                self.put(InputEvent::MouseMove { dx, dy });
                self.now = self.now + TYPING;
            }
            Some(("wheel", notches)) => {
                let notches = number(notches).ok_or_else(|| format!("`{notches}` is no number of notches"))?;
                self.put(InputEvent::MouseWheel { notches });
                self.now = self.now + TYPING;
            }
            Some(("click", name)) => {
                let button = button(name)?;
                self.put(InputEvent::MouseButton { button, down: true });
                self.now = self.now + HOLD;
                self.put(InputEvent::MouseButton { button, down: false });
                self.now = self.now + HOLD;
            }
            Some((what @ ("press" | "release"), name)) => {
                self.put(InputEvent::Key { key: key(name)?, down: what == "press" });
                self.now = self.now + TYPING;
            }
            Some((what @ ("mousedown" | "mouseup"), name)) => {
                self.put(InputEvent::MouseButton { button: button(name)?, down: what == "mousedown" });
                self.now = self.now + TYPING;
            }
            Some(("order", name)) => self.steps.push((self.now, Step::Order(order(name)?))),
            Some(("insert", file)) => self.steps.push((self.now, Step::Insert(file.into()))),
            Some((what, _)) => {
                let known = [
                    "type",
                    "wait",
                    "mouse",
                    "wheel",
                    "click",
                    "press",
                    "release",
                    "mousedown",
                    "mouseup",
                    "order",
                    "insert",
                ];
                let nearest = nearest(what, known).unwrap_or_default();
                return Err(format!("`{what}=` is not known; the nearest known is `{nearest}=`"));
            }
        }
        Ok(())
    }

    fn put(&mut self, event: InputEvent) {
        self.steps.push((self.now, Step::Input(event)));
    }

    /// Keys that are pressed together, as in `ctrl-alt-delete`.
    fn chord(&mut self, chord: &str) -> Result<(), String> {
        let keys: Vec<Key> = chord.split('-').map(key).collect::<Result<_, _>>()?;
        keys.iter().for_each(|key| self.put(InputEvent::Key { key: *key, down: true }));
        self.now = self.now + HOLD;
        keys.iter().rev().for_each(|key| self.put(InputEvent::Key { key: *key, down: false }));
        self.now = self.now + HOLD;
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        let text = text.replace("\\n", "\n").replace("\\t", "\t");
        for character in text.chars() {
            let events = typing::type_character(character);
            if events.is_empty() {
                return Err(format!("`{character}` is on no key of an American keyboard: it cannot be typed"));
            }
            for event in events {
                self.put(event);
                self.now = self.now + TYPING;
            }
        }
        Ok(())
    }
}

fn number(text: &str) -> Option<i32> {
    text.trim().parse().ok().filter(|number| (-10_000..=10_000).contains(number))
}

fn key(name: &str) -> Result<Key, String> {
    keys::by_name(name).ok_or_else(|| {
        let nearest = nearest(name, keys::names()).unwrap_or_default();
        format!(
            "`{name}` is no key; the nearest known is `{nearest}` (names are those of QEMU's sendkey; text: type=...)"
        )
    })
}

fn button(name: &str) -> Result<MouseButton, String> {
    match name {
        "left" => Ok(MouseButton::Left),
        "right" => Ok(MouseButton::Right),
        "middle" => Ok(MouseButton::Middle),
        "back" => Ok(MouseButton::Back),
        "forward" => Ok(MouseButton::Forward),
        _ => Err(format!("`{name}` is no button: use left, right, middle, back or forward")),
    }
}

fn order(name: &str) -> Result<Order, String> {
    match name {
        "quit" => Ok(Order::Quit),
        "reset" => Ok(Order::Reset),
        "boot-menu" => Ok(Order::BootMenu),
        "power-button" => Ok(Order::PowerButton),
        "nmi" => Ok(Order::Nmi),
        "pause" => Ok(Order::Pause),
        "eject" => Ok(Order::Eject),
        _ => Err(format!("`{name}` is no order: use quit, reset, boot-menu, power-button, nmi, pause or eject")),
    }
}

/// Everything that was asked for, as the machine wants it.
pub fn script(strokes: &[Strokes], shots: &[Screenshot], end: Option<Seconds>) -> Script {
    let mut steps: Vec<_> = strokes.iter().flat_map(|strokes| strokes.steps.clone()).collect();
    steps.extend(shots.iter().map(|shot| (shot.at.time(), Step::Picture(shot.file.clone()))));
    steps.extend(end.map(|end| (end.time(), Step::Order(Order::Quit))));
    Script::new(steps).media(Box::new(|file| super::drive::new_medium(file).map_err(|error| format!("{error:#}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Vec<(u64, Step)> {
        let strokes: Strokes = text.parse().unwrap();
        assert_eq!(String::from(strokes.clone()), text);
        strokes.steps.into_iter().map(|(when, step)| (when.as_nanos() / 1_000_000, step)).collect()
    }

    fn key(key: u8, down: bool) -> Step {
        Step::Input(InputEvent::Key { key: Key(key), down })
    }

    #[test]
    fn keys_follow_one_another_from_their_times() {
        let expected = [
            (5_000, key(0x28, true)),
            (5_050, key(0x28, false)),
            (5_100, key(0xe0, true)),
            (5_100, key(0xe2, true)),
            (5_100, key(0x4c, true)),
            (5_150, key(0x4c, false)),
            (5_150, key(0xe2, false)),
            (5_150, key(0xe0, false)),
            (7_500, key(0x3a, true)),
            (7_550, key(0x3a, false)),
        ];
        assert_eq!(steps("5:ret,ctrl-alt-delete,7.5:f1"), expected);
        assert_eq!(steps("0:wait=2,up"), [(2_000, key(0x52, true)), (2_050, key(0x52, false))]);
    }

    #[test]
    fn text_is_typed() {
        let expected = [
            (1_000, key(4, true)),
            (1_020, key(4, false)),
            (1_040, key(0x36, true)),
            (1_060, key(0x36, false)),
            (1_080, key(0xe1, true)),
            (1_100, key(0x33, true)),
            (1_120, key(0x33, false)),
            (1_140, key(0xe1, false)),
            (1_160, key(0x28, true)),
            (1_180, key(0x28, false)),
        ];
        assert_eq!(steps("1:type=a,,:\\n"), expected);
    }

    #[test]
    fn the_mouse() {
        let left = |down| Step::Input(InputEvent::MouseButton { button: MouseButton::Left, down });
        let expected = [
            (0, Step::Input(InputEvent::MouseMove { dx: 10, dy: -5 })),
            (20, left(true)),
            (70, left(false)),
            (120, left(true)),
            (140, Step::Input(InputEvent::MouseWheel { notches: -1 })),
            (160, left(false)),
            (180, Step::Order(Order::PowerButton)),
            (180, Step::Order(Order::Eject)),
            (180, Step::Insert("a:b.iso".into())),
        ];
        let text = "0:mouse=10,-5,click=left,mousedown=left,wheel=-1,mouseup=left,order=power-button,order=eject,insert=a:b.iso";
        assert_eq!(steps(text), expected);
    }

    #[test]
    fn errors_say_what_is_right() {
        for (text, part) in [
            ("5:rte", "`rte` is no key; the nearest known is `ret`"),
            ("x:ret", "`x` is no number of seconds"),
            ("-1:ret", "`-1` is no number of seconds"),
            ("5:type=ä", "on no key of an American keyboard"),
            ("5:mouse=1", "mouse=RIGHT,DOWN"),
            ("5:clikc=left", "the nearest known is `click=`"),
            ("5:click=up", "`up` is no button"),
            ("5:order=stop", "`stop` is no order"),
        ] {
            let error = text.parse::<Strokes>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        for (text, part) in [
            ("a.png", "write FILE@SECONDS, as in a.png@5"),
            ("a.jpg@5", "does not end in .png"),
            ("a.png@soon", "`soon` is no number of seconds"),
        ] {
            let error = text.parse::<Screenshot>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        let shot: Screenshot = "dir@1/a.txt@2.5".parse().unwrap();
        assert_eq!((shot.file.clone(), shot.at), (PathBuf::from("dir@1/a.txt"), Seconds(2.5)));
        assert_eq!(String::from(shot), "dir@1/a.txt@2.5");
    }
}
