//! The logs of the shards of one run, read together: whether they belong together, their blocks in the order
//! of time, and the receipt of the run. Knows no figures and no file.
//!
//! Events come as they would from one log: each event loop in its own order, under its place in [`Loops`].
//! Blocks of different logs come by their base time, so that no log is far ahead of another.

use std::io::Read;

use crate::canary::is_planted;
use crate::digest::LogDigest;
use crate::header::LogHeader;
use crate::ids::WorkerId;
use crate::loops::Loops;
use crate::reader::{Ending, LogReader};
use crate::walk::{Visitor, WalkError, walk};

/// What the logs of one run have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunMark {
    /// The version of the format.
    Format,
    /// Real or simulated.
    Driver,
    /// How many shards the run has.
    Shards,
    /// The seed.
    Seed,
    /// The digest of the plan.
    Plan,
    /// What the command line changed in the scenario.
    Overrides,
    /// The text of the scenario.
    Scenario,
}

impl RunMark {
    const ALL: [RunMark; 7] = [
        RunMark::Format,
        RunMark::Driver,
        RunMark::Shards,
        RunMark::Seed,
        RunMark::Plan,
        RunMark::Overrides,
        RunMark::Scenario,
    ];

    fn is_same(self, one: &LogHeader, other: &LogHeader) -> bool {
        match self {
            RunMark::Format => one.format_version == other.format_version,
            RunMark::Driver => one.driver == other.driver,
            RunMark::Shards => one.shards == other.shards,
            RunMark::Seed => one.seed == other.seed,
            RunMark::Plan => one.plan_digest == other.plan_digest,
            RunMark::Overrides => one.overrides == other.overrides,
            RunMark::Scenario => one.scenario_text == other.scenario_text,
        }
    }
}

impl RunMark {
    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            RunMark::Format => "format of the log",
            RunMark::Driver => "driver",
            RunMark::Shards => "number of shards",
            RunMark::Seed => "seed",
            RunMark::Plan => "plan digest",
            RunMark::Overrides => "overrides",
            RunMark::Scenario => "scenario",
        }
    }
}

/// What keeps logs from being those of one run. Logs are named by their place in what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// The log is of another run.
    Foreign {
        /// Which log.
        log: usize,
        /// One of those that it does not fit to: most of them are of one run with this one.
        other: usize,
        /// The first thing in which they differ.
        by: RunMark,
    },
    /// Two logs are of the same shard.
    Doubled {
        /// Which log.
        log: usize,
        /// The one before it.
        other: usize,
        /// The shard of both.
        shard: u16,
    },
    /// There are more than 65,535 event loops in all.
    TooManyLoops,
}

/// Whether two logs are of the same run: they differ in the shard and in what belongs to the machine only.
#[must_use]
pub fn is_same_run(one: &LogHeader, other: &LogHeader) -> bool {
    differs(one, other).is_none()
}

fn differs(one: &LogHeader, other: &LogHeader) -> Option<RunMark> {
    RunMark::ALL.into_iter().find(|of| !of.is_same(one, other))
}

/// All that keeps these logs from being those of one run.
#[must_use]
pub fn misfits(headers: &[&LogHeader]) -> Vec<Misfit> {
    // The run is that of most logs; of the first among equals.
    let as_many = |header: &LogHeader| headers.iter().filter(|o| is_same_run(header, o)).count();
    let mut best: Option<(usize, usize)> = None;
    for (log, header) in headers.iter().enumerate() {
        let count = as_many(header);
        if best.is_none_or(|(_, most)| count > most) {
            best = Some((log, count));
        }
    }
    let Some((reference, _)) = best else { return Vec::new() };
    let mut found = Vec::new();
    let mut fitting: Vec<usize> = Vec::new();
    for (log, header) in headers.iter().enumerate() {
        if let Some(by) = differs(headers[reference], header) {
            found.push(Misfit::Foreign { log, other: reference, by });
            continue;
        }
        let shard = header.shard;
        match fitting.iter().find(|other| headers[**other].shard == shard) {
            Some(other) if !is_planted("shards") => {
                found.push(Misfit::Doubled { log, other: *other, shard });
            }
            Some(_) => {}
            None => fitting.push(log),
        }
    }
    let loops: u64 = headers.iter().map(|header| u64::from(header.workers)).sum();
    if found.is_empty() && loops > u64::from(u16::MAX) {
        found.push(Misfit::TooManyLoops);
    }
    found
}

/// The receipt of a run of several shards: SHA-256 over their number, two bytes little-endian, and the
/// receipts of their logs in the order of the shards. None unless there is one for each.
#[must_use]
pub fn run_receipt(shards: u16, receipts: &[LogDigest]) -> Option<LogDigest> {
    if receipts.len() != usize::from(shards) {
        return None;
    }
    let mut bytes = shards.to_le_bytes().to_vec();
    receipts.iter().for_each(|receipt| bytes.extend_from_slice(&receipt.0));
    Some(LogDigest::from_bytes(&bytes))
}

/// What can be walked through: a log, or the logs of one run.
pub trait EventSource {
    /// The header; of several logs, that of the lowest shard.
    fn header(&self) -> &LogHeader;

    /// The event loops whose events it has.
    fn loops(&self) -> Loops;

    /// The headers of all logs, by shard.
    fn headers(&self) -> Vec<&LogHeader>;

    /// Whether it is a run of several shards, though some of their logs may be missing. The log of one shard,
    /// read alone, is not.
    fn is_run_of_shards(&self) -> bool;

    /// Shows every event to `visitor`; returns how each log ends, in the order of the headers.
    ///
    /// # Errors
    /// As [`walk`].
    fn walk_all<V: Visitor>(&mut self, visitor: &mut V)
    -> Result<Vec<Ending>, WalkError<V::Error>>;
}

impl<R: Read> EventSource for LogReader<R> {
    fn header(&self) -> &LogHeader {
        LogReader::header(self)
    }

    fn loops(&self) -> Loops {
        LogReader::header(self).partition().into()
    }

    fn headers(&self) -> Vec<&LogHeader> {
        vec![LogReader::header(self)]
    }

    fn is_run_of_shards(&self) -> bool {
        false
    }

    fn walk_all<V: Visitor>(
        &mut self,
        visitor: &mut V,
    ) -> Result<Vec<Ending>, WalkError<V::Error>> {
        Ok(vec![walk(self, visitor)?])
    }
}

/// What one step through several logs came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeStep {
    /// A block was shown.
    Block,
    /// All logs were read as far as they are whole; at least one of them is followed and may go on.
    UpToDate,
    /// All logs have ended.
    Ended,
}

/// One of the logs.
#[derive(Debug)]
struct Part<R> {
    reader: LogReader<R>,
    /// The places of its workers.
    places: Vec<WorkerId>,
    /// Whether the visitor was told that the log is torn.
    is_given_up: bool,
}

/// The logs of one run, read together.
///
/// A log that is torn is given up where it ends: [`Visitor::log_torn`]. The others go on.
#[derive(Debug)]
pub struct MergedReader<R> {
    /// By shard.
    parts: Vec<Part<R>>,
    /// By part: the place of the log in what was given.
    given: Vec<usize>,
    loops: Loops,
    /// Whether this is a run, rather than one log.
    is_run: bool,
    /// The part that was read last: errors are about it.
    last: usize,
}

impl<R: Read> MergedReader<R> {
    /// Reads these logs as those of one run. Shards may be missing: [`Loops::missing`] says which.
    ///
    /// # Errors
    /// All that keeps them from being those of one run; no log at all.
    pub fn new(logs: Vec<LogReader<R>>) -> Result<MergedReader<R>, Vec<Misfit>> {
        let headers: Vec<&LogHeader> = logs.iter().map(LogReader::header).collect();
        let found = misfits(&headers);
        if !found.is_empty() || logs.is_empty() {
            return Err(found);
        }
        let shards: Vec<_> = headers.iter().map(|header| header.partition()).collect();
        let loops = Loops::of_shards(&shards).ok_or_else(|| vec![Misfit::TooManyLoops])?;
        let mut logs: Vec<(usize, LogReader<R>)> = logs.into_iter().enumerate().collect();
        logs.sort_by_key(|(_, log)| log.header().shard);
        let given = logs.iter().map(|(place, _)| *place).collect();
        let part = |reader: LogReader<R>| {
            let places = loops.places(reader.header().shard);
            Part { reader, places, is_given_up: false }
        };
        let parts = logs.into_iter().map(|(_, reader)| part(reader)).collect();
        Ok(MergedReader { parts, given, loops, is_run: true, last: 0 })
    }

    /// Reads one log as what it is, also if it is that of one shard of several.
    #[must_use]
    pub fn alone(log: LogReader<R>) -> MergedReader<R> {
        let loops = Loops::from(log.header().partition());
        let places = loops.places(log.header().shard);
        let part = Part { reader: log, places, is_given_up: false };
        MergedReader { parts: vec![part], given: vec![0], loops, is_run: false, last: 0 }
    }

    /// Shows the next block, the one with the earliest base time, to `visitor`.
    ///
    /// # Errors
    /// As [`walk`]; [`failed_log`](Self::failed_log) says in which log.
    pub fn step<V: Visitor>(&mut self, visitor: &mut V) -> Result<MergeStep, WalkError<V::Error>> {
        let mut next: Option<(usize, (u8, crate::ids::Tick))> = None;
        let (mut may_go_on, is_alone) = (false, self.parts.len() == 1);
        for (index, part) in self.parts.iter_mut().enumerate() {
            self.last = index;
            // The phases of all shards stand side by side.
            let peeked = part.reader.peek()?;
            let base = peeked.map(|header| (header.phase.order(), header.base));
            match (base, part.reader.ending()) {
                (Some(base), _) => {
                    if next.is_none_or(|(_, earliest)| base < earliest) {
                        next = Some((index, base));
                    }
                }
                (None, None) => may_go_on = true,
                // The end of the only log is the end of all: what is open then is left to the visitor.
                (None, Some(Ending::Torn { .. })) if !part.is_given_up && !is_alone => {
                    part.is_given_up = true;
                    let give_up = |place: &WorkerId| visitor.log_torn(*place);
                    part.places.iter().try_for_each(give_up).map_err(WalkError::Visitor)?;
                }
                (None, Some(_)) => {}
            }
        }
        let Some((index, _)) = next else {
            return Ok(if may_go_on { MergeStep::UpToDate } else { MergeStep::Ended });
        };
        self.last = index;
        let Part { reader, places, .. } = &mut self.parts[index];
        if let Some(mut block) = reader.next_block()? {
            // The reader lets no block of a worker pass that the header does not have.
            let place = places.get(block.header().worker.index()).copied().unwrap_or_default();
            block.visit_as(place, visitor)?;
        }
        Ok(MergeStep::Block)
    }

    /// The log, by its place in what was given, that the last step read, or that the last error is about.
    #[must_use]
    pub fn failed_log(&self) -> usize {
        self.given.get(self.last).copied().unwrap_or(0)
    }

    /// How each log ends, by shard, with its place in what was given; none while it has not ended.
    pub fn endings(&self) -> impl Iterator<Item = (usize, Option<&Ending>)> {
        self.given.iter().copied().zip(self.parts.iter().map(|part| part.reader.ending()))
    }

    /// The log at this place in what was given is no longer being written: [`LogReader::stop_following`].
    pub fn stop_following(&mut self, log: usize) {
        for (given, part) in self.given.iter().zip(&mut self.parts) {
            if *given == log {
                part.reader.stop_following();
            }
        }
    }
}

impl<R: Read> EventSource for MergedReader<R> {
    fn header(&self) -> &LogHeader {
        // There is at least one.
        self.parts[0].reader.header()
    }

    fn loops(&self) -> Loops {
        self.loops.clone()
    }

    fn headers(&self) -> Vec<&LogHeader> {
        self.parts.iter().map(|part| part.reader.header()).collect()
    }

    fn is_run_of_shards(&self) -> bool {
        self.is_run && self.loops.shards_of_run() > 1
    }

    fn walk_all<V: Visitor>(
        &mut self,
        visitor: &mut V,
    ) -> Result<Vec<Ending>, WalkError<V::Error>> {
        while self.step(visitor)? == MergeStep::Block {}
        Ok(self.endings().filter_map(|(_, ending)| ending.cloned()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::Forge;
    use crate::walk::BlockEnd;
    use crate::{Event, Tick};

    fn header(shard: u16, shards: u16) -> LogHeader {
        LogHeader { shard, shards, workers: 2, ..LogHeader::default() }
    }

    #[derive(Default)]
    struct Seen {
        events: Vec<(u16, u64)>,
        torn: Vec<u16>,
    }

    impl Visitor for Seen {
        type Error = &'static str;

        fn event(
            &mut self,
            _index: u64,
            worker: WorkerId,
            at: Tick,
            _event: &Event,
        ) -> Result<(), &'static str> {
            self.events.push((worker.0, at.0));
            Ok(())
        }

        fn block_ended(&mut self, _block: BlockEnd) -> Result<(), &'static str> {
            Ok(())
        }

        fn log_torn(&mut self, worker: WorkerId) -> Result<(), &'static str> {
            self.torn.push(worker.0);
            Ok(())
        }
    }

    /// A log of a shard whose workers have an event at each of these ticks, a block each.
    fn forge(shard: u16, shards: u16, ticks: &[(u16, u64)]) -> Forge {
        let forge = Forge::new(&header(shard, shards)).unwrap();
        ticks.iter().fold(forge, |forge, (worker, at)| {
            forge.block(WorkerId(*worker), Tick(*at), &[(Tick(*at), Event::Wake)])
        })
    }

    fn merged(logs: &[Vec<u8>]) -> Result<MergedReader<&[u8]>, Vec<Misfit>> {
        MergedReader::new(logs.iter().map(|log| LogReader::new(&log[..]).unwrap()).collect())
    }

    #[test]
    fn blocks_come_in_the_order_of_time_under_the_places_of_their_workers() {
        let one = forge(0, 2, &[(0, 1), (1, 5), (0, 9)]).ended(Tick(9)).unwrap();
        let other = forge(1, 2, &[(1, 2), (0, 3), (1, 4), (0, 20)]).ended(Tick(20)).unwrap();
        // Given in any order.
        for logs in [[one.clone(), other.clone()], [other, one]] {
            let (mut seen, mut reader) = (Seen::default(), merged(&logs).unwrap());
            let endings = reader.walk_all(&mut seen).unwrap();
            assert_eq!(seen.events, [(0, 1), (3, 2), (1, 3), (3, 4), (2, 5), (0, 9), (1, 20)]);
            assert!(seen.torn.is_empty());
            assert_eq!(endings.len(), 2);
            assert_eq!(reader.headers().iter().map(|one| one.shard).collect::<Vec<_>>(), [0, 1]);
        }
    }

    #[test]
    fn a_torn_log_is_given_up_where_it_ends() {
        let whole = forge(0, 2, &[(0, 1), (1, 50)]).ended(Tick(50)).unwrap();
        let torn = forge(1, 2, &[(0, 3), (1, 4)]).torn();
        let logs = [whole, torn];
        let (mut seen, mut reader) = (Seen::default(), merged(&logs).unwrap());
        while seen.torn.is_empty() {
            assert_eq!(reader.step(&mut seen).unwrap(), MergeStep::Block);
        }
        assert_eq!(
            (&seen.torn[..], seen.events.len()),
            (&[1, 3][..], 4),
            "before the block at 50 ends"
        );
        assert_eq!(reader.step(&mut seen).unwrap(), MergeStep::Ended);
        assert_eq!(seen.torn, [1, 3], "once");
        let torn: Vec<bool> = reader
            .endings()
            .map(|(_, ending)| matches!(ending, Some(Ending::Torn { .. })))
            .collect();
        assert_eq!(torn, [false, true]);
    }

    #[test]
    fn every_log_that_does_not_belong_to_the_run_is_named() {
        let ok = [header(0, 4), header(1, 4), header(3, 4)];
        let with = |change: fn(&mut LogHeader)| {
            let mut other = header(2, 4);
            change(&mut other);
            other
        };
        type Change = fn(&mut LogHeader);
        let cases: [(RunMark, Change); 7] = [
            (RunMark::Format, |other| other.format_version = 3),
            (RunMark::Driver, |other| other.driver = crate::Driver::Simulation),
            (RunMark::Shards, |other| other.shards = 5),
            (RunMark::Seed, |other| other.seed = 1),
            (RunMark::Plan, |other| other.plan_digest[31] = 1),
            (RunMark::Overrides, |other| other.overrides = vec![("vus".into(), "9".into())]),
            (RunMark::Scenario, |other| other.scenario_text = "#".into()),
        ];
        for (by, change) in cases {
            let foreign = with(change);
            // Most logs are right, so the first is the wrong one.
            let all = [&foreign, &ok[0], &ok[1], &ok[2]];
            assert_eq!(misfits(&all), [Misfit::Foreign { log: 0, other: 1, by }]);
        }
        let fits = with(|other| {
            other.workers = 7;
            other.wall_epoch_ns = 5;
            other.addresses.clear();
        });
        assert_eq!(misfits(&[&ok[0], &ok[1], &fits]), []);
        let doubled = [&ok[0], &ok[1], &ok[0], &ok[0]];
        let of = |log| Misfit::Doubled { log, other: 0, shard: 0 };
        assert_eq!(misfits(&doubled), [of(2), of(3)]);
        let wide = LogHeader { workers: 40_000, ..header(2, 4) };
        let wider = LogHeader { workers: 40_000, ..header(3, 4) };
        assert_eq!(misfits(&[&wide, &wider]), [Misfit::TooManyLoops]);
        assert_eq!(misfits(&[]), []);
    }

    #[test]
    fn the_receipt_of_a_run_is_that_of_all_shards_in_order() {
        let (a, b) = (LogDigest([1; 32]), LogDigest([2; 32]));
        let bytes = [&[2, 0][..], &[1; 32], &[2; 32]].concat();
        assert_eq!(run_receipt(2, &[a, b]), Some(LogDigest::from_bytes(&bytes)));
        assert_ne!(run_receipt(2, &[a, b]), run_receipt(2, &[b, a]));
        assert_eq!(run_receipt(3, &[a, b]), None);
    }
}
