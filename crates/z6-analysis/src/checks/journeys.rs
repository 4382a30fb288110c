//! Journeys of actors: which values they have, and which step comes next, given what responses said. Written
//! from docs/SCENARIO.md and docs/EVENT_LOG.md, and shares nothing with the engine but the plan.

use std::collections::BTreeSet;
use std::ops::Range;

use z6_events::{Actor, ErrorKind, LoggedValue, RequestId, Step, Tick, VariableId};
use z6_scenario::{
    Block, BlockKind, Condition, ConditionId, Flow, FlowPart, OnFailure, Plan, Question, Region,
    Scenario, Scope, SequenceStep, Users, ValueSource, Way,
};

use super::violation::ViolationKind;

/// The least pause before `start` is done again, nanoseconds.
const START_AGAIN_NS: u64 = 1_000_000_000;

/// A value as an event has it, and the number of items if it is a list.
pub(super) type Told = (LoggedValue, Option<u32>);

/// One extraction of a request.
#[derive(Debug)]
struct Extraction {
    variable: VariableId,
    has_default: bool,
    is_required: bool,
    is_always: bool,
    is_secret: bool,
    is_list: bool,
}

/// What a request reads and needs.
#[derive(Debug)]
struct Asks {
    needs: Vec<VariableId>,
    extracts: Vec<Extraction>,
    /// Of each check, whether the request fails with it.
    checks: Vec<bool>,
}

/// What a scenario says of journeys.
#[derive(Debug)]
pub(super) struct JourneyRules {
    flow: Flow,
    requests: Vec<Asks>,
    /// Variables that end with the iteration.
    short: BTreeSet<VariableId>,
    /// Variables that `start` gives and later requests need.
    from_start: BTreeSet<VariableId>,
    has_data: bool,
    /// By number of condition: the variable that has an item of a list while it holds.
    items: Vec<Option<VariableId>>,
    /// Of start, iteration, renewal and end, the step of each place; empty without blocks of steps.
    unrolled: [Vec<u32>; 4],
}

/// The step of each place of a list, in the order of places.
fn unrolled(flow: &Flow, part: FlowPart) -> Vec<u32> {
    let mut all = Vec::new();
    if !flow.blocks.is_empty() {
        let blocks: Vec<&Block> = flow.blocks_of(part).collect();
        unroll(flow.steps_of(part), &blocks, 0..flow.steps_of(part).len(), &mut all);
    }
    all
}

/// Appends the places of some steps. `blocks`: those from the first that begins there.
fn unroll(steps: &[SequenceStep], blocks: &[&Block], these: Range<usize>, all: &mut Vec<u32>) {
    let mut at = these.start;
    let mut next = 0;
    while at < these.end {
        match blocks.get(next) {
            Some(block) if block.steps.start == at => {
                let is_inside = |other: &&&Block| other.steps.end <= block.steps.end;
                let inside = &blocks[next + 1..];
                let inside = &inside[..inside.iter().take_while(is_inside).count()];
                let times = match &block.kind {
                    BlockKind::Repeat(repeat) => repeat.max,
                    BlockKind::Choose(_) | BlockKind::If(_) => 1,
                    BlockKind::While(again) | BlockKind::ForEach(again) => again.max,
                    BlockKind::Until(again) => again.max + 1,
                };
                for _ in 0..times {
                    unroll(steps, inside, block.steps.clone(), all);
                }
                (at, next) = (block.steps.end, next + 1 + inside.len());
            }
            _ => {
                let times = steps.get(at).map_or(0, |step| step.repeat.max);
                all.extend((0..times).map(|_| at as u32));
                at += 1;
            }
        }
    }
}

impl JourneyRules {
    /// None if the steps of each actor follow one another whatever comes.
    pub(super) fn new(scenario: &Scenario, users: &Users) -> Option<JourneyRules> {
        let Scenario { values, requests, .. } = scenario;
        let flow = &users.flow;
        if !scenario.has_journeys() {
            return None;
        }
        let asks = |request: &z6_scenario::Request| Asks {
            needs: request.rendering.iter().flat_map(|r| r.needs.iter().copied()).collect(),
            extracts: request
                .reading
                .extracts
                .iter()
                .map(|extract| Extraction {
                    variable: extract.variable,
                    has_default: extract.default.is_some(),
                    is_required: extract.is_required,
                    is_always: extract.is_always,
                    is_secret: values.is_secret(ValueSource::Variable(extract.variable)),
                    is_list: extract.is_list,
                })
                .collect(),
            checks: request.reading.checks.iter().map(|check| check.fails).collect(),
        };
        let all: Vec<Asks> = requests.iter().map(asks).collect();
        let asks_of = |step: &SequenceStep| all.get(step.request.index());
        let given: BTreeSet<VariableId> = flow
            .start
            .iter()
            .filter_map(asks_of)
            .flat_map(|asks| asks.extracts.iter().map(|extract| extract.variable))
            .collect();
        let renewed = flow.renew.iter().flat_map(|renew| &renew.steps);
        let mut needed: BTreeSet<VariableId> = flow
            .steps
            .iter()
            .chain(renewed)
            .filter_map(asks_of)
            .flat_map(|asks| asks.needs.iter().copied())
            .collect();
        if flow.steps.is_empty() {
            needed.extend(all.iter().flat_map(|asks| asks.needs.iter().copied()));
        }
        let short =
            |&(_, variable): &(usize, &z6_scenario::Variable)| variable.scope == Scope::Iteration;
        let numbered = values.variables.iter().enumerate().filter(short);
        let short: BTreeSet<VariableId> = numbered.map(|(id, _)| VariableId(id as u16)).collect();
        let is_lasting = |variable: &&VariableId| !short.contains(variable);
        Some(JourneyRules {
            flow: flow.clone(),
            from_start: given.intersection(&needed).filter(is_lasting).copied().collect(),
            short,
            requests: all,
            has_data: !values.data.is_empty(),
            items: values.conditions.iter().map(Condition::item).collect(),
            unrolled: FlowPart::ALL.map(|part| unrolled(flow, part)),
        })
    }

    /// Whether there are blocks of steps: the first place of an iteration may not be taken.
    pub(super) fn has_blocks(&self) -> bool {
        !self.flow.blocks.is_empty()
    }

    /// Whether a VU does something when it has come to its end.
    pub(super) fn has_end(&self) -> bool {
        !self.flow.end.is_empty()
    }

    /// What follows a failure at a place.
    fn after_failure(&self, region: Region, position: u64) -> OnFailure {
        let part = FlowPart::from(region);
        let steps = self.flow.steps_of(part);
        let step = if self.flow.blocks.is_empty() {
            let mut end = 0u64;
            steps.iter().find(|step| {
                end = end.saturating_add(u64::from(step.repeat.max));
                position < end
            })
        } else {
            let [start, iteration, renewal, end] = &self.unrolled;
            let unrolled = match region {
                Region::Start => start,
                Region::Iteration(_) => iteration,
                Region::Renewal(_) => renewal,
                Region::End => end,
            };
            let index = usize::try_from(position).ok().and_then(|position| unrolled.get(position));
            index.and_then(|index| steps.get(*index as usize))
        };
        // Without a sequence, no step says otherwise: the next one follows.
        step.map_or(OnFailure::Continue, |step| step.on_failure.unwrap_or(self.flow.on_failure))
    }

    /// Whether a request that was planned cannot be sent: for lack of a row, and of a value.
    pub(super) fn hindrances(
        &self,
        plan: &Plan,
        journey: &Journey,
        (actor, step, request): (Actor, Step, RequestId),
    ) -> (bool, Option<VariableId>) {
        let has_no_row = self.has_data && plan.exhausted(actor, step).is_some();
        let needs = self.requests.get(request.index()).map_or(&[][..], |asks| &asks.needs);
        (has_no_row, needs.iter().copied().find(|needed| !journey.values.contains(needed)))
    }
}

/// How a step came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepEnd {
    /// Its request succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// The same, since its time or that of its attempt to connect was over.
    TimedOut,
    /// It was not sent, for lack of a value.
    NotSent,
}

/// What follows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Next {
    /// A step, after a pause of at least so many nanoseconds, and not before this tick.
    Step(Step, u64, Tick),
    /// What a condition says.
    Ask(Question),
    /// A step that fails, since an `until` has come to its last pass.
    Limit(Step),
    /// What is done at the end of a VU, from this step on.
    End(Step),
    /// Nothing: the actor stops.
    Over,
}

/// What was read from a response that is not complete yet.
#[derive(Debug, Clone, Default)]
struct Read {
    at: Tick,
    taken: Vec<VariableId>,
    misses: bool,
    failed: u64,
}

/// One actor.
#[derive(Debug, Clone, Default)]
pub(super) struct Journey {
    /// Variables that have a value.
    values: BTreeSet<VariableId>,
    /// The step that comes after the renewal, or the start, that is done now.
    put_off: Option<Step>,
    starts_again: u64,
    renewals: u64,
    /// For when the last start or renewal was planned.
    renewed: Tick,
    /// For when the iteration began.
    begun: Tick,
    /// A status asks for a renewal.
    is_renewal_due: bool,
    /// A renewal has just been done.
    is_back: bool,
    /// The iteration has sent a request.
    has_sent: bool,
    /// Nothing follows: it stops.
    pub(super) is_over: bool,
    /// It does what comes at its end.
    pub(super) is_ending: bool,
    /// The step that comes was found when a condition was asked: nothing is done before it any more.
    pub(super) has_turned: bool,
    read: Option<Read>,
}

impl Journey {
    pub(super) fn new(planned: Tick) -> Journey {
        Journey { renewed: planned, ..Journey::default() }
    }

    /// A condition was evaluated: of one about an item of a list, the variable has a value or none.
    pub(super) fn answered(
        &mut self,
        rules: &JourneyRules,
        ConditionId(condition): ConditionId,
        holds: bool,
    ) {
        match rules.items.get(usize::from(condition)) {
            Some(Some(item)) if holds => {
                self.values.insert(*item);
            }
            Some(Some(item)) => {
                self.values.remove(item);
            }
            Some(None) | None => {}
        }
    }

    fn has_all(&self, variables: &BTreeSet<VariableId>) -> bool {
        variables.is_subset(&self.values)
    }

    /// What is done at the turn of `step`, planned for `planned`: the step itself, or what has to come first.
    pub(super) fn turn(
        &mut self,
        rules: &JourneyRules,
        plan: &Plan,
        (actor, step): (Actor, Step),
        planned: Tick,
    ) -> Step {
        let place = plan.place(actor, step);
        let is_back = std::mem::take(&mut self.is_back);
        if !matches!(place.region, Region::Iteration(_)) {
            return step;
        }
        let first = if place.position == 0 && !self.has_all(&rules.from_start) {
            self.starts_again += 1;
            plan.start_again(self.starts_again - 1)
        } else {
            let renew = rules.flow.renew.as_ref().filter(|_| !is_back);
            let is_old = |every: u64| planned >= self.renewed.plus_ns(every);
            match renew {
                Some(renew) if self.is_renewal_due || renew.every_ns.is_some_and(is_old) => {
                    self.renewals += 1;
                    plan.renewal_start(self.renewals - 1)
                }
                Some(_) | None => None,
            }
        };
        let Some(first) = first else {
            if place.position == 0 {
                self.begun = planned;
            }
            return step;
        };
        self.put_off = Some(step);
        self.renewed = planned;
        self.is_renewal_due = false;
        first
    }

    /// The first byte of a request was written.
    pub(super) fn sent(&mut self, rules: &JourneyRules, request: RequestId, is_aside: bool) {
        let extracts = rules.requests.get(request.index()).map_or(&[][..], |asks| &asks.extracts);
        for extract in extracts {
            self.values.remove(&extract.variable);
        }
        self.has_sent |= !is_aside;
        self.read = None;
    }

    /// A value was taken from the response to a request.
    pub(super) fn value(
        &mut self,
        rules: &JourneyRules,
        request: RequestId,
        (variable, (value, count)): (VariableId, Told),
        at: Tick,
    ) -> Result<(), ViolationKind> {
        let other = ViolationKind::OtherValue { variable: variable.0 };
        let extracts = rules.requests.get(request.index()).map_or(&[][..], |asks| &asks.extracts);
        let index = |of: &VariableId| extracts.iter().position(|extract| extract.variable == *of);
        let place = index(&variable).ok_or(other)?;
        let read = self.read.get_or_insert(Read { at, ..Read::default() });
        let is_later = read.taken.last().is_none_or(|last| index(last) < Some(place));
        if !is_later || read.failed != 0 || read.at != at {
            return Err(other);
        }
        read.taken.push(variable);
        let extract = &extracts[place];
        let is_missing = value == LoggedValue::Missing;
        if count.is_some() != (extract.is_list && !is_missing) {
            return Err(other);
        }
        read.misses |= is_missing && extract.is_required && !extract.has_default;
        if !is_missing || extract.has_default {
            self.values.insert(variable);
        }
        let is_open = !matches!(value, LoggedValue::Missing | LoggedValue::Withheld);
        if extract.is_secret && is_open {
            return Err(ViolationKind::SecretInClear { variable: variable.0 });
        }
        Ok(())
    }

    /// Checks on the response to a request failed.
    pub(super) fn checks_failed(
        &mut self,
        rules: &JourneyRules,
        request: RequestId,
        failed: u64,
        at: Tick,
    ) -> Result<(), ViolationKind> {
        let checks = rules.requests.get(request.index()).map_or(0, |asks| asks.checks.len());
        let read = self.read.get_or_insert(Read { at, ..Read::default() });
        let is_known = checks >= 64 || failed < 1 << checks;
        if !is_known || failed == 0 || read.failed != 0 || read.at != at {
            return Err(ViolationKind::OtherChecks { failed });
        }
        read.failed = failed;
        Ok(())
    }

    /// A response is complete: why the request fails, if it does, given why its status does. And whether what
    /// was read is what the request reads.
    pub(super) fn verdict(
        &mut self,
        rules: &JourneyRules,
        (request, is_aside): (RequestId, bool),
        (status, by_status): (u16, Option<ErrorKind>),
        at: Tick,
    ) -> (Option<ErrorKind>, Result<(), ViolationKind>) {
        let read = self.read.take().unwrap_or(Read { at, ..Read::default() });
        let Some(asks) = rules.requests.get(request.index()) else { return (by_status, Ok(())) };
        let fails = |(bit, fails): (usize, &bool)| *fails && read.failed >> bit & 1 == 1;
        let by_check = asks.checks.iter().take(64).enumerate().any(fails);
        let failure = by_status
            .or(by_check.then_some(ErrorKind::CheckFailed))
            .or(read.misses.then_some(ErrorKind::ExtractFailed));
        let has_failed = by_status.is_some() || by_check;
        let wanted = asks.extracts.iter().filter(|extract| extract.is_always || !has_failed);
        let is_whole = wanted.map(|extract| extract.variable).eq(read.taken.iter().copied());
        let renew = rules.flow.renew.as_ref().filter(|_| !is_aside);
        self.is_renewal_due |= renew.is_some_and(|renew| renew.on_status.contains(&status));
        let whole = if is_whole && read.at == at {
            Ok(())
        } else {
            Err(ViolationKind::OtherValues { taken: read.taken.len() as u64 })
        };
        (failure, whole)
    }

    /// What was read came to nothing: the exchange ended without its response.
    pub(super) fn ends_unread(&mut self) -> Result<(), ViolationKind> {
        match self.read.take() {
            None => Ok(()),
            Some(read) => Err(ViolationKind::OtherValues { taken: read.taken.len() as u64 }),
        }
    }

    /// What is done at the end of the VU, if that has not begun.
    pub(super) fn begin_end(&mut self, rules: &JourneyRules, plan: &Plan) -> Option<Step> {
        let first = plan.end_start().filter(|_| rules.has_end() && !self.is_ending)?;
        self.values.retain(|variable| !rules.short.contains(variable));
        (self.is_ending, self.is_over, self.has_turned) = (true, false, false);
        self.put_off = None;
        Some(first)
    }

    /// A step has ended: what follows. `is_last`: the schedule or the run has ended the VU. `limit`: the condition that did not hold after the last pass of its
    /// block, after which the step would have come.
    pub(super) fn follow(
        &mut self,
        rules: &JourneyRules,
        plan: &Plan,
        (actor, step): (Actor, Step),
        (end, limit): (StepEnd, Option<Question>),
        is_last: bool,
    ) -> Next {
        let place = plan.place(actor, step);
        let after = match end {
            StepEnd::Succeeded => OnFailure::Continue,
            StepEnd::Failed | StepEnd::TimedOut => {
                rules.after_failure(place.region, place.position)
            }
            StepEnd::NotSent => OnFailure::EndIteration,
        };
        let is_dropped = matches!(after, OnFailure::StopVu | OnFailure::StopRun);
        if is_last
            && !is_dropped
            && let Some(first) = self.begin_end(rules, plan)
        {
            return Next::End(first);
        }
        if after != OnFailure::Continue {
            return self.leave(rules, plan, (actor, step), after);
        }
        let way = match limit {
            Some(question) => plan.answered(actor, &question, true),
            None => plan.go_on(actor, step),
        };
        self.go(rules, plan, (actor, step), way)
    }

    /// Goes a way from a step, or from where a part of its life began.
    pub(super) fn go(
        &mut self,
        rules: &JourneyRules,
        plan: &Plan,
        (actor, step): (Actor, Step),
        way: Way,
    ) -> Next {
        match way {
            Way::Step { step, pause_ns } => Next::Step(step, pause_ns, Tick::ZERO),
            Way::Ask(question) => Next::Ask(question),
            Way::Limit { step } => Next::Limit(step),
            Way::End => self.leave(rules, plan, (actor, step), OnFailure::Continue),
        }
    }

    /// A part of an actor's life is over: what follows it.
    fn leave(
        &mut self,
        rules: &JourneyRules,
        plan: &Plan,
        (actor, step): (Actor, Step),
        after: OnFailure,
    ) -> Next {
        let place = plan.place(actor, step);
        let is_in_limits = |step: &Step| plan.end_step(actor).is_none_or(|end| *step < end);
        // The iteration that the step is in, or that it was put in the middle of.
        let whole = self.put_off.map_or(place, |step| plan.place(actor, step));
        let is_between = self.put_off.is_some() && whole.position == 0;
        let next = match after {
            OnFailure::StopVu | OnFailure::StopRun => None,
            OnFailure::Continue => match (self.put_off, place.region) {
                (Some(back), _) => Some(back),
                (None, Region::Start) => Some(plan.iteration_start(0)).filter(is_in_limits),
                (None, Region::Iteration(i)) => {
                    Some(plan.iteration_start(i.saturating_add(1))).filter(is_in_limits)
                }
                (None, Region::Renewal(_) | Region::End) => None,
            },
            OnFailure::EndIteration => match (whole.region, self.put_off) {
                (Region::End, _) => None,
                (_, Some(back)) if is_between => Some(back),
                (Region::Iteration(number), _) => {
                    Some(plan.iteration_start(number.saturating_add(1))).filter(is_in_limits)
                }
                (Region::Start | Region::Renewal(_), _) => {
                    Some(plan.iteration_start(0)).filter(is_in_limits)
                }
            },
        };
        let Some(next) = next else {
            let is_dropped = matches!(after, OnFailure::StopVu | OnFailure::StopRun);
            if !is_dropped && let Some(first) = self.begin_end(rules, plan) {
                return Next::End(first);
            }
            self.is_over = true;
            return Next::Over;
        };
        let comes = plan.place(actor, next);
        let is_iteration = matches!(comes.region, Region::Iteration(_));
        if is_iteration && self.put_off.take().is_some() {
            self.is_back = true;
        }
        let mut pause_ns = 0;
        let was_start = place.region == Region::Start;
        if is_iteration && (was_start || (comes.region != whole.region && !is_between)) {
            self.values.retain(|variable| !rules.short.contains(variable));
            if !std::mem::take(&mut self.has_sent) && !was_start {
                pause_ns = rules.flow.empty_iteration_ns;
            }
        }
        if is_iteration && comes.position == 0 && !self.has_all(&rules.from_start) {
            if plan.iterations_of(actor).is_some_and(|all| self.starts_again >= all) {
                self.is_over = true;
                return Next::Over;
            }
            pause_ns = pause_ns.max(START_AGAIN_NS);
        }
        let is_another = is_iteration && comes.region != whole.region && !is_between;
        let not_before = match comes.region {
            Region::Iteration(number @ 1..) if is_another => {
                let period_ns = plan.period_ns(actor, number - 1);
                period_ns.map_or(Tick::ZERO, |period_ns| self.begun.plus_ns(period_ns))
            }
            _ => Tick::ZERO,
        };
        Next::Step(next, pause_ns, not_before)
    }
}
