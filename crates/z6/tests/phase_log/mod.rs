//! What the blocks of a log say about the phases of its run.

use z6_events::{Event, LogReader, Phase};

/// The phases of the blocks, each once in a row, and how many requests were sent in each.
pub(crate) fn phases(log: &[u8]) -> Vec<(Phase, u64)> {
    let mut reader = LogReader::new(log).unwrap();
    let mut found: Vec<(Phase, u64)> = Vec::new();
    while let Some(mut block) = reader.next_block().unwrap() {
        let phase = block.header().phase;
        if found.last().is_none_or(|(last, _)| *last != phase) {
            found.push((phase, 0));
        }
        let events = block.decode().unwrap();
        let sent = events.iter().filter(|(_, event)| matches!(event, Event::Sent { .. })).count();
        found.last_mut().unwrap().1 += sent as u64;
    }
    found
}
