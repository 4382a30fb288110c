//! Tests of the request reader: bytes in, parts out, at every split of the bytes.

use super::*;
use crate::limits::{CHUNK_EXTENSION_BYTES_MAX_DEFAULT, TRAILER_BYTES_MAX_DEFAULT};

fn whole(text: &str) -> Result<Option<WholeRequest<'_>>, BadRequest> {
    read_whole(text.as_bytes(), &Limits::default())
}

/// What a server does of these bytes, given in portions that end at `cuts`: a line per request, then
/// the error if there is one.
fn read(input: &[u8], cuts: &[usize], limits: &Limits) -> String {
    let mut reader = RequestReader::default();
    let (mut pending, mut start, mut outcome) = (Vec::new(), 0, String::new());
    for &end in cuts.iter().chain([&input.len()]) {
        pending.extend_from_slice(&input[start..end]);
        start = end;
        loop {
            let (used, part) = match reader.next(&pending, limits) {
                Ok(next) => next,
                Err(error) => return outcome + &error.to_string(),
            };
            let is_last = part == RequestPart::NeedMore;
            match part {
                RequestPart::NeedMore => {}
                RequestPart::Head(head) => {
                    let RequestHead { method, target, close, .. } = head;
                    outcome += &format!("\n{method} {target} close {close} ");
                }
                RequestPart::Body(data) => outcome += &data.escape_ascii().to_string(),
                RequestPart::End => outcome += " end",
            }
            pending.drain(..used);
            if is_last {
                break;
            }
        }
    }
    outcome
}

const PIPELINE: &[u8] = b"\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n\
    POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello\
    PUT /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n\
    3\r\nabc\r\n0a ;x=\"y\"\r\n0123456789\r\n0\r\nT: r\r\n\r\n\
    GET /c HTTP/1.0\r\n\r\n\
    GET /d HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n";

const OUTCOME: &str = "\nGET / close false \nPOST /a close false hello end\
    \nPUT /b close false abc0123456789 end\nGET /c close true the Content-Length is not one number";

/// RFC 9112 §2.2: an empty line before a request line is ignored.
#[test]
fn requests_read_the_same_at_every_split() {
    let limits = Limits::default();
    assert_eq!(read(PIPELINE, &[], &limits), OUTCOME);
    for cut in 0..PIPELINE.len() {
        assert_eq!(read(PIPELINE, &[cut], &limits), OUTCOME, "cut at {cut}");
    }
    let every: Vec<usize> = (0..PIPELINE.len()).collect();
    assert_eq!(read(PIPELINE, &every, &limits), OUTCOME, "byte by byte");
}

#[test]
fn a_head_over_its_limit_is_refused_at_any_length() {
    let limits = Limits { head_bytes_max: 64, ..Limits::default() };
    let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(64));
    let message = BadRequest::HeadTooLong.to_string();
    for cut in 0..long.len() {
        assert_eq!(read(long.as_bytes(), &[cut], &limits), message, "cut at {cut}");
    }
    assert_eq!(read(&[b'x'; 65], &[], &limits), message);
    assert_eq!(read(&[b'x'; 64], &[], &limits), "");
}

/// RFC 9112 §6.1, §6.3; RFC 9110 §8.6.
#[test]
fn framing_follows_the_fields() {
    let framing = |fields: &str| {
        let text = format!("POST /a HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
        let parsed = parse(text.as_bytes(), 128);
        parsed.map(|head| head.expect("complete").body)
    };
    assert_eq!(framing(""), Ok(RequestBody::Empty));
    assert_eq!(framing("Content-Length: 0\r\n"), Ok(RequestBody::Empty));
    let twice = "content-length: 5\r\nContent-Length: 5\r\n";
    assert_eq!(framing(twice), Ok(RequestBody::Length(5)));
    assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Ok(RequestBody::Chunked));
    for value in ["+5", "5, 5", "0x5", "", "5 5", "99999999999999999999"] {
        let field = format!("Content-Length: {value}\r\n");
        assert_eq!(framing(&field), Err(BadRequest::ContentLength), "{value}");
    }
    let differing = "Content-Length: 5\r\nContent-Length: 6\r\n";
    assert_eq!(framing(differing), Err(BadRequest::ContentLength));
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(framing(both), Err(BadRequest::TwoFramings));
    for value in ["gzip", "gzip, chunked", "chunked, chunked", "identity", "chunked, gzip"] {
        let field = format!("Transfer-Encoding: {value}\r\n");
        assert_eq!(framing(&field), Err(BadRequest::TransferCoding), "{value}");
    }
}

/// RFC 9112 §9.3.
#[test]
fn persistence_follows_version_and_options() {
    let close = |text: &str| whole(text).expect("valid").expect("complete").head.close;
    assert!(!close("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    assert!(close("GET / HTTP/1.1\r\nHost: h\r\nConnection: te, CLOSE\r\n\r\n"));
    assert!(close("GET / HTTP/1.0\r\n\r\n"));
    assert!(!close("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
    assert!(close("GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n"));
}

#[test]
fn what_breaks_the_protocol_is_refused() {
    let refusal = |text: &str| whole(text).expect_err("refused");
    assert_eq!(refusal("GET / HTTP/2.0\r\n\r\n").status(), 505);
    assert_eq!(refusal("GET / HTTP/1.1\r\n\r\n"), BadRequest::Host);
    assert_eq!(refusal("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), BadRequest::Host);
    assert_eq!(refusal("GET / HTTP/1.1\r\nHost : a\r\n\r\n").status(), 400);
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(refusal(old), BadRequest::OldTransferEncoding);
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(128));
    assert_eq!(refusal(&many).status(), 431);
}

#[test]
fn an_incomplete_request_is_awaited() {
    let text = "POST /x HTTP/1.1\r\nHost: h\r\nA: 1\r\na:  2 \r\nContent-Length: 2\r\n\r\nhi";
    for cut in 0..text.len() {
        assert_eq!(whole(&text[..cut]), Ok(None), "{cut}");
    }
    let request = whole(text).expect("valid").expect("complete");
    assert_eq!((request.head.target, &request.body[..]), ("/x", &b"hi"[..]));
    assert_eq!((request.bytes, request.head.bytes.len()), (text.len(), text.len() - 2));
    assert_eq!(request.head.field("A"), Some(b"2".as_slice()), "the last one");
    assert_eq!(request.head.field("B"), None);
    let names: Vec<&str> = request.head.fields().map(|(name, _)| name).collect();
    assert_eq!(names, ["Host", "A", "a", "Content-Length"]);
}

/// RFC 9112 §7.1.
#[test]
fn malformed_chunks_are_refused() {
    use ProtocolErrorKind as Kind;
    let chunks = |body: &str| {
        whole(&format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}"))
            .map(|request| request.map(|request| request.body))
    };
    assert_eq!(chunks("1\r\na\r\n0\r\n\r\n"), Ok(Some(b"a".to_vec())));
    let (extension, trailer) = (CHUNK_EXTENSION_BYTES_MAX_DEFAULT, TRAILER_BYTES_MAX_DEFAULT);
    let long_extension = format!("1;{}", "x".repeat(extension));
    let long_trailers = format!("0\r\n{}", "a: b\r\n".repeat(trailer / 6 + 1));
    for (body, kind) in [
        ("\r\n", Kind::BadChunk),
        ("g\r\n", Kind::BadChunk),
        ("4\nWiki\r\n", Kind::BareLineFeed),
        ("4\r\nWikiX", Kind::BadChunk),
        ("4\r\nWiki\rX", Kind::BadChunk),
        ("11111111111111111\r\n", Kind::BadChunk),
        ("-1\r\n", Kind::BadChunk),
        ("1;a\nb", Kind::BareLineFeed),
        ("0\r\nA: b\n", Kind::BareLineFeed),
        ("0\r\nno field\r\n", Kind::BadTrailer),
        (long_extension.as_str(), Kind::ChunkExtensionTooLarge),
        (long_trailers.as_str(), Kind::TrailersTooLarge),
    ] {
        assert_eq!(chunks(body), Err(BadRequest::Chunked(kind)), "{body:.20}");
    }
}
