//! A scenario as the numbers it is made of, and its TOML text. Draws nothing, simulates nothing.
//!
//! The simulated world is in the text as `[simulation]`, so that the text is the whole case.

use std::fmt::Write as _;

use super::journey::{JourneySketch, StepFlow};
use super::phases::{Field, PhasesSketch};
use super::populations::{GoalSketch, PopulationSketch, PopulationsSketch, Range};
use z6_scenario::simulation::{FAULT_PREFIX, Simulation};
use z6_scenario::{
    Arrivals, ConnectionReuse, HttpVersion, Model, Placement, Schedule, Shape, ThinkTime,
};

/// All that a generated scenario says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sketch {
    pub(super) seed: u64,
    pub(super) duration_ns: Option<u64>,
    pub(super) iterations: Option<u64>,
    pub(super) warmup_ns: u64,
    pub(super) grace_ns: u64,
    pub(super) workers: u16,
    /// One is written as `[target]`, several as `[[targets]]`.
    pub(super) targets: Vec<TargetSketch>,
    pub(super) requests: Vec<RequestSketch>,
    pub(super) schedule: Schedule,
    pub(super) think: ThinkTime,
    /// The period of iterations, milliseconds.
    pub(super) pacing_ms: Option<Range>,
    /// Index of a request, and how many times in a row. Empty: requests are drawn by weight.
    pub(super) sequence: Vec<(usize, u32)>,
    /// What is read from responses; not without a sequence.
    pub(super) journey: Option<JourneySketch>,
    /// What is done before and after the run; not without a sequence.
    pub(super) phases: Option<PhasesSketch>,
    /// More populations beside the one that all of this is of.
    pub(super) populations: Option<PopulationsSketch>,
    /// Keys of `[limits]`.
    pub(super) limits: Vec<(&'static str, u64)>,
    /// Keys and values of `[assertions]`.
    pub(super) assertions: Vec<(&'static str, &'static str)>,
    /// Assertions with a name.
    pub(super) goals: Vec<GoalSketch>,
    pub(super) simulation: Simulation,
}

/// One target; absent keys are left out of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TargetSketch {
    pub(super) base_url: &'static str,
    pub(super) weight_micro: u64,
    pub(super) reuse: Option<ConnectionReuse>,
    pub(super) max_connections: Option<u32>,
    pub(super) connection_timeout_ns: u64,
    pub(super) idle_timeout_ns: Option<u64>,
    pub(super) max_requests: Option<u64>,
    pub(super) max_age_ns: Option<u64>,
    pub(super) retry_stale: bool,
    pub(super) has_proxy: bool,
    pub(super) reconnect_delay_ns: u64,
    pub(super) id_header: bool,
    pub(super) http: HttpSketch,
}

/// What a target is spoken to in, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct HttpSketch {
    pub(super) version: HttpVersion,
    pub(super) streams: Option<u32>,
    pub(super) placement: Option<Placement>,
    pub(super) resend_refused: Option<u8>,
    pub(super) stream_window_bytes: Option<u32>,
    pub(super) header_table_bytes: Option<u32>,
    pub(super) has_no_index: bool,
}

impl HttpSketch {
    /// Whether the version is agreed on in a handshake.
    fn is_tls(self) -> bool {
        matches!(self.version, HttpVersion::Http2 | HttpVersion::Auto)
    }

    fn write(self, text: &mut Text) {
        if self.version == HttpVersion::Http1 {
            return;
        }
        text.line(&format!("http_version = \"{}\"", self.version.word()));
        let placement = self.placement.map(|placement| match placement {
            Placement::Fill => "\"fill\"".to_owned(),
            Placement::Spread => "\"spread\"".to_owned(),
        });
        let number = |number: Option<u32>| number.map(|number| number.to_string());
        let keys = [
            ("streams", number(self.streams)),
            ("placement", placement),
            ("resend_refused", number(self.resend_refused.map(u32::from))),
            ("stream_window_bytes", number(self.stream_window_bytes)),
            ("header_table_bytes", number(self.header_table_bytes)),
            ("index_headers", self.has_no_index.then(|| "false".to_owned())),
        ];
        let said = keys.into_iter().filter_map(|(key, value)| Some(format!("{key} = {}", value?)));
        let said: Vec<String> = said.collect();
        if !said.is_empty() {
            text.line(&format!("http2 = {{ {} }}", said.join(", ")));
        }
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestSketch {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) header: Option<(&'static str, &'static str)>,
    pub(super) body_bytes: usize,
    pub(super) timeout_ns: u64,
    pub(super) weight_micro: u64,
    pub(super) target: Option<usize>,
    pub(super) expect_status: Vec<u16>,
    pub(super) follow_redirects: u8,
}

impl Sketch {
    /// Requests of one iteration.
    pub(super) fn steps_per_iteration(&self) -> u64 {
        self.sequence.iter().map(|(_, repeat)| u64::from(*repeat)).sum::<u64>().max(1)
    }

    /// When nothing is planned any more, nanoseconds; none if only iterations end the run.
    pub(super) fn end_ns(&self) -> Option<u64> {
        self.duration_ns.or_else(|| z6_scenario::schedule::own_length_ns(&self.schedule))
    }

    /// Closed or open: the first population.
    pub(super) fn model(&self) -> Model {
        self.schedule.model()
    }

    /// Whether any population is open.
    pub(super) fn has_arrivals(&self) -> bool {
        let mut others = self.populations.iter().flat_map(|all| &all.others);
        self.model() == Model::Open || others.any(|other| other.model() == Model::Open)
    }

    /// The scenario file.
    pub(super) fn text(&self) -> String {
        let mut text = Text(String::new());
        let giver = self.sequence.first().map(|(request, _)| *request);
        self.write_runtime(&mut text);
        for (i, target) in self.targets.iter().enumerate() {
            let named = (self.targets.len() > 1).then_some(i);
            write_target(&mut text, named, target, self.has_arrivals());
        }
        for (i, request) in self.requests.iter().enumerate() {
            let weighted = self.sequence.is_empty();
            let header = self.phases.as_ref().filter(|_| self.is_sent(i));
            let header = header.and_then(PhasesSketch::header);
            write_request(&mut text, i, request, weighted, (self.role(i), header));
        }
        let mut timeout = Text(String::new());
        timeout.ms("timeout_ms", self.requests.first().map_or(0, |first| first.timeout_ns));
        let timeout = timeout.0.trim_end();
        if let Some(journey) = &self.journey {
            text.0 += &journey.login_request(timeout);
            text.0 += &journey.each_request(timeout);
            text.0 += &journey.tables(giver);
        }
        if let Some(phases) = &self.phases {
            text.0 += &phases.tables(timeout);
        }
        match &self.populations {
            None => self.write_alone(&mut text, giver),
            Some(populations) => self.write_populations(&mut text, populations, giver),
        }
        text.section("limits", self.limits.iter().map(|(key, value)| (*key, value.to_string())));
        let assertions = self.assertions.iter().map(|(key, value)| (*key, (*value).to_owned()));
        text.section("assertions", assertions);
        for (index, goal) in self.goals.iter().enumerate() {
            text.0 += &goal.table(index);
        }
        write_simulation(&mut text, &self.simulation);
        text.0
    }

    /// The load and the sequence of a scenario without populations.
    fn write_alone(&self, text: &mut Text, giver: Option<usize>) {
        text.line("\n[schedule]");
        write_schedule(text, "schedule", &self.schedule);
        write_think(text, "think_time", &self.think);
        write_pacing(text, "pacing", self.pacing_ms);
        if let Some(journey) = &self.journey {
            if let Some(scope) = journey.cookies {
                text.line(&format!("\n[cookies]\nscope = \"{scope}\""));
            }
            text.line("\n[sequence]");
            text.0 += &journey.keys(giver, false);
        }
        self.write_steps(text, "sequence.steps", self.sequence.len());
    }

    /// The populations, and the sequence of each.
    fn write_populations(
        &self,
        text: &mut Text,
        populations: &PopulationsSketch,
        giver: Option<usize>,
    ) {
        let first = PopulationSketch {
            window: populations.first,
            schedule: self.schedule.clone(),
            think: self.think,
            pacing_ms: self.pacing_ms,
            steps: self.sequence.len(),
            cookies: self.journey.as_ref().and_then(|journey| journey.cookies),
        };
        for (i, population) in std::iter::once(&first).chain(&populations.others).enumerate() {
            let PopulationSketch { window, schedule, think, pacing_ms, steps, cookies } =
                population;
            // A smaller case may have lost some, and what reads cookies.
            let steps = (*steps).min(self.sequence.len());
            let cookies = cookies.filter(|_| self.journey.is_some());
            if steps > 0 {
                text.line(&format!("\n[[sequences]]\nname = \"s{i}\""));
                self.write_steps(text, "sequences.steps", steps);
            }
            text.line(&format!("\n[[populations]]\nname = \"p{i}\""));
            if steps > 0 {
                text.line(&format!("sequence = \"s{i}\""));
            }
            if let Some(journey) = &self.journey {
                text.0 += &journey.keys(giver, schedule.model() == Model::Open);
            }
            if let Some(scope) = cookies {
                text.line(&format!("cookies = \"{scope}\""));
            }
            if populations.has_tags {
                let kind = if i % 2 == 1 { "odd" } else { "even" };
                text.line(&format!("tags = {{ kind = \"{kind}\" }}"));
            }
            if window.start_after_ns > 0 {
                text.seconds("start_after_seconds", window.start_after_ns);
            }
            if let Some(ns) = window.duration_ns {
                text.seconds("duration_seconds", ns);
            }
            text.line("\n[populations.schedule]");
            write_schedule(text, "populations.schedule", schedule);
            write_think(text, "populations.think_time", think);
            write_pacing(text, "populations.pacing", *pacing_ms);
        }
    }

    /// The first steps of the sequence, as an array of tables of this name.
    fn write_steps(&self, text: &mut Text, table: &str, count: usize) {
        let has_ranges = self.journey.as_ref().is_some_and(|journey| journey.has_ranges);
        for (index, (request, repeat)) in self.sequence.iter().enumerate().take(count) {
            text.line(&format!("\n[[{table}]]"));
            let flow = self.journey.as_ref().and_then(|journey| journey.flow.get(index).copied());
            let is_loop = flow.is_some_and(StepFlow::is_loop);
            flow.unwrap_or_default()
                .lines(*request, *repeat)
                .iter()
                .for_each(|line| text.line(line));
            if has_ranges && *repeat > 1 && !is_loop {
                text.line(&format!("repeat = [1, {repeat}]"));
            } else if !is_loop {
                text.line(&format!("repeat = {repeat}"));
            }
        }
    }

    /// What a request has to do with the journey, and whether it is the one that gives.
    fn role(&self, request: usize) -> Option<(&JourneySketch, bool)> {
        let gives = self.sequence.first().is_some_and(|(first, _)| *first == request);
        self.journey.as_ref().filter(|_| self.is_sent(request)).map(|journey| (journey, gives))
    }

    /// Whether a step names a request.
    fn is_sent(&self, request: usize) -> bool {
        self.sequence.iter().any(|(sent, _)| *sent == request)
    }

    fn write_runtime(&self, text: &mut Text) {
        text.line("[runtime]");
        text.line(&format!("prng_seed = {}", self.seed));
        text.line(&format!("workers = {}", self.workers));
        if let Some(ns) = self.duration_ns {
            text.seconds("duration_seconds", ns);
        }
        if let Some(iterations) = self.iterations {
            text.line(&format!("iterations = {iterations}"));
        }
        text.seconds("warmup_seconds", self.warmup_ns);
        text.seconds("graceful_stop_seconds", self.grace_ns);
    }
}

/// A TOML file being written.
struct Text(String);

impl Text {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    /// Nanoseconds as exact decimal seconds.
    fn seconds(&mut self, key: &str, ns: u64) {
        self.decimal(key, ns, 9);
    }

    /// Nanoseconds as exact decimal milliseconds.
    fn ms(&mut self, key: &str, ns: u64) {
        self.decimal(key, ns, 6);
    }

    /// `value` / 10^`digits`, exactly.
    fn decimal(&mut self, key: &str, value: u64, digits: u32) {
        let unit = 10u64.pow(digits);
        let (whole, rest) = (value / unit, value % unit);
        let width = digits as usize;
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{key} = {whole}.{rest:0width$}");
    }

    fn section<'a>(&mut self, name: &str, keys: impl Iterator<Item = (&'a str, String)>) {
        for (i, (key, value)) in keys.enumerate() {
            if i == 0 {
                self.line(&format!("\n[{name}]"));
            }
            self.line(&format!("{key} = {value}"));
        }
    }
}

fn write_target(text: &mut Text, named: Option<usize>, target: &TargetSketch, has_arrivals: bool) {
    match named {
        None => text.line("\n[target]"),
        Some(i) => {
            text.line("\n[[targets]]");
            text.line(&format!("name = \"t{i}\""));
            text.decimal("weight", target.weight_micro, 6);
        }
    }
    let base_url = match target.http.is_tls() {
        true => target.base_url.replacen("http:", "https:", 1),
        false => target.base_url.to_owned(),
    };
    text.line(&format!("base_url = \"{base_url}\""));
    target.http.write(text);
    let reuse = target.reuse.filter(|reuse| *reuse != ConnectionReuse::PerVu || !has_arrivals);
    if let Some(reuse) = reuse {
        let word = match reuse {
            ConnectionReuse::PerVu => "per_vu",
            ConnectionReuse::Shared => "shared",
            ConnectionReuse::Iteration => "iteration",
            ConnectionReuse::None => "none",
        };
        text.line(&format!("connection_reuse = \"{word}\""));
    }
    if let Some(max) = target.max_connections {
        text.line(&format!("max_connections = {max}"));
    }
    text.ms("connection_timeout_ms", target.connection_timeout_ns);
    if let Some(ns) = target.idle_timeout_ns {
        text.ms("idle_timeout_ms", ns);
    }
    if let Some(max) = target.max_requests {
        text.line(&format!("max_requests_per_connection = {max}"));
    }
    if let Some(ns) = target.max_age_ns {
        text.ms("max_connection_age_ms", ns);
    }
    if target.has_proxy {
        text.line("proxy = \"http://user:password@192.0.2.9:3128\"");
    }
    if target.retry_stale {
        text.line("retry_stale = true");
    }
    text.ms("reconnect_delay_ms", target.reconnect_delay_ns);
    if target.id_header {
        text.line("request_id_header = \"Z6-Id\"");
    }
}

fn write_request(
    text: &mut Text,
    index: usize,
    request: &RequestSketch,
    weighted: bool,
    (role, header): (Option<(&JourneySketch, bool)>, Option<Field>),
) {
    text.line("\n[[requests]]");
    text.line(&format!("name = \"r{index}\""));
    text.line(&format!("method = \"{}\"", request.method));
    let path_end = role.map_or("", |(journey, gives)| journey.path_end(gives));
    text.line(&format!("path = \"{}{path_end}\"", request.path));
    let more = role.and_then(|(journey, gives)| journey.header(gives));
    let headers = request.header.into_iter().chain(more).chain(header);
    let headers: Vec<String> =
        headers.map(|(name, value)| format!("\"{name}\" = \"{value}\"")).collect();
    if !headers.is_empty() {
        text.line(&format!("headers = {{ {} }}", headers.join(", ")));
    }
    if request.body_bytes > 0 {
        let end = if role.is_some_and(|(journey, _)| journey.fills_in) { "{{n}}" } else { "" };
        text.line(&format!("body = \"{}{end}\"", "z".repeat(request.body_bytes)));
    }
    for line in role.into_iter().flat_map(|(journey, gives)| journey.lines(gives)) {
        text.line(line);
    }
    text.ms("timeout_ms", request.timeout_ns);
    if weighted {
        text.decimal("weight", request.weight_micro, 6);
    }
    if let Some(target) = request.target {
        text.line(&format!("target = \"t{target}\""));
    }
    if !request.expect_status.is_empty() {
        text.line(&format!("expect_status = {:?}", request.expect_status));
    }
    if request.follow_redirects > 0 {
        text.line(&format!("follow_redirects = {}", request.follow_redirects));
    }
}

/// The keys of the table of this name, which is open.
fn write_schedule(text: &mut Text, table: &str, schedule: &Schedule) {
    match schedule {
        Schedule::Constant { vus } => {
            text.line("type = \"constant\"");
            text.line(&format!("vus = {vus}"));
        }
        Schedule::Ramp { start_vus, end_vus, ramp_ns, hold_ns } => {
            text.line("type = \"ramp\"");
            text.line(&format!("start_vus = {start_vus}\nend_vus = {end_vus}"));
            text.seconds("ramp_duration_seconds", *ramp_ns);
            text.seconds("hold_duration_seconds", *hold_ns);
        }
        Schedule::Spike { baseline_vus, spike_vus, start_ns, duration_ns } => {
            text.line("type = \"spike\"");
            text.line(&format!("baseline_vus = {baseline_vus}\nspike_vus = {spike_vus}"));
            text.seconds("spike_start_seconds", *start_ns);
            text.seconds("spike_duration_seconds", *duration_ns);
        }
        Schedule::Steps { steps } => {
            text.line("type = \"steps\"");
            for step in steps {
                text.line(&format!("\n[[{table}.steps]]\nvus = {}", step.vus));
                text.seconds("duration_seconds", step.duration_ns);
            }
        }
        Schedule::Rate { per_second_micro, arrivals, max_in_flight } => {
            text.line("type = \"rate\"");
            text.decimal("per_second", *per_second_micro, 6);
            write_arrivals(text, *arrivals, *max_in_flight);
        }
        Schedule::RampRate {
            start_per_second_micro,
            end_per_second_micro,
            ramp_ns,
            hold_ns,
            arrivals,
            max_in_flight,
        } => {
            text.line("type = \"ramp_rate\"");
            text.decimal("start_per_second", *start_per_second_micro, 6);
            text.decimal("end_per_second", *end_per_second_micro, 6);
            text.seconds("ramp_duration_seconds", *ramp_ns);
            text.seconds("hold_duration_seconds", *hold_ns);
            write_arrivals(text, *arrivals, *max_in_flight);
        }
        Schedule::RateSteps { steps, arrivals, max_in_flight } => {
            text.line("type = \"rate_steps\"");
            write_arrivals(text, *arrivals, *max_in_flight);
            for step in steps {
                text.line(&format!("\n[[{table}.steps]]"));
                text.decimal("per_second", step.per_second_micro, 6);
                text.seconds("duration_seconds", step.duration_ns);
            }
        }
        Schedule::Stages { start_vus, stages } => {
            text.line(&format!("type = \"stages\"\nstart_vus = {start_vus}"));
            for stage in stages {
                text.line(&format!("\n[[{table}.stages]]\nvus = {}", stage.vus));
                write_stage(text, stage.duration_ns, stage.shape);
            }
        }
        Schedule::RateStages { start_per_second_micro, stages, arrivals, max_in_flight } => {
            text.line("type = \"stages\"");
            text.decimal("start_per_second", *start_per_second_micro, 6);
            write_arrivals(text, *arrivals, *max_in_flight);
            for stage in stages {
                text.line(&format!("\n[[{table}.stages]]"));
                text.decimal("per_second", stage.per_second_micro, 6);
                write_stage(text, stage.duration_ns, stage.shape);
            }
        }
    }
}

fn write_stage(text: &mut Text, duration_ns: u64, shape: Shape) {
    text.seconds("duration_seconds", duration_ns);
    if shape == Shape::Jump {
        text.line("shape = \"jump\"");
    }
}

fn write_arrivals(text: &mut Text, arrivals: Arrivals, max_in_flight: u32) {
    let word = match arrivals {
        Arrivals::Constant => "constant",
        Arrivals::Poisson => "poisson",
    };
    text.line(&format!("arrivals = \"{word}\"\nmax_in_flight = {max_in_flight}"));
}

fn write_pacing(text: &mut Text, table: &str, period_ms: Option<Range>) {
    let Some((min, max)) = period_ms else { return };
    let period = if min == max { format!("{min}") } else { format!("[{min}, {max}]") };
    text.line(&format!("\n[{table}]\nperiod_ms = {period}"));
}

fn write_think(text: &mut Text, table: &str, think: &ThinkTime) {
    match *think {
        ThinkTime::None => {}
        ThinkTime::Constant { duration_ns } => {
            text.line(&format!("\n[{table}]\ntype = \"constant\""));
            text.ms("duration_ms", duration_ns);
        }
        ThinkTime::Random { min_ns, max_ns } => {
            text.line(&format!("\n[{table}]\ntype = \"random\""));
            text.ms("min_ms", min_ns);
            text.ms("max_ms", max_ns);
        }
        ThinkTime::Exponential { mean_ns, max_ns } => {
            text.line(&format!("\n[{table}]\ntype = \"exponential\""));
            text.ms("mean_ms", mean_ns);
            text.ms("max_ms", max_ns);
        }
    }
}

/// `[simulation]` and `[simulation.faults]`: what differs from the default.
fn write_simulation(text: &mut Text, simulation: &Simulation) {
    let settings = simulation.settings();
    let value = |key: &str, value: &str| match key {
        "bandwidth_bytes_per_second"
        | "servers"
        | "redirects"
        | "chunked"
        | "keep_alive_requests"
        | "max_concurrent_streams"
        | "alpn_h2" => value.to_owned(),
        "statuses" => format!("{{ {} }}", value.replace('=', " = ").replace(',', ", ")),
        _ => format!("\"{value}\""),
    };
    let world = settings.iter().filter(|(key, _)| !key.starts_with(FAULT_PREFIX));
    text.section("simulation", world.map(|(key, text)| (key.as_str(), value(key, text))));
    let faults = settings.iter().filter_map(|(key, share)| {
        key.strip_prefix(FAULT_PREFIX).map(|name| (name, share.clone()))
    });
    text.section("simulation.faults", faults);
}
