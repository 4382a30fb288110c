//! The log's bytes: read back, replayed, and judged by code that knows nothing of the engine.

use std::collections::BTreeMap;
use std::convert::Infallible;

use z6_analysis::checks::check_log;
use z6_events::{
    BlockEnd, Ending, Event, LogError, LogReader, Phase, Tick, Visitor, WalkError, WorkerId, walk,
};
use z6_metrics::{EndFacts, Fold, LiveFold, Metrics, RunFacts};
use z6_vu::replay::Outcome;

use super::{Checker, Evidence, Found};

/// Checks the bytes; returns the figures folded from them, if the log is whole.
pub(super) fn check(evidence: &Evidence<'_>, found: &mut Found) -> Option<Metrics> {
    let mut fold = new_fold(evidence);
    match read_back(evidence, &mut fold) {
        Ok((read, ending)) => {
            for phase in evidence.aside {
                let events = read.get(&phase.phase.order());
                compare(phase, events.map_or(&[], Vec::as_slice), found);
            }
            let events = read.get(&Phase::Main.order());
            compare(evidence, events.map_or(&[], Vec::as_slice), found);
            compare_ending(evidence, &ending, found);
        }
        Err(error) => found.add(Checker::ReadBack, || format!("the log cannot be read: {error}")),
    }
    match evidence.spec.planted.replay(evidence.log) {
        Ok(Outcome::Identical { .. }) => {}
        Ok(other) => found.add(Checker::Replay, || format!("{other:?}")),
        Err(error) => found.add(Checker::Replay, || format!("the log cannot be replayed: {error}")),
    }
    let checked = LogReader::new(evidence.log)
        .and_then(|mut reader| check_log(&mut reader, &evidence.spec.scenario));
    match checked {
        Ok(report) => {
            for violation in &report.violations {
                found.add(Checker::Plan, || violation.to_string());
            }
        }
        Err(error) => found.add(Checker::Plan, || format!("the log cannot be checked: {error}")),
    }
    finish(fold, evidence, found)
}

/// Events by the order of phases and by worker.
type Kept = BTreeMap<u8, Vec<Vec<(Tick, Event)>>>;
/// The same, and how the log ends.
type Read = (Kept, Ending);

fn read_back(evidence: &Evidence<'_>, fold: &mut LiveFold) -> Result<Read, LogError> {
    let mut reader = LogReader::new(evidence.log)?;
    let workers = usize::from(evidence.header.workers);
    let mut both = FoldAndKeep { fold, workers, events: BTreeMap::new() };
    match walk(&mut reader, &mut both) {
        Ok(ending) => Ok((both.events, ending)),
        Err(WalkError::Log(error)) => Err(error),
        Err(WalkError::Visitor(never)) => match never {},
    }
}

/// Folds the events of a log as a run does, and keeps them.
struct FoldAndKeep<'a> {
    fold: &'a mut LiveFold,
    workers: usize,
    events: Kept,
}

impl FoldAndKeep<'_> {
    fn keep(&mut self, phase: Phase, worker: WorkerId, at: Tick, event: &Event) {
        let of_phase = self.events.entry(phase.order());
        let of_phase = of_phase.or_insert_with(|| vec![Vec::new(); self.workers]);
        if let Some(own) = of_phase.get_mut(worker.index()) {
            own.push((at, *event));
        }
    }
}

impl Visitor for FoldAndKeep<'_> {
    type Error = Infallible;

    fn event(
        &mut self,
        index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), Infallible> {
        self.keep(Phase::Main, worker, at, event);
        self.fold.event(index, worker, at, event)
    }

    fn phase_event(
        &mut self,
        phase: Phase,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), Infallible> {
        self.keep(phase, worker, at, event);
        self.fold.phase_event(phase, worker, at, event)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.fold.bytes(bytes);
    }

    fn block_ended(&mut self, block: BlockEnd) -> Result<(), Infallible> {
        self.fold.block_ended(block)
    }
}

fn new_fold(evidence: &Evidence<'_>) -> LiveFold {
    let facts = RunFacts::from_header(evidence.header, String::new());
    LiveFold::new(evidence.spec.planted.fold(Fold::new(&evidence.spec.scenario, facts)))
}

fn finish(fold: LiveFold, evidence: &Evidence<'_>, found: &mut Found) -> Option<Metrics> {
    let end = EndFacts {
        log_digest: evidence.digest.map_or_else(String::new, |digest| digest.to_string()),
        stopped_by: Some(evidence.stopped_by),
        torn: !evidence.is_whole(),
        ..EndFacts::default()
    };
    match fold.into_fold().and_then(|fold| fold.finish(end)) {
        Ok(metrics) => evidence.is_whole().then_some(metrics),
        Err(error) => {
            found.add(Checker::Conservation, || format!("the events do not add up: {error}"));
            None
        }
    }
}

/// The events of one phase, by worker, as they were read and as they were given.
fn compare(evidence: &Evidence<'_>, read: &[Vec<(Tick, Event)>], found: &mut Found) {
    let phase = evidence.phase;
    for worker in 0..read.len().max(evidence.emitted.len()) {
        let read = read.get(worker).map_or(&[][..], Vec::as_slice);
        let emitted = evidence.emitted.get(worker).map_or(&[][..], Vec::as_slice);
        let mut pairs = read.iter().zip(emitted).enumerate();
        let differs = |(at, read): &(Tick, Event), (then, emitted): &(Tick, Event)| {
            (at, read.without_place()) != (then, emitted.without_place())
        };
        if let Some((index, (read, emitted))) = pairs.find(|(_, (a, b))| differs(a, b)) {
            found.add(Checker::ReadBack, || {
                format!(
                    "event {index} of worker {worker} in {phase:?} is {read:?} in the log, was {emitted:?}"
                )
            });
        } else if read.len() > emitted.len() || (evidence.is_whole() && read.len() < emitted.len())
        {
            found.add(Checker::ReadBack, || {
                let (read, emitted) = (read.len(), emitted.len());
                format!("worker {worker} in {phase:?}: {read} events in the log, {emitted} given")
            });
        }
    }
}

fn compare_ending(evidence: &Evidence<'_>, ending: &Ending, found: &mut Found) {
    match (ending, evidence.digest) {
        (Ending::Clean { digest, .. }, Some(receipt)) if *digest == receipt => {}
        (Ending::Torn { .. }, None) => {}
        (ending, receipt) => found.add(Checker::ReadBack, || {
            format!("the log ends with {ending:?}, and the receipt is {receipt:?}")
        }),
    }
}
