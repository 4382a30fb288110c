//! Requests: described once, encoded once, sent any number of times.
//!
//! Owns the request line, the fields and their rules (RFC 9112 §3, §6; RFC 9110 §5, §7.2, §8.6,
//! §10.1.5). Knows nothing of connections or responses.

use std::ops::Range;

use z6_http::field::{is_text_byte, is_token_byte, parse_digits};
use z6_http::target::{push_authority, push_target, wrong_in_host_header};
use z6_http::{RequestError, RequestSpec};

/// Length of a request id: actor (16 hex digits), `-`, step (16), `-`, exchange (2).
pub const ID_BYTES: usize = 16 + 1 + 16 + 1 + 2;

const STEP_AT: usize = 17;
const EXCHANGE_AT: usize = 34;
const ID_ZERO: &[u8; ID_BYTES] = b"0000000000000000-0000000000000000-00";

/// The complete bytes of a request: head and body.
///
/// ```
/// use z6_http::RequestSpec;
/// use z6_proto_http1::RequestTemplate;
///
/// let mut spec = RequestSpec::new("GET", "h", 80, "/");
/// spec.request_id_header = Some("Z6-Id");
/// let template = RequestTemplate::encode(&spec)?;
/// let mut bytes = template.bytes().to_vec();
/// template.write_id(&mut bytes, 0xbeef, 7, 1);
/// let id = &bytes[template.id_range().unwrap()];
/// assert_eq!(id, b"000000000000beef-0000000000000007-01");
/// # Ok::<(), z6_http::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTemplate {
    bytes: Vec<u8>,
    head_bytes: usize,
    id_at: Option<usize>,
    is_head_method: bool,
}

impl RequestTemplate {
    /// Encodes a request.
    ///
    /// # Errors
    /// What cannot be sent as HTTP/1.1, or would be sent as something other than described.
    pub fn encode(spec: &RequestSpec<'_>) -> Result<RequestTemplate, RequestError> {
        check_method(spec.method)?;
        let given = Given::survey(spec)?;
        let mut out = Vec::with_capacity(256 + spec.body.map_or(0, <[u8]>::len));
        out.extend_from_slice(spec.method.as_bytes());
        out.push(b' ');
        push_target(&mut out, spec.method, spec.path_prefix, spec.path)?;
        out.extend_from_slice(b" HTTP/1.1\r\n");
        push_host(&mut out, spec, given.host)?;
        if !given.has_user_agent && !spec.user_agent.is_empty() {
            push_field(&mut out, "User-Agent", spec.user_agent.as_bytes());
        }
        for (name, value) in spec.headers {
            if !name.eq_ignore_ascii_case("host") {
                push_field(&mut out, name, value.as_bytes());
            }
        }
        if let Some(length) = length_to_add(spec, given.has_content_length) {
            push_field(&mut out, "Content-Length", length.to_string().as_bytes());
        }
        let id_at = spec.request_id_header.map(|name| {
            push_field(&mut out, name, ID_ZERO);
            out.len() - "\r\n".len() - ID_BYTES
        });
        if spec.connection_close && !given.has_close {
            push_field(&mut out, "Connection", b"close");
        }
        out.extend_from_slice(b"\r\n");
        let head_bytes = out.len();
        out.extend_from_slice(spec.body.unwrap_or_default());
        out.shrink_to_fit();
        let is_head_method = spec.method == "HEAD";
        Ok(RequestTemplate { bytes: out, head_bytes, id_at, is_head_method })
    }

    /// Head and body as sent; a request id in it is all zeros.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes of head and body; never 0.
    #[expect(clippy::len_without_is_empty, reason = "a request is never empty")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of the head, the empty line included.
    pub fn head_bytes(&self) -> usize {
        self.head_bytes
    }

    /// The method is HEAD: the response has no body (RFC 9112 §6.3).
    pub fn is_head_method(&self) -> bool {
        self.is_head_method
    }

    /// Where the request id stands, [`ID_BYTES`] long.
    pub fn id_range(&self) -> Option<Range<usize>> {
        self.id_at.map(|at| at..at + ID_BYTES)
    }

    /// Writes a request id into `bytes`, a copy of [`RequestTemplate::bytes`]; nothing where the
    /// template has none.
    ///
    /// # Panics
    /// Where `bytes` ends before the id does.
    pub fn write_id(&self, bytes: &mut [u8], actor: u64, step: u64, exchange: u8) {
        let Some(range) = self.id_range() else { return };
        let id = &mut bytes[range];
        write_hex(&mut id[..STEP_AT - 1], actor);
        write_hex(&mut id[STEP_AT..EXCHANGE_AT - 1], step);
        write_hex(&mut id[EXCHANGE_AT..], u64::from(exchange));
    }
}

/// The low digits of `number`, as many as fit.
fn write_hex(out: &mut [u8], mut number: u64) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for digit in out.iter_mut().rev() {
        *digit = HEX[usize::from((number & 15) as u8)];
        number >>= 4;
    }
}

/// Which of the fields that we would add the caller gave.
#[derive(Default)]
struct Given<'a> {
    host: Option<(&'a str, &'a str)>,
    has_user_agent: bool,
    has_content_length: bool,
    has_close: bool,
    has_id: bool,
}

impl<'a> Given<'a> {
    /// Checks every field and notes those with a meaning of their own.
    fn survey(spec: &RequestSpec<'a>) -> Result<Given<'a>, RequestError> {
        let mut given = Given::default();
        for (name, value) in spec.headers {
            check_name(name)?;
            if let Some(offset) = first_control(value) {
                return Err(RequestError::HeaderValue { name: name.clone(), offset });
            }
            given.note(spec, name, value)?;
        }
        if let Some(offset) = first_control(spec.user_agent) {
            return Err(RequestError::UserAgent { offset });
        }
        match spec.request_id_header {
            Some(name) if given.has_id || check_name(name).is_err() || is_ours(name) => {
                Err(RequestError::RequestIdHeader { name: name.to_owned() })
            }
            Some(_) | None => Ok(given),
        }
    }

    fn note(
        &mut self,
        spec: &RequestSpec<'a>,
        name: &'a str,
        value: &'a str,
    ) -> Result<(), RequestError> {
        let duplicate = || Err(RequestError::DuplicateHeader { name: name.to_owned() });
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("host") {
            if let Some(offset) = wrong_in_host_header(value) {
                return Err(RequestError::HostHeader { offset });
            }
            if self.host.replace((name, value)).is_some() {
                return duplicate();
            }
        } else if is("content-length") {
            check_length(value, spec.body)?;
            if std::mem::replace(&mut self.has_content_length, true) {
                return duplicate();
            }
        } else if is("transfer-encoding") {
            return Err(RequestError::TransferEncoding);
        } else if is("user-agent") {
            self.has_user_agent = true;
        } else if is("connection") {
            self.has_close |=
                value.split(',').any(|option| option.trim().eq_ignore_ascii_case("close"));
        }
        self.has_id |= spec.request_id_header.is_some_and(is);
        Ok(())
    }
}

fn check_method(method: &str) -> Result<(), RequestError> {
    match method.bytes().position(|byte| !is_token_byte(byte)) {
        Some(offset) => Err(RequestError::Method { offset }),
        None if method.is_empty() => Err(RequestError::Method { offset: 0 }),
        None if method == "CONNECT" => Err(RequestError::Connect),
        None => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), RequestError> {
    let wrong = name.bytes().position(|byte| !is_token_byte(byte));
    match wrong.or(name.is_empty().then_some(0)) {
        Some(offset) => Err(RequestError::HeaderName { name: name.to_owned(), offset }),
        None => Ok(()),
    }
}

fn first_control(value: &str) -> Option<usize> {
    value.bytes().position(|byte| !is_text_byte(byte))
}

/// Fields whose value this module decides on: none of them can carry a request id.
fn is_ours(name: &str) -> bool {
    ["host", "content-length", "transfer-encoding", "connection", "user-agent"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

fn check_length(given: &str, body: Option<&[u8]>) -> Result<(), RequestError> {
    let body_bytes = body.map_or(0, <[u8]>::len);
    let stated = parse_digits(given.trim_matches([' ', '\t']).as_bytes());
    if stated == Some(body_bytes as u64) {
        return Ok(());
    }
    Err(RequestError::ContentLength { given: given.to_owned(), body_bytes })
}

/// RFC 9110 §8.6: a body's length is stated, and so is that of an absent one where the method
/// anticipates it.
fn length_to_add(spec: &RequestSpec<'_>, is_given: bool) -> Option<usize> {
    let anticipates_body = matches!(spec.method, "POST" | "PUT" | "PATCH");
    match (is_given, spec.body) {
        (true, _) => None,
        (false, Some(body)) => Some(body.len()),
        (false, None) => anticipates_body.then_some(0),
    }
}

/// RFC 9110 §7.2: exactly one, and first.
fn push_host(
    out: &mut Vec<u8>,
    spec: &RequestSpec<'_>,
    given: Option<(&str, &str)>,
) -> Result<(), RequestError> {
    let mut authority = Vec::new();
    push_authority(&mut authority, spec.host, spec.port, spec.is_tls)?;
    match given {
        Some((name, value)) => push_field(out, name, value.as_bytes()),
        None => push_field(out, "Host", &authority),
    }
    Ok(())
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
