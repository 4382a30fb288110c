//! A validated scenario: every default filled in, every unit an integer, every reference an index.
//!
//! Built by [`load`](crate::load) only from text that passed all checks, or in code by embedders
//! (see [`Scenario::from_toml`](crate::Scenario::from_toml)). Knows nothing of TOML or spans.

mod goal;
mod http;
mod phases;
mod schedule;
mod stamps;
mod users;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use z6_events::{RequestId, TargetId};

use crate::journey::{Reading, Rendering, ValueTable};
use crate::reach::{ConnectTo, Credentials, Proxy, ProxyServer};
use crate::simulation::Simulation;

pub use goal::{Assertion, AssertionKind, Goal, LatencyPercentile, Quantile};
pub use http::{Http2Settings, HttpVersion, Placement};
pub use phases::{PHASE_TIMEOUT_NS, PhaseFlow};
pub use stamps::ArrivalStamps;
pub(crate) use users::run_model;
pub use users::{Pacing, Users};

pub use schedule::{
    Arrivals, Model, RateStage, RateStep, RunModel, Schedule, Shape, ThinkTime, VuStage, VuStep,
};

/// Nanoseconds in a second.
pub const NS_PER_SECOND: u64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub const NS_PER_MS: u64 = 1_000_000;
/// The unit of weights and rates: millionths.
pub const MICRO: u64 = 1_000_000;

/// A complete, validated scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The text it was loaded from, as given.
    pub text: String,
    /// `[metadata]`.
    pub metadata: Metadata,
    /// `[runtime]`.
    pub runtime: Runtime,
    /// `[target]` or `[[targets]]`: at least one.
    pub targets: Vec<Target>,
    /// `[[requests]]`: at least one.
    pub requests: Vec<Request>,
    /// Who sends them: at least one kind of users, by number of population.
    pub populations: Vec<Users>,
    /// `[setup]`.
    pub setup: Option<PhaseFlow>,
    /// `[teardown]`.
    pub teardown: Option<PhaseFlow>,
    /// What templates are filled in with.
    pub values: ValueTable,
    /// Files that are read for more than one fixed body: `body_file` with placeholders, files of
    /// `multipart`.
    pub files: Vec<ScenarioFile>,
    /// `[log]`: what the event log holds of values.
    pub log: LogSettings,
    /// `[assertions]`, in the order of the file.
    pub assertions: Vec<Assertion>,
    /// `[assertions.NAME]`, in the order of the file.
    pub goals: Vec<Goal>,
    /// `[limits]`.
    pub limits: Limits,
    /// `[simulation]`: how the simulated world behaves. Means nothing to a run for real, and is no
    /// part of the plan.
    pub simulation: Simulation,
}

/// `[metadata]`: words for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// What the run is called; empty if absent.
    pub name: String,
    /// Free text about the scenario; empty if absent.
    pub description: String,
    /// The scenario's own version.
    pub version: String,
    /// Who wrote it.
    pub author: String,
    /// Labels for the user's own use; Z6 only copies them.
    pub tags: Vec<String>,
}

/// `[runtime]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// `duration_seconds`, nanoseconds.
    pub duration_ns: Option<u64>,
    /// `iterations`: per VU in the closed model, arrivals in all in the open model, where `requests` is the
    /// same.
    pub iterations: Option<u64>,
    /// `requests` of a constant number of VUs: iterations in all, of one request each, at least one per VU.
    pub requests: Option<u64>,
    /// `prng_seed`; drawn by the caller if absent.
    pub prng_seed: Option<u64>,
    /// `workers`.
    pub workers: Workers,
    /// `warmup_seconds`, nanoseconds.
    pub warmup_ns: u64,
    /// `graceful_stop_seconds`, nanoseconds.
    pub graceful_stop_ns: u64,
    /// `arrival_stamps`.
    pub arrival_stamps: ArrivalStamps,
}

/// `runtime.workers`: how many event loops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// A fixed number; at least 1.
    Fixed(u16),
    /// One per core.
    Auto,
}

/// One target: where requests go and how connections to it are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name; `target` for the one of `[target]`.
    pub name: String,
    /// `base_url`, taken apart.
    pub base_url: BaseUrl,
    /// `connect_to` or `resolve`: where connections go instead.
    pub connect_to: ConnectTo,
    /// `proxy`: what connections go through.
    pub proxy: Option<Proxy>,
    /// `weight` in millionths; > 0.
    pub weight_micro: u64,
    /// TLS settings; used if connections use TLS ([`Target::is_tls`]).
    pub tls: TlsSettings,
    /// `http_version`, which the command line may change.
    pub http_version: HttpVersion,
    /// `[target.http2]`; of use where a connection may speak HTTP/2 ([`Target::may_speak_http2`]).
    pub http2: Http2Settings,
    /// `max_connections`: the explicit one or the default of the model, for the whole run.
    pub max_connections: u32,
    /// `connection_reuse`, explicit or by model.
    pub connection_reuse: ConnectionReuse,
    /// `connection_timeout_ms`, nanoseconds.
    pub connection_timeout_ns: u64,
    /// `tls_timeout_ms`, nanoseconds.
    pub tls_timeout_ns: u64,
    /// `dns_timeout_ms`, nanoseconds.
    pub dns_timeout_ns: u64,
    /// `idle_timeout_ms`, nanoseconds.
    pub idle_timeout_ns: u64,
    /// `max_requests_per_connection`.
    pub max_requests_per_connection: Option<u64>,
    /// `max_connection_age_ms`: a connection that is older takes no more requests, nanoseconds.
    pub max_connection_age_ns: Option<u64>,
    /// `retry_stale`: whether an idempotent request is sent once more that was lost with a connection that
    /// its server had closed while it was idle.
    pub retry_stale: bool,
    /// `reconnect_delay_ms`, nanoseconds.
    pub reconnect_delay_ns: u64,
    /// `source_addresses`: local addresses to connect from, used in turn.
    pub source_addresses: Vec<IpAddr>,
    /// `request_id_header`: the name of the field, if on.
    pub request_id_header: Option<String>,
}

impl Target {
    /// The proxy that its connections go through.
    #[must_use]
    pub fn via(&self) -> Option<&ProxyServer> {
        self.proxy.as_ref()?.via.as_ref()
    }

    /// The proxy that requests to it are sent to: connections with TLS go through a tunnel instead.
    #[must_use]
    pub fn asks_proxy(&self) -> Option<&ProxyServer> {
        self.via().filter(|_| !self.is_tls())
    }

    /// Whether requests to it may be sent to a proxy, which follows from the environment: what they are
    /// differs from place to place.
    #[must_use]
    pub fn may_ask_proxy(&self) -> bool {
        self.proxy.is_some() && !self.is_tls()
    }

    /// Whether its connections use TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.base_url.is_tls()
    }

    /// Whether a connection may turn out to speak HTTP/2.
    #[must_use]
    pub fn may_speak_http2(&self) -> bool {
        match self.http_version {
            HttpVersion::Http1 => false,
            HttpVersion::Http2 | HttpVersion::Http2PriorKnowledge => true,
            HttpVersion::Auto => self.is_tls(),
        }
    }

    /// Whether a connection may turn out to speak HTTP/1.1.
    #[must_use]
    pub fn may_speak_http1(&self) -> bool {
        matches!(self.http_version, HttpVersion::Http1 | HttpVersion::Auto)
    }
}

/// A base URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    /// http, https or builtin; http for a socket of the file system.
    pub scheme: Scheme,
    /// The host. For `builtin`: 127.0.0.1, for `unix:/path`: localhost.
    pub host: Host,
    /// The port, explicit or the scheme's default. For `builtin`: 0, filled in at the start.
    pub port: u16,
    /// Put before each request's path: empty, or begins with `/` and does not end with it.
    pub path_prefix: String,
    /// From the user information: what requests without an `Authorization` of their own carry.
    pub credentials: Option<Credentials>,
    /// As written in the scenario, without user information.
    pub text: String,
}

/// The scheme of a base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP without TLS.
    Http,
    /// HTTP over TLS.
    Https,
    /// The built-in target, started by the run itself, plain HTTP.
    Builtin,
    /// The same over TLS: `tls = true`.
    BuiltinTls,
}

/// A host of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name to resolve.
    Name(String),
    /// An IPv4 literal.
    V4(Ipv4Addr),
    /// An IPv6 literal.
    V6(Ipv6Addr),
}

impl BaseUrl {
    /// Whether TLS is used.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.scheme, Scheme::Https | Scheme::BuiltinTls)
    }

    /// Whether it is the built-in target.
    #[must_use]
    pub fn is_builtin(&self) -> bool {
        matches!(self.scheme, Scheme::Builtin | Scheme::BuiltinTls)
    }

    /// The authority for the `Host` field: IPv6 in brackets, the scheme's default port omitted
    /// (RFC 9110 section 7.2). `port` is the port in use, which differs from [`BaseUrl::port`] for
    /// the built-in target.
    #[must_use]
    pub fn authority(&self, port: u16) -> String {
        let host = match &self.host {
            Host::Name(name) => name.clone(),
            Host::V4(address) => address.to_string(),
            Host::V6(address) => format!("[{address}]"),
        };
        let default_port = match self.scheme {
            Scheme::Http | Scheme::Builtin => 80,
            Scheme::Https | Scheme::BuiltinTls => 443,
        };
        if port == default_port { host } else { format!("{host}:{port}") }
    }
}

/// TLS settings of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// `verify_cert`.
    pub verify_cert: bool,
    /// `ca_bundle`: path as written.
    pub ca_bundle: Option<String>,
    /// `client_cert`: path as written.
    pub client_cert: Option<String>,
    /// `client_key`: path as written.
    pub client_key: Option<String>,
    /// `server_name`: for SNI and verification instead of the URL's host.
    pub server_name: Option<String>,
    /// `tls_resumption`: whether sessions are resumed.
    pub resumption: bool,
}

/// `connection_reuse`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionReuse {
    /// Each VU keeps its own connection.
    PerVu,
    /// One pool per worker and target, last used first.
    Shared,
    /// A new connection for each iteration.
    Iteration,
    /// A new connection for each request.
    None,
}

/// One request template.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Name in reports, unique among requests.
    pub name: String,
    /// Any token (RFC 9110 section 9.1).
    pub method: String,
    /// As written: begins with `/` or is `*` (OPTIONS). With a rendering: with placeholders, and
    /// parameters written in.
    pub path: String,
    /// In the order of the file, case kept; with a rendering, as `path`.
    pub headers: Vec<(String, String)>,
    /// The body, or the content of `body_file`; with a rendering, as `path`, and digests in the place of
    /// files.
    pub body: Option<Body>,
    /// `timeout_ms`, nanoseconds.
    pub timeout_ns: u64,
    /// `weight` in millionths.
    pub weight_micro: u64,
    /// `target`; drawn by weight once per iteration if absent.
    pub target: Option<TargetId>,
    /// `expect_status`: sorted, without doubles; empty = any status below 400.
    pub expect_status: Vec<u16>,
    /// `follow_redirects`, its own or that of `[runtime]`: how many are followed.
    pub follow_redirects: u8,
    /// What is filled in for each sending; none if the request is always the same bytes.
    pub rendering: Option<Box<Rendering>>,
    /// What is read from its responses.
    pub reading: Reading,
    /// `tags`: what figures and goals may ask for, in the order of the file. Never sent, never logged.
    pub tags: Vec<Tag>,
}

/// One entry of `tags`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl std::fmt::Display for Tag {
    /// `name=value`: what metrics.json calls it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

/// A file that the scenario names, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioFile {
    /// As written in the scenario.
    pub name: String,
    /// Its content.
    pub bytes: std::sync::Arc<[u8]>,
    /// Whether there are placeholders in it: then its content decides what is sent.
    pub has_placeholders: bool,
}

/// A request body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The content of the body.
    pub bytes: Vec<u8>,
    /// The file it came from, as written in the scenario; none for an inline body.
    pub file: Option<String>,
}

/// `[limits]`: every bound a run holds to. docs/LIMITS.md lists defaults and hard maxima.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// One request body, bytes.
    pub max_request_body_bytes: u64,
    /// VUs alive at once.
    pub max_vus: u32,
    /// Response head, bytes.
    pub max_response_head_bytes: u64,
    /// Header fields per response.
    pub max_response_fields: u32,
    /// Interim (1xx) responses per request.
    pub max_interim_responses: u32,
    /// Extension bytes on one chunk-size line.
    pub max_chunk_extension_bytes: u32,
    /// Trailer section, bytes.
    pub max_trailer_bytes: u64,
    /// CONTINUATION frames of one header block, over HTTP/2.
    pub max_continuations: u32,
    /// Frames in a row that bring no response further, over HTTP/2.
    pub max_control_frames: u32,
    /// Entries of one SETTINGS frame, over HTTP/2.
    pub max_settings: u32,
    /// Acknowledgements that the server does not read, over HTTP/2.
    pub max_pending_acks: u32,
    /// DATA frames of one response with less than 64 bytes that do not end it, over HTTP/2.
    pub max_tiny_data_frames: u32,
    /// One data file, bytes.
    pub max_data_bytes: u64,
    /// Rows of one data file.
    pub max_data_rows: u64,
    /// One extracted value, bytes.
    pub max_value_bytes: u32,
    /// A value that the log holds in clear, bytes; of longer ones it holds a digest.
    pub max_logged_value_bytes: u32,
    /// Variables and cookies of one VU or arrival, bytes.
    pub max_vu_state_bytes: u64,
    /// Variables and cookies of all, bytes.
    pub max_state_bytes: u64,
    /// A response body that is read, as it is sent, bytes.
    pub max_kept_body_bytes: u64,
    /// Response bodies that are being kept, bytes in all.
    pub max_kept_bytes: u64,
    /// From the first attempt to connect to the first complete response, seconds; see
    /// [`Scenario::first_answer_ns`].
    pub first_answer_seconds: u32,
    /// The event log, bytes.
    pub max_event_log_bytes: u64,
    /// Attachments in the event log, bytes in all.
    pub max_attachment_bytes: u64,
    /// Histograms of by_name, by_method and by_target, bytes in all.
    pub max_histogram_bytes: u64,
    /// Connection attempts in progress per worker and target.
    pub max_connecting: u32,
    /// Buffers between a worker and the log writer.
    pub max_log_queue: u32,
}

/// `[log]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogSettings {
    /// `values`: how extracted values are logged that are not secret.
    pub values: LogValues,
}

/// How values are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogValues {
    /// As they are, up to `max_logged_value_bytes`; longer ones as a digest.
    #[default]
    Clear,
    /// All as a digest.
    Digest,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_request_body_bytes: 10_000_000,
            max_vus: 100_000,
            max_response_head_bytes: 64 << 10,
            max_response_fields: 128,
            max_interim_responses: 16,
            max_chunk_extension_bytes: 4 << 10,
            max_trailer_bytes: 16 << 10,
            max_continuations: 8,
            max_control_frames: 1000,
            max_settings: 32,
            max_pending_acks: 1_000,
            max_tiny_data_frames: 1000,
            max_data_bytes: 1 << 30,
            max_data_rows: 50_000_000,
            max_value_bytes: 16 << 10,
            max_logged_value_bytes: 64,
            max_vu_state_bytes: 64 << 10,
            max_state_bytes: 1 << 30,
            max_kept_body_bytes: 1_000_000,
            max_kept_bytes: 256 << 20,
            first_answer_seconds: 60,
            max_event_log_bytes: 64 << 30,
            max_attachment_bytes: 64 << 20,
            max_histogram_bytes: 256 << 20,
            max_connecting: 512,
            max_log_queue: 64,
        }
    }
}

impl Scenario {
    /// The name for reports: `metadata.name`, or `unnamed`.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.metadata.name.is_empty() { "unnamed" } else { &self.metadata.name }
    }

    /// How long after the first attempt to connect a run waits for its first complete response, nanoseconds:
    /// `limits.first_answer_seconds`, or the longest timeout of a request if that is longer.
    #[must_use]
    pub fn first_answer_ns(&self) -> u64 {
        let limit = u64::from(self.limits.first_answer_seconds) * NS_PER_SECOND;
        self.requests.iter().map(|request| request.timeout_ns).fold(limit, u64::max)
    }

    /// Places of one iteration of the first users: the sequence with its repeats at most, or 1.
    #[must_use]
    pub fn steps_per_iteration(&self) -> u64 {
        self.populations.first().map_or(1, Users::steps_per_iteration)
    }

    /// Whether values, responses or draws have a say in which steps its actors take: otherwise steps are
    /// counted, and all of them are taken.
    #[must_use]
    pub fn has_journeys(&self) -> bool {
        let is_plain =
            |request: &Request| request.rendering.is_none() && request.reading.is_empty();
        self.populations.iter().any(Users::has_journeys) || !self.requests.iter().all(is_plain)
    }

    /// The template with this number.
    #[must_use]
    pub fn request(&self, id: RequestId) -> &Request {
        &self.requests[id.index()]
    }

    /// The target with this number.
    #[must_use]
    pub fn target(&self, id: TargetId) -> &Target {
        &self.targets[id.index()]
    }
}

impl Request {
    /// Whether 101 is expected, which only a request with the header `Upgrade` may (RFC 9110 section 15.2.2).
    #[must_use]
    pub fn expects_upgrade(&self) -> bool {
        self.expect_status.contains(&101)
    }

    /// Whether sending it twice means the same as sending it once (RFC 9110 section 9.2.2). Unknown methods
    /// do not count.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"].contains(&self.method.as_str())
    }

    /// The value of the tag of this name, if it has one.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|tag| tag.name == name).map(|tag| tag.value.as_str())
    }

    /// Whether a complete response with this status counts as a success.
    #[must_use]
    pub fn expects(&self, status: u16) -> bool {
        if self.expect_status.is_empty() {
            (100..400).contains(&status)
        } else {
            self.expect_status.binary_search(&status).is_ok()
        }
    }
}

impl Limits {
    /// Each limit by name, in the order of docs/LIMITS.md: what a log header says was in force.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, u64)> {
        let mut pairs = vec![
            ("max_request_body_bytes".to_owned(), self.max_request_body_bytes),
            ("max_vus".to_owned(), u64::from(self.max_vus)),
            ("max_response_head_bytes".to_owned(), self.max_response_head_bytes),
            ("max_response_fields".to_owned(), u64::from(self.max_response_fields)),
            ("max_interim_responses".to_owned(), u64::from(self.max_interim_responses)),
            ("max_chunk_extension_bytes".to_owned(), u64::from(self.max_chunk_extension_bytes)),
            ("max_trailer_bytes".to_owned(), self.max_trailer_bytes),
            ("max_event_log_bytes".to_owned(), self.max_event_log_bytes),
            ("max_attachment_bytes".to_owned(), self.max_attachment_bytes),
            ("max_histogram_bytes".to_owned(), self.max_histogram_bytes),
            ("max_connecting".to_owned(), u64::from(self.max_connecting)),
            ("max_log_queue".to_owned(), u64::from(self.max_log_queue)),
        ];
        // These bound nothing in most runs: named where they are set.
        let default = Limits::default();
        for (name, value, default) in [
            ("max_kept_body_bytes", self.max_kept_body_bytes, default.max_kept_body_bytes),
            ("max_kept_bytes", self.max_kept_bytes, default.max_kept_bytes),
            (
                "max_logged_value_bytes",
                self.max_logged_value_bytes.into(),
                default.max_logged_value_bytes.into(),
            ),
            ("max_state_bytes", self.max_state_bytes, default.max_state_bytes),
            ("max_vu_state_bytes", self.max_vu_state_bytes, default.max_vu_state_bytes),
            ("max_continuations", self.max_continuations.into(), default.max_continuations.into()),
            (
                "max_control_frames",
                self.max_control_frames.into(),
                default.max_control_frames.into(),
            ),
            ("max_settings", self.max_settings.into(), default.max_settings.into()),
            ("max_pending_acks", self.max_pending_acks.into(), default.max_pending_acks.into()),
            (
                "max_tiny_data_frames",
                self.max_tiny_data_frames.into(),
                default.max_tiny_data_frames.into(),
            ),
            ("max_data_bytes", self.max_data_bytes, default.max_data_bytes),
            ("max_data_rows", self.max_data_rows, default.max_data_rows),
            ("max_value_bytes", self.max_value_bytes.into(), default.max_value_bytes.into()),
            (
                "first_answer_seconds",
                self.first_answer_seconds.into(),
                default.first_answer_seconds.into(),
            ),
        ] {
            if value != default {
                pairs.push((name.to_owned(), value));
            }
        }
        pairs
    }
}
