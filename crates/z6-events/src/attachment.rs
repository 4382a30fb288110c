//! Attachments: the files that a scenario names, copied into the log so that it needs no other file.
//! Reads and checks them in pieces; keeps no content.

use sha2::{Digest as _, Sha256};

use crate::error::LogError;
use crate::header::within;
use crate::limits::{MAX_ATTACHMENT_NAME_BYTES, MAX_ATTACHMENTS};
use crate::wire::{Fields, put_text};

/// A file that the scenario names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name in the scenario.
    pub name: String,
    /// Length of the file, bytes.
    pub length: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Whether the log holds the content; beyond `max_attachment_bytes` it does not.
    pub stored: bool,
}

impl Attachment {
    /// Describes a file by its content.
    #[must_use]
    pub fn from_content(name: &str, content: &[u8], stored: bool) -> Attachment {
        Attachment {
            name: name.to_owned(),
            length: content.len() as u64,
            sha256: Sha256::digest(content).into(),
            stored,
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> Result<(), LogError> {
        within(self.name.len(), MAX_ATTACHMENT_NAME_BYTES)?;
        put_text(out, &self.name);
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.sha256);
        out.push(u8::from(self.stored));
        Ok(())
    }

    fn decode(payload: &[u8]) -> Option<Attachment> {
        let mut fields = Fields::new(payload);
        let attachment = Attachment {
            name: fields.text()?,
            length: fields.u64()?,
            sha256: fields.bytes32()?,
            stored: match fields.u8()? {
                0 => false,
                1 => true,
                _ => return None,
            },
        };
        let fits = attachment.name.len() <= MAX_ATTACHMENT_NAME_BYTES;
        (fits && fields.is_empty()).then_some(attachment)
    }
}

/// Checks attachments as their blocks arrive.
#[derive(Debug, Default)]
pub(crate) struct AttachmentReader {
    pub(crate) found: Vec<Attachment>,
    /// Of the last one: bytes that are still missing, and the digest of those that arrived.
    open: Option<(u64, Sha256)>,
}

impl AttachmentReader {
    /// Takes a [`BlockKind::Attachment`](crate::BlockKind::Attachment); `None` if it is invalid.
    pub(crate) fn begin(&mut self, payload: &[u8]) -> Option<()> {
        if self.open.is_some() || self.found.len() >= MAX_ATTACHMENTS {
            return None;
        }
        let attachment = Attachment::decode(payload)?;
        self.open = attachment.stored.then(|| (attachment.length, Sha256::new()));
        self.found.push(attachment);
        self.close_if_complete()
    }

    /// Takes a [`BlockKind::AttachmentData`](crate::BlockKind::AttachmentData); returns the
    /// attachment the bytes belong to.
    pub(crate) fn data(&mut self, payload: &[u8]) -> Option<&Attachment> {
        let (left, hash) = self.open.as_mut()?;
        if payload.is_empty() {
            return None;
        }
        *left = left.checked_sub(payload.len() as u64)?;
        hash.update(payload);
        self.close_if_complete()?;
        self.found.last()
    }

    /// Whether bytes of an attachment are still missing.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    fn close_if_complete(&mut self) -> Option<()> {
        if !matches!(self.open, Some((0, _))) {
            return Some(());
        }
        let (_, hash) = self.open.take()?;
        let digest: [u8; 32] = hash.finalize().into();
        (self.found.last()?.sha256 == digest).then_some(())
    }
}
