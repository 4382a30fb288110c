//! Reads requests on the server's side, from bytes alone.

use std::ops::Range;

use z6_http::IdParts;
use z6_proto_http1::Limits;
use z6_proto_http1::server::{BadRequest, read_whole};

/// The server reads heads of any length: what a client may send is not its business.
const LIMITS: Limits = Limits {
    head_bytes_max: usize::MAX,
    fields_max: z6_proto_http1::FIELDS_HARD_MAX,
    interim_max: 0,
    chunk_extension_bytes_max: 0,
    trailer_bytes_max: 0,
};

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
///
/// # Errors
/// For bytes that are not a request: a client never sends such.
pub(crate) fn read(
    bytes: &[u8],
    id_header: Option<&str>,
) -> Result<Option<ReceivedRequest>, BadRequest> {
    let Some(request) = read_whole(bytes, &LIMITS)? else { return Ok(None) };
    let value = id_header.and_then(|name| request.head.field(name));
    let id = value.and_then(|value| {
        // The value is a part of `bytes`.
        let start = value.as_ptr().addr() - bytes.as_ptr().addr();
        IdParts::parse(value).map(|id| (id, start..start + value.len()))
    });
    Ok(Some(ReceivedRequest {
        length: request.bytes,
        path: request.head.target.to_owned(),
        is_head: request.head.method == "HEAD",
        wants_close: request.head.close,
        id,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_whole_with_their_body() {
        let text = b"POST /a HTTP/1.1\r\nHost: a\r\ncontent-length: 3\r\n\r\nabcGET / ";
        let request = read(text, None).unwrap().unwrap();
        assert_eq!((request.length, request.path.as_str()), (text.len() - 6, "/a"));
        assert!(!request.is_head && !request.wants_close);
        assert_eq!(read(&text[..text.len() - 7], None), Ok(None));
        let head = b"HEAD /x?y HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let request = read(head, None).unwrap().unwrap();
        assert_eq!((request.length, request.path.as_str()), (head.len(), "/x?y"));
        assert!(request.is_head && request.wants_close);
    }

    #[test]
    fn the_id_is_read_where_its_header_is() {
        let text =
            b"GET / HTTP/1.1\r\nHost: a\r\nz6-id: 00-000000000000002a-0000000000000003-01\r\n\r\n";
        let (id, range) = read(text, Some("Z6-Id")).unwrap().unwrap().id.unwrap();
        assert_eq!(id, IdParts { population: 0, actor: 42, step: 3, exchange: 1 });
        assert_eq!(&text[range], b"00-000000000000002a-0000000000000003-01");
        assert_eq!(read(text, None).unwrap().unwrap().id, None);
        let short = b"GET / HTTP/1.1\r\nHost: a\r\nz6-id: 2a-3-01\r\n\r\n";
        assert_eq!(read(short, Some("Z6-Id")).unwrap().unwrap().id, None);
        assert!(read(b"GET / HTTP/1.1\r\n\r\n", None).is_err(), "no Host");
    }
}
