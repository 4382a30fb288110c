//! The log's bytes: read back, replayed, and judged by code that knows nothing of the engine.

use std::convert::Infallible;

use z6_analysis::checks::check_log;
use z6_events::{
    BlockEnd, Ending, Event, LogError, LogReader, Tick, Visitor, WalkError, WorkerId, walk,
};
use z6_metrics::{EndFacts, Fold, LiveFold, Metrics, RunFacts};
use z6_vu::replay::Outcome;

use super::{Checker, Evidence, Found};

/// Checks the bytes; returns the figures folded from them, if the log is whole.
pub(super) fn check(evidence: &Evidence<'_>, found: &mut Found) -> Option<Metrics> {
    let mut fold = new_fold(evidence);
    match read_back(evidence, &mut fold) {
        Ok((events, ending)) => compare(evidence, &events, &ending, found),
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

/// Events by worker, and how the log ends.
type Read = (Vec<Vec<(Tick, Event)>>, Ending);

fn read_back(evidence: &Evidence<'_>, fold: &mut LiveFold) -> Result<Read, LogError> {
    let mut reader = LogReader::new(evidence.log)?;
    let mut both = FoldAndKeep { fold, events: vec![Vec::new(); evidence.emitted.len()] };
    match walk(&mut reader, &mut both) {
        Ok(ending) => Ok((both.events, ending)),
        Err(WalkError::Log(error)) => Err(error),
        Err(WalkError::Visitor(never)) => match never {},
    }
}

/// Folds the events of a log as a run does, and keeps them.
struct FoldAndKeep<'a> {
    fold: &'a mut LiveFold,
    /// By worker.
    events: Vec<Vec<(Tick, Event)>>,
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
        if let Some(own) = self.events.get_mut(worker.index()) {
            own.push((at, *event));
        }
        self.fold.event(index, worker, at, event)
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

fn compare(
    evidence: &Evidence<'_>,
    events: &[Vec<(Tick, Event)>],
    ending: &Ending,
    found: &mut Found,
) {
    for (worker, (read, emitted)) in events.iter().zip(evidence.emitted).enumerate() {
        let mut pairs = read.iter().zip(emitted).enumerate();
        let differs = |(at, read): &(Tick, Event), (then, emitted): &(Tick, Event)| {
            (at, read.without_place()) != (then, emitted.without_place())
        };
        if let Some((index, (read, emitted))) = pairs.find(|(_, (a, b))| differs(a, b)) {
            found.add(Checker::ReadBack, || {
                format!("event {index} of worker {worker} is {read:?} in the log, was {emitted:?}")
            });
        } else if read.len() > emitted.len() || (evidence.is_whole() && read.len() < emitted.len())
        {
            found.add(Checker::ReadBack, || {
                format!(
                    "worker {worker}: {} events in the log, {} given",
                    read.len(),
                    emitted.len()
                )
            });
        }
    }
    match (ending, evidence.digest) {
        (Ending::Clean { digest, .. }, Some(receipt)) if *digest == receipt => {}
        (Ending::Torn { .. }, None) => {}
        (ending, receipt) => found.add(Checker::ReadBack, || {
            format!("the log ends with {ending:?}, and the receipt is {receipt:?}")
        }),
    }
}
