//! Ticks, and the numbers that identify things in a log. Knows no clock.

use std::fmt;
use std::time::Duration;

/// Nanoseconds since the start of the run, in real and in simulated time alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tick(pub u64);

impl Tick {
    /// The start of the run.
    pub const ZERO: Tick = Tick(0);
    /// Later than any instant of a run.
    pub const MAX: Tick = Tick(u64::MAX);

    /// This instant plus `ns` nanoseconds, at most [`Tick::MAX`].
    #[must_use]
    pub const fn plus_ns(self, ns: u64) -> Tick {
        Tick(self.0.saturating_add(ns))
    }

    /// The time since the start of the run.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// Nanoseconds from `earlier` to this instant; 0 if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Tick) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Tick {
    /// Seconds with nine decimals: `1.000000500`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl $name {
            /// The number as an index into a table.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// One event loop of a run, numbered from 0.
    WorkerId(u16)
}
id! {
    /// The scenario of a file that an actor belongs to: 0 today.
    Population(u8)
}
id! {
    /// A VU (closed model) or an arrival (open model), numbered 0, 1, 2 .. over the whole run.
    /// Actor k belongs to worker k mod N.
    Actor(u64)
}
id! {
    /// One request of an actor, numbered 0, 1, 2 .. over the actor's whole life.
    Step(u64)
}
id! {
    /// Index of a request template in the scenario's `[[requests]]`.
    RequestId(u16)
}
id! {
    /// Index of a target in the scenario's `[target]` or `[[targets]]`.
    TargetId(u16)
}
id! {
    /// Index of a variable of the scenario, whose values are taken from responses.
    VariableId(u16)
}
id! {
    /// Index of a connection in its worker's table. A slot is used again after the connection in it
    /// was released; the n-th [`ConnectStarted`](crate::Event::ConnectStarted) of a worker opens its
    /// connection number n.
    ConnectionSlot(u32)
}
id! {
    /// A small number, unique among its worker's open exchanges and used again after its exchange has
    /// ended.
    ExchangeSlot(u32)
}
