//! The request log of a server, for tests that compare both ends of a connection.
//!
//! Owns the records and their bound; must not know how requests are read or answered.

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One complete request as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestRecord {
    /// Number of the connection, from 0 in the order of acceptance.
    pub connection: u64,
    /// Number of the request on its connection, from 0.
    pub number: u64,
    /// Method as sent.
    pub method: String,
    /// Request target as sent.
    pub target: String,
    /// Value of the last `Z6-Id` field, if there was one.
    pub id: Option<String>,
    /// When the read that completed the request had returned: CLOCK_MONOTONIC, nanoseconds.
    pub received_ns: u64,
    /// When the answer was begun, just before its first byte went to the socket: CLOCK_MONOTONIC,
    /// nanoseconds. `None` for requests that were not answered (`/abort`, `/stall`, `?reset`).
    pub answered_ns: Option<u64>,
}

/// Writes records as CSV: `id,connection,request,received_ns,answered_ns` and a line for each, fields
/// that are absent left empty. Ids are written as the client sent them, without commas and quotes.
///
/// # Errors
/// Those of `out`.
pub fn write_stamps(records: &[RequestRecord], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "id,connection,request,received_ns,answered_ns")?;
    for record in records {
        let id = record.id.as_deref().unwrap_or_default().replace([',', '"'], "");
        let answered = record.answered_ns.map(|ns| ns.to_string()).unwrap_or_default();
        let RequestRecord { connection, number, received_ns, .. } = record;
        writeln!(out, "{id},{connection},{number},{received_ns},{answered}")?;
    }
    out.flush()
}

/// Records of all threads, bounded.
#[derive(Debug)]
pub(crate) struct RequestLog {
    records: Mutex<Vec<RequestRecord>>,
    max_records: usize,
    dropped: AtomicU64,
}

impl RequestLog {
    pub(crate) fn new(max_records: usize) -> Self {
        Self { records: Mutex::default(), max_records, dropped: AtomicU64::new(0) }
    }

    pub(crate) fn push(&self, record: RequestRecord) {
        let mut records = self.lock();
        if records.len() < self.max_records {
            records.push(record);
        } else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn take(&self) -> Vec<RequestRecord> {
        mem::take(&mut *self.lock())
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// A panic elsewhere leaves the records as valid as they were.
    fn lock(&self) -> MutexGuard<'_, Vec<RequestRecord>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_lines_of_numbers() {
        let record = |id: Option<&str>, answered_ns| RequestRecord {
            connection: 3,
            number: 7,
            method: "GET".to_owned(),
            target: "/".to_owned(),
            id: id.map(str::to_owned),
            received_ns: 100,
            answered_ns,
        };
        let mut out = Vec::new();
        let records = [record(Some("0a,-1"), Some(250)), record(None, None)];
        write_stamps(&records, &mut out).expect("written");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "id,connection,request,received_ns,answered_ns\n0a-1,3,7,100,250\n,3,7,100,\n"
        );
    }
}
