//! Events to bytes and back: kind bytes, times, and every record except `sent` and `done`, which are
//! in `fused`. Knows no blocks. docs/EVENT_LOG.md describes the same bytes.

use crate::arrival::ArrivalStamp;
use crate::codes::{
    CloseCause, NeverSentReason, NoteKind, ReleaseCause, ResendCause, StopReason, StoppedBy,
};
use crate::error::DecodeError;
use crate::event::{ByteRange, Cause, Event, Failure, NextHop, PlannedRequest, Response, Sample};
use crate::fused::{
    decode_arrival, decode_done, decode_irregularities, decode_sent, encode_arrival, encode_done,
    encode_irregularities, encode_response_flags, encode_sent, encode_start, error_kind,
    known_flags,
};
use crate::ids::{
    Actor, ConnectionSlot, ExchangeSlot, Population, RequestId, Step, TargetId, Tick, VariableId,
};
use crate::irregularity::Irregularities;
use crate::limits::MAX_NOTE_BYTES;
use crate::predict::Predictor;
use crate::protocol::{ConnectedAs, Http2Sample, Protocol, TlsNegotiated};
use crate::register::{TIME_FOLLOWS, failed, kind, redirected};
use crate::value;
use crate::varint::{Reader, Writer};

/// Writes one event. `at` must not be before the previous record.
#[inline]
pub(crate) fn encode(
    writer: &mut Writer<'_>,
    state: &mut Predictor,
    at: Tick,
    event: &Event,
    arena: &[u8],
) {
    match *event {
        Event::Sent { .. } => encode_sent(writer, state, at.0, event),
        Event::Done { exchange, ref response, failure } => {
            encode_start(writer, state, kind::DONE, at.0);
            encode_done(writer, state, at.0, exchange, response, failure);
        }
        _ => {
            encode_start(writer, state, kind_of_rare(event, state), at.0);
            encode_rare(writer, state, at.0, event, arena);
        }
    }
    state.last.tick = at.0;
}

/// The kind of any event that [`encode_rare`] writes.
const fn kind_of_rare(event: &Event, state: &Predictor) -> u8 {
    match event {
        Event::Sent { .. } => kind::SENT,
        Event::Done { .. } => kind::DONE,
        Event::Failed { .. } => kind::FAILED,
        Event::Redirected { .. } => kind::REDIRECTED,
        Event::RedirectFailed { .. } => kind::REDIRECT_FAILED,
        Event::Wake => kind::WAKE,
        Event::Connected { .. } => kind::CONNECTED,
        Event::ConnectedAs { .. } => kind::CONNECTED_AS,
        Event::StreamsAllowed { .. } => kind::STREAMS_ALLOWED,
        Event::GoingAway { .. } => kind::GOING_AWAY,
        Event::Resent { .. } => kind::RESENT,
        Event::TcpReady { .. } => kind::TCP_READY,
        Event::ConnectFailed { .. } => kind::CONNECT_FAILED,
        Event::ConnectionClosed { .. } => kind::CONNECTION_CLOSED,
        Event::Stop { .. } => kind::STOP,
        Event::VuStarted { population, .. } if population.0 != state.last.population => {
            kind::VU_STARTED_IN
        }
        Event::VuStarted { .. } => kind::VU_STARTED,
        Event::VuStopped { population, .. } if population.0 != state.last.population => {
            kind::VU_STOPPED_IN
        }
        Event::VuStopped { .. } => kind::VU_STOPPED,
        Event::ConnectStarted { .. } => kind::CONNECT_STARTED,
        Event::ConnectionReleased { .. } => kind::CONNECTION_RELEASED,
        Event::ConnectTimedOut { .. } => kind::CONNECT_TIMED_OUT,
        Event::NotOnWire { .. } => kind::NOT_ON_WIRE,
        Event::NeverSent { .. } => kind::NEVER_SENT,
        Event::TimedOut { .. } => kind::TIMED_OUT,
        Event::InFlightAtStop { .. } => kind::IN_FLIGHT_AT_STOP,
        Event::EndReached { .. } => kind::END_REACHED,
        Event::Finished => kind::FINISHED,
        Event::Sample(_) => kind::SAMPLE,
        Event::Http2Sample(_) => kind::HTTP2_SAMPLE,
        Event::PhaseStarted { .. } => kind::PHASE_STARTED,
        Event::LogStalled { .. } => kind::LOG_STALLED,
        Event::Note { .. } => kind::NOTE,
        Event::Value { count: None, .. } => kind::VALUE,
        Event::Value { count: Some(_), .. } => kind::LIST,
        Event::ChecksFailed { .. } => kind::CHECKS_FAILED,
        Event::Branch { .. } => kind::BRANCH,
    }
}

#[inline(never)]
fn encode_rare(
    writer: &mut Writer<'_>,
    state: &mut Predictor,
    at: u64,
    event: &Event,
    arena: &[u8],
) {
    match *event {
        Event::Sent { .. } | Event::Done { .. } | Event::Wake | Event::Finished => {}
        Event::Connected { connection, started } => {
            writer.number(u64::from(connection.0));
            writer.number(at.wrapping_sub(started.0));
        }
        Event::ConnectFailed { connection, started, cause } => {
            writer.number(u64::from(connection.0));
            writer.number(at.wrapping_sub(started.0));
            encode_cause(writer, cause);
        }
        Event::ConnectedAs { connection, started, negotiated } => {
            writer.number(u64::from(connection.0));
            writer.number(at.wrapping_sub(started.0));
            encode_negotiated(writer, negotiated);
        }
        Event::StreamsAllowed { connection, allowed } => {
            writer.number(u64::from(connection.0));
            writer.number(u64::from(allowed));
        }
        Event::GoingAway { connection, code, accepted } => {
            writer.number(u64::from(connection.0));
            writer.number(code);
            writer.number(accepted);
        }
        Event::Failed { exchange, ref failure } => {
            writer.number(u64::from(exchange.0));
            encode_failure(writer, state, at, failure);
            state.end_exchange(exchange, at);
        }
        // Changes nothing in what is expected next: the exchange continues.
        Event::Resent { exchange, ref failure, cause } => {
            writer.number(u64::from(exchange.0));
            writer.byte(cause.code());
            encode_failure(writer, state, at, failure);
        }
        Event::Redirected { exchange, ref response, next } => {
            encode_redirected(writer, state, at, exchange, response, next);
        }
        Event::RedirectFailed { exchange, cause } => {
            writer.number(u64::from(exchange.0));
            encode_cause(writer, cause);
            state.end_exchange(exchange, at);
        }
        Event::ConnectionClosed { connection, cause } => {
            writer.number(u64::from(connection.0));
            writer.byte(cause.code());
        }
        Event::Stop { reason } => writer.byte(reason.code()),
        Event::VuStarted { population, actor, planned } => {
            encode_vu(writer, state, population, actor);
            writer.number(at.wrapping_sub(planned.0));
        }
        Event::VuStopped { population, actor } => encode_vu(writer, state, population, actor),
        Event::ConnectStarted { connection, target, address } => {
            writer.number(u64::from(connection.0));
            writer.number(u64::from(target.0));
            writer.number(u64::from(address));
        }
        Event::ConnectionReleased { connection, cause } => {
            writer.number(u64::from(connection.0));
            writer.byte(cause.code());
        }
        Event::TcpReady { connection } | Event::ConnectTimedOut { connection } => {
            writer.number(u64::from(connection.0));
        }
        Event::NotOnWire { ref request, cause } => {
            encode_request(writer, state, at, request);
            encode_cause(writer, cause);
        }
        Event::NeverSent { ref request, reason } => {
            encode_request(writer, state, at, request);
            writer.byte(reason.code());
        }
        Event::TimedOut { exchange } | Event::InFlightAtStop { exchange } => {
            writer.number(u64::from(exchange.0));
            state.end_exchange(exchange, at);
        }
        Event::EndReached { by, end } => {
            writer.byte(by.code());
            writer.number(at.wrapping_sub(end.0));
        }
        Event::Sample(sample) => sample_numbers(&sample).iter().for_each(|n| writer.number(*n)),
        Event::Http2Sample(sample) => {
            http2_numbers(&sample).iter().for_each(|n| writer.number(*n));
        }
        Event::PhaseStarted { wall_epoch_ns, monotonic_epoch_ns } => {
            writer.number(wall_epoch_ns);
            writer.number(monotonic_epoch_ns);
        }
        Event::LogStalled { waited_ns } => writer.number(waited_ns),
        Event::Note { about, slot, text } => {
            let bytes = text.of(arena);
            assert!(bytes.len() <= MAX_NOTE_BYTES, "a note is short");
            writer.byte(about.code());
            writer.number(u64::from(slot));
            writer.number(bytes.len() as u64);
            bytes.iter().for_each(|byte| writer.byte(*byte));
        }
        Event::Value { exchange, variable, value, count } => {
            writer.number(u64::from(exchange.0));
            writer.number(u64::from(variable.0));
            if let Some(count) = count {
                writer.number(u64::from(count));
            }
            value::encode(writer, state, variable, value, arena);
        }
        Event::ChecksFailed { exchange, failed } => {
            writer.number(u64::from(exchange.0));
            writer.number(failed);
        }
        Event::Branch { population, actor, step, holds } => {
            writer.byte(population.0);
            state.last.population = population.0;
            encode_actor(writer, state, actor);
            writer.number(step.0);
            writer.byte(u8::from(holds));
        }
    }
}

fn encode_cause(writer: &mut Writer<'_>, cause: Cause) {
    writer.byte(cause.error.code());
    writer.number(cause.detail);
}

fn encode_failure(writer: &mut Writer<'_>, state: &Predictor, at: u64, failure: &Failure) {
    let Failure { first_byte, received_bytes, unsent_bytes, reusable, irregularities, .. } =
        *failure;
    let mut flags = if first_byte.is_some() { failed::FIRST_BYTE } else { 0 };
    flags |= if received_bytes == 0 { 0 } else { failed::RECEIVED_BYTES };
    flags |= if unsent_bytes == 0 { 0 } else { failed::UNSENT_BYTES };
    flags |= if reusable { failed::REUSABLE } else { 0 };
    encode_response_flags(writer, flags, irregularities);
    encode_cause(writer, failure.cause());
    if let Some(first_byte) = first_byte {
        writer.number(at.wrapping_sub(first_byte.0));
    }
    if received_bytes != 0 {
        writer.number(received_bytes);
    }
    if unsent_bytes != 0 {
        writer.number(unsent_bytes);
    }
    encode_irregularities(writer, irregularities);
    encode_arrival(writer, state, failure.arrival);
}

/// Version and cipher suite 0 stand for no TLS.
fn encode_negotiated(writer: &mut Writer<'_>, negotiated: ConnectedAs) {
    let tls = negotiated.tls.map_or((0, 0), |tls| (tls.version, tls.cipher));
    writer.byte(negotiated.protocol.code());
    writer.number(u64::from(tls.0));
    writer.number(u64::from(tls.1));
}

/// Changes nothing in what is expected next: the exchange continues.
fn encode_redirected(
    writer: &mut Writer<'_>,
    state: &Predictor,
    at: u64,
    exchange: ExchangeSlot,
    response: &Response,
    next: NextHop,
) {
    let mut flags = if response.unsent_bytes == 0 { 0 } else { redirected::UNSENT_BYTES };
    flags |= if response.reusable { redirected::REUSABLE } else { 0 };
    flags |= if response.unsolicited { redirected::UNSOLICITED } else { 0 };
    writer.number(u64::from(exchange.0));
    encode_response_flags(writer, flags, response.irregularities);
    writer.number(at.wrapping_sub(response.first_byte.0));
    writer.number(u64::from(response.status));
    writer.number(response.received_bytes);
    if response.unsent_bytes != 0 {
        writer.number(response.unsent_bytes);
    }
    writer.number(u64::from(next.target.0));
    writer.number(next.request_bytes);
    encode_irregularities(writer, response.irregularities);
    encode_arrival(writer, state, response.arrival);
}

fn encode_actor(writer: &mut Writer<'_>, state: &mut Predictor, actor: Actor) {
    writer.difference(actor.0, state.last.actor);
    state.last.actor = actor.0;
}

/// A population only if the kind says so: where it differs from the last one.
fn encode_vu(writer: &mut Writer<'_>, state: &mut Predictor, population: Population, actor: Actor) {
    if population.0 != state.last.population {
        writer.byte(population.0);
        state.last.population = population.0;
    }
    encode_actor(writer, state, actor);
}

fn encode_request(
    writer: &mut Writer<'_>,
    state: &mut Predictor,
    at: u64,
    request: &PlannedRequest,
) {
    writer.byte(request.population.0);
    state.last.population = request.population.0;
    encode_actor(writer, state, request.actor);
    writer.number(request.step.0);
    writer.number(u64::from(request.request.0));
    writer.number(u64::from(request.target.0));
    writer.number(at.wrapping_sub(request.planned.0));
}

/// The numbers of a sample in the order they are written.
const fn sample_numbers(sample: &Sample) -> [u64; 10] {
    [
        sample.thread_cpu_ns,
        sample.spin_ns,
        sample.switches_voluntary,
        sample.switches_involuntary,
        sample.resident_bytes,
        sample.log_queue,
        sample.log_stall_ns,
        sample.loop_passes,
        sample.loop_pass_max_ns,
        sample.wall_clock_shift_ns,
    ]
}

/// The numbers of a sample of HTTP/2 in the order they are written.
const fn http2_numbers(sample: &Http2Sample) -> [u64; 11] {
    [
        sample.frames_in,
        sample.frames_out,
        sample.request_header_bytes_plain,
        sample.request_header_bytes_wire,
        sample.response_header_bytes_plain,
        sample.response_header_bytes_wire,
        sample.resets_in,
        sample.resets_out,
        sample.pings,
        sample.window_stalls,
        sample.window_stall_ns,
    ]
}

/// Reads one record: an event with its tick, or `None` for one that was skipped.
#[inline]
pub(crate) fn decode(
    reader: &mut Reader<'_>,
    state: &mut Predictor,
    arena: &mut Vec<u8>,
) -> Result<Option<(Tick, Event)>, DecodeError> {
    let offset = reader.offset();
    let byte = reader.byte()?;
    if byte >= kind::SKIPPABLE {
        let length = reader.number()?;
        reader.skip(length)?;
        return Ok(None);
    }
    let mut at = state.last.tick;
    if byte & TIME_FOLLOWS != 0 {
        let passed = reader.number()?;
        at = match at.checked_add(passed) {
            Some(at) if passed > 0 => at,
            Some(_) | None => return Err(DecodeError::BadTime { offset }),
        };
    }
    let event = match byte & !TIME_FOLLOWS {
        kind @ (kind::SENT | kind::SENT_NEXT) => decode_sent(reader, state, at, (kind, offset))?,
        kind::DONE => decode_done(reader, state, at)?,
        _ => decode_rare(reader, state, at, (byte, offset), arena)?,
    };
    state.last.tick = at;
    Ok(Some((Tick(at), event)))
}

#[inline(never)]
fn decode_rare(
    reader: &mut Reader<'_>,
    state: &mut Predictor,
    at: u64,
    (byte, offset): (u8, usize),
    arena: &mut Vec<u8>,
) -> Result<Event, DecodeError> {
    Ok(match byte & !TIME_FOLLOWS {
        kind::FAILED => {
            let exchange = ExchangeSlot(reader.u32()?);
            let failure = decode_failure(reader, state, at)?;
            state.end_exchange(exchange, at);
            Event::Failed { exchange, failure }
        }
        kind::RESENT => {
            let exchange = ExchangeSlot(reader.u32()?);
            let cause = code(reader, ResendCause::from_code)?;
            Event::Resent { exchange, failure: decode_failure(reader, state, at)?, cause }
        }
        kind::REDIRECTED => decode_redirected(reader, state, at)?,
        kind::WAKE => Event::Wake,
        kind::CONNECTED => {
            Event::Connected { connection: connection(reader)?, started: before(reader, at)? }
        }
        kind::CONNECTED_AS => Event::ConnectedAs {
            connection: connection(reader)?,
            started: before(reader, at)?,
            negotiated: negotiated(reader)?,
        },
        kind::STREAMS_ALLOWED => {
            Event::StreamsAllowed { connection: connection(reader)?, allowed: reader.u32()? }
        }
        kind::GOING_AWAY => Event::GoingAway {
            connection: connection(reader)?,
            code: reader.number()?,
            accepted: reader.number()?,
        },
        kind::TCP_READY => Event::TcpReady { connection: connection(reader)? },
        kind::CONNECT_FAILED => Event::ConnectFailed {
            connection: connection(reader)?,
            started: before(reader, at)?,
            cause: cause(reader)?,
        },
        kind::CONNECTION_CLOSED => Event::ConnectionClosed {
            connection: connection(reader)?,
            cause: code(reader, CloseCause::from_code)?,
        },
        kind::STOP => Event::Stop { reason: code(reader, StopReason::from_code)? },
        kind::VU_STARTED => vu_started(reader, state, at)?,
        kind::VU_STARTED_IN => {
            other_population(reader, state)?;
            vu_started(reader, state, at)?
        }
        kind::VU_STOPPED => vu_stopped(reader, state)?,
        kind::VU_STOPPED_IN => {
            other_population(reader, state)?;
            vu_stopped(reader, state)?
        }
        kind::CONNECT_STARTED => Event::ConnectStarted {
            connection: connection(reader)?,
            target: TargetId(reader.u16()?),
            address: reader.u16()?,
        },
        kind::CONNECTION_RELEASED => Event::ConnectionReleased {
            connection: connection(reader)?,
            cause: code(reader, ReleaseCause::from_code)?,
        },
        kind::CONNECT_TIMED_OUT => Event::ConnectTimedOut { connection: connection(reader)? },
        kind::NOT_ON_WIRE => {
            Event::NotOnWire { request: request(reader, state, at)?, cause: cause(reader)? }
        }
        kind::NEVER_SENT => Event::NeverSent {
            request: request(reader, state, at)?,
            reason: code(reader, NeverSentReason::from_code)?,
        },
        kind::REDIRECT_FAILED => {
            Event::RedirectFailed { exchange: end_of(reader, state, at)?, cause: cause(reader)? }
        }
        kind::TIMED_OUT => Event::TimedOut { exchange: end_of(reader, state, at)? },
        kind::IN_FLIGHT_AT_STOP => Event::InFlightAtStop { exchange: end_of(reader, state, at)? },
        kind::END_REACHED => {
            Event::EndReached { by: code(reader, StoppedBy::from_code)?, end: before(reader, at)? }
        }
        kind::FINISHED => Event::Finished,
        kind::SAMPLE => Event::Sample(sample(reader)?),
        kind::HTTP2_SAMPLE => Event::Http2Sample(http2_sample(reader)?),
        kind::PHASE_STARTED => Event::PhaseStarted {
            wall_epoch_ns: reader.number()?,
            monotonic_epoch_ns: reader.number()?,
        },
        kind::LOG_STALLED => Event::LogStalled { waited_ns: reader.number()? },
        kind::NOTE => {
            let about = code(reader, NoteKind::from_code)?;
            let slot = reader.u32()?;
            let length = reader.number_up_to(MAX_NOTE_BYTES as u64)? as usize;
            arena.extend_from_slice(reader.bytes(length)?);
            Event::Note { about, slot, text: ByteRange::new(arena.len() - length, length) }
        }
        kind::VALUE | kind::LIST => {
            let exchange = ExchangeSlot(reader.u32()?);
            let variable = VariableId(reader.u16()?);
            let is_list = byte & !TIME_FOLLOWS == kind::LIST;
            let count = if is_list { Some(reader.u32()?) } else { None };
            let value = value::decode(reader, state, variable, arena)?;
            Event::Value { exchange, variable, value, count }
        }
        kind::CHECKS_FAILED => checks_failed(reader)?,
        kind::BRANCH => {
            state.last.population = reader.byte()?;
            Event::Branch {
                population: Population(state.last.population),
                actor: actor(reader, state)?,
                step: Step(reader.number()?),
                holds: code(reader, flag)?,
            }
        }
        _ => return Err(DecodeError::UnknownKind { offset, kind: byte }),
    })
}

fn decode_failure(
    reader: &mut Reader<'_>,
    state: &Predictor,
    at: u64,
) -> Result<Failure, DecodeError> {
    let (flags, more) = known_flags(reader, failed::ALL)?;
    let Cause { error, detail } = cause(reader)?;
    let first_byte = if flags & failed::FIRST_BYTE == 0 { None } else { Some(before(reader, at)?) };
    let received_bytes = if flags & failed::RECEIVED_BYTES == 0 { 0 } else { reader.number()? };
    let unsent_bytes = if flags & failed::UNSENT_BYTES == 0 { 0 } else { reader.number()? };
    let irregularities = decode_irregularities(reader, more)?;
    let reusable = flags & failed::REUSABLE != 0;
    Ok(Failure {
        error,
        detail,
        first_byte,
        received_bytes,
        unsent_bytes,
        reusable,
        irregularities,
        arrival: decode_arrival(reader, state)?,
    })
}

fn negotiated(reader: &mut Reader<'_>) -> Result<ConnectedAs, DecodeError> {
    let protocol = code(reader, Protocol::from_code)?;
    let offset = reader.offset();
    let tls = match (reader.u16()?, reader.u16()?) {
        (0, 0) => None,
        (0, _) => return Err(DecodeError::OutOfRange { offset }),
        (version, cipher) => Some(TlsNegotiated { version, cipher }),
    };
    Ok(ConnectedAs { protocol, tls })
}

fn decode_redirected(
    reader: &mut Reader<'_>,
    state: &Predictor,
    at: u64,
) -> Result<Event, DecodeError> {
    let exchange = ExchangeSlot(reader.u32()?);
    let (flags, more) = known_flags(reader, redirected::ALL)?;
    let mut response = Response {
        first_byte: before(reader, at)?,
        status: reader.u16()?,
        received_bytes: reader.number()?,
        unsent_bytes: if flags & redirected::UNSENT_BYTES == 0 { 0 } else { reader.number()? },
        reusable: flags & redirected::REUSABLE != 0,
        unsolicited: flags & redirected::UNSOLICITED != 0,
        irregularities: Irregularities::NONE,
        arrival: ArrivalStamp::NONE,
    };
    let next = NextHop { target: TargetId(reader.u16()?), request_bytes: reader.number()? };
    response.irregularities = decode_irregularities(reader, more)?;
    response.arrival = decode_arrival(reader, state)?;
    Ok(Event::Redirected { exchange, response, next })
}

fn checks_failed(reader: &mut Reader<'_>) -> Result<Event, DecodeError> {
    let exchange = ExchangeSlot(reader.u32()?);
    let offset = reader.offset();
    match reader.number()? {
        0 => Err(DecodeError::OutOfRange { offset }),
        failed => Ok(Event::ChecksFailed { exchange, failed }),
    }
}

fn cause(reader: &mut Reader<'_>) -> Result<Cause, DecodeError> {
    Ok(Cause { error: error_kind(reader)?, detail: reader.number()? })
}

/// Yes or no.
const fn flag(code: u8) -> Option<bool> {
    match code {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn connection(reader: &mut Reader<'_>) -> Result<ConnectionSlot, DecodeError> {
    reader.u32().map(ConnectionSlot)
}

fn before(reader: &mut Reader<'_>, at: u64) -> Result<Tick, DecodeError> {
    Ok(Tick(at.wrapping_sub(reader.number()?)))
}

fn code<T>(reader: &mut Reader<'_>, from: fn(u8) -> Option<T>) -> Result<T, DecodeError> {
    let offset = reader.offset();
    let code = reader.byte()?;
    from(code).ok_or(DecodeError::UnknownCode { offset, code })
}

fn actor(reader: &mut Reader<'_>, state: &mut Predictor) -> Result<Actor, DecodeError> {
    state.last.actor = reader.difference(state.last.actor)?;
    Ok(Actor(state.last.actor))
}

/// The population of a VU if it is not the last one.
fn other_population(reader: &mut Reader<'_>, state: &mut Predictor) -> Result<(), DecodeError> {
    let offset = reader.offset();
    let population = reader.byte()?;
    if population == state.last.population {
        return Err(DecodeError::OutOfRange { offset });
    }
    state.last.population = population;
    Ok(())
}

fn vu_started(
    reader: &mut Reader<'_>,
    state: &mut Predictor,
    at: u64,
) -> Result<Event, DecodeError> {
    Ok(Event::VuStarted {
        population: Population(state.last.population),
        actor: actor(reader, state)?,
        planned: before(reader, at)?,
    })
}

fn vu_stopped(reader: &mut Reader<'_>, state: &mut Predictor) -> Result<Event, DecodeError> {
    let population = Population(state.last.population);
    Ok(Event::VuStopped { population, actor: actor(reader, state)? })
}

fn request(
    reader: &mut Reader<'_>,
    state: &mut Predictor,
    at: u64,
) -> Result<PlannedRequest, DecodeError> {
    state.last.population = reader.byte()?;
    Ok(PlannedRequest {
        population: Population(state.last.population),
        actor: actor(reader, state)?,
        step: Step(reader.number()?),
        request: RequestId(reader.u16()?),
        target: TargetId(reader.u16()?),
        planned: before(reader, at)?,
    })
}

fn end_of(
    reader: &mut Reader<'_>,
    state: &mut Predictor,
    at: u64,
) -> Result<ExchangeSlot, DecodeError> {
    let exchange = ExchangeSlot(reader.u32()?);
    state.end_exchange(exchange, at);
    Ok(exchange)
}

fn sample(reader: &mut Reader<'_>) -> Result<Sample, DecodeError> {
    Ok(Sample {
        thread_cpu_ns: reader.number()?,
        spin_ns: reader.number()?,
        switches_voluntary: reader.number()?,
        switches_involuntary: reader.number()?,
        resident_bytes: reader.number()?,
        log_queue: reader.number()?,
        log_stall_ns: reader.number()?,
        loop_passes: reader.number()?,
        loop_pass_max_ns: reader.number()?,
        wall_clock_shift_ns: reader.number()?,
    })
}

fn http2_sample(reader: &mut Reader<'_>) -> Result<Http2Sample, DecodeError> {
    Ok(Http2Sample {
        frames_in: reader.number()?,
        frames_out: reader.number()?,
        request_header_bytes_plain: reader.number()?,
        request_header_bytes_wire: reader.number()?,
        response_header_bytes_plain: reader.number()?,
        response_header_bytes_wire: reader.number()?,
        resets_in: reader.number()?,
        resets_out: reader.number()?,
        pings: reader.number()?,
        window_stalls: reader.number()?,
        window_stall_ns: reader.number()?,
    })
}
