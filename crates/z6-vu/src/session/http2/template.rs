//! A request that is filled in, prepared once: its fields that are always the same stand in tables, the others
//! are literals.

use z6_http::IdParts;
use z6_http::canary::is_planted;
use z6_http::field::is_same;
use z6_proto_http1::{Gap, RequestForm};
use z6_proto_http2::{FieldSet, RequestTemplate, TemplateBuilder, TemplateError};

use super::message;
use crate::templates::MAX_REQUEST_FIELDS;

/// Stands where a value is filled in; no field can hold it.
const FILLED: u8 = 1;

/// Pseudo-header fields that are filled in: `:authority` and `:path`.
const PSEUDO_VALUES: usize = 2;
const VALUES_MAX: usize = MAX_REQUEST_FIELDS + PSEUDO_VALUES;

/// The prepared request.
#[derive(Debug, Clone)]
pub(crate) struct FormTemplate {
    template: RequestTemplate,
    /// The lines of each sending, in order.
    lines: Vec<Line>,
    method: Vec<u8>,
}

/// A line after the request line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    /// The same in each sending, or not sent over HTTP/2.
    Fixed(Vec<u8>),
    Filled(Vec<u8>),
    /// `TE`, filled in: whether it is sent depends on its value.
    Te,
}

impl Line {
    fn name(&self) -> &[u8] {
        match self {
            Line::Fixed(name) | Line::Filled(name) => name,
            Line::Te => b"te",
        }
    }
}

impl FormTemplate {
    /// Prepares `form`, which puts the request id into the field of this name.
    ///
    /// # Errors
    /// What cannot be sent over HTTP/2.
    pub(crate) fn new(
        form: &RequestForm,
        id_field: Option<&str>,
        has_body: bool,
        is_tls: bool,
        set: &mut FieldSet,
    ) -> Result<FormTemplate, TemplateError> {
        let mut text = Vec::new();
        form.write_head(&mut text, &IdParts::default(), 0, |gap, out| match gap {
            Gap::Target | Gap::Field(_) => out.push(FILLED),
            Gap::MoreFields => {}
        });
        let head = message::read_head(&mut text);
        let head = &text[..head.bytes];
        let (method, _) = message::request_line(head);
        let mut builder = TemplateBuilder::new(set);
        builder.pseudo(":method", method);
        builder.pseudo(":scheme", if is_tls { b"https" } else { b"http" });
        let host = message::lines(head).find(|(name, _)| *name == b"host");
        builder.rendered(":path")?;
        match host.map(|(_, value)| value) {
            Some(value) if value.contains(&FILLED) => _ = builder.rendered(":authority")?,
            value => builder.pseudo(":authority", value.unwrap_or_default()),
        }
        let mut lines = Vec::new();
        for (name, value) in message::lines(head) {
            let text = std::str::from_utf8(name).unwrap_or_default();
            let is_length = name == b"content-length" && has_body && !is_planted("h2_template");
            if name == b"host" && value.contains(&FILLED) {
                lines.push(Line::Filled(name.to_vec()));
            } else if name == b"te" && value.contains(&FILLED) {
                lines.push(Line::Te);
            } else if !message::is_sent(name, value) {
                lines.push(Line::Fixed(name.to_vec()));
            } else if id_field.is_some_and(|id| is_same(name, id)) {
                builder.id(text)?;
                lines.push(Line::Fixed(name.to_vec()));
            } else if is_length || value.contains(&FILLED) {
                builder.rendered(text)?;
                lines.push(Line::Filled(name.to_vec()));
            } else {
                builder.field(text, value)?;
                lines.push(Line::Fixed(name.to_vec()));
            }
        }
        let template = builder.finish(Vec::new(), form.is_head_method())?;
        Ok(FormTemplate { template, lines, method: method.to_vec() })
    }

    /// What is sent of it.
    pub(super) fn template(&self) -> &RequestTemplate {
        &self.template
    }

    /// Calls `send` with the values of this head, which [`message::read_head`] has read; none if it has other
    /// lines, because fields were added to it, or a `TE` that is sent.
    pub(super) fn with_values<T>(
        &self,
        head: &[u8],
        send: impl FnOnce(&[&[u8]]) -> T,
    ) -> Option<T> {
        let (method, target) = message::request_line(head);
        let mut values = [&b""[..]; VALUES_MAX];
        values[0] = target;
        let mut count = 1;
        let mut lines = message::lines(head);
        for line in &self.lines {
            let (name, value) = lines.next()?;
            if name != line.name() {
                return None;
            }
            match line {
                Line::Filled(_) => {
                    *values.get_mut(count)? = value;
                    count += 1;
                }
                Line::Te if message::is_sent(name, value) => return None,
                Line::Fixed(_) | Line::Te => {}
            }
        }
        let is_this = lines.next().is_none() && method == self.method;
        is_this.then(|| send(&values[..count]))
    }
}

#[cfg(test)]
mod tests {
    use z6_http::RequestSpec;
    use z6_proto_http2::server::{Asked, ServerConfig, ServerConnection};
    use z6_proto_http2::{Config, Connection, Limits, Sending, Slices, Tag};

    use super::*;

    type Fields = Vec<(String, String)>;

    /// What a server reads of each request that a connection has begun.
    fn read(client: &Connection) -> Vec<(String, String, String, Fields)> {
        let mut slices = Slices::new();
        client.unwritten(&(), &mut slices);
        let bytes = slices.as_slice().concat();
        let mut server = ServerConnection::new(ServerConfig::default(), Limits::default());
        let (mut from, mut requests) = (0, Vec::new());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        while let Some(asked) = server.received(&bytes, &mut from) {
            assert!(matches!(asked, Asked::Request { .. }), "{asked:?}");
            let request = server.request();
            let fields = request.fields().map(|(name, value)| (text(name), text(value))).collect();
            let (path, authority) = (text(request.path()), text(request.authority()));
            requests.push((text(request.method()), authority, path, fields));
        }
        requests
    }

    /// Prepared fields and literals are the same request.
    #[test]
    fn a_prepared_request_is_the_one_that_its_text_says() {
        let headers = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let own = [
            headers(&[]),
            headers(&[("A", "1"), ("Host", "other:81"), ("B", "2"), ("TE", "gzip")]),
            headers(&[("User-Agent", "mine"), ("Connection", "close"), ("Cookie", "a=b")]),
        ];
        for headers in &own {
            for filled in 0..=headers.len() {
                let is_filled = |index: usize| index < filled && headers[index].0 != "Connection";
                for (method, body) in [("GET", None), ("HEAD", None), ("POST", Some(&b""[..]))] {
                    let base = RequestSpec::new(method, "h", 80, "");
                    let spec = RequestSpec {
                        headers,
                        body,
                        path_prefix: "/api",
                        request_id_header: Some("Z6-Id"),
                        ..base
                    };
                    let form = RequestForm::encode(&spec, is_filled).unwrap();
                    let mut set = FieldSet::new(0);
                    let id = Some("Z6-Id");
                    let prepared =
                        FormTemplate::new(&form, id, body.is_some(), false, &mut set).unwrap();
                    let mut text = Vec::new();
                    form.write_head(&mut text, &IdParts::default(), 0, |gap, out| match gap {
                        Gap::Target => out.extend_from_slice(b"/x?y"),
                        Gap::Field(index) => out.extend_from_slice(headers[index].1.as_bytes()),
                        Gap::MoreFields => {}
                    });
                    let head = message::read_head(&mut text);
                    let head = &text[..head.bytes];
                    let mut client = Connection::new(Config::default(), Limits::default());
                    prepared
                        .with_values(head, |values| {
                            assert_eq!(values.len(), prepared.template.rendered_values());
                            let sending = Sending { values, ..Sending::default() };
                            client.start_with(prepared.template(), Tag(0), &sending);
                        })
                        .unwrap();
                    let is_head = method == "HEAD";
                    client.start_fields(message::fields(head, false), 0, is_head, Tag(1));
                    let requests = read(&client);
                    assert_eq!(requests.len(), 2);
                    assert_eq!(requests[0], requests[1], "{headers:?} {filled}");
                    assert_eq!(requests[0].2, "/api/x?y");
                }
            }
        }
    }

    /// Whether it is sent is known with its value.
    #[test]
    fn te_that_is_filled_in_is_sent_if_it_says_trailers() {
        let headers = [("TE".to_owned(), String::new())];
        let spec = RequestSpec { headers: &headers, ..RequestSpec::new("GET", "h", 80, "") };
        let form = RequestForm::encode(&spec, |_| true).unwrap();
        let prepared = FormTemplate::new(&form, None, false, false, &mut FieldSet::new(0)).unwrap();
        for (value, is_sent) in [("gzip", false), ("trailers", true)] {
            let mut text = Vec::new();
            form.write_head(&mut text, &IdParts::default(), 0, |gap, out| match gap {
                Gap::Target => out.push(b'/'),
                Gap::Field(_) => out.extend_from_slice(value.as_bytes()),
                Gap::MoreFields => {}
            });
            let mut client = Connection::new(Config::default(), Limits::default());
            let id = IdParts::default();
            super::super::begin_text(&mut client, Tag(0), id, text, Some(&prepared), false);
            let (_, _, _, fields) = read(&client).remove(0);
            assert_eq!(fields.iter().any(|(name, _)| name == "te"), is_sent, "{value}");
        }
    }

    #[test]
    fn a_head_with_further_lines_is_not_the_prepared_one() {
        let spec = RequestSpec::new("GET", "h", 80, "");
        let form = RequestForm::encode(&spec, |_| true).unwrap();
        let prepared = FormTemplate::new(&form, None, false, false, &mut FieldSet::new(0)).unwrap();
        let mut text = Vec::new();
        form.write_head(&mut text, &IdParts::default(), 0, |gap, out| match gap {
            Gap::Target => out.push(b'/'),
            Gap::MoreFields => out.extend_from_slice(b"Cookie: a=b\r\n"),
            Gap::Field(_) => {}
        });
        let head = message::read_head(&mut text);
        assert_eq!(prepared.with_values(&text[..head.bytes], |_| ()), None);
        assert_eq!(prepared.with_values(b"POST / HTTP/1.1\r\n\r\n", |_| ()), None);
    }
}
