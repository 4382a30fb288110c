//! What VUs keep from responses, and what follows from it: which values they have, which part of their
//! sequence they are in, what a failure means. Knows no values, only whether there is one; no connections
//! and no timers.
//!
//! A scenario whose requests are fixed bytes in a plain order has none of this ([`Rules::new`]).

use std::collections::VecDeque;

use z6_events::{Actor, ErrorKind, LoggedValue, Population, RequestId, Step, Tick, VariableId};
use z6_scenario::{
    Condition, ConditionId, Flow, OnEnd, Place, Plan, Question, Region, Request, Scenario, Scope,
    SequenceStep, ValueSource,
};

use super::input::LastRequest;
use super::vu::VuSlot;

/// Before `start` is done again lies a pause of at least this, nanoseconds: 1 s.
pub(super) const START_AGAIN_NS: u64 = 1_000_000_000;

/// A set of variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Variables(Box<[u64]>);

impl Variables {
    fn none(count: usize) -> Variables {
        Variables(vec![0; count.div_ceil(64)].into())
    }

    fn insert(&mut self, VariableId(id): VariableId) {
        if let Some(word) = self.0.get_mut(usize::from(id) / 64) {
            *word |= 1 << (id % 64);
        }
    }

    fn extend(&mut self, variables: impl IntoIterator<Item = VariableId>) {
        variables.into_iter().for_each(|variable| self.insert(variable));
    }

    /// Whether all of them are in `set`.
    fn are_in(&self, set: &[u64]) -> bool {
        self.0.iter().zip(set).all(|(wanted, there)| wanted & !there == 0)
    }

    /// Takes them out of `set`.
    fn leave(&self, set: &mut [u64]) {
        self.0.iter().zip(set).for_each(|(gone, there)| *there &= !gone);
    }
}

/// One extraction.
#[derive(Debug, Clone)]
struct ExtractRule {
    variable: VariableId,
    has_default: bool,
    /// Without a value the request fails.
    is_required: bool,
    /// The log must not hold its values.
    is_secret: bool,
    /// It takes all values that there are.
    is_list: bool,
}

/// What is constant of one request.
#[derive(Debug, Clone)]
struct RequestRules {
    /// Without these it cannot be sent.
    needs: Variables,
    /// These have no value while it is answered.
    gives: Variables,
    extracts: Box<[ExtractRule]>,
    /// Extractions, by bit: all, and those that are done after a failure as well.
    all: u64,
    always: u64,
    /// Checks, by bit: all, and those that the request fails with.
    checks: u64,
    fails: u64,
    /// It uses rows that may come to an end.
    may_end: bool,
}

/// The first so many bits.
const fn first_bits(count: usize) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

/// The bits of what has a property.
fn bits<T>(all: &[T], has: impl Fn(&T) -> bool) -> u64 {
    let numbered = all.iter().take(64).enumerate().filter(|(_, one)| has(one));
    numbered.fold(0, |mask, (bit, _)| mask | 1 << bit)
}

impl RequestRules {
    fn new(scenario: &Scenario, request: &Request) -> RequestRules {
        let values = &scenario.values;
        let reading = &request.reading;
        let extract = |extract: &z6_scenario::Extract| ExtractRule {
            variable: extract.variable,
            has_default: extract.default.is_some(),
            is_required: extract.is_required && extract.default.is_none(),
            is_secret: values.is_secret(ValueSource::Variable(extract.variable)),
            is_list: extract.is_list,
        };
        let mut needs = Variables::none(values.variables.len());
        needs.extend(request.rendering.iter().flat_map(|made| made.needs.iter().copied()));
        let mut gives = Variables::none(values.variables.len());
        gives.extend(reading.extracts.iter().map(|extract| extract.variable));
        let may_end = |source| {
            let ValueSource::Column { data, .. } = source else { return false };
            let file = values.data.get(usize::from(data));
            file.is_some_and(|file| file.is_unique || file.on_end != OnEnd::Repeat)
        };
        RequestRules {
            needs,
            gives,
            extracts: reading.extracts.iter().map(extract).collect(),
            all: first_bits(reading.extracts.len()),
            always: bits(&reading.extracts, |extract| extract.is_always),
            checks: first_bits(reading.checks.len()),
            fails: bits(&reading.checks, |check| check.fails),
            may_end: request.value_sources(values).into_iter().any(may_end),
        }
    }
}

/// When a renewal is due.
#[derive(Debug, Clone)]
struct RenewRules {
    on_status: Box<[u16]>,
    every_ns: Option<u64>,
}

/// What is constant of the journeys of one population.
#[derive(Debug, Clone)]
struct FlowRules {
    /// Variables of `start` without which later requests cannot be sent.
    from_start: Variables,
    renew: Option<RenewRules>,
    empty_iteration_ns: u64,
}

impl FlowRules {
    fn new(scenario: &Scenario, flow: &Flow, rules: &[RequestRules], fleeting: &Variables) -> Self {
        FlowRules {
            from_start: from_start(scenario, flow, rules, fleeting),
            empty_iteration_ns: flow.empty_iteration_ns,
            renew: flow.renew.as_ref().map(|renew| RenewRules {
                on_status: renew.on_status.as_slice().into(),
                every_ns: renew.every_ns,
            }),
        }
    }
}

/// What is constant of all journeys.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    requests: Box<[RequestRules]>,
    /// Variables that lose their values with the iteration.
    fleeting: Variables,
    /// By number of population.
    flows: Box<[FlowRules]>,
    /// By number of condition: the variable that has an item of a list while it holds.
    items: Box<[Option<VariableId>]>,
    /// Whether something is kept for actors that the driver has to drop.
    pub(super) is_kept: bool,
}

impl Rules {
    /// None if every request is fixed bytes of which nothing is read, and the order of steps is fixed.
    pub(crate) fn new(scenario: &Scenario) -> Option<Rules> {
        let Scenario { values, requests, .. } = scenario;
        if !scenario.has_journeys() {
            return None;
        }
        let count = values.variables.len();
        let rules: Box<[RequestRules]> =
            requests.iter().map(|request| RequestRules::new(scenario, request)).collect();
        let mut fleeting = Variables::none(count);
        let numbered = values.variables.iter().enumerate();
        let of_iteration = numbered.filter(|(_, variable)| variable.scope == Scope::Iteration);
        fleeting.extend(of_iteration.map(|(id, _)| VariableId(id as u16)));
        let all = scenario.populations.iter();
        let keeps_cookies = all.clone().any(|users| users.cookies.is_some());
        let flows = all.map(|users| FlowRules::new(scenario, &users.flow, &rules, &fleeting));
        Some(Rules {
            flows: flows.collect(),
            items: values.conditions.iter().map(Condition::item).collect(),
            requests: rules,
            fleeting,
            is_kept: count > 0 || keeps_cookies,
        })
    }

    fn request(&self, RequestId(id): RequestId) -> &RequestRules {
        &self.requests[usize::from(id)]
    }

    fn flow(&self, population: Population) -> &FlowRules {
        &self.flows[usize::from(population.0)]
    }

    /// Whether a request uses rows that may come to an end.
    pub(super) fn may_end(&self, request: RequestId) -> bool {
        self.request(request).may_end
    }
}

/// The variables that requests of `start` give for longer than an iteration and those of iterations and
/// renewals need.
fn from_start(
    scenario: &Scenario,
    flow: &Flow,
    rules: &[RequestRules],
    fleeting: &Variables,
) -> Variables {
    let of = |step: &SequenceStep| rules.get(step.request.index());
    let renewed = flow.renew.iter().flat_map(|renew| &renew.steps);
    let later: Vec<&RequestRules> = if flow.steps.is_empty() {
        rules.iter().collect()
    } else {
        flow.steps.iter().chain(renewed).filter_map(of).collect()
    };
    let mut found = Variables::none(scenario.values.variables.len());
    for (index, word) in found.0.iter_mut().enumerate() {
        let given = flow.start.iter().filter_map(of).fold(0, |all, r| all | r.gives.0[index]);
        let needed = later.iter().fold(0, |all, r| all | r.needs.0[index]);
        *word = given & needed & !fleeting.0[index];
    }
    found
}

/// What was read from the response that is complete next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Found {
    /// Extractions that were done, by bit.
    done: u64,
    /// Checks that failed, by bit.
    failed: u64,
    /// One of them found nothing, and the request fails without.
    is_missing: bool,
}

/// What is kept of one VU.
#[derive(Debug, Clone, Copy, Default)]
struct Journey {
    population: Population,
    /// Where it goes on after a renewal, or after a `start` that was done again.
    back: Step,
    renewals: u64,
    starts_again: u64,
    /// For when the first step of the last start or renewal was planned.
    renewed: Tick,
    /// For when the first step of its iteration was planned.
    begun: Tick,
    /// When it began, or its last step ended.
    ended: Tick,
    found: Found,
    /// A status of `on_status` came.
    is_renewal_due: bool,
    /// It has come back from a renewal: the next step is done before another one.
    is_back: bool,
    /// It is at a step of `start`, of a renewal or of `end`.
    is_aside: bool,
    /// The iteration has sent a request.
    has_sent: bool,
    /// Its request failed.
    has_failed: bool,
    /// How its last request ended.
    last: Option<LastRequest>,
}

/// A VU that awaits what a condition says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) vu: VuSlot,
    pub(super) population: Population,
    pub(super) actor: Actor,
    pub(super) question: Question,
    pub(super) from: Onward,
}

/// From when on a VU goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Onward {
    /// When its last step ended, or the first of a part was due.
    pub(super) at: Tick,
    /// The pause after that, nanoseconds.
    pub(super) pause_ns: u64,
    /// Its next step is the first of a part, which is due now.
    pub(super) begins: bool,
}

/// The journeys of one engine, by the slots of their VUs.
#[derive(Debug, Clone, Default)]
pub(super) struct Journeys {
    table: Vec<Journey>,
    /// The variables of each that have a value: so many words as all variables have.
    set: Vec<u64>,
    /// Those that await what a condition says, in the order in which they asked.
    asked: VecDeque<Asked>,
    /// The engine has asked for the end of the run.
    pub(super) has_asked: bool,
    /// A VU has ended for another reason than the schedule and its last iteration.
    pub(super) has_dropped: bool,
}

impl Journeys {
    /// A VU begins, in a slot that others may have had.
    pub(super) fn begin(
        &mut self,
        rules: &Rules,
        vu: VuSlot,
        population: Population,
        planned: Tick,
    ) {
        let words = rules.fleeting.0.len();
        let slots = vu.0 as usize + 1;
        if self.table.len() < slots {
            self.table.resize(slots, Journey::default());
            self.set.resize(slots * words, 0);
        }
        self.table[vu.0 as usize] =
            Journey { population, renewed: planned, ended: planned, ..Journey::default() };
        self.set_of(rules, vu).fill(0);
    }

    fn at(&mut self, vu: VuSlot) -> &mut Journey {
        &mut self.table[vu.0 as usize]
    }

    fn set_of(&mut self, rules: &Rules, vu: VuSlot) -> &mut [u64] {
        let words = rules.fleeting.0.len();
        &mut self.set[vu.0 as usize * words..][..words]
    }

    /// A step is about to be planned for `planned`: the step that is done instead, if it is the turn of one.
    pub(super) fn turn_aside(
        &mut self,
        rules: &Rules,
        plan: &Plan,
        (vu, actor, step): (VuSlot, Actor, Step),
        planned: Tick,
    ) -> Option<Step> {
        let place = plan.place(actor, step);
        let Region::Iteration(_) = place.region else {
            self.at(vu).is_aside = true;
            return None;
        };
        let starts_again = place.position == 0 && self.lacks_start(rules, vu);
        let journey = self.at(vu);
        let was_back = std::mem::take(&mut journey.is_back);
        let is_due = |renew: &RenewRules| {
            let is_old = |every_ns| planned.since(journey.renewed) >= every_ns;
            journey.is_renewal_due || renew.every_ns.is_some_and(is_old)
        };
        let aside = if starts_again {
            plan.start_again(journey.starts_again)
        } else if !was_back && rules.flow(journey.population).renew.as_ref().is_some_and(is_due) {
            plan.renewal_start(journey.renewals)
        } else {
            None
        };
        journey.is_aside = aside.is_some();
        if aside.is_none() && place.position == 0 {
            journey.begun = planned;
        }
        let aside = aside?;
        let count = if starts_again { &mut journey.starts_again } else { &mut journey.renewals };
        *count += 1;
        journey.back = step;
        journey.renewed = planned;
        journey.is_renewal_due = false;
        Some(aside)
    }

    /// Whether a variable that the VU's request needs has no value.
    pub(super) fn lacks(&mut self, rules: &Rules, vu: VuSlot, request: RequestId) -> bool {
        let needs = &rules.request(request).needs;
        !needs.are_in(self.set_of(rules, vu))
    }

    /// Whether a variable that comes from `start` has no value.
    pub(super) fn lacks_start(&mut self, rules: &Rules, vu: VuSlot) -> bool {
        let population = self.at(vu).population;
        !rules.flow(population).from_start.are_in(self.set_of(rules, vu))
    }

    /// A step of the VU has ended.
    pub(super) fn step_ended(&mut self, vu: VuSlot, at: Tick) {
        self.at(vu).ended = at;
    }

    /// The VU does what comes at its end: what lives for an iteration is gone. Returns for when it is planned.
    pub(super) fn begin_end(&mut self, rules: &Rules, vu: VuSlot, at: Tick) -> Tick {
        self.drop_asked(vu);
        rules.fleeting.leave(self.set_of(rules, vu));
        at.max(self.at(vu).ended)
    }

    /// For when the first step of the VU's iteration was planned.
    pub(super) fn begun(&self, vu: VuSlot) -> Tick {
        self.table[vu.0 as usize].begun
    }

    /// How often the VU has begun `start` again.
    pub(super) fn starts_again(&self, vu: VuSlot) -> u64 {
        self.table[vu.0 as usize].starts_again
    }

    /// The first byte of a step's request was written: what it extracts has no value from now on.
    /// With `keeps` (a planted bug) it keeps the value.
    pub(super) fn sent(&mut self, rules: &Rules, vu: VuSlot, request: RequestId, keeps: bool) {
        if !keeps {
            rules.request(request).gives.leave(self.set_of(rules, vu));
        }
        let journey = self.at(vu);
        journey.found = Found::default();
        journey.has_sent |= !journey.is_aside;
    }

    /// The extraction of a request that an input names, if it can come now: it has a bit above those that
    /// were done.
    fn extraction<'a>(
        &self,
        rules: &'a Rules,
        (vu, request): (VuSlot, RequestId),
        variable: VariableId,
    ) -> Option<(u64, &'a ExtractRule)> {
        let extracts = &rules.request(request).extracts;
        let index = extracts.iter().position(|extract| extract.variable == variable)?;
        let Found { done, failed, .. } = self.table[vu.0 as usize].found;
        let bit = 1u64.checked_shl(index as u32)?;
        (done < bit && failed == 0).then(|| (bit, &extracts[index]))
    }

    /// Whether a value that was found can come now, in this form.
    pub(super) fn accepts_value(
        &self,
        rules: &Rules,
        whose: (VuSlot, RequestId),
        variable: VariableId,
        (value, count): (LoggedValue, Option<u32>),
    ) -> bool {
        let is_open = matches!(value, LoggedValue::Clear(_) | LoggedValue::Digest { .. });
        let is_missing = value == LoggedValue::Missing;
        self.extraction(rules, whose, variable).is_some_and(|(_, extract)| {
            !(is_open && extract.is_secret) && count.is_some() == (extract.is_list && !is_missing)
        })
    }

    /// Whether these checks can have failed now.
    pub(super) fn accepts_failed(
        &self,
        rules: &Rules,
        (vu, request): (VuSlot, RequestId),
        failed: u64,
    ) -> bool {
        let known = rules.request(request).checks;
        failed != 0 && failed & !known == 0 && self.table[vu.0 as usize].found.failed == 0
    }

    /// Whether nothing was read from the response, as where there is none.
    pub(super) fn has_read_nothing(&self, vu: VuSlot) -> bool {
        self.table[vu.0 as usize].found == Found::default()
    }

    /// Whether all was read that has to be, given whether the request fails by its status.
    pub(super) fn accepts_done(
        &self,
        rules: &Rules,
        (vu, request): (VuSlot, RequestId),
        fails: bool,
    ) -> bool {
        let request = rules.request(request);
        let found = self.table[vu.0 as usize].found;
        let fails = fails || found.failed & request.fails != 0;
        found.done == if fails { request.always } else { request.all }
    }

    /// An extraction was done.
    pub(super) fn value(
        &mut self,
        rules: &Rules,
        whose: (VuSlot, RequestId),
        variable: VariableId,
        value: LoggedValue,
    ) {
        let Some((bit, extract)) = self.extraction(rules, whose, variable) else { return };
        let is_missing = value == LoggedValue::Missing;
        let journey = self.at(whose.0);
        journey.found.done |= bit;
        journey.found.is_missing |= is_missing && extract.is_required;
        if !is_missing || extract.has_default {
            let VariableId(id) = variable;
            self.set_of(rules, whose.0)[usize::from(id) / 64] |= 1 << (id % 64);
        }
    }

    /// Checks failed.
    pub(super) fn checks_failed(&mut self, vu: VuSlot, failed: u64) {
        self.at(vu).found.failed = failed;
    }

    /// A response is complete: why the request fails, if it does.
    pub(super) fn judge(
        &mut self,
        rules: &Rules,
        (vu, request): (VuSlot, RequestId),
        status: u16,
        by_status: Option<ErrorKind>,
    ) -> Option<ErrorKind> {
        let journey = self.at(vu);
        let Found { failed, is_missing, .. } = std::mem::take(&mut journey.found);
        let by_check =
            (failed & rules.request(request).fails != 0).then_some(ErrorKind::CheckFailed);
        let by_value = is_missing.then_some(ErrorKind::ExtractFailed);
        let failure = by_status.or(by_check).or(by_value);
        journey.has_failed = failure.is_some();
        journey.last = Some(LastRequest {
            response: Some((request, status, failed)),
            has_failed: failure.is_some(),
        });
        let renew = rules.flow(journey.population).renew.as_ref().filter(|_| !journey.is_aside);
        journey.is_renewal_due |=
            renew.is_some_and(|renew| renew.on_status.binary_search(&status).is_ok());
        failure
    }

    /// The VU's request failed without a response.
    pub(super) fn failed(&mut self, vu: VuSlot) {
        let journey = self.at(vu);
        journey.has_failed = true;
        journey.last = Some(LastRequest { response: None, has_failed: true });
    }

    /// How the VU's last request ended.
    pub(super) fn last(&self, vu: VuSlot) -> Option<LastRequest> {
        self.table[vu.0 as usize].last
    }

    /// A condition was evaluated for a VU. One that is about an item of a list gives it to a variable, or takes it
    /// away.
    pub(super) fn answered(
        &mut self,
        rules: &Rules,
        vu: VuSlot,
        ConditionId(condition): ConditionId,
        holds: bool,
    ) {
        let Some(Some(VariableId(id))) = rules.items.get(usize::from(condition)) else { return };
        let (index, bit) = (usize::from(*id) / 64, 1 << (id % 64));
        let word = &mut self.set_of(rules, vu)[index];
        *word = if holds { *word | bit } else { *word & !bit };
    }

    /// A VU awaits what a condition says.
    pub(super) fn ask(&mut self, asked: Asked) {
        self.asked.push_back(asked);
    }

    /// The place of who awaits what a condition says about a step.
    pub(super) fn find_asked(
        &self,
        population: Population,
        actor: Actor,
        step: Step,
    ) -> Option<usize> {
        self.asked.iter().position(|asked| {
            (asked.population, asked.actor, asked.question.step) == (population, actor, step)
        })
    }

    /// What a VU has asked, if it awaits an answer.
    pub(super) fn asked_of(&self, vu: VuSlot) -> Option<Asked> {
        self.asked.iter().find(|asked| asked.vu == vu).copied()
    }

    /// Takes it out.
    pub(super) fn take_asked(&mut self, place: usize) -> Option<Asked> {
        self.asked.remove(place)
    }

    /// A VU is gone.
    pub(super) fn drop_asked(&mut self, vu: VuSlot) {
        if !self.asked.is_empty() {
            self.asked.retain(|asked| asked.vu != vu);
        }
    }

    /// Whether the VU's request failed; asked once.
    pub(super) fn take_failed(&mut self, vu: VuSlot) -> bool {
        std::mem::take(&mut self.at(vu).has_failed)
    }

    /// The first step of what comes after the part that `step` is in, at `place`; none if nothing does.
    /// `ends_iteration`: a failure has ended the iteration.
    pub(super) fn next(
        &mut self,
        plan: &Plan,
        (vu, actor, step): (VuSlot, Actor, Step),
        place: Place,
        ends_iteration: bool,
    ) -> Option<Step> {
        let iteration = |number: u64| {
            let first = plan.iteration_start(number);
            let is_there = plan.end_step(actor).is_none_or(|end| first < end);
            is_there.then_some(first)
        };
        let is_start = place.region == Region::Start && step == Step(place.position);
        match place.region {
            Region::Start if is_start => iteration(0),
            Region::Iteration(number) => iteration(number.saturating_add(1)),
            Region::End => None,
            Region::Start | Region::Renewal(_) => {
                let journey = self.at(vu);
                journey.is_back = true;
                let back = journey.back;
                match plan.place(actor, back) {
                    Place { region: Region::Iteration(number), position: 1.. }
                        if ends_iteration =>
                    {
                        iteration(number.saturating_add(1))
                    }
                    _ => Some(back),
                }
            }
        }
    }

    /// Whether the step `next` is not of the iteration that `place` was in, or that it interrupted.
    pub(super) fn leaves(
        &self,
        plan: &Plan,
        whose: (VuSlot, Actor),
        place: Place,
        next: Step,
    ) -> bool {
        let (vu, actor) = whose;
        let next = plan.place(actor, next);
        match place.region {
            Region::Start => matches!(next.region, Region::Iteration(_)),
            Region::Iteration(_) => next.region != place.region,
            Region::End => false,
            Region::Renewal(_) => {
                let back = plan.place(actor, self.table[vu.0 as usize].back);
                matches!(next.region, Region::Iteration(_)) && next.region != back.region
            }
        }
    }

    /// The iteration has ended, or `start` has: the least pause before the next, nanoseconds.
    pub(super) fn end_iteration(&mut self, rules: &Rules, vu: VuSlot, place: Place) -> u64 {
        rules.fleeting.leave(self.set_of(rules, vu));
        let journey = self.at(vu);
        let has_sent = std::mem::take(&mut journey.has_sent);
        let is_empty = !has_sent && place.region != Region::Start;
        if is_empty { rules.flow(journey.population).empty_iteration_ns } else { 0 }
    }
}
