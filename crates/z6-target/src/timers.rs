//! Deadlines of one thread, kept in order, with the timerfd that wakes it for the first of them.
//!
//! Owns the order and the arming; must not know what the deadlines are for. Bounded: each connection
//! and each listener has at most one deadline.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsRawFd;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::sys::TimerFd;

/// Deadlines (CLOCK_MONOTONIC, nanoseconds), each with the token it wakes.
#[derive(Debug)]
pub(crate) struct Timers {
    deadlines: BTreeSet<(u64, usize)>,
    fd: TimerFd,
    armed_ns: Option<u64>,
}

impl Timers {
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let fd = TimerFd::new()?;
        registry.register(&mut SourceFd(&fd.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { deadlines: BTreeSet::new(), fd, armed_ns: None })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.deadlines.is_empty()
    }

    pub(crate) fn insert(&mut self, deadline_ns: u64, token: Token) {
        self.deadlines.insert((deadline_ns, token.0));
    }

    pub(crate) fn remove(&mut self, deadline_ns: u64, token: Token) {
        self.deadlines.remove(&(deadline_ns, token.0));
    }

    /// Takes the first deadline if it is not after `now_ns`.
    pub(crate) fn pop_due(&mut self, now_ns: u64) -> Option<Token> {
        let first = self.deadlines.first()?;
        if first.0 > now_ns {
            return None;
        }
        self.deadlines.pop_first().map(|(_, token)| Token(token))
    }

    /// Sets the timerfd to the first deadline; at most one system call, none if nothing changed.
    /// A timer left armed for a deadline that is gone wakes the thread once for nothing.
    pub(crate) fn arm(&mut self) -> io::Result<()> {
        let Some(&(first_ns, _)) = self.deadlines.first() else {
            return Ok(());
        };
        if self.armed_ns != Some(first_ns) {
            self.fd.arm(first_ns)?;
            self.armed_ns = Some(first_ns);
        }
        Ok(())
    }

    /// The timerfd has expired, so that the next `arm` must set it again.
    pub(crate) fn expired(&mut self) {
        self.armed_ns = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_order_and_once() {
        let poll = mio::Poll::new().expect("poll");
        let mut timers = Timers::new(poll.registry(), Token(9)).expect("timers");
        for (deadline, token) in [(30, 1), (10, 2), (20, 3), (10, 1)] {
            timers.insert(deadline, Token(token));
        }
        timers.remove(20, Token(3));
        let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(29)).collect();
        assert_eq!(due, [Token(1), Token(2)]);
        assert!(!timers.is_empty());
        assert_eq!(timers.pop_due(30), Some(Token(1)));
        assert!(timers.is_empty());
    }

    #[test]
    fn a_due_deadline_wakes_the_poll() {
        let mut poll = mio::Poll::new().expect("poll");
        let mut events = mio::Events::with_capacity(4);
        let mut timers = Timers::new(poll.registry(), Token(9)).expect("timers");
        for round in 0..3 {
            timers.insert(crate::sys::monotonic_ns() + round, Token(1));
            timers.arm().expect("armed");
            poll.poll(&mut events, None).expect("polled");
            assert!(events.iter().any(|event| event.token() == Token(9)));
            timers.expired();
            assert_eq!(timers.pop_due(u64::MAX), Some(Token(1)));
        }
    }
}
