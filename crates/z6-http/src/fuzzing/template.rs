//! Templates against a naive model. The input says which pieces a text has; the text is written from them and
//! compiled, while the model renders the pieces one by one: it parses nothing, and escapes byte by byte.

use std::fmt::Write as _;

use base64::Engine as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::template::{Filled, Template, TextKind, Value, ValueId, Values};

const KINDS: [TextKind; 6] = [
    TextKind::Plain,
    TextKind::Json,
    TextKind::Target,
    TextKind::FormField,
    TextKind::HeaderValue,
    TextKind::JsonString,
];

/// Names of values; the last one is never set.
const NAMES: [&str; 4] = ["text", "number", "users.name", "unset"];

/// What literal text is made of.
const LITERALS: [&str; 12] =
    ["a", " ", "\"", "\\", "{", "}", "}}", "|", "%", "\u{e9}", ":", "{\"k\": "];

/// Filters as they are written.
const FILTERS: [&str; 14] = [
    "raw",
    "json",
    "url",
    "form",
    "html",
    "base64",
    "lower",
    "upper",
    "trim",
    "pad(6)",
    "default(\"a | \\\"b\\\" }}\")",
    "sha256",
    "hmac_sha256(number)",
    "hmac_sha256(unset)",
];

enum Piece {
    Literal(&'static str),
    /// A value, and its filters.
    Slot(usize, Vec<usize>),
}

struct Case {
    kind: TextKind,
    values: Vec<Option<(Vec<u8>, bool)>>,
    pieces: Vec<Piece>,
}

impl Values for Case {
    fn value(&self, ValueId(id): ValueId) -> Option<Value<'_>> {
        let (bytes, is_text) = self.values.get(usize::from(id))?.as_ref()?;
        Some(Value { bytes, is_text: *is_text })
    }
}

impl Case {
    /// What the bytes stand for: the kind, the length of a value, the value, then pieces.
    fn new(data: &[u8]) -> Option<Case> {
        let (&[kind, length], rest) = data.split_first_chunk()?;
        let kind = KINDS[usize::from(kind) % KINDS.len()];
        let (value, rest) = rest.split_at_checked(usize::from(length) % 40)?;
        let mut pieces: Vec<Piece> = Vec::new();
        for byte in rest.iter().take(200).map(|byte| usize::from(*byte)) {
            match (byte / 64, pieces.last_mut()) {
                (0 | 1, _) => pieces.push(Piece::Literal(LITERALS[byte % LITERALS.len()])),
                (2, _) => pieces.push(Piece::Slot(byte % NAMES.len(), Vec::new())),
                (_, Some(Piece::Slot(_, filters))) if filters.len() < 4 => {
                    filters.push(byte % FILTERS.len());
                }
                _ => {}
            }
        }
        let text = |text: &[u8]| Some((text.to_vec(), true));
        let values =
            vec![text(value), Some((b"-1.50".to_vec(), false)), text(b" J & \xc3\x9c"), None];
        Some(Case { kind, values, pieces })
    }

    /// The text of the template, if its pieces can stand beside each other: a brace before a placeholder
    /// opens it, except in JSON.
    fn text(&self) -> Option<String> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Slot(value, filters) => {
                    if text.ends_with('{') && self.kind != TextKind::Json {
                        return None;
                    }
                    text.push_str("{{ ");
                    text.push_str(NAMES[*value]);
                    for filter in filters {
                        text.push_str(" | ");
                        text.push_str(FILTERS[*filter]);
                    }
                    text.push_str("}}");
                }
            }
        }
        // Braces of literals that make a placeholder of their own.
        let literals: String = self
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Literal(literal) => literal,
                Piece::Slot(..) => "\n",
            })
            .collect();
        (!literals.contains("{{")).then_some(text)
    }

    /// What the text comes to; none if a value is missing or must not stand there.
    fn model(&self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut literals = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => {
                    out.extend_from_slice(literal.as_bytes());
                    literals.push_str(literal);
                }
                Piece::Slot(value, filters) => {
                    let shown = self.slot(*value, filters, &literals)?;
                    let is_allowed = |byte: &u8| match self.kind {
                        TextKind::Target => (0x21..=0x7E).contains(byte) && *byte != b'#',
                        TextKind::HeaderValue => *byte == b'\t' || !byte.is_ascii_control(),
                        _ => true,
                    };
                    if !shown.iter().all(is_allowed) {
                        return None;
                    }
                    out.extend(shown);
                }
            }
        }
        Some(out)
    }

    fn slot(&self, value: usize, filters: &[usize], before: &str) -> Option<Vec<u8>> {
        let mut now = self.values[value].clone();
        let in_string = match self.kind {
            TextKind::JsonString => true,
            TextKind::Json => is_in_string(before),
            _ => false,
        };
        let last = filters.last().map(|filter| FILTERS[*filter]);
        let is_own = match (last, self.kind) {
            (Some("raw"), _) => true,
            (Some("url"), TextKind::Target) | (Some("form"), TextKind::FormField) => true,
            (Some("json"), kind) => in_string || kind == TextKind::Json,
            _ => false,
        };
        // Written out, what the place does by itself is not done twice.
        let filters = if is_own { &filters[..filters.len() - 1] } else { filters };
        for filter in filters {
            now = match (FILTERS[*filter], now) {
                (name, None) if name.starts_with("default") => {
                    Some((b"a | \"b\" }}".to_vec(), true))
                }
                (_, None) => return None,
                (name, Some(now)) if name == "raw" || name.starts_with("default") => Some(now),
                (name, Some((bytes, _))) => Some((self.filtered(name, &bytes)?, true)),
            };
        }
        let (bytes, is_text) = now?;
        Some(match self.kind {
            _ if last == Some("raw") => bytes,
            TextKind::Target => percent(&bytes, "-._~"),
            TextKind::FormField => percent(&bytes, "*-._ ").replace_spaces(),
            TextKind::Json | TextKind::JsonString if in_string => json(&bytes),
            TextKind::Json if is_text => [&b"\""[..], &json(&bytes), b"\""].concat(),
            _ => bytes,
        })
    }

    fn filtered(&self, name: &str, bytes: &[u8]) -> Option<Vec<u8>> {
        Some(match name {
            "json" => json(bytes),
            "url" => percent(bytes, "-._~"),
            "form" => percent(bytes, "*-._ ").replace_spaces(),
            "html" => each(bytes, |byte| match byte {
                b'&' => "&amp;".into(),
                b'<' => "&lt;".into(),
                b'>' => "&gt;".into(),
                b'"' => "&quot;".into(),
                b'\'' => "&#39;".into(),
                _ => vec![byte],
            }),
            "base64" => base64::engine::general_purpose::STANDARD.encode(bytes).into_bytes(),
            "lower" => bytes.to_ascii_lowercase(),
            "upper" => bytes.to_ascii_uppercase(),
            "trim" => bytes.trim_ascii().to_vec(),
            "pad(6)" => [vec![b'0'; 6usize.saturating_sub(bytes.len())], bytes.to_vec()].concat(),
            "sha256" => hex(&Sha256::digest(bytes)),
            "hmac_sha256(number)" => {
                let mut mac = Hmac::<Sha256>::new_from_slice(b"-1.50").ok()?;
                mac.update(bytes);
                hex(&mac.finalize().into_bytes())
            }
            _ => return None,
        })
    }
}

/// Whether a JSON text that begins so goes on inside a string.
fn is_in_string(text: &str) -> bool {
    let (mut inside, mut bytes) = (false, text.bytes());
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if inside => _ = bytes.next(),
            b'"' => inside = !inside,
            _ => {}
        }
    }
    inside
}

fn each(bytes: &[u8], one: impl Fn(u8) -> Vec<u8>) -> Vec<u8> {
    bytes.iter().flat_map(|byte| one(*byte)).collect()
}

fn percent(bytes: &[u8], clean: &str) -> Vec<u8> {
    each(bytes, |byte| {
        let is_clean = byte.is_ascii_alphanumeric() || clean.bytes().any(|clean| clean == byte);
        if is_clean { vec![byte] } else { format!("%{byte:02X}").into_bytes() }
    })
}

trait ReplaceSpaces {
    fn replace_spaces(self) -> Self;
}

impl ReplaceSpaces for Vec<u8> {
    fn replace_spaces(self) -> Vec<u8> {
        self.into_iter().map(|byte| if byte == b' ' { b'+' } else { byte }).collect()
    }
}

fn json(bytes: &[u8]) -> Vec<u8> {
    each(bytes, |byte| match byte {
        b'"' => b"\\\"".to_vec(),
        b'\\' => b"\\\\".to_vec(),
        b'\n' => b"\\n".to_vec(),
        b'\r' => b"\\r".to_vec(),
        b'\t' => b"\\t".to_vec(),
        0..0x20 => format!("\\u{byte:04x}").into_bytes(),
        _ => vec![byte],
    })
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    let mut out = String::new();
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out.into_bytes()
}

/// Renders a template as a driver does.
fn rendered(template: &Template, values: &impl Values) -> Option<Vec<u8>> {
    let (mut filled, mut out) = (Filled::default(), Vec::new());
    let part = template.fill(values, &mut filled).ok()?;
    template.write(&filled, &part, &mut out);
    assert_eq!(out.len(), template.length(&part), "the length is known before");
    Some(out)
}

/// What is sent; none if nothing is.
type Rendered = Option<Vec<u8>>;

/// What the model and `compile` make of an input; none if it is no template.
fn compare(
    data: &[u8],
    compile: impl Fn(&str, TextKind) -> Option<Template>,
) -> Option<(Rendered, Rendered)> {
    let case = Case::new(data)?;
    let template = compile(&case.text()?, case.kind)?;
    Some((rendered(&template, &case), case.model()))
}

fn compiled(text: &str, kind: TextKind) -> Template {
    let find = |name: &str| {
        let place = NAMES.iter().position(|known| *known == name)?;
        u16::try_from(place).ok().map(ValueId)
    };
    match Template::compile(text, kind, find) {
        Ok(template) => template,
        Err(error) => panic!("{error} at {} of {text:?}", error.offset),
    }
}

/// Compiles and renders a template, and compares it with what a naive model makes of its pieces.
pub(super) fn against_model(data: &[u8]) {
    if let Some((found, expected)) = compare(data, |text, kind| Some(compiled(text, kind))) {
        assert_eq!(found, expected);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Literals, slots and filters of every kind.
    fn inputs() -> impl Strategy<Value = Vec<u8>> {
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..60)).prop_map(|(kind, mut rest)| {
            let length = rest.len().min(9) as u8;
            rest.splice(0..0, [kind, length]);
            rest
        })
    }

    proptest! {
        #[test]
        fn templates_are_what_their_pieces_say(data in inputs()) {
            against_model(&data);
        }
    }

    /// A renderer that forgets how one place is escaped is found by the corpus alone.
    #[test]
    fn the_model_finds_canaries() {
        let corpus: [(TextKind, &[u8]); 3] = [
            (TextKind::Target, include_bytes!("../../tests/corpus/template/target")),
            (TextKind::FormField, include_bytes!("../../tests/corpus/template/form")),
            (TextKind::JsonString, include_bytes!("../../tests/corpus/template/json_text")),
        ];
        for (forgotten, data) in corpus {
            let canary = |text: &str, kind: TextKind| {
                Some(compiled(text, if kind == forgotten { TextKind::Plain } else { kind }))
            };
            let (found, expected) = compare(data, canary).unwrap();
            assert_ne!(found, expected, "{forgotten:?}");
            let (found, expected) = compare(data, |t, kind| Some(compiled(t, kind))).unwrap();
            assert!(found.is_some() && found == expected, "{forgotten:?}");
        }
    }

    #[test]
    fn template_corpus() {
        z6_testing::over_corpus(env!("CARGO_MANIFEST_DIR"), "template", against_model);
    }
}
