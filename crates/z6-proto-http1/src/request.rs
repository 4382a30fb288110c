//! The bytes of an HTTP/1.1 request: encoded once, sent any number of times.
//!
//! Owns the request line and the order of the fields (RFC 9112 §3, §5). What a request may hold is
//! decided by `z6-http`. Knows nothing of connections or responses.

use std::ops::Range;

use z6_http::{
    CheckedRequest, FieldValue, ID_BYTES, IdParts, RequestError, RequestSpec, Segments, Slot,
};

/// The complete bytes of a request: head and body.
///
/// ```
/// use z6_http::{IdParts, RequestSpec};
/// use z6_proto_http1::RequestTemplate;
///
/// let mut spec = RequestSpec::new("GET", "h", 80, "/");
/// spec.request_id_header = Some("Z6-Id");
/// let template = RequestTemplate::encode(&spec)?;
/// let mut bytes = Vec::new();
/// template.render(&mut bytes, &IdParts { population: 0, actor: 0xbeef, step: 7, exchange: 1 });
/// let id = &bytes[template.id_range().unwrap()];
/// assert_eq!(id, b"00-000000000000beef-0000000000000007-01");
/// # Ok::<(), z6_http::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTemplate {
    segments: Segments,
    head_bytes: usize,
    /// Where the request id is, looked up once.
    id_at: Option<usize>,
    is_head_method: bool,
    accepts_upgrade: bool,
}

impl RequestTemplate {
    /// Encodes a request.
    ///
    /// # Errors
    /// What cannot be sent as HTTP/1.1, or would be sent as something other than described.
    pub fn encode(spec: &RequestSpec<'_>) -> Result<RequestTemplate, RequestError> {
        let request = spec.check()?;
        let mut out = Segments::with_capacity(256 + request.body.len());
        push_head(&mut out, &request);
        let head_bytes = out.len();
        out.push(request.body);
        let id_at = out.range_of(Slot::RequestId).map(|range| range.start);
        let is_head_method = request.method == "HEAD";
        let accepts_upgrade = false;
        Ok(RequestTemplate {
            segments: out.finish(),
            head_bytes,
            id_at,
            is_head_method,
            accepts_upgrade,
        })
    }

    /// The same request, which is answered by 101 if `accepts` (RFC 9110 §7.8); otherwise 101 is an error.
    #[must_use]
    pub fn accepting_upgrade(self, accepts: bool) -> RequestTemplate {
        RequestTemplate { accepts_upgrade: accepts, ..self }
    }

    /// The segments of head and body.
    pub fn segments(&self) -> &Segments {
        &self.segments
    }

    /// Every sending has the same bytes: [`RequestTemplate::bytes`].
    #[inline]
    pub fn is_fixed(&self) -> bool {
        self.id_at.is_none()
    }

    /// Replaces the contents of `out` with the bytes of one sending.
    #[inline]
    pub fn render(&self, out: &mut Vec<u8>, id: &IdParts) {
        out.clear();
        out.extend_from_slice(self.bytes());
        self.write_id(out, id);
    }

    /// Head and body; a request id in it is all zeros.
    pub fn bytes(&self) -> &[u8] {
        self.segments.bytes()
    }

    /// Bytes of head and body; never 0.
    #[expect(clippy::len_without_is_empty, reason = "a request is never empty")]
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// Bytes of the head, the empty line included.
    pub fn head_bytes(&self) -> usize {
        self.head_bytes
    }

    /// The method is HEAD: the response has no body (RFC 9112 §6.3).
    pub fn is_head_method(&self) -> bool {
        self.is_head_method
    }

    /// 101 is an answer to it; see [`RequestTemplate::accepting_upgrade`].
    #[inline]
    pub fn accepts_upgrade(&self) -> bool {
        self.accepts_upgrade
    }

    /// Where the request id is, [`ID_BYTES`] long.
    pub fn id_range(&self) -> Option<Range<usize>> {
        self.id_at.map(|at| at..at + ID_BYTES)
    }

    /// Writes a request id into `bytes`, a copy of [`RequestTemplate::bytes`]; nothing if the
    /// template has none.
    ///
    /// # Panics
    /// If `bytes` ends before the id does.
    #[inline]
    pub fn write_id(&self, bytes: &mut [u8], id: &IdParts) {
        let Some(at) = self.id_at else { return };
        if let Some(text) = bytes[at..].first_chunk_mut::<ID_BYTES>() {
            id.patch(text);
        } else {
            panic!("the bytes end before the request id does");
        }
    }
}

/// Request line and fields: `Host` first (RFC 9110 §7.2), `Connection` last.
fn push_head(out: &mut Segments, request: &CheckedRequest<'_>) {
    out.push(request.method.as_bytes());
    out.push(b" ");
    out.push(&request.target);
    out.push(b" HTTP/1.1\r\n");
    push_field(out, request.host_name, FieldValue::Text(&request.authority));
    for field in &request.fields {
        push_field(out, field.name, field.value);
    }
    if request.close {
        push_field(out, "Connection", FieldValue::Text(b"close"));
    }
    out.push(b"\r\n");
}

fn push_field(out: &mut Segments, name: &str, value: FieldValue<'_>) {
    out.push(name.as_bytes());
    out.push(b": ");
    match value {
        FieldValue::Text(text) => out.push(text),
        FieldValue::Length(bytes) => out.push(bytes.to_string().as_bytes()),
        FieldValue::Slot(slot) => out.push_slot(slot),
    }
    out.push(b"\r\n");
}
