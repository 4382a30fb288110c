//! A request that is filled in for each sending: its head encoded once, with gaps.
//!
//! Owns where the gaps are, and that what is written has the shape of the head that was checked. Knows
//! nothing of where values come from: the caller fills the gaps, and answers for the bytes in them
//! ([`z6_http::template`] refuses those that must not stand there).

use std::io::Write as _;

use z6_http::{FieldValue, ID_BYTES, IdParts, RequestError, RequestSpec, field::is_same};

/// What is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Path and query, behind the prefix of the target.
    Target,
    /// The value of the field with this index in [`RequestSpec::headers`].
    Field(usize),
    /// Whole lines of further fields, each with its line end; may stay empty.
    MoreFields,
}

/// A gap of the head, with those that are filled here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Given(Gap),
    Length,
    RequestId,
}

/// The head of a request with gaps.
///
/// ```
/// use z6_http::{IdParts, RequestSpec};
/// use z6_proto_http1::{Gap, RequestForm};
///
/// let headers = [("X-Order".to_owned(), String::new())];
/// let spec = RequestSpec { headers: &headers, body: Some(b""), ..RequestSpec::new("PUT", "h", 80, "") };
/// let form = RequestForm::encode(&spec, |_| true)?;
/// let mut bytes = Vec::new();
/// form.write_head(&mut bytes, &IdParts::default(), 2, |gap, out| match gap {
///     Gap::Target => out.extend_from_slice(b"/orders/7"),
///     Gap::Field(_) => out.extend_from_slice(b"7"),
///     Gap::MoreFields => {}
/// });
/// assert!(bytes.starts_with(b"PUT /orders/7 HTTP/1.1\r\nHost: h\r\n"));
/// assert!(bytes.ends_with(b"X-Order: 7\r\nContent-Length: 2\r\n\r\n"));
/// # Ok::<(), z6_http::RequestError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestForm {
    text: Box<[u8]>,
    /// Each gap, and how much of the text comes before it.
    gaps: Box<[(usize, Place)]>,
    is_head_method: bool,
    accepts_upgrade: bool,
}

impl RequestForm {
    /// Encodes the head of `spec`. Its path is left out; so is the value of each field that `is_filled`
    /// names by index: what is given is the fixed part of that value, which is checked. A body stands
    /// for one of any length.
    ///
    /// # Errors
    /// What cannot be sent as HTTP/1.1, or would be sent as something other than described.
    pub fn encode(
        spec: &RequestSpec<'_>,
        is_filled: impl Fn(usize) -> bool,
    ) -> Result<RequestForm, RequestError> {
        let mut host = None;
        for (i, (name, _)) in spec.headers.iter().enumerate() {
            let is = |usual| is_same(name.as_bytes(), usual);
            if is("Content-Length") || is("Connection") && is_filled(i) {
                return Err(RequestError::FilledHeader { name: name.clone() });
            }
            host = host.or((is("Host") && is_filled(i)).then_some(i));
        }
        // Checks the prefix; an empty path adds nothing to one that is not empty.
        let request = RequestSpec { path: "", ..*spec }.check()?;
        let mut out = Writer::default();
        out.push(request.method.as_bytes());
        out.push(b" ");
        if spec.is_absolute || !spec.path_prefix.is_empty() {
            out.push(request.target.strip_suffix(b"/").unwrap_or(&request.target));
        }
        out.gap(Place::Given(Gap::Target));
        out.push(b" HTTP/1.1\r\n");
        out.field(request.host_name, host, &request.authority);

        let is_own =
            |(_, (name, _)): &(usize, &(String, String))| !is_same(name.as_bytes(), "Host");
        let mut own = spec.headers.iter().enumerate().filter(is_own).map(|(i, _)| i);
        let texts = request.fields.iter().filter(|f| matches!(f.value, FieldValue::Text(_)));
        // Fields that are added before those of the caller.
        let mut added = texts.count() - own.clone().count();
        let mut has_more = false;
        for field in &request.fields {
            match field.value {
                FieldValue::Text(text) if added > 0 => {
                    added -= 1;
                    out.field(field.name, None, text);
                }
                FieldValue::Text(text) => {
                    out.field(field.name, own.next().filter(|i| is_filled(*i)), text);
                }
                FieldValue::Length(_) | FieldValue::Slot(_) => {
                    if !std::mem::replace(&mut has_more, true) {
                        out.gap(Place::Given(Gap::MoreFields));
                    }
                    out.push(field.name.as_bytes());
                    out.push(b": ");
                    out.gap(match field.value {
                        FieldValue::Slot(_) => Place::RequestId,
                        FieldValue::Length(_) | FieldValue::Text(_) => Place::Length,
                    });
                    out.push(b"\r\n");
                }
            }
        }
        if !has_more {
            out.gap(Place::Given(Gap::MoreFields));
        }
        if request.close {
            out.push(b"Connection: close\r\n");
        }
        out.push(b"\r\n");
        Ok(RequestForm {
            text: out.text.into_boxed_slice(),
            gaps: out.gaps.into_boxed_slice(),
            is_head_method: request.method == "HEAD",
            accepts_upgrade: false,
        })
    }

    /// The same request, which is answered by 101 if `accepts` (RFC 9110 §7.8); otherwise 101 is an error.
    #[must_use]
    pub fn accepting_upgrade(self, accepts: bool) -> RequestForm {
        RequestForm { accepts_upgrade: accepts, ..self }
    }

    /// Appends the head of one sending, whose body has `body_bytes`. `fill` appends what belongs into a
    /// gap.
    pub fn write_head(
        &self,
        out: &mut Vec<u8>,
        id: &IdParts,
        body_bytes: usize,
        mut fill: impl FnMut(Gap, &mut Vec<u8>),
    ) {
        let mut from = 0;
        for &(at, place) in &self.gaps {
            out.extend_from_slice(&self.text[from..at]);
            from = at;
            match place {
                Place::Given(gap) => fill(gap, out),
                // Writing to memory does not fail.
                Place::Length => _ = write!(out, "{body_bytes}"),
                Place::RequestId => {
                    let text: [u8; ID_BYTES] = id.text();
                    out.extend_from_slice(&text);
                }
            }
        }
        out.extend_from_slice(&self.text[from..]);
    }

    /// Bytes of the head without what is filled in.
    pub fn fixed_bytes(&self) -> usize {
        self.text.len()
    }

    /// The method is HEAD: the response has no body (RFC 9112 §6.3).
    pub fn is_head_method(&self) -> bool {
        self.is_head_method
    }

    /// 101 is an answer to it; see [`RequestForm::accepting_upgrade`].
    pub fn accepts_upgrade(&self) -> bool {
        self.accepts_upgrade
    }
}

/// Text and gaps while they are put together.
#[derive(Default)]
struct Writer {
    text: Vec<u8>,
    gaps: Vec<(usize, Place)>,
}

impl Writer {
    fn push(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
    }

    fn gap(&mut self, place: Place) {
        self.gaps.push((self.text.len(), place));
    }

    /// A line with this value, or with a gap for the field of this index.
    fn field(&mut self, name: &str, filled: Option<usize>, value: &[u8]) {
        self.push(name.as_bytes());
        self.push(b": ");
        match filled {
            Some(i) => self.gap(Place::Given(Gap::Field(i))),
            None => self.push(value),
        }
        self.push(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RequestTemplate;

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn filled(form: &RequestForm, spec: &RequestSpec<'_>, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        form.write_head(&mut out, &IdParts::default(), body.len(), |gap, out| match gap {
            Gap::Target => out.extend_from_slice(spec.path.as_bytes()),
            Gap::Field(i) => out.extend_from_slice(spec.headers[i].1.as_bytes()),
            Gap::MoreFields => {}
        });
        out.extend_from_slice(body);
        out
    }

    /// Filled in with what a fixed request has, the bytes are those of the fixed request.
    #[test]
    fn a_form_writes_what_a_fixed_request_is() {
        let own = [
            headers(&[]),
            headers(&[("A", "1"), ("host", "other:81"), ("B", "")]),
            headers(&[("User-Agent", "mine"), ("Connection", "close")]),
        ];
        for headers in &own {
            for (method, body) in [
                ("GET", None),
                ("POST", None),
                ("POST", Some(&b""[..])),
                ("PUT", Some(&b"some bytes"[..])),
                ("DELETE", Some(&b"x"[..])),
            ] {
                for (prefix, id, close) in
                    [("", None, false), ("/api", Some("Z6-Id"), true), ("/", None, true)]
                {
                    let spec = RequestSpec {
                        headers,
                        body,
                        path_prefix: prefix,
                        request_id_header: id,
                        connection_close: close,
                        ..RequestSpec::new(method, "h", 8080, "/a?b=c")
                    };
                    let fixed = RequestTemplate::encode(&spec).unwrap();
                    let absolute = RequestSpec { is_absolute: true, ..spec };
                    let form = RequestForm::encode(&absolute, |_| false).unwrap();
                    let written = filled(&form, &absolute, body.unwrap_or_default());
                    let fixed_absolute = RequestTemplate::encode(&absolute).unwrap();
                    assert_eq!(written, fixed_absolute.bytes());
                    assert!(written.starts_with(format!("{method} http://h:8080").as_bytes()));
                    for filled_in in [false, true] {
                        let is_filled =
                            |i: usize| filled_in && !is_same(headers[i].0.as_bytes(), "Connection");
                        let form = RequestForm::encode(&spec, is_filled).unwrap();
                        let written = filled(&form, &spec, body.unwrap_or_default());
                        let shown = String::from_utf8_lossy(&written);
                        assert_eq!(written, fixed.bytes(), "{shown}");
                        assert_eq!(form.is_head_method(), fixed.is_head_method());
                    }
                }
            }
        }
    }

    #[test]
    fn more_fields_stand_behind_those_of_the_caller() {
        let headers = headers(&[("A", "1")]);
        for (id, end) in
            [(None, "\r\n"), (Some("Id"), "Id: 00-0000000000000000-0000000000000000-00\r\n\r\n")]
        {
            let spec = RequestSpec {
                headers: &headers,
                request_id_header: id,
                ..RequestSpec::new("GET", "h", 80, "")
            };
            let form = RequestForm::encode(&spec, |_| false).unwrap();
            let mut out = Vec::new();
            form.write_head(&mut out, &IdParts::default(), 0, |gap, out| match gap {
                Gap::Target => out.push(b'/'),
                Gap::Field(_) => panic!("nothing else is filled in"),
                Gap::MoreFields => out.extend_from_slice(b"Cookie: a=b\r\n"),
            });
            let text = String::from_utf8(out).unwrap();
            assert!(text.ends_with(&format!("A: 1\r\nCookie: a=b\r\n{end}")), "{text}");
        }
    }

    /// RFC 9112 §6.3.
    #[test]
    fn what_decides_the_framing_cannot_be_filled_in() {
        for (name, value) in [("content-length", "0"), ("Connection", "")] {
            let headers = headers(&[(name, value)]);
            let spec = RequestSpec { headers: &headers, ..RequestSpec::new("GET", "h", 80, "") };
            let refused = Err(RequestError::FilledHeader { name: name.to_owned() });
            assert_eq!(RequestForm::encode(&spec, |_| true), refused);
        }
        let headers = headers(&[("Transfer-Encoding", "")]);
        let spec = RequestSpec { headers: &headers, ..RequestSpec::new("GET", "h", 80, "") };
        assert_eq!(RequestForm::encode(&spec, |_| true), Err(RequestError::TransferEncoding));
    }
}
