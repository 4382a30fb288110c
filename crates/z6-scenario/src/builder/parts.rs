//! Builders for the parts of a scenario that have keys of their own.

use std::time::Duration;

use super::setters;
use super::text::{Settings, Value, micro, millis, seconds};
use super::values::{AwsSigV4Builder, ExtractBuilder, PartBuilder};
use crate::model::{ConnectionReuse, Placement, Shape};

/// The way a target or a request authenticates: one key of `auth`, named as its call is.
fn set_auth(settings: &mut Settings, kind: &'static str, value: Value) {
    settings.set("auth", kind, Value::Table(vec![(kind.to_owned(), value)]));
}

/// A target: where requests go, and how connections to it are kept.
#[derive(Debug, Clone)]
pub struct TargetBuilder {
    pub(super) settings: Settings,
}

impl TargetBuilder {
    /// A target at `base_url`: `http://host:port/prefix`, `https://..`, `unix:/path`, or `builtin` for
    /// the server that a run brings with it.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> TargetBuilder {
        let mut settings = Settings::default();
        settings.set("base_url", "new", Value::text(base_url));
        TargetBuilder { settings }
    }

    /// Whether it can be the only target, without a name.
    pub(super) fn is_plain(&self) -> bool {
        !self.settings.has("name") && !self.settings.has("weight")
    }

    pub(super) fn label(&self) -> String {
        label(self.settings.text_of("name"))
    }

    setters! {
        /// Its name; needed if there are several targets.
        name(name: impl Into<String>) => settings, "name", Value::text(name);
        /// How often it is drawn, relative to the other targets; rounded to millionths. Default: 1.
        weight(weight: f64) => settings, "weight", micro(weight);
        /// Where connections go instead of `base_url`: `host:port` or `unix:/path`.
        connect_to(place: impl Into<String>) => settings, "connect_to", Value::text(place);
        /// The HTTP proxy that connections go through: `http://host:port`, `http://user:password@host:port`, or
        /// `environment` for the one that `http_proxy` or `https_proxy` names. Default: none.
        proxy(proxy: impl Into<String>) => settings, "proxy", Value::text(proxy);
        /// The version of HTTP: `http1.1`, `http2`, `http2-prior-knowledge` or `auto`. Default: http1.1.
        http_version(version: impl Into<String>) => settings, "http_version", Value::text(version);
        /// Whether TLS is used; must agree with the scheme, except that it decides for `builtin`. Default: by scheme.
        tls(tls: bool) => settings, "tls", Value::Flag(tls);
        /// Whether the server's certificate is verified. Default: true.
        verify_cert(verify: bool) => settings, "verify_cert", Value::Flag(verify);
        /// A PEM file of certificate authorities to trust instead of the system's.
        ca_bundle(path: impl Into<String>) => settings, "ca_bundle", Value::text(path);
        /// A PEM file with a client certificate.
        client_cert(path: impl Into<String>) => settings, "client_cert", Value::text(path);
        /// A PEM file with the key of the client certificate.
        client_key(path: impl Into<String>) => settings, "client_key", Value::text(path);
        /// The name for SNI and verification. Default: the host of `base_url`.
        server_name(name: impl Into<String>) => settings, "server_name", Value::text(name);
        /// Whether TLS sessions are resumed. Default: true.
        tls_resumption(resume: bool) => settings, "tls_resumption", Value::Flag(resume);
        /// Most connections at once, of the whole run. Default: by the load model.
        max_connections(count: u32) => settings, "max_connections", Value::number(count);
        /// Longest name resolution. Default: 5 s.
        dns_timeout(time: Duration) => settings, "dns_timeout_ms", millis(time);
        /// Longest connection attempt, without TLS. Default: 10 s.
        connection_timeout(time: Duration) => settings, "connection_timeout_ms", millis(time);
        /// Longest TLS handshake. Default: 10 s.
        tls_timeout(time: Duration) => settings, "tls_timeout_ms", millis(time);
        /// How long a connection may be idle before it is closed.
        idle_timeout(time: Duration) => settings, "idle_timeout_ms", millis(time);
        /// A connection is closed after this many requests. Default: no limit.
        max_requests_per_connection(count: u64) => settings, "max_requests_per_connection", Value::number(count);
        /// A connection that is older takes no more requests. Default: no limit.
        max_connection_age(time: Duration) => settings, "max_connection_age_ms", millis(time);
        /// Whether an idempotent request that was lost because its server had just closed the idle connection is
        /// sent once more. Default: false.
        retry_stale(retry: bool) => settings, "retry_stale", Value::Flag(retry);
        /// Shortest time from a failed attempt to the virtual user's next step. Default: 100 ms.
        reconnect_delay(time: Duration) => settings, "reconnect_delay_ms", millis(time);
        /// The name of a field that carries a number for each request. Default: off.
        request_id_header(name: impl Into<String>) => settings, "request_id_header", Value::text(name);
    }

    /// Who uses a connection again. Default: by the load model.
    #[must_use]
    pub fn connection_reuse(mut self, reuse: ConnectionReuse) -> Self {
        let word = match reuse {
            ConnectionReuse::PerVu => "per_vu",
            ConnectionReuse::Shared => "shared",
            ConnectionReuse::Iteration => "iteration",
            ConnectionReuse::None => "none",
        };
        self.settings.set("connection_reuse", "connection_reuse", Value::text(word));
        self
    }

    /// How HTTP/2 is used. Default: [`Http2Builder::new`].
    #[must_use]
    pub fn http2(mut self, http2: Http2Builder) -> Self {
        self.settings.set("http2", "http2", http2.settings.into_value());
        self
    }

    /// Adds an address to use instead of resolving the host's name.
    #[must_use]
    pub fn resolve(mut self, address: impl Into<String>) -> Self {
        self.settings.add_item("resolve", "resolve", Value::text(address));
        self
    }

    /// Adds a local address to connect from; several are used in turn.
    #[must_use]
    pub fn source_address(mut self, address: impl Into<String>) -> Self {
        self.settings.add_item("source_addresses", "source_address", Value::text(address));
        self
    }

    /// Sends `Authorization: Bearer` with this token, unless a request says otherwise.
    #[must_use]
    pub fn bearer(mut self, token: impl Into<String>) -> Self {
        set_auth(&mut self.settings, "bearer", Value::text(token));
        self
    }

    /// Sends `Authorization: Basic`, unless a request says otherwise.
    #[must_use]
    pub fn basic(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        let (user, password) = (Value::text(user), Value::text(password));
        let pair = vec![("user".to_owned(), user), ("password".to_owned(), password)];
        set_auth(&mut self.settings, "basic", Value::Table(pair));
        self
    }

    /// Signs each request with AWS Signature Version 4, unless it says otherwise.
    #[must_use]
    pub fn aws_sigv4(mut self, keys: AwsSigV4Builder) -> Self {
        set_auth(&mut self.settings, "aws_sigv4", keys.settings.into_value());
        self
    }
}

/// How HTTP/2 is used with a target.
#[derive(Debug, Clone, Default)]
pub struct Http2Builder {
    settings: Settings,
}

impl Http2Builder {
    /// Defaults only.
    #[must_use]
    pub fn new() -> Http2Builder {
        Http2Builder::default()
    }

    setters! {
        /// Most requests at once on one connection. Default: 100.
        streams(count: u32) => settings, "streams", Value::number(count);
        /// How often a request that the server has not processed is sent again. Default: 1.
        resend_refused(times: u8) => settings, "resend_refused", Value::number(times);
        /// What the server may send of one response before it waits, bytes.
        stream_window_bytes(bytes: u32) => settings, "stream_window_bytes", Value::number(bytes);
        /// What it may send of all responses of one connection before it waits, bytes.
        connection_window_bytes(bytes: u32) => settings, "connection_window_bytes", Value::number(bytes);
        /// What the server may compress header fields with, bytes.
        header_table_bytes(bytes: u32) => settings, "header_table_bytes", Value::number(bytes);
        /// Whether fields of requests are put into the server's table. Default: true.
        index_headers(index: bool) => settings, "index_headers", Value::Flag(index);
    }

    /// Which connection with room gets a request. Default: by the load model.
    #[must_use]
    pub fn placement(mut self, placement: Placement) -> Self {
        let word = match placement {
            Placement::Fill => "fill",
            Placement::Spread => "spread",
        };
        self.settings.set("placement", "placement", Value::text(word));
        self
    }
}

/// A request: what is sent, and how its response is judged.
#[derive(Debug, Clone)]
pub struct RequestBuilder {
    pub(super) settings: Settings,
}

impl RequestBuilder {
    /// A GET of `path`; `name` is what reports call it.
    #[must_use]
    pub fn new(name: impl Into<String>, path: impl Into<String>) -> RequestBuilder {
        let mut settings = Settings::default();
        settings.set("name", "new", Value::text(name));
        settings.set("path", "new", Value::text(path));
        RequestBuilder { settings }
    }

    pub(super) fn label(&self) -> String {
        label(self.settings.text_of("name"))
    }

    setters! {
        /// The method. Default: GET.
        method(method: impl Into<String>) => settings, "method", Value::text(method);
        /// The body, as text.
        body(text: impl Into<String>) => settings, "body", Value::text(text);
        /// A file with the body.
        body_file(path: impl Into<String>) => settings, "body_file", Value::text(path);
        /// Longest time from sent to done. Default: 30 s.
        timeout(time: Duration) => settings, "timeout_ms", millis(time);
        /// How often it is drawn, relative to the other requests; rounded to millionths. Default: 1.
        weight(weight: f64) => settings, "weight", micro(weight);
        /// Whether `{{name}}` in its texts stands for a value. Default: yes.
        templates(read: bool) => settings, "templates", Value::Flag(read);
        /// The name of the target it goes to. Default: drawn by weight.
        target(name: impl Into<String>) => settings, "target", Value::text(name);
        /// How many redirects it follows. Default: as many as the scenario says.
        follow_redirects(count: u8) => settings, "follow_redirects", Value::number(count);
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let entry = (name.into(), Value::text(value));
        self.settings.add_entry("headers", "header", entry);
        self
    }

    /// Adds a tag: a text by which figures and goals tell requests apart.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.add_entry("tags", "tag", (name.into(), Value::text(value)));
        self
    }

    /// Adds a parameter to the query.
    #[must_use]
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.add_entry("query", "query", (name.into(), Value::text(value)));
        self
    }

    /// Adds a field to the form that is the body.
    #[must_use]
    pub fn form(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.add_entry("form", "form", (name.into(), Value::text(value)));
        self
    }

    /// Adds a member to the JSON object that is the body. A text that is one placeholder takes the type of
    /// its value; other texts are texts. For any other document, see [`body`](RequestBuilder::body).
    #[must_use]
    pub fn json(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.add_entry("json", "json", (name.into(), Value::text(value)));
        self
    }

    /// Adds a part to the body.
    #[must_use]
    pub fn part(mut self, name: impl Into<String>, part: PartBuilder) -> Self {
        self.settings.add_entry("multipart", "part", (name.into(), part.settings.into_value()));
        self
    }

    /// Sends `Authorization: Bearer` with this token.
    #[must_use]
    pub fn bearer(mut self, token: impl Into<String>) -> Self {
        set_auth(&mut self.settings, "bearer", Value::text(token));
        self
    }

    /// Sends `Authorization: Basic`.
    #[must_use]
    pub fn basic(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        let (user, password) = (Value::text(user), Value::text(password));
        let pair = vec![("user".to_owned(), user), ("password".to_owned(), password)];
        set_auth(&mut self.settings, "basic", Value::Table(pair));
        self
    }

    /// Signs each request with AWS Signature Version 4.
    #[must_use]
    pub fn aws_sigv4(mut self, keys: AwsSigV4Builder) -> Self {
        set_auth(&mut self.settings, "aws_sigv4", keys.settings.into_value());
        self
    }

    /// Takes a value out of the response; later requests use it as `{{name}}`.
    #[must_use]
    pub fn extract(mut self, name: impl Into<String>, extract: ExtractBuilder) -> Self {
        self.settings.add_entry("extract", "extract", (name.into(), extract.settings.into_value()));
        self
    }

    /// Adds a condition on the response; the request fails without it.
    #[must_use]
    pub fn check(mut self, name: impl Into<String>, that: impl Into<String>) -> Self {
        self.settings.add_entry("checks", "check", (name.into(), Value::text(that)));
        self
    }

    /// Adds a condition on the response that is only counted.
    #[must_use]
    pub fn check_only(mut self, name: impl Into<String>, that: impl Into<String>) -> Self {
        let check =
            vec![("that".to_owned(), Value::text(that)), ("fails".to_owned(), Value::Flag(false))];
        self.settings.add_entry("checks", "check_only", (name.into(), Value::Table(check)));
        self
    }

    /// Adds a status that counts as a success. Default: all below 400.
    #[must_use]
    pub fn expect_status(mut self, status: u16) -> Self {
        self.settings.add_item("expect_status", "expect_status", Value::number(status));
        self
    }
}

/// How much load, when.
#[derive(Debug, Clone)]
pub struct ScheduleBuilder {
    pub(super) settings: Settings,
}

impl ScheduleBuilder {
    fn new(kind: &'static str, values: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let mut settings = Settings::default();
        settings.set("type", kind, Value::text(kind));
        for (key, value) in values {
            settings.set(key, kind, value);
        }
        ScheduleBuilder { settings }
    }

    /// Closed model: this many virtual users all the time.
    #[must_use]
    pub fn constant(vus: u32) -> ScheduleBuilder {
        ScheduleBuilder::new("constant", [("vus", Value::number(vus))])
    }

    /// Closed model: from `start` to `end` virtual users in a line over `length`.
    #[must_use]
    pub fn ramp(start: u32, end: u32, length: Duration) -> ScheduleBuilder {
        let (start, end) = (Value::number(start), Value::number(end));
        let values =
            [("start_vus", start), ("end_vus", end), ("ramp_duration_seconds", seconds(length))];
        ScheduleBuilder::new("ramp", values)
    }

    /// Closed model: `baseline` virtual users, and `spike` of them for `length` from `start` on.
    #[must_use]
    pub fn spike(baseline: u32, spike: u32, start: Duration, length: Duration) -> ScheduleBuilder {
        let values = [
            ("baseline_vus", Value::number(baseline)),
            ("spike_vus", Value::number(spike)),
            ("spike_start_seconds", seconds(start)),
            ("spike_duration_seconds", seconds(length)),
        ];
        ScheduleBuilder::new("spike", values)
    }

    /// Closed model: one number of virtual users after another, each for its time.
    #[must_use]
    pub fn steps(steps: impl IntoIterator<Item = (u32, Duration)>) -> ScheduleBuilder {
        let steps = steps.into_iter().map(|(vus, length)| step("vus", Value::number(vus), length));
        ScheduleBuilder::new("steps", [("steps", Value::List(steps.collect()))])
    }

    /// Open model: this many arrivals per second.
    #[must_use]
    pub fn rate(per_second: f64) -> ScheduleBuilder {
        ScheduleBuilder::new("rate", [("per_second", micro(per_second))])
    }

    /// Open model: from `start` to `end` arrivals per second in a line over `length`.
    #[must_use]
    pub fn ramp_rate(start: f64, end: f64, length: Duration) -> ScheduleBuilder {
        let values = [
            ("start_per_second", micro(start)),
            ("end_per_second", micro(end)),
            ("ramp_duration_seconds", seconds(length)),
        ];
        ScheduleBuilder::new("ramp_rate", values)
    }

    /// Open model: one rate of arrivals per second after another, each for its time.
    #[must_use]
    pub fn rate_steps(steps: impl IntoIterator<Item = (f64, Duration)>) -> ScheduleBuilder {
        let steps = steps.into_iter().map(|(rate, length)| step("per_second", micro(rate), length));
        ScheduleBuilder::new("rate_steps", [("steps", Value::List(steps.collect()))])
    }

    /// Closed model: from 0 virtual users to the number of one stage after another. Each takes its time: in a
    /// line, or with a jump at its beginning.
    #[must_use]
    pub fn stages(stages: impl IntoIterator<Item = (u32, Duration, Shape)>) -> ScheduleBuilder {
        let stages = stages
            .into_iter()
            .map(|(vus, length, shape)| stage(step("vus", Value::number(vus), length), shape));
        ScheduleBuilder::new("stages", [("stages", Value::List(stages.collect()))])
    }

    /// Open model: the same with arrivals per second.
    #[must_use]
    pub fn rate_stages(
        stages: impl IntoIterator<Item = (f64, Duration, Shape)>,
    ) -> ScheduleBuilder {
        let stages = stages
            .into_iter()
            .map(|(rate, length, shape)| stage(step("per_second", micro(rate), length), shape));
        ScheduleBuilder::new("stages", [("stages", Value::List(stages.collect()))])
    }

    setters! {
        /// Where the first stage begins. Default: 0.
        start_vus(vus: u32) => settings, "start_vus", Value::number(vus);
        /// Where the first stage begins, arrivals per second. Default: 0.
        start_per_second(rate: f64) => settings, "start_per_second", micro(rate);
        /// How long a ramp keeps its last value. Default: 0.
        hold(length: Duration) => settings, "hold_duration_seconds", seconds(length);
        /// Most arrivals alive at once. Default: 10,000.
        max_in_flight(count: u32) => settings, "max_in_flight", Value::number(count);
    }

    /// Arrivals come with exponential gaps instead of even ones.
    #[must_use]
    pub fn poisson(mut self) -> Self {
        self.settings.set("arrivals", "poisson", Value::text("poisson"));
        self
    }
}

fn step(key: &str, value: Value, length: Duration) -> Value {
    let entries = [(key.to_owned(), value), ("duration_seconds".to_owned(), seconds(length))];
    Value::Table(entries.into())
}

fn stage(step: Value, shape: Shape) -> Value {
    let Value::Table(mut entries) = step else { return step };
    if shape == Shape::Jump {
        entries.push(("shape".to_owned(), Value::text("jump")));
    }
    Value::Table(entries)
}

/// How findings tell several targets or requests apart.
fn label(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(" (`{name}`)"))
}
