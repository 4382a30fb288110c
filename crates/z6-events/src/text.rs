//! One line of text per event, for people: tests compare it, and replay shows differences with it. It is
//! not meant to be parsed.

use std::{fmt, iter};

use crate::arrival::ArrivalStamp;
use crate::event::{Cause, Event, Failure, LoggedValue, PlannedRequest, Response, Sample};
use crate::ids::{ExchangeSlot, Population, Tick, WorkerId};
use crate::irregularity::Irregularities;
use crate::protocol::{ConnectedAs, Http2Sample};

/// An event as a line: `w0 1.000000500 done x3 status=200 first_byte=1.000000400 received=120 keep`.
///
/// A letter before a number says what it is: `w` worker, `x` exchange slot, `vu` actor. Fields with
/// their usual value are left out (population 0, attempt 0, the whole request written).
///
/// ```
/// use z6_events::{Actor, Event, EventLine, Population, Tick, WorkerId};
///
/// let (population, actor) = (Population(0), Actor(12));
/// let event = Event::VuStarted { population, actor, planned: Tick(1_000_000_000) };
/// let line = EventLine { worker: WorkerId(0), at: Tick(1_000_000_500), event: &event };
/// assert_eq!(line.to_string(), "w0 1.000000500 vu_started vu12 planned=1.000000000");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct EventLine<'a> {
    /// The worker that recorded the event.
    pub worker: WorkerId,
    /// The tick of the event.
    pub at: Tick,
    /// The event.
    pub event: &'a Event,
}

/// The name of an event's kind: `vu_started`.
#[must_use]
pub const fn event_name(event: &Event) -> &'static str {
    match event {
        Event::Wake => "wake",
        Event::Connected { .. } => "connected",
        Event::ConnectedAs { .. } => "connected_as",
        Event::StreamsAllowed { .. } => "streams_allowed",
        Event::GoingAway { .. } => "going_away",
        Event::Resent { .. } => "resent",
        Event::TcpReady { .. } => "tcp_ready",
        Event::ConnectFailed { .. } => "connect_failed",
        Event::Sent { .. } => "sent",
        Event::Done { .. } => "done",
        Event::Failed { .. } => "failed",
        Event::Redirected { .. } => "redirected",
        Event::RedirectFailed { .. } => "redirect_failed",
        Event::ConnectionClosed { .. } => "connection_closed",
        Event::Stop { .. } => "stop",
        Event::VuStarted { .. } => "vu_started",
        Event::VuStopped { .. } => "vu_stopped",
        Event::ConnectStarted { .. } => "connect_started",
        Event::ConnectionReleased { .. } => "connection_released",
        Event::ConnectTimedOut { .. } => "connect_timed_out",
        Event::NotOnWire { .. } => "not_on_wire",
        Event::NeverSent { .. } => "never_sent",
        Event::TimedOut { .. } => "timed_out",
        Event::InFlightAtStop { .. } => "in_flight_at_stop",
        Event::EndReached { .. } => "end_reached",
        Event::Finished => "finished",
        Event::Sample(_) => "sample",
        Event::Http2Sample(_) => "http2_sample",
        Event::PhaseStarted { .. } => "phase_started",
        Event::LogStalled { .. } => "log_stalled",
        Event::Note { .. } => "note",
        Event::Value { .. } => "value",
        Event::ChecksFailed { .. } => "checks_failed",
        Event::Branch { .. } => "branch",
    }
}

impl fmt::Display for EventLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{} {} {}", self.worker, self.at, event_name(self.event))?;
        match *self.event {
            Event::Wake | Event::Finished => Ok(()),
            Event::Sent {
                exchange,
                written_bytes,
                ref request,
                attempt,
                connection,
                request_bytes,
                length_is_input,
            } => {
                write!(f, " x{exchange}")?;
                put_request(f, request)?;
                write!(f, " conn{connection} planned={} bytes={request_bytes}", request.planned)?;
                put_unless(f, "attempt", u64::from(attempt), 0)?;
                f.write_str(if length_is_input { " length_is_input" } else { "" })?;
                put_unless(f, "written", written_bytes, request_bytes)
            }
            Event::Done { exchange, ref response, failure } => {
                put_response(f, exchange, response)?;
                failure.map_or(Ok(()), |kind| write!(f, " failure={}", kind.name()))
            }
            Event::Failed { exchange, ref failure } => put_failed(f, exchange, failure),
            Event::Resent { exchange, ref failure, cause } => {
                put_failed(f, exchange, failure)?;
                write!(f, " cause={}", cause.name())
            }
            Event::Redirected { exchange, ref response, next } => {
                put_response(f, exchange, response)?;
                write!(f, " target{} bytes={}", next.target, next.request_bytes)
            }
            Event::RedirectFailed { exchange, cause } => {
                write!(f, " x{exchange}")?;
                put_cause(f, cause)
            }
            Event::TimedOut { exchange } | Event::InFlightAtStop { exchange } => {
                write!(f, " x{exchange}")
            }
            Event::NotOnWire { ref request, cause } => {
                put_request(f, request)?;
                write!(f, " planned={}", request.planned)?;
                put_cause(f, cause)
            }
            Event::NeverSent { ref request, reason } => {
                put_request(f, request)?;
                write!(f, " planned={} reason={}", request.planned, reason.name())
            }
            Event::Stop { reason } => write!(f, " reason={}", reason.name()),
            Event::VuStarted { population, actor, planned } => {
                put_population(f, population)?;
                write!(f, " vu{actor} planned={planned}")
            }
            Event::VuStopped { population, actor } => {
                put_population(f, population)?;
                write!(f, " vu{actor}")
            }
            Event::EndReached { by, end } => write!(f, " by={} end={end}", by.name()),
            Event::Sample(ref sample) => put_sample(f, sample),
            Event::Http2Sample(ref sample) => put_http2_sample(f, sample),
            Event::PhaseStarted { wall_epoch_ns, monotonic_epoch_ns } => {
                write!(f, " wall_epoch_ns={wall_epoch_ns} monotonic_epoch_ns={monotonic_epoch_ns}")
            }
            Event::LogStalled { waited_ns } => write!(f, " waited_ns={waited_ns}"),
            Event::Note { about, slot, text } => {
                write!(f, " {} slot={slot} bytes={}", about.name(), text.length())
            }
            Event::Value { exchange, variable, value, count } => {
                write!(f, " x{exchange} var{variable}")?;
                if let Some(count) = count {
                    write!(f, " items={count}")?;
                }
                put_value(f, value)
            }
            Event::ChecksFailed { exchange, failed } => {
                write!(f, " x{exchange} failed={failed:#b}")
            }
            Event::Branch { population, actor, step, holds } => {
                put_population(f, population)?;
                write!(f, " vu{actor} step={step} holds={holds}")
            }
            Event::Connected { connection, started } => {
                write!(f, " conn{connection} started={started}")
            }
            Event::ConnectedAs { connection, started, negotiated } => {
                write!(f, " conn{connection} started={started}")?;
                put_negotiated(f, negotiated)
            }
            Event::StreamsAllowed { connection, allowed } => {
                write!(f, " conn{connection} allowed={allowed}")
            }
            Event::GoingAway { connection, code, accepted } => {
                write!(f, " conn{connection} code={code} accepted={accepted}")
            }
            Event::ConnectFailed { connection, started, cause } => {
                write!(f, " conn{connection} started={started}")?;
                put_cause(f, cause)
            }
            Event::ConnectionClosed { connection, cause } => {
                write!(f, " conn{connection} cause={}", cause.name())
            }
            Event::ConnectStarted { connection, target, address } => {
                write!(f, " conn{connection} target{target} address{address}")
            }
            Event::ConnectionReleased { connection, cause } => {
                write!(f, " conn{connection} cause={}", cause.name())
            }
            Event::TcpReady { connection } | Event::ConnectTimedOut { connection } => {
                write!(f, " conn{connection}")
            }
        }
    }
}

fn put_unless(f: &mut fmt::Formatter<'_>, name: &str, value: u64, usual: u64) -> fmt::Result {
    if value == usual { Ok(()) } else { write!(f, " {name}={value}") }
}

fn put_population(f: &mut fmt::Formatter<'_>, population: Population) -> fmt::Result {
    put_unless(f, "population", u64::from(population.0), 0)
}

fn put_request(f: &mut fmt::Formatter<'_>, request: &PlannedRequest) -> fmt::Result {
    put_population(f, request.population)?;
    let PlannedRequest { actor, step, request, target, .. } = request;
    write!(f, " vu{actor} step{step} request{request} target{target}")
}

/// Without the bytes of the value: a line knows no arena.
fn put_value(f: &mut fmt::Formatter<'_>, value: LoggedValue) -> fmt::Result {
    match value {
        LoggedValue::Missing => f.write_str(" missing"),
        LoggedValue::Withheld => f.write_str(" withheld"),
        LoggedValue::Clear(range) => write!(f, " bytes={}", range.length()),
        LoggedValue::Digest { digest, length } => {
            write!(f, " digest={:032x} bytes={length}", u128::from_be_bytes(digest))
        }
    }
}

fn put_cause(f: &mut fmt::Formatter<'_>, cause: Cause) -> fmt::Result {
    write!(f, " error={}", cause.error.name())?;
    put_unless(f, "detail", cause.detail, 0)
}

fn put_response(
    f: &mut fmt::Formatter<'_>,
    exchange: ExchangeSlot,
    response: &Response,
) -> fmt::Result {
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
    write!(f, " x{exchange} status={status} first_byte={first_byte} received={received_bytes}")?;
    put_unless(f, "unsent", unsent_bytes, 0)?;
    f.write_str(if reusable { " keep" } else { " close" })?;
    f.write_str(if unsolicited { " unsolicited" } else { "" })?;
    put_irregularities(f, irregularities)?;
    put_arrival(f, arrival)
}

fn put_arrival(f: &mut fmt::Formatter<'_>, arrival: ArrivalStamp) -> fmt::Result {
    arrival.read_lag_ns().map_or(Ok(()), |lag_ns| write!(f, " read_lag_ns={lag_ns}"))
}

fn put_irregularities(f: &mut fmt::Formatter<'_>, irregularities: Irregularities) -> fmt::Result {
    let separators = iter::once(" irregular=").chain(iter::repeat(","));
    for (separator, kind) in separators.zip(irregularities.iter()) {
        write!(f, "{separator}{}", kind.name())?;
    }
    Ok(())
}

fn put_failed(
    f: &mut fmt::Formatter<'_>,
    exchange: ExchangeSlot,
    failure: &Failure,
) -> fmt::Result {
    let Failure { first_byte, received_bytes, unsent_bytes, reusable, irregularities, .. } =
        *failure;
    write!(f, " x{exchange}")?;
    put_cause(f, failure.cause())?;
    if let Some(first_byte) = first_byte {
        write!(f, " first_byte={first_byte}")?;
    }
    put_unless(f, "received", received_bytes, 0)?;
    put_unless(f, "unsent", unsent_bytes, 0)?;
    f.write_str(if reusable { " keep" } else { "" })?;
    put_irregularities(f, irregularities)?;
    put_arrival(f, failure.arrival)
}

fn put_sample(f: &mut fmt::Formatter<'_>, sample: &Sample) -> fmt::Result {
    write!(f, " cpu_ns={} spin_ns={}", sample.thread_cpu_ns, sample.spin_ns)?;
    write!(f, " switches={}+{}", sample.switches_voluntary, sample.switches_involuntary)?;
    write!(f, " resident={} log_queue={}", sample.resident_bytes, sample.log_queue)?;
    write!(f, " log_stall_ns={} passes={}", sample.log_stall_ns, sample.loop_passes)?;
    write!(f, " pass_max_ns={}", sample.loop_pass_max_ns)?;
    write!(f, " clock_shift_ns={}", sample.wall_clock_shift_ns.cast_signed())
}

fn put_negotiated(f: &mut fmt::Formatter<'_>, negotiated: ConnectedAs) -> fmt::Result {
    write!(f, " protocol={}", negotiated.protocol.name())?;
    match negotiated.tls {
        None => Ok(()),
        Some(tls) => write!(f, " tls={:#06x} cipher={:#06x}", tls.version, tls.cipher),
    }
}

fn put_http2_sample(f: &mut fmt::Formatter<'_>, sample: &Http2Sample) -> fmt::Result {
    write!(f, " frames={}+{}", sample.frames_in, sample.frames_out)?;
    let (plain, wire) = (sample.request_header_bytes_plain, sample.request_header_bytes_wire);
    write!(f, " request_headers={plain}/{wire}")?;
    let (plain, wire) = (sample.response_header_bytes_plain, sample.response_header_bytes_wire);
    write!(f, " response_headers={plain}/{wire}")?;
    write!(f, " resets={}+{} pings={}", sample.resets_in, sample.resets_out, sample.pings)?;
    write!(f, " window_stalls={} stall_ns={}", sample.window_stalls, sample.window_stall_ns)
}
