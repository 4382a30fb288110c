//! The heads of requests.
//!
//! Owns the encoder and the heads that can be sent again: one that left the encoder as it was differs the next time
//! in its stream and its request id only. Knows nothing of streams.

use std::sync::Arc;

use z6_http::ID_BYTES;

use crate::frame::{self, FRAME_HEADER_BYTES, FrameKind, flag};
use crate::hpack::{Encoder, Fill, Part, push_literal};
use crate::limits::FRAME_BYTES_MAX;
use crate::output::FieldBytes;
use crate::template::{Fields, Sending};

/// Most templates whose heads are kept; heads of others are written field by field.
const KEPT_MAX: usize = 8;

/// The head of a template.
#[derive(Clone, Debug)]
struct Kept {
    /// Kept alive, so that its address stands for it.
    fields: Arc<Fields>,
    /// The encoder's, before and after the head.
    version: u64,
    /// Its frame, of any stream.
    frame: Vec<u8>,
    /// Where the request id is in the frame, if there is one.
    id_at: Option<u32>,
}

/// What the frames of a head are, apart from their block.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadFrame {
    pub(super) stream: u32,
    /// Without END_HEADERS.
    pub(super) flags: u8,
    /// The longest payload that the peer takes.
    pub(super) bytes_max: usize,
}

#[derive(Clone, Debug)]
pub(super) struct Heads {
    encoder: Encoder,
    kept: Vec<Kept>,
    /// Which set the templates sent so far are of.
    set: Option<u16>,
    /// Blocks that are too long for a frame.
    scratch: Vec<u8>,
}

impl Heads {
    pub(super) fn new(indexes: bool) -> Heads {
        let encoder = Encoder::new(indexes);
        Heads { encoder, kept: Vec::new(), set: None, scratch: Vec::new() }
    }

    /// For another connection; keeps the memory of heads, which are out of date by their version.
    pub(super) fn reset(&mut self) {
        self.encoder.reset();
        self.set = None;
    }

    pub(super) fn set_size_max(&mut self, size_max: usize) {
        self.encoder.set_size_max(size_max);
    }

    /// Blocks that were written will not be sent: the next one empties the table of the peer.
    pub(super) fn start_over(&mut self) {
        self.encoder.start_over();
    }

    /// Appends the head of a request; returns the bytes of its block.
    ///
    /// # Panics
    /// If it is of another set than those before.
    #[inline]
    pub(super) fn write(
        &mut self,
        fields: &Arc<Fields>,
        sending: &Sending<'_>,
        frame: HeadFrame,
        out: &mut Vec<u8>,
    ) -> usize {
        let version = self.encoder.version();
        let is_this = |kept: &&Kept| Arc::ptr_eq(&kept.fields, fields) && kept.version == version;
        let Some(kept) = self.kept.iter().find(is_this) else {
            return self.write_fields(fields, sending, frame, out);
        };
        let from = out.len();
        out.extend_from_slice(&kept.frame);
        let written = &mut out[from..];
        if let Some(at) = kept.id_at
            && let Some(id) = written.get_mut(at as usize..at as usize + ID_BYTES)
            && let Ok(id) = id.try_into()
        {
            sending.id.patch(id);
        }
        if let Some([.., flags, s0, s1, s2, s3]) = written.first_chunk_mut::<FRAME_HEADER_BYTES>() {
            *flags = frame.flags | flag::END_HEADERS;
            [*s0, *s1, *s2, *s3] = frame.stream.to_be_bytes();
        }
        written.len() - FRAME_HEADER_BYTES
    }

    #[inline(never)]
    fn write_fields(
        &mut self,
        fields: &Arc<Fields>,
        sending: &Sending<'_>,
        frame: HeadFrame,
        out: &mut Vec<u8>,
    ) -> usize {
        let set = *self.set.get_or_insert(fields.set);
        assert!(set == fields.set, "templates of one connection are of one set");
        let version = self.encoder.version();
        let id = sending.id.text();
        let fill = Fill { id: &id, values: sending.values };
        let from = begin_frame(frame, out);
        let id_at = self.encoder.write(&fields.parts, &fields.bytes, fill, out);
        let block_bytes = self.end_frame(frame, from, out);
        let is_same_again = fields.values == 0 && self.encoder.version() == version;
        if is_same_again && block_bytes <= FRAME_BYTES_MAX {
            self.keep(fields, &out[from..], id_at.map(|at| (at - from) as u32));
        }
        block_bytes
    }

    /// Appends a head of which every field is a literal; returns the bytes of its fields.
    pub(super) fn write_literals<'f>(
        &mut self,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
        frame: HeadFrame,
        out: &mut Vec<u8>,
    ) -> FieldBytes {
        let mut plain_bytes = 0;
        let from = begin_frame(frame, out);
        self.encoder.begin(out);
        for (name, value) in fields {
            plain_bytes += name.len() + value.len();
            push_literal(out, name, value);
        }
        let block_bytes = self.end_frame(frame, from, out);
        FieldBytes { plain: plain_bytes as u32, packed: block_bytes as u32 }
    }

    /// Behind the header of a frame at `from` stands a block: gives the frame its length, or makes several of it.
    /// Returns the bytes of the block.
    fn end_frame(&mut self, frame: HeadFrame, from: usize, out: &mut Vec<u8>) -> usize {
        let HeadFrame { stream, flags, bytes_max } = frame;
        let block_bytes = out.len() - from - FRAME_HEADER_BYTES;
        if block_bytes <= bytes_max {
            let [_, length @ ..] = (block_bytes as u32).to_be_bytes();
            out[from..from + length.len()].copy_from_slice(&length);
        } else {
            self.scratch.clear();
            self.scratch.extend_from_slice(&out[from + FRAME_HEADER_BYTES..]);
            out.truncate(from);
            frame::push_block(out, &self.scratch, bytes_max, stream, flags);
        }
        block_bytes
    }

    /// Keeps a head that has not changed the encoder.
    #[cold]
    fn keep(&mut self, fields: &Arc<Fields>, frame: &[u8], id_at: Option<u32>) {
        if fields.parts.iter().filter(|part| **part == Part::Id).count() > 1 {
            return;
        }
        let version = self.encoder.version();
        let known = self.kept.iter_mut().find(|kept| Arc::ptr_eq(&kept.fields, fields));
        if let Some(kept) = known {
            kept.frame.clear();
            kept.frame.extend_from_slice(frame);
            (kept.version, kept.id_at) = (version, id_at);
        } else if self.kept.len() < KEPT_MAX {
            let (fields, frame) = (Arc::clone(fields), frame.to_vec());
            self.kept.reserve_exact(1);
            self.kept.push(Kept { fields, version, frame, id_at });
        }
    }

    pub(super) fn invariants(&self) {
        self.encoder.invariants();
        assert!(self.kept.len() <= KEPT_MAX, "too many heads are kept");
    }
}

/// Appends the header of a frame whose length is not known; returns where it is.
fn begin_frame(frame: HeadFrame, out: &mut Vec<u8>) -> usize {
    let from = out.len();
    let HeadFrame { stream, flags, .. } = frame;
    frame::push_header(out, 0, FrameKind::HEADERS, flags | flag::END_HEADERS, stream);
    from
}

#[cfg(test)]
mod tests {
    use z6_http::{IdParts, RequestSpec};

    use super::*;
    use crate::template::{FieldSet, RequestTemplate};

    fn template(path: &str, set: &mut FieldSet) -> RequestTemplate {
        let mut spec = RequestSpec::new("GET", "h", 80, path);
        spec.request_id_header = Some("Z6-Id");
        RequestTemplate::encode(&spec, set).unwrap()
    }

    /// Whatever changes the encoder in between, and with more templates than are kept.
    #[test]
    fn kept_blocks_are_those_that_an_encoder_writes() {
        let mut set = FieldSet::new(0);
        let paths = ["/a", "/b", "/c", "/d", "/e", "/f", "/g", "/h", "/i", "/j"];
        let templates = paths.map(|path| template(path, &mut set));
        let (mut heads, mut encoder) = (Heads::new(true), Encoder::new(true));
        let mut sent = 0;
        for round in 0..8 {
            match round {
                3 => {
                    heads.set_size_max(200);
                    encoder.set_size_max(200);
                }
                5 => {
                    heads.reset();
                    encoder = Encoder::new(true);
                }
                _ => {}
            }
            // In the first rounds a few only, so that later ones change the table under kept blocks.
            for template in &templates[..if round < 2 { 3 } else { paths.len() }] {
                sent += 1;
                let id = IdParts { population: 1, actor: sent, step: 2 * sent, exchange: 3 };
                let sending = Sending { id, ..Sending::default() };
                let (mut out, mut expected) = (b"before".to_vec(), b"before".to_vec());
                let stream = 2 * sent as u32 + 1;
                let flags = if sent.is_multiple_of(2) { flag::END_STREAM } else { 0 };
                let frame = HeadFrame { stream, flags, bytes_max: FRAME_BYTES_MAX };
                let block_bytes = heads.write(&template.fields, &sending, frame, &mut out);
                let text = id.text();
                let fill = Fill { id: &text, values: &[] };
                let fields = &template.fields;
                let mut block = Vec::new();
                encoder.write(&fields.parts, &fields.bytes, fill, &mut block);
                assert_eq!(block_bytes, block.len());
                frame::push_block(&mut expected, &block, FRAME_BYTES_MAX, stream, flags);
                assert_eq!(out, expected, "round {round}, request {sent}");
            }
        }
        assert_eq!(heads.kept.len(), KEPT_MAX);
    }
}
