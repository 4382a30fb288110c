//! The logs of several shards in one fold: the same events as those of one log, and beside them what is known of
//! each shard. Knows no files.

use z6_events::{EventSource, Shard, Tick, WorkerId};
use z6_scenario::Scenario;

use super::{Fold, PartFold, RunFacts, ShardEnd};
use crate::error::FoldError;
use crate::metrics::GeneratorFigures;
use crate::outline::Outline;
use crate::shards::{LoopEvidence, Shards, ShardsFigures};
use crate::verdict;

/// What the headers of a source say; when the run began is when its first shard did.
fn facts(source: &impl EventSource, words: fn(u64) -> String) -> RunFacts {
    let began = source.headers().iter().map(|header| header.wall_epoch_ns).min().unwrap_or(0);
    RunFacts::from_header(source.header(), words(began))
}

impl Fold {
    /// A fold over no events yet, for those of a log or of the logs of several shards. `words` puts a wall
    /// clock (nanoseconds since 1970, 0 for none) in words: RFC 3339, UTC, empty for 0.
    #[must_use]
    pub fn of_source(
        scenario: &Scenario,
        source: &impl EventSource,
        words: fn(u64) -> String,
    ) -> Fold {
        let facts = facts(source, words);
        if !source.is_run_of_shards() {
            let mut fold = Fold::new(scenario, facts);
            fold.resolved(&source.header().addresses);
            fold.clocked(&source.header().clock);
            fold.words = Some(words);
            return fold;
        }
        let outline = Outline::from_scenario(scenario);
        let mut fold = Fold::of_loops(scenario, outline, facts, source.loops());
        fold.take_shards(source, words);
        fold
    }

    fn take_shards(&mut self, source: &impl EventSource, words: fn(u64) -> String) {
        if let Some(goals) = &mut self.goals {
            goals.ignore_verdict();
        }
        self.words = Some(words);
        let (headers, loops) = (source.headers(), source.loops());
        let mut shards = Shards::new(&self.outline, &headers, &loops, words);
        self.requests.resolved(&shards.unite_addresses(&headers));
        self.shards = Some(Box::new(shards));
    }

    /// The log of this event loop is torn and ends here, while others go on: what it has open is in flight,
    /// given up at its last tick, and nothing more is waited for.
    ///
    /// # Errors
    /// The worker does not exist.
    pub fn log_torn(&mut self, worker: WorkerId) -> Result<(), FoldError> {
        if worker.0 >= self.loops.count() {
            return Err(FoldError::UnknownWorker { worker, workers: self.loops.count() });
        }
        if let Some(shards) = &mut self.shards {
            shards.torn(worker);
        }
        self.give_up_open_of(worker)?;
        self.pass(worker, u64::MAX);
        Ok(())
    }

    /// Which shard this is, if it is one of several and is read alone.
    pub(super) fn lone_shard(&self) -> Option<Shard> {
        let shard = self.facts.partition.process();
        (self.shards.is_none() && !shard.is_whole()).then_some(shard)
    }

    /// Adds the doubts that shards raise to those of the run.
    pub(super) fn doubt_shards(
        &self,
        generator: &mut GeneratorFigures,
        ends: &[ShardEnd],
    ) -> Option<ShardsFigures> {
        let shards = self.shards.as_ref()?;
        let evidence = |is_its: &dyn Fn(usize) -> bool| {
            let states = self.workers.iter().enumerate().filter(|(place, _)| is_its(*place));
            states.fold(LoopEvidence::default(), |sum, (_, state)| LoopEvidence {
                cpu_fraction: match (sum.cpu_fraction, state.health.cpu_fraction()) {
                    (Some(one), Some(other)) => Some(one.max(other)),
                    (one, other) => one.or(other),
                },
                log_stall_ns: sum.log_stall_ns.saturating_add(state.health.log_stall_ns()),
                loop_pass_max_ns: sum.loop_pass_max_ns.max(state.health.loop_pass_max_ns()),
            })
        };
        let (figures, doubts) = shards.figures(&self.outline, ends, evidence);
        generator.doubts.extend(doubts);
        verdict::order(&mut generator.doubts);
        generator.verdict = verdict::verdict(&generator.doubts);
        Some(figures)
    }
}

impl PartFold {
    /// As [`PartFold::new`], for the events of a log or of the logs of several shards; `words` as
    /// [`Fold::of_source`] has it.
    #[must_use]
    pub fn of_source(
        scenario: &Scenario,
        source: &impl EventSource,
        words: fn(u64) -> String,
        (from, to): (Option<Tick>, Option<Tick>),
    ) -> PartFold {
        let facts = facts(source, words);
        if !source.is_run_of_shards() {
            let mut part = PartFold::new(scenario, facts, from, to);
            part.resolved(&source.header().addresses);
            part.fold.words = Some(words);
            return part;
        }
        let mut part = PartFold::of_loops(scenario, (facts, source.loops()), from, to);
        part.fold.take_shards(source, words);
        part
    }

    /// As [`Fold::log_torn`]. Requests that are open are given up as rows.
    ///
    /// # Errors
    /// As [`Fold::log_torn`].
    pub fn log_torn(&mut self, worker: WorkerId) -> Result<(), FoldError> {
        self.fold.log_torn(worker)
    }
}
