//! Every table and key of the scenario format, one entry per key: its type, range and default.
//! The reader follows these tables; docs/SCENARIO.md and docs/LIMITS.md are compared with them.
//! Rules between keys live with the sections.

mod simulation;
mod values;

use super::limits::{self, data, defaults, response};
use crate::model::{MICRO, NS_PER_MS, PHASE_TIMEOUT_NS};
use simulation::{FAULTS, SIMULATION};
use values::{
    AUTH, AWS_SIGV4, BASIC, CHECKS, COOKIES, DATA, EXTRACT, LOG, MULTIPART, PARAMETERS, RANDOM,
    REQUEST_KEYS, SECRETS,
};

/// Words that a key may have as its value.
type Choices = &'static [&'static str];

/// The unit a duration is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Millis,
}

impl Unit {
    /// Decimal places down to a nanosecond.
    pub(crate) const fn digits(self) -> u32 {
        match self {
            Unit::Seconds => 9,
            Unit::Millis => 6,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Unit::Seconds => "seconds",
            Unit::Millis => "milliseconds",
        }
    }
}

/// What a key's value may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// A string. Parameters in it are written in.
    Text,
    /// A string with placeholders.
    Template,
    /// true or false.
    Flag,
    /// A whole number.
    Count { min: u64, max: u64 },
    /// A duration, kept in nanoseconds.
    Time { unit: Unit, zero: bool, max_ns: u64 },
    /// A rate or weight, kept in millionths.
    Micro { zero: bool, max: u64 },
    /// A bound on a measured figure: more than 0.
    Bound { max: f64 },
    /// A share of 1.
    Share,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A number of workers or `"auto"`.
    Workers,
    /// A list of texts.
    Texts,
    /// A list of whole numbers.
    Counts { min: u64, max: u64 },
    /// A table of texts with placeholders.
    Pairs,
    /// A table of texts with placeholders, numbers and flags, or lists of these.
    Fields,
    /// A whole number that may be negative.
    Integer,
    /// A decimal number that may be negative.
    Decimal,
    /// A whole number, or a list of the least and the greatest.
    Range { min: u64, max: u64 },
    /// A string, a number or a flag.
    Scalar,
    /// Which of several values is meant: a word or a number.
    Select,
    /// Any value.
    Any,
    /// A setting of the simulated world that has a text form.
    Setting(Form),
    /// A table of its own.
    Table(&'static Table),
    /// A list of tables.
    Tables(&'static Table),
    /// A table of tables with names that the scenario chooses.
    Named(&'static Named),
}

/// Tables of one form, each under a name of its own.
#[derive(Debug)]
pub(crate) struct Named {
    /// Each of them.
    pub(crate) table: Table,
    /// The key that a value stands for which is no table.
    pub(crate) shorthand: Option<&'static str>,
}

/// How a setting of the simulated world is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A distribution of times: text.
    Delay,
    /// One time: text.
    Duration,
    /// A number of bytes, or text for a range of them.
    Bytes,
    /// A table of shares.
    Statuses,
}

impl Kind {
    /// Decimal places between what is written and what is kept.
    pub(crate) const fn digits(self) -> u32 {
        match self {
            Kind::Time { unit, .. } => unit.digits(),
            Kind::Micro { .. } => 6,
            _ => 0,
        }
    }

    /// Least and greatest number, in the unit it is kept in.
    pub(crate) fn range(self) -> (u64, u64) {
        match self {
            Kind::Count { min, max } | Kind::Counts { min, max } | Kind::Range { min, max } => {
                (min, max)
            }
            Kind::Workers => (1, limits::MAX_WORKERS),
            Kind::Time { zero, max_ns, .. } => (u64::from(!zero), max_ns),
            Kind::Micro { zero, max } => (u64::from(!zero), max),
            _ => (0, u64::MAX),
        }
    }
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// Default of a number, in the unit it is kept in.
    pub(crate) default: Option<u64>,
    /// Default of anything else, or a default that depends, in words.
    pub(crate) default_words: Option<&'static str>,
}

impl Key {
    const fn required(self) -> Key {
        Key { required: true, ..self }
    }
    const fn or(self, default: u64) -> Key {
        Key { default: Some(default), ..self }
    }
    const fn or_words(self, words: &'static str) -> Key {
        Key { default_words: Some(words), ..self }
    }
}

/// One table of the format.
#[derive(Debug)]
pub(crate) struct Table {
    /// As people write it: `[target]`, `[[requests]]`.
    pub(crate) label: &'static str,
    /// Groups of keys that always fit.
    pub(crate) keys: &'static [&'static [Key]],
    /// Keys that fit one `type` only.
    pub(crate) variants: &'static [Variant],
}

/// The keys of one `type`.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    pub(crate) keys: &'static [&'static [Key]],
}

impl Table {
    pub(crate) fn common(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.keys.iter().flat_map(|group| group.iter())
    }

    pub(crate) fn variant(&self, name: &str) -> Option<&'static Variant> {
        self.variants.iter().find(|variant| variant.name == name)
    }

    /// Every key of the table, of any type, some more than once.
    pub(crate) fn all_keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        let variants = self.variants.iter().flat_map(|variant| variant.all());
        self.common().chain(variants)
    }
}

impl Variant {
    pub(crate) fn all(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.keys.iter().flat_map(|group| group.iter())
    }
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind, required: false, default: None, default_words: None }
}
const fn text(name: &'static str) -> Key {
    key(name, Kind::Text)
}
const fn count(name: &'static str, min: u64, max: u64) -> Key {
    key(name, Kind::Count { min, max })
}
/// A timeout: more than 0, at most 1 h.
const fn timeout(name: &'static str) -> Key {
    key(name, Kind::Time { unit: Unit::Millis, zero: false, max_ns: limits::MAX_TIMEOUT_NS })
}
const fn millis(name: &'static str, max_ns: u64) -> Key {
    key(name, Kind::Time { unit: Unit::Millis, zero: true, max_ns })
}
const fn seconds(name: &'static str, zero: bool, max_ns: u64) -> Key {
    key(name, Kind::Time { unit: Unit::Seconds, zero, max_ns })
}
/// A length of time within a schedule.
const fn length(name: &'static str) -> Key {
    seconds(name, false, limits::MAX_DURATION_NS)
}
const fn rate(name: &'static str, zero: bool) -> Key {
    key(name, Kind::Micro { zero, max: limits::MAX_RATE_MICRO })
}
const fn weight() -> Key {
    key("weight", Kind::Micro { zero: false, max: limits::MAX_WEIGHT_MICRO }).or(MICRO)
}
const fn vus(name: &'static str, min: u64) -> Key {
    count(name, min, limits::MAX_VUS)
}
const fn latency(name: &'static str) -> Key {
    key(name, Kind::Bound { max: limits::MAX_LATENCY_MS })
}
const fn bytes(name: &'static str, min: u64, max: u64, default: u64) -> Key {
    count(name, min, max).or(default)
}

pub(crate) static ROOT: Table = Table {
    label: "the top level",
    keys: &[&[
        key("metadata", Kind::Table(&METADATA)),
        key("parameters", Kind::Named(&PARAMETERS)),
        key("secrets", Kind::Named(&SECRETS)),
        key("runtime", Kind::Table(&RUNTIME)),
        key("target", Kind::Table(&TARGET)),
        key("targets", Kind::Tables(&TARGETS)),
        key("data", Kind::Tables(&DATA)),
        key("random", Kind::Named(&RANDOM)),
        key("cookies", Kind::Table(&COOKIES)),
        key("requests", Kind::Tables(&REQUESTS)),
        key("schedule", Kind::Table(&SCHEDULE)),
        key("think_time", Kind::Table(&THINK_TIME)),
        key("pacing", Kind::Table(&PACING)),
        key("sequence", Kind::Table(&SEQUENCE)),
        key("sequences", Kind::Tables(&SEQUENCES)),
        key("populations", Kind::Tables(&POPULATIONS)),
        key("setup", Kind::Table(&SETUP)),
        key("teardown", Kind::Table(&TEARDOWN)),
        key("assertions", Kind::Table(&ASSERTIONS)),
        key("log", Kind::Table(&LOG)),
        key("limits", Kind::Table(&LIMITS)),
        key("simulation", Kind::Table(&SIMULATION)),
    ]],
    variants: &[],
};

pub(crate) static METADATA: Table = Table {
    label: "[metadata]",
    keys: &[&[
        text("name").or_words("unnamed"),
        text("description"),
        text("version"),
        text("author"),
        key("tags", Kind::Texts),
    ]],
    variants: &[],
};

pub(crate) static RUNTIME: Table = Table {
    label: "[runtime]",
    keys: &[&[
        seconds("duration_seconds", false, limits::MAX_DURATION_NS),
        count("iterations", 1, limits::MAX_ITERATIONS),
        count("requests", 1, limits::MAX_ITERATIONS),
        vus("vus", 1).or_words("1"),
        count("prng_seed", 0, i64::MAX as u64).or_words("drawn"),
        key("workers", Kind::Workers).or(1),
        seconds("warmup_seconds", true, limits::MAX_DURATION_NS).or(0),
        seconds("graceful_stop_seconds", true, limits::MAX_TIMEOUT_NS)
            .or(defaults::GRACEFUL_STOP_NS),
        count("follow_redirects", 0, limits::MAX_REDIRECTS).or(0),
        key("arrival_stamps", Kind::Choice(&["auto", "on", "off"])).or_words("\"auto\""),
    ]],
    variants: &[],
};

/// The words of `http_version`.
pub(crate) const HTTP_VERSIONS: &[&str] = &["http1.1", "http2", "http2-prior-knowledge", "auto"];

pub(crate) static HTTP2: Table = Table {
    label: "[target.http2]",
    keys: &[&[
        count("streams", 1, limits::MAX_STREAMS).or(defaults::STREAMS),
        key("placement", Kind::Choice(&["fill", "spread"])).or_words("by model"),
        count("resend_refused", 0, limits::MAX_RESENDS).or(defaults::RESEND_REFUSED),
        bytes("stream_window_bytes", 65_535, (1 << 31) - 1, 16 << 20),
        bytes("connection_window_bytes", 65_535, (1 << 31) - 1, 1 << 30),
        bytes("header_table_bytes", 0, 65_536, 4_096),
        key("index_headers", Kind::Flag).or_words("true"),
    ]],
    variants: &[],
};

static TARGET_KEYS: [Key; 26] = [
    text("base_url").required(),
    text("connect_to").or_words("by base_url"),
    key("resolve", Kind::Texts).or_words("by the resolver"),
    text("proxy").or_words("none"),
    key("http_version", Kind::Choice(HTTP_VERSIONS)).or_words("\"http1.1\""),
    key("http2", Kind::Table(&HTTP2)),
    key("tls", Kind::Flag).or_words("by scheme"),
    key("verify_cert", Kind::Flag).or_words("true"),
    text("ca_bundle"),
    text("client_cert"),
    text("client_key"),
    text("server_name").or_words("the host"),
    key("tls_resumption", Kind::Flag).or_words("true"),
    count("max_connections", 1, limits::MAX_CONNECTIONS).or_words("by model"),
    key("connection_reuse", Kind::Choice(&["per_vu", "shared", "iteration", "none"]))
        .or_words("by model"),
    timeout("dns_timeout_ms").or(defaults::DNS_TIMEOUT_NS),
    timeout("connection_timeout_ms").or(defaults::CONNECTION_TIMEOUT_NS),
    timeout("tls_timeout_ms").or(defaults::TLS_TIMEOUT_NS),
    key(
        "idle_timeout_ms",
        Kind::Time { unit: Unit::Millis, zero: false, max_ns: limits::MAX_DURATION_NS },
    )
    .or(defaults::IDLE_TIMEOUT_NS),
    count("max_requests_per_connection", 1, i64::MAX as u64).or_words("no limit"),
    key(
        "max_connection_age_ms",
        Kind::Time { unit: Unit::Millis, zero: false, max_ns: limits::MAX_DURATION_NS },
    )
    .or_words("no limit"),
    key("retry_stale", Kind::Flag).or_words("false"),
    millis("reconnect_delay_ms", limits::MAX_TIMEOUT_NS).or(defaults::RECONNECT_DELAY_NS),
    key("source_addresses", Kind::Texts).or_words("by the kernel"),
    text("request_id_header").or_words("off"),
    key("auth", Kind::Table(&AUTH)),
];

pub(crate) static TARGET: Table = Table { label: "[target]", keys: &[&TARGET_KEYS], variants: &[] };

static TARGETS_KEYS: [Key; 2] = [text("name").required(), weight()];

pub(crate) static TARGETS: Table =
    Table { label: "[[targets]]", keys: &[&TARGETS_KEYS, &TARGET_KEYS], variants: &[] };

pub(crate) static REQUESTS: Table = Table {
    label: "[[requests]]",
    keys: &[
        &[
            text("name").required(),
            text("method").or_words("GET"),
            key("path", Kind::Template).required(),
            key("headers", Kind::Pairs),
            key("body", Kind::Template),
            text("body_file"),
            timeout("timeout_ms").or(defaults::REQUEST_TIMEOUT_NS),
            weight(),
            text("target").or_words("drawn by weight"),
            key("expect_status", Kind::Counts { min: 100, max: 999 }).or_words("below 400"),
            count("follow_redirects", 0, limits::MAX_REDIRECTS).or_words("that of [runtime]"),
            key("tags", Kind::Pairs),
        ],
        &REQUEST_KEYS,
    ],
    variants: &[],
};

const SCHEDULE_TYPES: &[&str] =
    &["constant", "ramp", "spike", "steps", "rate", "ramp_rate", "rate_steps", "stages"];

static OPEN_KEYS: [Key; 2] = [
    key("arrivals", Kind::Choice(&["constant", "poisson"])).or_words("constant"),
    count("max_in_flight", 1, limits::MAX_IN_FLIGHT).or(defaults::MAX_IN_FLIGHT),
];

static RAMP_LENGTHS: [Key; 2] = [
    length("ramp_duration_seconds").required(),
    seconds("hold_duration_seconds", true, limits::MAX_DURATION_NS).or(0),
];

pub(crate) static SCHEDULE: Table = Table {
    label: "[schedule]",
    keys: &[&[key("type", Kind::Choice(SCHEDULE_TYPES)).required()]],
    variants: &[
        Variant { name: "constant", keys: &[&[vus("vus", 1).or_words("1")]] },
        Variant {
            name: "ramp",
            keys: &[&[vus("start_vus", 0).required(), vus("end_vus", 0).required()], &RAMP_LENGTHS],
        },
        Variant {
            name: "spike",
            keys: &[&[
                vus("baseline_vus", 0).required(),
                vus("spike_vus", 0).required(),
                seconds("spike_start_seconds", true, limits::MAX_DURATION_NS).required(),
                length("spike_duration_seconds").required(),
            ]],
        },
        Variant { name: "steps", keys: &[&[key("steps", Kind::Tables(&VU_STEPS)).required()]] },
        Variant { name: "rate", keys: &[&[rate("per_second", false).required()], &OPEN_KEYS] },
        Variant {
            name: "ramp_rate",
            keys: &[
                &[
                    rate("start_per_second", true).required(),
                    rate("end_per_second", true).required(),
                ],
                &RAMP_LENGTHS,
                &OPEN_KEYS,
            ],
        },
        Variant {
            name: "rate_steps",
            keys: &[&[key("steps", Kind::Tables(&RATE_STEPS)).required()], &OPEN_KEYS],
        },
        Variant {
            name: "stages",
            keys: &[
                &[
                    vus("start_vus", 0).or(0),
                    rate("start_per_second", true).or(0),
                    key("stages", Kind::Tables(&STAGES)).required(),
                ],
                &OPEN_KEYS,
            ],
        },
    ],
};

pub(crate) static STAGES: Table = Table {
    label: "[[schedule.stages]]",
    keys: &[&[
        vus("vus", 0),
        rate("per_second", true),
        length("duration_seconds").required(),
        key("shape", Kind::Choice(&["linear", "jump"])).or_words("linear"),
    ]],
    variants: &[],
};

pub(crate) static VU_STEPS: Table = Table {
    label: "[[schedule.steps]]",
    keys: &[&[vus("vus", 0).required(), length("duration_seconds").required()]],
    variants: &[],
};

pub(crate) static RATE_STEPS: Table = Table {
    label: "[[schedule.steps]]",
    keys: &[&[rate("per_second", true).required(), length("duration_seconds").required()]],
    variants: &[],
};

pub(crate) static THINK_TIME: Table = Table {
    label: "[think_time]",
    keys: &[&[key("type", Kind::Choice(&["constant", "random", "exponential"])).required()]],
    variants: &[
        Variant {
            name: "constant",
            keys: &[&[millis("duration_ms", limits::MAX_DURATION_NS).required()]],
        },
        Variant {
            name: "random",
            keys: &[&[
                millis("min_ms", limits::MAX_DURATION_NS).required(),
                millis("max_ms", limits::MAX_DURATION_NS).required(),
            ]],
        },
        Variant {
            name: "exponential",
            keys: &[&[
                key(
                    "mean_ms",
                    Kind::Time { unit: Unit::Millis, zero: false, max_ns: limits::MAX_DURATION_NS },
                )
                .required(),
                millis("max_ms", limits::MAX_DURATION_NS).required(),
            ]],
        },
    ],
};

pub(crate) static PACING: Table = Table {
    label: "[pacing]",
    keys: &[&[key("period_ms", Kind::Range { min: 1, max: limits::MAX_DURATION_NS / NS_PER_MS })
        .required()]],
    variants: &[],
};

const ON_FAILURE: Kind = Kind::Choice(&["continue", "end_iteration", "stop_vu", "stop_run"]);

const EMPTY_ITERATION: Key = count("empty_iteration_ms", 1, limits::MAX_DURATION_NS / NS_PER_MS)
    .or(defaults::EMPTY_ITERATION_NS / NS_PER_MS);

pub(crate) static SEQUENCE: Table = Table {
    label: "[sequence]",
    keys: &[&[
        key("type", Kind::Choice(&["ordered"])).or_words("ordered"),
        text("start").or_words("none"),
        key("steps", Kind::Tables(&SEQUENCE_STEPS)).required(),
        key("renew", Kind::Table(&RENEW)),
        text("end").or_words("none"),
        key("on_failure", ON_FAILURE).or_words("continue"),
        EMPTY_ITERATION,
    ]],
    variants: &[],
};

static STEP_KEYS: [Key; 14] = [
    text("request").or_words("none"),
    text("sequence").or_words("none"),
    key("choose", Kind::Tables(&CHOOSE)),
    key("repeat", Kind::Range { min: 1, max: limits::MAX_REPEAT }).or(1),
    text("if").or_words("always"),
    text("while").or_words("none"),
    text("until").or_words("none"),
    text("foreach").or_words("none"),
    text("as").or_words("item"),
    count("max", 1, limits::MAX_PASSES),
    millis("pause_ms", limits::MAX_DURATION_NS).or(0),
    key("on_failure", ON_FAILURE).or_words("that of [sequence]"),
    key("think_time", Kind::Table(&THINK_TIME)),
    text("group").or_words("none"),
];

pub(crate) static CHOOSE: Table = Table {
    label: "choose",
    keys: &[&[weight(), text("request").or_words("none"), text("sequence").or_words("none")]],
    variants: &[],
};

pub(crate) static SEQUENCE_STEPS: Table =
    Table { label: "[[sequence.steps]]", keys: &[&STEP_KEYS], variants: &[] };

pub(crate) static RENEW: Table = Table {
    label: "[sequence.renew]",
    keys: &[&[
        text("sequence").required(),
        key("on_status", Kind::Counts { min: 200, max: 999 }),
        seconds("every_seconds", false, limits::MAX_DURATION_NS),
    ]],
    variants: &[],
};

pub(crate) static SEQUENCES: Table = Table {
    label: "[[sequences]]",
    keys: &[&[text("name").required(), key("steps", Kind::Tables(&SEQUENCES_STEPS)).required()]],
    variants: &[],
};

pub(crate) static SEQUENCES_STEPS: Table =
    Table { label: "[[sequences.steps]]", keys: &[&STEP_KEYS], variants: &[] };

static PHASE_KEYS: [Key; 2] = [
    text("sequence").required(),
    seconds("timeout_seconds", false, limits::MAX_TIMEOUT_NS).or(PHASE_TIMEOUT_NS),
];

pub(crate) static SETUP: Table = Table { label: "[setup]", keys: &[&PHASE_KEYS], variants: &[] };

pub(crate) static TEARDOWN: Table =
    Table { label: "[teardown]", keys: &[&PHASE_KEYS], variants: &[] };

pub(crate) static POPULATIONS: Table = Table {
    label: "[[populations]]",
    keys: &[&[
        text("name").required(),
        key("schedule", Kind::Table(&SCHEDULE)).required(),
        text("sequence").or_words("requests drawn by weight"),
        text("start").or_words("none"),
        key("renew", Kind::Table(&RENEW)),
        text("end").or_words("none"),
        key("on_failure", ON_FAILURE).or_words("continue"),
        EMPTY_ITERATION,
        key("think_time", Kind::Table(&THINK_TIME)),
        key("pacing", Kind::Table(&PACING)),
        key("cookies", Kind::Choice(&["iteration", "vu", "off"])).or_words("off"),
        seconds("start_after_seconds", true, limits::MAX_DURATION_NS).or(0),
        seconds("duration_seconds", false, limits::MAX_DURATION_NS).or_words("to the end"),
        key("tags", Kind::Pairs),
    ]],
    variants: &[],
};

static ASSERTION_KEYS: [Key; 17] = [
    latency("p50_latency_ms"),
    latency("p75_latency_ms"),
    latency("p90_latency_ms"),
    latency("p95_latency_ms"),
    latency("p99_latency_ms"),
    latency("p999_latency_ms"),
    latency("p9999_latency_ms"),
    latency("mean_latency_ms"),
    latency("max_latency_ms"),
    key("error_rate_max", Kind::Share),
    key("success_rate_min", Kind::Share),
    key("rps_min", Kind::Bound { max: 1e9 }),
    key("status_4xx_max_rate", Kind::Share),
    key("status_5xx_max_rate", Kind::Share),
    key("checks_success_rate_min", Kind::Share),
    key("require_trustworthy", Kind::Flag),
    // Of all requests only.
    latency("lateness_p99_ms_max"),
];

pub(crate) static ASSERTIONS: Table =
    Table { label: "[assertions]", keys: &[&ASSERTION_KEYS], variants: &[] };

static GOAL_KEYS: [Key; 5] = [
    text("where").or_words("all requests"),
    count("window_seconds", 1, limits::MAX_WINDOW_SECONDS).or_words("the whole run"),
    count("min_requests", 1, i64::MAX as u64).or(1),
    seconds("after_seconds", true, limits::MAX_DURATION_NS).or(0),
    key("stop", Kind::Flag).or_words("false"),
];

/// Each table of `[assertions]` under a name of its own.
pub(crate) static GOAL: Table = Table {
    label: "[assertions.NAME]",
    keys: &[&GOAL_KEYS, ASSERTION_KEYS.split_at(ASSERTION_KEYS.len() - 1).0],
    variants: &[],
};

/// Whether a table takes an entry that has no key of its own: a table of `[assertions]`, and a percentile.
pub(crate) fn takes(spec: &Table, name: &str, is_table: bool) -> bool {
    let of_all = spec.label == ASSERTIONS.label;
    (of_all || spec.label == GOAL.label) && super::goals::percentile(name).is_some() && !is_table
        || of_all && is_table
}

pub(crate) static LIMITS: Table = Table {
    label: "[limits]",
    keys: &[&[
        bytes("max_request_body_bytes", 1, 1 << 30, 10_000_000),
        bytes("max_vus", 1, limits::MAX_VUS, 100_000),
        bytes(
            "max_response_head_bytes",
            256,
            limits::MAX_RESPONSE_HEAD_BYTES,
            response::HEAD_BYTES,
        ),
        bytes("max_response_fields", 1, limits::MAX_RESPONSE_FIELDS, response::FIELDS),
        bytes("max_interim_responses", 0, 1_000, response::INTERIM),
        bytes("max_chunk_extension_bytes", 0, 1 << 20, response::CHUNK_EXTENSION_BYTES),
        bytes("max_trailer_bytes", 0, 16 << 20, response::TRAILER_BYTES),
        bytes("max_continuations", 0, 1_000, 8),
        bytes("max_control_frames", 10, 1_000_000, 1_000),
        bytes("max_settings", 1, 1_000, 32),
        bytes("max_pending_acks", 1, 10_000, 1_000),
        bytes("max_tiny_data_frames", 1, 65_535, 1_000),
        bytes("max_data_bytes", 1, 1 << 32, data::BYTES),
        bytes("max_data_rows", 1, 1 << 32, data::ROWS),
        bytes("max_value_bytes", 1, limits::MAX_VALUE_BYTES, data::VALUE_BYTES),
        bytes(
            "max_logged_value_bytes",
            0,
            limits::MAX_LOGGED_VALUE_BYTES,
            limits::MAX_LOGGED_VALUE_BYTES,
        ),
        bytes("max_vu_state_bytes", 0, 1 << 30, data::VU_STATE_BYTES),
        bytes("max_state_bytes", 0, 1 << 40, data::STATE_BYTES),
        bytes("max_kept_body_bytes", 0, 64 << 20, 1_000_000),
        bytes("max_kept_bytes", 0, 1 << 34, data::KEPT_BYTES),
        count("first_answer_seconds", 1, 86_400).or(60),
        bytes("max_event_log_bytes", 1 << 20, 1 << 50, 64 << 30),
        bytes("max_attachment_bytes", 0, 1 << 34, 64 << 20),
        bytes("max_histogram_bytes", 1 << 20, 1 << 34, 256 << 20),
        bytes("max_connecting", 1, 65_536, 512),
        bytes("max_log_queue", 2, 4_096, 64),
    ]],
    variants: &[],
};

/// Every table, for searching a key's home.
pub(crate) static ALL: [&Table; 37] = [
    &ROOT,
    &METADATA,
    &PARAMETERS.table,
    &SECRETS.table,
    &RUNTIME,
    &TARGET,
    &TARGETS,
    &HTTP2,
    &DATA,
    &RANDOM.table,
    &COOKIES,
    &LOG,
    &REQUESTS,
    &MULTIPART.table,
    &AUTH,
    &BASIC,
    &AWS_SIGV4,
    &EXTRACT.table,
    &CHECKS.table,
    &SCHEDULE,
    &VU_STEPS,
    &RATE_STEPS,
    &STAGES,
    &THINK_TIME,
    &SEQUENCE,
    &SEQUENCE_STEPS,
    &RENEW,
    &SEQUENCES,
    &SEQUENCES_STEPS,
    &POPULATIONS,
    &SETUP,
    &TEARDOWN,
    &ASSERTIONS,
    &GOAL,
    &LIMITS,
    &SIMULATION,
    &FAULTS,
];
