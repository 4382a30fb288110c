//! Decoding a response of which something is kept. Knows nothing of heads beyond where they end.

use super::{DecoderState, ResponseDecoder, note_location};
use crate::error::ProtocolError;
use crate::kept::{Keep, Kept, KeptResponse};

impl ResponseDecoder {
    /// Sets what is kept of responses, from the next one on. Nothing by default: bodies are only counted
    /// then.
    pub fn keep(&mut self, keep: Keep) {
        if keep.is_any() {
            self.kept.get_or_insert_with(|| Box::new(Kept::new())).set(keep);
        } else if let Some(kept) = &mut self.kept {
            kept.set(keep);
        }
        self.wants_head = self.wants_location || keep.is_any();
    }

    pub(super) fn keeps(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.keep().is_any())
    }

    /// What is kept of the complete response; none if nothing is. `input` is what the last
    /// [`ResponseDecoder::decode`] was given.
    pub fn kept<'a>(&'a self, input: &'a [u8]) -> Option<KeptResponse<'a>> {
        let kept = self.kept.as_ref().filter(|kept| kept.keep().is_any())?;
        self.is_complete().then(|| kept.response(input))
    }

    /// Exchanges the memory for bodies that are kept for other, so that many decoders share some of it.
    /// Of a body that is in it nothing is kept.
    pub fn lend(&mut self, memory: Vec<u8>) -> Vec<u8> {
        match &mut self.kept {
            Some(kept) => kept.lend(memory),
            None => memory,
        }
    }

    /// Memory that holds the body that is being kept, bytes.
    pub fn kept_bytes(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.bytes())
    }

    /// Keeps nothing of the body of this response, and gives its memory back.
    pub fn give_up_body(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.give_up_body();
        }
    }

    /// Something is wanted of a whole head, which was at the start of `rest`, and that at `at` of the input.
    #[cold]
    pub(super) fn note_head(&mut self, rest: &[u8], at: usize, head_bytes: usize) {
        let Some(status) = self.status() else { return };
        let text = &rest[..head_bytes];
        if self.wants_location
            && let Some(location) = &mut self.location
        {
            note_location(location, status, text);
        }
        let Some(kept) = self.kept.as_mut().filter(|kept| kept.keep().is_any()) else { return };
        let body_at = at + head_bytes;
        let whole = match self.state {
            DecoderState::Nothing => Some(0),
            DecoderState::Body { remaining } => usize::try_from(remaining)
                .ok()
                .filter(|remaining| *remaining <= rest.len() - head_bytes),
            _ => None,
        };
        match whole {
            Some(bytes) => {
                kept.head_in_input(at..body_at);
                kept.body_in_input(body_at..body_at + bytes);
            }
            None => {
                kept.copy_head(text);
                self.keep_body();
            }
        }
    }

    /// The final head is read, and what follows it comes in pieces: has it kept, unless it is known to be
    /// too large.
    #[cold]
    pub(super) fn keep_body(&mut self) {
        let Some(kept) = &mut self.kept else { return };
        self.state = match self.state {
            DecoderState::Body { remaining } if kept.expect_body(remaining) => {
                DecoderState::KeptBody { remaining }
            }
            DecoderState::Chunks => DecoderState::KeptChunks,
            DecoderState::Close => DecoderState::KeptClose,
            other => other,
        };
    }

    /// Takes bytes of a body that is kept, up to its end.
    #[cold]
    pub(super) fn kept_piece(&mut self, rest: &[u8]) -> Result<usize, ProtocolError> {
        let Some(mut kept) = self.kept.take() else { return Ok(rest.len()) };
        let taken = match self.state {
            DecoderState::KeptBody { remaining } => {
                let taken = self.body(rest, remaining);
                if let DecoderState::Body { remaining } = self.state {
                    self.state = DecoderState::KeptBody { remaining };
                }
                kept.push_body(&rest[..taken]);
                Ok(taken)
            }
            DecoderState::KeptChunks => self.kept_chunks(rest, &mut kept),
            _ => {
                self.plain_body_bytes += rest.len() as u64;
                kept.push_body(rest);
                Ok(rest.len())
            }
        };
        self.kept = Some(kept);
        taken
    }

    /// Chunk by chunk; the bytes between data one by one, so that trailers are told from them.
    fn kept_chunks(&mut self, rest: &[u8], kept: &mut Kept) -> Result<usize, ProtocolError> {
        let mut at = 0;
        let chunked = &mut self.scans.get_or_insert_default().chunked;
        while at < rest.len() && !chunked.is_done() {
            let is_trailer = chunked.is_in_trailers();
            let is_run = is_trailer || chunked.is_in_data();
            let piece = if is_run { &rest[at..] } else { &rest[at..=at] };
            let read = match chunked.piece(piece, &self.limits) {
                Ok(read) => read,
                Err(fault) => {
                    let offset = self.position + (at + fault.at) as u64;
                    return Err(self.fail(fault.kind, offset));
                }
            };
            let taken = &piece[..read.taken];
            if is_trailer {
                kept.push_trailers(taken);
            } else {
                kept.push_body(&taken[taken.len() - read.data_bytes..]);
            }
            at += read.taken;
        }
        if chunked.is_done() {
            self.state = DecoderState::Nothing;
        }
        Ok(at)
    }

    /// Nothing of the last response is needed any more.
    #[cold]
    pub(super) fn forget_kept(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.clear();
        }
    }
}
