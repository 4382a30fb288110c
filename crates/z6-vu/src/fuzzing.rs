//! The body of the fuzz target `replay`: any bytes as a log, whose seals are repaired first, replayed. Run by a test
//! over the committed corpus too.

use z6_events::LogReader;
use z6_events::forge::resealed;

use crate::replay::{Outcome, replay};

/// Replays a log. That all is as it was is said only of a log whose events were all compared.
///
/// # Panics
/// If not.
pub fn fuzz_replay(data: &[u8]) {
    let log = resealed(data);
    let Ok(Outcome::Identical { events, .. }) = replay(&log[..]) else { return };
    let Ok(mut reader) = LogReader::new(&log[..]) else { return };
    let mut found = 0;
    while let Ok(Some(mut block)) = reader.next_block() {
        found += block.events().filter(Result::is_ok).count() as u64;
    }
    assert_eq!(events, found, "events that were compared");
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read the corpus")]
mod tests {
    use super::*;

    #[test]
    fn replay_corpus() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/replay");
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let log = std::fs::read(entry.unwrap().path()).unwrap();
            let outcome = replay(&log[..]);
            assert!(matches!(outcome, Ok(Outcome::Identical { .. })), "{outcome:?}");
            fuzz_replay(&log);
            files += 1;
        }
        assert!(files > 0);
    }
}
