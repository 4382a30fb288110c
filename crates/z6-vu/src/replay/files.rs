//! The files that a scenario names, as a log holds them. Knows nothing of events.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use z6_events::{Attachment, LogReader};
use z6_scenario::{DataTable, Files, PROJECTION_PREFIX, is_cut_projection, projected_table};

use super::ReplayError;

/// Bytes of attached files that are kept; no run stores more (`max_attachment_bytes`, hard maximum).
const MAX_BYTES: u64 = 1 << 34;

/// Attached files by name.
#[derive(Debug, Default)]
pub(super) struct AttachedFiles {
    stored: BTreeMap<String, Vec<u8>>,
    /// Lengths of files that were too large for the log: all that replay needs of them.
    lengths: BTreeMap<String, u64>,
    bytes: u64,
}

impl AttachedFiles {
    /// Opens a log and takes its attachments out.
    pub(super) fn open<R: Read>(log: R) -> Result<(LogReader<R>, AttachedFiles), ReplayError> {
        let mut files = AttachedFiles::default();
        let reader = LogReader::with_attachments(log, &mut |attachment, piece| {
            files.take(attachment, piece);
        })?;
        if files.bytes > MAX_BYTES {
            return Err(ReplayError::Attachments { bytes: files.bytes, limit: MAX_BYTES });
        }
        for attachment in reader.attachments().iter().filter(|attachment| !attachment.stored) {
            files.lengths.insert(attachment.name.clone(), attachment.length);
        }
        Ok((reader, files))
    }

    fn take(&mut self, attachment: &Attachment, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        if self.bytes <= MAX_BYTES {
            self.stored.entry(attachment.name.clone()).or_default().extend_from_slice(piece);
        }
    }

    /// The content of a stored file; an empty one has no pieces.
    pub(super) fn content(&self, name: &str) -> &[u8] {
        self.stored.get(name).map_or(&[][..], Vec::as_slice)
    }

    /// Whether every file is here with its content.
    pub(super) fn is_complete(&self) -> bool {
        let is_cut = |(name, content): (&String, &Vec<u8>)| {
            name.starts_with(PROJECTION_PREFIX) && is_cut_projection(content)
        };
        self.lengths.is_empty() && !self.stored.iter().any(is_cut)
    }
}

/// What the scenario is loaded from: content if there is any, zeros of the right length where
/// there is none.
#[derive(Debug)]
pub(super) struct FilesOf<'a> {
    pub(super) files: &'a AttachedFiles,
    pub(super) attachments: &'a [Attachment],
}

impl Files for FilesOf<'_> {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>, String> {
        let Some(attachment) = self.attachments.iter().find(|found| found.name == path) else {
            return Err("not in the log".to_owned());
        };
        if attachment.length > max_bytes {
            return Err(format!("more than {max_bytes} bytes"));
        }
        if let Some(&length) = self.files.lengths.get(path) {
            return Ok(vec![0; length as usize]);
        }
        Ok(self.files.content(path).to_vec())
    }

    fn table(&self, data: &str) -> Option<Arc<DataTable>> {
        let stored = self.files.stored.get(&format!("{PROJECTION_PREFIX}{data}"))?;
        projected_table(stored).map(Arc::new)
    }
}
