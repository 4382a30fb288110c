//! The body of the fuzz target `target_reader`: any bytes as the requests of a connection. Run by a test over the
//! seeds of the request reader below it too.

use z6_proto_http1::server::BadRequest;

use crate::config::Config;
use crate::reader::{Act, Found, Reader, Settings};
use crate::reply::{Content, Reply};

/// What becomes of a request, as text, and the error that ended the reading.
type Requests = (Vec<String>, Option<BadRequest>);

fn read(bytes: &[u8], step: usize, settings: &Settings) -> Requests {
    let mut reader = Reader::new(7);
    let (mut requests, mut pending) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(step) {
        pending.extend_from_slice(piece);
        loop {
            let (used, found) = reader.next(&pending, settings);
            assert!(used <= pending.len(), "consumed more than there was");
            pending.drain(..used);
            match found {
                Found::NeedMore => break,
                // Sent only if the body has not come: that depends on the split.
                Found::Continue => {}
                Found::Bad(refusal) => return (requests, Some(refusal)),
                Found::Request(request) => {
                    assert_eq!(request.number, requests.len() as u64, "requests are counted");
                    if let Act::Answer(Reply { content: Content::Echo { body, .. }, .. }) =
                        &request.act
                    {
                        assert!(
                            body.bytes().len() <= settings.max_body_bytes,
                            "a body of any length"
                        );
                    }
                    requests.push(format!("{request:?}"));
                }
            }
        }
    }
    (requests, None)
}

/// Whole, byte by byte and in steps give the same requests, each with the same action. The first byte chooses the
/// step.
///
/// # Panics
/// If not.
pub fn fuzz_target_reader(data: &[u8]) {
    let Some((&options, bytes)) = data.split_first() else { return };
    let settings = Settings::new(&Config { max_body_bytes: 64, ..Config::default() });
    // With a line end last, an error in an incomplete head is found under every split.
    let bytes = &[bytes, b"\n"].concat()[..];
    let whole = read(bytes, usize::MAX, &settings);
    assert_eq!(read(bytes, 1, &settings), whole, "byte by byte");
    assert_eq!(read(bytes, usize::from(options) + 2, &settings), whole, "in steps");
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read the corpus")]
mod tests {
    use super::fuzz_target_reader;

    #[test]
    fn target_reader_corpus() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus/target_reader");
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            fuzz_target_reader(&std::fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 0);
    }
}
