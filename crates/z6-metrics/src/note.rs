//! Words of the driver about a failure: a note comes just before the failure that it explains. Knows
//! nothing of what is made of it.

use z6_events::{ExchangeSlot, NoteKind, Tick};

/// The last note of a worker.
#[derive(Debug, Default, Clone)]
pub(crate) struct LastNote {
    about: Option<(Tick, NoteKind, u32)>,
    text: Vec<u8>,
}

/// What is known of a failure besides its cause.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Why<'a> {
    /// How long its connection had been idle when it was sent, nanoseconds.
    pub(crate) idle_ns: Option<u64>,
    /// What the driver says of it.
    pub(crate) note: Option<&'a [u8]>,
}

impl LastNote {
    pub(crate) fn set(&mut self, at: Tick, about: NoteKind, slot: u32, text: &[u8]) {
        self.about = Some((at, about, slot));
        self.text.clear();
        self.text.extend_from_slice(text);
    }

    /// The note about an exchange that failed at `at`.
    pub(crate) fn of_exchange(&self, at: Tick, exchange: ExchangeSlot) -> Option<&[u8]> {
        let is_of =
            |(noted, about, slot)| (noted, slot) == (at, exchange.0) && about != NoteKind::Tls;
        self.about.is_some_and(is_of).then_some(&*self.text)
    }

    /// What is known of an exchange that had a response at `at` and failed all the same.
    pub(crate) fn why_failed(&self, at: Tick, exchange: ExchangeSlot) -> Why<'_> {
        Why { idle_ns: None, note: self.of_exchange(at, exchange) }
    }

    /// The note about an attempt that failed at `at`.
    pub(crate) fn tls(&self, at: Tick) -> Option<&[u8]> {
        let is_of = |(noted, about, _)| (noted, about) == (at, NoteKind::Tls);
        self.about.is_some_and(is_of).then_some(&*self.text)
    }
}
