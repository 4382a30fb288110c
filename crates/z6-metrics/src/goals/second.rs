//! What happened in one second to the requests of a goal: counts and a coarse histogram, which add. Knows no
//! windows and no workers.

use super::coarse::Coarse;
use super::{Ended, Outcome};

/// What happened in some seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// Requests that ended, in whatever way.
    pub(super) ended: u64,
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    /// Complete responses, and those of them with a status of 4xx and 5xx.
    pub(super) responses: [u64; 3],
    /// Checks that passed, and that did not.
    pub(super) checks: [u64; 2],
    /// Response times of successes, nanoseconds.
    pub(super) took_ns: u128,
    /// Response times and lower bounds of them, where a quantile is asked for.
    pub(super) latencies: Option<Box<Coarse>>,
}

impl Sum {
    pub(super) fn add(&mut self, other: &Sum) {
        self.combine(other, u64::saturating_add, |a, b| a + b);
        if let Some(more) = &other.latencies {
            self.latencies.get_or_insert_default().add(more);
        }
    }

    pub(super) fn take_off(&mut self, other: &Sum) {
        self.combine(other, u64::saturating_sub, |a, b| a - b);
        if let (Some(mine), Some(less)) = (&mut self.latencies, &other.latencies) {
            mine.take_off(less);
        }
    }

    fn combine(
        &mut self,
        other: &Sum,
        with: impl Fn(u64, u64) -> u64,
        with_long: impl Fn(u128, u128) -> u128,
    ) {
        self.ended = with(self.ended, other.ended);
        self.succeeded = with(self.succeeded, other.succeeded);
        self.failed = with(self.failed, other.failed);
        for (mine, other) in self.responses.iter_mut().zip(other.responses) {
            *mine = with(*mine, other);
        }
        for (mine, other) in self.checks.iter_mut().zip(other.checks) {
            *mine = with(*mine, other);
        }
        self.took_ns = with_long(self.took_ns, other.took_ns);
    }
}

/// One second.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Second {
    pub(super) sum: Sum,
    pub(super) longest_ns: u64,
}

/// The requests in flight at the begin of a second.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Flying {
    pub(super) count: u64,
    pub(super) longest_ns: u64,
    pub(super) waited: Option<Box<Coarse>>,
}

impl Second {
    /// A request ended in it; its latency is kept where a quantile is asked for.
    pub(super) fn ended(&mut self, ended: &Ended, has_quantile: bool) {
        let sum = &mut self.sum;
        sum.ended += 1;
        if let Some(status) = ended.status {
            let kinds = [true, status / 100 == 4, z6_events::is_server_error(status)];
            for (count, is_it) in sum.responses.iter_mut().zip(kinds) {
                *count += u64::from(is_it);
            }
        }
        for (count, more) in sum.checks.iter_mut().zip(ended.checks) {
            *count += more;
        }
        let observed_ns = match ended.outcome {
            Outcome::Succeeded => {
                sum.succeeded += 1;
                sum.took_ns += u128::from(ended.took_ns);
                true
            }
            Outcome::Failed => {
                sum.failed += 1;
                false
            }
            Outcome::TimedOut => {
                sum.failed += 1;
                true
            }
            Outcome::GivenUp => true,
        };
        if observed_ns {
            self.longest_ns = self.longest_ns.max(ended.took_ns);
            if has_quantile {
                sum.latencies.get_or_insert_default().record(ended.took_ns);
            }
        }
    }

    /// Adds what happened in the same second elsewhere.
    pub(super) fn add(&mut self, other: &Second) {
        self.sum.add(&other.sum);
        self.longest_ns = self.longest_ns.max(other.longest_ns);
    }
}

impl Flying {
    /// One that has waited so long since it was planned.
    pub(super) fn wait(&mut self, waited_ns: u64, has_quantile: bool) {
        self.count += 1;
        self.longest_ns = self.longest_ns.max(waited_ns);
        if has_quantile {
            self.waited.get_or_insert_default().record(waited_ns);
        }
    }

    /// Adds those that are in flight at the same second elsewhere.
    pub(super) fn add(&mut self, other: &Flying) {
        self.count = self.count.saturating_add(other.count);
        self.longest_ns = self.longest_ns.max(other.longest_ns);
        if let Some(more) = &other.waited {
            self.waited.get_or_insert_default().add(more);
        }
    }
}
