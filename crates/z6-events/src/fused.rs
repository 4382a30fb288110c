//! The two records that make up almost all of a log, `sent` and `done`. A flags byte says which fields
//! differ from what [`Predictor`] expects, and only those follow. The encoder and the decoder of a record
//! must name the fields in the same order.

use crate::arrival::ArrivalStamp;
use crate::error::DecodeError;
use crate::error_kind::ErrorKind;
use crate::event::{Event, PlannedRequest, Response};
use crate::ids::{
    Actor, ConnectionSlot, ExchangeSlot, Population, RequestId, Step, TargetId, Tick,
};
use crate::irregularity::Irregularities;
use crate::predict::{Predictor, Slot, Template};
use crate::register::{MORE, MORE_IRREGULARITIES, TIME_FOLLOWS, done, kind, sent};
use crate::varint::{Reader, Writer};

/// Writes what each record begins with. `at` must not be before the previous record.
#[inline]
pub(crate) fn encode_start(writer: &mut Writer<'_>, state: &Predictor, kind: u8, at: u64) {
    let passed = at - state.last.tick;
    if passed == 0 {
        writer.byte(kind);
    } else {
        writer.byte(kind | TIME_FOLLOWS);
        writer.number(passed);
    }
}

/// Writes the whole record of an [`Event::Sent`]; any other event writes nothing.
#[inline]
pub(crate) fn encode_sent(writer: &mut Writer<'_>, state: &mut Predictor, at: u64, event: &Event) {
    let Event::Sent {
        exchange,
        request: ref planned,
        connection,
        request_bytes,
        length_is_input,
        ..
    } = *event
    else {
        return;
    };
    let slot = state.slot(exchange.0);
    let template = state.template(planned.request.0);
    let more = sent_more(&slot, &template, event);
    let mut flags = if more == 0 { 0 } else { MORE };
    flags |= sent_flags(state, &slot, planned);
    flags |= if connection.0 == slot.connection { 0 } else { sent::CONNECTION };
    flags |= if request_bytes == template.request_bytes { 0 } else { sent::REQUEST_BYTES };
    if flags == 0 && state.next_slot() == Some(exchange) {
        encode_start(writer, state, kind::SENT_NEXT, at);
        state.use_next_slot();
    } else {
        encode_start(writer, state, kind::SENT, at);
        encode_sent_fields(writer, state, at, event, (flags, more));
        state.use_other_slot();
    }
    let slot = Slot { connection: connection.0, ..slot };
    let template = Template { request_bytes, length_is_input, ..template };
    remember_sent(state, exchange, planned, (slot, template));
}

fn encode_sent_fields(
    writer: &mut Writer<'_>,
    state: &Predictor,
    at: u64,
    event: &Event,
    (flags, more): (u8, u8),
) {
    let Event::Sent { exchange, request: ref planned, connection, request_bytes, .. } = *event
    else {
        return;
    };
    writer.number(u64::from(exchange.0));
    writer.byte(flags);
    if flags & MORE != 0 {
        writer.byte(more);
    }
    if flags & sent::ACTOR != 0 {
        writer.difference(planned.actor.0, state.last.actor);
    }
    if flags & sent::STEP != 0 {
        writer.difference(planned.step.0, state.last.step);
    }
    if flags & sent::REQUEST != 0 {
        writer.number(u64::from(planned.request.0));
    }
    if flags & sent::CONNECTION != 0 {
        writer.number(u64::from(connection.0));
    }
    if flags & sent::REQUEST_BYTES != 0 {
        writer.number(request_bytes);
    }
    if flags & sent::PLANNED == sent::PLANNED_WRITTEN {
        writer.number(at.wrapping_sub(planned.planned.0));
    }
    if more != 0 {
        encode_more(writer, more, event);
    }
}

/// The flags of what was planned.
#[inline]
fn sent_flags(state: &Predictor, slot: &Slot, planned: &PlannedRequest) -> u8 {
    let same_actor = planned.actor.0 == slot.actor;
    let mut flags = if same_actor { 0 } else { sent::ACTOR };
    flags |= if planned.step.0 == expected_step(state, slot, same_actor) { 0 } else { sent::STEP };
    flags |= if planned.request.0 == slot.request { 0 } else { sent::REQUEST };
    flags
        | if planned.planned.0 == slot.end {
            sent::PLANNED_AT_SLOT_END
        } else if planned.planned.0 == state.last.tick {
            sent::PLANNED_AT_LAST_RECORD
        } else {
            sent::PLANNED_WRITTEN
        }
}

/// The *more* byte of an [`Event::Sent`]; 0 if none is written.
#[inline]
fn sent_more(slot: &Slot, template: &Template, event: &Event) -> u8 {
    let Event::Sent {
        written_bytes,
        request: ref planned,
        attempt,
        request_bytes,
        length_is_input,
        ..
    } = *event
    else {
        return 0;
    };
    let mut more = if planned.population.0 == slot.population { 0 } else { sent::MORE_POPULATION };
    more |= if planned.target.0 == slot.target { 0 } else { sent::MORE_TARGET };
    more |= if attempt == 0 { 0 } else { sent::MORE_ATTEMPT };
    more |= if written_bytes == request_bytes { 0 } else { sent::MORE_WRITTEN_BYTES };
    more | if length_is_input == template.length_is_input { 0 } else { sent::MORE_LENGTH_IS_INPUT }
}

fn encode_more(writer: &mut Writer<'_>, more: u8, event: &Event) {
    let Event::Sent { written_bytes, request: ref planned, attempt, .. } = *event else { return };
    if more & sent::MORE_POPULATION != 0 {
        writer.byte(planned.population.0);
    }
    if more & sent::MORE_TARGET != 0 {
        writer.number(u64::from(planned.target.0));
    }
    if more & sent::MORE_ATTEMPT != 0 {
        writer.byte(attempt);
    }
    if more & sent::MORE_WRITTEN_BYTES != 0 {
        writer.number(written_bytes);
    }
}

/// Of either kind; the record begins at `offset`.
pub(crate) fn decode_sent(
    reader: &mut Reader<'_>,
    state: &mut Predictor,
    at: u64,
    (kind, offset): (u8, usize),
) -> Result<Event, DecodeError> {
    let (exchange, flags, more) = if kind == kind::SENT_NEXT {
        let exchange = state.next_slot().ok_or(DecodeError::NoSlotWaits { offset })?;
        state.use_next_slot();
        (exchange, 0, 0)
    } else {
        let exchange = ExchangeSlot(reader.u32()?);
        let (flags, more) = decode_sent_flags(reader)?;
        state.use_other_slot();
        (exchange, flags, more)
    };
    let slot = state.slot(exchange.0);
    let same_actor = flags & sent::ACTOR == 0;
    let actor = if same_actor { slot.actor } else { reader.difference(state.last.actor)? };
    let step = if flags & sent::STEP == 0 {
        expected_step(state, &slot, same_actor)
    } else {
        reader.difference(state.last.step)?
    };
    let request = if flags & sent::REQUEST == 0 { slot.request } else { reader.u16()? };
    let connection = if flags & sent::CONNECTION == 0 { slot.connection } else { reader.u32()? };
    let template = state.template(request);
    let request_bytes =
        if flags & sent::REQUEST_BYTES == 0 { template.request_bytes } else { reader.number()? };
    let planned = match flags & sent::PLANNED {
        sent::PLANNED_AT_SLOT_END => slot.end,
        sent::PLANNED_AT_LAST_RECORD => state.last.tick,
        _ => at.wrapping_sub(reader.number()?),
    };
    let population =
        if more & sent::MORE_POPULATION == 0 { slot.population } else { reader.byte()? };
    let target = if more & sent::MORE_TARGET == 0 { slot.target } else { reader.u16()? };
    let attempt = if more & sent::MORE_ATTEMPT == 0 { 0 } else { reader.byte()? };
    let written_bytes =
        if more & sent::MORE_WRITTEN_BYTES == 0 { request_bytes } else { reader.number()? };
    let planned = PlannedRequest {
        population: Population(population),
        actor: Actor(actor),
        step: Step(step),
        request: RequestId(request),
        target: TargetId(target),
        planned: Tick(planned),
    };
    let length_is_input = template.length_is_input ^ (more & sent::MORE_LENGTH_IS_INPUT != 0);
    let slot = Slot { connection, ..slot };
    let template = Template { request_bytes, length_is_input, ..template };
    remember_sent(state, exchange, &planned, (slot, template));
    Ok(Event::Sent {
        exchange,
        written_bytes,
        request: planned,
        attempt,
        connection: ConnectionSlot(connection),
        request_bytes,
        length_is_input,
    })
}

/// What a `sent` changes in what is expected next. `slot` has its connection already, `template` its length.
#[inline]
fn remember_sent(
    state: &mut Predictor,
    exchange: ExchangeSlot,
    planned: &PlannedRequest,
    (slot, template): (Slot, Template),
) {
    state.last.actor = planned.actor.0;
    state.last.step = planned.step.0;
    state.last.request = planned.request.0;
    state.last.target = planned.target.0;
    state.last.population = planned.population.0;
    state.last.request_bytes = template.request_bytes;
    state.last.length_is_input = template.length_is_input;
    state.set_template(planned.request.0, template);
    let slot = Slot {
        actor: planned.actor.0,
        step: planned.step.0,
        request: planned.request.0,
        target: planned.target.0,
        population: planned.population.0,
        ..slot
    };
    state.set_slot(exchange.0, slot);
}

fn expected_step(state: &Predictor, slot: &Slot, same_actor: bool) -> u64 {
    if same_actor { slot.step.wrapping_add(1) } else { state.last.step }
}

#[inline]
fn decode_sent_flags(reader: &mut Reader<'_>) -> Result<(u8, u8), DecodeError> {
    let flags = reader.byte()?;
    if flags & sent::PLANNED == sent::PLANNED {
        return Err(DecodeError::BadFlags { offset: reader.offset(), flags });
    }
    if flags & MORE == 0 {
        return Ok((flags, 0));
    }
    let more = reader.byte()?;
    if more == 0 || more & !sent::MORE_ALL != 0 {
        return Err(DecodeError::BadFlags { offset: reader.offset(), flags: more });
    }
    Ok((flags, more))
}

/// Writes the fields of an [`Event::Done`].
#[inline]
pub(crate) fn encode_done(
    writer: &mut Writer<'_>,
    state: &mut Predictor,
    at: u64,
    exchange: ExchangeSlot,
    response: &Response,
    failure: Option<ErrorKind>,
) {
    let request = state.request_in(exchange.0);
    let template = state.template(request);
    let flags = done_flags(&template, at, response, failure);
    writer.number(u64::from(exchange.0));
    encode_response_flags(writer, flags, response.irregularities);
    if flags & done::FIRST_BYTE != 0 {
        writer.number(at.wrapping_sub(response.first_byte.0));
    }
    if flags & done::STATUS != 0 {
        writer.number(u64::from(response.status));
    }
    if flags & done::RECEIVED_BYTES != 0 {
        writer.number(response.received_bytes);
    }
    if flags & done::UNSENT_BYTES != 0 {
        writer.number(response.unsent_bytes);
    }
    if let Some(failure) = failure {
        writer.byte(failure.code());
    }
    encode_irregularities(writer, response.irregularities);
    encode_arrival(writer, state, response.arrival);
    remember_done(state, at, exchange, response, (request, template));
}

#[inline]
fn done_flags(template: &Template, at: u64, response: &Response, failure: Option<ErrorKind>) -> u8 {
    let mut flags = if response.first_byte.0 == at { 0 } else { done::FIRST_BYTE };
    flags |= if response.status == template.status { 0 } else { done::STATUS };
    flags |=
        if response.received_bytes == template.received_bytes { 0 } else { done::RECEIVED_BYTES };
    flags |= if response.unsent_bytes == 0 { 0 } else { done::UNSENT_BYTES };
    flags |= if response.reusable { done::REUSABLE } else { 0 };
    flags |= if response.unsolicited { done::UNSOLICITED } else { 0 };
    flags | if failure.is_some() { done::FAILURE } else { 0 }
}

pub(crate) fn decode_done(
    reader: &mut Reader<'_>,
    state: &mut Predictor,
    at: u64,
) -> Result<Event, DecodeError> {
    let exchange = ExchangeSlot(reader.u32()?);
    let request = state.request_in(exchange.0);
    let template = state.template(request);
    let (flags, more) = known_flags(reader, done::ALL)?;
    let first_byte =
        if flags & done::FIRST_BYTE == 0 { at } else { at.wrapping_sub(reader.number()?) };
    let status = if flags & done::STATUS == 0 { template.status } else { reader.u16()? };
    let received_bytes = if flags & done::RECEIVED_BYTES == 0 {
        template.received_bytes
    } else {
        reader.number()?
    };
    let unsent_bytes = if flags & done::UNSENT_BYTES == 0 { 0 } else { reader.number()? };
    let failure = if flags & done::FAILURE == 0 { None } else { Some(error_kind(reader)?) };
    let irregularities = decode_irregularities(reader, more)?;
    let arrival = decode_arrival(reader, state)?;
    let response = Response {
        first_byte: Tick(first_byte),
        status,
        received_bytes,
        unsent_bytes,
        reusable: flags & done::REUSABLE != 0,
        unsolicited: flags & done::UNSOLICITED != 0,
        irregularities,
        arrival,
    };
    remember_done(state, at, exchange, &response, (request, template));
    Ok(Event::Done { exchange, response, failure })
}

#[inline]
fn remember_done(
    state: &mut Predictor,
    at: u64,
    exchange: ExchangeSlot,
    response: &Response,
    (request, template): (u16, Template),
) {
    let Response { status, received_bytes, .. } = *response;
    state.last.status = status;
    state.last.received_bytes = received_bytes;
    state.set_template(request, Template { status, received_bytes, ..template });
    state.end_exchange(exchange, at);
}

/// Writes the flags of a response, and a *more* byte if it has irregularities.
#[inline]
pub(crate) fn encode_response_flags(
    writer: &mut Writer<'_>,
    flags: u8,
    irregularities: Irregularities,
) {
    if irregularities.is_empty() {
        return writer.byte(flags);
    }
    writer.byte(flags | MORE);
    writer.byte(MORE_IRREGULARITIES);
}

/// Writes the mask that the *more* byte announced, behind all other fields.
#[inline]
pub(crate) fn encode_irregularities(writer: &mut Writer<'_>, irregularities: Irregularities) {
    if !irregularities.is_empty() {
        writer.number(u64::from(irregularities.mask()));
    }
}

/// A flags byte of which this version knows the bits `all`, and the *more* byte of a response, or 0.
#[inline]
pub(crate) fn known_flags(reader: &mut Reader<'_>, all: u8) -> Result<(u8, u8), DecodeError> {
    let flags = reader.byte()?;
    if flags & !(all | MORE) != 0 {
        return Err(DecodeError::BadFlags { offset: reader.offset(), flags });
    }
    if flags & MORE == 0 {
        return Ok((flags, 0));
    }
    match reader.byte()? {
        more @ MORE_IRREGULARITIES => Ok((flags, more)),
        more => Err(DecodeError::BadFlags { offset: reader.offset(), flags: more }),
    }
}

/// The mask that a *more* byte announces: never empty.
#[inline]
pub(crate) fn decode_irregularities(
    reader: &mut Reader<'_>,
    more: u8,
) -> Result<Irregularities, DecodeError> {
    if more & MORE_IRREGULARITIES == 0 {
        return Ok(Irregularities::NONE);
    }
    let offset = reader.offset();
    let mask = reader.number()?;
    let known = Irregularities::from_mask(mask).filter(|mask| !mask.is_empty());
    known.ok_or(DecodeError::OutOfRange { offset })
}

/// Writes when a response had arrived, behind all other fields of its record, if the log has stamps.
#[inline]
pub(crate) fn encode_arrival(writer: &mut Writer<'_>, state: &Predictor, arrival: ArrivalStamp) {
    if state.has_arrival_stamps {
        writer.number(u64::from(arrival.code()));
    }
}

#[inline]
pub(crate) fn decode_arrival(
    reader: &mut Reader<'_>,
    state: &Predictor,
) -> Result<ArrivalStamp, DecodeError> {
    if !state.has_arrival_stamps {
        return Ok(ArrivalStamp::NONE);
    }
    reader.u32().map(ArrivalStamp::from_code)
}

/// An error kind's code.
pub(crate) fn error_kind(reader: &mut Reader<'_>) -> Result<ErrorKind, DecodeError> {
    let offset = reader.offset();
    let code = reader.byte()?;
    ErrorKind::from_code(code).ok_or(DecodeError::UnknownCode { offset, code })
}
