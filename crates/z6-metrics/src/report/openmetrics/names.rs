//! The metrics by name: the one list that the text, the dashboard and the documentation are made from.

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricType {
    /// It only rises. Samples have the suffix `_total`.
    Counter,
    /// It rises and falls.
    Gauge,
    /// Counts of values up to each edge. Samples have the suffix `_bucket`.
    Histogram,
    /// Labels and nothing else. Its sample has the suffix `_info`.
    Info,
}

impl MetricType {
    /// The word of the format.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            MetricType::Histogram => "histogram",
            MetricType::Info => "info",
        }
    }

    /// What is behind the name in samples that a query asks for.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            MetricType::Counter => "_total",
            MetricType::Gauge => "",
            MetricType::Histogram => "_bucket",
            MetricType::Info => "_info",
        }
    }
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricName {
    /// Its name without a suffix. It ends with the unit, if there is one.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricType,
    /// `seconds` or `bytes`; empty without a unit.
    pub unit: &'static str,
    /// Labels in addition to `scenario` and `run`.
    pub labels: &'static [&'static str],
    /// What it says, on one line.
    pub help: &'static str,
}

impl MetricName {
    /// The name that a query asks for.
    #[must_use]
    pub fn series(&self) -> String {
        format!("{}{}", self.name, self.kind.suffix())
    }
}

macro_rules! names {
    ($($id:ident = $name:literal, $kind:ident, $unit:literal, $labels:expr, $help:literal;)*) => {
        $(pub(super) const $id: MetricName = MetricName {
            name: $name,
            kind: MetricType::$kind,
            unit: $unit,
            labels: &$labels,
            help: $help,
        };)*

        /// All metrics, in the order of the text.
        pub const METRIC_NAMES: &[MetricName] = &[$($id,)*];
    };
}

names! {
    RUN = "z6_run", Info, "", ["seed", "plan_digest", "driver", "model"],
        "The run: what decided it, and what carried it out.";
    ENDED = "z6_ended", Gauge, "", [],
        "1 once the run has ended.";
    PLANNED = "z6_requests_planned", Counter, "", [],
        "Requests that fell due.";
    SENT = "z6_requests_sent", Counter, "", [],
        "Requests given to a connection, or to a connection attempt that then failed.";
    NEVER_SENT = "z6_requests_never_sent", Counter, "", [],
        "Requests that were never given to a connection.";
    SUCCEEDED = "z6_requests_succeeded", Counter, "", [],
        "Requests answered as expected.";
    FAILED = "z6_requests_failed", Counter, "", ["error"],
        "Requests that failed, by kind (docs/ERRORS.md).";
    RESPONSE = "z6_response_seconds", Histogram, "seconds", [],
        "Response times of successes: done - planned.";
    SERVICE = "z6_service_seconds", Histogram, "seconds", [],
        "Service times of successes: done - sent.";
    LATENESS = "z6_lateness_seconds", Histogram, "seconds", [],
        "Lateness of requests: sent - planned.";
    IN_FLIGHT = "z6_requests_in_flight", Gauge, "", [],
        "Requests on the wire.";
    VUS = "z6_vus", Gauge, "", [],
        "Virtual users alive.";
    CONNECTIONS = "z6_connections", Gauge, "", [],
        "Connections ready.";
    CONNECTIONS_OPENED = "z6_connections_opened", Counter, "", [],
        "Connections that became ready.";
    LOOP_LAG = "z6_loop_lag_max_seconds", Gauge, "seconds", [],
        "Largest loop lag of the requests sent last: the generator's own part of their lateness.";
    CPU = "z6_cpu_fraction", Gauge, "", [],
        "CPU time of the busiest event loop without spinning, as a share of one core.";
    LOG_STALL = "z6_log_stall_seconds", Counter, "seconds", [],
        "Time that event loops waited for the log.";
    BY_STATUS = "z6_responses", Counter, "", ["status"],
        "Complete responses by status.";
    REQUEST_SENT = "z6_request_sent", Counter, "", ["request"],
        "Requests sent, by name.";
    REQUEST_SUCCEEDED = "z6_request_succeeded", Counter, "", ["request"],
        "Requests answered as expected, by name.";
    REQUEST_FAILED = "z6_request_failed", Counter, "", ["request"],
        "Requests that failed, by name.";
    BYTES_SENT = "z6_sent_bytes", Counter, "bytes", [],
        "Request bytes written, of the part after the warm-up.";
    BYTES_RECEIVED = "z6_received_bytes", Counter, "bytes", [],
        "Response bytes read, of the part after the warm-up.";
    RESPONSE_QUANTILE = "z6_response_quantile_seconds", Gauge, "seconds", ["quantile"],
        "Quantiles of the response time so far, after the warm-up, as in metrics.json.";
    REQUEST_QUANTILE = "z6_request_quantile_seconds", Gauge, "seconds", ["request", "quantile"],
        "The same by name of the request.";
    ASSERTION = "z6_assertion_passed", Gauge, "", ["assertion"],
        "1 if the assertion holds, 0 if not.";
    TRUSTWORTHY = "z6_generator_trustworthy", Gauge, "", [],
        "1 if the figures can be believed, 0 if the generator is degraded.";
}
