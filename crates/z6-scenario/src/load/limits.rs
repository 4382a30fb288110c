//! The fixed bounds of a scenario. docs/LIMITS.md lists them; `[limits]` moves those that can move.
//!
//! The log format has bounds of its own (`z6_events::limits`). The assertions at the end say that every
//! scenario within the bounds here fits into a log.

use z6_events::limits as format;

use crate::model::{MICRO, NS_PER_SECOND};

/// Scenario text, bytes.
pub const MAX_SCENARIO_BYTES: usize = 10_000_000;
/// Keys, values and tables of a scenario, as its punctuation shows them: `=`, `,`, `[` and `{` count once, `.`
/// outside of text twice. Bounds the memory for reading a scenario, about 600 bytes each.
pub const MAX_SCENARIO_ITEMS: usize = 400_000;
/// Entries of `[[requests]]`.
pub const MAX_REQUESTS: usize = 65_535;
/// Files that `body_file` names, each counted once.
pub const MAX_BODY_FILES: usize = 3_000;
/// Entries of `[[targets]]`.
pub const MAX_TARGETS: usize = 100;
/// Entries of `[assertions]` with a name.
pub const MAX_ASSERTIONS: usize = 100;
/// Of these, with `window_seconds`: each keeps 20 KiB for each second of a window.
pub const MAX_WINDOWED_ASSERTIONS: usize = 16;
/// `window_seconds`.
pub const MAX_WINDOW_SECONDS: u64 = 300;
/// Entries of `[[schedule.steps]]`, `[[sequence.steps]]` and `[[sequences.steps]]`, each.
pub const MAX_STEPS: usize = 10_000;
/// Entries of `[[sequences]]`.
pub const MAX_SEQUENCES: usize = 200;
/// Passes of one `while` or `until`.
pub const MAX_PASSES: u64 = 10_000;
/// `if`, `while` and `until`, all together.
pub const MAX_CONDITIONS: usize = 10_000;
/// Branches of one `choose`.
pub const MAX_BRANCHES: usize = 1_000;
/// Blocks inside of one another: repeated sequences, and choices.
pub const MAX_NESTING: usize = 16;
/// `[[populations]]`.
pub const MAX_POPULATIONS: usize = 32;
/// Requests of one iteration, of `start`, of `renew` and of `end`, each with every repeat at its most.
pub const MAX_PLACES: u64 = 1_000_000;
/// Header fields of one request.
pub const MAX_HEADERS: usize = 100;
/// Entries of `tags` of one request.
pub const MAX_TAGS: usize = 16;
/// Names of groups of steps.
pub const MAX_GROUPS: usize = 100;
/// Value of a tag, and name of a group, bytes.
pub const MAX_TAG_BYTES: usize = 64;
/// Entries of `source_addresses`.
pub const MAX_SOURCE_ADDRESSES: usize = 1_000;
/// Entries of `resolve`.
pub const MAX_RESOLVE_ADDRESSES: usize = 1_000;
/// `streams` of one connection.
pub const MAX_STREAMS: u64 = 10_000;
/// `resend_refused`.
pub const MAX_RESENDS: u64 = 3;
/// `follow_redirects`.
pub const MAX_REDIRECTS: u64 = 20;
/// Names of requests and targets, bytes.
pub const MAX_NAME_BYTES: usize = 200;
/// Bodies of all requests together, bytes.
pub const MAX_BODIES_BYTES: u64 = 1 << 30;
/// Findings reported about one scenario.
pub const MAX_FINDINGS: usize = 1_000;
/// Length of a run or a schedule, nanoseconds: 24 h.
pub const MAX_DURATION_NS: u64 = 86_400 * NS_PER_SECOND;
/// Any timeout, nanoseconds: 1 h.
pub const MAX_TIMEOUT_NS: u64 = 3_600 * NS_PER_SECOND;
/// Most event loops of one process.
pub const MAX_WORKERS: u64 = 1_024;
/// Connections to one target.
pub const MAX_CONNECTIONS: u64 = 1_000_000;
/// Most arrivals alive at once.
pub const MAX_IN_FLIGHT: u64 = 10_000_000;
/// Arrivals per second, in millionths.
pub const MAX_RATE_MICRO: u64 = 10_000_000 * MICRO;
/// A weight, in millionths.
pub const MAX_WEIGHT_MICRO: u64 = 1_000_000 * MICRO;
/// Highest value of `iterations`.
pub const MAX_ITERATIONS: u64 = 1_000_000_000_000_000;
/// `repeat` of a sequence step.
pub const MAX_REPEAT: u64 = 1_000_000;
/// Hard maximum of `max_vus`.
pub const MAX_VUS: u64 = 1_000_000;
/// Hard maximum of `max_response_head_bytes`.
pub const MAX_RESPONSE_HEAD_BYTES: u64 = 16 << 20;
/// Hard maximum of `max_response_fields`.
pub const MAX_RESPONSE_FIELDS: u64 = 256;
/// Largest latency an assertion may name, milliseconds: 24 h.
pub const MAX_LATENCY_MS: f64 = 86_400_000.0;

/// Entries of `[parameters]`, and of `[secrets]`.
pub const MAX_PARAMETERS: usize = 1_000;
/// Value of one parameter, bytes.
pub const MAX_PARAMETER_BYTES: usize = 4 << 10;
/// Entries of `[[data]]`.
pub const MAX_DATA_FILES: usize = 100;
/// Entries of `[random]`.
pub const MAX_RANDOM_VALUES: usize = 1_000;
/// Names that requests extract values for.
pub const MAX_VARIABLES: usize = 1_000;
/// Different values that placeholders name, parameters not counted.
pub const MAX_PLACEHOLDER_VALUES: usize = 32_768;
/// Entries of `extract` of one request.
pub const MAX_EXTRACTS: usize = 32;
/// Entries of `checks` of one request.
pub const MAX_CHECKS: usize = 64;
/// Parts of a `multipart` body; fields of a `query` and of a `form`.
pub const MAX_FIELDS: usize = 1_000;
/// Files that `multipart` and `body_file` with placeholders name, each counted once.
pub const MAX_VALUE_FILES: usize = 300;
/// Choices of a random value.
pub const MAX_CHOICES: usize = 10_000;
/// One of `weights` of a random value.
pub const MAX_CHOICE_WEIGHT: u64 = 1_000_000_000;
/// Characters of a random text.
pub const MAX_RANDOM_LENGTH: u64 = 16_384;
/// Words of a random value.
pub const MAX_RANDOM_WORDS: u64 = 1_000;
/// Hard maximum of `max_value_bytes`.
pub const MAX_VALUE_BYTES: u64 = 1 << 20;

/// Hard maximum and default of `max_logged_value_bytes`: what the log can hold in clear.
pub const MAX_LOGGED_VALUE_BYTES: u64 = z6_events::MAX_VALUE_BYTES as u64;

/// Defaults of those keys of `[limits]` that bound data and values.
pub(crate) mod data {
    /// Values and cookies of one VU: 64 KiB; and of all together: 1 GiB.
    pub(crate) const VU_STATE_BYTES: u64 = 64 << 10;
    pub(crate) const STATE_BYTES: u64 = 1 << 30;
    /// Response bodies that are being kept: 256 MiB.
    pub(crate) const KEPT_BYTES: u64 = 256 << 20;
    pub(crate) const BYTES: u64 = z6_extract::limits::MAX_DATA_BYTES;
    pub(crate) const ROWS: u64 = z6_extract::limits::MAX_DATA_ROWS;
    pub(crate) const VALUE_BYTES: u64 = z6_extract::limits::MAX_VALUE_BYTES as u64;
}

/// Defaults of those keys of `[limits]` that bound the reading of one response.
pub mod response {
    /// `max_response_head_bytes`: 64 KiB.
    pub const HEAD_BYTES: u64 = 64 << 10;
    /// `max_response_fields`.
    pub const FIELDS: u64 = 128;
    /// `max_interim_responses`.
    pub const INTERIM: u64 = 16;
    /// `max_chunk_extension_bytes`: 4 KiB.
    pub const CHUNK_EXTENSION_BYTES: u64 = 4 << 10;
    /// `max_trailer_bytes`: 16 KiB.
    pub const TRAILER_BYTES: u64 = 16 << 10;
}

/// Files that a scenario can name: bodies and their parts, data; a CA bundle, a certificate and a key for
/// each target.
const MAX_FILES: usize = MAX_BODY_FILES + MAX_VALUE_FILES + MAX_DATA_FILES + 3 * MAX_TARGETS;

const _: () = {
    assert!(MAX_VUS <= format::MAX_EXCHANGE_SLOTS as u64, "a request of each VU has a slot");
    assert!(MAX_IN_FLIGHT <= format::MAX_EXCHANGE_SLOTS as u64, "each arrival has a slot");
    let connections = MAX_CONNECTIONS * MAX_TARGETS as u64;
    assert!(connections <= format::MAX_CONNECTION_SLOTS as u64, "each connection has a slot");
    assert!(MAX_WORKERS <= format::MAX_WORKERS, "the header takes the workers of any scenario");
    assert!(MAX_REQUESTS <= format::MAX_SCENARIO_ITEMS, "requests have 16-bit numbers");
    assert!(MAX_TARGETS <= format::MAX_SCENARIO_ITEMS, "targets have 16-bit numbers");
    assert!(MAX_RESOLVE_ADDRESSES <= format::MAX_TARGET_ADDRESSES, "addresses have 16-bit numbers");
    // A DNS message has 65,535 bytes, and an address in it takes at least 16 (RFC 1035 section 4.1.3).
    let addresses = if MAX_RESOLVE_ADDRESSES > 4_096 { MAX_RESOLVE_ADDRESSES } else { 4_096 };
    assert!(addresses * MAX_TARGETS <= format::MAX_ADDRESSES, "the header holds all addresses");
    assert!(MAX_REDIRECTS <= format::MAX_REDIRECTS, "exchanges of a step have 8-bit numbers");
    let parameters = MAX_PARAMETERS * (MAX_PARAMETER_BYTES + 128);
    assert!(
        2 * MAX_SCENARIO_BYTES + 2 * parameters <= format::MAX_HEADER_BYTES,
        "the header holds the scenario and its parameters"
    );
    assert!(MAX_FILES <= format::MAX_ATTACHMENTS, "the log carries each file of a scenario");
};

/// Defaults of `[target]` and `[[requests]]`, nanoseconds or numbers.
pub(crate) mod defaults {
    use crate::model::{NS_PER_MS, NS_PER_SECOND};

    pub(crate) const DNS_TIMEOUT_NS: u64 = 5 * NS_PER_SECOND;
    pub(crate) const CONNECTION_TIMEOUT_NS: u64 = 10 * NS_PER_SECOND;
    pub(crate) const TLS_TIMEOUT_NS: u64 = 10 * NS_PER_SECOND;
    pub(crate) const REQUEST_TIMEOUT_NS: u64 = 30 * NS_PER_SECOND;
    pub(crate) const IDLE_TIMEOUT_NS: u64 = 90 * NS_PER_SECOND;
    pub(crate) const RECONNECT_DELAY_NS: u64 = 100 * NS_PER_MS;
    pub(crate) const EMPTY_ITERATION_NS: u64 = 100 * NS_PER_MS;
    pub(crate) const STREAMS: u64 = 100;
    pub(crate) const RESEND_REFUSED: u64 = 1;
    pub(crate) const GRACEFUL_STOP_NS: u64 = 5 * NS_PER_SECOND;
    pub(crate) const OPEN_MAX_CONNECTIONS: u32 = 1_000;
    pub(crate) const MAX_IN_FLIGHT: u64 = 10_000;
}
