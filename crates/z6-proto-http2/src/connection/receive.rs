//! What the frames of a server do.

use std::ops::ControlFlow;

use z6_http::canary::is_planted;

use super::Received;
use super::state::Core;
use crate::error::{ErrorCode, ProtocolError, ProtocolErrorKind};
use crate::frame::{self, FrameHeader, FrameKind, flag, number};
use crate::hpack::Visitor;
use crate::limits::TINY_DATA_BYTES;
use crate::meaning::Meaning;
use crate::message::{BlockReader, HeadFacts, Seen};
use crate::observe::{Observer, Section};
use crate::planted::Bug;
use crate::reader::{Piece, Plain};
use crate::settings;
use crate::streams::is;

/// Ignores the fields of a block whose stream is gone: it is decoded to keep the tables in step.
struct Unread;

impl Visitor for Unread {
    fn field(&mut self, _: Meaning, _: &[u8], _: &[u8]) {}
}

const SWITCHING_PROTOCOLS: u16 = 101;
const NO_CONTENT: u16 = 204;
const NOT_MODIFIED: u16 = 304;

impl Core {
    #[inline]
    pub(super) fn on_plain(
        &mut self,
        plain: Plain<'_>,
        observer: &mut impl Observer,
    ) -> Option<Received> {
        match plain {
            Plain::Head(header) => {
                observer.frame(&header);
                self.counters.frames_in += 1;
                self.on_headers(&header)
            }
            Plain::Block { header, block } => {
                self.on_block(&header, block, header.frame_bytes(), observer)
            }
            Plain::Data { header, content } => {
                observer.frame(&header);
                self.counters.frames_in += 1;
                match self.on_data(&header) {
                    ControlFlow::Continue(slot) => {
                        self.frame_content = 0;
                        self.on_content(slot, &header, content, true, observer)
                    }
                    ControlFlow::Break(received) => received,
                }
            }
        }
    }

    #[inline]
    pub(super) fn on_piece(
        &mut self,
        piece: Piece<'_>,
        observer: &mut impl Observer,
    ) -> Option<Received> {
        match piece {
            Piece::Header(header) => {
                observer.frame(&header);
                self.on_header(&header)
            }
            Piece::Data { header, content, ends } => {
                let slot = self.find(header.stream)?;
                self.on_content(slot, &header, content, ends, observer)
            }
            Piece::Block { header, block, wire_bytes } => {
                self.on_block(&header, block, wire_bytes, observer)
            }
            Piece::Control { header, payload } => self.on_control(&header, payload),
        }
    }

    #[inline]
    fn on_header(&mut self, header: &FrameHeader) -> Option<Received> {
        self.counters.frames_in += 1;
        match header.kind {
            FrameKind::DATA => {
                self.frame_content = 0;
                self.on_data(header).break_value().flatten()
            }
            FrameKind::HEADERS => self.on_headers(header),
            FrameKind::CONTINUATION | FrameKind::RST_STREAM => None,
            FrameKind::PUSH_PROMISE => {
                let kind = ProtocolErrorKind::Push;
                Some(self.break_by(kind, header.stream, header.kind))
            }
            _ => self.count_control(header),
        }
    }

    /// A frame that brings nothing forward.
    fn count_control(&mut self, header: &FrameHeader) -> Option<Received> {
        self.control_frames += 1;
        let is_flood = self.control_frames > self.limits.control_frames_max;
        is_flood.then(|| self.break_by(ProtocolErrorKind::ControlFlood, header.stream, header.kind))
    }

    /// A frame for a stream that is not open (RFC 9113 §5.1). It is allowed where we have reset the stream, since the
    /// peer may have sent it before it knew.
    #[cold]
    fn on_not_open(&mut self, header: &FrameHeader) -> Option<Received> {
        if self.is_never_opened(header.stream) {
            let kind = ProtocolErrorKind::IdleStream;
            return Some(self.break_by(kind, header.stream, header.kind));
        }
        if self.resets.has(header.stream) {
            return self.on_late(header);
        }
        Some(self.break_by(ProtocolErrorKind::StreamClosed, header.stream, header.kind))
    }

    /// A frame for a stream that we have reset, which is ignored (RFC 9113 §5.1). So many of them may be under way for
    /// each reset, besides content, which the window of the stream bounds.
    fn on_late(&mut self, header: &FrameHeader) -> Option<Received> {
        let is_content =
            header.kind == FrameKind::DATA && header.length as usize >= TINY_DATA_BYTES;
        if is_content || self.resets.excuse() { None } else { self.count_control(header) }
    }

    /// A stream of the server, or one of which nothing was written.
    fn is_never_opened(&self, stream: u32) -> bool {
        stream.is_multiple_of(2) || stream > self.output.stream_written()
    }

    /// The slot of a stream that is open and that the peer can know of.
    #[inline]
    fn find(&mut self, stream: u32) -> Option<u32> {
        if stream > self.output.stream_written() {
            return None;
        }
        self.streams.seek(stream)
    }

    /// The header of a DATA frame: flow control counts the whole frame, whatever becomes of its stream (RFC 9113
    /// §6.9.1). Returns the slot of the stream if it can take content.
    #[inline(always)]
    fn on_data(&mut self, header: &FrameHeader) -> ControlFlow<Option<Received>, u32> {
        if self.receive.take(header.length).is_err() {
            let broken = self.break_by(ProtocolErrorKind::FlowControl, 0, header.kind);
            return ControlFlow::Break(Some(broken));
        }
        if let Some(used) = self.receive.refill(self.config.connection_window_bytes) {
            self.widen(0, used);
        }
        let Some(slot) = self.find(header.stream) else {
            return ControlFlow::Break(self.on_not_open(header));
        };
        let stream_window_bytes = self.config.stream_window_bytes;
        let stream = self.streams.at(slot);
        stream.bytes_received += header.frame_bytes();
        let fault = if stream.receive.take(header.length).is_err() {
            Some(ProtocolErrorKind::FlowControl)
        } else if !stream.has(is::ANSWERED) {
            Some(ProtocolErrorKind::BadSequence)
        } else {
            None
        };
        if let Some(kind) = fault {
            return ControlFlow::Break(Some(self.fail_stream(slot, kind, header.kind)));
        }
        if !header.has(flag::END_STREAM)
            && let Some(used) = stream.receive.refill(stream_window_bytes)
        {
            self.widen(header.stream, used);
        }
        ControlFlow::Continue(slot)
    }

    #[cold]
    fn widen(&mut self, stream: u32, bytes: u32) {
        self.output.push(|out| frame::push_window_update(out, stream, bytes));
        self.counters.frames_out += 1;
        self.counters.window_updates_out += 1;
    }

    #[inline]
    fn on_content(
        &mut self,
        slot: u32,
        header: &FrameHeader,
        content: &[u8],
        ends: bool,
        observer: &mut impl Observer,
    ) -> Option<Received> {
        let stream = self.streams.at(slot);
        if !content.is_empty() {
            self.control_frames = 0;
            self.frame_content += content.len();
            stream.body_bytes += content.len() as u64;
            observer.content(stream.tag, content);
            let kind = if stream.has(is::BODILESS) {
                Some(ProtocolErrorKind::UnexpectedBody)
            } else if stream.body_bytes > stream.content_length {
                Some(ProtocolErrorKind::LengthMismatch)
            } else {
                None
            };
            if let Some(kind) = kind {
                return Some(self.fail_stream(slot, kind, header.kind));
            }
        }
        if !ends {
            return None;
        }
        if header.has(flag::END_STREAM) {
            return Some(self.complete(slot, header.kind));
        }
        if self.frame_content < TINY_DATA_BYTES { self.on_tiny(slot, header) } else { None }
    }

    #[cold]
    fn on_tiny(&mut self, slot: u32, header: &FrameHeader) -> Option<Received> {
        let stream = self.streams.at(slot);
        if stream.tiny_frames >= self.limits.tiny_data_frames_max {
            return Some(self.fail_stream(slot, ProtocolErrorKind::TinyDataFlood, header.kind));
        }
        stream.tiny_frames += 1;
        if self.frame_content == 0 { self.count_control(header) } else { None }
    }

    /// The header of a HEADERS frame.
    #[inline]
    fn on_headers(&mut self, header: &FrameHeader) -> Option<Received> {
        let Some(slot) = self.find(header.stream) else { return self.on_not_open(header) };
        self.control_frames = 0;
        let stream = self.streams.get(slot);
        if stream.has(is::ANSWERED) { None } else { Some(Received::FirstByte(stream.tag)) }
    }

    #[inline(always)]
    fn on_block<O: Observer>(
        &mut self,
        header: &FrameHeader,
        block: &[u8],
        wire_bytes: u64,
        observer: &mut O,
    ) -> Option<Received> {
        self.counters.header_bytes_packed_in += block.len() as u64;
        let Some(slot) = self.find(header.stream) else {
            let decoded = self.decoder.decode(block, &mut Unread);
            return decoded.err().map(|_| self.break_by_compression(header));
        };
        let stream = self.streams.at(slot);
        stream.bytes_received += wire_bytes;
        if !O::READS_FIELDS
            && !stream.has(is::ANSWERED)
            && let Some((facts, plain_bytes)) = self.known_head.find(block, self.decoder.version())
        {
            self.counters.header_bytes_plain_in += plain_bytes as u64;
            return self.on_head(slot, facts, header);
        }
        self.on_unknown_block(slot, header, block, observer)
    }

    fn on_unknown_block(
        &mut self,
        slot: u32,
        header: &FrameHeader,
        block: &[u8],
        observer: &mut impl Observer,
    ) -> Option<Received> {
        let stream = self.streams.get(slot);
        let is_head = !stream.has(is::ANSWERED);
        let version = self.decoder.version();
        let section = if is_head { Section::Head } else { Section::Trailers };
        let mut location = if is_head { self.locations.begin() } else { None };
        let mut reader = BlockReader {
            tag: stream.tag,
            section,
            limits: &self.limits,
            observer,
            location: location.as_mut(),
            seen: Seen::default(),
        };
        let decoded = self.decoder.decode(block, &mut reader);
        let facts = reader.finish();
        let plain_bytes = reader.plain_bytes();
        self.counters.header_bytes_plain_in += plain_bytes as u64;
        let status = facts.map_or(0, |facts| facts.status);
        self.locations.put(header.stream, status, location);
        if decoded.is_err() {
            return Some(self.break_by_compression(header));
        }
        let ends = header.has(flag::END_STREAM);
        match facts {
            Err(kind) => Some(self.fail_stream(slot, kind, header.kind)),
            Ok(facts) if is_head => {
                if self.decoder.version() == version {
                    self.known_head.remember(block, version, facts, plain_bytes);
                }
                self.on_head(slot, facts, header)
            }
            Ok(_) if ends => Some(self.complete(slot, header.kind)),
            Ok(_) => Some(self.fail_stream(slot, ProtocolErrorKind::BadSequence, header.kind)),
        }
    }

    #[cold]
    fn break_by_compression(&mut self, header: &FrameHeader) -> Received {
        self.break_by(ProtocolErrorKind::Compression, header.stream, header.kind)
    }

    #[inline]
    fn on_head(&mut self, slot: u32, facts: HeadFacts, header: &FrameHeader) -> Option<Received> {
        if facts.status < 200 {
            return Some(self.on_interim(slot, facts.status, header));
        }
        let stream = self.streams.at(slot);
        stream.status = facts.status;
        stream.flags |= is::ANSWERED;
        if let Some(length) = facts.content_length {
            stream.content_length = length;
        }
        let has_no_content = match facts.status {
            NO_CONTENT => true,
            NOT_MODIFIED => !is_planted("h2_versus_h1"),
            _ => false,
        };
        if stream.has(is::HEAD) || has_no_content {
            stream.flags |= is::BODILESS;
        }
        if header.has(flag::END_STREAM) { Some(self.complete(slot, header.kind)) } else { None }
    }

    /// RFC 9113 §8.1, §8.6.
    #[cold]
    fn on_interim(&mut self, slot: u32, status: u16, header: &FrameHeader) -> Received {
        let stream = self.streams.at(slot);
        let kind = if status == SWITCHING_PROTOCOLS {
            ProtocolErrorKind::UnexpectedUpgrade
        } else if header.has(flag::END_STREAM) {
            ProtocolErrorKind::BadSequence
        } else if u32::from(stream.interim) >= self.limits.interim_max {
            ProtocolErrorKind::TooManyInterim
        } else {
            stream.interim = stream.interim.saturating_add(1);
            return Received::Interim(stream.tag);
        };
        self.fail_stream(slot, kind, header.kind)
    }

    #[cold]
    fn on_control(&mut self, header: &FrameHeader, payload: &[u8]) -> Option<Received> {
        match header.kind {
            FrameKind::SETTINGS if header.has(flag::ACK) => {
                if !std::mem::replace(&mut self.is_acknowledged, true) {
                    self.decoder.acknowledged(self.config.header_table_bytes as usize);
                }
                None
            }
            FrameKind::SETTINGS => self.on_settings(payload),
            FrameKind::PING if header.has(flag::ACK) => None,
            FrameKind::PING => self.on_ping(payload),
            FrameKind::RST_STREAM => self.on_rst_stream(header, ErrorCode(number(payload))),
            FrameKind::GOAWAY => self.on_go_away(payload),
            FrameKind::WINDOW_UPDATE => self.on_window_update(header, payload),
            FrameKind::PRIORITY if payload.len() != 5 => {
                let slot = self.find(header.stream)?;
                Some(self.fail_stream(slot, ProtocolErrorKind::FrameSize, header.kind))
            }
            _ => None,
        }
    }

    fn on_ping(&mut self, payload: &[u8]) -> Option<Received> {
        self.counters.pings_in += 1;
        let mut payload: [u8; 8] = payload.first_chunk().copied().unwrap_or_default();
        if self.planted.has(Bug::NoPong) {
            return None;
        }
        if self.planted.has(Bug::OtherPong) {
            payload.reverse();
        }
        self.output.push_ack(|out| frame::push_ping(out, flag::ACK, payload));
        self.check_acks(FrameKind::PING)
    }

    fn check_acks(&mut self, kind: FrameKind) -> Option<Received> {
        self.counters.frames_out += 1;
        let is_flood = self.output.acks_waiting() > self.limits.pending_acks_max
            && !is_planted("h2_connection");
        is_flood.then(|| self.break_by(ProtocolErrorKind::PendingAcks, 0, kind))
    }

    /// RFC 9113 §6.5.
    fn on_settings(&mut self, payload: &[u8]) -> Option<Received> {
        self.counters.settings_in += 1;
        let before = self.peer;
        if let Err(kind) = self.peer.apply(payload) {
            return Some(self.break_by(kind, 0, FrameKind::SETTINGS));
        }
        let change = i64::from(self.peer.initial_window) - i64::from(before.initial_window);
        let is_ignored = change < 0 && self.planted.has(Bug::IgnoredShrink);
        if change != 0
            && !is_ignored
            && let Some(broken) = self.change_windows(change)
        {
            return Some(broken);
        }
        if !self.planted.has(Bug::IgnoredTableSize) {
            self.heads.set_size_max(self.peer.header_table_bytes as usize);
        }
        self.output.push_ack(settings::push_ack);
        if let Some(broken) = self.check_acks(FrameKind::SETTINGS) {
            return Some(broken);
        }
        self.schedule();
        let allowed = self.peer.streams_max;
        (allowed != before.streams_max).then_some(Received::Allowed(allowed))
    }

    /// RFC 9113 §6.9.2.
    fn change_windows(&mut self, change: i64) -> Option<Received> {
        let mut slots: Vec<u32> = self.streams.slots().collect();
        // The order in which bodies go on is that of the streams.
        slots.sort_unstable_by_key(|&slot| self.streams.get(slot).id);
        for slot in slots {
            if self.streams.at(slot).send.change(change).is_err() {
                return Some(self.break_by(ProtocolErrorKind::FlowControl, 0, FrameKind::SETTINGS));
            }
            self.queue(slot);
        }
        None
    }

    fn on_rst_stream(&mut self, header: &FrameHeader, code: ErrorCode) -> Option<Received> {
        let stream = header.stream;
        let Some(slot) = self.find(stream) else {
            if self.is_never_opened(stream) {
                return Some(self.break_by(ProtocolErrorKind::IdleStream, stream, header.kind));
            }
            let is_late = self.resets.has(stream);
            return if is_late { self.on_late(header) } else { self.count_control(header) };
        };
        self.counters.resets_in += 1;
        let (ended, unsent_bytes) = self.drop_stream(slot, None);
        self.schedule();
        let (tag, bytes_received) = (ended.tag, ended.bytes_received);
        if code == ErrorCode::REFUSED_STREAM {
            return Some(Received::Refused { tag, code, unsent_bytes });
        }
        let kind = ProtocolErrorKind::StreamReset;
        let error = ProtocolError { kind, stream, detail: code.0 };
        Some(Received::Failed { tag, error, bytes_received, unsent_bytes })
    }

    /// RFC 9113 §6.8.
    fn on_go_away(&mut self, payload: &[u8]) -> Option<Received> {
        let last = number(payload) & 0x7fff_ffff;
        let code = ErrorCode(number(payload.get(4..).unwrap_or_default()));
        if self.going_away.is_some_and(|(earlier, _)| last > earlier) {
            return Some(self.break_by(ProtocolErrorKind::BadGoAway, 0, FrameKind::GOAWAY));
        }
        self.going_away = Some((last, code));
        self.doom_above(last);
        Some(Received::GoingAway { last, code })
    }

    /// RFC 9113 §6.9.
    fn on_window_update(&mut self, header: &FrameHeader, payload: &[u8]) -> Option<Received> {
        self.counters.window_updates_in += 1;
        let increment = number(payload) & 0x7fff_ffff;
        let fault = (increment == 0).then_some(ProtocolErrorKind::ZeroIncrement);
        if header.stream == 0 {
            let is_wider = self.send.change(i64::from(increment)).is_ok();
            let fault = fault.or((!is_wider).then_some(ProtocolErrorKind::FlowControl));
            if let Some(kind) = fault {
                return Some(self.break_by(kind, 0, header.kind));
            }
            self.schedule();
            return None;
        }
        let Some(slot) = self.find(header.stream) else {
            return self
                .is_never_opened(header.stream)
                .then(|| self.break_by(ProtocolErrorKind::IdleStream, header.stream, header.kind));
        };
        let is_wider = self.streams.at(slot).send.change(i64::from(increment)).is_ok();
        let fault = fault.or((!is_wider).then_some(ProtocolErrorKind::FlowControl));
        if let Some(kind) = fault {
            return Some(self.fail_stream(slot, kind, header.kind));
        }
        self.queue(slot);
        self.schedule();
        None
    }
}
