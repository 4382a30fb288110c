//! Bodies of the fuzz targets: for any bytes, no panic, no unbounded memory, no contradiction.

use crate::block::{BlockBuilder, BlockDecoder};
use crate::event::Event;
use crate::exchange::ExchangeTable;
use crate::ids::{Tick, WorkerId};
use crate::partition::Partition;
use crate::reader::{Ending, LogReader};
use crate::text::EventLine;

/// Reads any bytes as a log, pairs its events, and checks what the reader claims about its end.
///
/// # Panics
/// On a bug.
pub fn fuzz_log_reader(data: &[u8]) {
    let mut attached = 0;
    let opened = LogReader::with_attachments(data, &mut |_, piece| attached += piece.len());
    assert!(attached <= data.len());
    let Ok(mut reader) = opened else { return };
    let mut tables: Vec<ExchangeTable> = Vec::new();
    let mut failed = false;
    loop {
        let mut block = match reader.next_block() {
            Ok(Some(block)) => block,
            Ok(None) => break,
            Err(_) => {
                failed = true;
                break;
            }
        };
        let worker = block.header().worker.index();
        if tables.len() <= worker {
            tables.resize_with(worker + 1, ExchangeTable::new);
        }
        for (at, event) in block.events().map_while(Result::ok) {
            // A contradiction is an error to report, not a reason to stop looking.
            let _ = tables[worker].observe(at, &event);
        }
    }
    match reader.ending() {
        None => assert!(failed),
        Some(Ending::Clean { .. }) => assert!(!failed),
        Some(Ending::Torn { valid_bytes, lost_bytes, .. }) => {
            assert!(!failed);
            assert_eq!(valid_bytes + lost_bytes, data.len() as u64);
        }
    }
}

/// Decodes any bytes as a payload; what comes out must survive being encoded and decoded again.
///
/// The first 12 bytes are worker, number of workers and base time.
///
/// # Panics
/// On a bug.
pub fn fuzz_block_decoder(data: &[u8]) {
    let Some((&[w0, w1, n0, n1, base @ ..], payload)) = data.split_first_chunk::<12>() else {
        return;
    };
    let workers = u16::from_le_bytes([n0, n1]).max(1);
    let worker = WorkerId(u16::from_le_bytes([w0, w1]) % workers);
    let partition = Partition::unsharded(worker, workers);
    let base = Tick(u64::from_le_bytes(base));
    for has_stamps in [false, true] {
        round_trip(partition, base, payload, has_stamps);
    }
}

/// What decodes is encoded and decoded again.
fn round_trip(partition: Partition, base: Tick, payload: &[u8], has_stamps: bool) {
    let worker = partition.worker();
    let mut decoder = BlockDecoder::new(partition).with_arrival_stamps(has_stamps);
    let count = payload.len() as u32;
    let mut decoded = decoder.events(worker, base, count, payload);
    let events: Vec<(Tick, Event)> = decoded.by_ref().map_while(Result::ok).collect();
    let arena = decoded.arena().to_vec();
    let builder = BlockBuilder::new(partition, Vec::new());
    let mut builder = builder.with_arrival_stamps(has_stamps);
    for chunk in events.chunks(256) {
        for (at, event) in chunk {
            assert!(builder.push_with(*at, event, &arena).is_ok(), "256 events fit a block");
            let line = EventLine { worker, at: *at, event }.to_string();
            assert!(!line.contains('\n'));
        }
        let block = builder.close(Vec::new());
        let mut again = decoder.events_of(&block);
        for (at, event) in chunk {
            let Some(Ok((at_again, event_again))) = again.next() else {
                panic!("{event:?} is lost");
            };
            assert_eq!(at_again, *at);
            assert_eq!(
                with_bytes(&event_again, again.arena()),
                with_bytes(event, &arena),
                "at {at}"
            );
        }
        assert_eq!(again.next(), None);
    }
}

/// An event without its place in the arena, and the bytes there.
fn with_bytes(event: &Event, arena: &[u8]) -> (Event, Vec<u8>) {
    let Some(range) = event.bytes() else { return (*event, Vec::new()) };
    (event.without_place(), range.of(arena).to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[allow(clippy::disallowed_methods, reason = "reads the corpus")]
    fn over_corpus(folder: &str, body: fn(&[u8])) {
        let folder = format!("{}/tests/corpus/{folder}", env!("CARGO_MANIFEST_DIR"));
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            body(&std::fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 0);
    }

    #[test]
    fn log_reader_corpus() {
        over_corpus("log_reader", fuzz_log_reader);
    }

    #[test]
    fn block_decoder_corpus() {
        over_corpus("block_decoder", fuzz_block_decoder);
    }

    proptest! {
        #[test]
        fn any_bytes_decode_without_panic(payload in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut data = vec![1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            data.extend(payload);
            fuzz_block_decoder(&data);
        }
    }
}
