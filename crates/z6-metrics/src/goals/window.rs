//! Sliding windows of whole seconds over the requests of one goal: [s - w, s) is judged at each second s that
//! all workers have passed. Knows no events and no workers.
//!
//! Kept are the seconds of one window, and those that the slowest worker has not passed yet: counts, and a
//! coarse histogram where the goal asks for a quantile.

use std::collections::VecDeque;

use z6_scenario::{Assertion, AssertionKind, Goal};

use super::Ended;
use super::coarse::{Coarse, at_rank};
use super::second::{Flying, Second, Sum};
use crate::assertions::{Figure, holds};
use crate::tally::share;

/// How far workers may be apart before windows are judged without the slowest, seconds.
pub(super) const LAG_SECONDS_MAX: u64 = 300;

/// The worst that an assertion has seen, and the second at which that window ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Worst {
    pub(crate) figure: Figure,
    pub(crate) second: u64,
}

/// The windows of one goal.
#[derive(Debug, Clone)]
pub(super) struct Windows {
    seconds: u64,
    min_requests: u64,
    assertions: Vec<Assertion>,
    has_quantile: bool,
    /// Seconds from `low` on.
    kept: VecDeque<Second>,
    low: u64,
    /// All of `low` up to this second, which is not in it.
    sum: Sum,
    high: u64,
    /// In flight at second `next` and later.
    flying: VecDeque<Flying>,
    /// The next second to be judged.
    next: u64,
    pub(super) judged: u64,
    /// By assertion.
    pub(super) worst: Vec<Option<Worst>>,
}

impl Windows {
    pub(super) fn new(goal: &Goal, seconds: u16) -> Windows {
        let next = goal.first_window_end(seconds);
        let low = next - u64::from(seconds);
        Windows {
            seconds: u64::from(seconds),
            min_requests: goal.min_requests,
            assertions: goal.assertions.clone(),
            has_quantile: has_quantile(goal),
            kept: VecDeque::new(),
            low,
            sum: Sum::default(),
            high: low,
            flying: VecDeque::new(),
            next,
            judged: 0,
            worst: vec![None; goal.assertions.len()],
        }
    }

    /// A request ended in this second.
    pub(super) fn ended(&mut self, second: u64, ended: &Ended) {
        let has_quantile = self.has_quantile;
        if let Some(at) = self.second(second) {
            at.ended(ended, has_quantile);
        }
    }

    /// What happened in this second in one of the shards.
    pub(super) fn add_second(&mut self, second: u64, happened: &Second) {
        if let Some(at) = self.second(second) {
            at.add(happened);
        }
    }

    /// None if it is no part of a window that is still to be judged.
    fn second(&mut self, second: u64) -> Option<&mut Second> {
        if second < self.high {
            return None;
        }
        let index = (second - self.low) as usize;
        if self.kept.len() <= index {
            self.kept.resize_with(index + 1, Second::default);
        }
        self.kept.get_mut(index)
    }

    /// A request is in flight at the begin of this second, and has waited so long since it was planned.
    pub(super) fn in_flight(&mut self, second: u64, waited_ns: u64) {
        let has_quantile = self.has_quantile;
        if let Some(at) = self.flying_at(second) {
            at.wait(waited_ns, has_quantile);
        }
    }

    /// The requests of one of the shards that are in flight at the begin of this second.
    pub(super) fn add_flying(&mut self, second: u64, flying: &Flying) {
        if let Some(at) = self.flying_at(second) {
            at.add(flying);
        }
    }

    /// None if its window is judged.
    fn flying_at(&mut self, second: u64) -> Option<&mut Flying> {
        let index = second.checked_sub(self.next)? as usize;
        if self.flying.len() <= index {
            self.flying.resize_with(index + 1, Flying::default);
        }
        self.flying.get_mut(index)
    }

    /// Judges the windows up to this second, which all workers have passed; `newest` is that of the fastest.
    /// Returns the first second at which an assertion did not hold.
    pub(super) fn reached(&mut self, second: u64, newest: u64) -> Option<u64> {
        let second = second.max(newest.saturating_sub(LAG_SECONDS_MAX));
        let mut broken = None;
        while self.next <= second {
            if self.kept.is_empty() && self.flying.is_empty() {
                // Nothing is in any window up to there.
                self.next = second + 1;
                self.high = second.max(self.high);
                self.low = self.high;
                self.sum = Sum::default();
                break;
            }
            self.slide();
            let is_broken = self.judge();
            if is_broken {
                broken = broken.or(Some(self.next));
            }
            self.flying.pop_front();
            self.next += 1;
        }
        broken
    }

    /// Moves the sum to the window that ends at `next`.
    fn slide(&mut self) {
        while self.high < self.next {
            let index = (self.high - self.low) as usize;
            if let Some(second) = self.kept.get(index) {
                self.sum.add(&second.sum);
            }
            self.high += 1;
        }
        while self.low + self.seconds < self.high {
            if let Some(second) = self.kept.pop_front() {
                self.sum.take_off(&second.sum);
            }
            self.low += 1;
        }
    }

    /// Judges the window that ends at `next`. Returns whether an assertion does not hold.
    fn judge(&mut self) -> bool {
        let flying = self.flying.front();
        let requests = self.sum.ended + flying.map_or(0, |flying| flying.count);
        if requests < self.min_requests {
            return false;
        }
        self.judged += 1;
        let in_window = (self.high - self.low) as usize;
        let ended = self.kept.iter().take(in_window).map(|second| second.longest_ns).max();
        let longest_ns = ended.max(flying.map(|flying| flying.longest_ns)).unwrap_or(0);
        let mut is_broken = false;
        for (assertion, worst) in self.assertions.iter().zip(&mut self.worst) {
            let figure = figure(assertion.kind, &self.sum, flying, longest_ns, self.seconds);
            let Some(figure) = figure else { continue };
            is_broken |= !holds(*assertion, figure);
            if worst.is_none_or(|worst| is_worse(assertion.kind, figure, worst.figure)) {
                *worst = Some(Worst { figure, second: self.next });
            }
        }
        is_broken
    }
}

/// Whether a goal asks for a quantile of response time.
pub(super) fn has_quantile(goal: &Goal) -> bool {
    goal.assertions.iter().any(|one| one.kind.percentile().is_some())
}

/// What an assertion compares; none if nothing says anything about it.
fn figure(
    kind: AssertionKind,
    sum: &Sum,
    flying: Option<&Flying>,
    longest_ns: u64,
    seconds: u64,
) -> Option<Figure> {
    let ended = sum.succeeded + sum.failed;
    let [responses, of_4xx, of_5xx] = sum.responses;
    let [passed, failed] = sum.checks;
    if let Some(percentile) = kind.percentile() {
        let waited = flying.and_then(|flying| flying.waited.as_deref());
        let empty = Coarse::default();
        let latencies = sum.latencies.as_deref().unwrap_or(&empty);
        let count = latencies.total() + waited.map_or(0, Coarse::total);
        if count == 0 {
            return None;
        }
        let ns = at_rank(latencies, waited, percentile.rank(count))?;
        return Some(Figure(ns.min(longest_ns) as f64 / 1e6));
    }
    match kind {
        AssertionKind::LatencyMax(_) | AssertionKind::PercentileMax(_) => None,
        AssertionKind::MeanMax => {
            (sum.succeeded > 0).then(|| Figure(sum.took_ns as f64 / sum.succeeded as f64 / 1e6))
        }
        AssertionKind::LongestMax => (longest_ns > 0).then_some(Figure(longest_ns as f64 / 1e6)),
        AssertionKind::ErrorRateMax => share(sum.failed, ended).map(Figure),
        AssertionKind::SuccessRateMin => share(sum.succeeded, ended).map(Figure),
        AssertionKind::RpsMin => Some(Figure(responses as f64 / seconds as f64)),
        AssertionKind::Status4xxMaxRate => share(of_4xx, responses).map(Figure),
        AssertionKind::Status5xxMaxRate => share(of_5xx, responses).map(Figure),
        AssertionKind::ChecksSuccessRateMin => share(passed, passed + failed).map(Figure),
        // The scenario has no windows of them.
        AssertionKind::LatenessP99Max | AssertionKind::RequireTrustworthy => None,
    }
}

fn is_worse(kind: AssertionKind, Figure(figure): Figure, Figure(worst): Figure) -> bool {
    if kind.is_minimum() { figure < worst } else { figure > worst }
}
