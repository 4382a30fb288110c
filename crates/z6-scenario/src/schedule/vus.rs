//! When VUs live: how many there are at each tick, and which of them start and stop.
//!
//! A rise starts the lowest numbers that were never used, a fall stops the highest living numbers,
//! and a stopped VU never returns. Therefore the living VUs are a stack in which each keeps its
//! place for life, and the interval [start, stop) of VU k follows from the schedule alone.

use std::ops::Range;
use std::sync::Arc;

use z6_events::{Actor, Tick};

use crate::model::Schedule;

#[cfg(test)]
mod tests;

/// A VU starts or stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VuChange {
    /// Tick of the start or stop.
    pub at: Tick,
    /// The number of the VU.
    pub actor: Actor,
    /// Starts (true) or stops.
    pub starts: bool,
}

/// When a VU lives: [start, stop).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// Its first tick.
    pub start: Tick,
    /// When the schedule stops it; none for one that lives to the end.
    pub stop: Option<Tick>,
}

/// From `from_ns` on: in a line from `start_vus` to `end_vus` over `length_ns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    from_ns: u64,
    start_vus: u32,
    end_vus: u32,
    length_ns: u64,
}

impl Piece {
    /// VUs wanted `after_ns` into the piece: `start ± floor(|end - start| * after / length)`.
    fn wanted(&self, after_ns: u64) -> u32 {
        let change = self.start_vus.abs_diff(self.end_vus);
        if change == 0 || after_ns >= self.length_ns {
            return self.end_vus;
        }
        let moved = u128::from(change) * u128::from(after_ns) / u128::from(self.length_ns);
        // Below `change`, as after < length.
        let moved = moved as u32;
        if self.end_vus > self.start_vus { self.start_vus + moved } else { self.start_vus - moved }
    }

    /// The first tick at which the number has moved by at least `moved` (1 ..= |end - start|).
    fn tick_moved(&self, moved: u32) -> u64 {
        let change = u128::from(self.start_vus.abs_diff(self.end_vus));
        let after = (u128::from(moved) * u128::from(self.length_ns)).div_ceil(change);
        // At most the length, as moved <= change.
        self.from_ns.saturating_add(after as u64)
    }

    fn falls(&self) -> bool {
        self.end_vus < self.start_vus
    }
}

/// The pieces of a schedule as (length, VUs at its start, VUs at its end), and the last value.
fn lines(schedule: &Schedule) -> (Vec<(u64, u32, u32)>, u32) {
    match schedule {
        Schedule::Constant { vus } => (Vec::new(), *vus),
        Schedule::Ramp { start_vus, end_vus, ramp_ns, .. } => {
            (vec![(*ramp_ns, *start_vus, *end_vus)], *end_vus)
        }
        Schedule::Spike { baseline_vus, spike_vus, start_ns, duration_ns } => {
            let before = (*start_ns, *baseline_vus, *baseline_vus);
            (vec![before, (*duration_ns, *spike_vus, *spike_vus)], *baseline_vus)
        }
        Schedule::Steps { steps } => (
            steps.iter().map(|step| (step.duration_ns, step.vus, step.vus)).collect(),
            steps.last().map_or(0, |step| step.vus),
        ),
        Schedule::Rate { .. } | Schedule::RampRate { .. } | Schedule::RateSteps { .. } => {
            (Vec::new(), 0)
        }
    }
}

/// The closed model's schedule, up to the end of the run. An open schedule wants no VUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VuSchedule {
    /// In order; the first begins at 0, the last is flat and has no end.
    pieces: Arc<[Piece]>,
    end_ns: u64,
}

impl VuSchedule {
    /// Of `schedule`; nothing starts or stops at or after `end_ns` (none: no end).
    #[must_use]
    pub fn new(schedule: &Schedule, end_ns: Option<u64>) -> VuSchedule {
        let (lines, last_vus) = lines(schedule);
        let mut pieces = Vec::with_capacity(lines.len() + 1);
        let mut from_ns = 0u64;
        for (length_ns, start_vus, end_vus) in lines {
            if length_ns > 0 {
                pieces.push(Piece { from_ns, start_vus, end_vus, length_ns });
                from_ns = from_ns.saturating_add(length_ns);
            }
        }
        pieces.push(Piece { from_ns, start_vus: last_vus, end_vus: last_vus, length_ns: u64::MAX });
        VuSchedule { pieces: pieces.into(), end_ns: end_ns.unwrap_or(u64::MAX) }
    }

    /// How many VUs are wanted at `at`, 0 from the end on.
    ///
    /// ```
    /// use z6_scenario::{Schedule, schedule::VuSchedule};
    /// use z6_events::Tick;
    ///
    /// let ramp = Schedule::Ramp { start_vus: 10, end_vus: 30, ramp_ns: 1_000, hold_ns: 500 };
    /// let vus = VuSchedule::new(&ramp, Some(1_500));
    /// assert_eq!([0, 499, 500, 1_499, 1_500].map(|ns| vus.vus_wanted(Tick(ns))), [10, 19, 20, 30, 0]);
    /// ```
    #[must_use]
    pub fn vus_wanted(&self, at: Tick) -> u32 {
        if at.0 >= self.end_ns {
            return 0;
        }
        // The first piece begins at 0, so at least one begins at or before `at`.
        let after = self.pieces.partition_point(|piece| piece.from_ns <= at.0);
        let piece = &self.pieces[after.saturating_sub(1)];
        piece.wanted(at.0 - piece.from_ns)
    }

    /// The most VUs alive at once before the end.
    #[must_use]
    pub fn peak_vus(&self) -> u32 {
        self.reachable().map(|(piece, last)| piece.start_vus.max(last)).max().unwrap_or(0)
    }

    /// How many VUs ever start before the end: their numbers are 0 .. this.
    #[must_use]
    pub fn vus_started(&self) -> u64 {
        let mut living = 0;
        let mut started = 0u64;
        for (piece, last) in self.reachable() {
            started += u64::from(piece.start_vus.saturating_sub(living));
            started += u64::from(last.saturating_sub(piece.start_vus));
            living = last;
        }
        started
    }

    /// The pieces that begin before the end, each with the number wanted at its last tick (that
    /// before the next piece or the end).
    fn reachable(&self) -> impl Iterator<Item = (&Piece, u32)> {
        let next = self.pieces.iter().skip(1).map(|piece| piece.from_ns);
        let until = next.chain([u64::MAX]).map(|from_ns| from_ns.min(self.end_ns));
        let reached = self.pieces.iter().zip(until).filter(|(piece, until)| piece.from_ns < *until);
        reached.map(|(piece, until)| (piece, piece.wanted(until - 1 - piece.from_ns)))
    }

    /// When `actor` lives; none if it never starts. O(pieces).
    #[must_use]
    pub fn lifetime(&self, actor: Actor) -> Option<Lifetime> {
        let mut started = 0u64;
        let mut living = 0u32;
        for (index, (piece, last)) in self.reachable().enumerate() {
            for (from, to) in [(living, piece.start_vus), (piece.start_vus, last)] {
                let rise = u64::from(to.saturating_sub(from));
                if actor.0 < started + rise {
                    // Its place in the stack of the living, which it keeps. Fits: below `to`.
                    let place = from + (actor.0 - started) as u32;
                    let start = if place < piece.start_vus {
                        piece.from_ns
                    } else {
                        piece.tick_moved(place + 1 - piece.start_vus)
                    };
                    let stop = self.stop(index, place).map(Tick);
                    return Some(Lifetime { start: Tick(start), stop });
                }
                started += rise;
            }
            living = last;
        }
        None
    }

    /// When the VU at `place` that started in piece `index` stops: the first tick after its start
    /// at which no more than `place` VUs are wanted.
    fn stop(&self, index: usize, place: u32) -> Option<u64> {
        for (later, (piece, last)) in self.reachable().skip(index).enumerate() {
            if later > 0 && piece.start_vus <= place {
                return Some(piece.from_ns);
            }
            if piece.falls() && last <= place {
                return Some(piece.tick_moved(piece.start_vus - place));
            }
        }
        None
    }

    /// All starts and stops before the end.
    #[must_use]
    pub fn changes(&self) -> VuChanges {
        VuChanges {
            schedule: self.clone(),
            piece: 0,
            in_piece: false,
            at: 0,
            wanted: 0,
            started: 0,
            to_start: 0,
            living: Vec::with_capacity(self.pieces.len()),
            stopping: Vec::new(),
        }
    }
}

/// Iterator over the VU changes of a schedule, in order of (tick, actor). At one tick VUs either
/// start or stop, never both: the number wanted only rises or only falls there. Memory is bounded
/// by the number of pieces of the schedule, not by VUs.
#[derive(Debug, Clone)]
pub struct VuChanges {
    schedule: VuSchedule,
    /// The piece to look in next, and whether its first tick is behind us.
    piece: usize,
    in_piece: bool,
    /// The last tick at which the number changed, and the number from then on.
    at: u64,
    wanted: u32,
    /// Numbers given so far, and still to be given at `at`.
    started: u64,
    to_start: u32,
    /// The living, as rising runs of numbers: no two touch.
    living: Vec<Range<u64>>,
    /// Those still to be stopped at `at`, highest run first.
    stopping: Vec<Range<u64>>,
}

impl VuChanges {
    /// The next tick at which another number is wanted, and that number.
    fn next_wanted(&mut self) -> Option<(u64, u32)> {
        loop {
            let piece = *self.schedule.pieces.get(self.piece)?;
            if !self.in_piece {
                self.in_piece = true;
                if piece.start_vus != self.wanted {
                    return Some((piece.from_ns, piece.start_vus));
                }
            }
            let moved = piece.start_vus.abs_diff(self.wanted);
            if moved < piece.start_vus.abs_diff(piece.end_vus) {
                let at = piece.tick_moved(moved + 1);
                // The tick at which a line ends belongs to the piece after it.
                if at - piece.from_ns < piece.length_ns {
                    return Some((at, piece.wanted(at - piece.from_ns)));
                }
            }
            self.piece += 1;
            self.in_piece = false;
        }
    }

    /// Takes the highest `count` of the living off the stack, to be stopped.
    fn stop_highest(&mut self, count: u32) {
        let mut left = u64::from(count);
        while left > 0 {
            let Some(top) = self.living.last_mut() else { return };
            let from = top.start.max(top.end.saturating_sub(left));
            self.stopping.push(from..top.end);
            left -= top.end - from;
            top.end = from;
            if top.is_empty() {
                self.living.pop();
            }
        }
    }

    /// Gives the next number to a new VU.
    fn start_one(&mut self) -> u64 {
        let actor = self.started;
        self.started += 1;
        self.to_start -= 1;
        match self.living.last_mut() {
            Some(top) if top.end == actor => top.end = self.started,
            Some(_) | None => self.living.push(actor..self.started),
        }
        actor
    }

    /// The lowest of those to be stopped.
    fn stop_one(&mut self) -> Option<u64> {
        let lowest = self.stopping.last_mut()?;
        let actor = lowest.start;
        lowest.start += 1;
        if lowest.is_empty() {
            self.stopping.pop();
        }
        Some(actor)
    }
}

impl Iterator for VuChanges {
    type Item = VuChange;

    fn next(&mut self) -> Option<VuChange> {
        loop {
            if self.to_start > 0 {
                let actor = Actor(self.start_one());
                return Some(VuChange { at: Tick(self.at), actor, starts: true });
            }
            if let Some(actor) = self.stop_one() {
                return Some(VuChange { at: Tick(self.at), actor: Actor(actor), starts: false });
            }
            let (at, wanted) = self.next_wanted()?;
            if at >= self.schedule.end_ns {
                self.piece = usize::MAX;
                return None;
            }
            if wanted > self.wanted {
                self.to_start = wanted - self.wanted;
            } else {
                self.stop_highest(self.wanted - wanted);
            }
            self.at = at;
            self.wanted = wanted;
        }
    }
}
