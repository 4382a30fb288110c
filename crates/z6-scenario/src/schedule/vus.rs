//! When VUs live: how many there are at each tick, and which of them start and stop.
//!
//! A rise starts the lowest numbers that were never used, a fall stops the highest living numbers,
//! and a stopped VU never returns. Therefore the living VUs are a stack in which each keeps its
//! place for life, and the interval [start, stop) of VU k follows from the schedule alone.

use std::ops::Range;
use std::sync::Arc;

use z6_events::{Actor, Partition, Population, Tick};

use crate::model::{Schedule, Users, VuStage};
use lows::Lows;

mod lows;
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
        Schedule::Stages { start_vus, stages } => {
            let mut vus = *start_vus;
            let line = |stage: &VuStage| {
                let before = std::mem::replace(&mut vus, stage.vus);
                (stage.duration_ns, stage.shape.start(before, stage.vus), stage.vus)
            };
            let lines = stages.iter().map(line).collect();
            (lines, vus)
        }
        Schedule::Rate { .. }
        | Schedule::RampRate { .. }
        | Schedule::RateSteps { .. }
        | Schedule::RateStages { .. } => (Vec::new(), 0),
    }
}

/// VUs that start one after the other while the number wanted rises in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rise {
    /// The first of them.
    actor: u64,
    /// Its place in the stack of the living, which it keeps: how many live below it.
    place: u32,
    piece: usize,
}

/// The closed model's schedule, up to the end of the run. An open schedule wants no VUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VuSchedule {
    /// In order; the first begins at 0, the last is flat and has no end.
    pieces: Arc<[Piece]>,
    end_ns: u64,
    /// All before the end, by number.
    rises: Arc<[Rise]>,
    /// How many VUs start before the end.
    started: u64,
    /// The fewest VUs wanted in each piece that begins before the end.
    lows: Lows,
}

impl VuSchedule {
    /// Of `schedule`; nothing starts or stops at or after `end_ns` (none: no end). O(pieces).
    #[must_use]
    pub fn new(schedule: &Schedule, end_ns: Option<u64>) -> VuSchedule {
        VuSchedule::between(schedule, 0, None, end_ns)
    }

    /// Of users in a run that ends at `end_ns`: their schedule begins at `start_ns`, and at `stop_ns` the
    /// last of them stop. The two are within the run.
    #[must_use]
    pub fn of_users(users: &Users, end_ns: Option<u64>) -> VuSchedule {
        let stop_ns = users.duration_ns.map(|ns| users.start_after_ns.saturating_add(ns));
        VuSchedule::between(&users.schedule, users.start_after_ns, stop_ns, end_ns)
    }

    fn between(
        schedule: &Schedule,
        start_ns: u64,
        stop_ns: Option<u64>,
        end_ns: Option<u64>,
    ) -> VuSchedule {
        let (lines, last_vus) = lines(schedule);
        let mut pieces = Vec::with_capacity(lines.len() + 3);
        let mut from_ns = start_ns;
        if start_ns > 0 {
            pieces.push(Piece { from_ns: 0, start_vus: 0, end_vus: 0, length_ns: start_ns });
        }
        for (length_ns, start_vus, end_vus) in lines {
            if length_ns > 0 {
                pieces.push(Piece { from_ns, start_vus, end_vus, length_ns });
                from_ns = from_ns.saturating_add(length_ns);
            }
        }
        pieces.push(Piece { from_ns, start_vus: last_vus, end_vus: last_vus, length_ns: u64::MAX });
        if let Some(from_ns) = stop_ns {
            pieces.retain(|piece| piece.from_ns < from_ns);
            pieces.push(Piece { from_ns, start_vus: 0, end_vus: 0, length_ns: u64::MAX });
        }
        let mut schedule = VuSchedule {
            pieces: pieces.into(),
            end_ns: end_ns.unwrap_or(u64::MAX),
            rises: Arc::new([]),
            started: 0,
            lows: Lows::default(),
        };
        schedule.index();
        schedule
    }

    /// Fills what is looked up by number and by place.
    fn index(&mut self) {
        let lows: Vec<u32> =
            self.reachable().map(|(piece, last)| piece.start_vus.min(last)).collect();
        let (mut rises, mut started) = (Vec::new(), 0u64);
        for (piece, from, to) in self.moves() {
            if to > from {
                rises.push(Rise { actor: started, place: from, piece });
                started += u64::from(to - from);
            }
        }
        (self.rises, self.started, self.lows) = (rises.into(), started, Lows::new(&lows));
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

    /// The most VUs of one event loop alive at once before the end. O(pieces). Numbers that live are not
    /// always contiguous, so this can be more than its share of [`peak_vus`](VuSchedule::peak_vus).
    #[must_use]
    pub fn peak_of(&self, partition: Partition, population: Population) -> u32 {
        let count = |run: &Range<u64>| partition.count(population, run);
        let (mut living, mut stopped) = (Living::default(), Vec::new());
        let (mut alive, mut peak) = (0u64, 0u64);
        for (_, from, to) in self.moves() {
            if to > from {
                alive += count(&living.start(to - from));
                peak = peak.max(alive);
            } else {
                living.stop_highest(from - to, &mut stopped);
                alive -= stopped.drain(..).map(|run| count(&run)).sum::<u64>();
            }
        }
        // No more than all that live at once.
        u32::try_from(peak).unwrap_or(u32::MAX)
    }

    /// How many VUs ever start before the end: their numbers are 0 .. this.
    #[must_use]
    pub fn vus_started(&self) -> u64 {
        self.started
    }

    /// Each change of the number wanted before the end: in which piece, from how many to how many. In a
    /// piece, first the jump at its beginning, then its line.
    fn moves(&self) -> impl Iterator<Item = (usize, u32, u32)> {
        let mut living = 0;
        self.reachable().enumerate().flat_map(move |(index, (piece, last))| {
            let before = std::mem::replace(&mut living, last);
            [(index, before, piece.start_vus), (index, piece.start_vus, last)]
        })
    }

    /// The pieces that begin before the end, each with the number wanted at its last tick (that
    /// before the next piece or the end).
    fn reachable(&self) -> impl Iterator<Item = (&Piece, u32)> {
        let next = self.pieces.iter().skip(1).map(|piece| piece.from_ns);
        let until = next.chain([u64::MAX]).map(|from_ns| from_ns.min(self.end_ns));
        let reached = self.pieces.iter().zip(until).filter(|(piece, until)| piece.from_ns < *until);
        reached.map(|(piece, until)| (piece, piece.wanted(until - 1 - piece.from_ns)))
    }

    /// When `actor` lives; none if it never starts. O(log(pieces)).
    #[must_use]
    pub fn lifetime(&self, actor: Actor) -> Option<Lifetime> {
        if actor.0 >= self.started {
            return None;
        }
        let after = self.rises.partition_point(|rise| rise.actor <= actor.0);
        let rise = self.rises.get(after.checked_sub(1)?)?;
        let piece = self.pieces.get(rise.piece)?;
        // Fits: below the number that the rise leads to.
        let place = rise.place + (actor.0 - rise.actor) as u32;
        let start = if place < piece.start_vus {
            piece.from_ns
        } else {
            piece.tick_moved(place + 1 - piece.start_vus)
        };
        Some(Lifetime { start: Tick(start), stop: self.stop(rise.piece, place).map(Tick) })
    }

    /// When the VU at `place` that started in piece `index` stops: the first tick after its start
    /// at which no more than `place` VUs are wanted.
    fn stop(&self, index: usize, place: u32) -> Option<u64> {
        let falls = self.pieces.get(index)?.falls();
        let stops_in = self.lows.first_at_most(if falls { index } else { index + 1 }, place)?;
        let piece = self.pieces.get(stops_in)?;
        Some(match piece.start_vus.checked_sub(place) {
            None | Some(0) => piece.from_ns,
            Some(moved) => piece.tick_moved(moved),
        })
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
            living: Living::default(),
            starting: 0..0,
            stopping: Vec::new(),
        }
    }
}

/// The VUs alive: a stack of numbers.
#[derive(Debug, Clone, Default)]
struct Living {
    /// As rising runs of numbers: no two touch.
    runs: Vec<Range<u64>>,
    /// Numbers given so far.
    started: u64,
}

impl Living {
    /// Gives the next numbers to this many new VUs.
    fn start(&mut self, count: u32) -> Range<u64> {
        let new = self.started..self.started + u64::from(count);
        self.started = new.end;
        match self.runs.last_mut() {
            Some(top) if top.end == new.start => top.end = new.end,
            Some(_) | None => self.runs.push(new.clone()),
        }
        new
    }

    /// Takes the highest `count` off the stack, highest run first.
    fn stop_highest(&mut self, count: u32, stopped: &mut Vec<Range<u64>>) {
        let mut left = u64::from(count);
        while left > 0 {
            let Some(top) = self.runs.last_mut() else { return };
            let from = top.start.max(top.end.saturating_sub(left));
            stopped.push(from..top.end);
            left -= top.end - from;
            top.end = from;
            if top.is_empty() {
                self.runs.pop();
            }
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
    living: Living,
    /// Those still to be started at `at`.
    starting: Range<u64>,
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
                // The tick at which a line ends, or is cut off, belongs to the piece after it.
                let next = self.schedule.pieces.get(self.piece + 1);
                if next.is_none_or(|next| at < next.from_ns) {
                    return Some((at, piece.wanted(at - piece.from_ns)));
                }
            }
            self.piece += 1;
            self.in_piece = false;
        }
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
            if let Some(actor) = self.starting.next() {
                return Some(VuChange { at: Tick(self.at), actor: Actor(actor), starts: true });
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
                self.starting = self.living.start(wanted - self.wanted);
            } else {
                self.living.stop_highest(self.wanted - wanted, &mut self.stopping);
            }
            self.at = at;
            self.wanted = wanted;
        }
    }
}
