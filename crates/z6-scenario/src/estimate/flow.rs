//! The order of requests and the values of a scenario in words, and what they add to the event log.

use std::iter::Peekable;
use std::ops::Range;

use super::{Description, counted, one_line, span, think_words};
use crate::journey::{
    Block, BlockKind, Branch, Condition, ConditionId, DataFile, Flow, FlowPart, OnEnd, OnFailure,
    Repeat, SequenceStep,
};
use crate::load::listed;
use crate::model::{MICRO, Pacing, Request, Scenario, Users};
use crate::values::{Order, Per};

/// Bytes of event log for the length of a request that is filled in.
const LOG_BYTES_PER_LENGTH: u64 = 2;
/// Bytes of event log for a value of 16 bytes that is read from a response.
const LOG_BYTES_PER_VALUE: u64 = 20;
/// Bytes of event log for a value that is withheld.
const LOG_BYTES_WITHHELD: u64 = 4;
/// Steps of a sequence that a description lists.
const MAX_STEPS: usize = 50;

impl Scenario {
    pub(super) fn describe_flow(&self, users: &Users, rows: &mut Description) {
        let flow = &users.flow;
        if !flow.start.is_empty() {
            let steps = self.steps_listed(flow, FlowPart::Start);
            rows.row("start", format!("{steps}, once per VU"));
        }
        if !flow.steps.is_empty() {
            rows.row("sequence", self.steps_listed(flow, FlowPart::Steps));
        }
        if let Some(renew) = &flow.renew {
            let statuses: Vec<String> = renew.on_status.iter().map(u16::to_string).collect();
            let mut when = Vec::new();
            if !statuses.is_empty() {
                when.push(format!("after status {}", listed(&statuses, "or")));
            }
            when.extend(renew.every_ns.map(|ns| format!("every {}", span(ns))));
            let steps = self.steps_listed(flow, FlowPart::Renew);
            rows.row("renew", format!("{steps}, {}", listed(&when, "and")));
        }
        if !flow.end.is_empty() {
            let steps = self.steps_listed(flow, FlowPart::End);
            rows.row("end", format!("{steps}, once per VU"));
        }
        if flow.on_failure != OnFailure::Continue {
            rows.row(
                "failures",
                format!("a request that fails {}", failure_words(flow.on_failure)),
            );
        }
    }

    /// What is done once before and after the run.
    pub(super) fn describe_phases(&self, rows: &mut Description) {
        for (phase, label) in [(&self.setup, "set-up"), (&self.teardown, "tear-down")] {
            let Some(phase) = phase else { continue };
            let steps = self.steps_listed(&phase.flow, FlowPart::Steps);
            rows.row(label, format!("{steps}, once, in {} at most", span(phase.timeout_ns)));
        }
    }

    /// The steps of a list in words.
    fn steps_listed(&self, flow: &Flow, part: FlowPart) -> String {
        let steps = flow.steps_of(part);
        let mut blocks = flow.blocks_of(part).peekable();
        let shown = 0..steps.len().min(MAX_STEPS);
        let more = if steps.len() > MAX_STEPS { ", .." } else { "" };
        format!("{}{more}", self.steps_words(steps, shown, &mut blocks).join(", "))
    }

    /// Some of the steps of a list, one by one, with the blocks that they are in.
    fn steps_words<'b>(
        &self,
        steps: &[SequenceStep],
        shown: Range<usize>,
        blocks: &mut Peekable<impl Iterator<Item = &'b Block>>,
    ) -> Vec<String> {
        let mut words = Vec::new();
        let mut at = shown.start;
        while at < shown.end {
            let Some(block) = blocks.next_if(|block| block.steps.start <= at) else {
                words.extend(steps.get(at).map(|step| self.step_words(step)));
                at += 1;
                continue;
            };
            let end = block.steps.end.min(shown.end);
            words.push(match &block.kind {
                BlockKind::Repeat(repeat) => {
                    let inside = self.steps_words(steps, at..end, blocks).join(", ");
                    repeated(*repeat, format!("({inside})"))
                }
                BlockKind::Choose(branches) => {
                    let total = branches.iter().map(|b| u128::from(b.weight_micro)).sum::<u128>();
                    let mut from = at;
                    let branch = |branch: &Branch| {
                        let all = from..(from + branch.steps).min(end);
                        from = all.end;
                        let inside = self.steps_words(steps, all, blocks).join(", ");
                        let percent = u128::from(branch.weight_micro) * 1_000 / total.max(1);
                        format!("{}.{} % {inside}", percent / 10, percent % 10)
                    };
                    let all: Vec<String> = branches.iter().map(branch).collect();
                    format!("one of ({})", all.join(" | "))
                }
                kind => {
                    let inside = self.steps_words(steps, at..end, blocks).join(", ");
                    self.conditional(kind, &inside)
                }
            });
            at = end.max(at + 1);
        }
        words
    }

    /// What is done under a condition, in words.
    fn conditional(&self, kind: &BlockKind, inside: &str) -> String {
        let text = |ConditionId(id): ConditionId| {
            let condition = self.values.conditions.get(usize::from(id));
            condition.map_or_else(String::new, |condition| one_line(&condition.text()))
        };
        match kind {
            BlockKind::Repeat(_) | BlockKind::Choose(_) => inside.to_owned(),
            BlockKind::If(condition) => format!("({inside}) if {}", text(*condition)),
            BlockKind::While(again) => {
                format!("({inside}) while {}, {} at most", text(again.condition), again.max)
            }
            BlockKind::Until(again) => {
                format!("({inside}) until {}, {} at most", text(again.condition), again.max)
            }
            BlockKind::ForEach(again) => {
                let condition = self.values.conditions.get(usize::from(again.condition.0));
                let list = match condition {
                    Some(Condition::Item { list_name, .. }) => one_line(list_name),
                    Some(Condition::Check(_)) | None => String::new(),
                };
                format!("({inside}) for each item of {list}, {} at most", again.max)
            }
        }
    }

    fn step_words(&self, step: &SequenceStep) -> String {
        let words = repeated(step.repeat, self.request(step.request).name.clone());
        let failure = step.on_failure.map(|what| format!("a failure {}", failure_words(what)));
        let think = step.think_time.map(|time| format!("think time {}", think_words(time)));
        let more: Vec<String> = failure.into_iter().chain(think).collect();
        if more.is_empty() { words } else { format!("{words} ({})", more.join(", ")) }
    }

    pub(super) fn describe_values(&self, rows: &mut Description) {
        for (index, file) in self.values.data.iter().enumerate() {
            rows.row(if index == 0 { "data" } else { "" }, data_words(file));
        }
        let secrets: Vec<String> =
            self.values.secrets.iter().map(|secret| secret.name.clone()).collect();
        if !secrets.is_empty() {
            rows.row("secrets", secrets.join(", "));
        }
    }

    /// Bytes of event log that values add to a request, on average over an iteration.
    pub(super) fn log_bytes_of_values(&self) -> u64 {
        let weigh = |weight: u64, request: &Request| {
            let bytes = u128::from(self.log_bytes_of_request(request));
            (u128::from(weight) * bytes, u128::from(weight))
        };
        let all = self.populations.iter();
        let steps = all.flat_map(|users| {
            let times = users.flow.times_expected(FlowPart::Steps);
            let steps = users.flow.steps.iter().zip(times);
            steps.map(|(step, times)| weigh(times, self.request(step.request)))
        });
        let is_drawn = self.populations.iter().any(|users| users.flow.steps.is_empty());
        let drawn = self.requests.iter().filter(|_| is_drawn);
        let drawn = drawn.map(|request| weigh(request.weight_micro, request));
        let (bytes, weight) =
            steps.chain(drawn).fold((0, 0), |(a, b), (c, d): (u128, u128)| (a + c, b + d));
        u64::try_from(bytes.div_ceil(weight.max(1))).unwrap_or(u64::MAX)
    }

    fn log_bytes_of_request(&self, request: &Request) -> u64 {
        let extracts = request.reading.extracts.iter().map(|extract| {
            let variable = self.values.variables.get(usize::from(extract.variable.0));
            match variable.is_some_and(|variable| variable.is_secret) {
                true => LOG_BYTES_WITHHELD,
                false => LOG_BYTES_PER_VALUE,
            }
        });
        let length = if request.rendering.is_some() { LOG_BYTES_PER_LENGTH } else { 0 };
        extracts.sum::<u64>() + length
    }
}

impl Users {
    pub(super) fn describe_pacing(&self, rows: &mut Description) {
        let Some(Pacing { min_ns, max_ns }) = self.pacing else { return };
        let period = match min_ns < max_ns {
            true => format!("{} to {}", span(min_ns), span(max_ns)),
            false => span(min_ns),
        };
        rows.row("pacing", format!("an iteration begins {period} after the one before, or later"));
    }

    /// Requests of one iteration, times two: a range of repeats counts with its middle, a branch with its
    /// share.
    pub(super) fn steps_expected_twice(&self) -> u64 {
        if self.flow.steps.is_empty() {
            return 2;
        }
        let times = self.flow.times_expected(FlowPart::Steps);
        let all = times.into_iter().fold(0, u64::saturating_add);
        (all / (MICRO / 2)).max(1)
    }
}

impl Flow {
    /// How many times each step of a part is done in one pass, millionths, on average.
    fn times_expected(&self, part: FlowPart) -> Vec<u64> {
        let mean = |repeat: Repeat| u64::from(repeat.min) + u64::from(repeat.max);
        let steps = self.steps_of(part).iter();
        let mut times: Vec<u64> = steps.map(|step| mean(step.repeat) * (MICRO / 2)).collect();
        let scale = |times: &mut [u64], by: u64, of: u64| {
            for time in times {
                let scaled = u128::from(*time) * u128::from(by) / u128::from(of.max(1));
                *time = u64::try_from(scaled).unwrap_or(u64::MAX);
            }
        };
        for block in self.blocks_of(part) {
            let Some(times) = times.get_mut(block.steps.clone()) else { continue };
            match &block.kind {
                BlockKind::Repeat(repeat) => scale(times, mean(*repeat), 2),
                BlockKind::Choose(branches) => {
                    let weights = branches.iter().map(|branch| branch.weight_micro);
                    let total = weights.fold(0, u64::saturating_add);
                    let mut rest = times;
                    for branch in branches {
                        let (own, others) = rest.split_at_mut(branch.steps.min(rest.len()));
                        scale(own, branch.weight_micro, total);
                        rest = others;
                    }
                }
                // How often is not known: once.
                BlockKind::If(_)
                | BlockKind::While(_)
                | BlockKind::Until(_)
                | BlockKind::ForEach(_) => {}
            }
        }
        times
    }
}

/// `3 x a`.
fn repeated(repeat: Repeat, what: String) -> String {
    match repeat {
        Repeat { min: 1, max: 1 } => what,
        Repeat { min, max } if min == max => format!("{max} x {what}"),
        Repeat { min, max } => format!("{min} to {max} x {what}"),
    }
}

fn failure_words(what: OnFailure) -> &'static str {
    match what {
        OnFailure::Continue => "is followed by the next step",
        OnFailure::EndIteration => "ends its iteration",
        OnFailure::StopVu => "ends its VU",
        OnFailure::StopRun => "ends the run",
    }
}

/// `users: 50 rows of users.csv, one per VU, each once, secret: password`.
fn data_words(file: &DataFile) -> String {
    let per = match file.per {
        Per::Vu => "one per VU",
        Per::Iteration => "one per iteration",
        Per::Step => "one per step",
    };
    let order = match &file.order {
        Order::Sequential => "",
        Order::Shuffled => ", shuffled",
        Order::Random(None) => ", drawn",
        Order::Random(Some(_)) => ", drawn by weight",
    };
    let once = match (file.is_unique, file.on_end) {
        (true, _) => ", each once",
        (false, OnEnd::StopVu) => ", then the VU ends",
        (false, OnEnd::StopRun) => ", then the run ends",
        (false, OnEnd::Repeat) => "",
    };
    let columns: Vec<&str> = file.table.columns().collect();
    let secret: Vec<String> = file
        .secret
        .iter()
        .filter_map(|column| columns.get(*column as usize))
        .map(|name| (*name).to_owned())
        .collect();
    let secret = match secret.is_empty() {
        true => String::new(),
        false => format!(", secret: {}", secret.join(", ")),
    };
    let rows = counted(file.table.row_count() as u64, "row");
    format!("{}: {rows} of {}, {per}{order}{once}{secret}", file.name, one_line(&file.file))
}
