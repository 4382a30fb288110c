//! How many requests were sent and answered in the measured part of a run: by their instants, whenever
//! they were planned. Knows nothing of requests.

use z6_events::Tick;

/// The counts of a run.
#[derive(Debug, Clone)]
pub(crate) struct Rates {
    from: Tick,
    to: Tick,
    sent: u64,
    completed: u64,
}

/// What is kept of one worker: its end tick, and what its newest tick counted, since the end tick may
/// turn out to lie before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateWindow {
    end: Tick,
    newest: Tick,
    sent: u64,
    completed: u64,
}

impl Default for RateWindow {
    fn default() -> RateWindow {
        RateWindow { end: Tick::MAX, newest: Tick::ZERO, sent: 0, completed: 0 }
    }
}

impl RateWindow {
    #[inline]
    fn come_to(&mut self, at: Tick) {
        if at > self.newest {
            *self = RateWindow { end: self.end, newest: at, sent: 0, completed: 0 };
        }
    }
}

impl Rates {
    /// Counts instants from `from` to `to`, both included, and to the end tick of their worker.
    pub(crate) const fn new(from: Tick, to: Tick) -> Rates {
        Rates { from, to, sent: 0, completed: 0 }
    }

    #[inline]
    fn covers(&self, window: &RateWindow, at: Tick) -> bool {
        self.from <= at && at <= self.to && at <= window.end
    }

    /// A request was sent.
    #[inline]
    pub(crate) fn sent(&mut self, window: &mut RateWindow, at: Tick) {
        if self.covers(window, at) {
            window.come_to(at);
            window.sent += u64::from(at == window.newest);
            self.sent += 1;
        }
    }

    /// A response was complete.
    #[inline]
    pub(crate) fn completed(&mut self, window: &mut RateWindow, at: Tick) {
        if self.covers(window, at) {
            window.come_to(at);
            window.completed += u64::from(at == window.newest);
            self.completed += 1;
        }
    }

    /// A worker's end tick is known. The step that noticed it may already have counted instants of its
    /// own tick.
    pub(crate) fn end(&mut self, window: &mut RateWindow, end: Tick) {
        if window.newest > end {
            self.sent -= window.sent;
            self.completed -= window.completed;
        }
        *window = RateWindow { end, ..RateWindow::default() };
    }

    /// Requests sent.
    pub(crate) const fn sent_count(&self) -> u64 {
        self.sent
    }

    /// Complete responses.
    pub(crate) const fn completed_count(&self) -> u64 {
        self.completed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_outside_the_measured_part_do_not_count() {
        let mut rates = Rates::new(Tick(10), Tick(20));
        let mut window = RateWindow::default();
        for at in [9, 10, 20, 21] {
            rates.sent(&mut window, Tick(at));
            rates.completed(&mut window, Tick(at));
        }
        assert_eq!((rates.sent_count(), rates.completed_count()), (2, 2));
    }

    #[test]
    fn what_the_newest_tick_counted_is_taken_back_if_the_end_lies_before_it() {
        let mut rates = Rates::new(Tick(0), Tick::MAX);
        let mut window = RateWindow::default();
        rates.sent(&mut window, Tick(5));
        rates.sent(&mut window, Tick(8));
        rates.completed(&mut window, Tick(8));
        rates.end(&mut window, Tick(7));
        rates.sent(&mut window, Tick(8));
        assert_eq!((rates.sent_count(), rates.completed_count()), (1, 0));
        rates.sent(&mut window, Tick(7));
        assert_eq!(rates.sent_count(), 2);
    }
}
