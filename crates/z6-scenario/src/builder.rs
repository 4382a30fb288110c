//! Scenarios written in code: builders with one method per key of the format.
//!
//! A builder writes TOML and loads it. So a built scenario passes the same checks as a file, and the
//! event log of its run holds a text that can be replayed and read. Knows no rule of the format itself.
//! Reading order: this file ([`ScenarioBuilder`]), `parts` (targets, requests, schedules), `sequence` (their
//! order), `text` (the TOML), `error` (findings with the method that they are about).

mod error;
mod goal;
mod parts;
mod population;
mod sequence;
mod text;
mod values;

use std::time::Duration;

pub use error::BuildError;
pub use goal::GoalBuilder;
pub use parts::{Http2Builder, RequestBuilder, ScheduleBuilder, TargetBuilder};
pub use population::PopulationBuilder;
pub use sequence::StepBuilder;
pub use values::{
    AwsSigV4Builder, DataBuilder, ExtractBuilder, ParameterBuilder, PartBuilder, RandomBuilder,
};

use crate::journey::Scope;
use crate::load::{Files, Loaded, NoFiles, Overrides};
use crate::model::{ArrivalStamps, Limits, Quantile, Scenario, Workers};
use crate::simulation::{FAULT_PREFIX, Simulation};
use text::{Settings, Value, Writer, millis, seconds};

/// A scenario in the making. Begin with [`Scenario::builder`].
///
/// Each method sets the key of its name; called again, it replaces what it set before, except if it
/// says that it adds. Nothing is checked before [`build`](ScenarioBuilder::build).
///
/// ```
/// use std::time::Duration;
/// use z6_scenario::{Quantile, RequestBuilder, Scenario, ScheduleBuilder, TargetBuilder};
///
/// let scenario = Scenario::builder()
///     .name("Checkout")
///     .target(TargetBuilder::new("http://localhost:8080").max_connections(20))
///     .request(RequestBuilder::new("basket", "/basket").timeout(Duration::from_secs(2)))
///     .request(RequestBuilder::new("pay", "/pay").method("POST").body("{\"card\": \"…\"}"))
///     .schedule(ScheduleBuilder::ramp(1, 20, Duration::from_secs(30)))
///     .latency_max(Quantile::P99, Duration::from_millis(250))
///     .build()?;
/// assert_eq!(scenario.requests[1].method, "POST");
/// // The scenario's text is complete: a run of it can be replayed.
/// assert_eq!(Scenario::from_toml(&scenario.text)?, scenario);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ScenarioBuilder {
    metadata: Settings,
    parameters: Settings,
    secrets: Settings,
    data: Vec<DataBuilder>,
    random: Settings,
    cookies: Settings,
    log: Settings,
    runtime: Settings,
    targets: Vec<TargetBuilder>,
    requests: Vec<RequestBuilder>,
    schedule: Option<ScheduleBuilder>,
    think_time: Settings,
    pacing: Settings,
    setup: Settings,
    teardown: Settings,
    sequence: Settings,
    sequences: Vec<Settings>,
    populations: Vec<PopulationBuilder>,
    assertions: Settings,
    limits: Settings,
    simulation: Settings,
    faults: Settings,
}

/// Methods that set one key each: `method(argument: type) => table, "key", value;`.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($argument:ident: $type:ty) => $table:ident, $key:literal, $value:expr;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name(mut self, $argument: $type) -> Self {
                self.$table.set($key, stringify!($name), $value);
                self
            }
        )*
    };
}
use setters;

impl Scenario {
    /// A scenario written in code.
    #[must_use]
    pub fn builder() -> ScenarioBuilder {
        ScenarioBuilder::default()
    }
}

/// `[metadata]` and `[runtime]`.
impl ScenarioBuilder {
    setters! {
        /// What the run is called in reports. Default: unnamed.
        name(name: impl Into<String>) => metadata, "name", Value::text(name);
        /// Free text about the scenario.
        description(text: impl Into<String>) => metadata, "description", Value::text(text);
        /// The scenario's own version.
        version(version: impl Into<String>) => metadata, "version", Value::text(version);
        /// Who wrote the scenario.
        author(author: impl Into<String>) => metadata, "author", Value::text(author);
        /// Length of the run.
        duration(length: Duration) => runtime, "duration_seconds", seconds(length);
        /// Iterations: of each virtual user in the closed model, of all arrivals in the open one.
        iterations(count: u64) => runtime, "iterations", Value::number(count);
        /// Requests in all, of a constant number of virtual users or of arrivals, each an iteration.
        requests_in_all(count: u64) => runtime, "requests", Value::number(count);
        /// Virtual users of a constant schedule. Default: 1.
        vus(count: u32) => runtime, "vus", Value::number(count);
        /// The seed of everything that is drawn; up to 2^63 - 1. Default: drawn for each run.
        seed(seed: u64) => runtime, "prng_seed", Value::number(seed);
        /// Length of the warm-up at the start of the run; latencies and rates leave it out. Default: 0.
        warmup(length: Duration) => runtime, "warmup_seconds", seconds(length);
        /// How long requests in flight may still be answered after the end. Default: 5 s.
        graceful_stop(length: Duration) => runtime, "graceful_stop_seconds", seconds(length);
        /// How many redirects each request follows, unless it has a number of its own. Default: 0.
        follow_redirects(count: u8) => runtime, "follow_redirects", Value::number(count);
    }

    /// A named sequence that is run once before the run, which does not begin if it fails or takes longer than
    /// this. What it extracts is `{{run.NAME}}` from then on.
    #[must_use]
    pub fn setup(mut self, sequence: &str, timeout: Duration) -> Self {
        self.setup.set("sequence", "setup", Value::text(sequence));
        self.setup.set("timeout_seconds", "setup", seconds(timeout));
        self
    }

    /// A named sequence that is run once after the run, whatever ended it, for no longer than this.
    #[must_use]
    pub fn teardown(mut self, sequence: &str, timeout: Duration) -> Self {
        self.teardown.set("sequence", "teardown", Value::text(sequence));
        self.teardown.set("timeout_seconds", "teardown", seconds(timeout));
        self
    }

    /// Whether the run records when responses had arrived at this machine. Default: where it has pauses.
    #[must_use]
    pub fn arrival_stamps(mut self, stamps: ArrivalStamps) -> Self {
        self.runtime.set("arrival_stamps", "arrival_stamps", Value::text(stamps.word()));
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.metadata.add_item("tags", "tag", Value::text(tag));
        self
    }

    /// How many event loops. Default: 1.
    #[must_use]
    pub fn workers(mut self, workers: Workers) -> Self {
        let value = match workers {
            Workers::Fixed(count) => Value::number(count),
            Workers::Auto => Value::text("auto"),
        };
        self.runtime.set("workers", "workers", value);
        self
    }
}

/// What is asked, when and in which order.
impl ScenarioBuilder {
    /// Adds a target. Several need names.
    #[must_use]
    pub fn target(mut self, target: TargetBuilder) -> Self {
        self.targets.push(target);
        self
    }

    /// Adds a request.
    #[must_use]
    pub fn request(mut self, request: RequestBuilder) -> Self {
        self.requests.push(request);
        self
    }

    /// Adds a parameter: `{{param.name}}`.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, parameter: ParameterBuilder) -> Self {
        self.parameters.set(name, "parameter", parameter.settings.into_value());
        self
    }

    /// Adds a secret from a variable of the environment: `{{secret.name}}`.
    #[must_use]
    pub fn secret_from_env(self, name: impl Into<String>, variable: impl Into<String>) -> Self {
        self.secret(name, "secret_from_env", "env", Value::text(variable))
    }

    /// Adds a secret from a file: `{{secret.name}}`.
    #[must_use]
    pub fn secret_from_file(self, name: impl Into<String>, path: impl Into<String>) -> Self {
        self.secret(name, "secret_from_file", "file", Value::text(path))
    }

    fn secret(
        mut self,
        name: impl Into<String>,
        call: &'static str,
        key: &str,
        from: Value,
    ) -> Self {
        self.secrets.set(name, call, Value::Table(vec![(key.to_owned(), from)]));
        self
    }

    /// Adds a file of rows.
    #[must_use]
    pub fn data(mut self, data: DataBuilder) -> Self {
        self.data.push(data);
        self
    }

    /// Adds a value that is made up: `{{name}}`.
    #[must_use]
    pub fn random(mut self, name: impl Into<String>, random: RandomBuilder) -> Self {
        self.random.set(name, "random", random.settings.into_value());
        self
    }

    /// Keeps the cookies that responses set, for so long. Default: they are not kept.
    #[must_use]
    pub fn cookies(mut self, scope: Scope) -> Self {
        self.cookies.set("scope", "cookies", values::scope_word(scope));
        self
    }

    /// Logs all values that responses give as keyed digests. Default: as they are, if they are short.
    #[must_use]
    pub fn log_values_as_digests(mut self) -> Self {
        self.log.set("values", "log_values_as_digests", Value::text("digest"));
        self
    }

    /// How much load, when. Default: [`vus`](ScenarioBuilder::vus) all the time.
    #[must_use]
    pub fn schedule(mut self, schedule: ScheduleBuilder) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// A pause of this length after each request. Default: none.
    #[must_use]
    pub fn think_time(self, length: Duration) -> Self {
        self.think("think_time", "constant", [("duration_ms", length)])
    }

    /// A pause after each request, drawn uniformly from `min` to `max`.
    #[must_use]
    pub fn think_time_random(self, min: Duration, max: Duration) -> Self {
        self.think("think_time_random", "random", [("min_ms", min), ("max_ms", max)])
    }

    /// A pause after each request, exponential with this mean, at most `max`.
    #[must_use]
    pub fn think_time_exponential(self, mean: Duration, max: Duration) -> Self {
        let times = [("mean_ms", mean), ("max_ms", max)];
        self.think("think_time_exponential", "exponential", times)
    }

    fn think<const N: usize>(
        mut self,
        call: &'static str,
        kind: &str,
        times: [(&'static str, Duration); N],
    ) -> Self {
        self.think_time = Settings::default();
        self.think_time.set("type", call, Value::text(kind));
        for (key, time) in times {
            self.think_time.set(key, call, millis(time));
        }
        self
    }
}

/// `[assertions]`, `[limits]` and `[simulation]`.
impl ScenarioBuilder {
    setters! {
        /// At most this share of requests fails; 0 to 1.
        error_rate_max(share: f64) => assertions, "error_rate_max", Value::float(share);
        /// At least this share of requests succeeds; 0 to 1.
        success_rate_min(share: f64) => assertions, "success_rate_min", Value::float(share);
        /// At least this many requests are completed per second.
        rps_min(per_second: f64) => assertions, "rps_min", Value::float(per_second);
        /// At most this share of responses has a status from 400 to 499; 0 to 1.
        status_4xx_max_rate(share: f64) => assertions, "status_4xx_max_rate", Value::float(share);
        /// At most this share of responses has a status from 500 to 599; 0 to 1.
        status_5xx_max_rate(share: f64) => assertions, "status_5xx_max_rate", Value::float(share);
        /// At least this share of the checks of responses passes; 0 to 1.
        checks_success_rate_min(share: f64) => assertions, "checks_success_rate_min", Value::float(share);
        /// The mean response time is at most this long.
        mean_latency_max(time: Duration) => assertions, "mean_latency_ms", millis(time);
        /// The longest response time is at most this long.
        longest_latency_max(time: Duration) => assertions, "max_latency_ms", millis(time);
        /// The 99th percentile of lateness, sent minus planned, is at most this long.
        lateness_p99_max(time: Duration) => assertions, "lateness_p99_ms_max", millis(time);
        /// Whether the run fails if the generator itself could not keep up.
        require_trustworthy(required: bool) => assertions, "require_trustworthy", Value::Flag(required);
    }

    /// The response time at this quantile is at most this long.
    #[must_use]
    pub fn latency_max(mut self, quantile: Quantile, time: Duration) -> Self {
        let key = crate::model::AssertionKind::LatencyMax(quantile).name();
        self.assertions.set(key.into_owned(), "latency_max", millis(time));
        self
    }

    /// What is demanded of some of the requests, or of each window of the run.
    #[must_use]
    pub fn goal(mut self, name: impl Into<String>, goal: GoalBuilder) -> Self {
        self.assertions.set(name, "goal", goal.settings.into_value());
        self
    }

    /// The bounds that a run keeps to, all of them; docs/LIMITS.md lists them.
    #[must_use]
    pub fn limits(mut self, limits: &Limits) -> Self {
        self.limits = Settings::default();
        let defaults = Limits::default().pairs();
        for pair in limits.pairs() {
            if !defaults.contains(&pair) {
                let (key, value) = pair;
                self.limits.set(key, "limits", Value::number(value));
            }
        }
        self
    }

    /// How the simulated world behaves; means nothing to a run over a real network.
    #[must_use]
    pub fn simulation(mut self, simulation: &Simulation) -> Self {
        (self.simulation, self.faults) = (Settings::default(), Settings::default());
        for (key, value) in simulation.settings() {
            match key.strip_prefix(FAULT_PREFIX) {
                Some(fault) => self.faults.set(fault, "simulation", Value::Number(value)),
                None => self.simulation.set(
                    key.as_str(),
                    "simulation",
                    setting(&key, value, simulation),
                ),
            }
        }
        self
    }
}

/// A setting of the simulated world as TOML writes it.
fn setting(key: &str, text: String, simulation: &Simulation) -> Value {
    if key == "statuses" {
        let shares = simulation.statuses.iter();
        let entry = |share: &crate::simulation::StatusShare| {
            (share.status.to_string(), Value::Number(share.share.to_string()))
        };
        return Value::Table(shares.map(entry).collect());
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_number && !text.contains("..") { Value::Number(text) } else { Value::Text(text) }
}

/// From the builder to a scenario.
impl ScenarioBuilder {
    /// The scenario as a file would hold it, whether or not it is valid.
    #[must_use]
    pub fn to_toml(&self) -> String {
        self.write().text
    }

    /// The scenario, checked as a file is. Bodies that are in files cannot be read here: see
    /// [`build_with`](ScenarioBuilder::build_with).
    ///
    /// # Errors
    /// [`BuildError`] with all findings.
    pub fn build(&self) -> Result<Scenario, BuildError> {
        self.build_with(&NoFiles).map(|loaded| loaded.scenario)
    }

    /// The scenario and warnings about it. `files` is asked for the bodies that are in files.
    ///
    /// # Errors
    /// [`BuildError`] with all findings.
    pub fn build_with(&self, files: &dyn Files) -> Result<Loaded, BuildError> {
        let written = self.write();
        match Scenario::load(&written.text, files, &Overrides::default()) {
            Ok(loaded) => Ok(loaded),
            Err(diagnostics) => Err(BuildError::new(written, diagnostics)),
        }
    }

    fn write(&self) -> Writer {
        const OWN: &str = "ScenarioBuilder";
        let mut writer = Writer::default();
        writer.table("[metadata]", OWN, "", &self.metadata);
        writer.table("[parameters]", OWN, "", &self.parameters);
        writer.table("[secrets]", OWN, "", &self.secrets);
        writer.table("[runtime]", OWN, "", &self.runtime);
        let is_single = self.targets.len() == 1 && self.targets.iter().all(TargetBuilder::is_plain);
        let heading = if is_single { "[target]" } else { "[[targets]]" };
        for target in &self.targets {
            writer.table(heading, "TargetBuilder", &target.label(), &target.settings);
        }
        for data in &self.data {
            writer.table("[[data]]", "DataBuilder", "", &data.settings);
        }
        writer.table("[random]", OWN, "", &self.random);
        writer.table("[cookies]", OWN, "", &self.cookies);
        writer.table("[log]", OWN, "", &self.log);
        for request in &self.requests {
            writer.table("[[requests]]", "RequestBuilder", &request.label(), &request.settings);
        }
        if let Some(schedule) = &self.schedule {
            writer.table("[schedule]", "ScheduleBuilder", "", &schedule.settings);
        }
        writer.table("[think_time]", OWN, "", &self.think_time);
        writer.table("[pacing]", OWN, "", &self.pacing);
        for sequence in &self.sequences {
            writer.table("[[sequences]]", OWN, "", sequence);
        }
        writer.table("[sequence]", OWN, "", &self.sequence);
        writer.table("[setup]", OWN, "", &self.setup);
        writer.table("[teardown]", OWN, "", &self.teardown);
        for population in &self.populations {
            writer.table("[[populations]]", "PopulationBuilder", "", &population.settings);
        }
        writer.table("[assertions]", OWN, "", &self.assertions);
        writer.table("[limits]", OWN, "", &self.limits);
        writer.table("[simulation]", OWN, "", &self.simulation);
        writer.table("[simulation.faults]", OWN, "", &self.faults);
        writer
    }
}
