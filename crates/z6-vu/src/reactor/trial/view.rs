//! Reads a response a second time, to be shown whole: the session keeps of it what the scenario reads.

use std::borrow::Cow;
use std::ops::Range;

use z6_proto_http1::{Connection, Eof, Keep, KeptResponse, Limits, Received};

/// Most bytes of a body that are kept to be shown: 1 MiB.
pub(super) const SHOWN_BYTES_MAX: usize = 1 << 20;

/// One response.
pub(super) struct View {
    http: Connection,
    /// All bytes that came, up to a limit.
    pub(super) raw: Vec<u8>,
    /// There were more.
    pub(super) is_cut: bool,
}

impl View {
    pub(super) fn new(limits: Limits, sent: &[u8]) -> View {
        let mut http = Connection::new(limits);
        http.keep(Keep { fields: true, body_bytes_max: Some(SHOWN_BYTES_MAX) });
        http.accept_upgrade(true);
        http.start(sent.len(), sent.starts_with(b"HEAD "));
        http.wrote(sent.len());
        View { http, raw: Vec::new(), is_cut: false }
    }

    /// Takes bytes; whether the response is whole.
    pub(super) fn received(&mut self, bytes: &[u8]) -> bool {
        let room = SHOWN_BYTES_MAX - self.raw.len().min(SHOWN_BYTES_MAX);
        self.raw.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.is_cut |= bytes.len() > room;
        self.http.is_in_exchange() && matches!(self.http.received(bytes), Received::Complete { .. })
    }

    /// Nothing comes any more; whether the response is whole.
    pub(super) fn ended(&mut self) -> bool {
        self.http.is_in_exchange() && matches!(self.http.eof(), Eof::Complete(_))
    }

    /// The whole response, whose last bytes are in `input`.
    pub(super) fn kept<'a>(&'a self, input: &'a [u8]) -> Option<KeptResponse<'a>> {
        self.http.kept(input)
    }
}

/// Head and body of what came of a response, interim responses before the head; the body without the framing of
/// chunks, as far as it can be read.
pub(super) fn parts(raw: &[u8]) -> (&[u8], Cow<'_, [u8]>) {
    let Some(place) = final_head(raw) else { return (raw, Cow::Borrowed(&[])) };
    let (head, body) = raw.split_at(place.end);
    let kept = KeptResponse { head: &raw[place], trailers: &[], body: None };
    let is_chunked = kept.field("Transfer-Encoding").is_some();
    (head, if is_chunked { Cow::Owned(unchunked(body)) } else { Cow::Borrowed(body) })
}

/// The heads of interim responses before a head that is whole.
pub(super) fn interim(raw: &[u8]) -> &[u8] {
    final_head(raw).map_or(&[], |place| &raw[..place.start])
}

/// Where the final head is, if it is whole.
fn final_head(raw: &[u8]) -> Option<Range<usize>> {
    let mut start = 0;
    loop {
        let rest = &raw[start..];
        let length = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
        let status = rest[..length].split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        if !status.starts_with(b"1") || status.starts_with(b"101") {
            return Some(start..start + length);
        }
        start += length;
    }
}

/// The content of chunks, up to the first that cannot be read.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(end) = body.windows(2).position(|bytes| bytes == b"\r\n") {
        let size = body[..end].split(|byte| *byte == b';').next().unwrap_or_default();
        let size = std::str::from_utf8(size.trim_ascii()).ok();
        let Some(size) = size.and_then(|size| usize::from_str_radix(size, 16).ok()) else { break };
        let rest = &body[end + 2..];
        content.extend_from_slice(&rest[..size.min(rest.len())]);
        let Some(next) = size.checked_add(2).and_then(|length| rest.get(length..)) else { break };
        if size == 0 {
            break;
        }
        body = next;
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_taken_apart_as_far_as_it_came() {
        let head =
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (body, content) in [
            ("", ""),
            ("3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", "abcde"),
            ("3\r\nabc\r\n5\r\nde", "abcde"),
            ("3\r\nabc\r\nzz\r\nde", "abc"),
            ("ffffffffffffffff\r\nde", "de"),
            ("3", ""),
        ] {
            let raw = format!("{head}{body}");
            let (read, found) = parts(raw.as_bytes());
            assert_eq!((read, &*found), (head.as_bytes(), content.as_bytes()), "{body}");
            assert_eq!(interim(raw.as_bytes()), b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let raw = b"HTTP/1.1 200 OK\r\nSet-Co";
        assert_eq!(parts(raw), (&raw[..], Cow::Borrowed(&[][..])));
    }
}
