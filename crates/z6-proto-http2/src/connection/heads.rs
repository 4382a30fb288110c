//! The header blocks of requests.
//!
//! Owns the encoder and the blocks that can be sent again: one that left the encoder as it was differs the next time
//! in its request id only. Knows nothing of frames.

use std::sync::Arc;

use z6_http::ID_BYTES;

use crate::hpack::{Encoder, Fill, Part};
use crate::template::{Fields, Sending};

/// Most templates whose blocks are kept; blocks of others are written field by field.
const KEPT_MAX: usize = 8;

/// The block of a template.
#[derive(Clone, Debug)]
struct Kept {
    /// Kept alive, so that its address stands for it.
    fields: Arc<Fields>,
    /// The encoder's, before and after the block.
    version: u64,
    block: Vec<u8>,
    /// Where the request id is in the block.
    id_at: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Heads {
    encoder: Encoder,
    kept: Vec<Kept>,
}

impl Heads {
    pub(super) fn new(indexes: bool) -> Heads {
        Heads { encoder: Encoder::new(indexes), kept: Vec::new() }
    }

    /// For another connection; keeps the memory of blocks, which are out of date by their version.
    pub(super) fn reset(&mut self) {
        self.encoder.reset();
    }

    pub(super) fn set_size_max(&mut self, size_max: usize) {
        self.encoder.set_size_max(size_max);
    }

    /// Blocks that were written will not be sent: the next one empties the table of the peer.
    pub(super) fn start_over(&mut self) {
        self.encoder.start_over();
    }

    /// What a block has to begin with that is not written by [`Heads::write`].
    pub(super) fn begin(&mut self, out: &mut Vec<u8>) {
        self.encoder.begin(out);
    }

    /// Appends the block of a request.
    #[inline]
    pub(super) fn write(&mut self, fields: &Arc<Fields>, sending: &Sending<'_>, out: &mut Vec<u8>) {
        let is_this = |kept: &&Kept| Arc::ptr_eq(&kept.fields, fields);
        match self.kept.iter().find(is_this) {
            Some(kept) if kept.version == self.encoder.version() => {
                let from = out.len();
                out.extend_from_slice(&kept.block);
                let id = kept.id_at.and_then(|at| out.get_mut(from + at..));
                if let Some(id) = id.and_then(|rest| rest.first_chunk_mut::<ID_BYTES>()) {
                    sending.id.patch(id);
                }
            }
            Some(_) | None => self.write_fields(fields, sending, out),
        }
    }

    #[inline(never)]
    fn write_fields(&mut self, fields: &Arc<Fields>, sending: &Sending<'_>, out: &mut Vec<u8>) {
        let (from, version) = (out.len(), self.encoder.version());
        let id = sending.id.text();
        let fill = Fill { id: &id, values: sending.values };
        let id_at = self.encoder.write(&fields.parts, &fields.bytes, fill, out);
        if fields.values == 0 && self.encoder.version() == version {
            self.keep(fields, &out[from..], id_at.map(|at| at - from));
        }
    }

    /// Keeps a block that has not changed the encoder.
    #[cold]
    fn keep(&mut self, fields: &Arc<Fields>, block: &[u8], id_at: Option<usize>) {
        if fields.parts.iter().filter(|part| **part == Part::Id).count() > 1 {
            return;
        }
        let version = self.encoder.version();
        let known = self.kept.iter_mut().find(|kept| Arc::ptr_eq(&kept.fields, fields));
        if let Some(kept) = known {
            kept.block.clear();
            kept.block.extend_from_slice(block);
            (kept.version, kept.id_at) = (version, id_at);
        } else if self.kept.len() < KEPT_MAX {
            let (fields, block) = (Arc::clone(fields), block.to_vec());
            self.kept.push(Kept { fields, version, block, id_at });
        }
    }

    pub(super) fn invariants(&self) {
        self.encoder.invariants();
        assert!(self.kept.len() <= KEPT_MAX, "too many blocks are kept");
    }
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
                heads.write(&template.fields, &sending, &mut out);
                let text = id.text();
                let fill = Fill { id: &text, values: &[] };
                let fields = &template.fields;
                encoder.write(&fields.parts, &fields.bytes, fill, &mut expected);
                assert_eq!(out, expected, "round {round}, request {sent}");
            }
        }
        assert_eq!(heads.kept.len(), KEPT_MAX);
    }
}
