//! Figures of each population, if the scenario has any: counts, latencies, and one row per second with the
//! VUs alive. Bounded by the number of populations and seconds. Knows nothing of events.

use std::collections::BTreeMap;

use z6_events::{ErrorKind, Population, Tick};
use z6_scenario::{Model, NS_PER_SECOND, Scenario, Tag};

use crate::error::FoldError;
use crate::gauges::Gauges;
use crate::groups::Cell;
use crate::metrics::{GroupFigures, Named, PopulationFigures, PopulationSecond};
use crate::pairing::OpenRequest;
use crate::tally::Outcomes;

/// One second of one population.
#[derive(Debug, Clone, Copy, Default)]
struct Second {
    planned: u64,
    sent: u64,
    succeeded: u64,
    failed: u64,
}

/// One population.
#[derive(Debug, Clone)]
struct Member {
    name: String,
    tags: Vec<Tag>,
    model: Model,
    counts: Outcomes,
    never_sent: u64,
    cell: Cell,
    seconds: Vec<Second>,
    vus: Gauges,
}

impl Member {
    /// Ticks are bounded by the caller.
    fn second(&mut self, at: Tick) -> &mut Second {
        let second = (at.0 / NS_PER_SECOND) as usize;
        if second >= self.seconds.len() {
            self.seconds.resize(second + 1, Second::default());
        }
        &mut self.seconds[second]
    }
}

/// All populations of a run.
#[derive(Debug, Clone)]
pub(crate) struct ByPopulation {
    members: Vec<Member>,
    warmup: Tick,
}

impl ByPopulation {
    /// None if the users of the scenario have no names.
    pub(crate) fn new(scenario: &Scenario, warmup: Tick) -> Option<Box<ByPopulation>> {
        let member = |users: &z6_scenario::Users| Member {
            name: users.name.clone(),
            tags: users.tags.clone(),
            model: users.schedule.model(),
            counts: Outcomes::default(),
            never_sent: 0,
            cell: Cell::default(),
            seconds: Vec::new(),
            vus: Gauges::default(),
        };
        let members = scenario.populations.iter().map(member).collect();
        scenario.has_populations().then(|| Box::new(ByPopulation { members, warmup }))
    }

    fn member(&mut self, population: Population) -> Result<&mut Member, FoldError> {
        let member = self.members.get_mut(usize::from(population.0));
        member.ok_or(FoldError::UnknownPopulation(population))
    }

    /// A VU started (1) or stopped (-1).
    pub(crate) fn vus(
        &mut self,
        population: Population,
        at: Tick,
        change: i64,
    ) -> Result<(), FoldError> {
        self.member(population)?.vus.vus(at, change);
        Ok(())
    }

    fn planned(&mut self, population: Population, planned: Tick) -> Result<&mut Member, FoldError> {
        let member = self.member(population)?;
        member.counts.planned += 1;
        member.second(planned).planned += 1;
        Ok(member)
    }

    /// A request of which a byte was written.
    pub(crate) fn on_wire(
        &mut self,
        population: Population,
        planned: Tick,
        sent: Tick,
    ) -> Result<(), FoldError> {
        let member = self.planned(population, planned)?;
        member.counts.sent += 1;
        member.second(sent).sent += 1;
        Ok(())
    }

    /// A request was answered as expected.
    pub(crate) fn succeeded(&mut self, at: Tick, open: &OpenRequest) -> Result<(), FoldError> {
        let warmup = self.warmup;
        let member = self.member(open.population)?;
        member.counts.succeeded += 1;
        member.second(at).succeeded += 1;
        if open.planned >= warmup {
            member.cell.response.value(at.since(open.planned))?;
            member.cell.service.value(at.since(open.sent))?;
        }
        Ok(())
    }

    /// A request on the wire failed.
    pub(crate) fn failed(
        &mut self,
        at: Tick,
        open: &OpenRequest,
        error: ErrorKind,
    ) -> Result<(), FoldError> {
        let member = self.member(open.population)?;
        member.counts.failed += 1;
        member.second(at).failed += 1;
        if error.is_censored() { self.unanswered(at, open) } else { Ok(()) }
    }

    /// A request on the wire was given up without an answer.
    pub(crate) fn unanswered(&mut self, at: Tick, open: &OpenRequest) -> Result<(), FoldError> {
        if open.planned < self.warmup {
            return Ok(());
        }
        let cell = &mut self.member(open.population)?.cell;
        cell.response.bound(at.since(open.planned))?;
        cell.service.bound(at.since(open.sent))
    }

    /// A request failed without a byte on the wire.
    pub(crate) fn not_on_wire(
        &mut self,
        population: Population,
        planned: Tick,
        at: Tick,
    ) -> Result<(), FoldError> {
        let member = self.planned(population, planned)?;
        member.counts.sent += 1;
        member.counts.failed += 1;
        let second = member.second(at);
        second.sent += 1;
        second.failed += 1;
        Ok(())
    }

    /// A request was given up without having been given to a connection.
    pub(crate) fn never_sent(
        &mut self,
        population: Population,
        planned: Tick,
    ) -> Result<(), FoldError> {
        self.planned(population, planned)?.never_sent += 1;
        Ok(())
    }

    /// `requests.by_population`.
    pub(crate) fn groups(&self) -> Named<GroupFigures> {
        let of = |member: &Member| (member.name.clone(), member.cell.figures(member.counts));
        Named(self.members.iter().map(of).collect())
    }

    /// `requests.by_tag`, of the tags of populations.
    pub(crate) fn by_tag(&self) -> Result<Vec<(String, GroupFigures)>, FoldError> {
        let mut tags: BTreeMap<&Tag, (Outcomes, Cell)> = BTreeMap::new();
        for member in &self.members {
            for tag in &member.tags {
                let (counts, cell) = tags.entry(tag).or_default();
                *counts += member.counts;
                cell.merge(&member.cell)?;
            }
        }
        let figures = tags.into_iter();
        Ok(figures.map(|(tag, (counts, cell))| (tag.to_string(), cell.figures(counts))).collect())
    }

    /// `populations` of a run that ended then.
    pub(crate) fn figures(&self, ended_at: Tick) -> Named<PopulationFigures> {
        let length = ended_at.0.div_ceil(NS_PER_SECOND) as usize;
        let of = |member: &Member| {
            let seconds = length.max(member.seconds.len());
            let rows = member.seconds.iter().copied().chain(std::iter::repeat(Second::default()));
            let rows = (0..).zip(rows).zip(member.vus.by_second()).take(seconds);
            let time_series: Vec<PopulationSecond> = rows
                .map(|((second, row), (active_vus, _))| PopulationSecond {
                    second,
                    planned: row.planned,
                    sent: row.sent,
                    succeeded: row.succeeded,
                    failed: row.failed,
                    active_vus,
                })
                .collect();
            let figures = PopulationFigures {
                model: member.model,
                planned: member.counts.planned,
                never_sent: member.never_sent,
                time_series,
            };
            (member.name.clone(), figures)
        };
        Named(self.members.iter().map(of).collect())
    }
}
