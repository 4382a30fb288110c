//! What is kept of each shard of a run whose logs are read together: enough to say which of them is to be
//! doubted. Figures of the run are made of all events alike and need none of it. Knows no events.

use serde::{Serialize, Serializer};
use z6_events::{
    ErrorKind, LogHeader, Loops, NeverSentReason, StoppedBy, TargetId, Tick, WorkerId,
};

use crate::error::FoldError;
use crate::facts::ShardEnd;
use crate::histogram::Latency;
use crate::lag::Noticed;
use crate::metrics::{LatencyStats, Name};
use crate::outline::Outline;
use crate::pace::Pace;
use crate::quantile::stats;
use crate::rates::{RateWindow, Rates};
use crate::tally::Outcomes;
use crate::verdict::{self, Doubt, Evidence, Verdict};
use z6_scenario::RunModel;

/// Shards that began further apart than this, or whose clocks may be, are worth knowing, nanoseconds.
pub const SHARDS_APART_NS_MAX: u64 = 50_000_000;

/// `run.shards`: the shards whose logs were read together.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ShardsFigures {
    /// How many the run has.
    pub count: u16,
    /// Those whose logs were not there.
    pub missing: Vec<u16>,
    /// Those whose logs were, in their order.
    pub merged: Vec<ShardFigures>,
}

/// An entry of `run.shards.merged`. Counts are of the whole run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ShardFigures {
    /// From 0.
    pub shard: u16,
    /// Event loops.
    pub workers: u16,
    /// When its part of the run itself began, RFC 3339, UTC, by its own clock; empty in a simulated run.
    pub started_at: String,
    /// Why it ended; null if its log is truncated, and while it runs.
    #[serde(serialize_with = "name_or_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub stopped_by: Option<StoppedBy>,
    /// Receipt of its log, 64 hexadecimal digits; empty if that is truncated.
    pub log_digest: String,
    /// Requests that fell due.
    pub planned: u64,
    /// Of these, sent.
    pub sent: u64,
    /// Of these, answered as expected.
    pub succeeded: u64,
    /// Of those sent, failed.
    pub failed: u64,
    /// Whether its generator can be trusted, by its own events alone.
    pub verdict: Verdict,
    /// What degrades that, if anything does.
    pub doubts: Vec<Doubt>,
    /// Its rate and lateness over the run. For the page; not part of metrics.json.
    #[serde(skip)]
    pub pace: Pace,
}

fn name_or_null<S: Serializer>(
    stopped_by: &Option<StoppedBy>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    stopped_by.as_ref().map(Name::name).serialize(serializer)
}

/// What the event loops of one shard say about it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LoopEvidence {
    pub(crate) cpu_fraction: Option<f64>,
    pub(crate) log_stall_ns: u64,
    pub(crate) loop_pass_max_ns: u64,
}

/// One shard.
#[derive(Debug, Clone)]
struct OneShard {
    shard: u16,
    workers: u16,
    /// The wall clock at the first tick of its log, nanoseconds since 1970, 0 for none.
    epoch_ns: u64,
    /// The same at tick 0 of the run itself, where that has other phases and has begun.
    began_ns: Option<u64>,
    /// What the header says about the clock.
    clock: Vec<(String, u64)>,
    counts: Outcomes,
    pace: Pace,
    loop_lag: Latency,
    /// Planned in the measured part.
    measured: u64,
    rates: Rates,
    never_sent_max_in_flight: u64,
    out_of_ports: u64,
    out_of_descriptors: u64,
    out_of_memory: u64,
    torn: bool,
    /// The end tick, once that of an event loop is known.
    ended: Option<Tick>,
    /// By target: the numbers that its addresses have among those of all shards. Empty if they are the same.
    addresses: Vec<Vec<u16>>,
}

/// The shards of a run.
#[derive(Debug, Clone)]
pub(crate) struct Shards {
    warmup: Tick,
    count: u16,
    missing: Vec<u16>,
    all: Vec<OneShard>,
    /// By place of the event loop: its shard in `all`, and what it counts into the rate.
    loops: Vec<(usize, RateWindow)>,
    /// Set-up comes before the run itself.
    has_setup: bool,
    /// Puts a wall clock in words.
    words: fn(u64) -> String,
}

/// When a shard began, and what is known of its clock then.
#[derive(Debug, Clone, Copy)]
struct Beginning<'a> {
    shard: u16,
    /// By its own wall clock, nanoseconds since 1970.
    wall_ns: u64,
    clock: &'a [(String, u64)],
    /// How long it went on, nanoseconds, if that is known.
    lasted_ns: Option<u64>,
}

impl Shards {
    /// Of these logs, by shard; `words` puts a wall clock in words.
    pub(crate) fn new(
        outline: &Outline,
        headers: &[&LogHeader],
        loops: &Loops,
        words: fn(u64) -> String,
    ) -> Shards {
        let one = |header: &&LogHeader| OneShard {
            shard: header.shard,
            workers: header.workers,
            epoch_ns: header.wall_epoch_ns,
            began_ns: None,
            clock: header.clock.clone(),
            counts: Outcomes::default(),
            pace: Pace::default(),
            loop_lag: Latency::default(),
            measured: 0,
            rates: Rates::new(outline.warmup, Tick::MAX),
            never_sent_max_in_flight: 0,
            out_of_ports: 0,
            out_of_descriptors: 0,
            out_of_memory: 0,
            torn: false,
            ended: None,
            addresses: Vec::new(),
        };
        let all: Vec<OneShard> = headers.iter().map(one).collect();
        let place = |shard: u16| all.iter().position(|one| one.shard == shard).unwrap_or(0);
        let of_loop = |one: &z6_events::Partition| (place(one.shard()), RateWindow::default());
        Shards {
            warmup: outline.warmup,
            count: loops.shards_of_run(),
            missing: loops.missing(),
            loops: loops.all().iter().map(of_loop).collect(),
            has_setup: outline.has_setup,
            words,
            all,
        }
    }

    /// The shard of this event loop began at this instant of its wall clock.
    pub(crate) fn began(&mut self, place: WorkerId, wall_ns: u64) {
        self.of(place).began_ns = Some(wall_ns);
    }

    /// Gives the addresses of all shards common numbers; returns them by target. Names may resolve to
    /// different addresses on different machines, or to the same in another order.
    pub(crate) fn unite_addresses(
        &mut self,
        headers: &[&LogHeader],
    ) -> Vec<z6_events::TargetAddresses> {
        let mut united: Vec<z6_events::TargetAddresses> = Vec::new();
        for (one, header) in self.all.iter_mut().zip(headers) {
            for of_target in &header.addresses {
                let target = of_target.target;
                let known = match united.iter_mut().find(|known| known.target == target) {
                    Some(known) => known,
                    None => {
                        united.push(z6_events::TargetAddresses { target, addresses: Vec::new() });
                        // Just pushed.
                        let Some(last) = united.last_mut() else { continue };
                        last
                    }
                };
                let numbers = of_target.addresses.iter().map(|address| {
                    let found = known.addresses.iter().position(|one| one == address);
                    let number = found.unwrap_or_else(|| {
                        known.addresses.push(address.clone());
                        known.addresses.len() - 1
                    });
                    u16::try_from(number).unwrap_or(u16::MAX)
                });
                let numbers: Vec<u16> = numbers.collect();
                if one.addresses.len() <= target.index() {
                    one.addresses.resize_with(target.index() + 1, Vec::new);
                }
                one.addresses[target.index()] = numbers;
            }
        }
        united
    }

    /// The common number of an address of this event loop's shard.
    pub(crate) fn address(&self, place: WorkerId, target: TargetId, address: u16) -> u16 {
        let one = &self.all[self.loops[place.index()].0];
        let numbers = one.addresses.get(target.index());
        numbers.and_then(|numbers| numbers.get(usize::from(address))).copied().unwrap_or(address)
    }

    fn of(&mut self, place: WorkerId) -> &mut OneShard {
        &mut self.all[self.loops[place.index()].0]
    }

    /// A request was planned and sent.
    pub(crate) fn sent(
        &mut self,
        (place, at): (WorkerId, Tick),
        planned: Tick,
        noticed: Noticed,
    ) -> Result<(), FoldError> {
        let is_measured = planned >= self.warmup;
        let (shard, window) = &mut self.loops[place.index()];
        let one = &mut self.all[*shard];
        one.counts.planned += 1;
        one.counts.sent += 1;
        one.pace.sent(at, at.since(planned));
        one.rates.sent(window, at);
        if !is_measured {
            return Ok(());
        }
        one.measured += 1;
        let lag_ns = match noticed {
            Noticed::At(noticed) => noticed.since(planned).min(at.since(planned)),
            Noticed::Forgotten => 0,
        };
        one.loop_lag.value(lag_ns)
    }

    /// A request that was sent succeeded.
    pub(crate) fn succeeded(&mut self, place: WorkerId) {
        self.of(place).counts.succeeded += 1;
    }

    /// A request that was sent failed.
    pub(crate) fn failed(&mut self, place: WorkerId, error: ErrorKind) {
        let one = self.of(place);
        one.counts.failed += 1;
        match error {
            ErrorKind::OutOfPorts => one.out_of_ports += 1,
            ErrorKind::OutOfDescriptors => one.out_of_descriptors += 1,
            ErrorKind::OutOfMemory => one.out_of_memory += 1,
            _ => {}
        }
    }

    /// A request failed without a byte on the wire: it counts as sent.
    pub(crate) fn not_on_wire(&mut self, (place, at): (WorkerId, Tick), planned: Tick) {
        let is_measured = planned >= self.warmup;
        let (shard, window) = &mut self.loops[place.index()];
        let one = &mut self.all[*shard];
        one.counts.planned += 1;
        one.counts.sent += 1;
        one.measured += u64::from(is_measured);
        one.rates.sent(window, at);
    }

    /// A request was never sent.
    pub(crate) fn never_sent(&mut self, place: WorkerId, planned: Tick, reason: NeverSentReason) {
        let is_measured = planned >= self.warmup;
        let one = self.of(place);
        one.counts.planned += 1;
        one.measured += u64::from(is_measured);
        one.never_sent_max_in_flight += u64::from(reason == NeverSentReason::MaxInFlight);
    }

    /// The end tick of an event loop is known.
    pub(crate) fn end(&mut self, place: WorkerId, end: Tick) {
        let (shard, window) = &mut self.loops[place.index()];
        let one = &mut self.all[*shard];
        one.rates.end(window, end);
        one.ended = one.ended.max(Some(end));
    }

    /// The log of this event loop's shard is torn.
    pub(crate) fn torn(&mut self, place: WorkerId) {
        self.of(place).torn = true;
    }

    /// The figures of each, and the doubts that they raise about the run. `loops` tells what the event loops
    /// of a shard say; `ends` is what is known of the ends of the logs, by shard, if they have ended.
    pub(crate) fn figures(
        &self,
        outline: &Outline,
        ends: &[ShardEnd],
        loops: impl Fn(&dyn Fn(usize) -> bool) -> LoopEvidence,
    ) -> (ShardsFigures, Vec<Doubt>) {
        let merged = self.all.iter().enumerate().map(|(index, one)| {
            let is_its = |place: usize| self.loops.get(place).is_some_and(|(of, _)| *of == index);
            let end = ends.get(index);
            let torn = one.torn || end.is_some_and(|end| end.torn);
            let doubts = one.doubts(outline, &loops(&is_its), torn);
            ShardFigures {
                shard: one.shard,
                workers: one.workers,
                started_at: (self.words)(one.began_ns.unwrap_or(one.epoch_ns)),
                stopped_by: end.and_then(|end| end.stopped_by),
                log_digest: end.map_or_else(String::new, |end| end.log_digest.clone()),
                planned: one.counts.planned,
                sent: one.counts.sent,
                succeeded: one.counts.succeeded,
                failed: one.counts.failed,
                verdict: verdict::verdict(&doubts),
                doubts,
                pace: one.pace.clone(),
            }
        });
        let merged: Vec<ShardFigures> = merged.collect();
        let doubts = self.doubts(&merged, ends);
        (ShardsFigures { count: self.count, missing: self.missing.clone(), merged }, doubts)
    }

    fn doubts(&self, merged: &[ShardFigures], ends: &[ShardEnd]) -> Vec<Doubt> {
        let of = self.count;
        let mut doubts = Vec::new();
        if let Some(first) = self.missing.first().copied() {
            doubts.push(Doubt::ShardsMissing { shards: self.missing.len() as u16, first, of });
        }
        let mut degraded = merged.iter().filter(|one| one.verdict == Verdict::Degraded);
        if let Some(first) = degraded.next() {
            let shards = 1 + degraded.count() as u16;
            let by = first.doubts.first().map_or("", Doubt::kind);
            doubts.push(Doubt::ShardsDegraded { shards, first: first.shard, of, by });
        }
        let all = self.all.iter().enumerate();
        let beginnings =
            all.filter_map(|(index, one)| one.beginning(self.has_setup, ends.get(index)));
        let beginnings: Vec<Beginning<'_>> = beginnings.collect();
        if let Some((first, last)) = apart(&beginnings) {
            let late_ns = u64::try_from(last.common_ns() - first.common_ns()).unwrap_or(u64::MAX);
            if late_ns > SHARDS_APART_NS_MAX {
                let never_at_once = first.lasted_ns.is_some_and(|lasted_ns| lasted_ns < late_ns);
                doubts.push(Doubt::ShardsApart { shard: last.shard, late_ns, never_at_once });
            }
        }
        let error_ns = clock_error_ns(&beginnings);
        if error_ns > SHARDS_APART_NS_MAX {
            doubts.push(Doubt::ClocksUnsure { error_ns });
        }
        doubts
    }
}

impl OneShard {
    /// When it began; none if it did not, or if that is not known yet: after a set-up the footer says how far the
    /// clock is from that of shard 0.
    fn beginning<'a>(
        &'a self,
        has_setup: bool,
        end: Option<&'a ShardEnd>,
    ) -> Option<Beginning<'a>> {
        let (shard, of_header) = (self.shard, self.clock.as_slice());
        let lasted_ns = self.ended.map(|end| end.0);
        if !has_setup {
            return Some(Beginning { shard, wall_ns: self.epoch_ns, clock: of_header, lasted_ns });
        }
        let end = end.filter(|end| !end.torn)?;
        let clock = if end.clock.is_empty() { of_header } else { &end.clock };
        Some(Beginning { shard, wall_ns: self.began_ns?, clock, lasted_ns })
    }

    /// What degrades the verdict on this shard.
    fn doubts(&self, outline: &Outline, loops: &LoopEvidence, torn: bool) -> Vec<Doubt> {
        let lag = stats(&self.loop_lag);
        let is_open = outline.model == RunModel::Open;
        let mut doubts = verdict::doubts(&Evidence {
            offered: is_open.then_some((self.measured, self.rates.sent_count())),
            loop_pass_max_ns: loops.loop_pass_max_ns,
            log_stall_ns: loops.log_stall_ns,
            cpu_fraction: loops.cpu_fraction,
            generator_sets_rate: outline.sets_rate(),
            never_sent_max_in_flight: self.never_sent_max_in_flight,
            out_of_ports: self.out_of_ports,
            out_of_descriptors: self.out_of_descriptors,
            out_of_memory: self.out_of_memory,
            torn,
            ..Evidence::of_nothing(&lag, &LatencyStats::default())
        });
        doubts.retain(Doubt::degrades);
        doubts
    }
}

impl Beginning<'_> {
    /// A number of the state of the clock.
    fn fact(&self, name: &str) -> Option<u64> {
        self.clock.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// When it was by the clock of shard 0, as far as that is known, nanoseconds.
    fn common_ns(&self) -> i128 {
        // Negative values are two's complement.
        let offset_ns = self.fact("clock_offset_ns").unwrap_or(0) as i64;
        i128::from(self.wall_ns) - i128::from(offset_ns)
    }
}

/// The shards that began first and last.
fn apart<'b, 'a>(all: &'b [Beginning<'a>]) -> Option<(&'b Beginning<'a>, &'b Beginning<'a>)> {
    let known = || all.iter().filter(|one| one.wall_ns > 0);
    let first = known().min_by_key(|one| (one.common_ns(), one.shard))?;
    let last = known().max_by_key(|one| (one.common_ns(), std::cmp::Reverse(one.shard)))?;
    Some((first, last))
}

/// How far two clocks may be apart: the two largest bounds together. Of a shard whose offset was measured
/// that is the bound of the offset.
fn clock_error_ns(all: &[Beginning<'_>]) -> u64 {
    let bound = |one: &Beginning<'_>| {
        let names = ["clock_offset_error_ns", "clock_max_error_ns"];
        names.into_iter().find_map(|name| one.fact(name)).unwrap_or(0)
    };
    let mut bounds: Vec<u64> = all.iter().map(bound).collect();
    bounds.sort_unstable_by(|a, b| b.cmp(a));
    bounds.iter().take(2).fold(0, |sum, bound| sum.saturating_add(*bound))
}
