//! Requests as bytes: the checklist's lines about what is sent, each by its RFC section.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use proptest::prelude::*;
use z6_http::{ID_BYTES, IdParts, RequestError, RequestSpec, Segment, Slot, USER_AGENT};
use z6_proto_http1::RequestTemplate;

fn headers(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The request's bytes as text, without the default user agent's line.
fn text(spec: &RequestSpec<'_>) -> Result<String, RequestError> {
    let template = RequestTemplate::encode(spec)?;
    let text = String::from_utf8(template.bytes().to_vec()).unwrap();
    assert_eq!(template.len(), text.len());
    assert_eq!(template.head_bytes(), text.find("\r\n\r\n").unwrap() + 4);
    Ok(text.replace(&format!("User-Agent: {USER_AGENT}\r\n"), ""))
}

fn with_headers(
    method: &str,
    list: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Result<String, RequestError> {
    let headers = headers(list);
    let mut spec = RequestSpec::new(method, "h", 80, "/");
    spec.headers = &headers;
    spec.body = body;
    text(&spec)
}

/// RFC 9110 §10.1.5, §10.1.1: User-Agent; no Expect; nothing else.
#[test]
fn least_request() {
    let template = RequestTemplate::encode(&RequestSpec::new("GET", "h", 80, "")).unwrap();
    let expected = format!("GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: {USER_AGENT}\r\n\r\n");
    assert_eq!(String::from_utf8_lossy(template.bytes()), expected);
    assert!(USER_AGENT.starts_with("z6/"));
    assert!(!template.is_head_method());
    assert_eq!((template.id_range(), template.is_fixed()), (None, true));
    let segments: Vec<Segment<'_>> = template.segments().iter().collect();
    assert_eq!(segments, [Segment::Fixed(template.bytes())]);
}

/// RFC 9110 §10.1.5.
#[test]
fn user_agent_of_the_caller_replaces_ours() {
    let sent = with_headers("GET", &[("user-agent", "mine")], None).unwrap();
    assert_eq!(sent, "GET / HTTP/1.1\r\nHost: h\r\nuser-agent: mine\r\n\r\n");
    let mut spec = RequestSpec::new("GET", "h", 80, "/");
    spec.user_agent = "other/1";
    assert_eq!(text(&spec).unwrap(), "GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: other/1\r\n\r\n");
    spec.user_agent = "";
    assert_eq!(text(&spec).unwrap(), "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    spec.user_agent = "a\r\nb";
    assert_eq!(text(&spec), Err(RequestError::UserAgent { offset: 1 }));
}

/// RFC 9112 §3.2, RFC 9110 §7.2: exactly one Host, and first.
#[test]
fn one_host() {
    let mut spec = RequestSpec::new("GET", "::1", 8080, "/a?b#c");
    assert_eq!(text(&spec).unwrap(), "GET /a?b HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n");
    spec.port = 443;
    spec.is_tls = true;
    spec.path_prefix = "/v1/";
    assert_eq!(text(&spec).unwrap(), "GET /v1/a?b HTTP/1.1\r\nHost: [::1]\r\n\r\n");

    let sent = with_headers("GET", &[("A", "b"), ("hOST", "other:81")], None).unwrap();
    assert_eq!(sent, "GET / HTTP/1.1\r\nhOST: other:81\r\nA: b\r\n\r\n");
    let twice = with_headers("GET", &[("Host", "a"), ("host", "b")], None);
    assert_eq!(twice, Err(RequestError::DuplicateHeader { name: "host".to_owned() }));
    for (value, offset) in [("user@h", 4), ("a b", 1), ("h/x", 1)] {
        let refused = with_headers("GET", &[("Host", value)], None);
        assert_eq!(refused, Err(RequestError::HostHeader { offset }));
    }
}

/// Order and case are kept as written.
#[test]
fn headers_as_given() {
    let list = [("X-b", "1"), ("x-A", " two "), ("X-b", "\u{e9}\t;"), ("Empty", "")];
    let sent = with_headers("GET", &list, None).unwrap();
    let expected =
        "GET / HTTP/1.1\r\nHost: h\r\nX-b: 1\r\nx-A:  two \r\nX-b: \u{e9}\t;\r\nEmpty: \r\n\r\n";
    assert_eq!(sent, expected);
}

/// RFC 9110 §8.6, RFC 9112 §6.3.
#[test]
fn content_length() {
    let lengths = |sent: String| -> Vec<String> {
        let is_length = |line: &&str| line.to_ascii_lowercase().starts_with("content-length");
        sent.lines().filter(is_length).map(str::to_owned).collect()
    };
    for (method, body, expected) in [
        ("GET", None, &[][..]),
        ("HEAD", None, &[]),
        ("DELETE", None, &[]),
        ("OPTIONS", None, &[]),
        ("post", None, &[]),
        ("POST", None, &["Content-Length: 0"]),
        ("PUT", None, &["Content-Length: 0"]),
        ("PATCH", None, &["Content-Length: 0"]),
        ("GET", Some(&b""[..]), &["Content-Length: 0"]),
        ("POST", Some(b"hello"), &["Content-Length: 5"]),
        ("GET", Some(b"hello"), &["Content-Length: 5"]),
    ] {
        let sent = with_headers(method, &[], body).unwrap();
        assert!(sent.ends_with(std::str::from_utf8(body.unwrap_or_default()).unwrap()));
        assert_eq!(lengths(sent), expected, "{method}");
    }
    let sent =
        with_headers("POST", &[("content-length", "5"), ("A", "b")], Some(b"hello")).unwrap();
    assert!(sent.contains("\r\ncontent-length: 5\r\nA: b\r\n\r\nhello"));
    assert_eq!(lengths(sent).len(), 1);
}

/// RFC 9112 §6.2, §6.3: never two framings, never a wrong one.
#[test]
fn framing_of_the_caller_must_agree() {
    for (given, body) in [("4", Some(&b"hello"[..])), ("5", None), ("x", Some(b"")), ("", None)] {
        let body_bytes = body.map_or(0, <[u8]>::len);
        let expected = RequestError::ContentLength { given: given.to_owned(), body_bytes };
        assert_eq!(with_headers("POST", &[("Content-Length", given)], body), Err(expected));
    }
    let twice = [("Content-Length", "0"), ("content-length", "0")];
    let expected = RequestError::DuplicateHeader { name: "content-length".to_owned() };
    assert_eq!(with_headers("GET", &twice, None), Err(expected));
    let coded = with_headers("POST", &[("transfer-Encoding", "chunked")], Some(b"x"));
    assert_eq!(coded, Err(RequestError::TransferEncoding));
}

/// RFC 9112 §2.2, RFC 9110 §5.5, §5.6.2: header injection.
#[test]
fn injection_is_refused() {
    for (name, offset) in [("", 0), ("A b", 1), ("A\r\nB", 1), ("A:", 1), ("\u{e9}", 0)] {
        let expected = RequestError::HeaderName { name: name.to_owned(), offset };
        assert_eq!(with_headers("GET", &[(name, "v")], None), Err(expected));
    }
    for value in ["v\r\nB: c", "v\rB", "v\nB", "v\0", "v\x1b", "v\x7f"] {
        let expected = RequestError::HeaderValue { name: "A".to_owned(), offset: 1 };
        assert_eq!(with_headers("GET", &[("A", value)], None), Err(expected));
    }
    for (method, offset) in [("", 0), ("GE T", 2), ("GET\r\n", 3), ("G(T", 1)] {
        let refused = with_headers(method, &[], None);
        assert_eq!(refused, Err(RequestError::Method { offset }));
    }
    assert_eq!(with_headers("CONNECT", &[], None), Err(RequestError::Connect));
}

/// RFC 9112 §3.2.4; RFC 9110 §9.1: any token is a method.
#[test]
fn methods() {
    assert!(text(&RequestSpec::new("OPTIONS", "h", 80, "*")).unwrap().starts_with("OPTIONS * H"));
    assert!(with_headers("M-SEARCH!", &[], None).unwrap().starts_with("M-SEARCH! / H"));
    let head = RequestTemplate::encode(&RequestSpec::new("HEAD", "h", 80, "/")).unwrap();
    assert!(head.is_head_method());
}

/// RFC 9112 §9.6.
#[test]
fn connection_close() {
    let list = headers(&[("Connection", "x-hop, Close")]);
    let mut spec = RequestSpec::new("GET", "h", 80, "/");
    spec.connection_close = true;
    assert!(text(&spec).unwrap().ends_with("\r\nConnection: close\r\n\r\n"));
    spec.headers = &list;
    assert_eq!(text(&spec).unwrap().matches("onnection").count(), 1);
}

#[test]
fn id_is_patched_in_place() {
    let mut spec = RequestSpec::new("POST", "h", 80, "/");
    spec.request_id_header = Some("Z6-Id");
    spec.body = Some(b"body");
    let template = RequestTemplate::encode(&spec).unwrap();
    let range = template.id_range().unwrap();
    let mut bytes = template.bytes().to_vec();
    let (step, exchange) = (0x0123_4567_89ab_cdef, 0xfe);
    template.write_id(&mut bytes, &IdParts { population: 9, actor: u64::MAX, step, exchange });
    assert_eq!(&bytes[range.clone()], b"09-ffffffffffffffff-0123456789abcdef-fe");
    assert_eq!(range.len(), ID_BYTES);
    assert!(
        bytes[..range.start].ends_with(b"\r\nZ6-Id: ") && bytes[range.end..].starts_with(b"\r\n")
    );
    template.render(&mut bytes, &IdParts::default());
    assert_eq!(bytes, template.bytes());
    let segments: Vec<Segment<'_>> = template.segments().iter().collect();
    let (head, tail) = (&bytes[..range.start], &bytes[range.end..]);
    let expected = [Segment::Fixed(head), Segment::Slot(Slot::RequestId), Segment::Fixed(tail)];
    assert_eq!(segments, expected);

    for name in ["", "A b", "Content-Length", "HOST"] {
        spec.request_id_header = Some(name);
        let expected = RequestError::RequestIdHeader { name: name.to_owned() };
        assert_eq!(text(&spec), Err(expected));
    }
    let taken = headers(&[("z6-id", "mine")]);
    spec.request_id_header = Some("Z6-Id");
    spec.headers = &taken;
    assert!(matches!(text(&spec), Err(RequestError::RequestIdHeader { .. })));
}

proptest! {
    /// Whatever is accepted, a server's parser reads as one request with just these parts.
    #[test]
    fn what_is_encoded_is_one_request(
        method in "[A-Z]{1,7}",
        path in "(/|\\?)[ -~\u{80}-\u{2fff}]{0,30}",
        list in prop::collection::vec(("[!-9A-~]{1,8}", "[\u{0}-\u{ff}]{0,8}"), 0..4),
        body in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
    ) {
        let mut spec = RequestSpec::new(&method, "h", 80, &path);
        spec.headers = &list;
        spec.body = body.as_deref();
        if let Ok(template) = RequestTemplate::encode(&spec) {
            let mut fields = [httparse::EMPTY_HEADER; 16];
            let mut request = httparse::Request::new(&mut fields);
            let parsed = request.parse(template.bytes()).unwrap();
            let length = parsed.unwrap();
            prop_assert_eq!(length, template.head_bytes());
            prop_assert_eq!(&template.bytes()[length..], body.as_deref().unwrap_or_default());
            prop_assert_eq!(request.method, Some(method.as_str()));
            let given = |name: &str| list.iter().filter(|(n, _)| n == name).count();
            for field in request.headers.iter().filter(|field| given(field.name) > 0) {
                prop_assert!(list.iter().any(|(name, value)| name == field.name
                    && value.trim_matches([' ', '\t']).as_bytes() == field.value));
            }
            let hosts = request.headers.iter().filter(|f| f.name.eq_ignore_ascii_case("host"));
            prop_assert_eq!(hosts.count(), 1);
        }
    }
}
