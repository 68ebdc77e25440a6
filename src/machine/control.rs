//! How other threads speak to a machine that runs: orders, and waking it when it sleeps.

use lyrebird_core::Signals;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// What somebody outside wants of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// End: [`super::Machine::run`] returns [`super::Outcome::Quit`].
    Quit,
    /// Pull the reset line.
    Reset,
    /// Press the power button.
    PowerButton,
    /// Pull the NMI line.
    Nmi,
    /// Stop; guest time stands.
    Pause,
    /// Go on.
    Resume,
}

#[derive(Default)]
struct Mail {
    orders: Vec<Order>,
    /// Something came from outside: look before sleeping.
    news: bool,
}

#[derive(Default)]
struct Shared {
    mail: Mutex<Mail>,
    bell: Condvar,
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

    /// Says that input waits: the machine looks for it soon.
    pub fn wake(&self) {
        self.mail().news = true;
        self.shared.bell.notify_all();
    }

    /// What has come: the orders, and whether there was any news at all.
    pub(super) fn collect(&self) -> (Vec<Order>, bool) {
        let mut mail = self.mail();
        (std::mem::take(&mut mail.orders), std::mem::take(&mut mail.news))
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
