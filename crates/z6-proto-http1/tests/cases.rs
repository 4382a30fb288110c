//! Runs the data files of `tests/cases`: bytes in, outcome out, under every split.
//!
//! A case is a block of lines, ended by an empty line; `#` begins a comment line.
//!
//! ```text
//! case NAME
//! rfc SECTIONS                 what the case stands for, or `none` for rules of our own
//! limit head|fields|interim|extension|trailer N
//! request METHOD               GET unless given
//! earlier                      the connection has completed an exchange before
//! unsent N|all                 bytes of the request not written when the response comes
//! in "BYTES"                   with \r \n \t \0 \" \\ \xNN; lines are joined
//! in*N "BYTES"                 the same N times
//! eof | reset                  how the connection ends, if it does
//! first N                      offset of the final response's first byte, where it is not 0
//! out STATUS body N wire N reusable|closing [unsent N] [unsolicited]
//! out failed KIND [at N]
//! out waiting
//! ```
//!
//! Each runs whole, split in two at every byte, and one byte at a time.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use z6_proto_http1::{
    Connection, Eof, FailureKind, Limits, Received, RequestSpec, RequestTemplate, ResponseFacts,
};

const FILES: [(&str, &str); 7] = [
    ("status_line", include_str!("cases/status_line.txt")),
    ("fields", include_str!("cases/fields.txt")),
    ("interim", include_str!("cases/interim.txt")),
    ("framing", include_str!("cases/framing.txt")),
    ("chunked", include_str!("cases/chunked.txt")),
    ("keep_alive", include_str!("cases/keep_alive.txt")),
    ("ending", include_str!("cases/ending.txt")),
];

#[derive(Clone, Copy, PartialEq)]
enum End {
    Open,
    Eof,
    Reset,
}

struct Case {
    name: String,
    rfc: String,
    limits: Limits,
    method: String,
    earlier: bool,
    unsent: usize,
    input: Vec<u8>,
    end: End,
    first: usize,
    out: String,
}

impl Case {
    fn parse(block: &str) -> Case {
        let mut case = Case {
            name: String::new(),
            rfc: String::new(),
            limits: Limits::default(),
            method: "GET".to_owned(),
            earlier: false,
            unsent: 0,
            input: Vec::new(),
            end: End::Open,
            first: 0,
            out: String::new(),
        };
        for line in block.lines().filter(|line| !line.starts_with('#')) {
            case.line(line);
        }
        assert!(!case.name.is_empty() && !case.rfc.is_empty(), "no name or RFC: {block}");
        assert!(!case.out.is_empty(), "{}: no outcome", case.name);
        case
    }

    fn line(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "case" => self.name = rest.to_owned(),
            "rfc" => self.rfc = rest.to_owned(),
            "limit" => self.limit(rest),
            "request" => self.method = rest.to_owned(),
            "earlier" => self.earlier = true,
            "unsent" if rest == "all" => self.unsent = usize::MAX,
            "unsent" => self.unsent = rest.parse().unwrap(),
            "eof" => self.end = End::Eof,
            "reset" => self.end = End::Reset,
            "first" => self.first = rest.parse().unwrap(),
            "out" => self.out = rest.to_owned(),
            _ => {
                let times = match word.split_once('*') {
                    Some(("in", times)) => times.parse().unwrap(),
                    _ => {
                        assert_eq!(word, "in", "{}: unknown line {line}", self.name);
                        1
                    }
                };
                let bytes = unescape(rest);
                (0..times).for_each(|_| self.input.extend_from_slice(&bytes));
            }
        }
    }

    fn limit(&mut self, text: &str) {
        let (name, number) = text.split_once(' ').unwrap();
        let number: usize = number.parse().unwrap();
        match name {
            "head" => self.limits.head_bytes_max = number,
            "fields" => self.limits.fields_max = number,
            "interim" => self.limits.interim_max = number as u32,
            "extension" => self.limits.chunk_extension_bytes_max = number,
            "trailer" => self.limits.trailer_bytes_max = number,
            _ => panic!("unknown limit {name}"),
        }
    }

    /// The outcome, and whether the piece that holds the byte at `self.first` was the last that
    /// said it brought the first byte (`None` where no piece said so).
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
                text
            }
        }
    }
}

fn unescape(quoted: &str) -> Vec<u8> {
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
    let mut out = Vec::new();
    let mut bytes = inner.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next().unwrap() {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'x' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other @ (b'"' | b'\\') => other,
            other => panic!("unknown escape {other}"),
        });
    }
    out
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (file, text) in FILES {
        let before = cases.len();
        let blocks = text.split("\n\n").map(|block| block.trim_matches('\n'));
        let is_case = |block: &&str| block.lines().any(|line| line.starts_with("case "));
        cases.extend(blocks.filter(is_case).map(Case::parse));
        assert!(cases.len() > before, "{file} has no cases");
    }
    cases
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
    for kind in z6_proto_http1::ProtocolErrorKind::ALL {
        let failed = format!("failed {} ", kind.name());
        assert!(cases().iter().any(|case| case.out.starts_with(&failed)), "{}", kind.name());
    }
}
