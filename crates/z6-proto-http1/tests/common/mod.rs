//! The data files of `tests/cases`: bytes in, outcome out.
//!
//! A case is a block of lines, ended by an empty line; `#` begins a comment line.
//!
//! ```text
//! case NAME
//! rfc SECTIONS                 what the case stands for, or `none` for rules of our own
//! limit head|fields|interim|extension|trailer N
//! request METHOD               GET unless given
//! earlier                      the connection has completed an exchange before
//! upgrade                      the request asks for an upgrade
//! unsent N|all                 bytes of the request not written when the response comes
//! in "BYTES"                   with \r \n \t \0 \" \\ \xNN; lines are joined
//! in*N "BYTES"                 the same N times
//! eof | reset                  how the connection ends, if it does
//! first N                      offset of the final response's first byte, if it is not 0
//! out STATUS body N wire N reusable|closing [unsent N] [unsolicited] [IRREGULARITY ..]
//! out failed KIND [at N]
//! out waiting
//! ```
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, reason = "helpers of tests")]

use z6_proto_http1::Limits;

const FILES: [(&str, &str); 7] = [
    ("status_line", include_str!("../cases/status_line.txt")),
    ("fields", include_str!("../cases/fields.txt")),
    ("interim", include_str!("../cases/interim.txt")),
    ("framing", include_str!("../cases/framing.txt")),
    ("chunked", include_str!("../cases/chunked.txt")),
    ("keep_alive", include_str!("../cases/keep_alive.txt")),
    ("ending", include_str!("../cases/ending.txt")),
];

#[derive(Clone, Copy, PartialEq)]
pub enum End {
    Open,
    Eof,
    Reset,
}

pub struct Case {
    pub name: String,
    pub rfc: String,
    pub limits: Limits,
    pub method: String,
    pub earlier: bool,
    pub upgrade: bool,
    pub unsent: usize,
    pub input: Vec<u8>,
    pub end: End,
    pub first: usize,
    pub out: String,
}

impl Case {
    fn parse(block: &str) -> Case {
        let mut case = Case {
            name: String::new(),
            rfc: String::new(),
            limits: Limits::default(),
            method: "GET".to_owned(),
            earlier: false,
            upgrade: false,
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
            "upgrade" => self.upgrade = true,
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

pub fn cases() -> Vec<Case> {
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
