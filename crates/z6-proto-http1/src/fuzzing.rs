//! Bodies of the fuzz targets: any bytes in, assertions inside.
//!
//! Owns how bytes become splits and operations. A unit test runs each over its committed corpus
//! in `tests/corpus`; a fuzz target is one line that calls it. `naive` is the reader that outcomes are compared
//! with.

mod naive;

use z6_http::field::parse_digits;
use z6_http::{ID_BYTES, IdParts, RequestSpec, is_redirect};

use crate::chunked::ChunkedDecoder;
use crate::connection::{Connection, Eof, Received};
use crate::decoder::ResponseDecoder;
use crate::error::{ProtocolError, ProtocolErrorKind};
use crate::form::{Gap, RequestForm};
use crate::irregularity::Irregularities;
use crate::kept::Keep;
use crate::limits::Limits;
use crate::request::RequestTemplate;
use crate::scan::Fault;
use crate::server::{BadRequest, RequestBody, RequestPart, RequestReader, read_whole};
use crate::tunnel::{TunnelReply, connect_request, read_tunnel_reply};

/// Limits small enough for a fuzzer to reach.
const TIGHT: Limits = Limits {
    head_bytes_max: 96,
    fields_max: 4,
    interim_max: 2,
    chunk_extension_bytes_max: 8,
    trailer_bytes_max: 24,
};

/// Everything the decoder reports about a response.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    decoded: Result<bool, ProtocolError>,
    /// Bytes consumed; what a failed call took is not part of an outcome.
    consumed: Option<usize>,
    status: Option<u16>,
    head_bytes: u64,
    body_bytes: u64,
    keep_alive: bool,
    final_response_start: u64,
    irregularities: Irregularities,
    eof: Result<(), ProtocolError>,
}

fn decode_in_steps(decoder: &mut ResponseDecoder, bytes: &[u8], step: usize) -> Outcome {
    let mut consumed = 0;
    let mut decoded = Ok(false);
    for piece in bytes.chunks(step.max(1)) {
        match decoder.decode(piece) {
            Ok(now) => {
                assert!(now.consumed <= piece.len(), "consumed more than there was");
                assert!(now.complete || now.consumed == piece.len(), "left bytes of its own");
                consumed += now.consumed;
                decoded = Ok(now.complete);
            }
            Err(error) => decoded = Err(error),
        }
        if decoded != Ok(false) {
            break;
        }
    }
    if let Err(error) = decoded {
        assert!(error.offset <= bytes.len() as u64, "offset beyond the input");
        assert_eq!(decoder.decode(b"more"), Err(error), "an error stays");
        assert!(!error.name().is_empty());
    } else {
        assert_eq!(decoder.position(), consumed as u64);
        assert!(decoder.head_bytes() + decoder.body_bytes() <= consumed as u64);
    }
    Outcome {
        decoded,
        consumed: decoded.is_ok().then_some(consumed),
        status: decoder.status(),
        head_bytes: decoder.head_bytes(),
        body_bytes: decoder.body_bytes(),
        keep_alive: decoder.keep_alive(),
        final_response_start: decoder.final_response_start(),
        irregularities: decoder.irregularities(),
        eof: decoder.eof(),
    }
}

/// Whole, byte by byte and in steps give one outcome, and a decoder used again is as new. An independent
/// reader finds the same response, within the limits. The first byte chooses HEAD, limits, whether an upgrade was
/// asked for, and step.
///
/// # Panics
/// If one of these does not hold.
pub fn fuzz_response_decoder(data: &[u8]) {
    let Some((&options, bytes)) = data.split_first() else { return };
    let limits = if options & 2 == 0 { Limits::default() } else { TIGHT };
    let mut decoder = ResponseDecoder::new(limits);
    decoder.accept_upgrade(options & 0x80 != 0);
    let mut run = |step| {
        decoder.reset(options & 1 == 1);
        decode_in_steps(&mut decoder, bytes, step)
    };
    let whole = run(usize::MAX);
    assert_eq!(run(1), whole, "byte by byte");
    assert_eq!(run(usize::from(options >> 2) + 2), whole, "in steps");
    assert_eq!(run(usize::MAX), whole, "a second time");
    check_response(&whole, bytes, options & 1 == 1, &limits);
    check_kept(&whole, bytes, options, limits);
    check_tunnel_reply(bytes);
}

/// A response that was taken, without irregularities, is the one that the naive reader finds.
fn check_response(outcome: &Outcome, bytes: &[u8], is_head: bool, limits: &Limits) {
    let has_head = outcome.decoded.is_ok() && outcome.status.is_some();
    if !has_head || outcome.irregularities != Irregularities::NONE {
        return;
    }
    let Some(naive) = naive::Response::read(bytes, is_head, limits) else {
        panic!("a response out of nothing: {outcome:?}");
    };
    assert_eq!(outcome.status, Some(naive.status));
    assert!(naive.interim <= limits.interim_max as usize, "{} interim responses", naive.interim);
    assert_eq!(outcome.head_bytes, naive.head_bytes as u64);
    assert_eq!(outcome.final_response_start, naive.starts_at as u64);
    if naive.is_cut {
        return assert_eq!(outcome.decoded, Ok(false), "a body out of nothing: {outcome:?}");
    }
    assert_eq!(outcome.body_bytes, naive.body.len() as u64, "{naive:?}");
    if outcome.decoded == Ok(true) {
        assert_eq!(outcome.consumed, naive.len, "{naive:?}");
    } else {
        assert_eq!((naive.len, outcome.eof.is_ok()), (None, naive.is_to_the_end));
    }
}

/// What is kept of it are its fields and its body, under every split.
fn check_kept(outcome: &Outcome, bytes: &[u8], options: u8, limits: Limits) {
    if outcome.decoded != Ok(true) || outcome.irregularities != Irregularities::NONE {
        return;
    }
    let is_head = options & 1 == 1;
    let Some(naive) = naive::Response::read(bytes, is_head, &limits) else { return };
    for step in [usize::MAX, 1, usize::from(options >> 2) + 2] {
        let mut decoder = ResponseDecoder::new(limits);
        decoder.accept_upgrade(options & 0x80 != 0);
        decoder.keep(Keep { fields: true, body_bytes_max: Some(bytes.len()) });
        decoder.keep_location(true);
        decoder.reset(is_head);
        let mut pieces = bytes.chunks(step);
        let last = pieces.find(|piece| decoder.decode(piece).is_ok_and(|now| now.complete));
        let kept = last.and_then(|last| decoder.kept(last));
        let Some(kept) = kept else { panic!("nothing was kept in steps of {step}") };
        let fields: naive::Fields =
            kept.fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        assert_eq!(fields, naive.fields);
        assert_eq!(kept.body, Some(&naive.body[..]), "in steps of {step}");
        for (name, value) in kept.fields() {
            let name = String::from_utf8_lossy(name);
            assert!(kept.field(&name).is_some_and(|first| first == value || fields.len() > 1));
        }
        let location = decoder.location().map(|location| location.value());
        assert_eq!(location, is_redirect(naive.status).then(|| naive.location()));
        assert!(decoder.kept_bytes() >= decoder.lend(Vec::new()).len());
        decoder.give_up_body();
        decoder.keep(Keep::default());
        decoder.reset(is_head);
        assert_eq!(decoder.kept(&[]), None, "nothing is kept any more");
    }
}

/// What a proxy answers is found as soon as it is there, and is what the naive reader finds.
fn check_tunnel_reply(bytes: &[u8]) {
    let whole = read_tunnel_reply(bytes);
    for part in 1..32 {
        let reply = read_tunnel_reply(&bytes[..bytes.len() * part / 32]);
        assert!(reply == TunnelReply::NeedMore || reply == whole, "{reply:?}, then {whole:?}");
    }
    let limits = Limits { head_bytes_max: usize::MAX, fields_max: 128, ..Limits::default() };
    let Some(naive) = naive::Response::read(bytes, true, &limits) else {
        return assert!(matches!(whole, TunnelReply::NeedMore | TunnelReply::NotHttp));
    };
    match naive.status {
        101 => {}
        status @ 200..300 => {
            let bytes = naive.starts_at + naive.head_bytes;
            assert_eq!(whole, TunnelReply::Open { bytes }, "{status}");
        }
        status => assert_eq!(whole, TunnelReply::Refused { status }),
    }
}

/// Any split of a chunked body gives one outcome; an independent reader finds the same payload, and refuses
/// what is refused.
///
/// # Panics
/// If one of these does not hold.
pub fn fuzz_chunked(data: &[u8]) {
    let Some((&options, bytes)) = data.split_first() else { return };
    let limits = if options & 1 == 0 { Limits::default() } else { TIGHT };
    let run = |step: usize| -> (Result<usize, Fault>, u64, bool) {
        let mut decoder = ChunkedDecoder::new();
        let mut taken = 0;
        for piece in bytes.chunks(step.max(1)) {
            match decoder.feed(piece, &limits) {
                Ok(now) => taken += now,
                Err(fault) => {
                    let fault = Fault::new(fault.kind, taken + fault.at);
                    return (Err(fault), decoder.payload_bytes(), decoder.is_done());
                }
            }
        }
        assert!(decoder.payload_bytes() <= taken as u64, "payload out of nothing");
        assert!(decoder.is_done() || taken == bytes.len(), "left bytes of its own");
        (Ok(taken), decoder.payload_bytes(), decoder.is_done())
    };
    let whole = run(usize::MAX);
    assert_eq!(run(1), whole, "byte by byte");
    assert_eq!(run(usize::from(options >> 1) + 2), whole, "in steps");
    check_chunked(bytes, &limits);
}

fn check_chunked(bytes: &[u8], limits: &Limits) {
    let mut decoder = ChunkedDecoder::new();
    let (mut payload, mut taken, mut fault) = (Vec::new(), 0, None);
    while taken < bytes.len() && !decoder.is_done() && fault.is_none() {
        match decoder.piece(&bytes[taken..], limits) {
            Ok(piece) => {
                taken += piece.taken;
                payload.extend_from_slice(&bytes[taken - piece.data_bytes..taken]);
            }
            Err(error) => fault = Some(error),
        }
    }
    if decoder.irregularities() != Irregularities::NONE {
        return;
    }
    let naive = naive::Chunked::read(bytes);
    if decoder.is_done() {
        let Some(naive) = naive else { panic!("a body out of nothing: {payload:?}") };
        assert_eq!((naive.len, &naive.payload), (taken, &payload));
        assert!(naive.is_within(limits), "{naive:?}");
    } else if let Some(naive) = naive {
        let is_plain = naive.longest_extension == 0 && naive.trailer_bytes == 2;
        assert!(!is_plain || !naive.is_within(limits), "{fault:?} in {naive:?}");
    }
}

/// Wire fragments that reach deeper than raw bytes do.
const FRAGMENTS: [&[u8]; 10] = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    b"HTTP/1.1 200 OK\nbroken",
    b"\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /a\r\nKeep-Alive: timeout=5\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
];

/// Drives a connection with operations read from the bytes, two bytes each, only in orders that
/// its contract allows, and compares it with a model of that contract. What is kept of responses changes when the
/// connection begins anew.
pub fn fuzz_connection(data: &[u8]) {
    let mut connection = Connection::new(TIGHT);
    let (mut completed, mut is_upgraded) = (0, false);
    let mut operations = data.chunks_exact(2);
    while let Some(&[operation, argument]) = operations.next() {
        match operation % 8 {
            0 | 1 if connection.is_idle() => {
                connection.start(usize::from(argument) + 1, operation % 8 == 1);
            }
            0..=2 => {
                let left = connection.unwritten().len();
                connection.wrote(left.min(usize::from(argument)));
            }
            3 => completed += receive(&mut connection, &mut is_upgraded, &[argument]),
            4 | 5 => {
                let fragment = FRAGMENTS[usize::from(argument) % FRAGMENTS.len()];
                let at = usize::from(argument / 8).min(fragment.len());
                completed += receive(&mut connection, &mut is_upgraded, &fragment[..at]);
                completed += receive(&mut connection, &mut is_upgraded, &fragment[at..]);
            }
            6 if argument < 128 => completed += end_of_file(&mut connection),
            6 => {
                let was_open = connection.is_in_exchange();
                assert_eq!(connection.io_error().is_some(), was_open);
                assert!(connection.is_closing());
            }
            _ if argument >= 240 => connection.give_up_body(),
            _ => {
                connection.reset();
                (completed, is_upgraded) = (0, false);
                connection.keep_location(argument & 1 != 0);
                connection.accept_upgrade(argument & 2 != 0);
                let body_bytes_max = (argument & 8 != 0).then_some(usize::from(argument >> 4));
                connection.keep(Keep { fields: argument & 4 != 0, body_bytes_max });
                let lent = Vec::with_capacity(usize::from(argument));
                assert!(connection.lend(lent).is_empty());
            }
        }
        assert_eq!(connection.exchanges_completed(), completed);
        connection.invariants();
    }
}

/// Returns how many exchanges this completed. Behind 101 bytes of another protocol may come.
fn receive(connection: &mut Connection, is_upgraded: &mut bool, bytes: &[u8]) -> u64 {
    let was_open = connection.is_in_exchange();
    let had_written = connection.written_bytes() > 0;
    let left = connection.unwritten().len();
    let received = connection.received(bytes);
    match received {
        Received::NeedMore { .. } => {
            let is_open = was_open && connection.is_in_exchange();
            assert!(bytes.is_empty() || is_open || *is_upgraded && connection.is_closing());
            0
        }
        Received::Complete { response, .. } => {
            assert!(was_open && had_written && response.unsent_bytes == left);
            assert_eq!(connection.is_idle(), response.reusable);
            *is_upgraded = response.status == 101;
            let is_usual = *is_upgraded || (200..600).contains(&response.status);
            assert!(
                response.status < 1_000
                    && (!(100..200).contains(&response.status) || !response.reusable)
            );
            assert!(connection.location().is_none() || is_redirect(response.status));
            assert_eq!(connection.irregularities(), response.irregularities);
            if let Some(body) = connection.kept(bytes).and_then(|kept| kept.body) {
                assert!(body.len() as u64 == response.body_bytes && body.len() <= 15);
            }
            let out_of_range = Irregularities::STATUS_OUT_OF_RANGE;
            assert_eq!(response.irregularities.has(out_of_range), !is_usual);
            assert!(response.body_bytes < response.bytes_received);
            assert!(!(response.reusable && (left > 0 || response.unsolicited_after)));
            1
        }
        Received::Failed { error, .. } => {
            assert!(was_open && connection.is_closing());
            let is_too_soon = error.kind == ProtocolErrorKind::ResponseBeforeRequest;
            assert_eq!(is_too_soon, !had_written);
            0
        }
        Received::Unsolicited => {
            assert!(!was_open && connection.is_closing());
            0
        }
    }
}

/// Returns how many exchanges this completed.
fn end_of_file(connection: &mut Connection) -> u64 {
    let was_open = connection.is_in_exchange();
    let end = connection.eof();
    assert!(connection.is_closing());
    match end {
        Eof::Idle => {
            assert!(!was_open);
            0
        }
        Eof::Complete(response) => {
            assert!(was_open && !response.reusable);
            1
        }
        Eof::Failed(_) => {
            assert!(was_open);
            0
        }
    }
}

/// Reads any bytes as the requests of a connection: whole, byte by byte and in steps give the same
/// requests and the same error, and an independent reader finds the same requests. The first byte chooses limits
/// and step.
///
/// # Panics
/// If one of these does not hold.
pub fn fuzz_request_reader(data: &[u8]) {
    let Some((&options, bytes)) = data.split_first() else { return };
    let limits = if options & 1 == 0 { Limits::default() } else { TIGHT };
    // With a line end last, an error in an incomplete head is found under every split.
    let bytes = &[bytes, b"\n"].concat()[..];
    let whole = read_requests(bytes, usize::MAX, &limits);
    assert_eq!(read_requests(bytes, 1, &limits), whole, "byte by byte");
    assert_eq!(read_requests(bytes, usize::from(options >> 1) + 2, &limits), whole, "in steps");
    let mut at = 0;
    for (head, body, is_whole) in &whole.0 {
        // Also of one that is not whole it judges the head.
        let naive = naive::Request::read(&bytes[at..], &limits);
        let Some(naive) = naive.filter(|_| *is_whole) else {
            return assert!(!is_whole, "a request out of nothing: {head:?}");
        };
        assert!(naive.is_within, "taken beyond a limit: {naive:?}");
        assert_eq!((&naive.head, &naive.body), (head, body));
        let Ok(Some(one)) = read_whole(&bytes[at..], &limits) else {
            panic!("not whole at once: {naive:?}");
        };
        assert_eq!((one.head.bytes, &one.body, one.bytes), (&head[..], body, naive.len));
        at += naive.len;
    }
    match (read_whole(&bytes[at..], &limits), whole.1) {
        (Ok(None), _) => {}
        (Ok(Some(one)), _) => panic!("a request out of nothing: {one:?}"),
        (Err(error), expected) => {
            assert_eq!(Some(error), expected);
            assert!((400..=505).contains(&error.status()));
        }
    }
}

/// A request as far as it was read: head, body, and whether it is complete.
type PartialRequest = (Vec<u8>, Vec<u8>, bool);

/// The requests that were read, and the error that ended the reading, if there was one.
type Requests = (Vec<PartialRequest>, Option<BadRequest>);

fn read_requests(bytes: &[u8], step: usize, limits: &Limits) -> Requests {
    let mut reader = RequestReader::default();
    let mut requests: Vec<PartialRequest> = Vec::new();
    let mut pending = Vec::new();
    for piece in bytes.chunks(step) {
        pending.extend_from_slice(piece);
        loop {
            let (used, part) = match reader.next(&pending, limits) {
                Ok(next) => next,
                Err(error) => return (requests, Some(error)),
            };
            assert!(used <= pending.len(), "consumed more than there was");
            match part {
                RequestPart::NeedMore => {
                    pending.drain(..used);
                    break;
                }
                RequestPart::Head(head) => {
                    assert!(head.bytes.len() <= limits.head_bytes_max, "a head over its limit");
                    assert!(head.fields().count() <= limits.fields_max, "fields over their limit");
                    let is_whole = head.body == RequestBody::Empty;
                    requests.push((head.bytes.to_vec(), Vec::new(), is_whole));
                }
                RequestPart::Body(data) => {
                    assert!(!data.is_empty(), "a part without bytes");
                    let Some((_, body, _)) = requests.last_mut() else { panic!("no head") };
                    body.extend_from_slice(data);
                }
                RequestPart::End => {
                    let Some((_, _, is_whole)) = requests.last_mut() else { panic!("no head") };
                    *is_whole = true;
                }
            }
            pending.drain(..used);
        }
    }
    (requests, None)
}

/// Separates the parts of a request in the input of [`fuzz_request_encoder`].
const PART_END: char = '\x1e';

/// Encodes any request, and reads it back as a server would: one request, with just the parts given.
///
/// The first byte holds options; then come, each ended by 0x1e, method, host, path prefix, path, user
/// agent, name of the request id's header, body, and names and values of headers in turn.
pub fn fuzz_request_encoder(data: &[u8]) {
    let Some((&options, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    let mut parts = text.split(PART_END);
    let mut part = || parts.next().unwrap_or("");
    let [method, host, prefix, path, user_agent, id, body] = std::array::from_fn(|_| part());
    let fields: Vec<&str> = parts.collect();
    let (pairs, _) = fields.as_chunks::<2>();
    let headers: Vec<(String, String)> =
        pairs.iter().map(|[name, value]| ((*name).to_owned(), (*value).to_owned())).collect();
    let spec = RequestSpec {
        method,
        host,
        port: [80, 443, 1, 65_535][usize::from(options & 3)],
        is_tls: options & 4 != 0,
        is_absolute: false,
        path_prefix: prefix,
        path,
        headers: &headers,
        body: (options & 8 != 0).then_some(body.as_bytes()),
        user_agent,
        request_id_header: (options & 16 != 0).then_some(id),
        connection_close: options & 32 != 0,
    };
    if let Ok(template) = RequestTemplate::encode(&spec) {
        check_request(&spec, &template);
        check_form(&spec, &template, options);
    }
    if let Ok(request) =
        connect_request(host, spec.port, (options & 1 != 0).then_some("Basic eA=="))
    {
        let mut table = [httparse::EMPTY_HEADER; 4];
        let mut parsed = httparse::Request::new(&mut table);
        let whole = Ok(httparse::Status::Complete(request.len()));
        assert_eq!(parsed.parse(&request), whole, "{}", request.escape_ascii());
        assert_eq!(parsed.method, Some("CONNECT"));
        assert_eq!(parsed.path.map(str::as_bytes), parsed.headers.first().map(|host| host.value));
        assert_eq!(parsed.headers.len(), 2 + usize::from(options & 1));
    }
}

/// A form that is filled in with what the request has there is that request, whichever fields are filled.
fn check_form(spec: &RequestSpec<'_>, template: &RequestTemplate, options: u8) {
    assert_eq!(template.is_head_method(), spec.method == "HEAD");
    let is_filled = |field: usize| options >> (field % 3 + 5) & 1 != 0;
    let Ok(form) = RequestForm::encode(spec, is_filled) else {
        // A form is for bodies of any length.
        let has_length =
            spec.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Content-Length"));
        let has_filled = (0..spec.headers.len()).any(is_filled);
        return assert!(has_length || has_filled, "refused: {spec:?}");
    };
    let id = IdParts::default();
    let target_of = |bytes: &[u8]| {
        let target = bytes.split(|byte| *byte == b' ').nth(1);
        target.map(<[u8]>::to_vec).unwrap_or_default()
    };
    let mut unfilled = Vec::new();
    form.write_head(&mut unfilled, &id, 0, |_, _| ());
    let mut expected = Vec::new();
    template.render(&mut expected, &id);
    let body_bytes = template.bytes().len() - template.head_bytes();
    expected.truncate(template.head_bytes());
    let target = target_of(&expected);
    let target = target.strip_prefix(&target_of(&unfilled)[..]);
    // A path of `*` has no prefix.
    let Some(target) = target.filter(|_| body_bytes > 0 || spec.body.is_none()) else { return };
    let mut filled = Vec::new();
    form.write_head(&mut filled, &id, body_bytes, |gap, out| match gap {
        Gap::Target => out.extend_from_slice(target),
        Gap::Field(at) => {
            out.extend_from_slice(spec.headers[at].1.as_bytes());
        }
        Gap::MoreFields => {}
    });
    assert_eq!(filled.escape_ascii().to_string(), expected.escape_ascii().to_string());
    assert!(form.fixed_bytes() <= filled.len());
    assert_eq!(form.is_head_method(), template.is_head_method());
}

/// What a server reads of an encoded request.
fn check_request(spec: &RequestSpec<'_>, template: &RequestTemplate) {
    let mut table = vec![httparse::EMPTY_HEADER; spec.headers.len() + 5];
    let mut request = httparse::Request::new(&mut table);
    let parsed = request.parse(template.bytes());
    assert_eq!(parsed, Ok(httparse::Status::Complete(template.head_bytes())), "one head");
    assert_eq!((request.method, request.version), (Some(spec.method), Some(1)));
    let target = request.path.unwrap_or("");
    assert!(target == "*" || target.starts_with('/'), "{target}");
    assert!(target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{target}");
    let body = spec.body.unwrap_or_default();
    assert_eq!(&template.bytes()[template.head_bytes()..], body);
    let values = |name: &str| -> Vec<&[u8]> {
        let named = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value).collect()
    };
    assert_eq!(values("host").len(), 1, "exactly one Host");
    assert!(request.headers[0].name.eq_ignore_ascii_case("host"), "and first");
    assert!(values("transfer-encoding").is_empty());
    let lengths = values("content-length");
    assert!(lengths.len() <= 1 && (body.is_empty() || lengths.len() == 1), "one framing");
    for length in lengths {
        assert_eq!(parse_digits(length), Some(body.len() as u64));
    }
    for (name, value) in spec.headers {
        let value = value.trim_matches([' ', '\t']).as_bytes();
        assert!(values(name).contains(&value), "{name} is sent as given");
    }
    let head = &template.bytes()[..template.head_bytes() - "\r\n\r\n".len()];
    assert_eq!(
        head.split(|&b| b == b'\n').count(),
        request.headers.len() + 1,
        "no line of its own"
    );
    check_id(spec, template);
}

/// A request id changes its own bytes and no others.
fn check_id(spec: &RequestSpec<'_>, template: &RequestTemplate) {
    assert_eq!(template.id_range().is_some(), spec.request_id_header.is_some());
    let mut bytes = Vec::new();
    template.render(&mut bytes, &IdParts { population: 2, actor: u64::MAX, step: 7, exchange: 1 });
    assert_eq!(template.is_fixed(), template.id_range().is_none());
    let Some(range) = template.id_range() else {
        assert_eq!(bytes, template.bytes());
        return;
    };
    assert_eq!(&bytes[range.clone()], b"02-ffffffffffffffff-0000000000000007-01");
    assert!(range.len() == ID_BYTES && range.end < template.head_bytes());
    assert_eq!(bytes[..range.start], template.bytes()[..range.start]);
    assert_eq!(bytes[range.end..], template.bytes()[range.end..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over_corpus(folder: &str, body: fn(&[u8])) {
        z6_testing::over_corpus(env!("CARGO_MANIFEST_DIR"), folder, body);
    }

    #[test]
    fn response_decoder_corpus() {
        over_corpus("response_decoder", fuzz_response_decoder);
    }

    #[test]
    fn chunked_corpus() {
        over_corpus("chunked", fuzz_chunked);
    }

    #[test]
    fn connection_corpus() {
        over_corpus("connection", fuzz_connection);
    }

    #[test]
    fn request_reader_corpus() {
        over_corpus("request_reader", fuzz_request_reader);
    }

    #[test]
    fn request_encoder_corpus() {
        over_corpus("request_encoder", fuzz_request_encoder);
    }

    proptest::proptest! {
        #[test]
        fn any_operations(data in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            fuzz_connection(&data);
        }

        #[test]
        fn any_bytes_of_a_response(rest in "[HTP/1.02 aZ:,;=\\r\\n\\t\\x00-]{0,120}", begins_well: bool, options: u8) {
            let start = if begins_well { "HTTP/1.1 200 \r\n" } else { "" };
            let data = [&[options][..], start.as_bytes(), rest.as_bytes()].concat();
            fuzz_response_decoder(&data);
        }

        #[test]
        fn any_chunk_like_bytes(data in "[\\x00-\\x03][0-9a-fA-F;= \r\nxX]{0,60}") {
            fuzz_chunked(data.as_bytes());
        }
    }
}
