//! The order of requests and the values of a scenario in words, and what they add to the event log.

use super::{Description, counted, one_line, span};
use crate::journey::{DataFile, OnEnd, OnFailure, Repeat, SequenceStep};
use crate::load::listed;
use crate::model::{Request, Scenario, Users};
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
            rows.row("start", format!("{}, once per VU", self.steps_listed(&flow.start)));
        }
        if !flow.steps.is_empty() {
            rows.row("sequence", self.steps_listed(&flow.steps));
        }
        if let Some(renew) = &flow.renew {
            let statuses: Vec<String> = renew.on_status.iter().map(u16::to_string).collect();
            let mut when = Vec::new();
            if !statuses.is_empty() {
                when.push(format!("after status {}", listed(&statuses, "or")));
            }
            when.extend(renew.every_ns.map(|ns| format!("every {}", span(ns))));
            let steps = self.steps_listed(&renew.steps);
            rows.row("renew", format!("{steps}, {}", listed(&when, "and")));
        }
        if flow.on_failure != OnFailure::Continue {
            rows.row(
                "failures",
                format!("a request that fails {}", failure_words(flow.on_failure)),
            );
        }
    }

    /// The steps of a list in words.
    fn steps_listed(&self, steps: &[SequenceStep]) -> String {
        let words = |step: &SequenceStep| {
            let name = &self.request(step.request).name;
            let mut words = match step.repeat {
                Repeat { min: 1, max: 1 } => name.clone(),
                Repeat { min, max } if min == max => format!("{max} x {name}"),
                Repeat { min, max } => format!("{min} to {max} x {name}"),
            };
            if let Some(what) = step.on_failure {
                words += &format!(" (a failure {})", failure_words(what));
            }
            words
        };
        let shown: Vec<String> = steps.iter().take(MAX_STEPS).map(words).collect();
        let more = if steps.len() > MAX_STEPS { ", .." } else { "" };
        format!("{}{more}", shown.join(", "))
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
        let steps = all.flat_map(|users| &users.flow.steps).map(|step| {
            let twice = u64::from(step.repeat.min) + u64::from(step.repeat.max);
            weigh(twice, self.request(step.request))
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
    /// Requests of one iteration, times two: a range of repeats counts with its middle.
    pub(super) fn steps_expected_twice(&self) -> u64 {
        if self.flow.steps.is_empty() {
            return 2;
        }
        let twice = |step: &SequenceStep| u64::from(step.repeat.min) + u64::from(step.repeat.max);
        self.flow.steps.iter().map(twice).sum()
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
