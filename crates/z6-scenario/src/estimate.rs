//! A description of what a scenario would do, and an estimate of the size of its event log.
//! Contains the text that `z6 validate` prints; knows no terminal.

mod flow;

use std::fmt;

use z6_events::printable;

use crate::load::{listed, unscaled};
use crate::model::Host;
use crate::model::{
    Arrivals, Assertion, AssertionKind, ConnectionReuse, Model, RateStage, Scenario, Schedule,
    Scheme, Shape, ThinkTime, Users, VuStage, Workers,
};
use crate::reach::{ConnectTo, Proxy};
use crate::schedule::ArrivalSchedule;

/// Bytes of event log per request that estimates of a run's log reckon with.
pub const LOG_BYTES_PER_REQUEST: u64 = 20;
/// Bytes of event log per request if the question is how many requests fit.
pub const LOG_BYTES_PER_REQUEST_FIT: u64 = 16;

/// How large the event log becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogEstimate {
    /// The number of requests is known beforehand.
    Known {
        /// Requests of the whole run.
        requests: u64,
        /// Their event log, bytes.
        bytes: u64,
    },
    /// It depends on the target's speed: so many requests fit into `max_event_log_bytes`.
    Fits {
        /// Number of requests of the run.
        requests: u64,
    },
}

/// What would run, as (label, text) in reading order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// The rows. A label may be empty: the row goes on with the one above.
    pub rows: Vec<(String, String)>,
}

impl Description {
    fn row(&mut self, label: &str, text: impl Into<String>) {
        self.rows.push((label.to_owned(), text.into()));
    }
}

impl fmt::Display for Description {
    /// Two columns, a row per line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
        for (label, text) in &self.rows {
            writeln!(f, "{label:width$}  {}", printable(text))?;
        }
        Ok(())
    }
}

/// Requests that a description lists.
const MAX_ROWS: usize = 100;

impl Scenario {
    /// What would run, in words.
    #[must_use]
    pub fn describe(&self) -> Description {
        let mut rows = Description::default();
        rows.row("scenario", one_line(self.name()));
        if !self.metadata.description.is_empty() {
            rows.row("", one_line(&self.metadata.description));
        }
        self.describe_targets(&mut rows);
        if self.has_populations() {
            self.describe_populations(&mut rows);
            rows.row("ends after", self.end_words());
            self.describe_requests(&mut rows);
            self.describe_values(&mut rows);
        } else {
            rows.row("load", schedule_words(&self.populations[0].schedule));
            rows.row("ends after", self.end_words());
            self.describe_requests(&mut rows);
            self.describe_values(&mut rows);
            rows.row("think time", think_words(self.populations[0].think_time));
            self.populations[0].describe_pacing(&mut rows);
        }
        self.describe_assertions(&mut rows);
        rows.row("workers", workers_words(self.runtime.workers));
        let seed = self.runtime.prng_seed.map(|seed| seed.to_string());
        rows.row("seed", seed.unwrap_or_else(|| "chosen at random at the start".to_owned()));
        rows.row("event log", self.log_words());
        for (index, (key, value)) in self.simulation.settings().iter().enumerate() {
            let label = if index == 0 { "simulation" } else { "" };
            rows.row(label, format!("{key} = {value}"));
        }
        rows
    }

    fn describe_targets(&self, rows: &mut Description) {
        let total: u64 = self.targets.iter().map(|target| target.weight_micro).sum();
        for (index, target) in self.targets.iter().enumerate() {
            let label = if index == 0 { "target" } else { "" };
            let url = match target.base_url.scheme {
                Scheme::Builtin => "the built-in target".to_owned(),
                Scheme::BuiltinTls => "the built-in target over TLS".to_owned(),
                Scheme::Http | Scheme::Https => one_line(&target.base_url.text),
            };
            let url = format!("{url}{}", place_words(target));
            let reuse = match target.connection_reuse {
                ConnectionReuse::PerVu => "one per VU",
                ConnectionReuse::Shared => "shared by all",
                ConnectionReuse::Iteration => "a new one for each iteration",
                ConnectionReuse::None => "a new one for each request",
            };
            let most = counted(u64::from(target.max_connections), "connection");
            let connections = format!("at most {most}, {reuse}");
            if self.targets.len() == 1 {
                rows.row(label, format!("{url}, {connections}"));
            } else {
                let share = percent(target.weight_micro, total);
                rows.row(label, format!("{} {share}: {url}, {connections}", target.name));
            }
        }
    }

    fn describe_requests(&self, rows: &mut Description) {
        if !self.has_populations() {
            self.describe_flow(&self.populations[0], rows);
        }
        self.describe_phases(rows);
        let total: u64 = self.requests.iter().map(|request| request.weight_micro).sum();
        for (index, request) in self.requests.iter().take(MAX_ROWS).enumerate() {
            let label = if index == 0 { "requests" } else { "" };
            let mut text = format!("{}: {} {}", request.name, request.method, request.path);
            if self.populations.iter().any(|users| users.flow.steps.is_empty()) {
                let weight = unscaled(request.weight_micro, 6);
                text += &format!(", weight {weight} ({})", percent(request.weight_micro, total));
            }
            if request.rendering.as_ref().is_some_and(|rendering| rendering.body.is_some()) {
                text += ", body with values";
            } else if let Some(body) = &request.body {
                text += &format!(", body of {}", counted(body.bytes.len() as u64, "byte"));
            }
            if let Some(target) = request.target {
                text += &format!(", to {}", self.target(target).name);
            }
            rows.row(label, text);
        }
        let left_out = self.requests.len().saturating_sub(MAX_ROWS);
        if left_out > 0 {
            rows.row("", format!("and {left_out} more"));
        }
    }

    fn describe_assertions(&self, rows: &mut Description) {
        let mut label = "assertions";
        for assertion in &self.assertions {
            rows.row(label, assertion_words(*assertion));
            label = "";
        }
        for goal in &self.goals {
            let each: Vec<String> =
                goal.assertions.iter().map(|one| assertion_words(*one)).collect();
            let mut text = format!("{}: {}", goal.name, each.join(", "));
            if let Some(part) = &goal.part {
                text += &format!(", where {}", part.text());
            }
            if let Some(seconds) = goal.window_seconds {
                text += &format!(", in each {seconds} s");
            }
            if goal.stops {
                text += ", else the run stops";
            }
            rows.row(label, text);
            label = "";
        }
    }

    fn describe_populations(&self, rows: &mut Description) {
        for users in &self.populations {
            let mut load = schedule_words(&users.schedule);
            if users.start_after_ns > 0 {
                load += &format!(", from {} on", span(users.start_after_ns));
            }
            if let Some(duration_ns) = users.duration_ns {
                load += &format!(", for {}", span(duration_ns));
            }
            rows.row("population", format!("{}: {load}", one_line(&users.name)));
            self.describe_flow(users, rows);
            if users.flow.steps.is_empty() {
                rows.row("sequence", "requests drawn by weight".to_owned());
            }
            rows.row("think time", think_words(users.think_time));
            users.describe_pacing(rows);
        }
    }

    fn end_words(&self) -> String {
        let mut ends = Vec::new();
        if let Some(iterations) = self.runtime.iterations {
            ends.push(match self.populations[0].schedule.model() {
                Model::Closed => format!("{} of each VU", counted(iterations, "iteration")),
                Model::Open => counted(iterations, "arrival"),
            });
        }
        if let Some(requests) = self.runtime.requests {
            ends.push(format!("{} in all", counted(requests, "request")));
        }
        if let Some(end_ns) = self.run_length_ns() {
            ends.push(span(end_ns));
        }
        let mut words = listed(&ends, "or");
        if self.runtime.warmup_ns > 0 {
            words += &format!(", of which {} warm-up", span(self.runtime.warmup_ns));
        }
        words + &format!("; then up to {} for responses", span(self.runtime.graceful_stop_ns))
    }

    /// The duration, else the schedule's own length, nanoseconds.
    fn run_length_ns(&self) -> Option<u64> {
        self.end_ns()
    }

    /// How large the event log becomes, reckoned with [`LOG_BYTES_PER_REQUEST`] and
    /// [`LOG_BYTES_PER_REQUEST_FIT`], and with what values add to a request.
    #[must_use]
    pub fn log_estimate(&self) -> LogEstimate {
        let values = self.log_bytes_of_values();
        let requests = self.requests_of_arrivals();
        if let Some(requests) = requests.or(self.runtime.requests) {
            let bytes = requests.saturating_mul(LOG_BYTES_PER_REQUEST + values);
            return LogEstimate::Known { requests, bytes };
        }
        let each = LOG_BYTES_PER_REQUEST_FIT + values;
        LogEstimate::Fits { requests: self.limits.max_event_log_bytes / each }
    }

    /// Requests of the whole run; none if there are VUs, or without an end.
    fn requests_of_arrivals(&self) -> Option<u64> {
        let arrivals = |users: &Users| match users.schedule.model() {
            Model::Closed => None,
            Model::Open => {
                let iterations = self.runtime.iterations;
                ArrivalSchedule::of_users(users, self.run_length_ns(), iterations)
                    .arrivals_expected()
            }
        };
        let twice =
            |users: &Users| Some(arrivals(users)?.saturating_mul(users.steps_expected_twice()));
        self.populations.iter().map(twice).sum::<Option<u64>>().map(|twice| twice / 2)
    }

    fn log_words(&self) -> String {
        let limit = bytes_words(self.limits.max_event_log_bytes);
        match self.log_estimate() {
            LogEstimate::Known { requests, bytes } => {
                let over = if bytes > self.limits.max_event_log_bytes {
                    format!(", more than `max_event_log_bytes` ({limit}): the run will stop there")
                } else {
                    String::new()
                };
                let requests = counted(requests, "request");
                format!("about {} for {requests}{over}", bytes_words(bytes))
            }
            LogEstimate::Fits { requests } => {
                format!("about {requests} requests fit into {limit} (`max_event_log_bytes`)")
            }
        }
    }
}

fn schedule_words(schedule: &Schedule) -> String {
    let rate = |micro: &u64| unscaled(*micro, 6);
    match schedule {
        Schedule::Constant { vus } => counted(u64::from(*vus), "VU"),
        Schedule::Ramp { start_vus, end_vus, ramp_ns, hold_ns } => format!(
            "from {start_vus} to {end_vus} VUs over {}, held for {}",
            span(*ramp_ns),
            span(*hold_ns)
        ),
        Schedule::Spike { baseline_vus, spike_vus, start_ns, duration_ns } => format!(
            "{baseline_vus} VUs, but {spike_vus} for {} from {} on",
            span(*duration_ns),
            span(*start_ns)
        ),
        Schedule::Steps { steps } => {
            let word = |step: &crate::model::VuStep| {
                format!("{} VUs for {}", step.vus, span(step.duration_ns))
            };
            steps_words(&steps.iter().take(20).map(word).collect::<Vec<_>>(), steps.len())
        }
        Schedule::Rate { per_second_micro, arrivals, max_in_flight } => format!(
            "{} arrivals per second{}, at most {max_in_flight} alive",
            rate(per_second_micro),
            arrivals_words(*arrivals)
        ),
        Schedule::RampRate {
            start_per_second_micro,
            end_per_second_micro,
            ramp_ns,
            hold_ns,
            arrivals,
            max_in_flight,
        } => format!(
            "from {} to {} arrivals per second over {}, held for {}{}, at most {max_in_flight} alive",
            rate(start_per_second_micro),
            rate(end_per_second_micro),
            span(*ramp_ns),
            span(*hold_ns),
            arrivals_words(*arrivals)
        ),
        Schedule::RateSteps { steps, arrivals, max_in_flight } => {
            let word = |step: &crate::model::RateStep| {
                let rate = unscaled(step.per_second_micro, 6);
                format!("{rate} arrivals per second for {}", span(step.duration_ns))
            };
            let words =
                steps_words(&steps.iter().take(20).map(word).collect::<Vec<_>>(), steps.len());
            format!("{words}{}, at most {max_in_flight} alive", arrivals_words(*arrivals))
        }
        Schedule::Stages { start_vus, stages } => {
            let word = |stage: &VuStage| {
                stage_words(&format!("{} VUs", stage.vus), stage.shape, stage.duration_ns)
            };
            let words: Vec<_> = stages.iter().take(20).map(word).collect();
            format!("from {start_vus} VUs {}", steps_words(&words, stages.len()))
        }
        Schedule::RateStages { start_per_second_micro, stages, arrivals, max_in_flight } => {
            let word = |stage: &RateStage| {
                stage_words(&rate(&stage.per_second_micro), stage.shape, stage.duration_ns)
            };
            let words: Vec<_> = stages.iter().take(20).map(word).collect();
            format!(
                "from {} arrivals per second {}{}, at most {max_in_flight} alive",
                rate(start_per_second_micro),
                steps_words(&words, stages.len()),
                arrivals_words(*arrivals)
            )
        }
    }
}

fn steps_words(words: &[String], total: usize) -> String {
    let more = if total > words.len() { ", .." } else { "" };
    format!("{}{more}", words.join(", "))
}

fn stage_words(to: &str, shape: Shape, length_ns: u64) -> String {
    match shape {
        Shape::Linear => format!("to {to} over {}", span(length_ns)),
        Shape::Jump => format!("at once to {to} for {}", span(length_ns)),
    }
}

fn arrivals_words(arrivals: Arrivals) -> &'static str {
    match arrivals {
        Arrivals::Constant => ", evenly spaced",
        Arrivals::Poisson => ", Poisson",
    }
}

/// Where connections go, if not to the base URL's host and port.
fn place_words(target: &crate::model::Target) -> String {
    match &target.proxy {
        Some(Proxy { via: Some(server) }) => return format!(" through {server}"),
        Some(Proxy { via: None }) => {
            return " without a proxy (the environment names none)".to_owned();
        }
        None => {}
    }
    match &target.connect_to {
        ConnectTo::BaseUrl => String::new(),
        ConnectTo::Addresses(all) => {
            let all: Vec<String> = all.iter().take(10).map(ToString::to_string).collect();
            format!(" at {}", all.join(" and "))
        }
        ConnectTo::Host { host: Host::V6(address), port } => format!(" at [{address}]:{port}"),
        ConnectTo::Host { host: Host::V4(address), port } => format!(" at {address}:{port}"),
        ConnectTo::Host { host: Host::Name(name), port } => format!(" at {name}:{port}"),
        ConnectTo::Unix(_) if target.base_url.text.starts_with("unix:") => String::new(),
        ConnectTo::Unix(path) => format!(" at unix:{}", one_line(path)),
    }
}

pub(super) fn think_words(think_time: ThinkTime) -> String {
    let ms = |ns: u64| format!("{} ms", unscaled(ns, 6));
    match think_time {
        ThinkTime::None => "none".to_owned(),
        ThinkTime::Constant { duration_ns } => ms(duration_ns),
        ThinkTime::Random { min_ns, max_ns } => format!("{} to {}", ms(min_ns), ms(max_ns)),
        ThinkTime::Exponential { mean_ns, max_ns } => {
            format!("exponential, mean {}, at most {}", ms(mean_ns), ms(max_ns))
        }
    }
}

fn workers_words(workers: Workers) -> String {
    match workers {
        Workers::Fixed(workers) => workers.to_string(),
        Workers::Auto => "one per core".to_owned(),
    }
}

/// `1 VU`, `2 VUs`.
fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Seconds: `1.5 s`.
fn span(ns: u64) -> String {
    format!("{} s", unscaled(ns, 9))
}

/// A share with one decimal: `62.5 %`. Half a digit is rounded up.
fn percent(part: u64, total: u64) -> String {
    let tenths = (u128::from(part) * 2_000 / u128::from(total.max(1))).div_ceil(2);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// Bytes in the largest binary unit they fill, with one decimal rounded down.
fn bytes_words(bytes: u64) -> String {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (size, name) in units {
        if bytes >= size {
            let tenths = u128::from(bytes) * 10 / u128::from(size);
            return if tenths % 10 == 0 {
                format!("{} {name}", tenths / 10)
            } else {
                format!("{}.{} {name}", tenths / 10, tenths % 10)
            };
        }
    }
    format!("{bytes} bytes")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Scenario {
    /// The request target on the wire (RFC 9112 section 3.2.1) of `request` sent to `target`: path
    /// prefix and path, percent-encoded if they must be, never twice; `*` stays.
    ///
    /// ```
    /// # let scenario = z6_scenario::Scenario::from_toml(
    /// #     "runtime.iterations = 1\ntarget.base_url = 'http://h/v%201'\n\
    /// #      requests = [{ name = 'a', path = '/a b%20c?q=é' }]").unwrap();
    /// let target = scenario.request_target(z6_events::RequestId(0), z6_events::TargetId(0));
    /// assert_eq!(target, "/v%201/a%20b%20c?q=%C3%A9");
    /// ```
    #[must_use]
    pub fn request_target(
        &self,
        request: z6_events::RequestId,
        target: z6_events::TargetId,
    ) -> String {
        let prefix = &self.target(target).base_url.path_prefix;
        let crate::model::Request { method, path, .. } = self.request(request);
        let mut bytes = Vec::new();
        // A loaded request has a path that can be sent; encoded it is ASCII.
        let sent = z6_http::target::push_target(&mut bytes, method, prefix, path);
        sent.map(|()| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

/// An assertion and its bound.
fn assertion_words(Assertion { kind, bound }: Assertion) -> String {
    let name = kind.name();
    match kind {
        AssertionKind::RequireTrustworthy => name.into_owned(),
        kind if kind.is_minimum() => format!("{name}: at least {bound}"),
        _ => format!("{name}: at most {bound}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_in_words() {
        assert_eq!(percent(5, 8), "62.5 %");
        assert_eq!(percent(1, 3), "33.3 %");
        assert_eq!(percent(2, 3), "66.7 %");
        assert_eq!(bytes_words(64 << 30), "64 GiB");
        assert_eq!(bytes_words(1_536), "1.5 KiB");
        assert_eq!(bytes_words(999), "999 bytes");
    }
}
