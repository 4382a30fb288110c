//! Events as JSON lines: one object per event, with its class and all its fields. Knows no files.

use std::io::Write;

use z6_events::{
    Cause, ConnectedAs, Event, EventClass, ExchangeSlot, Failure, Http2Sample, Irregularities,
    LoggedValue, Loops, PlannedRequest, Response, Sample, Tick, Visitor, WorkerId, event_name,
};
use z6_metrics::FoldError;
use z6_scenario::Scenario;

use super::rows::put_irregularities;
use super::text::{json_text, push_number};
use crate::error::AnalyzeError;

/// Writes events.
pub(super) struct EventExport<W> {
    out: W,
    /// Names of requests, then of targets, as JSON texts.
    requests: Vec<Vec<u8>>,
    targets: Vec<Vec<u8>>,
    loops: Loops,
    line: Object,
    /// The bytes that the next event names.
    bytes: Vec<u8>,
    written: u64,
}

impl<W: Write> EventExport<W> {
    pub(super) fn new(scenario: &Scenario, loops: Loops, out: W) -> EventExport<W> {
        EventExport {
            out,
            loops,
            requests: scenario.requests.iter().map(|request| json_text(&request.name)).collect(),
            targets: scenario.targets.iter().map(|target| json_text(&target.name)).collect(),
            line: Object(Vec::new()),
            bytes: Vec::new(),
            written: 0,
        }
    }

    /// Events written.
    pub(super) fn finish(mut self) -> std::io::Result<u64> {
        self.out.flush()?;
        Ok(self.written)
    }

    fn request(&mut self, request: &PlannedRequest) -> Result<(), FoldError> {
        let name = self.requests.get(request.request.index());
        let name = name.ok_or(FoldError::UnknownRequest(request.request))?;
        let target = self.targets.get(request.target.index());
        let target = target.ok_or(FoldError::UnknownTarget(request.target))?;
        let line = &mut self.line;
        line.number("population", u64::from(request.population.0));
        line.number("actor", request.actor.0);
        line.number("step", request.step.0);
        line.number("request", u64::from(request.request.0));
        line.raw("name", name);
        line.number("target", u64::from(request.target.0));
        line.raw("target_name", target);
        line.number("planned_ns", request.planned.0);
        Ok(())
    }

    /// The fields of an event, under the names of the event log's description.
    fn fields(&mut self, event: &Event) -> Result<(), FoldError> {
        match *event {
            Event::Sent { ref request, .. }
            | Event::NotOnWire { ref request, .. }
            | Event::NeverSent { ref request, .. } => self.request(request)?,
            Event::ConnectStarted { target, .. } => {
                let name = self.targets.get(target.index());
                let name = name.ok_or(FoldError::UnknownTarget(target))?;
                self.line.number("target", u64::from(target.0));
                self.line.raw("target_name", name);
            }
            _ => {}
        }
        self.line.own_fields(event, &self.bytes);
        Ok(())
    }
}

impl<W: Write> Visitor for EventExport<W> {
    type Error = AnalyzeError;

    fn event(
        &mut self,
        index: u64,
        worker: WorkerId,
        at: Tick,
        event: &Event,
    ) -> Result<(), AnalyzeError> {
        self.line.0.clear();
        self.line.number("event", index);
        match self.loops.get(worker) {
            Some(one) if one.shards() > 1 => {
                self.line.number("shard", u64::from(one.shard()));
                self.line.number("worker", u64::from(one.worker().0));
            }
            _ => self.line.number("worker", u64::from(worker.0)),
        }
        self.line.number("at_ns", at.0);
        self.line.word("class", class_name(event.class()));
        self.line.word("kind", event_name(event));
        self.fields(event)?;
        self.line.0.extend_from_slice(b"}\n");
        self.out.write_all(&self.line.0)?;
        self.written += 1;
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
    }
}

const fn class_name(class: EventClass) -> &'static str {
    match class {
        EventClass::Input => "input",
        EventClass::Decision => "decision",
        EventClass::Copied => "copied",
    }
}

/// A JSON object being written, open at its end.
struct Object(Vec<u8>);

impl Object {
    fn key(&mut self, key: &'static str) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        self.0.push(b'"');
        self.0.extend_from_slice(key.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn raw(&mut self, key: &'static str, value: &[u8]) {
        self.key(key);
        self.0.extend_from_slice(value);
    }

    fn number(&mut self, key: &'static str, value: u64) {
        self.key(key);
        push_number(&mut self.0, value);
    }

    fn signed(&mut self, key: &'static str, value: i64) {
        self.key(key);
        if value < 0 {
            self.0.push(b'-');
        }
        push_number(&mut self.0, value.unsigned_abs());
    }

    /// A number, or null.
    fn optional(&mut self, key: &'static str, value: Option<u64>) {
        match value {
            Some(value) => self.number(key, value),
            None => self.raw(key, b"null"),
        }
    }

    /// A word of ours, which needs no escapes.
    fn word(&mut self, key: &'static str, word: &'static str) {
        self.key(key);
        self.0.push(b'"');
        self.0.extend_from_slice(word.as_bytes());
        self.0.push(b'"');
    }

    fn flag(&mut self, key: &'static str, value: bool) {
        self.raw(key, if value { b"true" } else { b"false" });
    }

    /// `value` is null if the log does not hold it; bytes that are not UTF-8 are replaced.
    fn value(&mut self, value: LoggedValue, bytes: &[u8]) {
        let (form, length) = match value {
            LoggedValue::Missing => ("missing", None),
            LoggedValue::Withheld => ("withheld", None),
            LoggedValue::Digest { length, .. } => ("digest", Some(length)),
            LoggedValue::Clear(range) => ("clear", Some(u64::from(range.length()))),
        };
        self.word("form", form);
        self.optional("bytes", length);
        match value {
            LoggedValue::Clear(_) => {
                self.raw("value", &json_text(&String::from_utf8_lossy(bytes)));
            }
            LoggedValue::Digest { digest, .. } => {
                let digits = format!("{:032x}", u128::from_be_bytes(digest));
                self.raw("value", &json_text(&digits));
            }
            LoggedValue::Missing | LoggedValue::Withheld => self.raw("value", b"null"),
        }
    }

    /// All fields but those that need names of the scenario.
    fn own_fields(&mut self, event: &Event, bytes: &[u8]) {
        match *event {
            Event::Wake | Event::Finished => {}
            Event::Connected { connection, started } => {
                self.number("connection", u64::from(connection.0));
                self.number("started_ns", started.0);
            }
            Event::ConnectedAs { connection, started, negotiated } => {
                self.number("connection", u64::from(connection.0));
                self.number("started_ns", started.0);
                self.negotiated(negotiated);
            }
            Event::StreamsAllowed { connection, allowed } => {
                self.number("connection", u64::from(connection.0));
                self.number("allowed", u64::from(allowed));
            }
            Event::GoingAway { connection, code, accepted } => {
                self.number("connection", u64::from(connection.0));
                self.number("code", code);
                self.number("accepted", accepted);
            }
            Event::TcpReady { connection } => {
                self.number("connection", u64::from(connection.0));
            }
            Event::ConnectFailed { connection, started, cause: Cause { error, detail } } => {
                self.number("connection", u64::from(connection.0));
                self.number("started_ns", started.0);
                self.word("error", error.name());
                self.number("detail", detail);
            }
            Event::Sent {
                exchange,
                written_bytes,
                request: _,
                attempt,
                connection,
                request_bytes,
                length_is_input,
            } => {
                self.number("exchange", u64::from(exchange.0));
                self.number("attempt", u64::from(attempt));
                self.number("connection", u64::from(connection.0));
                self.number("request_bytes", request_bytes);
                self.flag("length_is_input", length_is_input);
                self.number("written_bytes", written_bytes);
            }
            Event::Done { exchange, ref response, failure } => {
                self.response(exchange, response);
                match failure {
                    Some(kind) => self.word("failure", kind.name()),
                    None => self.raw("failure", b"null"),
                }
            }
            Event::Failed { exchange, ref failure } => self.failure(exchange, failure),
            Event::Resent { exchange, ref failure, cause } => {
                self.failure(exchange, failure);
                self.word("cause", cause.name());
            }
            Event::Redirected { exchange, ref response, next } => {
                self.response(exchange, response);
                self.number("request_bytes", next.request_bytes);
            }
            Event::RedirectFailed { exchange, cause: Cause { error, detail } } => {
                self.number("exchange", u64::from(exchange.0));
                self.word("error", error.name());
                self.number("detail", detail);
            }
            Event::ConnectionClosed { connection, cause } => {
                self.number("connection", u64::from(connection.0));
                self.word("cause", cause.name());
            }
            Event::Stop { reason } => self.word("reason", reason.name()),
            Event::VuStarted { population, actor, planned } => {
                self.number("population", u64::from(population.0));
                self.number("actor", actor.0);
                self.number("planned_ns", planned.0);
            }
            Event::VuStopped { population, actor } => {
                self.number("population", u64::from(population.0));
                self.number("actor", actor.0);
            }
            Event::ConnectStarted { connection, address, .. } => {
                self.number("connection", u64::from(connection.0));
                self.number("address", u64::from(address));
            }
            Event::ConnectionReleased { connection, cause } => {
                self.number("connection", u64::from(connection.0));
                self.word("cause", cause.name());
            }
            Event::ConnectTimedOut { connection } => {
                self.number("connection", u64::from(connection.0));
            }
            Event::NotOnWire { cause: Cause { error, detail }, .. } => {
                self.word("error", error.name());
                self.number("detail", detail);
            }
            Event::NeverSent { reason, .. } => self.word("reason", reason.name()),
            Event::TimedOut { exchange } | Event::InFlightAtStop { exchange } => {
                self.number("exchange", u64::from(exchange.0));
            }
            Event::EndReached { by, end } => {
                self.word("by", by.name());
                self.number("end_ns", end.0);
            }
            Event::Sample(ref sample) => self.sample(sample),
            Event::Http2Sample(ref sample) => self.http2_sample(sample),
            Event::PhaseStarted { wall_epoch_ns, monotonic_epoch_ns } => {
                self.number("wall_epoch_ns", wall_epoch_ns);
                self.number("monotonic_epoch_ns", monotonic_epoch_ns);
            }
            Event::LogStalled { waited_ns } => self.number("waited_ns", waited_ns),
            Event::Note { about, slot, .. } => {
                self.word("about", about.name());
                self.number("slot", u64::from(slot));
                self.raw("text", &json_text(&String::from_utf8_lossy(bytes)));
            }
            Event::Value { exchange, variable, value, count } => {
                self.number("exchange", u64::from(exchange.0));
                self.number("variable", u64::from(variable.0));
                self.optional("items", count.map(u64::from));
                self.value(value, bytes);
            }
            Event::ChecksFailed { exchange, failed } => {
                self.number("exchange", u64::from(exchange.0));
                self.number("failed", failed);
            }
            Event::Branch { population, actor, step, holds } => {
                self.number("population", u64::from(population.0));
                self.number("actor", actor.0);
                self.number("step", step.0);
                self.raw("holds", if holds { b"true" } else { b"false" });
            }
        }
    }

    fn negotiated(&mut self, negotiated: ConnectedAs) {
        self.word("protocol", negotiated.protocol.name());
        self.optional("tls_version", negotiated.tls.map(|tls| u64::from(tls.version)));
        self.optional("cipher_suite", negotiated.tls.map(|tls| u64::from(tls.cipher)));
    }

    fn failure(&mut self, exchange: ExchangeSlot, failure: &Failure) {
        let Failure {
            error,
            detail,
            first_byte,
            received_bytes,
            unsent_bytes,
            reusable,
            irregularities,
            arrival,
        } = *failure;
        self.number("exchange", u64::from(exchange.0));
        self.word("error", error.name());
        self.number("detail", detail);
        self.optional("first_byte_ns", first_byte.map(|at| at.0));
        self.number("received_bytes", received_bytes);
        self.number("unsent_bytes", unsent_bytes);
        self.flag("reusable", reusable);
        self.irregularities(irregularities);
        self.optional("read_lag_ns", arrival.read_lag_ns());
    }

    fn response(&mut self, exchange: ExchangeSlot, response: &Response) {
        let Response {
            first_byte,
            status,
            received_bytes,
            unsent_bytes,
            reusable,
            unsolicited,
            irregularities,
            arrival,
        } = *response;
        self.number("exchange", u64::from(exchange.0));
        self.number("status", u64::from(status));
        self.number("first_byte_ns", first_byte.0);
        self.number("received_bytes", received_bytes);
        self.number("unsent_bytes", unsent_bytes);
        self.flag("reusable", reusable);
        self.flag("unsolicited", unsolicited);
        self.irregularities(irregularities);
        self.optional("read_lag_ns", arrival.read_lag_ns());
    }

    /// The names, in the order of the bits of the mask.
    fn irregularities(&mut self, irregularities: Irregularities) {
        self.raw("irregularities", b"[");
        put_irregularities(&mut self.0, irregularities, b"\"", b",");
        self.0.push(b']');
    }

    fn http2_sample(&mut self, sample: &Http2Sample) {
        self.number("frames_in", sample.frames_in);
        self.number("frames_out", sample.frames_out);
        self.number("request_header_bytes_plain", sample.request_header_bytes_plain);
        self.number("request_header_bytes_wire", sample.request_header_bytes_wire);
        self.number("response_header_bytes_plain", sample.response_header_bytes_plain);
        self.number("response_header_bytes_wire", sample.response_header_bytes_wire);
        self.number("resets_in", sample.resets_in);
        self.number("resets_out", sample.resets_out);
        self.number("pings", sample.pings);
        self.number("window_stalls", sample.window_stalls);
        self.number("window_stall_ns", sample.window_stall_ns);
    }

    fn sample(&mut self, sample: &Sample) {
        self.number("thread_cpu_ns", sample.thread_cpu_ns);
        self.number("spin_ns", sample.spin_ns);
        self.number("switches_voluntary", sample.switches_voluntary);
        self.number("switches_involuntary", sample.switches_involuntary);
        self.number("resident_bytes", sample.resident_bytes);
        self.number("log_queue", sample.log_queue);
        self.number("log_stall_ns", sample.log_stall_ns);
        self.number("loop_passes", sample.loop_passes);
        self.number("loop_pass_max_ns", sample.loop_pass_max_ns);
        self.signed("wall_clock_shift_ns", sample.wall_clock_shift_ns.cast_signed());
    }
}
