//! Reads requests on the server's side: from bytes, knowing nothing of who sent them.

use std::ops::Range;

use z6_http::IdParts;

const HEAD_END: &[u8] = b"\r\n\r\n";

/// A request that has arrived whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceivedRequest {
    /// Bytes of head and body.
    pub(crate) length: usize,
    /// Path and query as in the request line.
    pub(crate) path: String,
    /// The method is HEAD.
    pub(crate) is_head: bool,
    /// The client asks to close the connection after the response.
    pub(crate) wants_close: bool,
    /// The request id and where it is, if the header is there and well-formed.
    pub(crate) id: Option<(IdParts, Range<usize>)>,
}

/// Reads one request from the front of `bytes`; none while it is not whole. `id_header` is the name of the
/// header with the request id.
pub(crate) fn read(bytes: &[u8], id_header: Option<&str>) -> Option<ReceivedRequest> {
    let head_end = bytes.windows(HEAD_END.len()).position(|window| window == HEAD_END)?;
    let head = std::str::from_utf8(&bytes[..head_end]).ok()?;
    let mut lines = head.split("\r\n");
    let mut request_line = lines.next()?.split(' ');
    let mut request = ReceivedRequest {
        length: head_end + HEAD_END.len(),
        is_head: request_line.next()? == "HEAD",
        path: request_line.next()?.to_owned(),
        wants_close: false,
        id: None,
    };
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            request.length += value.parse::<usize>().ok()?;
        } else if name.eq_ignore_ascii_case("connection") {
            request.wants_close |= value.eq_ignore_ascii_case("close");
        } else if id_header.is_some_and(|known| name.eq_ignore_ascii_case(known)) {
            // `value` is a part of `bytes`, whose head is as long as the text.
            let start = value.as_ptr().addr() - bytes.as_ptr().addr();
            let id = IdParts::parse(value.as_bytes());
            request.id = id.map(|id| (id, start..start + value.len()));
        }
    }
    (bytes.len() >= request.length).then_some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_whole_with_their_body() {
        let text = b"POST /a HTTP/1.1\r\nHost: a\r\ncontent-length: 3\r\n\r\nabcGET / ";
        let request = read(text, None).unwrap();
        assert_eq!((request.length, request.path.as_str()), (text.len() - 6, "/a"));
        assert!(!request.is_head && !request.wants_close);
        assert_eq!(read(&text[..text.len() - 7], None), None);
        let head = b"HEAD /x?y HTTP/1.1\r\nConnection: close\r\n\r\n";
        let request = read(head, None).unwrap();
        assert_eq!((request.length, request.path.as_str()), (head.len(), "/x?y"));
        assert!(request.is_head && request.wants_close);
    }

    #[test]
    fn the_id_is_read_where_its_header_is() {
        let text = b"GET / HTTP/1.1\r\nz6-id: 00-000000000000002a-0000000000000003-01\r\n\r\n";
        let (id, range) = read(text, Some("Z6-Id")).unwrap().id.unwrap();
        assert_eq!(id, IdParts { population: 0, actor: 42, step: 3, exchange: 1 });
        assert_eq!(&text[range], b"00-000000000000002a-0000000000000003-01");
        assert_eq!(read(text, None).unwrap().id, None);
        let short = b"GET / HTTP/1.1\r\nz6-id: 2a-3-01\r\n\r\n";
        assert_eq!(read(short, Some("Z6-Id")).unwrap().id, None);
    }
}
