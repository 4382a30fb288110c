//! When arrivals are planned: the inverse of the exact integral of the rate.
//!
//! The integral R is counted in *units* of which [`UNITS_PER_ARRIVAL`] make one arrival, chosen so
//! that every rate (millionths per second) over every time (nanoseconds), including a linear change
//! from one rate to another, is a whole number of units at the ends of its piece. Therefore nothing
//! drifts: arrival n is computed from n, not from the arrival before it.

use std::sync::Arc;

use z6_events::{Actor, Tick};

use crate::model::{Arrivals, RateStage, Schedule, Users};
use crate::random::{Domain, Label};

#[cfg(test)]
mod tests;

/// Units in one arrival: 10^6 (rates are in millionths) x 10^9 (times in nanoseconds) x 2 (half the
/// base times the height of a ramp's triangle).
pub const UNITS_PER_ARRIVAL: u64 = 2_000_000_000_000_000;

/// An arrival is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Tick at which the arrival is planned.
    pub at: Tick,
    /// The number of the arrival.
    pub actor: Actor,
}

/// From `from_ns` on: the rate goes in a line from `start_rate` to `end_rate` over `length_ns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    from_ns: u64,
    /// The integral at `from_ns`, units.
    level: u128,
    /// Millionths per second.
    start_rate: u64,
    /// Millionths per second.
    end_rate: u64,
    length_ns: u64,
}

impl Piece {
    /// The integral over the first `after_ns` of the piece, units, rounded down:
    /// `2 start t + (end - start) t^2 / length`.
    fn units(&self, after_ns: u64) -> u128 {
        let t = u128::from(after_ns);
        let flat = (2 * u128::from(self.start_rate)).saturating_mul(t);
        let change = u128::from(self.start_rate.abs_diff(self.end_rate));
        if change == 0 {
            return flat;
        }
        // change * t^2 may exceed 128 bits, so t^2 / length is taken apart first.
        let length = u128::from(self.length_ns);
        let (whole, rest) = (t * t / length, t * t % length);
        if self.end_rate > self.start_rate {
            flat.saturating_add(change * whole + change * rest / length)
        } else {
            flat.saturating_sub(change * whole + (change * rest).div_ceil(length))
        }
    }

    /// The smallest time into the piece at which its integral is at least `units`; none if it never
    /// is. For a line: `units` is at most the integral over its whole length.
    fn time_of(&self, units: u128) -> Option<u64> {
        if units == 0 {
            return Some(0);
        }
        if self.start_rate != self.end_rate {
            return Some(self.time_in_line(units));
        }
        let per_ns = 2 * u128::from(self.start_rate);
        if per_ns == 0 { None } else { u64::try_from(units.div_ceil(per_ns)).ok() }
    }

    /// [`Piece::time_of`] if the rate changes. A guess in floating point says where to begin; the
    /// answer is found by integers alone, so it does not depend on the guess.
    fn time_in_line(&self, units: u128) -> u64 {
        let reached = |t: u64| self.units(t) >= units;
        let guess = self.guess(units);
        // Widen from the guess until not reached(low) and reached(high) or high = length.
        let (mut low, mut high) = (guess, guess);
        let mut width = 1u64;
        while low > 0 && reached(low) {
            high = low;
            low = low.saturating_sub(width);
            width = width.saturating_mul(2);
        }
        if low == 0 && reached(0) {
            return 0;
        }
        while high < self.length_ns && !reached(high) {
            low = high;
            high = high.saturating_add(width).min(self.length_ns);
            width = width.saturating_mul(2);
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if reached(middle) { high = middle } else { low = middle }
        }
        high
    }

    /// About where the integral reaches `units`: the root of the quadratic, in the form that does
    /// not cancel. Any answer in [0, length] is good enough.
    fn guess(&self, units: u128) -> u64 {
        let [start, end] = [self.start_rate, self.end_rate].map(|rate| rate as f64);
        let units = units as f64;
        let slope = (end - start) / self.length_ns as f64;
        let root = libm::sqrt((start * start + slope * units).max(0.0));
        ((units / (start + root)) as u64).min(self.length_ns)
    }
}

/// The pieces of a schedule as (length, rate at its start, rate at its end), and the last rate.
fn lines(schedule: &Schedule) -> (Vec<(u64, u64, u64)>, u64) {
    match schedule {
        Schedule::Rate { per_second_micro, .. } => (Vec::new(), *per_second_micro),
        Schedule::RampRate { start_per_second_micro, end_per_second_micro, ramp_ns, .. } => (
            vec![(*ramp_ns, *start_per_second_micro, *end_per_second_micro)],
            *end_per_second_micro,
        ),
        Schedule::RateSteps { steps, .. } => {
            let line = |step: &crate::model::RateStep| {
                (step.duration_ns, step.per_second_micro, step.per_second_micro)
            };
            (steps.iter().map(line).collect(), steps.last().map_or(0, |s| s.per_second_micro))
        }
        Schedule::RateStages { start_per_second_micro, stages, .. } => {
            let mut rate = *start_per_second_micro;
            let line = |stage: &RateStage| {
                let to = stage.per_second_micro;
                let before = std::mem::replace(&mut rate, to);
                (stage.duration_ns, stage.shape.start(before, to), to)
            };
            let lines = stages.iter().map(line).collect();
            (lines, rate)
        }
        Schedule::Constant { .. }
        | Schedule::Ramp { .. }
        | Schedule::Spike { .. }
        | Schedule::Steps { .. }
        | Schedule::Stages { .. } => (Vec::new(), 0),
    }
}

/// The open model's schedule, up to the end of the run. A closed schedule has no arrivals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivalSchedule {
    /// In order; the first begins with the schedule, the last is flat and has no end.
    pieces: Arc<[Piece]>,
    gaps: Option<Arrivals>,
    end_ns: u64,
    max_arrivals: u64,
}

impl ArrivalSchedule {
    /// Of `schedule`, with no arrival at or after `end_ns` (none: no end) and at most
    /// `max_arrivals` in all (none: no limit).
    #[must_use]
    pub fn new(
        schedule: &Schedule,
        end_ns: Option<u64>,
        max_arrivals: Option<u64>,
    ) -> ArrivalSchedule {
        ArrivalSchedule::between(schedule, 0, end_ns, max_arrivals)
    }

    /// Of users in a run that ends at `end_ns`, with at most `max_arrivals` (none: no limit).
    #[must_use]
    pub fn of_users(
        users: &Users,
        end_ns: Option<u64>,
        max_arrivals: Option<u64>,
    ) -> ArrivalSchedule {
        let start_ns = users.start_after_ns;
        let stop_ns = users.duration_ns.map(|ns| start_ns.saturating_add(ns));
        let end_ns = match (end_ns, stop_ns) {
            (Some(end_ns), Some(stop_ns)) => Some(end_ns.min(stop_ns)),
            (end_ns, stop_ns) => end_ns.or(stop_ns),
        };
        ArrivalSchedule::between(&users.schedule, start_ns, end_ns, max_arrivals)
    }

    fn between(
        schedule: &Schedule,
        start_ns: u64,
        end_ns: Option<u64>,
        max_arrivals: Option<u64>,
    ) -> ArrivalSchedule {
        let (lines, last_rate) = lines(schedule);
        let mut pieces = Vec::with_capacity(lines.len() + 1);
        let (mut from_ns, mut level) = (start_ns, 0u128);
        for (length_ns, start_rate, end_rate) in lines {
            if length_ns > 0 {
                let piece = Piece { from_ns, level, start_rate, end_rate, length_ns };
                pieces.push(piece);
                from_ns = from_ns.saturating_add(length_ns);
                level = level.saturating_add(piece.units(length_ns));
            }
        }
        pieces.push(Piece {
            from_ns,
            level,
            start_rate: last_rate,
            end_rate: last_rate,
            length_ns: u64::MAX,
        });
        ArrivalSchedule {
            pieces: pieces.into(),
            gaps: schedule.gaps(),
            end_ns: end_ns.unwrap_or(u64::MAX),
            max_arrivals: max_arrivals.unwrap_or(u64::MAX),
        }
    }

    /// How gaps are drawn; none for a closed schedule.
    #[must_use]
    pub fn gaps(&self) -> Option<Arrivals> {
        self.gaps
    }

    /// How many arrivals are planned in all if gaps are not drawn; with Poisson arrivals about how
    /// many. None without an end or a limit.
    #[must_use]
    pub fn arrivals_expected(&self) -> Option<u64> {
        let begins_at = self.pieces.first().map_or(0, |piece| piece.from_ns);
        if self.gaps.is_none() || self.end_ns <= begins_at {
            return Some(0);
        }
        let in_time = if self.end_ns == u64::MAX {
            u64::MAX
        } else {
            let reached = self.level_at(self.end_ns - 1) / u128::from(UNITS_PER_ARRIVAL);
            u64::try_from(reached).map_or(u64::MAX, |last| last.saturating_add(1))
        };
        Some(in_time.min(self.max_arrivals)).filter(|&arrivals| arrivals < u64::MAX)
    }

    /// The integral of the rate from 0 to `at_ns`, units, rounded down.
    fn level_at(&self, at_ns: u64) -> u128 {
        let after = self.pieces.partition_point(|piece| piece.from_ns <= at_ns);
        let piece = &self.pieces[after.saturating_sub(1)];
        piece.level.saturating_add(piece.units(at_ns - piece.from_ns))
    }

    /// The ticks of arrivals by number; `seed` as with [`arrivals`](ArrivalSchedule::arrivals).
    #[must_use]
    pub fn by_number(&self, seed: u64) -> ArrivalIndex {
        ArrivalIndex { ticks: self.arrivals(seed), noted: Vec::new() }
    }

    /// The same for the population of this name, whose gaps are its own.
    pub(crate) fn by_number_of(&self, seed: u64, population: &str) -> ArrivalIndex {
        ArrivalIndex { ticks: self.arrivals_of(seed, population), noted: Vec::new() }
    }

    /// All arrivals, `seed` being needed if gaps are drawn. Constant memory.
    ///
    /// ```
    /// use z6_scenario::{Arrivals, Schedule, schedule::ArrivalSchedule};
    ///
    /// let rate = Schedule::Rate {
    ///     per_second_micro: 2_000_000_000, // 2,000 per second
    ///     arrivals: Arrivals::Constant,
    ///     max_in_flight: 100,
    /// };
    /// let ten_seconds = ArrivalSchedule::new(&rate, Some(10_000_000_000), None);
    /// let ticks: Vec<u64> = ten_seconds.arrivals(42).map(|arrival| arrival.at.0).collect();
    /// assert_eq!((ticks[0], ticks[1], ticks.len()), (0, 500_000, 20_000));
    /// ```
    #[must_use]
    pub fn arrivals(&self, seed: u64) -> ArrivalTicks {
        self.arrivals_of(seed, "")
    }

    /// The same for the population of this name, whose gaps are its own.
    pub(crate) fn arrivals_of(&self, seed: u64, population: &str) -> ArrivalTicks {
        ArrivalTicks {
            schedule: self.clone(),
            domain: Domain::new(seed, Label::ARRIVAL).of_population(population),
            piece: 0,
            next: 0,
            level: 0,
        }
    }
}

/// Iterator over the arrivals of a schedule, in order of time; actors are numbered 0, 1, 2 ..
#[derive(Debug, Clone)]
pub struct ArrivalTicks {
    schedule: ArrivalSchedule,
    domain: Domain,
    /// The piece the last arrival was in.
    piece: usize,
    /// The next arrival's number; past the limit once all are done.
    next: u64,
    /// The running sum of drawn gaps, units.
    level: u128,
}

impl ArrivalTicks {
    /// The level of the integral at which the next arrival falls due.
    fn next_level(&mut self, gaps: Arrivals) -> u128 {
        match gaps {
            Arrivals::Constant => u128::from(self.next) * u128::from(UNITS_PER_ARRIVAL),
            Arrivals::Poisson => {
                let gap = self.domain.generator(self.next, 0).unit_exponential();
                self.level = self.level.saturating_add(gap.times(UNITS_PER_ARRIVAL));
                self.level
            }
        }
    }

    /// The smallest tick at which the integral is at least `level`, which never goes down.
    fn tick_of(&mut self, level: u128) -> Option<u64> {
        let pieces = &self.schedule.pieces;
        while pieces.get(self.piece + 1).is_some_and(|next| next.level < level) {
            self.piece += 1;
        }
        let piece = pieces.get(self.piece)?;
        piece.from_ns.checked_add(piece.time_of(level.saturating_sub(piece.level))?)
    }
}

impl Iterator for ArrivalTicks {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let gaps = self.schedule.gaps?;
        if self.next >= self.schedule.max_arrivals {
            return None;
        }
        let level = self.next_level(gaps);
        let at = self.tick_of(level).filter(|at| *at < self.schedule.end_ns);
        let Some(at) = at else {
            self.next = u64::MAX;
            return None;
        };
        let actor = Actor(self.next);
        self.next += 1;
        Some(Arrival { at: Tick(at), actor })
    }
}

/// Arrivals from one whose level is noted to the next.
const NOTED_EVERY: u64 = 64;

/// When an arrival of any number is planned.
///
/// If gaps are not drawn, that is arithmetic. If they are, a level is the sum of all gaps before it: they are
/// drawn up to the highest number that was ever asked for, and one level in `NOTED_EVERY` is kept (16 bytes),
/// from which the others are drawn again.
#[derive(Debug, Clone)]
pub struct ArrivalIndex {
    ticks: ArrivalTicks,
    /// The levels before arrivals 0, [`NOTED_EVERY`], and so on.
    noted: Vec<u128>,
}

impl ArrivalIndex {
    /// Whether the work for any number is the same, whatever was asked before.
    #[must_use]
    pub fn is_arithmetic(&self) -> bool {
        self.ticks.schedule.gaps != Some(Arrivals::Poisson)
    }

    /// When `actor` is planned; none if there is no such arrival.
    pub fn tick(&mut self, actor: Actor) -> Option<Tick> {
        let gaps = self.ticks.schedule.gaps?;
        if actor.0 >= self.ticks.schedule.max_arrivals {
            return None;
        }
        let level = match gaps {
            Arrivals::Constant => u128::from(actor.0) * u128::from(UNITS_PER_ARRIVAL),
            Arrivals::Poisson => self.drawn_level(actor.0),
        };
        let pieces = &self.ticks.schedule.pieces;
        self.ticks.piece = pieces.partition_point(|piece| piece.level < level).saturating_sub(1);
        let at = self.ticks.tick_of(level)?;
        (at < self.ticks.schedule.end_ns).then_some(Tick(at))
    }

    /// The sum of all gaps up to that of arrival `number`.
    fn drawn_level(&mut self, number: u64) -> u128 {
        let ArrivalIndex { ticks, noted } = self;
        if noted.is_empty() {
            noted.push(0);
        }
        let near = (number / NOTED_EVERY).min(noted.len() as u64 - 1);
        if ticks.next > number || ticks.next < near * NOTED_EVERY {
            ticks.next = near * NOTED_EVERY;
            ticks.level = noted[near as usize];
        }
        while ticks.next <= number {
            ticks.next_level(Arrivals::Poisson);
            ticks.next += 1;
            if ticks.next == noted.len() as u64 * NOTED_EVERY {
                noted.push(ticks.level);
            }
        }
        ticks.level
    }
}
