//! What happens to a value on its way into a text: filters, then escaping.

use crate::canary::is_planted;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::compile::TemplateErrorKind;
use super::{Escape, FillError, Value, ValueId, Values};

/// Most bytes that `pad` fills up to.
const PAD_MAX: usize = 1024;

/// One filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// Switches the escaping of the place off; the last filter only.
    Raw,
    Json,
    Url,
    Form,
    Html,
    Base64,
    Lower,
    Upper,
    Trim,
    /// Zeros before it until it has so many bytes.
    Pad(usize),
    /// Instead of a value that has not been set.
    Default(String),
    Sha256,
    HmacSha256(ValueId),
}

impl Filter {
    /// All names, for messages.
    pub(super) const NAMES: &'static str = "raw, json, url, form, html, base64, lower, upper, trim, \
         pad(n), default(\"text\"), sha256 and hmac_sha256(name)";

    /// Reads `name` or `name(argument)`.
    pub(super) fn parse(
        text: &str,
        resolve: &mut dyn FnMut(&str) -> Result<ValueId, TemplateErrorKind>,
    ) -> Result<Filter, TemplateErrorKind> {
        let (name, argument) = match text.split_once('(') {
            None => (text, None),
            Some((name, rest)) => match rest.strip_suffix(')') {
                Some(argument) => (name.trim_end(), Some(argument.trim())),
                None => return Err(wrong(name, "the argument has no `)`")),
            },
        };
        let plain = |filter| match argument {
            None => Ok(filter),
            Some(_) => Err(wrong(name, "takes no argument")),
        };
        match name {
            "raw" => plain(Filter::Raw),
            "json" => plain(Filter::Json),
            "url" => plain(Filter::Url),
            "form" => plain(Filter::Form),
            "html" => plain(Filter::Html),
            "base64" => plain(Filter::Base64),
            "lower" => plain(Filter::Lower),
            "upper" => plain(Filter::Upper),
            "trim" => plain(Filter::Trim),
            "sha256" => plain(Filter::Sha256),
            "pad" => match argument.and_then(|digits| digits.parse().ok()) {
                Some(width) if width <= PAD_MAX => Ok(Filter::Pad(width)),
                Some(_) | None => Err(wrong(name, "takes a number of bytes up to 1024: pad(8)")),
            },
            "default" => match argument.and_then(quoted) {
                Some(text) => Ok(Filter::Default(text)),
                None => Err(wrong(name, "takes a text in quotes: default(\"none\")")),
            },
            "hmac_sha256" => match argument {
                Some(key) => resolve(key).map(Filter::HmacSha256),
                None => Err(wrong(name, "takes the name of its key: hmac_sha256(secret.key)")),
            },
            _ => Err(TemplateErrorKind::UnknownFilter(name.to_owned())),
        }
    }

    /// The value that is its key.
    pub(super) fn key(&self) -> Option<ValueId> {
        match self {
            Filter::HmacSha256(key) => Some(*key),
            _ => None,
        }
    }

    /// As it is written.
    pub(super) fn shown(&self, value: &impl Fn(ValueId) -> String) -> String {
        let plain = match self {
            Filter::Pad(width) => return format!("pad({width})"),
            Filter::Default(text) => {
                return format!("default(\"{}\")", text.replace('\\', "\\\\").replace('"', "\\\""));
            }
            Filter::HmacSha256(key) => return format!("hmac_sha256({})", value(*key)),
            Filter::Raw => "raw",
            Filter::Json => "json",
            Filter::Url => "url",
            Filter::Form => "form",
            Filter::Html => "html",
            Filter::Base64 => "base64",
            Filter::Lower => "lower",
            Filter::Upper => "upper",
            Filter::Trim => "trim",
            Filter::Sha256 => "sha256",
        };
        plain.to_owned()
    }

    /// Whether it gives a value where there is none.
    pub(super) fn is_default(&self) -> bool {
        matches!(self, Filter::Default(_))
    }

    /// Whether, as the last filter, it stands for the escaping that the place has by itself: written out,
    /// it is not done twice.
    pub(super) fn replaces(&self, escape: Escape) -> bool {
        matches!(
            (self, escape),
            (Filter::Raw, _)
                | (Filter::Url, Escape::Percent)
                | (Filter::Form, Escape::Form)
                | (Filter::Json, Escape::JsonText | Escape::JsonValue)
        )
    }
}

fn wrong(name: &str, what: &'static str) -> TemplateErrorKind {
    TemplateErrorKind::BadArgument(name.to_owned(), what)
}

/// The text in double quotes, with `\"` and `\\` in it.
fn quoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(next) = chars.next() {
        match next {
            '"' => return None,
            '\\' => out.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            _ => out.push(next),
        }
    }
    Some(out)
}

/// Passes a value through all filters; the result lies in one of the two buffers, in the value or in the
/// filter itself.
pub(super) fn apply_all<'a>(
    filters: &'a [Filter],
    id: ValueId,
    mut value: Option<Value<'a>>,
    values: &'a impl Values,
    scratch: &'a mut [Vec<u8>; 2],
) -> Result<Value<'a>, FillError> {
    let [from, to] = scratch;
    // A value that no filter has changed yet is not copied.
    let mut is_in_scratch = false;
    let mut is_text = true;
    for filter in filters {
        let input = match (is_in_scratch, value) {
            (true, _) => Some(Value { bytes: from.as_slice(), is_text }),
            (false, value) => value,
        };
        match (filter, input) {
            (Filter::Default(text), None) => value = Some(Value::text(text.as_bytes())),
            (Filter::Default(_) | Filter::Raw, Some(_)) => {}
            (_, None) => return Err(FillError::Missing { value: id }),
            (filter, Some(input)) => {
                to.clear();
                filter.apply(input, values, to)?;
                is_text = true;
                is_in_scratch = true;
                std::mem::swap(from, to);
            }
        }
    }
    if is_in_scratch {
        return Ok(Value { bytes: from, is_text });
    }
    value.ok_or(FillError::Missing { value: id })
}

impl Filter {
    /// Appends the filtered value.
    fn apply(
        &self,
        value: Value<'_>,
        values: &impl Values,
        out: &mut Vec<u8>,
    ) -> Result<(), FillError> {
        let bytes = value.bytes;
        match self {
            Filter::Raw | Filter::Default(_) => out.extend_from_slice(bytes),
            Filter::Json => escape(Escape::JsonText, value, out),
            Filter::Url => escape(Escape::Percent, value, out),
            Filter::Form => escape(Escape::Form, value, out),
            Filter::Html => push_html(bytes, out),
            Filter::Base64 => push_base64(bytes, out),
            Filter::Lower => {
                out.extend_from_slice(bytes);
                out.make_ascii_lowercase();
            }
            Filter::Upper => {
                out.extend_from_slice(bytes);
                out.make_ascii_uppercase();
            }
            Filter::Trim => out.extend_from_slice(bytes.trim_ascii()),
            Filter::Pad(width) => {
                out.resize(width.saturating_sub(bytes.len()), b'0');
                out.extend_from_slice(bytes);
            }
            Filter::Sha256 => push_hex(&Sha256::digest(bytes), out),
            Filter::HmacSha256(key) => {
                let secret = values.value(*key).ok_or(FillError::Missing { value: *key })?;
                // The error is of keys of a wrong length, and HMAC takes any (RFC 2104 section 2).
                if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.bytes) {
                    mac.update(bytes);
                    push_hex(&mac.finalize().into_bytes(), out);
                }
            }
        }
        Ok(())
    }
}

/// Appends a value, escaped.
#[inline]
pub(super) fn escape(escape: Escape, value: Value<'_>, out: &mut Vec<u8>) {
    match escape {
        Escape::None => out.extend_from_slice(value.bytes),
        Escape::Percent => push_percent(value.bytes, false, out),
        Escape::Form => push_percent(value.bytes, true, out),
        Escape::JsonText => push_json_text(value.bytes, out),
        Escape::JsonValue if value.is_text => {
            out.push(b'"');
            push_json_text(value.bytes, out);
            out.push(b'"');
        }
        Escape::JsonValue => out.extend_from_slice(value.bytes),
    }
}

/// Which bytes stand as they are, of all 256.
type Clean = [bool; 256];

const fn clean(others: &[u8]) -> Clean {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut i = 0;
    while i < others.len() {
        table[others[i] as usize] = true;
        i += 1;
    }
    table
}

/// RFC 3986 section 2.3.
static UNRESERVED: Clean = clean(b"-._~");
/// WHATWG URL section 1.3: what is outside the application/x-www-form-urlencoded percent-encode set.
static FORM: Clean = clean(b"*-._");
/// RFC 8259 section 7: what a string may hold as it is.
static JSON: Clean = {
    let mut table = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = false;
        byte += 1;
    }
    table[b'"' as usize] = false;
    table[b'\\' as usize] = false;
    table
};

/// Appends `bytes`; those that are not clean as `push` says.
#[inline]
fn push_escaped(bytes: &[u8], clean: &Clean, out: &mut Vec<u8>, push: impl Fn(u8, &mut Vec<u8>)) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| !clean[usize::from(*byte)]) {
        out.extend_from_slice(&rest[..at]);
        push(rest[at], out);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

const HEX_UPPER: &[u8; 16] = b"0123456789ABCDEF";
const HEX_LOWER: &[u8; 16] = b"0123456789abcdef";

fn digits(byte: u8, digits: &[u8; 16]) -> [u8; 2] {
    [digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]
}

fn push_percent(bytes: &[u8], is_form: bool, out: &mut Vec<u8>) {
    push_escaped(bytes, if is_form { &FORM } else { &UNRESERVED }, out, |byte, out| match byte {
        b' ' if is_form => out.push(b'+'),
        _ => {
            out.push(b'%');
            out.extend_from_slice(&digits(byte, HEX_UPPER));
        }
    });
}

fn push_json_text(bytes: &[u8], out: &mut Vec<u8>) {
    push_escaped(bytes, &JSON, out, |byte, out| match byte {
        b'\\' if is_planted("template") => out.push(byte),
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&digits(byte, HEX_LOWER));
        }
    });
}

/// The characters that mean something in HTML text and attribute values.
fn push_html(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            _ => out.push(byte),
        }
    }
}

/// RFC 4648 section 4, with padding.
fn push_base64(bytes: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    out.resize(from + bytes.len().div_ceil(3) * 4, 0);
    // The room is exactly what the encoding needs, so there is no error.
    let _ = STANDARD.encode_slice(bytes, &mut out[from..]);
}

fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        out.extend_from_slice(&digits(byte, HEX_LOWER));
    }
}
