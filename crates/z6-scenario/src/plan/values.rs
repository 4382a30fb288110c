//! The values that the plan gives: rows of data files, values made up, numbers of actor and step, instants.
//!
//! Knows no templates and no responses. All of it is arithmetic: nothing is kept between two questions.

use std::sync::Arc;

use z6_events::{Actor, Population, RequestId, Step, Tick};
use z6_extract::rows::Table;

use super::Plan;
use super::places::{Place, Region, Track};
use crate::journey::{DataFile, OnEnd, ValueSource};
use crate::model::{Model, Scenario};
use crate::values::{Deal, Draw, Made, Moment, Per, Rows, push_rfc3339_ms};

#[cfg(test)]
mod tests;

/// What [`Plan::write_planned`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlannedValue {
    /// A text.
    Text,
    /// A number, as a JSON literal.
    Literal,
    /// Nothing: the value is a secret, or comes from a response, or there is no row left.
    NotPlanned,
}

/// A data file and the rows it gives.
#[derive(Debug, Clone)]
struct Dealt {
    rows: Rows,
    table: Arc<Table>,
    per: Per,
    /// What happens after one pass; none where the file begins again.
    ends: Option<OnEnd>,
    /// By request, whether it uses the file.
    users: Box<[bool]>,
    /// A request of this population does.
    is_used: bool,
}

impl Dealt {
    fn new(
        seed: u64,
        population: (&str, &[RequestId]),
        file: &DataFile,
        deal: Deal,
        users: Box<[bool]>,
    ) -> Dealt {
        let (name, requests) = population;
        let is_used = requests.iter().any(|id| users.get(id.index()) == Some(&true));
        let ends = match file.on_end {
            OnEnd::Repeat if !file.is_unique => None,
            OnEnd::Repeat => Some(OnEnd::StopRun),
            OnEnd::StopVu | OnEnd::StopRun => Some(file.on_end),
        };
        let count = file.table.row_count() as u64;
        let how = (file.per, file.order.clone(), ends.is_some());
        Dealt {
            rows: Rows::new(seed, &file.name, count, how, deal).of_population(name),
            table: Arc::clone(&file.table),
            per: file.per,
            ends,
            users,
            is_used,
        }
    }

    /// Which draw a place makes; none where it makes none.
    fn draw(&self, actor: Actor, place: Place, steps: &Track) -> Option<Draw> {
        if !self.is_used {
            return None;
        }
        let at = |iteration, place| Draw { actor: actor.0, iteration, place };
        match (self.per, place.region) {
            (Per::Vu, _) => Some(at(0, 0)),
            (Per::Iteration, Region::Iteration(iteration)) => Some(at(iteration, 0)),
            (Per::Step, Region::Iteration(iteration)) if steps.is_empty() => Some(at(iteration, 0)),
            (Per::Step, Region::Iteration(iteration)) => {
                let uses = |id: RequestId| self.users.get(id.index()) == Some(&true);
                Some(at(iteration, steps.among(place.position, uses)?))
            }
            (Per::Iteration | Per::Step, Region::Start | Region::Renewal(_) | Region::End) => None,
        }
    }
}

/// All that a plan knows of values; empty for a scenario that uses none.
#[derive(Debug, Clone, Default)]
pub(super) struct PlannedValues {
    data: Box<[Dealt]>,
    random: Box<[(Made, Per)]>,
    /// Per request, the data files that it uses and that can come to an end; empty if no file can.
    ending: Box<[Box<[u16]>]>,
    /// When the run begins, nanoseconds since 1970-01-01 UTC.
    epoch_ns: u64,
}

impl PlannedValues {
    /// `actors`: how many the schedule ever starts; `steps`: one iteration.
    pub(super) fn new(
        scenario: &Scenario,
        seed: u64,
        population: Population,
        steps: &Track,
        actors: u64,
    ) -> PlannedValues {
        let values = &scenario.values;
        if values.data.is_empty() && values.random.is_empty() {
            return PlannedValues::default();
        }
        let users: Vec<Vec<u16>> = if values.data.is_empty() {
            Vec::new()
        } else {
            scenario.requests.iter().map(|request| request.data_files(values)).collect()
        };
        let name = scenario.users(population).name.as_str();
        let requests = scenario.users(population).requests(scenario);
        let actors = match scenario.users(population).schedule.model() {
            Model::Closed => Some(actors),
            Model::Open => None,
        };
        let dealt = |(index, file): (usize, &DataFile)| {
            let uses = |files: &Vec<u16>| files.iter().any(|file| usize::from(*file) == index);
            let uses: Box<[bool]> = users.iter().map(uses).collect();
            let places = steps.count(|id| uses.get(id.index()) == Some(&true));
            let turn = turn(scenario, &users, index, population);
            let deal = Deal { actors, places: places.max(1), turn };
            Dealt::new(seed, (name, &requests), file, deal, uses)
        };
        let data: Box<[Dealt]> = values.data.iter().enumerate().map(dealt).collect();
        let ends = |file: &u16| data.get(usize::from(*file)).is_some_and(|d| d.ends.is_some());
        let ending = if data.iter().any(|file| file.ends.is_some()) {
            users.iter().map(|files| files.iter().copied().filter(ends).collect()).collect()
        } else {
            Box::default()
        };
        let made = |value: &crate::RandomValue| {
            (Made::new(seed, &value.name, value.by.clone()).of_population(name), value.per)
        };
        let random = values.random.iter().map(made).collect();
        PlannedValues { data, random, ending, epoch_ns: 0 }
    }
}

/// Which of the populations that use a file this one is, and how many they are. `users`: the files of each
/// request.
fn turn(
    scenario: &Scenario,
    users: &[Vec<u16>],
    file: usize,
    population: Population,
) -> (u64, u64) {
    let uses = |request: &RequestId| {
        let files = users.get(request.index()).map_or(&[][..], Vec::as_slice);
        files.iter().any(|used| usize::from(*used) == file)
    };
    let all = scenario.populations.iter();
    let uses: Vec<bool> = all.map(|users| users.requests(scenario).iter().any(uses)).collect();
    let count = |uses: &[bool]| uses.iter().filter(|uses| **uses).count() as u64;
    (count(&uses[..usize::from(population.0)]), count(&uses).max(1))
}

impl Plan {
    /// Sets when the run begins, nanoseconds since 1970-01-01 UTC: what `now.unix_ms` and `now.rfc3339` count
    /// from. It is 0 before.
    pub fn set_epoch(&mut self, unix_ns: u64) {
        self.values.epoch_ns = unix_ns;
        self.others.iter_mut().for_each(|other| other.values.epoch_ns = unix_ns);
    }

    /// The row of a data file, from 0, that `actor` sees at `step`. None if unique rows are used up, and
    /// where the step has no row: where no request of the population uses the file, where the file gives a
    /// row per step and the step does not use it, and outside of iterations unless the file gives a row per
    /// VU.
    #[must_use]
    pub fn row(&self, data: u16, actor: Actor, step: Step) -> Option<u64> {
        let dealt = self.values.data.get(usize::from(data))?;
        let draw = dealt.draw(actor, self.place(actor, step), &self.steps)?;
        dealt.rows.row(draw)
    }

    /// Whether the request of a step needs a row of a file that has none left, and what then happens. If
    /// several files have ended: the end of the run before that of the VU.
    #[must_use]
    pub fn exhausted(&self, actor: Actor, step: Step) -> Option<OnEnd> {
        if self.values.ending.is_empty() {
            return None;
        }
        let request = self.step(actor, step).request;
        let place = self.place(actor, step);
        let mut found = None;
        for file in self.values.ending.get(request.index())?.iter() {
            let dealt = self.values.data.get(usize::from(*file))?;
            let Some(draw) = dealt.draw(actor, place, &self.steps) else { continue };
            if dealt.rows.row(draw).is_none() && found != Some(OnEnd::StopRun) {
                found = dealt.ends;
            }
        }
        found
    }

    /// Appends the value of `source` for the request of `actor` at `step`, planned for `planned`; says what
    /// it is. Nothing is appended where the plan does not give it.
    pub fn write_planned(
        &self,
        source: ValueSource,
        actor: Actor,
        step: Step,
        planned: Tick,
        out: &mut Vec<u8>,
    ) -> PlannedValue {
        let number = |value: u64, out: &mut Vec<u8>| {
            out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
            PlannedValue::Literal
        };
        match source {
            ValueSource::Secret(_) | ValueSource::Variable(_) | ValueSource::Run(_) => {
                PlannedValue::NotPlanned
            }
            ValueSource::Column { data, column } => {
                let field = self.row(data, actor, step).and_then(|row| {
                    let table = &self.values.data.get(usize::from(data))?.table;
                    table.field(usize::try_from(row).ok()?, usize::try_from(column).ok()?)
                });
                let Some(field) = field else { return PlannedValue::NotPlanned };
                out.extend_from_slice(field);
                PlannedValue::Text
            }
            ValueSource::Random(index) => {
                let Some((made, per)) = self.values.random.get(usize::from(index)) else {
                    return PlannedValue::NotPlanned;
                };
                let coordinate = match per {
                    Per::Vu => 0,
                    Per::Iteration => self.place(actor, step).region.coordinate(),
                    Per::Step => step.0,
                };
                made.write(Moment { actor: actor.0, coordinate }, out);
                if made.is_text() { PlannedValue::Text } else { PlannedValue::Literal }
            }
            ValueSource::Vu => number(actor.0, out),
            ValueSource::Iteration => match self.place(actor, step).region {
                Region::Start | Region::End => number(0, out),
                Region::Iteration(iteration) => number(iteration, out),
                Region::Renewal(renewal) => number(renewal, out),
            },
            ValueSource::Step => number(step.0, out),
            ValueSource::NowUnixMs => {
                number(self.values.epoch_ns.saturating_add(planned.0) / 1_000_000, out)
            }
            ValueSource::NowRfc3339 => {
                push_rfc3339_ms(self.values.epoch_ns.saturating_add(planned.0), out);
                PlannedValue::Text
            }
        }
    }
}
