//! A request as a client sends it: prepared once, sent any number of times.
//!
//! Owns the order of pseudo-header fields, which fields HTTP/2 does not have, and which fields may stand in a
//! peer's table. What a request may hold is decided by `z6-http`; how fields become bytes by `hpack`. Knows nothing
//! of connections.

use std::sync::Arc;

use thiserror::Error;
use z6_http::field::is_same;
use z6_http::{CheckedRequest, FieldValue, ID_BYTES, IdParts, RequestError, RequestSpec, Slot};

use crate::hpack::static_table;
use crate::hpack::{
    INTERNED_MAX, Interned, Part, integer, is_sensitive, push_name, push_string, size_in_table,
};
use crate::meaning::{FieldFault, NameKind};

/// A field larger than this, counted as in a table, is never put into one.
const INTERNED_BYTES_MAX: usize = 1024;

/// Why a request cannot be sent over HTTP/2.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TemplateError {
    /// It cannot be sent at all.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A field of a connection (RFC 9113 §8.2.2).
    #[error("HTTP/2 has no {name:?} header (RFC 9113 section 8.2.2): leave it out")]
    ConnectionField {
        /// The name as given.
        name: String,
    },
    /// `TE` with anything but `trailers` (RFC 9113 §8.2.2).
    #[error("TE {value:?} cannot be sent over HTTP/2: only \"trailers\" (RFC 9113 section 8.2.2)")]
    Te {
        /// The value as given.
        value: String,
    },
    /// A name that is a pseudo-header field or not a token.
    #[error("{name:?} is no header name of HTTP/2")]
    Name {
        /// The name as given.
        name: String,
    },
    /// The body has 4 GiB or more.
    #[error("the body of {body_bytes} bytes is too large: 4 GiB is the limit")]
    BodyTooLarge {
        /// Its length.
        body_bytes: usize,
    },
}

/// What becomes of fields that HTTP/2 does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionFields {
    /// They are errors.
    Refuse,
    /// They are left out: the request is also sent over HTTP/1.1, which has them.
    LeaveOut,
}

/// The fields that the templates of one target share. Each may stand in the table of a connection's peer, and a
/// connection knows them by their numbers in the set, so it sends templates of one set only.
///
/// A set holds 64 fields; later ones are sent as literals.
#[derive(Clone, Debug, Default)]
pub struct FieldSet {
    /// Tells sets apart.
    id: u16,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl FieldSet {
    /// An empty set. Sets that are used in one run have different ids.
    pub fn new(id: u16) -> FieldSet {
        FieldSet { id, fields: Vec::new() }
    }

    /// Fields in the set.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether no template has put a field into it.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The number of a field that may stand in a table, if there is one for it.
    fn intern(&mut self, name: &[u8], value: &[u8]) -> Option<u8> {
        if is_sensitive(name, value) || size_in_table(name, value) > INTERNED_BYTES_MAX {
            return None;
        }
        let is_this = |field: &(Vec<u8>, Vec<u8>)| field.0 == name && field.1 == value;
        let found = self.fields.iter().position(is_this);
        let number = found.or_else(|| {
            (self.fields.len() < INTERNED_MAX).then(|| {
                self.fields.push((name.to_vec(), value.to_vec()));
                self.fields.len() - 1
            })
        });
        number.and_then(|number| u8::try_from(number).ok())
    }
}

/// The fields of a message, prepared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) set: u16,
    pub(crate) parts: Vec<Part>,
    pub(crate) bytes: Vec<u8>,
    /// Bytes of names and values, without values of a sending.
    pub(crate) plain_bytes: usize,
    pub(crate) has_id: bool,
    pub(crate) values: u16,
}

impl Fields {
    pub(crate) fn new(set: &FieldSet) -> Fields {
        Fields { set: set.id, ..Fields::default() }
    }

    /// Adds a field that is the same in every sending. The name is in lower case.
    pub(crate) fn push(&mut self, set: &mut FieldSet, name: &[u8], value: &[u8]) {
        self.plain_bytes += name.len() + value.len();
        let found = static_table::find(name, value);
        let from = self.bytes.len();
        if found.field > 0 {
            integer::write(&mut self.bytes, 0x80, 7, usize::from(found.field));
            self.fix(from);
            return;
        }
        match set.intern(name, value) {
            Some(number) => {
                if found.name == 0 {
                    push_string(&mut self.bytes, name);
                }
                push_string(&mut self.bytes, value);
                let (from, to) = (from as u32, self.bytes.len() as u32);
                let size = size_in_table(name, value) as u16;
                let name_index = found.name;
                self.parts.push(Part::Interned(Interned { number, name_index, size, from, to }));
            }
            None => {
                push_name(&mut self.bytes, name, found.name, is_sensitive(name, value));
                push_string(&mut self.bytes, value);
                self.fix(from);
            }
        }
    }

    /// Adds a field whose value is the request id, as plain text.
    pub(crate) fn push_id(&mut self, name: &[u8]) {
        self.plain_bytes += name.len() + ID_BYTES;
        self.has_id = true;
        let from = self.bytes.len();
        push_name(&mut self.bytes, name, static_table::find(name, b"").name, false);
        integer::write(&mut self.bytes, 0x00, 7, ID_BYTES);
        self.fix(from);
        self.parts.push(Part::Id);
    }

    /// Adds a field whose value is one of each sending. Returns its number.
    pub(crate) fn push_value(&mut self, name: &[u8]) -> u16 {
        self.plain_bytes += name.len();
        let from = self.bytes.len();
        push_name(
            &mut self.bytes,
            name,
            static_table::find(name, b"").name,
            is_sensitive(name, b""),
        );
        self.fix(from);
        self.parts.push(Part::Value(self.values));
        self.values += 1;
        self.values - 1
    }

    /// The bytes from `from` on are the same in every block.
    fn fix(&mut self, from: usize) {
        let (from, to) = (from as u32, self.bytes.len() as u32);
        match self.parts.last_mut() {
            Some(Part::Fixed { to: end, .. }) if *end == from => *end = to,
            Some(_) | None => self.parts.push(Part::Fixed { from, to }),
        }
    }
}

/// A request that is sent over HTTP/2.
///
/// ```
/// use z6_http::RequestSpec;
/// use z6_proto_http2::{FieldSet, RequestTemplate};
///
/// let mut set = FieldSet::new(0);
/// let spec = RequestSpec::new("GET", "h", 80, "/a");
/// let template = RequestTemplate::encode(&spec, &mut set)?;
/// let names_and_values = ":methodGET:schemehttp:authorityh:path/auser-agent";
/// assert_eq!(template.plain_bytes(), names_and_values.len() + z6_http::USER_AGENT.len());
/// # Ok::<(), z6_proto_http2::TemplateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTemplate {
    /// Shared with the connections that keep its block.
    pub(crate) fields: Arc<Fields>,
    body: Vec<u8>,
    is_head_method: bool,
}

impl RequestTemplate {
    /// Prepares a request. Fields that HTTP/2 does not have are errors.
    ///
    /// # Errors
    /// What cannot be sent over HTTP/2, or would be sent as something other than described.
    pub fn encode(
        spec: &RequestSpec<'_>,
        set: &mut FieldSet,
    ) -> Result<RequestTemplate, TemplateError> {
        RequestTemplate::encode_with(spec, set, ConnectionFields::Refuse)
    }

    /// The same, with a choice of what becomes of fields that HTTP/2 does not have.
    ///
    /// [`RequestSpec::connection_close`] has no field in HTTP/2 and changes nothing.
    ///
    /// # Errors
    /// As [`RequestTemplate::encode`].
    pub fn encode_with(
        spec: &RequestSpec<'_>,
        set: &mut FieldSet,
        connection_fields: ConnectionFields,
    ) -> Result<RequestTemplate, TemplateError> {
        let request = spec.check()?;
        let mut builder = TemplateBuilder::new(set);
        builder.push_pseudo(&request, spec.is_tls);
        for field in &request.fields {
            match field.value {
                FieldValue::Text(value) => match builder.field(field.name, value) {
                    Err(TemplateError::ConnectionField { .. } | TemplateError::Te { .. })
                        if connection_fields == ConnectionFields::LeaveOut => {}
                    added => added?,
                },
                FieldValue::Length(bytes) => {
                    builder.field(field.name, bytes.to_string().as_bytes())?;
                }
                FieldValue::Slot(Slot::RequestId) => match builder.id(field.name) {
                    Err(TemplateError::ConnectionField { .. } | TemplateError::Te { .. })
                        if connection_fields == ConnectionFields::LeaveOut => {}
                    added => added?,
                },
            }
        }
        builder.finish(request.body.to_vec(), request.method == "HEAD")
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Bytes of all names and values and of the body, as the request has them before compression and framing; those
    /// of rendered values are not counted.
    pub fn plain_bytes(&self) -> usize {
        self.fields.plain_bytes + self.body.len()
    }

    /// The method is HEAD: the response has no body.
    pub fn is_head_method(&self) -> bool {
        self.is_head_method
    }

    /// The request carries an id.
    pub fn has_id(&self) -> bool {
        self.fields.has_id
    }

    /// How many values each sending needs, as [`TemplateBuilder::rendered`] numbered them.
    pub fn rendered_values(&self) -> usize {
        usize::from(self.fields.values)
    }
}

/// Puts a template together field by field, for requests of which some values are rendered for each sending.
///
/// Pseudo-header fields come first, in any order; the caller gives all that the request needs.
///
/// ```
/// use z6_proto_http2::{FieldSet, TemplateBuilder};
///
/// let mut set = FieldSet::new(0);
/// let mut builder = TemplateBuilder::new(&mut set);
/// for (name, value) in [(":method", "GET"), (":scheme", "https"), (":authority", "h")] {
///     builder.pseudo(name, value.as_bytes());
/// }
/// let path = builder.rendered(":path")?;
/// builder.field("Accept", b"*/*")?;
/// let token = builder.rendered("Authorization")?;
/// let template = builder.finish(Vec::new(), false)?;
/// assert_eq!((path, token, template.rendered_values()), (0, 1, 2));
/// # Ok::<(), z6_proto_http2::TemplateError>(())
/// ```
#[derive(Debug)]
pub struct TemplateBuilder<'s> {
    set: &'s mut FieldSet,
    fields: Fields,
    name: Vec<u8>,
}

impl<'s> TemplateBuilder<'s> {
    /// No fields yet.
    pub fn new(set: &'s mut FieldSet) -> TemplateBuilder<'s> {
        let fields = Fields::new(set);
        TemplateBuilder { set, fields, name: Vec::new() }
    }

    /// RFC 9113 §8.3.1.
    fn push_pseudo(&mut self, request: &CheckedRequest<'_>, is_tls: bool) {
        self.pseudo(":method", request.method.as_bytes());
        self.pseudo(":scheme", if is_tls { b"https" } else { b"http" });
        self.pseudo(":authority", &request.authority);
        self.pseudo(":path", &request.target);
    }

    /// Adds a pseudo-header field with its colon; its value is not checked.
    pub fn pseudo(&mut self, name: &str, value: &[u8]) {
        self.fields.push(self.set, name.as_bytes(), value);
    }

    /// Adds a field. The name is sent in lower case, the value without white space around it.
    ///
    /// # Errors
    /// A name that HTTP/2 does not have.
    pub fn field(&mut self, name: &str, value: &[u8]) -> Result<(), TemplateError> {
        let value = value.trim_ascii();
        match self.lower(name)? {
            NameKind::Te if !is_same(value, "trailers") => {
                let value = String::from_utf8_lossy(value).into_owned();
                return Err(TemplateError::Te { value });
            }
            NameKind::Te => self.fields.push(self.set, b"te", b"trailers"),
            _ => self.fields.push(self.set, &self.name, value),
        }
        Ok(())
    }

    /// Adds a field whose value is the request id.
    ///
    /// # Errors
    /// As [`TemplateBuilder::field`].
    pub fn id(&mut self, name: &str) -> Result<(), TemplateError> {
        self.lower_free(name)?;
        self.fields.push_id(&self.name);
        Ok(())
    }

    /// Adds a field, maybe a pseudo-header field, whose value is rendered for each sending and sent as a literal.
    /// Returns its place among the values of a sending.
    ///
    /// # Errors
    /// As [`TemplateBuilder::field`].
    pub fn rendered(&mut self, name: &str) -> Result<u16, TemplateError> {
        if name.starts_with(':') {
            return Ok(self.fields.push_value(name.as_bytes()));
        }
        self.lower_free(name)?;
        Ok(self.fields.push_value(&self.name))
    }

    /// The template.
    ///
    /// # Errors
    /// A body that is too large.
    pub fn finish(
        self,
        body: Vec<u8>,
        is_head_method: bool,
    ) -> Result<RequestTemplate, TemplateError> {
        if u32::try_from(body.len()).is_err() {
            return Err(TemplateError::BodyTooLarge { body_bytes: body.len() });
        }
        Ok(RequestTemplate { fields: Arc::new(self.fields), body, is_head_method })
    }

    /// Keeps the name, which must be one that may have any value, in lower case.
    fn lower_free(&mut self, name: &str) -> Result<(), TemplateError> {
        match self.lower(name)? {
            NameKind::Te => Err(TemplateError::Te { value: "..".to_owned() }),
            _ => Ok(()),
        }
    }

    /// Keeps the name in lower case; what it says about values.
    fn lower(&mut self, name: &str) -> Result<NameKind, TemplateError> {
        self.name.clear();
        self.name.extend(name.bytes().map(|byte| byte.to_ascii_lowercase()));
        let kind = NameKind::of(&self.name);
        let name = || name.to_owned();
        match kind {
            NameKind::Malformed(FieldFault::ConnectionField) => {
                Err(TemplateError::ConnectionField { name: name() })
            }
            NameKind::Malformed(_)
            | NameKind::Status
            | NameKind::Method
            | NameKind::Scheme
            | NameKind::Authority
            | NameKind::Path => Err(TemplateError::Name { name: name() }),
            NameKind::ContentLength | NameKind::Location | NameKind::Te | NameKind::Other => {
                Ok(kind)
            }
        }
    }
}

/// What differs from one sending of a template to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sending<'a> {
    /// The request id; for a template without one it is not used.
    pub id: IdParts,
    /// The rendered values, by number. A value that is missing is sent empty.
    pub values: &'a [&'a [u8]],
    /// Length of the body if it is rendered too; otherwise it is that of the template's.
    pub body_bytes: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn encode(
        pairs: &[(&str, &str)],
        connection_fields: ConnectionFields,
    ) -> Result<RequestTemplate, TemplateError> {
        let headers = headers(pairs);
        let mut spec = RequestSpec::new("GET", "h", 80, "/");
        spec.headers = &headers;
        RequestTemplate::encode_with(&spec, &mut FieldSet::new(0), connection_fields)
    }

    /// RFC 9113 §8.2.2.
    #[test]
    fn fields_of_a_connection_are_refused_or_left_out() {
        let plain = encode(&[], ConnectionFields::Refuse).unwrap();
        for name in ["Connection", "keep-alive", "Proxy-Connection", "Upgrade"] {
            let refused = encode(&[(name, "close")], ConnectionFields::Refuse);
            assert_eq!(refused, Err(TemplateError::ConnectionField { name: name.to_owned() }));
            let left_out = encode(&[(name, "close")], ConnectionFields::LeaveOut);
            assert_eq!(left_out.as_ref(), Ok(&plain));
        }
        let refused = encode(&[("TE", "gzip")], ConnectionFields::Refuse);
        assert_eq!(refused, Err(TemplateError::Te { value: "gzip".to_owned() }));
        assert_eq!(encode(&[("TE", "gzip")], ConnectionFields::LeaveOut), Ok(plain));
        assert!(encode(&[("TE", "Trailers")], ConnectionFields::Refuse).is_ok());
        let words = encode(&[("Connection", "x")], ConnectionFields::Refuse).unwrap_err();
        let expected = "HTTP/2 has no \"Connection\" header (RFC 9113 section 8.2.2): leave it out";
        assert_eq!(words.to_string(), expected);
    }

    /// RFC 9113 §8.2.2.
    #[test]
    fn what_differs_from_sending_to_sending_is_no_field_of_a_connection() {
        for name in ["TE", "Keep-Alive"] {
            let mut spec = RequestSpec::new("GET", "h", 80, "/");
            let plain = RequestTemplate::encode(&spec, &mut FieldSet::new(0));
            spec.request_id_header = Some(name);
            let refused = RequestTemplate::encode(&spec, &mut FieldSet::new(0));
            let is_refused = matches!(
                refused,
                Err(TemplateError::ConnectionField { .. } | TemplateError::Te { .. })
            );
            assert!(is_refused, "{refused:?}");
            let leave_out = ConnectionFields::LeaveOut;
            let sent = RequestTemplate::encode_with(&spec, &mut FieldSet::new(0), leave_out);
            assert_eq!(sent, plain);
            let mut set = FieldSet::new(0);
            assert!(TemplateBuilder::new(&mut set).rendered(name).is_err());
        }
    }

    #[test]
    fn what_cannot_be_sent_at_all_is_not_sent_over_http2_either() {
        let error = encode(&[("a b", "")], ConnectionFields::LeaveOut).unwrap_err();
        assert!(matches!(error, TemplateError::Request(RequestError::HeaderName { .. })));
    }

    #[test]
    fn sets_hold_each_field_once_and_no_secrets() {
        let mut set = FieldSet::new(3);
        let secrets = headers(&[("Authorization", "Basic x"), ("Cookie", "id=1"), ("A", "1")]);
        for path in ["/a", "/b", "/a"] {
            let mut spec = RequestSpec::new("GET", "h", 80, path);
            spec.headers = &secrets;
            RequestTemplate::encode(&spec, &mut set).unwrap();
        }
        let names: Vec<_> = set.fields.iter().map(|(name, _)| name.as_slice()).collect();
        let expected = [&b":authority"[..], b":path", b"user-agent", b"a", b":path"];
        assert_eq!(names, expected);
        for number in 0..100 {
            let path = format!("/{number}");
            RequestTemplate::encode(&RequestSpec::new("GET", "h", 80, &path), &mut set).unwrap();
        }
        assert_eq!(set.len(), INTERNED_MAX);
        let long = "x".repeat(2_000);
        set.intern(b"x", long.as_bytes());
        assert_eq!(set.len(), INTERNED_MAX);
    }
}
