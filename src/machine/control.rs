//! How other threads speak to a machine that runs: orders, input and pictures of its screen, and waking it when it sleeps.

use lyrebird_core::{BlockDevice, Frame, InputEvent, InputQueue, Signals};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// What somebody outside wants of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// End: [`super::Machine::run`] returns [`super::Outcome::Quit`].
    Quit,
    /// Pull the reset line.
    Reset,
    /// The same; our firmware asks what to start from.
    BootMenu,
    /// Press the power button.
    PowerButton,
    /// Pull the NMI line.
    Nmi,
    /// Stop; guest time stands.
    Pause,
    /// Go on.
    Resume,
    /// Take the CD out of its drive.
    Eject,
}

/// A kind of drive whose medium people change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removable {
    /// The first CD-ROM drive.
    Cdrom,
    /// Floppy drive A.
    Floppy,
}

/// A medium, and the drive to put it into.
pub struct NewMedium {
    /// The drive.
    pub drive: Removable,
    /// The medium.
    pub medium: Box<dyn BlockDevice>,
}

#[derive(Default)]
struct Mail {
    orders: Vec<Order>,
    media: Vec<NewMedium>,
    /// Something came from outside: look before sleeping.
    news: bool,
    /// Somebody wants a picture of the screen.
    draw: bool,
}

/// The picture that was drawn last.
#[derive(Default)]
struct Picture {
    frame: Frame,
    /// Grows with each picture that differs from the one before.
    version: u64,
    /// Grows with each drawing that was asked for.
    drawn: u64,
    /// Called after each drawing.
    drawn_hook: Option<Box<dyn Fn() + Send>>,
}

#[derive(Default)]
struct Shared {
    mail: Mutex<Mail>,
    bell: Condvar,
    picture: Mutex<Picture>,
    input: Arc<InputQueue>,
    paused: AtomicBool,
}

/// A handle on a running machine, for any thread.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    signals: Vec<Arc<Signals>>,
}

impl Handle {
    pub(super) fn new(signals: Vec<Arc<Signals>>) -> Self {
        Handle { shared: Arc::default(), signals }
    }

    fn mail(&self) -> MutexGuard<'_, Mail> {
        self.shared.mail.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Gives an order. It is done at the end of the slice of instructions that runs now.
    pub fn order(&self, order: Order) {
        let mut mail = self.mail();
        mail.orders.push(order);
        mail.news = true;
        drop(mail);
        self.shared.bell.notify_all();
        self.signals.iter().for_each(|signals| signals.kick());
    }

    /// Puts a medium into a drive, instead of what is in it, at the end of the slice that runs now.
    pub fn insert(&self, medium: NewMedium) {
        self.mail().media.push(medium);
        self.wake();
        self.signals.iter().for_each(|signals| signals.kick());
    }

    /// Says that input waits: the machine looks for it soon.
    pub fn wake(&self) {
        self.mail().news = true;
        self.shared.bell.notify_all();
    }

    /// Something that a person did with keyboard or mouse.
    pub fn input(&self, event: InputEvent) {
        self.shared.input.push(event);
        self.wake();
    }

    /// Asks for a picture of the screen as it is now. The machine draws it soon, and then calls what
    /// [`Handle::when_drawn`] was given; a paused machine draws too.
    pub fn draw(&self) {
        let mut mail = self.mail();
        mail.draw = true;
        mail.news = true;
        drop(mail);
        self.shared.bell.notify_all();
    }

    /// What to call, on the machine's thread, after each drawing that was asked for. It must not wait.
    pub fn when_drawn(&self, hook: impl Fn() + Send + 'static) {
        self.picture().drawn_hook = Some(Box::new(hook));
    }

    /// Looks at the picture that was drawn last: the frame, its version, which differs when the frame does, and how many
    /// drawings there were.
    pub fn look<T>(&self, look: impl FnOnce(&Frame, u64, u64) -> T) -> T {
        let picture = self.picture();
        look(&picture.frame, picture.version, picture.drawn)
    }

    fn picture(&self) -> MutexGuard<'_, Picture> {
        self.shared.picture.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Draws, if somebody asked for it.
    pub(super) fn draw_if_asked(&self, draw: impl FnOnce(&mut Frame) -> bool) {
        if !std::mem::take(&mut self.mail().draw) {
            return;
        }
        let mut picture = self.picture();
        picture.version += u64::from(draw(&mut picture.frame));
        picture.drawn += 1;
        if let Some(hook) = &picture.drawn_hook {
            hook();
        }
    }

    /// Draws, and lets somebody look.
    pub(super) fn draw_for(&self, draw: impl FnOnce(&mut Frame) -> bool, look: impl FnOnce(&Frame)) {
        let mut picture = self.picture();
        picture.version += u64::from(draw(&mut picture.frame));
        look(&picture.frame);
    }

    /// Whether the machine stands until it is resumed.
    pub fn is_paused(&self) -> bool {
        self.shared.paused.load(Ordering::Relaxed)
    }

    /// The machine stands now, or goes on; whoever shows pictures may want to say so.
    pub(super) fn set_paused(&self, paused: bool) {
        self.shared.paused.store(paused, Ordering::Relaxed);
        self.tell_who_looks();
    }

    /// Calls what [`Handle::when_drawn`] was given: there is something to see that is in no picture.
    pub fn tell_who_looks(&self) {
        if let Some(hook) = &self.picture().drawn_hook {
            hook();
        }
    }

    /// Where input waits.
    pub(super) fn input_queue(&self) -> Arc<InputQueue> {
        self.shared.input.clone()
    }

    /// What has come: the orders, and whether there was any news at all.
    pub(super) fn collect(&self) -> (Vec<Order>, bool) {
        let mut mail = self.mail();
        (std::mem::take(&mut mail.orders), std::mem::take(&mut mail.news))
    }

    /// The media that somebody has put in.
    pub(super) fn collect_media(&self) -> Vec<NewMedium> {
        std::mem::take(&mut self.mail().media)
    }

    /// Whether there was any news, if there are no orders and no picture is asked for.
    pub(super) fn collect_news(&self) -> Option<bool> {
        let mut mail = self.mail();
        (mail.orders.is_empty() && mail.media.is_empty() && !mail.draw).then(|| std::mem::take(&mut mail.news))
    }

    /// Sleeps until there is news, or for so long.
    pub(super) fn sleep(&self, longest: Option<Duration>) {
        let mail = self.mail();
        match longest {
            Some(longest) => drop(self.shared.bell.wait_timeout_while(mail, longest, |mail| !mail.news)),
            None => drop(self.shared.bell.wait_while(mail, |mail| !mail.news)),
        }
    }
}
