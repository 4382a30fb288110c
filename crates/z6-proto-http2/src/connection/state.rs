//! Everything that a connection keeps, and how its streams and itself end.

use std::collections::VecDeque;
use std::sync::Arc;

use z6_http::{Location, is_redirect};

use super::heads::Heads;
use super::{Failure, FailureKind, Received, ResponseFacts};
use crate::counters::Counters;
use crate::error::{Blame, ErrorCode, ProtocolError, ProtocolErrorKind};
use crate::flow::{ReceiveWindow, SendWindow};
use crate::frame::{self, CLIENT_PREFACE, FrameKind};
use crate::hpack::{Decoder, TABLE_BYTES_INITIAL};
use crate::limits::{Config, Limits, WINDOW_BYTES_INITIAL};
use crate::message::KnownHead;
use crate::observe::Tag;
use crate::output::{Bodies, Output};
use crate::planted::Planted;
use crate::settings::{self, PeerSettings, id};
use crate::streams::{LENGTH_UNKNOWN, Resets, Stream, Streams, is};

/// The highest stream id (RFC 9113 §5.1.1).
const STREAM_ID_MAX: u32 = (1 << 31) - 1;

/// Whether the connection lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// By an error of the protocol, ours or the peer's.
    Broken(ProtocolError),
    /// The peer closed its side, maybe inside the header block of a stream.
    Closed {
        in_block: Option<u32>,
    },
    TransportFailed,
}

/// All but the reader, which lends out what is read.
#[derive(Clone, Debug)]
pub(super) struct Core {
    pub(super) config: Config,
    pub(super) limits: Arc<Limits>,
    pub(super) state: State,
    pub(super) decoder: Decoder,
    pub(super) heads: Heads,
    pub(super) output: Output,
    pub(super) streams: Streams,
    pub(super) resets: Resets,
    pub(super) peer: PeerSettings,
    pub(super) receive: ReceiveWindow,
    pub(super) send: SendWindow,
    /// Our settings were acknowledged.
    pub(super) is_acknowledged: bool,
    pub(super) next_id: u32,
    /// Streams that have content to send and a window for it, by slot.
    pub(super) sending: VecDeque<u32>,
    /// Streams whose body is not in frames as a whole.
    pub(super) bodies_left: usize,
    /// [`Core::is_stalled`] when bodies were scheduled last, and nothing was sent since.
    pub(super) was_stalled: bool,
    /// Frames without progress since the last one with.
    pub(super) control_frames: u32,
    /// Content of the DATA frame that is being read, bytes.
    pub(super) frame_content: usize,
    /// Last stream and code of the peer's GOAWAY.
    pub(super) going_away: Option<(u32, ErrorCode)>,
    /// Streams to be told as refused or failed, the next one last.
    doomed: Vec<u32>,
    pub(super) locations: Locations,
    pub(super) known_head: KnownHead,
    pub(super) completed: u64,
    has_said_goodbye: bool,
    pub(super) counters: Counters,
    pub(super) planted: Planted,
}

impl Core {
    pub(super) fn new(config: Config, limits: Arc<Limits>) -> Core {
        let mut core = Core {
            config,
            limits,
            state: State::Open,
            decoder: Decoder::new(config.header_table_bytes as usize),
            heads: Heads::new(config.index_headers),
            output: Output::default(),
            streams: Streams::default(),
            resets: Resets::new(config.streams_max),
            peer: PeerSettings::INITIAL,
            receive: ReceiveWindow::new(config.connection_window_bytes),
            send: SendWindow::INITIAL,
            is_acknowledged: false,
            next_id: 1,
            sending: VecDeque::new(),
            bodies_left: 0,
            was_stalled: false,
            control_frames: 0,
            frame_content: 0,
            going_away: None,
            doomed: Vec::new(),
            locations: Locations::default(),
            known_head: KnownHead::default(),
            completed: 0,
            has_said_goodbye: false,
            counters: Counters::default(),
            planted: Planted::default(),
        };
        core.begin();
        core
    }

    pub(super) fn reset(&mut self) {
        self.state = State::Open;
        self.decoder.reset(self.config.header_table_bytes as usize);
        self.heads.reset();
        self.output.clear();
        self.streams.clear();
        self.resets.clear();
        self.peer = PeerSettings::INITIAL;
        self.receive = ReceiveWindow::new(self.config.connection_window_bytes);
        self.send = SendWindow::INITIAL;
        self.is_acknowledged = false;
        self.next_id = 1;
        self.sending.clear();
        self.bodies_left = 0;
        self.was_stalled = false;
        self.control_frames = 0;
        self.frame_content = 0;
        self.going_away = None;
        self.doomed.clear();
        self.locations.clear();
        self.completed = 0;
        self.has_said_goodbye = false;
        self.counters = Counters::default();
        self.begin();
    }

    /// The preface, our settings and the window of the connection (RFC 9113 §3.4).
    fn begin(&mut self) {
        let config = self.config;
        let head_bytes_max = u32::try_from(self.limits.head_bytes_max).unwrap_or(u32::MAX);
        let mut entries = [
            (id::ENABLE_PUSH, 0),
            (id::INITIAL_WINDOW_SIZE, config.stream_window_bytes),
            (id::MAX_HEADER_LIST_SIZE, head_bytes_max),
            (id::HEADER_TABLE_SIZE, config.header_table_bytes),
        ];
        let is_usual = config.header_table_bytes as usize == TABLE_BYTES_INITIAL;
        let entries = &mut entries[..if is_usual { 3 } else { 4 }];
        let more = config.connection_window_bytes - WINDOW_BYTES_INITIAL;
        self.output.push(|out| {
            out.extend_from_slice(CLIENT_PREFACE);
            settings::push_settings(out, entries);
            if more > 0 {
                frame::push_window_update(out, 0, more);
            }
        });
        self.counters.frames_out = 1 + u64::from(more > 0);
        self.counters.window_updates_out = u64::from(more > 0);
    }

    pub(super) fn allowed(&self) -> u32 {
        self.peer.streams_max
    }

    pub(super) fn ids_left(&self) -> u32 {
        (STREAM_ID_MAX + 2).saturating_sub(self.next_id) / 2
    }

    pub(super) fn started(&self) -> u64 {
        u64::from(self.next_id / 2)
    }

    pub(super) fn open(&self) -> usize {
        self.streams.open()
    }

    #[inline]
    pub(super) fn is_draining(&self) -> bool {
        self.state != State::Open || self.going_away.is_some() || self.next_id > STREAM_ID_MAX
    }

    pub(super) fn can_start(&self) -> bool {
        let limit = self.allowed().min(self.config.streams_max) as usize;
        self.open() < limit && !self.is_draining()
    }

    /// An error of the connection (RFC 9113 §5.4.1).
    #[cold]
    pub(super) fn break_off(&mut self, error: ProtocolError) -> Received {
        self.end(State::Broken(error));
        self.say_goodbye(error.kind.code());
        Received::Broken(error)
    }

    /// An error of the connection by a frame.
    #[cold]
    pub(super) fn break_by(
        &mut self,
        kind: ProtocolErrorKind,
        stream: u32,
        frame: FrameKind,
    ) -> Received {
        self.break_off(ProtocolError { kind, stream, detail: u32::from(frame.0) })
    }

    /// An error of a stream (RFC 9113 §5.4.2).
    #[cold]
    pub(super) fn fail_stream(
        &mut self,
        slot: u32,
        kind: ProtocolErrorKind,
        frame: FrameKind,
    ) -> Received {
        let id = self.streams.get(slot).id;
        self.reset_stream(id, kind.code());
        let (stream, unsent_bytes) = self.drop_stream(slot, None);
        let error = ProtocolError { kind, stream: id, detail: u32::from(frame.0) };
        let (tag, bytes_received) = (stream.tag, stream.bytes_received);
        Received::Failed { tag, error, bytes_received, unsent_bytes }
    }

    fn reset_stream(&mut self, id: u32, code: ErrorCode) {
        self.output.push(|out| frame::push_rst_stream(out, id, code));
        self.resets.remember(id);
        self.counters.frames_out += 1;
        self.counters.resets_out += 1;
    }

    /// Takes an open stream out of everything; its queued content is not sent. Returns also how many bytes of its
    /// body are not written. `body` is as [`Output::forget`] takes it.
    #[cold]
    pub(super) fn drop_stream(&mut self, slot: u32, body: Option<&[u8]>) -> (Stream, usize) {
        let id = self.streams.get(slot).id;
        let unsent_bytes = self.take_back(slot, id, body);
        self.locations.forget(id);
        let stream = self.streams.get(slot).clone();
        self.streams.remove(id);
        (stream, unsent_bytes)
    }

    /// Takes what a stream has to send out of the queues; returns the bytes of its body that are not written.
    fn take_back(&mut self, slot: u32, id: u32, body: Option<&[u8]>) -> usize {
        let left = self.streams.get(slot).request_left();
        self.bodies_left -= usize::from(left > 0);
        if self.streams.get(slot).has(is::QUEUED) {
            self.sending.retain(|&queued| queued != slot);
            self.streams.at(slot).flags &= !is::QUEUED;
        }
        let forgotten = self.output.forget(id, body);
        self.counters.frames_out -= forgotten.frames;
        // It was allowed by the window before, so it is allowed again.
        let _ = self.send.change(forgotten.bytes as i64);
        left + forgotten.unsent_bytes
    }

    pub(super) fn cancel(&mut self, tag: Tag, bodies: &impl Bodies) -> Option<u64> {
        let slot = self.streams.slots().find(|&slot| self.streams.get(slot).tag == tag)?;
        let id = self.streams.get(slot).id;
        if self.state == State::Open {
            self.reset_stream(id, ErrorCode::CANCEL);
        }
        let (stream, _) = self.drop_stream(slot, Some(bodies.body(tag)));
        self.schedule();
        Some(stream.bytes_received)
    }

    pub(super) fn take_back_unwritten(&mut self, mut each: impl FnMut(Tag)) {
        while let Some((id, fields)) = self.output.withdraw_head() {
            // What it put into the header table is missing in that of the peer.
            self.heads.start_over();
            self.counters.frames_out -= 1;
            self.counters.header_bytes_plain_out -= u64::from(fields.plain);
            self.counters.header_bytes_packed_out -= u64::from(fields.packed);
            if let Some(slot) = self.streams.find(id) {
                let (Stream { tag, .. }, _) = self.drop_stream(slot, None);
                each(tag);
            }
            if id + 2 == self.next_id {
                self.next_id = id;
            }
        }
    }

    /// The peer has ended its side of the stream.
    #[inline]
    pub(super) fn complete(&mut self, slot: u32, frame: FrameKind) -> Received {
        let stream = self.streams.get(slot);
        let is_short = stream.content_length != LENGTH_UNKNOWN
            && stream.content_length != stream.body_bytes
            && !stream.has(is::BODILESS);
        if is_short {
            return self.fail_stream(slot, ProtocolErrorKind::LengthMismatch, frame);
        }
        let &Stream { id, tag, status, bytes_received, body_bytes, .. } = stream;
        let unsent_bytes = if stream.request_bytes > 0 { self.end_request(slot, id) } else { 0 };
        self.completed += 1;
        self.locations.complete(id, status);
        self.streams.remove(id);
        let reusable = !self.is_draining();
        let response = ResponseFacts { status, bytes_received, body_bytes, reusable, unsent_bytes };
        Received::Complete { tag, response }
    }

    /// RFC 9113 §8.1: the rest of a request that is answered already is not sent.
    #[cold]
    fn end_request(&mut self, slot: u32, id: u32) -> usize {
        if self.streams.get(slot).request_left() == 0 && self.output.data_waiting() == 0 {
            return 0;
        }
        let unsent = self.take_back(slot, id, None);
        if unsent > 0 {
            self.reset_stream(id, ErrorCode::CANCEL);
            self.schedule();
        }
        unsent
    }

    /// The peer has said that it did not process these streams.
    pub(super) fn doom_above(&mut self, last: u32) {
        self.doomed.clear();
        let ids = self.streams.slots().map(|slot| self.streams.get(slot).id);
        self.doomed.extend(ids.filter(|&id| id > last));
        self.doomed.sort_unstable_by(|one, other| other.cmp(one));
    }

    /// What comes is to be read, and nothing is to be told before.
    #[inline]
    pub(super) fn is_reading(&self) -> bool {
        self.doomed.is_empty() && self.state == State::Open
    }

    /// The next stream above the last one of a GOAWAY.
    #[cold]
    pub(super) fn next_refused(&mut self) -> Option<Received> {
        if self.state != State::Open {
            return None;
        }
        let code = self.going_away.map_or(ErrorCode::NO_ERROR, |(_, code)| code);
        while let Some(id) = self.doomed.pop() {
            if let Some(slot) = self.streams.find(id) {
                self.resets.remember(id);
                let (Stream { tag, .. }, unsent_bytes) = self.drop_stream(slot, None);
                self.schedule();
                return Some(Received::Refused { tag, code, unsent_bytes });
            }
        }
        None
    }

    /// The connection ends; whether streams are open, which are doomed then.
    pub(super) fn end(&mut self, state: State) -> bool {
        if self.state == State::Open {
            self.state = state;
            self.doom_above(0);
        }
        self.open() > 0
    }

    pub(super) fn next_failed(&mut self) -> Option<Failure> {
        if self.state == State::Open {
            return None;
        }
        while let Some(id) = self.doomed.pop() {
            if let Some(slot) = self.streams.find(id) {
                let (stream, unsent_bytes) = self.drop_stream(slot, None);
                let kind = self.failure(&stream);
                let (tag, bytes_received) = (stream.tag, stream.bytes_received);
                return Some(Failure { tag, kind, bytes_received, unsent_bytes });
            }
        }
        None
    }

    fn failure(&self, stream: &Stream) -> FailureKind {
        let error =
            |kind, detail| FailureKind::Protocol(ProtocolError { kind, stream: stream.id, detail });
        let is_stale = self.completed > 0 && stream.frames_before == self.counters.frames_in as u32;
        match (self.state, self.going_away) {
            (State::Broken(error), _) => FailureKind::Protocol(error),
            (_, Some((_, code))) if code != ErrorCode::NO_ERROR => {
                error(ProtocolErrorKind::GoingAway, code.0)
            }
            (State::Open | State::Closed { .. } | State::TransportFailed, _) if is_stale => {
                FailureKind::Stale
            }
            (State::TransportFailed, _) => FailureKind::Transport,
            (State::Open | State::Closed { .. }, _) => {
                let in_block = self.state == State::Closed { in_block: Some(stream.id) };
                let kind = match stream.has(is::ANSWERED) {
                    true => ProtocolErrorKind::IncompleteBody,
                    false if in_block => ProtocolErrorKind::IncompleteHead,
                    false => ProtocolErrorKind::ClosedBeforeResponse,
                };
                error(kind, 0)
            }
        }
    }

    pub(super) fn go_away(&mut self) {
        if self.state == State::Open {
            self.say_goodbye(ErrorCode::NO_ERROR);
        }
    }

    fn say_goodbye(&mut self, code: ErrorCode) {
        let is_news = !std::mem::replace(&mut self.has_said_goodbye, true);
        if is_news || code != ErrorCode::NO_ERROR {
            self.output.push(|out| frame::push_go_away(out, 0, code));
            self.counters.frames_out += 1;
        }
    }

    pub(super) fn invariants(&self) {
        self.decoder.invariants();
        self.heads.invariants();
        self.output.invariants();
        self.streams.invariants();
        assert!(self.next_id % 2 == 1, "a stream of the server");
        assert!(self.receive.left() <= self.config.connection_window_bytes, "window too large");
        assert!(self.output.acks_waiting() <= self.limits.pending_acks_max + 1, "acks grow");
        for slot in self.streams.slots() {
            let stream = self.streams.get(slot);
            assert!(stream.id < self.next_id, "a stream that was not started");
            assert!(stream.request_at <= stream.request_bytes, "more is sent than there is");
            let waits = stream.request_left() > 0 && stream.send.left() > 0;
            assert!(!waits || stream.has(is::QUEUED), "a body is forgotten");
        }
        let streams = || self.streams.slots().map(|slot| self.streams.get(slot));
        let bodies = streams().filter(|stream| stream.request_left() > 0).count();
        assert_eq!(bodies, self.bodies_left, "bodies went astray");
        let queued = streams().filter(|stream| stream.has(is::QUEUED)).count();
        assert_eq!(queued, self.sending.len(), "the queue went astray");
        let are_queued = self.sending.iter().all(|&slot| self.streams.get(slot).has(is::QUEUED));
        assert!(are_queued, "the queue has streams that are not open");
        if let State::Broken(error) = self.state {
            assert!(error.kind.blame() != Blame::Peer, "a reset breaks no connection");
        }
    }
}

/// The `location` fields of redirects whose responses are not complete, and of the last one that is.
#[derive(Clone, Debug, Default)]
pub(super) struct Locations {
    pub(super) keep: bool,
    /// By stream.
    open: Vec<(u32, Location)>,
    spare: Vec<Location>,
    last: Location,
    is_last_redirect: bool,
}

impl Locations {
    fn clear(&mut self) {
        while let Some((_, location)) = self.open.pop() {
            self.spare.push(location);
        }
        self.last.clear();
        self.is_last_redirect = false;
    }

    /// Room for the field of a head that is about to be read.
    pub(super) fn begin(&mut self) -> Option<Location> {
        self.keep.then(|| {
            let mut location = self.spare.pop().unwrap_or_default();
            location.clear();
            location
        })
    }

    /// The head is read.
    pub(super) fn put(&mut self, stream: u32, status: u16, location: Option<Location>) {
        match location {
            Some(location) if is_redirect(status) => self.open.push((stream, location)),
            Some(location) => self.spare.push(location),
            None => {}
        }
    }

    fn take(&mut self, stream: u32) -> Option<Location> {
        let at = self.open.iter().position(|&(of, _)| of == stream)?;
        Some(self.open.swap_remove(at).1)
    }

    #[inline]
    fn forget(&mut self, stream: u32) {
        if !self.open.is_empty()
            && let Some(location) = self.take(stream)
        {
            self.spare.push(location);
        }
    }

    #[inline]
    fn complete(&mut self, stream: u32, status: u16) {
        self.is_last_redirect = self.keep && is_redirect(status);
        if self.is_last_redirect
            && let Some(location) = self.take(stream)
        {
            let before = std::mem::replace(&mut self.last, location);
            self.spare.push(before);
        }
    }

    pub(super) fn last(&self) -> Option<&Location> {
        self.is_last_redirect.then_some(&self.last)
    }
}
