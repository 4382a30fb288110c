//! Named assertions: what is gathered of the requests that each is about, over the whole run or in windows,
//! and when the run has to stop. Beside the fold, and absent where a scenario has none.
//!
//! Knows requests as they end and those in flight, not how events are paired. `coarse` (latencies of a
//! second), `second` (what happens in one), `window` (sliding windows), `whole` (the whole run); across shards
//! `deltas` (what a shard gathers), `report` (that as bytes), `judge` (windows over all shards).

mod coarse;
mod deltas;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod judge;
mod report;
mod second;
mod whole;
mod window;

use z6_events::{ErrorKind, ExchangeSlot, RequestId, Tick};
use z6_scenario::expression::{Asked, Part};
use z6_scenario::{Assertion, AssertionKind, Goal, NS_PER_SECOND, Scenario};

use crate::assertions::{AssertionResult, Found, result_of, result_of_windows};
use crate::error::FoldError;
use crate::outline::Outline;
use crate::pairing::OpenRequests;
use crate::verdict::Verdict;
use deltas::Deltas;
pub use judge::ShardJudge;
use judge::stops_shards;
use report::Report;
pub use report::ReportError;
use whole::Whole;
pub(crate) use window::Worst;
use window::{LAG_SECONDS_MAX, Windows};

/// How many seconds a request can be in flight: no timeout is longer. A worker that says nothing for longer
/// had none.
const IN_FLIGHT_SECONDS_MAX: u64 = 3_700;

/// The assertion that asked for the end of the run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Tripped {
    /// Its name.
    pub assertion: String,
    /// The second of the run at which the window ended that did not hold.
    pub second: u64,
}

impl Tripped {
    /// Of the assertion with this name, at this second of the run.
    #[must_use]
    pub fn new(assertion: String, second: u64) -> Tripped {
        Tripped { assertion, second }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As expected.
    Succeeded,
    /// With an answer or without one; how long it took says nothing.
    Failed,
    /// It failed for lack of an answer: it would have taken longer.
    TimedOut,
    /// Without an answer, and not as a failure: the run ended, or it was never sent.
    GivenUp,
}

impl Outcome {
    /// Of a request that failed with this kind.
    pub(crate) const fn from_error(error: ErrorKind) -> Outcome {
        if error.is_censored() { Outcome::TimedOut } else { Outcome::Failed }
    }
}

/// A request that ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) asked: Asked,
    pub(crate) planned: Tick,
    pub(crate) status: Option<u16>,
    pub(crate) outcome: Outcome,
    /// Since it was planned, nanoseconds.
    pub(crate) took_ns: u64,
    /// Checks that passed, and that did not.
    pub(crate) checks: [u64; 2],
}

/// What is gathered for one goal.
#[derive(Debug, Clone)]
enum Gathered {
    Whole(Box<Whole>),
    Windows(Box<Windows>),
    /// For windows that are judged elsewhere.
    Deltas(Box<Deltas>),
}

/// What a shard reports of its windows.
#[derive(Debug, Clone, Default)]
struct Reports {
    /// The last second that was reported.
    passed: u64,
    end_told: bool,
    /// Those that were not taken yet.
    out: Vec<Report>,
}

#[derive(Debug, Clone)]
struct State {
    goal: Goal,
    gathered: Gathered,
}

impl State {
    /// Whether a request is one of those that the goal is about.
    fn has(&self, ended: &Ended) -> bool {
        let part = self.goal.part.as_ref();
        part.is_none_or(|part| part.has(ended.asked, ended.status))
    }
}

/// The named assertions of a scenario.
#[derive(Debug, Clone)]
pub(crate) struct Goals {
    states: Vec<State>,
    /// By request: how many checks it has.
    checks: Vec<u64>,
    /// By worker: the exchange whose checks failed just before its end, and how many.
    failed_checks: Vec<Option<(ExchangeSlot, u64)>>,
    /// By worker.
    ends: Vec<Option<Tick>>,
    tripped: Option<Tripped>,
    /// The last second at which the verdict was looked at; the end of time if it stops no run.
    trusted: u64,
    /// None unless windows are judged elsewhere.
    reports: Option<Reports>,
}

impl Goals {
    /// None if the scenario has none.
    pub(crate) fn new(outline: &Outline, workers: u16) -> Option<Goals> {
        let needs_checks = |one: &&Assertion| one.kind == AssertionKind::ChecksSuccessRateMin;
        // What is demanded of the checks of all requests is gathered like what is demanded of some.
        let unnamed = outline.assertions.iter().find(needs_checks).map(|one| Goal {
            name: String::new(),
            part: None,
            assertions: vec![*one],
            window_seconds: None,
            min_requests: 1,
            after_ns: outline.warmup.0,
            active_ns: (0, None),
            stops: false,
        });
        let states: Vec<State> = unnamed
            .into_iter()
            .chain(outline.goals.iter().cloned())
            .map(|goal| State {
                gathered: match goal.window_seconds {
                    Some(seconds) => Gathered::Windows(Box::new(Windows::new(&goal, seconds))),
                    None => Gathered::Whole(Box::new(Whole::new(&goal, workers))),
                },
                goal,
            })
            .collect();
        (!states.is_empty()).then(|| Goals {
            states,
            checks: outline.checks.clone(),
            failed_checks: vec![None; usize::from(workers)],
            ends: vec![None; usize::from(workers)],
            tripped: None,
            trusted: 0,
            reports: None,
        })
    }

    /// Gathers what a shard reports of the windows that stop the run, and judges nothing. None if no window does.
    pub(crate) fn reporting(scenario: &Scenario, workers: u16) -> Option<Goals> {
        let outline = Outline::from_scenario(scenario);
        let numbered = (0..).zip(outline.goals);
        let states: Vec<State> = numbered
            .filter_map(|(number, goal)| {
                let deltas = Deltas::new(number, &goal, stops_shards(&goal)?);
                Some(State { gathered: Gathered::Deltas(Box::new(deltas)), goal })
            })
            .collect();
        (!states.is_empty()).then(|| Goals {
            states,
            checks: outline.checks,
            failed_checks: vec![None; usize::from(workers)],
            ends: vec![None; usize::from(workers)],
            tripped: None,
            trusted: u64::MAX,
            reports: Some(Reports::default()),
        })
    }

    /// The verdict ends no run of several shards: no shard knows it while they run.
    pub(crate) fn ignore_verdict(&mut self) {
        self.trusted = u64::MAX;
    }

    /// Checks on the response of an exchange failed: its end follows.
    pub(crate) fn checks_failed(&mut self, worker: usize, exchange: ExchangeSlot, failed: u64) {
        self.failed_checks[worker] = Some((exchange, u64::from(failed.count_ones())));
    }

    /// How many checks of a complete response passed, and how many did not.
    pub(crate) fn checks_of(
        &mut self,
        worker: usize,
        exchange: ExchangeSlot,
        request: RequestId,
    ) -> [u64; 2] {
        let all = self.checks.get(request.index()).copied().unwrap_or(0);
        let failed = self.failed_checks[worker].take().filter(|(of, _)| *of == exchange);
        let failed = failed.map_or(0, |(_, failed)| failed.min(all));
        [all - failed, failed]
    }

    /// A request ended.
    pub(crate) fn ended(
        &mut self,
        worker: usize,
        at: Tick,
        ended: &Ended,
    ) -> Result<(), FoldError> {
        for state in &mut self.states {
            if !state.has(ended) {
                continue;
            }
            match &mut state.gathered {
                Gathered::Whole(whole) => whole.ended(worker, at, ended)?,
                Gathered::Windows(windows) => windows.ended(at.0 / NS_PER_SECOND, ended),
                Gathered::Deltas(deltas) => deltas.ended(at.0 / NS_PER_SECOND, ended),
            }
        }
        Ok(())
    }

    /// A worker passes all seconds after `from` up to `to`, while these requests are in flight.
    pub(crate) fn passing(&mut self, (from, to): (u64, u64), open: &OpenRequests) {
        let from = from.max(to.saturating_sub(IN_FLIGHT_SECONDS_MAX));
        for state in &mut self.states {
            if let Gathered::Whole(_) = state.gathered {
                continue;
            }
            let part: Option<&Part> = state.goal.part.as_ref();
            let has = |asked| part.is_none_or(|part| part.has(asked, None));
            for (asked, planned) in open.planned() {
                if !has(asked) {
                    continue;
                }
                for second in from + 1..=to {
                    let at = Tick(second.saturating_mul(NS_PER_SECOND));
                    let waited_ns = at.since(planned);
                    match &mut state.gathered {
                        Gathered::Whole(_) => {}
                        Gathered::Windows(windows) => windows.in_flight(second, waited_ns),
                        Gathered::Deltas(deltas) => deltas.in_flight(second, waited_ns),
                    }
                }
            }
        }
    }

    /// The end tick of a worker is known.
    pub(crate) fn end(&mut self, worker: usize, end: Tick) {
        self.ends[worker] = Some(end);
        for state in &mut self.states {
            if let Gathered::Whole(whole) = &mut state.gathered {
                whole.end(worker, end);
            }
        }
    }

    /// All workers have passed this second; `newest` is that of the fastest.
    pub(crate) fn reached(&mut self, second: u64, newest: u64) {
        if self.reports.is_some() {
            return self.report(second.max(newest.saturating_sub(LAG_SECONDS_MAX)));
        }
        // Once all workers have ended, nothing more is asked of the target.
        let last = self.last_end().unwrap_or(u64::MAX);
        for state in &mut self.states {
            let Gathered::Windows(windows) = &mut state.gathered else { continue };
            let broken = windows.reached(second.min(last), newest.min(last));
            if let Some(second) = broken.filter(|_| state.goal.stops) {
                let is_first = self.tripped.as_ref().is_none_or(|before| second < before.second);
                if is_first {
                    self.tripped = Some(Tripped { assertion: state.goal.name.clone(), second });
                }
            }
        }
    }

    /// The second in which the last worker ended, once all have.
    fn last_end(&self) -> Option<u64> {
        let ends = self.ends.iter().copied();
        let end = ends.reduce(|a, b| Some(a?.max(b?))).flatten();
        end.map(|end| end.0 / NS_PER_SECOND)
    }

    /// Reports what has happened up to this second.
    fn report(&mut self, second: u64) {
        if self.reports.as_ref().is_none_or(|reports| second <= reports.passed) {
            return;
        }
        self.report_deltas(second);
        self.report_end();
        if let Some(reports) = &mut self.reports {
            reports.out.push(Report::Passed { second });
            reports.passed = second;
        }
    }

    /// Reports once when the last worker ended.
    fn report_end(&mut self) {
        let end = self.last_end();
        if let (Some(reports), Some(second)) = (&mut self.reports, end)
            && !reports.end_told
        {
            reports.end_told = true;
            reports.out.push(Report::End { second });
        }
    }

    /// Reports the deltas of all seconds up to this one.
    fn report_deltas(&mut self, to: u64) {
        let Some(reports) = &mut self.reports else { return };
        let last = self.states.iter().map(|state| match &state.gathered {
            Gathered::Deltas(deltas) => deltas.last(),
            Gathered::Whole(_) | Gathered::Windows(_) => 0,
        });
        let last = last.max().unwrap_or(0);
        for second in reports.passed + 1..=to.min(last) {
            for state in &mut self.states {
                let Gathered::Deltas(deltas) = &mut state.gathered else { continue };
                if let Some(delta) = deltas.take(second) {
                    let (goal, delta) = (deltas.goal, Box::new(delta));
                    reports.out.push(Report::Delta { goal, second, delta });
                }
            }
        }
    }

    /// All workers have finished, the last in this second.
    pub(crate) fn finished(&mut self, newest: u64) {
        if self.reports.is_none() {
            return;
        }
        self.report_deltas(u64::MAX);
        self.report_end();
        if let Some(reports) = &mut self.reports {
            reports.out.push(Report::Finished { second: newest });
            reports.passed = u64::MAX;
        }
    }

    /// Takes what is to be reported: [`ShardJudge::take`].
    pub(crate) fn take_reports(&mut self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let out = self.reports.iter_mut().flat_map(|reports| reports.out.drain(..));
        out.map(|report| report.encode())
    }

    /// Whether the verdict so far decides whether the run goes on, at this second that all workers have
    /// passed: once for each second.
    pub(crate) fn asks_for_verdict(&mut self, second: u64) -> bool {
        let is_new = self.tripped.is_none()
            && second > self.trusted
            && self.states.iter().any(|state| state.asks_for_verdict(second));
        if is_new {
            self.trusted = second;
        }
        is_new
    }

    /// The verdict at a second.
    pub(crate) fn verdict(&mut self, second: u64, verdict: Verdict) {
        let state = self.states.iter().find(|state| state.asks_for_verdict(second));
        if let (Verdict::Degraded, Some(state)) = (verdict, state) {
            self.tripped.get_or_insert(Tripped { assertion: state.goal.name.clone(), second });
        }
    }

    /// Which assertion asks for the end of the run, if one does.
    pub(crate) const fn tripped(&self) -> Option<&Tripped> {
        self.tripped.as_ref()
    }

    /// What is demanded of the checks of all requests.
    pub(crate) fn of_checks(&self, ended_at: Tick) -> Found {
        match self.states.first() {
            Some(State { goal, gathered: Gathered::Whole(whole) }) if goal.name.is_empty() => {
                whole.found(AssertionKind::ChecksSuccessRateMin, ended_at)
            }
            _ => Found::Nothing,
        }
    }

    /// The results, in the order of the scenario.
    pub(crate) fn results(&self, ended_at: Tick, verdict: Verdict) -> Vec<AssertionResult> {
        let mut results = Vec::new();
        for State { goal, gathered } in self.states.iter().filter(|one| !one.goal.name.is_empty()) {
            for (index, assertion) in goal.assertions.iter().enumerate() {
                let result = match gathered {
                    Gathered::Whole(whole) => {
                        let found = if assertion.kind == AssertionKind::RequireTrustworthy {
                            Found::Verdict(verdict)
                        } else if (1..goal.min_requests).contains(&whole.requests()) {
                            Found::TooFew(whole.requests())
                        } else {
                            whole.found(assertion.kind, ended_at)
                        };
                        result_of(*assertion, &found)
                    }
                    // They are judged elsewhere.
                    Gathered::Deltas(_) => continue,
                    Gathered::Windows(windows) => {
                        let worst = windows.worst.get(index).copied().flatten();
                        result_of_windows(*assertion, windows.judged, worst)
                    }
                };
                results.push(AssertionResult { goal: Some(goal.name.clone()), ..result });
            }
        }
        results
    }
}

impl State {
    fn asks_for_verdict(&self, second: u64) -> bool {
        let Goal { stops, after_ns, .. } = self.goal;
        stops && self.goal.requires_trustworthy() && second * NS_PER_SECOND > after_ns
    }
}
