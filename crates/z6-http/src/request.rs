//! A request before any version of HTTP encodes it: as a scenario describes it, and as it is sent.
//!
//! Owns the parts of a request, their rules and what is added to them (RFC 9110 §5, §7.2, §8.6,
//! §10.1.5; RFC 9112 §6). Knows nothing of connections or responses, nor of how a version of HTTP
//! writes a request down.

use crate::canary::is_planted;
use crate::error::RequestError;
use crate::field::{is_text_byte, is_token_byte, parse_digits, says_close};
use crate::segment::Slot;
use crate::target::{push_authority, push_target, wrong_in_host_header};

/// The `User-Agent` if a request names none: `z6/` and the version.
pub const USER_AGENT: &str = concat!("z6/", env!("CARGO_PKG_VERSION"));

/// Most fields that are added to those of a [`RequestSpec`]: `Host`, `User-Agent`, `Content-Length`, the
/// request id and `Connection`.
pub const FIELDS_ADDED_MAX: usize = 5;

/// A request in the words of a scenario. [`RequestSpec::new`] sets what is rarely given to its
/// default.
#[derive(Clone, Copy, Debug)]
pub struct RequestSpec<'a> {
    /// Any token but `CONNECT`, case-sensitive.
    pub method: &'a str,
    /// Host name, IPv4 address or IPv6 literal, the latter with or without brackets.
    pub host: &'a str,
    /// Port; omitted from `Host` if it is the default of the scheme.
    pub port: u16,
    /// The scheme is https.
    pub is_tls: bool,
    /// Path of the base URL: empty, or beginning with `/`.
    pub path_prefix: &'a str,
    /// Path and query after the prefix: empty, `/..`, `?..`, or `*` for OPTIONS. A fragment is
    /// dropped.
    pub path: &'a str,
    /// Names and values in the order and the case they are sent in. A `Host` among them replaces
    /// ours, in the first place.
    pub headers: &'a [(String, String)],
    /// Payload; `None` differs from empty if the method alone decides on `Content-Length`.
    pub body: Option<&'a [u8]>,
    /// `User-Agent` unless `headers` has one; none is sent where this is empty.
    pub user_agent: &'a str,
    /// Name of the header that carries the request id, if any.
    pub request_id_header: Option<&'a str>,
    /// Ask the server to close after the response.
    pub connection_close: bool,
}

impl<'a> RequestSpec<'a> {
    /// A request over http without headers and body.
    pub fn new(method: &'a str, host: &'a str, port: u16, path: &'a str) -> RequestSpec<'a> {
        RequestSpec {
            method,
            host,
            port,
            is_tls: false,
            path_prefix: "",
            path,
            headers: &[],
            body: None,
            user_agent: USER_AGENT,
            request_id_header: None,
            connection_close: false,
        }
    }

    /// Checks the request and adds what it leaves out.
    ///
    /// # Errors
    /// The first part that cannot be sent, or that would be sent as something other than described.
    pub fn check(&self) -> Result<CheckedRequest<'a>, RequestError> {
        check_method(self.method)?;
        let given = Given::survey(self)?;
        let mut target = Vec::new();
        push_target(&mut target, self.method, self.path_prefix, self.path)?;
        let mut authority = Vec::new();
        push_authority(&mut authority, self.host, self.port, self.is_tls)?;
        let (host_name, authority) = match given.host {
            Some((name, value)) => (name, value.as_bytes().to_vec()),
            None => ("Host", authority),
        };
        Ok(CheckedRequest {
            method: self.method,
            target,
            host_name,
            authority,
            fields: self.fields(&given),
            close: self.connection_close && !given.has_close,
            body: self.body.unwrap_or_default(),
        })
    }

    /// The fields to send, except `Host`.
    fn fields(&self, given: &Given<'a>) -> Vec<Field<'a>> {
        let mut fields = Vec::with_capacity(self.headers.len() + 3);
        if !given.has_user_agent && !self.user_agent.is_empty() {
            let value = FieldValue::Text(self.user_agent.as_bytes());
            fields.push(Field { name: "User-Agent", value });
        }
        for (name, value) in self.headers {
            if !name.eq_ignore_ascii_case("host") {
                fields.push(Field { name, value: FieldValue::Text(value.as_bytes()) });
            }
        }
        if let Some(length) = length_to_add(self, given.has_content_length) {
            fields.push(Field { name: "Content-Length", value: FieldValue::Length(length) });
        }
        if let Some(name) = self.request_id_header {
            fields.push(Field { name, value: FieldValue::Slot(Slot::RequestId) });
        }
        fields
    }
}

/// A request that can be sent, complete: what [`RequestSpec::check`] returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedRequest<'a> {
    /// The method, as given.
    pub method: &'a str,
    /// The request target: origin form, percent-encoded, or `*`.
    pub target: Vec<u8>,
    /// Name of the `Host` field in the caller's spelling.
    pub host_name: &'a str,
    /// Value of the `Host` field.
    pub authority: Vec<u8>,
    /// The other fields, in the order they are sent in.
    pub fields: Vec<Field<'a>>,
    /// The server is asked to close after the response, and no field in `fields` asks for it.
    pub close: bool,
    /// The body; empty if there is none.
    pub body: &'a [u8],
}

/// A field of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name, in the caller's spelling.
    pub name: &'a str,
    /// The value.
    pub value: FieldValue<'a>,
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// Bytes without control characters other than HTAB.
    Text(&'a [u8]),
    /// A number of bytes, written in decimal digits.
    Length(usize),
    /// A value of each sending.
    Slot(Slot),
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
            Some(name) if given.has_id || check_name(name).is_err() || is_reserved_field(name) => {
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
        }
        self.has_close |= says_close(name, value);
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
    let is_allowed = |byte| is_text_byte(byte) || byte == b'\n' && is_planted("request_encoder");
    value.bytes().position(|byte| !is_allowed(byte))
}

/// Whether a field of this name has a value that is decided here: such a field cannot carry a request id.
pub fn is_reserved_field(name: &str) -> bool {
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

/// RFC 9110 §8.6: a body's length is stated, and so is that of an absent one if the method
/// anticipates it.
fn length_to_add(spec: &RequestSpec<'_>, is_given: bool) -> Option<usize> {
    let anticipates_body = matches!(spec.method, "POST" | "PUT" | "PATCH");
    match (is_given, spec.body) {
        (true, _) => None,
        (false, Some(body)) => Some(body.len()),
        (false, None) => anticipates_body.then_some(0),
    }
}
