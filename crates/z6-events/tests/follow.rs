//! A log that is read while it is written: at every byte, without a word of damage, and with the same events and
//! the same end as when it is read later.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

mod common;

use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

use common::{block_offsets, golden_log, read};
use z6_events::{Ending, LogError, LogReader, Tick, WorkerId};

/// A file to which somebody else appends.
#[derive(Clone, Default)]
struct Growing(Rc<RefCell<(Vec<u8>, usize)>>);

impl Growing {
    fn append(&self, bytes: &[u8]) {
        self.0.borrow_mut().0.extend_from_slice(bytes);
    }
}

impl Read for Growing {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (bytes, at) = &mut *self.0.borrow_mut();
        let count = into.len().min(bytes.len() - *at);
        into[..count].copy_from_slice(&bytes[*at..*at + count]);
        *at += count;
        Ok(count)
    }
}

type Shown = Vec<(WorkerId, Tick, z6_events::Event)>;

/// Reads what there is.
fn drain(reader: &mut LogReader<Growing>, events: &mut Shown) -> Result<(), LogError> {
    while let Some(mut block) = reader.next_block()? {
        let worker = block.header().worker;
        events.extend(block.decode()?.into_iter().map(|(at, event)| (worker, at, event)));
    }
    Ok(())
}

/// Where the header of the file ends and the blocks begin.
fn first_block(log: &[u8]) -> usize {
    block_offsets(log)[0]
}

#[test]
fn a_log_that_grows_byte_by_byte_is_read_as_if_it_were_whole() {
    let log = golden_log(1).bytes;
    let whole = read(&log);
    let at = first_block(&log);
    let file = Growing::default();
    file.append(&log[..at]);
    let (mut reader, mut events) = (LogReader::follow(file.clone()).unwrap(), Vec::new());
    for byte in &log[at..] {
        assert_eq!(reader.ending(), None);
        file.append(&[*byte]);
        drain(&mut reader, &mut events).unwrap();
    }
    assert_eq!(reader.ending(), Some(whole.end.as_ref().unwrap()));
    assert!(matches!(reader.ending(), Some(Ending::Clean { .. })));
    assert_eq!(events, whole.events);
    assert_eq!(reader.attachments().len(), golden_attachments(&log));
}

fn golden_attachments(log: &[u8]) -> usize {
    LogReader::new(log).unwrap().attachments().len()
}

/// The writer may die at any byte. What the follower had read by then is what a later reader finds.
#[test]
fn a_log_whose_writer_died_ends_as_it_does_for_a_later_reader() {
    let log = golden_log(1).bytes;
    for end in (first_block(&log)..log.len()).step_by(7) {
        let later = read(&log[..end]);
        let file = Growing::default();
        file.append(&log[..end]);
        let (mut reader, mut events) = (LogReader::follow(file).unwrap(), Vec::new());
        drain(&mut reader, &mut events).unwrap();
        assert_eq!(reader.ending(), None, "{end}");
        assert_eq!(events, later.events, "{end}");
        reader.stop_following();
        drain(&mut reader, &mut events).unwrap();
        assert_eq!(reader.ending().unwrap(), later.end.as_ref().unwrap(), "{end}");
        assert_eq!(events, later.events, "{end}");
    }
}

/// A block that is not as its writer meant it: waited for while the log grows, damage once it does not.
#[test]
fn damage_is_said_only_when_nobody_writes_any_more() {
    let mut log = golden_log(1).bytes;
    let offsets = block_offsets(&log);
    let damaged = offsets[offsets.len() / 2] + 80;
    log[damaged] ^= 1;
    let file = Growing::default();
    file.append(&log);
    let (mut reader, mut events) = (LogReader::follow(file).unwrap(), Vec::new());
    drain(&mut reader, &mut events).unwrap();
    assert_eq!(reader.ending(), None);
    reader.stop_following();
    let error = drain(&mut reader, &mut events).unwrap_err();
    assert!(matches!(error, LogError::Damaged { .. }), "{error}");
}
