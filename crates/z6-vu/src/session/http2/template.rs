//! A request that is filled in, prepared once: its fields that are always the same stand in tables, the others
//! are literals.

use z6_http::IdParts;
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
}

impl Line {
    fn name(&self) -> &[u8] {
        match self {
            Line::Fixed(name) | Line::Filled(name) => name,
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
            let is_length = name == b"content-length" && has_body;
            if name == b"host" && value.contains(&FILLED) {
                lines.push(Line::Filled(name.to_vec()));
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
    /// lines, because fields were added to it.
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
            if let Line::Filled(_) = line {
                *values.get_mut(count)? = value;
                count += 1;
            }
        }
        let is_this = lines.next().is_none() && method == self.method;
        is_this.then(|| send(&values[..count]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use z6_http::RequestSpec;
    use z6_proto_http2::server::Server;
    use z6_proto_http2::{Config, Connection, Limits, Sending, Slices, Tag};
}
