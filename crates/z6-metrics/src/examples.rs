//! One failed request of each kind, the first by time: what a person wants to see with a count.
//!
//! Owns which one is shown and how it is put into words, from events, header and scenario alone.
//! Knows nothing of counts.

use std::collections::BTreeMap;

use z6_events::protocol::{http2_code_name, http2_frame_name};
use z6_events::{ErrorGroup, ErrorKind, RequestId, TargetAddresses, TargetId, Tick, WorkerId};

use crate::outline::Outline;
use crate::report::units::duration;

/// Stands for an address that is not known.
pub(crate) const NO_ADDRESS: u16 = u16::MAX;

/// A failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Example {
    pub(crate) worker: WorkerId,
    /// When it failed.
    pub(crate) at: Tick,
    pub(crate) request: RequestId,
    pub(crate) target: TargetId,
    /// Which of the target's resolved addresses; [`NO_ADDRESS`] if none is known.
    pub(crate) address: u16,
    /// The errno, or the byte offset into the response, or the status; 0 if there is none.
    pub(crate) detail: u64,
    /// How long its connection had been idle when it was sent, nanoseconds; none if it was not.
    pub(crate) idle_ns: Option<u64>,
    /// Whether its connection had carried a request before.
    pub(crate) reused: bool,
}

/// An attempt to connect that failed: the request that fails with it follows at the same tick.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LastAttempt {
    at: Tick,
    target: TargetId,
    /// One more than the index, so that the default knows no address.
    address: u16,
}

impl LastAttempt {
    pub(crate) fn new(at: Tick, target: TargetId, address: u16) -> LastAttempt {
        LastAttempt { at, target, address: address.wrapping_add(1) }
    }

    /// Where the request to `target` that failed at `at` was to go.
    pub(crate) fn address(self, at: Tick, target: TargetId) -> u16 {
        if (self.at, self.target) == (at, target) {
            self.address.wrapping_sub(1)
        } else {
            NO_ADDRESS
        }
    }
}

/// The first failed request of each kind: by time, then by worker.
#[derive(Debug, Default, Clone)]
pub(crate) struct Examples {
    by_kind: BTreeMap<ErrorKind, (Example, Option<String>)>,
    /// Resolved addresses by target, as the log's header has them.
    addresses: Vec<Vec<String>>,
}

impl Examples {
    pub(crate) fn resolved(&mut self, addresses: &[TargetAddresses]) {
        for resolved in addresses {
            let target = resolved.target.index();
            if target >= self.addresses.len() {
                self.addresses.resize(target + 1, Vec::new());
            }
            self.addresses[target].clone_from(&resolved.addresses);
        }
    }

    /// `note`: what the driver says of it.
    pub(crate) fn note(&mut self, kind: ErrorKind, example: Example, note: Option<&[u8]>) {
        let is_first = self
            .by_kind
            .get(&kind)
            .is_none_or(|(known, _)| (example.at, example.worker) < (known.at, known.worker));
        if is_first {
            let note = note.map(|note| String::from_utf8_lossy(note).into_owned());
            self.by_kind.insert(kind, (example, note));
        }
    }

    /// An address of a target, if the header has it.
    pub(crate) fn address_name(&self, target: TargetId, address: u16) -> Option<&str> {
        let all = self.addresses.get(target.index())?;
        all.get(usize::from(address)).map(String::as_str)
    }

    /// How many addresses the header has for a target.
    pub(crate) fn address_count(&self, target: TargetId) -> usize {
        self.addresses.get(target.index()).map_or(0, Vec::len)
    }

    /// Kinds and words, in the order of the kinds' codes.
    pub(crate) fn in_words(&self, outline: &Outline) -> Vec<(ErrorKind, String)> {
        let mut kinds: Vec<_> = self.by_kind.iter().collect();
        kinds.sort_by_key(|(kind, _)| kind.code());
        let words = |(kind, (example, note)): (&ErrorKind, &(Example, Option<String>))| {
            (*kind, self.one_in_words(*kind, example, note.as_deref(), outline))
        };
        kinds.into_iter().map(words).collect()
    }

    fn one_in_words(
        &self,
        kind: ErrorKind,
        example: &Example,
        note: Option<&str>,
        outline: &Outline,
    ) -> String {
        let request = outline.requests.get(example.request.index());
        let request = request.map_or("?", |(name, _)| name);
        let endpoint = self.endpoint(example, outline);
        match reason(kind, example, note, outline) {
            Some(reason) => format!("{request} to {endpoint}: {reason}"),
            None => format!("{request} to {endpoint}"),
        }
    }

    /// The address; if it is not known, the only one of the target, or the target's name.
    fn endpoint(&self, example: &Example, outline: &Outline) -> String {
        let all = self.addresses.get(example.target.index()).map_or(&[][..], Vec::as_slice);
        let known = all.get(usize::from(example.address));
        let only = if let [only] = all { Some(only) } else { None };
        let target = || outline.targets.get(example.target.index()).cloned().unwrap_or_default();
        known.or(only).cloned().unwrap_or_else(target)
    }
}

/// Why, in words, if there is more to say than the kind's name.
fn reason(
    kind: ErrorKind,
    example: &Example,
    note: Option<&str>,
    outline: &Outline,
) -> Option<String> {
    let Example { request, target, detail, idle_ns, .. } = *example;
    let used_ns = idle_ns.filter(|_| example.reused);
    let ms = |ns: Option<&u64>| ns.map(|ns| ns / 1_000_000);
    match (kind, kind.group()) {
        (ErrorKind::ConnectTimeout, _) => ms(outline.connect_timeouts_ns.get(target.index()))
            .map(|ms| format!("no connection within {ms} ms")),
        (ErrorKind::StaleConnection, _) => Some(stale(detail, idle_ns, note)),
        (ErrorKind::BadSourceAddress, _) => Some(bad_source(detail, target, outline)),
        (ErrorKind::ProxyRefused | ErrorKind::ProxyAuth, _) => kind.proxy_words(detail),
        (ErrorKind::ClosedBeforeResponse, _) => {
            let bytes = match detail {
                0 => "before the first byte".to_owned(),
                bytes => format!("after {bytes} bytes"),
            };
            Some(format!("closed {bytes}{}", on_used(used_ns)))
        }
        (ErrorKind::ConnectionReset, _) => {
            Some(format!("{}{}", errno_words(detail), on_used(used_ns)))
        }
        (ErrorKind::IncompleteHead | ErrorKind::IncompleteBody, _) => {
            Some(format!("closed after {detail} bytes of the response"))
        }
        (ErrorKind::BadLocation | ErrorKind::TooManyRedirects | ErrorKind::RedirectRefused, _) => {
            let to = note.map_or_else(String::new, |note| format!(" to {note}"));
            Some(format!("redirected with status {detail}{to}"))
        }
        (ErrorKind::StreamReset | ErrorKind::StreamRefused | ErrorKind::ConnectionGoingAway, _) => {
            Some(http2_code_words(detail))
        }
        (ErrorKind::Http2BadPreface, _) => note.map(str::to_owned),
        (
            ErrorKind::Http2BadFrame
            | ErrorKind::Http2BadSettings
            | ErrorKind::Http2StreamState
            | ErrorKind::Http2FlowControl
            | ErrorKind::Http2Compression
            | ErrorKind::Http2BadHeader
            | ErrorKind::Http2BadLength
            | ErrorKind::Http2Push,
            _,
        ) => Some(http2_frame_words(detail)),
        (_, ErrorGroup::Transport) => (detail > 0).then(|| errno_words(detail)),
        (_, ErrorGroup::Tls) => {
            let words = kind.tls_words().unwrap_or("TLS failed");
            let note = note.map_or_else(String::new, |note| format!("; {note}"));
            let alert = if detail > 0 { format!(" (alert {detail})") } else { String::new() };
            Some(format!("{words}{alert}{note}"))
        }
        // Nothing of a response, or a limit of HTTP/2, which has no place.
        (_, ErrorGroup::Limit) if detail == 0 => None,
        (_, ErrorGroup::Protocol | ErrorGroup::Limit) => {
            let words = kind.framing_words().map_or_else(String::new, |words| format!("{words}, "));
            let note = note.map_or_else(String::new, |note| format!("; {note}"));
            Some(format!("{words}byte {detail} of the response{note}"))
        }
        (_, ErrorGroup::Timeout) => ms(outline.timeouts_ns.get(request.index()))
            .map(|ms| format!("no complete response within {ms} ms")),
        (_, ErrorGroup::Status) => {
            let note = note.map_or_else(String::new, |note| format!("; {note}"));
            Some(format!("status {detail}{note}"))
        }
        (_, ErrorGroup::Value) => note.map(str::to_owned),
    }
}

/// A connection that the server closed before the request reached it.
fn stale(errno: u64, idle_ns: Option<u64>, announced: Option<&str>) -> String {
    let how = if errno > 0 { errno_words(errno) } else { "closed".to_owned() };
    let idle = idle_ns.map_or_else(
        || " before the request was written".to_owned(),
        |ns| format!(" after {} without a request", duration(ns)),
    );
    let announced = announced
        .map_or_else(String::new, |words| format!(" (the server announced Keep-Alive: {words})"));
    format!("{how}{idle}{announced}: set idle_timeout_ms below the server's own")
}

/// Of a connection that was in use just before.
fn on_used(idle_ns: Option<u64>) -> String {
    let words = |ns| format!(", on a connection in use until {} before", duration(ns));
    idle_ns.map_or_else(String::new, words)
}

/// What `bad_source_address` means, of this address.
#[must_use]
pub fn bad_source_words(address: &str) -> String {
    format!("the source address {address} does not belong to this machine")
}

fn bad_source(index: u64, target: TargetId, outline: &Outline) -> String {
    let all = outline.source_addresses.get(target.index()).map_or(&[][..], Vec::as_slice);
    let address = usize::try_from(index).ok().and_then(|index| all.get(index));
    let address = address.map_or_else(|| "?".to_owned(), ToString::to_string);
    bad_source_words(&address)
}

/// An error code of HTTP/2, that of the peer (RFC 9113 section 7).
fn http2_code_words(code: u64) -> String {
    match http2_code_name(code) {
        Some(name) => format!("the peer said {name} ({code})"),
        None => format!("the peer said error code {code}"),
    }
}

/// The frame in which something was wrong (RFC 9113 section 6).
fn http2_frame_words(kind: u64) -> String {
    match http2_frame_name(kind) {
        Some(name) => format!("in a frame of type {name}"),
        None => format!("in a frame of type {kind}"),
    }
}

/// An errno of Linux in the words of its C library, with its number.
fn errno_words(errno: u64) -> String {
    match ERRNO_WORDS.iter().find(|(number, _)| *number == errno) {
        Some((_, words)) => format!("{words} (os error {errno})"),
        None => format!("os error {errno}"),
    }
}

/// What connecting, reading and writing can fail with (Linux errno(3)). Not asked of the system: a
/// log says the same on every machine.
pub(crate) const ERRNO_WORDS: [(u64, &str); 34] = [
    (1, "Operation not permitted"),
    (2, "No such file or directory"),
    (4, "Interrupted system call"),
    (5, "Input/output error"),
    (9, "Bad file descriptor"),
    (11, "Resource temporarily unavailable"),
    (12, "Cannot allocate memory"),
    (13, "Permission denied"),
    (20, "Not a directory"),
    (22, "Invalid argument"),
    (23, "Too many open files in system"),
    (24, "Too many open files"),
    (32, "Broken pipe"),
    (71, "Protocol error"),
    (88, "Socket operation on non-socket"),
    (92, "Protocol not available"),
    (93, "Protocol not supported"),
    (95, "Operation not supported"),
    (97, "Address family not supported by protocol"),
    (98, "Address already in use"),
    (99, "Cannot assign requested address"),
    (100, "Network is down"),
    (101, "Network is unreachable"),
    (102, "Network dropped connection on reset"),
    (103, "Software caused connection abort"),
    (104, "Connection reset by peer"),
    (105, "No buffer space available"),
    (106, "Transport endpoint is already connected"),
    (107, "Transport endpoint is not connected"),
    (110, "Connection timed out"),
    (111, "Connection refused"),
    (112, "Host is down"),
    (113, "No route to host"),
    (115, "Operation now in progress"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn example(at: u64, worker: u16, detail: u64) -> Example {
        Example {
            worker: WorkerId(worker),
            at: Tick(at),
            request: RequestId(0),
            target: TargetId(0),
            address: 1,
            detail,
            idle_ns: None,
            reused: false,
        }
    }

    fn outline() -> Outline {
        let text = "runtime.iterations = 1\n\
            target = { base_url = 'http://h', connection_timeout_ms = 250 }\n\
            requests = [{ name = 'get', path = '/', timeout_ms = 1500 }]";
        Outline::from_scenario(&z6_scenario::Scenario::from_toml(text).unwrap())
    }

    fn words(kind: ErrorKind, detail: u64) -> String {
        let mut examples = Examples::default();
        let addresses = vec!["10.0.0.1:80".to_owned(), "[::1]:80".to_owned()];
        examples.resolved(&[TargetAddresses { target: TargetId(0), addresses }]);
        examples.note(kind, example(5, 0, detail), None);
        examples.in_words(&outline())[0].1.clone()
    }

    #[test]
    fn the_first_by_time_then_worker_is_kept_whatever_the_order() {
        let kind = ErrorKind::ConnectionReset;
        let mut one = [example(7, 0, 1), example(5, 1, 2), example(5, 0, 3), example(5, 0, 4)];
        let kept = |order: &[Example]| {
            let mut examples = Examples::default();
            order.iter().for_each(|example| examples.note(kind, *example, None));
            examples.by_kind[&kind].0.detail
        };
        assert_eq!(kept(&one), 3);
        one.swap(0, 2);
        assert_eq!(kept(&one), 3);
    }

    #[test]
    fn errno_offset_status_and_timeouts_are_in_words() {
        use ErrorKind as K;
        for (kind, detail, reason) in [
            (K::ConnectionRefused, 111, ": Connection refused (os error 111)"),
            (K::SocketError, 1_000, ": os error 1000"),
            (K::ConnectTimeout, 0, ": no connection within 250 ms"),
            (K::ClosedBeforeResponse, 0, ": closed before the first byte"),
            (K::IncompleteBody, 42, ": closed after 42 bytes of the response"),
            (K::BadChunk, 47, ": byte 47 of the response"),
            (K::HeadTooLarge, 65_536, ": byte 65536 of the response"),
            (K::HeadTooLarge, 0, ""),
            (K::LoopLimit, 0, ""),
            (K::StreamReset, 2, ": the peer said INTERNAL_ERROR (2)"),
            (K::StreamRefused, 7, ": the peer said REFUSED_STREAM (7)"),
            (K::ConnectionGoingAway, 104, ": the peer said error code 104"),
            (K::Http2BadFrame, 6, ": in a frame of type PING"),
            (K::Http2FlowControl, 8, ": in a frame of type WINDOW_UPDATE"),
            (K::Http2BadFrame, 250, ": in a frame of type 250"),
            (K::Http2BadPreface, 0, ""),
            (K::Http2ControlFlood, 0, ""),
            (K::RequestTimeout, 0, ": no complete response within 1500 ms"),
            (K::Status5xx, 503, ": status 503"),
        ] {
            assert_eq!(words(kind, detail), format!("get to [::1]:80{reason}"));
        }
    }

    #[test]
    fn a_response_in_another_version_says_so() {
        for (kind, place) in [
            (ErrorKind::BadStatusLine, ": byte 0 of the response; "),
            (ErrorKind::Http2BadPreface, ": "),
        ] {
            let mut examples = Examples::default();
            examples.note(kind, example(5, 0, 0), Some(b"the server speaks HTTP/9 here"));
            let words = examples.in_words(&outline()).remove(0).1;
            let expected = format!("{place}the server speaks HTTP/9 here");
            assert!(words.ends_with(&expected), "{words}");
        }
    }

    #[test]
    fn stale_and_used_connections_say_how_long_they_were_idle() {
        let mut examples = Examples::default();
        let idle = Example { idle_ns: Some(1_234_567_890), reused: true, ..example(5, 0, 0) };
        examples.note(ErrorKind::StaleConnection, idle, Some(b"timeout=1"));
        examples.note(ErrorKind::ClosedBeforeResponse, idle, None);
        examples.note(ErrorKind::ConnectionReset, Example { detail: 104, ..idle }, None);
        let words: Vec<String> =
            examples.in_words(&outline()).into_iter().map(|(_, words)| words).collect();
        assert!(words[0].ends_with(
            "Connection reset by peer (os error 104), on a connection in use until 1.23 s before"
        ));
        assert!(
            words[1].ends_with(
                "closed before the first byte, on a connection in use until 1.23 s before"
            )
        );
        assert!(words[2].ends_with(
            "closed after 1.23 s without a request (the server announced Keep-Alive: timeout=1): \
             set idle_timeout_ms below the server's own"
        ));
        let mut unsent = Examples::default();
        unsent.note(ErrorKind::StaleConnection, example(5, 0, 0), None);
        let words = unsent.in_words(&outline()).remove(0).1;
        assert!(words.contains("closed before the request was written: set"), "{words}");
    }

    #[test]
    fn an_address_that_is_not_known_is_the_only_one_or_the_target() {
        let mut examples = Examples::default();
        let kind = ErrorKind::BadHeader;
        examples.note(kind, Example { address: NO_ADDRESS, ..example(5, 0, 3) }, None);
        let shown = |examples: &Examples| examples.in_words(&outline())[0].1.clone();
        assert_eq!(shown(&examples), "get to target: byte 3 of the response");
        let addresses = vec!["10.0.0.1:80".to_owned()];
        examples.resolved(&[TargetAddresses { target: TargetId(0), addresses }]);
        assert_eq!(shown(&examples), "get to 10.0.0.1:80: byte 3 of the response");
    }

    #[test]
    fn a_failed_attempt_lends_its_address_to_the_request_that_fails_with_it() {
        let attempt = LastAttempt::new(Tick(5), TargetId(1), 0);
        assert_eq!(attempt.address(Tick(5), TargetId(1)), 0);
        assert_eq!(attempt.address(Tick(6), TargetId(1)), NO_ADDRESS);
        assert_eq!(attempt.address(Tick(5), TargetId(0)), NO_ADDRESS);
        assert_eq!(LastAttempt::default().address(Tick(0), TargetId(0)), NO_ADDRESS);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn errno_words_are_those_of_the_system() {
        for (errno, _) in ERRNO_WORDS {
            let system = std::io::Error::from_raw_os_error(errno as i32).to_string();
            assert_eq!(errno_words(errno), system);
        }
    }
}
