//! A request as HTTP/2 sends it beside the text that HTTP/1.1 sends.

use z6_http::field::is_text_byte;
use z6_http::target::wrong_in_host_header;
use z6_http::{IdParts, RequestSpec};
use z6_proto_http1::{Gap, RequestForm, RequestTemplate};
use z6_proto_http2::frame::{CLIENT_PREFACE, FRAME_HEADER_BYTES, FrameHeader, FrameKind, flag};
use z6_proto_http2::fuzzing::naive::{Field, Table};
use z6_proto_http2::server::{Asked, ServerConfig, ServerConnection};
use z6_proto_http2::{
    Bodies, Config, Connection, ConnectionFields, FRAME_BYTES_MAX, FieldSet, Limits, Slices, Tag,
};

use crate::session::{FormTemplate, begin_text};

/// Separates the parts of a request.
const PART_END: u8 = 0x1e;
/// Begins a value that is filled in.
const FILLED: u8 = 0x1d;
/// The identifier of SETTINGS_HEADER_TABLE_SIZE (RFC 9113 §6.5.2).
const HEADER_TABLE_SIZE: u16 = 1;

const ID: IdParts = IdParts { population: 1, actor: u64::MAX, step: 7, exchange: 2 };

/// A request in parts.
struct Parts<'a> {
    spec: RequestSpec<'a>,
    /// By field: what is filled in.
    filled: Vec<Option<Vec<u8>>>,
    /// Further lines that are filled in.
    more: Vec<u8>,
}

/// The fields of a request and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Request {
    fields: Vec<Field>,
    body: Vec<u8>,
}

/// Two bytes of options; then come, each ended by 0x1e, method, host, path prefix, path, user agent, name of the request
/// id's header, body, a cookie that is added, and names and values of headers in turn. A value that begins with 0x1d is
/// filled in.
pub(super) fn against_http1(data: &[u8]) {
    let Some((&[options, sizes], rest)) = data.split_first_chunk() else { return };
    let mut parts = rest.split(|byte| *byte == PART_END);
    let mut part = || parts.next().unwrap_or_default();
    let [method, host, prefix, path, user_agent, id] =
        std::array::from_fn(|_| std::str::from_utf8(part()).unwrap_or_default());
    let (body, cookie) = (part(), part());
    let fields: Vec<&[u8]> = parts.collect();
    let (mut headers, mut filled) = (Vec::new(), Vec::new());
    for [name, value] in fields.as_chunks().0 {
        let given = value.strip_prefix(&[FILLED]);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap_or_default();
        headers.push((text(name), if given.is_some() { String::new() } else { text(value) }));
        filled.push(given.map(texts_only));
    }
    let spec = RequestSpec {
        method,
        host,
        port: [80, 443, 1, 65_535][usize::from(options & 3)],
        is_tls: options & 4 != 0,
        is_absolute: false,
        path_prefix: prefix,
        path,
        headers: &headers,
        body: (options & 8 != 0).then_some(body),
        user_agent,
        request_id_header: (options & 16 != 0).then_some(id),
        connection_close: options & 32 != 0,
    };
    let more = match texts_only(cookie) {
        cookie if cookie.is_empty() => cookie,
        cookie => [b"Cookie: ", &cookie[..], b"\r\n"].concat(),
    };
    check(&Parts { spec, filled, more }, options & 64 == 0, sizes);
}

/// What is filled into a field has no other bytes.
fn texts_only(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| is_text_byte(*byte)).collect()
}

fn check(parts: &Parts<'_>, index_headers: bool, sizes: u8) {
    let spec = &parts.spec;
    let Some((form, text)) = as_text(parts) else { return };
    let is_filled = parts.filled.iter().any(Option::is_some) || !parts.more.is_empty();
    let mut set = FieldSet::new(0);
    let prepared = FormTemplate::new(
        &form,
        spec.request_id_header,
        spec.body.is_some(),
        spec.is_tls,
        &mut set,
    );
    let leave_out = ConnectionFields::LeaveOut;
    let fixed = z6_proto_http2::RequestTemplate::encode_with(spec, &mut set, leave_out);
    let wanted = expected(&text, spec.is_tls);
    let config = Config { index_headers, ..Config::default() };
    let mut wire = Wire::new(Connection::new(config, Limits::default()), spec.body.unwrap_or(b""));
    for round in 0..4_u32 {
        wire.set_table_bytes(usize::from(sizes.rotate_left(round * 2)) * 16);
        if let Ok(prepared) = &prepared {
            let own = text.clone();
            let prepared = Some(prepared);
            let started =
                begin_text(&mut wire.client, Tag(round * 3), ID, own, prepared, spec.is_tls);
            wire.check(started.wire_bytes, &wanted);
        }
        let own = text.clone();
        let started = begin_text(&mut wire.client, Tag(round * 3 + 1), ID, own, None, spec.is_tls);
        wire.check(started.wire_bytes, &wanted);
        if let (Ok(fixed), false) = (&fixed, is_filled) {
            let started = wire.client.start(fixed, Tag(round * 3 + 2), &ID);
            wire.check(started.wire_bytes, &wanted);
            assert_eq!(fixed.body(), wanted.body);
            let plain = wanted.fields.iter().map(|(name, value)| name.len() + value.len());
            assert_eq!(fixed.plain_bytes(), plain.sum::<usize>() + wanted.body.len());
        }
    }
    assert!(prepared.is_ok() && (fixed.is_ok() || is_filled), "HTTP/1.1 sends it: {prepared:?}");
}

/// The request as HTTP/1.1 sends it, if it can be sent.
fn as_text(parts: &Parts<'_>) -> Option<(RequestForm, Vec<u8>)> {
    let spec = &parts.spec;
    let whole = spec.check().ok()?;
    let (mut form_text, mut text) = (Vec::new(), Vec::new());
    for ((name, _), value) in spec.headers.iter().zip(&parts.filled) {
        let is_host = name.eq_ignore_ascii_case("Host");
        let text = std::str::from_utf8(value.as_deref().unwrap_or_default());
        if is_host && text.map_or(true, |text| wrong_in_host_header(text).is_some()) {
            return None;
        }
    }
    let is_filled = |index: usize| parts.filled[index].is_some();
    let form = RequestForm::encode(spec, is_filled).ok()?;
    form.write_head(&mut form_text, &ID, 0, |_, _| {});
    let prefix = form_text.strip_prefix(spec.method.as_bytes())?.strip_prefix(b" ")?;
    let prefix = prefix.split(|byte| *byte == b' ').next()?;
    let target = whole.target.strip_prefix(prefix)?;
    form.write_head(&mut text, &ID, whole.body.len(), |gap, out| match gap {
        Gap::Target => out.extend_from_slice(target),
        Gap::Field(index) => out.extend(parts.filled[index].iter().flatten()),
        Gap::MoreFields => out.extend_from_slice(&parts.more),
    });
    text.extend_from_slice(whole.body);
    if parts.filled.iter().all(Option::is_none) && parts.more.is_empty() {
        let mut fixed = Vec::new();
        RequestTemplate::encode(spec).ok()?.render(&mut fixed, &ID);
        assert_eq!(text, fixed, "a form without gaps");
    }
    Some((form, text))
}

/// What HTTP/2 has of a request of HTTP/1.1 (RFC 9113 §8.2, §8.3.1).
fn expected(text: &[u8], is_tls: bool) -> Request {
    let end = text.windows(4).position(|four| four == b"\r\n\r\n");
    let Some((head, body)) = end.map(|end| (&text[..end], &text[end + 4..])) else {
        panic!("no head")
    };
    let mut lines =
        head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut words = lines.next().unwrap_or_default().split(|byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut authority, mut regular) = (Vec::new(), Vec::new());
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
        let (name, value) = (line[..colon].to_ascii_lowercase(), line[colon + 1..].trim_ascii());
        match name.as_slice() {
            b"host" => authority = value.to_vec(),
            b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding"
            | b"upgrade" => {}
            b"te" if !value.eq_ignore_ascii_case(b"trailers") => {}
            b"te" => regular.push((name, b"trailers".to_vec())),
            _ => regular.push((name, value.to_vec())),
        }
    }
    let scheme: &[u8] = if is_tls { b"https" } else { b"http" };
    let pseudo = [
        (&b":method"[..], method),
        (b":scheme", scheme),
        (b":authority", &authority),
        (b":path", target),
    ];
    let pseudo = pseudo.map(|(name, value)| (name.to_vec(), value.to_vec()));
    Request { fields: sorted(pseudo.into_iter().chain(regular).collect()), body: body.to_vec() }
}

/// Pseudo-header fields may have any order among each other.
fn sorted(mut fields: Vec<Field>) -> Vec<Field> {
    let pseudo = fields.iter().take_while(|(name, _)| name.starts_with(b":")).count();
    fields[..pseudo].sort();
    fields
}

/// Every request has the same body.
struct OneBody<'a>(&'a [u8]);

impl Bodies for OneBody<'_> {
    fn body(&self, _: Tag) -> &[u8] {
        self.0
    }
}

/// A connection, the server at its other end, and a naive reader of what goes by.
struct Wire<'a> {
    client: Connection,
    server: ServerConnection,
    table: Table,
    /// How large the server lets it be.
    table_bytes_max: usize,
    body: OneBody<'a>,
    is_first: bool,
}

impl Wire<'_> {
    fn new(client: Connection, body: &[u8]) -> Wire<'_> {
        let limits =
            Limits { head_bytes_max: usize::MAX >> 1, fields_max: 10_000, ..Limits::default() };
        let server = ServerConnection::new(ServerConfig::default(), limits);
        let (table, table_bytes_max) = (Table::default(), 4_096);
        Wire { client, server, table, table_bytes_max, body: OneBody(body), is_first: true }
    }

    /// The client hears how large the server's table is.
    fn set_table_bytes(&mut self, bytes_max: usize) {
        self.server.settings(&[(HEADER_TABLE_SIZE, bytes_max as u32)]);
        let mut slices = Slices::new();
        self.server.unwritten(&mut slices);
        let sent = slices.as_slice().concat();
        self.server.wrote(sent.len());
        let mut from = 0;
        while self.client.received(&sent, &mut from).is_some() {}
        self.client.invariants();
        let (bytes, found) = self.written();
        assert_eq!(found, None, "nothing was asked for");
        assert_eq!(self.server.received(&bytes, &mut 0), None);
        self.table_bytes_max = bytes_max;
    }

    /// A request was begun: both readers find it.
    fn check(&mut self, wire_bytes: usize, wanted: &Request) {
        let (bytes, found) = self.written();
        assert_eq!(found, Some((wire_bytes, wanted.clone())), "in {bytes:?}");
        assert!(self.table.bytes_max() <= self.table_bytes_max, "a table that is too large");
        let (mut from, mut is_over) = (0, false);
        let mut body = Vec::new();
        while let Some(asked) = self.server.received(&bytes, &mut from) {
            match asked {
                Asked::Request { ends, .. } => {
                    is_over = ends;
                    let request = self.server.request();
                    let pseudo = [
                        (&b":authority"[..], request.authority()),
                        (b":method", request.method()),
                        (b":path", request.path()),
                        (b":scheme", request.scheme()),
                    ];
                    let fields = pseudo.into_iter().chain(request.fields());
                    let wanted = wanted.fields.iter().map(|(name, value)| (&name[..], &value[..]));
                    assert!(fields.eq(wanted), "{request:?}");
                }
                Asked::Content { range, ends, .. } => {
                    is_over = ends;
                    body.extend_from_slice(&bytes[range]);
                }
                _ => panic!("{asked:?}"),
            }
        }
        assert!(is_over, "the request has no end");
        assert_eq!(body, wanted.body);
    }

    /// The bytes that are unwritten, and the one request in them with the length of its frames.
    fn written(&mut self) -> (Vec<u8>, Option<(usize, Request)>) {
        let mut slices = Slices::new();
        let mut bytes = Vec::new();
        loop {
            let count = self.client.unwritten(&self.body, &mut slices);
            if count == 0 {
                break;
            }
            bytes.extend(slices.as_slice().concat());
            slices = Slices::new();
            self.client.wrote(count, |_, _| {});
        }
        self.client.invariants();
        let is_first = std::mem::replace(&mut self.is_first, false);
        let mut rest = &bytes[if is_first { CLIENT_PREFACE.len() } else { 0 }..];
        let (mut block, mut body, mut wire_bytes, mut is_over) = (Vec::new(), Vec::new(), 0, false);
        while let Some((header, after)) = rest.split_first_chunk::<FRAME_HEADER_BYTES>() {
            let header = FrameHeader::parse(header);
            let (payload, after) = after.split_at(header.length as usize);
            rest = after;
            assert!(payload.len() <= FRAME_BYTES_MAX, "a frame that is too large");
            let part = match header.kind {
                FrameKind::HEADERS | FrameKind::CONTINUATION => &mut block,
                FrameKind::DATA => &mut body,
                _ => continue,
            };
            part.extend_from_slice(payload);
            wire_bytes += FRAME_HEADER_BYTES + payload.len();
            let can_end = header.kind != FrameKind::CONTINUATION;
            is_over |= can_end && header.has(flag::END_STREAM);
        }
        if block.is_empty() {
            return (bytes, None);
        }
        assert!(is_over, "the request has no end");
        let Some(fields) = self.table.read(&block) else { panic!("no header block: {block:?}") };
        for (name, value) in self.table.entries() {
            let is_secret = matches!(&name[..], b"authorization" | b"proxy-authorization");
            assert!(!is_secret, "{value:?} stands in a table");
        }
        (bytes, Some((wire_bytes, Request { fields: sorted(fields), body })))
    }
}
