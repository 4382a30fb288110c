//! The log's bytes: read back, replayed, and judged by whoever knows nothing of the engine.

use z6_analysis::checks::check_log;
use z6_events::{Ending, Event, LogError, LogReader, Tick, WorkerId};
use z6_metrics::{EndFacts, Fold, FoldError, Metrics, RunFacts};
use z6_vu::replay::{Outcome, replay};

use super::{Checker, Evidence, Found};

/// Checks the bytes; answers with the figures folded from them, where the log is whole.
pub(super) fn check(evidence: &Evidence<'_>, found: &mut Found) -> Option<Metrics> {
    let mut fold = RunFold::new(evidence);
    match read_back(evidence, &mut fold) {
        Ok((events, ending)) => compare(evidence, &events, ending.as_ref(), found),
        Err(error) => found.add(Checker::ReadBack, || format!("the log cannot be read: {error}")),
    }
    let replayed = replay(evidence.log);
    #[cfg(feature = "planted-bugs")]
    let replayed = crate::plant::replayed(evidence.spec, evidence.log).unwrap_or(replayed);
    match replayed {
        Ok(Outcome::Identical { .. }) => {}
        Ok(other) => found.add(Checker::Replay, || format!("{other:?}")),
        Err(error) => found.add(Checker::Replay, || format!("the log cannot be replayed: {error}")),
    }
    let checked = LogReader::new(evidence.log)
        .map_err(Into::into)
        .and_then(|mut reader| check_log(&mut reader, &evidence.spec.scenario));
    match checked {
        Ok(report) => {
            for violation in &report.violations {
                found.add(Checker::Plan, || violation.to_string());
            }
        }
        Err(error) => found.add(Checker::Plan, || format!("the log cannot be checked: {error}")),
    }
    fold.finish(evidence, found)
}

/// By worker, and how the log ends.
type Read = (Vec<Vec<(Tick, Event)>>, Option<Ending>);

fn read_back(evidence: &Evidence<'_>, fold: &mut RunFold) -> Result<Read, LogError> {
    let mut reader = LogReader::new(evidence.log)?;
    let mut events: Vec<Vec<(Tick, Event)>> = vec![Vec::new(); evidence.emitted.len()];
    while let Some(mut block) = reader.next_block()? {
        let head = *block.header();
        let decoded: Result<Vec<(Tick, Event)>, _> = block.events().collect();
        let decoded = decoded.map_err(|source| block.error(source))?;
        fold.block(head.worker, head.base, &decoded);
        if let Some(own) = events.get_mut(head.worker.index()) {
            own.extend(decoded);
        }
    }
    Ok((events, reader.ending().cloned()))
}

/// The fold over the log, as a run does it.
struct RunFold {
    fold: Fold,
    error: Option<FoldError>,
}

impl RunFold {
    fn new(evidence: &Evidence<'_>) -> RunFold {
        let facts = RunFacts::of(evidence.header, String::new());
        let fold = Fold::new(&evidence.spec.scenario, facts);
        #[cfg(feature = "planted-bugs")]
        let fold = crate::plant::in_fold(evidence.spec, fold);
        RunFold { fold, error: None }
    }

    fn block(&mut self, worker: WorkerId, base: Tick, events: &[(Tick, Event)]) {
        for (at, event) in events {
            if self.error.is_none() {
                self.error = self.fold.event(worker, *at, event).err();
            }
        }
        if events.is_empty() && self.error.is_none() {
            self.error = self.fold.advance(worker, base).err();
        }
    }

    fn finish(self, evidence: &Evidence<'_>, found: &mut Found) -> Option<Metrics> {
        let end = EndFacts {
            log_digest: evidence.digest.map_or_else(String::new, |digest| digest.to_string()),
            stopped_by: Some(evidence.stopped_by),
            torn: !evidence.is_whole(),
        };
        let finished = match self.error {
            Some(error) => Err(error),
            None => self.fold.finish(end),
        };
        match finished {
            Ok(metrics) => evidence.is_whole().then_some(metrics),
            Err(error) => {
                found.add(Checker::Conservation, || format!("the events do not add up: {error}"));
                None
            }
        }
    }
}

fn compare(
    evidence: &Evidence<'_>,
    events: &[Vec<(Tick, Event)>],
    ending: Option<&Ending>,
    found: &mut Found,
) {
    for (worker, (read, emitted)) in events.iter().zip(evidence.emitted).enumerate() {
        let mut pairs = read.iter().zip(emitted).enumerate();
        if let Some((index, (read, emitted))) = pairs.find(|(_, (read, emitted))| read != emitted) {
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
        (Some(Ending::Clean { digest, .. }), Some(receipt)) if *digest == receipt => {}
        (Some(Ending::Torn { .. }), None) => {}
        (ending, receipt) => found.add(Checker::ReadBack, || {
            format!("the log ends with {ending:?}, and the receipt is {receipt:?}")
        }),
    }
}
