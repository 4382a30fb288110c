//! Runs the data files of `tests/cases` (their format is described in common/mod.rs) under every split:
//! whole, split in two at every byte, and one byte at a time.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{Case, End, cases};
use z6_http::RequestSpec;
use z6_proto_http1::{Connection, Eof, FailureKind, Received, RequestTemplate, ResponseFacts};

impl Case {
    /// The outcome, and whether the piece that holds the byte at `self.first` was the last that
    /// said it brought the first byte (`None` if no piece said so).
    fn run(&self, pieces: &[&[u8]]) -> (String, Option<bool>) {
        let mut connection = Connection::new(self.limits);
        let request =
            RequestTemplate::encode(&RequestSpec::new(&self.method, "h", 80, "/")).unwrap();
        if self.earlier {
            connection.start(1, false);
            connection.wrote(1);
            let earlier = connection.received(b"HTTP/1.1 204 \r\n\r\n");
            assert!(matches!(earlier, Received::Complete { response, .. } if response.reusable));
        }
        connection.accept_upgrade(self.upgrade);
        connection.start(request.len(), request.is_head_method());
        connection.wrote(request.len().saturating_sub(self.unsent));
        let (mut outcome, mut first, mut from) = (Outcome::Waiting, None, 0);
        for piece in pieces {
            let range = from..from + piece.len();
            from = range.end;
            let brought_first = match connection.received(piece) {
                Received::NeedMore { first_byte } => first_byte,
                Received::Complete { first_byte, response } => {
                    outcome = Outcome::Complete(response);
                    first_byte
                }
                Received::Failed { first_byte, error } => {
                    outcome = Outcome::Failed(FailureKind::Protocol(error));
                    first_byte
                }
                Received::Unsolicited => {
                    outcome.unsolicited();
                    false
                }
            };
            if brought_first {
                first = Some(range.contains(&self.first));
            }
            connection.invariants();
        }
        // A head that comes in pieces counts until it proves to be an interim one.
        let first = first.filter(|_| connection.started());
        outcome.end(&mut connection, self.end);
        connection.invariants();
        (outcome.text(), first)
    }

    fn check_under_every_split(&self) {
        let whole = self.run(&[&self.input]);
        assert_eq!(whole.0, self.out, "{} whole", self.name);
        let bytes: Vec<&[u8]> = self.input.chunks(1).collect();
        assert_eq!(self.run(&bytes), whole, "{} byte by byte", self.name);
        assert_ne!(whole.1, Some(false), "{}: first byte", self.name);
        // Splits of long inputs: all near the ends, a sample between.
        let stride = (self.input.len() / 2_000).max(1);
        let near_end = self.input.len().saturating_sub(40);
        for at in 1..self.input.len() {
            if at < 60 || at > near_end || at % stride == 0 {
                let (left, right) = self.input.split_at(at);
                let split = self.run(&[left, right]);
                assert_eq!(split, whole, "{} split at {at}", self.name);
            }
        }
    }
}

/// The names of irregularities in the data files, in the order of their bits.
const IRREGULARITIES: [&str; 6] = [
    "obs_fold",
    "bare_line_feed",
    "status_out_of_range",
    "later_version",
    "status_line_spaces",
    "unknown_transfer_coding",
];

enum Outcome {
    Waiting,
    Complete(ResponseFacts),
    Failed(FailureKind),
}

impl Outcome {
    /// Bytes after the end are the same whether they came in the last read or in one of their own.
    fn unsolicited(&mut self) {
        match self {
            Outcome::Complete(response) => {
                response.unsolicited_after = true;
                response.reusable = false;
            }
            Outcome::Failed(_) => {}
            Outcome::Waiting => panic!("unsolicited bytes inside a response"),
        }
    }

    fn end(&mut self, connection: &mut Connection, end: End) {
        let was_waiting = matches!(self, Outcome::Waiting);
        let ended = match end {
            End::Open => return,
            End::Eof => connection.eof(),
            End::Reset => connection.io_error().map_or(Eof::Idle, Eof::Failed),
        };
        match ended {
            Eof::Idle => assert!(!was_waiting, "idle inside an exchange"),
            Eof::Complete(response) => *self = Outcome::Complete(response),
            Eof::Failed(kind) => *self = Outcome::Failed(kind),
        }
    }

    fn text(&self) -> String {
        match self {
            Outcome::Waiting => "waiting".to_owned(),
            Outcome::Failed(FailureKind::Stale) => "failed stale".to_owned(),
            Outcome::Failed(FailureKind::Transport) => "failed transport".to_owned(),
            Outcome::Failed(FailureKind::Protocol(error)) => {
                format!("failed {} at {}", error.name(), error.offset)
            }
            Outcome::Complete(facts) => {
                let ResponseFacts { status, body_bytes: body, bytes_received: wire, .. } = facts;
                let reuse = if facts.reusable { "reusable" } else { "closing" };
                let mut text = format!("{status} body {body} wire {wire} {reuse}");
                if facts.unsent_bytes > 0 {
                    text += &format!(" unsent {}", facts.unsent_bytes);
                }
                if facts.unsolicited_after {
                    text += " unsolicited";
                }
                for (bit, name) in IRREGULARITIES.iter().enumerate() {
                    if facts.irregularities.bits() >> bit & 1 == 1 {
                        text += &format!(" {name}");
                    }
                }
                text
            }
        }
    }
}

#[test]
fn every_case_under_every_split() {
    for case in cases() {
        case.check_under_every_split();
    }
}

#[test]
fn every_protocol_kind_has_a_case() {
    let mut names: Vec<_> = cases().into_iter().map(|case| case.name).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "two cases of one name");
    for name in IRREGULARITIES {
        assert!(cases().iter().any(|case| case.out.ends_with(name)), "{name}");
    }
    for kind in z6_proto_http1::ProtocolErrorKind::ALL {
        let failed = format!("failed {} ", kind.name());
        assert!(cases().iter().any(|case| case.out.starts_with(&failed)), "{}", kind.name());
    }
}
