//! The two records that make up almost all of a log, `sent` and `done`: one flags byte says which
//! fields differ from what [`Predictor`] expects, and only those follow. Each record's encoder and
//! decoder stand side by side and must name the fields in the same order.

use crate::error::DecodeError;
use crate::error_kind::ErrorKind;
use crate::event::{Ask, Event};
use crate::ids::{
    Actor, ConnectionSlot, ExchangeSlot, Population, RequestId, Step, TargetId, Tick,
};
use crate::predict::{Predictor, Slot, Template};
use crate::varint::{Reader, Writer};

const ACTOR: u8 = 1 << 0;
const STEP: u8 = 1 << 1;
const REQUEST: u8 = 1 << 2;
const CONNECTION: u8 = 1 << 3;
const REQUEST_BYTES: u8 = 1 << 4;
const PLANNED: u8 = 0b11 << 5;
const PLANNED_AT_SLOT_END: u8 = 0 << 5;
const PLANNED_AT_LAST_RECORD: u8 = 1 << 5;
const PLANNED_WRITTEN: u8 = 2 << 5;
const MORE: u8 = 1 << 7;

const MORE_POPULATION: u8 = 1 << 0;
const MORE_TARGET: u8 = 1 << 1;
const MORE_ATTEMPT: u8 = 1 << 2;
const MORE_WRITTEN_BYTES: u8 = 1 << 3;
const MORE_ALL: u8 = MORE_POPULATION | MORE_TARGET | MORE_ATTEMPT | MORE_WRITTEN_BYTES;

const FIRST_BYTE: u8 = 1 << 0;
const STATUS: u8 = 1 << 1;
const RECEIVED_BYTES: u8 = 1 << 2;
const UNSENT_BYTES: u8 = 1 << 3;
const REUSABLE: u8 = 1 << 4;
const UNSOLICITED: u8 = 1 << 5;
const FAILURE: u8 = 1 << 6;
const DONE_ALL: u8 =
    FIRST_BYTE | STATUS | RECEIVED_BYTES | UNSENT_BYTES | REUSABLE | UNSOLICITED | FAILURE;

/// The fields of [`Event::Sent`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) exchange: ExchangeSlot,
    pub(crate) written_bytes: u64,
    pub(crate) ask: Ask,
    pub(crate) attempt: u8,
    pub(crate) connection: ConnectionSlot,
    pub(crate) request_bytes: u64,
}

impl Sent {
    fn flags(&self, state: &Predictor, slot: &Slot, template: &Template) -> (u8, u8) {
        let (ask, same_actor) = (&self.ask, self.ask.actor.0 == slot.actor);
        let mut more = 0;
        more |= if ask.population.0 == slot.population { 0 } else { MORE_POPULATION };
        more |= if ask.target.0 == slot.target { 0 } else { MORE_TARGET };
        more |= if self.attempt == 0 { 0 } else { MORE_ATTEMPT };
        more |= if self.written_bytes == self.request_bytes { 0 } else { MORE_WRITTEN_BYTES };
        let mut flags = if more == 0 { 0 } else { MORE };
        flags |= if same_actor { 0 } else { ACTOR };
        flags |= if ask.step.0 == expected_step(state, slot, same_actor) { 0 } else { STEP };
        flags |= if ask.request.0 == slot.request { 0 } else { REQUEST };
        flags |= if self.connection.0 == slot.connection { 0 } else { CONNECTION };
        flags |= if self.request_bytes == template.request_bytes { 0 } else { REQUEST_BYTES };
        flags |= if ask.planned.0 == slot.end {
            PLANNED_AT_SLOT_END
        } else if ask.planned.0 == state.last.tick {
            PLANNED_AT_LAST_RECORD
        } else {
            PLANNED_WRITTEN
        };
        (flags, more)
    }

    pub(crate) fn encode(&self, writer: &mut Writer<'_>, state: &mut Predictor, at: u64) {
        let slot = state.slot(self.exchange.0);
        let template = state.template(self.ask.request.0);
        let (flags, more) = self.flags(state, &slot, &template);
        writer.number(u64::from(self.exchange.0));
        writer.byte(flags);
        if flags & MORE != 0 {
            writer.byte(more);
        }
        if flags & ACTOR != 0 {
            writer.difference(self.ask.actor.0, state.last.actor);
        }
        if flags & STEP != 0 {
            writer.difference(self.ask.step.0, state.last.step);
        }
        if flags & REQUEST != 0 {
            writer.number(u64::from(self.ask.request.0));
        }
        if flags & CONNECTION != 0 {
            writer.number(u64::from(self.connection.0));
        }
        if flags & REQUEST_BYTES != 0 {
            writer.number(self.request_bytes);
        }
        if flags & PLANNED == PLANNED_WRITTEN {
            writer.number(at.wrapping_sub(self.ask.planned.0));
        }
        if more != 0 {
            self.encode_more(writer, more);
        }
        self.remember(state, slot, template);
    }

    fn encode_more(&self, writer: &mut Writer<'_>, more: u8) {
        if more & MORE_POPULATION != 0 {
            writer.byte(self.ask.population.0);
        }
        if more & MORE_TARGET != 0 {
            writer.number(u64::from(self.ask.target.0));
        }
        if more & MORE_ATTEMPT != 0 {
            writer.byte(self.attempt);
        }
        if more & MORE_WRITTEN_BYTES != 0 {
            writer.number(self.written_bytes);
        }
    }

    pub(crate) fn decode(
        reader: &mut Reader<'_>,
        state: &mut Predictor,
        at: u64,
    ) -> Result<Event, DecodeError> {
        let exchange = reader.u32()?;
        let slot = state.slot(exchange);
        let (flags, more) = sent_flags(reader)?;
        let same_actor = flags & ACTOR == 0;
        let actor = if same_actor { slot.actor } else { reader.difference(state.last.actor)? };
        let step = if flags & STEP == 0 {
            expected_step(state, &slot, same_actor)
        } else {
            reader.difference(state.last.step)?
        };
        let request = if flags & REQUEST == 0 { slot.request } else { reader.u16()? };
        let connection = if flags & CONNECTION == 0 { slot.connection } else { reader.u32()? };
        let template = state.template(request);
        let request_bytes =
            if flags & REQUEST_BYTES == 0 { template.request_bytes } else { reader.number()? };
        let planned = match flags & PLANNED {
            PLANNED_AT_SLOT_END => slot.end,
            PLANNED_AT_LAST_RECORD => state.last.tick,
            _ => at.wrapping_sub(reader.number()?),
        };
        let population =
            if more & MORE_POPULATION == 0 { slot.population } else { reader.byte()? };
        let target = if more & MORE_TARGET == 0 { slot.target } else { reader.u16()? };
        let attempt = if more & MORE_ATTEMPT == 0 { 0 } else { reader.byte()? };
        let written_bytes =
            if more & MORE_WRITTEN_BYTES == 0 { request_bytes } else { reader.number()? };
        let ask = Ask {
            population: Population(population),
            actor: Actor(actor),
            step: Step(step),
            request: RequestId(request),
            target: TargetId(target),
            planned: Tick(planned),
        };
        let exchange = ExchangeSlot(exchange);
        let connection = ConnectionSlot(connection);
        let sent = Sent { exchange, written_bytes, ask, attempt, connection, request_bytes };
        sent.remember(state, slot, template);
        Ok(sent.into_event())
    }

    fn remember(&self, state: &mut Predictor, slot: Slot, template: Template) {
        let ask = &self.ask;
        state.last.actor = ask.actor.0;
        state.last.step = ask.step.0;
        state.last.request = ask.request.0;
        state.last.target = ask.target.0;
        state.last.population = ask.population.0;
        state.last.request_bytes = self.request_bytes;
        let template = Template { request_bytes: self.request_bytes, ..template };
        state.set_template(ask.request.0, template);
        let slot = Slot {
            actor: ask.actor.0,
            step: ask.step.0,
            connection: self.connection.0,
            request: ask.request.0,
            target: ask.target.0,
            population: ask.population.0,
            ..slot
        };
        state.set_slot(self.exchange.0, slot);
    }

    const fn into_event(self) -> Event {
        let Sent { exchange, written_bytes, ask, attempt, connection, request_bytes } = self;
        Event::Sent { exchange, written_bytes, ask, attempt, connection, request_bytes }
    }
}

fn expected_step(state: &Predictor, slot: &Slot, same_actor: bool) -> u64 {
    if same_actor { slot.step.wrapping_add(1) } else { state.last.step }
}

fn sent_flags(reader: &mut Reader<'_>) -> Result<(u8, u8), DecodeError> {
    let flags = reader.byte()?;
    if flags & PLANNED == PLANNED {
        return Err(DecodeError::BadFlags { offset: reader.offset(), flags });
    }
    if flags & MORE == 0 {
        return Ok((flags, 0));
    }
    let more = reader.byte()?;
    if more == 0 || more & !MORE_ALL != 0 {
        return Err(DecodeError::BadFlags { offset: reader.offset(), flags: more });
    }
    Ok((flags, more))
}

/// The fields of [`Event::Done`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done {
    pub(crate) exchange: ExchangeSlot,
    pub(crate) first_byte: Tick,
    pub(crate) status: u16,
    pub(crate) received_bytes: u64,
    pub(crate) unsent_bytes: u64,
    pub(crate) reusable: bool,
    pub(crate) unsolicited: bool,
    pub(crate) failure: Option<ErrorKind>,
}

impl Done {
    fn flags(&self, template: &Template, at: u64) -> u8 {
        let mut flags = 0;
        flags |= if self.first_byte.0 == at { 0 } else { FIRST_BYTE };
        flags |= if self.status == template.status { 0 } else { STATUS };
        flags |= if self.received_bytes == template.received_bytes { 0 } else { RECEIVED_BYTES };
        flags |= if self.unsent_bytes == 0 { 0 } else { UNSENT_BYTES };
        flags |= if self.reusable { REUSABLE } else { 0 };
        flags |= if self.unsolicited { UNSOLICITED } else { 0 };
        flags | if self.failure.is_some() { FAILURE } else { 0 }
    }

    pub(crate) fn encode(&self, writer: &mut Writer<'_>, state: &mut Predictor, at: u64) {
        let slot = state.slot(self.exchange.0);
        let template = state.template(slot.request);
        let flags = self.flags(&template, at);
        writer.number(u64::from(self.exchange.0));
        writer.byte(flags);
        if flags & FIRST_BYTE != 0 {
            writer.number(at.wrapping_sub(self.first_byte.0));
        }
        if flags & STATUS != 0 {
            writer.number(u64::from(self.status));
        }
        if flags & RECEIVED_BYTES != 0 {
            writer.number(self.received_bytes);
        }
        if flags & UNSENT_BYTES != 0 {
            writer.number(self.unsent_bytes);
        }
        if let Some(failure) = self.failure {
            writer.byte(failure.code());
        }
        self.remember(state, slot, template, at);
    }

    pub(crate) fn decode(
        reader: &mut Reader<'_>,
        state: &mut Predictor,
        at: u64,
    ) -> Result<Event, DecodeError> {
        let exchange = reader.u32()?;
        let slot = state.slot(exchange);
        let template = state.template(slot.request);
        let flags = reader.byte()?;
        if flags & !DONE_ALL != 0 {
            return Err(DecodeError::BadFlags { offset: reader.offset(), flags });
        }
        let first_byte =
            if flags & FIRST_BYTE == 0 { at } else { at.wrapping_sub(reader.number()?) };
        let status = if flags & STATUS == 0 { template.status } else { reader.u16()? };
        let received_bytes =
            if flags & RECEIVED_BYTES == 0 { template.received_bytes } else { reader.number()? };
        let unsent_bytes = if flags & UNSENT_BYTES == 0 { 0 } else { reader.number()? };
        let failure = if flags & FAILURE == 0 { None } else { Some(error_kind(reader)?) };
        let done = Done {
            exchange: ExchangeSlot(exchange),
            first_byte: Tick(first_byte),
            status,
            received_bytes,
            unsent_bytes,
            reusable: flags & REUSABLE != 0,
            unsolicited: flags & UNSOLICITED != 0,
            failure,
        };
        done.remember(state, slot, template, at);
        Ok(done.into_event())
    }

    fn remember(&self, state: &mut Predictor, slot: Slot, template: Template, at: u64) {
        state.last.status = self.status;
        state.last.received_bytes = self.received_bytes;
        let (status, received_bytes) = (self.status, self.received_bytes);
        state.set_template(slot.request, Template { status, received_bytes, ..template });
        state.set_slot(self.exchange.0, Slot { end: at, ..slot });
    }

    const fn into_event(self) -> Event {
        let Done { exchange, first_byte, status, received_bytes, .. } = self;
        let Done { unsent_bytes, reusable, unsolicited, failure, .. } = self;
        Event::Done {
            exchange,
            first_byte,
            status,
            received_bytes,
            unsent_bytes,
            reusable,
            unsolicited,
            failure,
        }
    }
}

/// An error kind's code.
pub(crate) fn error_kind(reader: &mut Reader<'_>) -> Result<ErrorKind, DecodeError> {
    let offset = reader.offset();
    let code = reader.byte()?;
    ErrorKind::from_code(code).ok_or(DecodeError::UnknownCode { offset, code })
}
