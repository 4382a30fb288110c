//! The data files of `tests/faults`: what a server does, and what a run makes of it.
//!
//! A case is a block of lines, ended by an empty line; `#` begins a comment line.
//!
//! ```text
//! case NAME
//! rfc SECTIONS                  what the case stands for, or `none`
//! vus N                         1 unless given
//! iterations N                  2 unless given
//! timeout_ms N                  60000 unless given: of each request
//! target KEY = VALUE            a line of `[target]`
//! request KEY = VALUE           a line of the request
//! upload N                      the request is a POST with a body of so many bytes
//! limit KEY = VALUE             a line of `[limits]`
//! think MS                      between requests
//! url URL | closed_port | silent  where the run goes instead of the server: a URL, a free port, a
//!                               listener whose queue is full
//! do STEP                       what the server does on each connection, in order; then it closes
//! do@N STEP                     the same on connection N, counted from 0, instead
//! out succeeded N KIND N ..     how all requests come out
//! among succeeded KIND ..       how they may come out, if a race decides which
//! example KIND WORDS            the example shown of a kind; ADDRESS stands for the address
//! connections NAME N            a figure of `connections`
//! irregular KIND N              requests with this irregularity; all that occur are named
//! ```
//!
//! Steps: `head`, `body N`, `sip N MS`, `send "BYTES"`, `send*N "BYTES"`, `bytes "BYTES"`,
//! `endless "BYTES"`, `drip MS "BYTES"`, `quiet`, `pause MS`, `shut`, `drain`, `reset`, `again [N]`; they are
//! described in fault_server.rs. Bytes are escaped as \r \n \t \0 \" \\ \xNN.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fault_server::{Script, Step};

/// Where a run goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To the server of the case.
    Server,
    /// To an address without a listener.
    ClosedPort,
    /// To a listener whose queue is full.
    Silent,
    /// Elsewhere.
    Url(String),
}

/// How the requests of a case come out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// So many in each way: `succeeded`, or the name of a kind.
    Counts(BTreeMap<String, u64>),
    /// All in one of these ways.
    Among(Vec<String>),
}

/// A case.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    pub rfc: String,
    pub vus: u64,
    pub iterations: u64,
    pub timeout_ms: u64,
    target: Vec<String>,
    request: Vec<String>,
    limits: Vec<String>,
    think_ms: u64,
    pub destination: Destination,
    pub script: Script,
    pub expected: Expected,
    pub examples: Vec<(String, String)>,
    pub connections: Vec<(String, u64)>,
    pub irregular: Vec<(String, u64)>,
}

/// All cases of a file.
pub fn parse(text: &str) -> Vec<Case> {
    let blocks = text.split("\n\n").map(|block| block.trim_matches('\n'));
    let is_case = |block: &&str| block.lines().any(|line| line.starts_with("case "));
    blocks.filter(is_case).map(Case::parse).collect()
}

impl Case {
    fn parse(block: &str) -> Case {
        let mut case = Case {
            name: String::new(),
            rfc: String::new(),
            vus: 1,
            iterations: 2,
            timeout_ms: 60_000,
            target: Vec::new(),
            request: Vec::new(),
            limits: Vec::new(),
            think_ms: 0,
            destination: Destination::Server,
            script: Script::default(),
            expected: Expected::Among(Vec::new()),
            examples: Vec::new(),
            connections: Vec::new(),
            irregular: Vec::new(),
        };
        for line in block.lines().filter(|line| !line.starts_with('#')) {
            case.line(line);
        }
        assert!(!case.name.is_empty() && !case.rfc.is_empty(), "no name or RFC: {block}");
        assert_ne!(case.expected, Expected::Among(Vec::new()), "{}: no outcome", case.name);
        case
    }

    fn line(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "case" => self.name = rest.to_owned(),
            "rfc" => self.rfc = rest.to_owned(),
            "vus" => self.vus = number(rest),
            "iterations" => self.iterations = number(rest),
            "timeout_ms" => self.timeout_ms = number(rest),
            "target" => self.target.push(rest.to_owned()),
            "request" => self.request.push(rest.to_owned()),
            "upload" => {
                let body = "x".repeat(number(rest) as usize);
                self.request.push(format!("method = 'POST'\nbody = '{body}'"));
            }
            "limit" => self.limits.push(rest.to_owned()),
            "think" => self.think_ms = number(rest),
            "url" => self.destination = Destination::Url(rest.to_owned()),
            "closed_port" => self.destination = Destination::ClosedPort,
            "silent" => self.destination = Destination::Silent,
            "do" => self.script.steps.push(step(rest)),
            "out" => self.expected = Expected::Counts(counts(rest)),
            "among" => {
                self.expected = Expected::Among(rest.split(' ').map(str::to_owned).collect());
            }
            "example" => {
                let (kind, words) = rest.split_once(' ').unwrap();
                self.examples.push((kind.to_owned(), words.to_owned()));
            }
            "connections" => self.connections.extend(counts(rest)),
            "irregular" => self.irregular.extend(counts(rest)),
            other => match other.split_once('@') {
                Some(("do", connection)) => self.step_of(number(connection), step(rest)),
                _ => panic!("{}: unknown line {line}", self.name),
            },
        }
    }

    fn step_of(&mut self, connection: u64, step: Step) {
        match self.script.of.iter_mut().find(|(number, _)| *number == connection) {
            Some((_, steps)) => steps.push(step),
            None => self.script.of.push((connection, vec![step])),
        }
    }

    /// The scenario of this case against a URL.
    pub fn scenario(&self, url: &str) -> String {
        let Case { vus, iterations, timeout_ms, think_ms, .. } = self;
        let mut text = format!(
            "[runtime]\nvus = {vus}\niterations = {iterations}\nprng_seed = 7\n\
             [target]\nbase_url = '{url}'\nreconnect_delay_ms = 1\n{}\n\
             [[requests]]\nname = 'r'\npath = '/x'\ntimeout_ms = {timeout_ms}\n{}\n\
             [limits]\n{}\n",
            self.target.join("\n"),
            self.request.join("\n"),
            self.limits.join("\n"),
        );
        if *think_ms > 0 {
            text += &format!("[think_time]\ntype = 'constant'\nduration_ms = {think_ms}\n");
        }
        text
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is no number"))
}

/// `NAME N NAME N ..`.
fn counts(text: &str) -> BTreeMap<String, u64> {
    let words: Vec<&str> = text.split(' ').collect();
    let (pairs, rest) = words.as_chunks::<2>();
    assert!(rest.is_empty(), "{text}");
    pairs.iter().map(|[name, count]| ((*name).to_owned(), number(count))).collect()
}

fn step(text: &str) -> Step {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let ms = |text: &str| Duration::from_millis(number(text));
    let pair = || rest.split_once(' ').unwrap();
    match word {
        "head" => Step::Head,
        "body" => Step::Body(number(rest) as usize),
        "sip" => Step::Sip(number(pair().0) as usize, ms(pair().1)),
        "send" => Step::Send(unescape(rest)),
        "bytes" => Step::Bytes(unescape(rest)),
        "endless" => Step::Endless(unescape(rest)),
        "drip" => Step::Drip(unescape(pair().1), ms(pair().0)),
        "quiet" => Step::Quiet,
        "pause" => Step::Pause(ms(rest)),
        "shut" => Step::Shut,
        "drain" => Step::Drain,
        "reset" => Step::Reset,
        "again" => Step::Again((!rest.is_empty()).then(|| number(rest) as u32)),
        other => match other.split_once('*') {
            Some(("send", times)) => Step::Send(unescape(rest).repeat(number(times) as usize)),
            _ => panic!("unknown step {text}"),
        },
    }
}

fn unescape(quoted: &str) -> Vec<u8> {
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let inner = inner.unwrap_or_else(|| panic!("not quoted: {quoted}"));
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
