//! Bodies of the fuzz targets: any bytes as a log that is replayed, and what HTTP/2 does beside what HTTP/1.1 does.
//! Run by tests over the committed corpora too.

mod h2_template;
mod h2_versus_h1;

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

/// A request that HTTP/1.1 sends is the same over HTTP/2, however it is prepared and whatever table the server allows.
///
/// # Panics
/// If it is not.
pub fn fuzz_h2_template(data: &[u8]) {
    h2_template::against_http1(data);
}

/// A response is read as the same over both protocols, in any split; where one is not a response, the other fails for
/// the same reason.
///
/// # Panics
/// If not.
pub fn fuzz_h2_versus_h1(data: &[u8]) {
    h2_versus_h1::compare(data);
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read the corpus")]
mod tests {
    use super::*;

    #[test]
    fn h2_template_corpus() {
        z6_testing::over_corpus(env!("CARGO_MANIFEST_DIR"), "h2_template", fuzz_h2_template);
    }

    #[test]
    fn h2_versus_h1_corpus() {
        z6_testing::over_corpus(env!("CARGO_MANIFEST_DIR"), "h2_versus_h1", fuzz_h2_versus_h1);
    }

    #[test]
    fn replay_corpus() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/replay");
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let log = std::fs::read(entry.unwrap().path()).unwrap();
            fuzz_replay(&log);
            files += 1;
        }
        assert!(files > 0);
    }
}
