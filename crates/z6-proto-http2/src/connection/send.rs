//! Requests to frames: heads at once, bodies as windows allow.

use super::Started;
use super::heads::{HeadFrame, Heads};
use super::state::{Core, State};
use crate::flow::ReceiveWindow;
use crate::flow::SendWindow;
use crate::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, flag};
use crate::limits::FRAME_BYTES_MAX;
use crate::observe::Tag;
use crate::output::FieldBytes;
use crate::streams::{LENGTH_UNKNOWN, Stream, is};
use crate::template::{RequestTemplate, Sending};

/// Content is put into frames until this much waits to be written, bytes. What waits is ahead of acknowledgements and
/// of new requests.
const DATA_AHEAD_BYTES: usize = 64 * 1024;

/// What a new stream is, apart from its fields.
struct Opening {
    tag: Tag,
    body_bytes: usize,
    is_head_method: bool,
}

impl Core {
    #[inline]
    pub(super) fn start(
        &mut self,
        request: &RequestTemplate,
        tag: Tag,
        sending: &Sending<'_>,
    ) -> Started {
        let body_bytes = sending.body_bytes.unwrap_or(request.body().len());
        let is_head_method = request.is_head_method();
        let values: usize = sending.values.iter().map(|value| value.len()).sum();
        let plain_bytes = request.fields.plain_bytes + values;
        let opening = Opening { tag, body_bytes, is_head_method };
        self.open_stream(&opening, |heads, frame, out| {
            let packed = heads.write(&request.fields, sending, frame, out) as u32;
            FieldBytes { plain: plain_bytes as u32, packed }
        })
    }

    pub(super) fn start_fields<'f>(
        &mut self,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
        body_bytes: usize,
        is_head_method: bool,
        tag: Tag,
    ) -> Started {
        let opening = Opening { tag, body_bytes, is_head_method };
        self.open_stream(&opening, |heads, frame, out| heads.write_literals(fields, frame, out))
    }

    /// Opens a stream whose head `write` appends; it returns the bytes of the fields.
    #[inline]
    fn open_stream(
        &mut self,
        opening: &Opening,
        write: impl FnOnce(&mut Heads, HeadFrame, &mut Vec<u8>) -> FieldBytes,
    ) -> Started {
        assert!(self.can_start(), "no stream can be opened");
        let &Opening { tag, body_bytes, is_head_method } = opening;
        let Ok(request_bytes) = u32::try_from(body_bytes) else {
            panic!("a body is shorter than 4 GiB");
        };
        let id = self.next_id;
        self.next_id += 2;
        let flags = if body_bytes == 0 { flag::END_STREAM } else { 0 };
        let frame = HeadFrame { stream: id, flags, bytes_max: self.peer.frame_bytes_max };
        let heads = &mut self.heads;
        let data_bytes = body_bytes + FRAME_HEADER_BYTES * body_bytes.div_ceil(FRAME_BYTES_MAX);
        let write = |out: &mut Vec<u8>| write(heads, frame, out);
        let (head_bytes, fields) = self.output.push_head(id, tag, data_bytes, write);
        self.counters.frames_out += 1;
        self.counters.header_bytes_plain_out += u64::from(fields.plain);
        self.counters.header_bytes_packed_out += u64::from(fields.packed);
        let slot = self.streams.insert(Stream {
            id,
            tag,
            receive: ReceiveWindow::new(self.config.stream_window_bytes),
            send: SendWindow::new(self.peer.initial_window),
            frames_before: self.counters.frames_in as u32,
            status: 0,
            interim: 0,
            tiny_frames: 0,
            flags: if is_head_method { is::HEAD } else { 0 },
            content_length: LENGTH_UNKNOWN,
            body_bytes: 0,
            bytes_received: 0,
            request_bytes,
            request_at: 0,
        });
        if request_bytes > 0 {
            self.bodies_left += 1;
            self.queue(slot);
            self.schedule();
        }
        Started { stream: id, wire_bytes: head_bytes + data_bytes }
    }

    /// Lets a stream take part in sending, if it has something to send and a window for it.
    pub(super) fn queue(&mut self, slot: u32) {
        let stream = self.streams.at(slot);
        let can_send = stream.request_left() > 0 && stream.send.left() > 0;
        if can_send && !stream.has(is::QUEUED) {
            stream.flags |= is::QUEUED;
            self.sending.push_back(slot);
        }
    }

    /// Makes DATA frames, one of each stream in turn, as long as windows allow and not too much waits.
    #[inline]
    pub(super) fn schedule(&mut self) {
        if self.bodies_left > 0 && self.state == State::Open {
            self.schedule_data();
        }
    }

    fn schedule_data(&mut self) {
        while self.output.data_waiting() < DATA_AHEAD_BYTES && self.send.left() > 0 {
            let Some(slot) = self.sending.pop_front() else { break };
            self.streams.at(slot).flags &= !is::QUEUED;
            self.send_data(slot);
            self.queue(slot);
        }
        let is_stalled = self.is_stalled();
        if is_stalled && !self.was_stalled {
            self.counters.window_stalls += 1;
        }
        self.was_stalled = is_stalled;
    }

    /// Bodies wait, and no window allows any of them to go on.
    pub(super) fn is_stalled(&self) -> bool {
        self.bodies_left > 0 && (self.sending.is_empty() || self.send.left() == 0)
    }

    /// Makes one DATA frame.
    fn send_data(&mut self, slot: u32) {
        let stream = self.streams.at(slot);
        let left = stream.request_left();
        let bytes = left.min(stream.send.left()).min(self.send.left()).min(FRAME_BYTES_MAX);
        if bytes == 0 {
            return;
        }
        let (id, tag, from) = (stream.id, stream.tag, stream.request_at as usize);
        let flags = if bytes == left { flag::END_STREAM } else { 0 };
        stream.request_at += bytes as u32;
        stream.send.take(bytes);
        self.send.take(bytes);
        let header = FrameHeader { length: bytes as u32, kind: FrameKind::DATA, flags, stream: id };
        self.output.push_data(header.bytes(), id, tag, from, bytes);
        self.counters.frames_out += 1;
        self.control_frames = 0;
        self.was_stalled = false;
        if bytes == left {
            self.bodies_left -= 1;
        }
    }
}
