//! What is to be written: frames in their order, and how far they are written.
//!
//! Owns the bytes of all frames except the content of DATA, which stays where the caller has it. Knows nothing of
//! what frames mean.

use std::collections::VecDeque;

use crate::frame::FRAME_HEADER_BYTES;
use crate::limits::FRAME_BYTES_MAX;
use crate::observe::Tag;

/// Most slices of one write.
pub const SLICES_MAX: usize = 64;

/// Written bytes are cut off the front of the buffer beyond this many.
const WRITTEN_BYTES_KEPT: usize = 16 * 1024;

/// What is sent in place of the content of a frame whose stream the peer has ended while the frame was being written.
static FILLER: [u8; FRAME_BYTES_MAX] = [0; FRAME_BYTES_MAX];

/// Where the content of requests is.
pub trait Bodies {
    /// The body of the request of this exchange, which is open. It is the same at every call, and as long as was
    /// said when the exchange was started.
    fn body(&self, tag: Tag) -> &[u8];
}

/// No request has a body.
impl Bodies for () {
    fn body(&self, _: Tag) -> &[u8] {
        &[]
    }
}

/// Bytes to write, in order.
#[derive(Debug)]
pub struct Slices<'a> {
    slices: [&'a [u8]; SLICES_MAX],
    len: usize,
}

impl Default for Slices<'_> {
    fn default() -> Self {
        Slices { slices: [&[]; SLICES_MAX], len: 0 }
    }
}

impl<'a> Slices<'a> {
    /// No slices.
    pub fn new() -> Slices<'a> {
        Slices::default()
    }

    /// The slices; none is empty.
    pub fn as_slice(&self) -> &[&'a [u8]] {
        &self.slices[..self.len]
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        self.as_slice().iter().map(|slice| slice.len()).sum()
    }

    /// `false` if there is no room.
    fn push(&mut self, slice: &'a [u8]) -> bool {
        if slice.is_empty() {
            return true;
        }
        let Some(free) = self.slices.get_mut(self.len) else { return false };
        *free = slice;
        self.len += 1;
        true
    }
}

/// A frame or several, in the order they are written in.
#[derive(Clone, Copy, Debug)]
enum Chunk {
    /// Frames in the buffer.
    Own { bytes: usize },
    /// An acknowledgement in the buffer.
    Ack { bytes: usize },
    /// The frames of a request's head in the buffer.
    Head { bytes: usize, stream: u32, tag: Tag, wire_bytes: usize, fields: FieldBytes },
    /// A DATA frame.
    Data(Data),
}

#[derive(Clone, Copy, Debug)]
struct Data {
    header: [u8; FRAME_HEADER_BYTES],
    stream: u32,
    tag: Tag,
    /// Where its content is in the body.
    from: usize,
    bytes: usize,
    /// Where the content is.
    content: Content,
}

/// The fields of a head, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldBytes {
    /// Of names and values.
    pub(crate) plain: u32,
    /// Of the block.
    pub(crate) packed: u32,
}

/// What [`Output::forget`] has taken out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Forgotten {
    /// Whole frames of DATA.
    pub(crate) frames: u64,
    /// Their content, bytes.
    pub(crate) bytes: usize,
    /// Content that will not have been written, bytes.
    pub(crate) unsent_bytes: usize,
}

/// Where the content of a DATA frame is.
#[derive(Clone, Copy, Debug)]
enum Content {
    /// The caller has it.
    Body,
    /// The stream was cancelled: it is kept here.
    Kept,
    /// The stream has ended: it is not there any more.
    Gone,
}

impl Chunk {
    fn len(&self) -> usize {
        match self {
            Chunk::Own { bytes } | Chunk::Ack { bytes } | Chunk::Head { bytes, .. } => *bytes,
            Chunk::Data(data) => FRAME_HEADER_BYTES + data.bytes,
        }
    }
}

/// The queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output {
    buffer: Vec<u8>,
    /// Bytes of the buffer that are written.
    buffer_at: usize,
    chunks: VecDeque<Chunk>,
    /// Bytes of the first chunk that are written.
    front_at: usize,
    /// Bytes of all chunks that are not written.
    unwritten: usize,
    /// Content of DATA in the queue, bytes.
    data: usize,
    acks: u32,
    /// The highest stream of which a byte was written.
    stream_written: u32,
    /// The content of the first frame if its stream was cancelled while it was being written.
    kept: Vec<u8>,
}

impl Output {
    pub(crate) fn clear(&mut self) {
        let (mut buffer, mut chunks) =
            (std::mem::take(&mut self.buffer), std::mem::take(&mut self.chunks));
        buffer.clear();
        chunks.clear();
        *self = Output { buffer, chunks, ..Output::default() };
    }

    pub(crate) fn unwritten(&self) -> usize {
        self.unwritten
    }

    /// Content of DATA frames that wait, bytes.
    pub(crate) fn data_waiting(&self) -> usize {
        self.data
    }

    /// Acknowledgements that wait.
    pub(crate) fn acks_waiting(&self) -> u32 {
        self.acks
    }

    /// The highest stream that the peer may have heard of.
    pub(crate) fn stream_written(&self) -> u32 {
        self.stream_written
    }

    /// Queues frames that `write` appends.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let bytes = self.append(write);
        if let Some(Chunk::Own { bytes: before }) = self.chunks.back_mut() {
            *before += bytes;
        } else {
            self.chunks.push_back(Chunk::Own { bytes });
        }
    }

    /// Queues an acknowledgement.
    pub(crate) fn push_ack(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let bytes = self.append(write);
        self.acks += 1;
        self.chunks.push_back(Chunk::Ack { bytes });
    }

    /// Queues a request's head, of whose fields `write` tells the bytes; returns the bytes of its frames, and those.
    /// `body_bytes`: what its DATA frames are expected to take.
    #[inline]
    pub(crate) fn push_head(
        &mut self,
        stream: u32,
        tag: Tag,
        body_bytes: usize,
        write: impl FnOnce(&mut Vec<u8>) -> FieldBytes,
    ) -> (usize, FieldBytes) {
        let mut fields = FieldBytes::default();
        let bytes = self.append(|out| fields = write(out));
        let wire_bytes = bytes + body_bytes;
        self.chunks.push_back(Chunk::Head { bytes, stream, tag, wire_bytes, fields });
        (bytes, fields)
    }

    #[inline]
    fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let before = self.buffer.len();
        write(&mut self.buffer);
        let bytes = self.buffer.len() - before;
        self.unwritten += bytes;
        bytes
    }

    /// Queues a DATA frame of `bytes` bytes of a body from `from` on.
    pub(crate) fn push_data(
        &mut self,
        header: [u8; FRAME_HEADER_BYTES],
        stream: u32,
        tag: Tag,
        from: usize,
        bytes: usize,
    ) {
        let content = Content::Body;
        self.chunks.push_back(Chunk::Data(Data { header, stream, tag, from, bytes, content }));
        self.unwritten += FRAME_HEADER_BYTES + bytes;
        self.data += bytes;
    }

    /// Takes the newest head of a request out of the queue, if none of it is written. Returns its stream, and the
    /// bytes of its fields.
    pub(crate) fn withdraw_head(&mut self) -> Option<(u32, FieldBytes)> {
        let is_head = |chunk: &Chunk| matches!(chunk, Chunk::Head { .. });
        let last = self.chunks.iter().rposition(is_head)?;
        let Chunk::Head { bytes, stream, fields, .. } = self.chunks[last] else { return None };
        if last == 0 && self.front_at > 0 {
            return None;
        }
        let is_own = |chunk: &&Chunk| !matches!(chunk, Chunk::Data(_));
        let before: usize =
            self.chunks.iter().take(last).filter(is_own).map(|chunk| chunk.len()).sum();
        let written = self.chunks.front().filter(is_own).map_or(0, |_| self.front_at);
        let from = self.buffer_at + before - written;
        self.buffer.drain(from..from + bytes);
        self.chunks.remove(last);
        self.unwritten -= bytes;
        Some((stream, fields))
    }

    /// A stream has ended: takes its DATA out of the queue, and what is said when its head is written. `body`: that of
    /// the request if the peer may still look at it. Of a frame that is being written, the rest goes out.
    pub(crate) fn forget(&mut self, stream: u32, body: Option<&[u8]>) -> Forgotten {
        let mut forgotten = Forgotten::default();
        let (mut is_first, front_at) = (true, self.front_at);
        let unwritten = &mut self.unwritten;
        let data_waiting = &mut self.data;
        let kept = &mut self.kept;
        self.chunks.retain_mut(|chunk| {
            let is_front = std::mem::replace(&mut is_first, false);
            match chunk {
                Chunk::Head { stream: of, bytes, .. } if *of == stream => {
                    *chunk = Chunk::Own { bytes: *bytes };
                    true
                }
                Chunk::Data(data) if data.stream == stream && is_front && front_at > 0 => {
                    data.content = Content::Gone;
                    if let Some(content) =
                        body.and_then(|body| body.get(data.from..data.from + data.bytes))
                    {
                        kept.clear();
                        kept.extend_from_slice(content);
                        data.content = Content::Kept;
                    }
                    forgotten.unsent_bytes +=
                        data.bytes - front_at.saturating_sub(FRAME_HEADER_BYTES);
                    true
                }
                Chunk::Data(data) if data.stream == stream => {
                    forgotten.frames += 1;
                    forgotten.bytes += data.bytes;
                    forgotten.unsent_bytes += data.bytes;
                    *unwritten -= FRAME_HEADER_BYTES + data.bytes;
                    *data_waiting -= data.bytes;
                    false
                }
                Chunk::Own { .. } | Chunk::Ack { .. } | Chunk::Head { .. } | Chunk::Data(_) => true,
            }
        });
        forgotten
    }

    /// All bytes that are not written, if they are in one place: no content waits.
    #[inline]
    pub(crate) fn in_one_place(&self) -> Option<&[u8]> {
        (self.data == 0).then(|| self.buffer.get(self.buffer_at..)).flatten()
    }

    /// The first bytes that are not written, as slices; returns how many.
    pub(crate) fn slices<'a>(&'a self, bodies: &'a impl Bodies, slices: &mut Slices<'a>) -> usize {
        slices.len = 0;
        let mut skipped = self.front_at;
        // Frames in the buffer are one slice as long as no content comes between.
        let (mut own_from, mut own_to) = (self.buffer_at, self.buffer_at);
        for chunk in &self.chunks {
            let Chunk::Data(data) = chunk else {
                own_to += chunk.len() - skipped;
                skipped = 0;
                continue;
            };
            let header = &data.header[skipped.min(FRAME_HEADER_BYTES)..];
            let from = skipped.saturating_sub(FRAME_HEADER_BYTES);
            skipped = 0;
            let content = match data.content {
                Content::Body => &bodies.body(data.tag)[data.from + from..data.from + data.bytes],
                Content::Kept => &self.kept[from..data.bytes],
                Content::Gone => &FILLER[from..data.bytes],
            };
            if !slices.push(&self.buffer[own_from..own_to])
                || !slices.push(header)
                || !slices.push(content)
            {
                return slices.bytes();
            }
            own_from = own_to;
        }
        slices.push(&self.buffer[own_from..own_to]);
        slices.bytes()
    }

    /// `bytes` more were written. `first` is called for each request whose first byte was among them, with the bytes
    /// of its frames.
    ///
    /// # Panics
    /// If that is more than there is.
    #[inline]
    pub(crate) fn wrote(&mut self, bytes: usize, mut first: impl FnMut(Tag, usize)) {
        assert!(bytes <= self.unwritten, "no more is written than there is");
        self.unwritten -= bytes;
        let mut left = bytes;
        while left > 0 {
            match self.chunks.front() {
                // Most are whole heads.
                Some(&Chunk::Head { bytes, stream, tag, wire_bytes, .. })
                    if self.front_at == 0 && bytes <= left =>
                {
                    self.chunks.pop_front();
                    self.stream_written = stream;
                    self.buffer_at += bytes;
                    left -= bytes;
                    first(tag, wire_bytes);
                }
                Some(_) => left -= self.wrote_of_front(left, &mut first),
                None => break,
            }
        }
        if self.buffer_at == self.buffer.len() {
            self.buffer.clear();
            self.buffer_at = 0;
        } else if self.buffer_at > WRITTEN_BYTES_KEPT {
            self.buffer.drain(..self.buffer_at);
            self.buffer_at = 0;
        }
    }

    /// Up to `bytes` bytes of the first chunk were written; returns how many.
    #[inline(never)]
    fn wrote_of_front(&mut self, bytes: usize, first: &mut impl FnMut(Tag, usize)) -> usize {
        let Some(chunk) = self.chunks.front() else { return 0 };
        if self.front_at == 0
            && let Chunk::Head { stream, tag, wire_bytes, .. } = *chunk
        {
            self.stream_written = stream;
            first(tag, wire_bytes);
        }
        let length = chunk.len();
        let taken = bytes.min(length - self.front_at);
        self.front_at += taken;
        match chunk {
            Chunk::Data(data) if self.front_at == length => self.data -= data.bytes,
            Chunk::Data(_) => {}
            Chunk::Ack { .. } if self.front_at == length => {
                self.acks -= 1;
                self.buffer_at += taken;
            }
            Chunk::Own { .. } | Chunk::Ack { .. } | Chunk::Head { .. } => {
                self.buffer_at += taken;
            }
        }
        if self.front_at == length {
            self.chunks.pop_front();
            self.front_at = 0;
        }
        taken
    }

    /// What holds between any two calls.
    pub(crate) fn invariants(&self) {
        let total: usize = self.chunks.iter().map(Chunk::len).sum();
        assert_eq!(total, self.unwritten + self.front_at, "bytes to write went astray");
        let has_data = self.chunks.iter().any(|chunk| matches!(chunk, Chunk::Data(_)));
        assert_eq!(has_data, self.data > 0, "content to write went astray");
        if let Some(bytes) = self.in_one_place() {
            assert_eq!(bytes.len(), self.unwritten, "bytes to write are elsewhere");
        }
        let own = |chunk: &Chunk| if matches!(chunk, Chunk::Data(_)) { 0 } else { chunk.len() };
        let owned: usize = self.chunks.iter().map(own).sum();
        let written = match self.chunks.front() {
            Some(Chunk::Data(_)) | None => 0,
            Some(_) => self.front_at,
        };
        assert_eq!(owned, self.buffer.len() - self.buffer_at + written, "the buffer went astray");
        let is_ack = |chunk: &&Chunk| matches!(chunk, Chunk::Ack { .. });
        assert_eq!(self.chunks.iter().filter(is_ack).count(), self.acks as usize);
    }
}
