//! Secret values taken out of texts that a log or a person is given.
//!
//! Owns how a secret may be written: as it is, in any case of letters, and as JSON, HTML, a URL, a form or base64
//! write it. Pure; knows no actor.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use z6_extract::{Kind, Value as Extracted};
use z6_http::template::{Filled, Template, TextKind, Value, ValueId, Values};

/// A shorter secret stands everywhere by chance: it counts only where it stands alone, between bytes that are
/// neither letters nor digits.
pub(super) const SOUGHT_BYTES_MIN: usize = 4;
/// What is decoded from base64 has to be this long at least, encoded.
const BASE64_BYTES_MIN: usize = 6;

/// A secret value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hidden {
    /// Its name, as a placeholder has it.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// What stands in place of a secret.
pub(super) fn mark(name: &str) -> String {
    format!("‹{name}›")
}

/// Adds a secret value, and what is in it if it is JSON.
pub(super) fn hide(name: &str, bytes: &[u8], is_text: bool, hidden: &mut Vec<Hidden>) {
    let mut add = |bytes: Vec<u8>| {
        let one = Hidden { name: name.to_owned(), bytes };
        if !one.bytes.is_empty() && !hidden.contains(&one) {
            hidden.push(one);
        }
    };
    add(bytes.to_vec());
    if !is_text {
        leaves(bytes).into_iter().for_each(add);
    }
}

/// A text for a log, with marks in place of secrets. A text with one that cannot be told from chance, or that has
/// one in a form of its own, is not shown at all.
pub(super) fn noted(text: &str, hidden: &[Hidden]) -> String {
    let is_short = |hidden: &&Hidden| hidden.bytes.len() < SOUGHT_BYTES_MIN;
    let mut short = hidden.iter().filter(is_short);
    if short.any(|hidden| position(text.as_bytes(), &hidden.bytes).is_some()) {
        return mark("hidden");
    }
    let masked = Sought::new(hidden, &[]).replaced(text.as_bytes(), &mut Vec::new());
    if has_decoded(&masked, hidden) {
        return mark("hidden");
    }
    String::from_utf8_lossy(&masked).into_owned()
}

/// Whether a value has a secret in it, in any form.
pub(super) fn has_secret(value: &[u8], hidden: &[Hidden]) -> bool {
    hidden.iter().any(|hidden| is_in(value, &hidden.bytes)) || has_decoded(value, hidden)
}

/// Whether a secret that is not too short to be told from chance stands in a value as it is.
pub(super) fn is_in(value: &[u8], secret: &[u8]) -> bool {
    secret.len() >= SOUGHT_BYTES_MIN && position(value, secret).is_some()
}

/// Whether a value may be more than its bytes: escape sequences of JSON, HTML or a URL are in it.
pub(super) fn has_escapes(value: &[u8]) -> bool {
    value.iter().any(|byte| matches!(byte, b'%' | b'\\' | b'&'))
}

/// Whether base64 of so many bytes may stand in a value.
pub(super) fn may_be_base64(value: &[u8], bytes: usize) -> bool {
    let mut runs = value.split(|byte| !is_base64_digit(*byte));
    runs.any(|run| run.len() * 3 / 4 >= bytes)
}

const fn is_base64_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// A text that was cut: the same without a beginning of a secret at its end.
#[cfg(feature = "reactor")]
pub(super) fn without_beginning(mut text: Vec<u8>, hidden: &[Hidden]) -> Vec<u8> {
    let forms = hidden.iter().flat_map(|hidden| forms(&hidden.bytes));
    let longest = forms.filter_map(|form| {
        let begins = |length: &usize| text.ends_with(&form[..*length]);
        (1..form.len()).rev().find(begins)
    });
    if let Some(longest) = longest.max() {
        text.truncate(text.len() - longest);
        text.extend_from_slice(mark("hidden").as_bytes());
    }
    text
}

/// Whether a text has a secret in it once it is decoded: with other escape sequences than those that are
/// replaced, or somewhere in base64.
pub(super) fn has_decoded(text: &[u8], hidden: &[Hidden]) -> bool {
    decodes_to(text, hidden.iter().map(|hidden| hidden.bytes.as_slice()))
}

/// The same for any secrets.
pub(super) fn decodes_to<'s>(text: &[u8], secrets: impl Iterator<Item = &'s [u8]>) -> bool {
    let sought: Vec<&[u8]> = secrets.filter(|bytes| bytes.len() >= SOUGHT_BYTES_MIN).collect();
    if sought.is_empty() {
        return false;
    }
    let has = |text: &[u8]| sought.iter().any(|secret| position(text, secret).is_some());
    let (once, form) = (percent_decoded(text, b""), percent_decoded(text, b"+"));
    has(&once)
        || has(&form)
        || has(&percent_decoded(&once, b""))
        || has(&percent_decoded(&once, b"+"))
        || has(&json_decoded(text))
        || has(&html_decoded(text))
        || base64_decoded(text).any(|decoded| has(&decoded))
}

/// The texts and numbers in a JSON value, without escape sequences; names of members apart.
pub(super) fn leaves(json: &[u8]) -> Vec<Vec<u8>> {
    let mut leaves = Vec::new();
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' => {
                while json.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if json[at] == b'\\' { 2 } else { 1 };
                }
                let bytes = json.get(start + 1..at).unwrap_or_default();
                at += 1;
                let next = json.get(at..).unwrap_or_default().trim_ascii_start();
                if !next.starts_with(b":") {
                    let mut leaf = Vec::new();
                    Extracted { kind: Kind::Text, bytes, is_escaped: true }.append_to(&mut leaf);
                    leaves.push(leaf);
                }
            }
            b'-' | b'0'..=b'9' => {
                let is_digit = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                at += json[at..].iter().take_while(is_digit).count();
                leaves.push(json[start..at].to_vec());
            }
            _ => {}
        }
    }
    leaves.retain(|leaf| !leaf.is_empty());
    leaves
}

/// What is looked for, by first byte in lower case; longer forms first.
pub(super) struct Sought<'h> {
    forms: Vec<Form<'h>>,
    by_first: [Vec<usize>; 256],
}

struct Form<'h> {
    bytes: Vec<u8>,
    name: &'h String,
    /// It counts only where it stands alone.
    is_alone: bool,
}

impl<'h> Sought<'h> {
    /// These secrets; those called `found` count wherever they stand.
    pub(super) fn new(hidden: &'h [Hidden], found: &[String]) -> Sought<'h> {
        let mut all = Vec::new();
        for Hidden { name, bytes } in hidden {
            let is_alone = bytes.len() < SOUGHT_BYTES_MIN && !found.contains(name);
            let form = |bytes| Form { bytes, name, is_alone };
            all.extend(forms(bytes).into_iter().map(form));
        }
        all.sort_by_key(|form| std::cmp::Reverse(form.bytes.len()));
        let mut by_first = std::array::from_fn(|_| Vec::new());
        for (index, form) in all.iter().enumerate() {
            if let Some(first) = form.bytes.first() {
                by_first[usize::from(first.to_ascii_lowercase())].push(index);
            }
        }
        Sought { forms: all, by_first }
    }

    /// A text with the names of secrets in place of their values. Removes from `unseen` those that it has
    /// seen.
    pub(super) fn replaced(&self, text: &[u8], unseen: &mut Vec<&String>) -> Vec<u8> {
        let mut out = Vec::new();
        let (mut from, mut at) = (0, 0);
        while at < text.len() {
            let Some((length, name)) = self.at(text, at) else {
                at += 1;
                continue;
            };
            out.extend_from_slice(&text[from..at]);
            out.extend_from_slice(mark(name).as_bytes());
            unseen.retain(|unseen| *unseen != name);
            at += length;
            from = at;
        }
        out.extend_from_slice(&text[from..]);
        out
    }

    /// The length of the longest form that stands there, and the name of its secret.
    fn at(&self, text: &[u8], at: usize) -> Option<(usize, &'h String)> {
        let candidates = &self.by_first[usize::from(text[at].to_ascii_lowercase())];
        let found = candidates.iter().map(|index| &self.forms[*index]).find(|form| {
            let end = at + form.bytes.len();
            let stands =
                text.get(at..end).is_some_and(|part| part.eq_ignore_ascii_case(&form.bytes));
            let is_free = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
            let is_alone = || is_free(text[..at].last()) && is_free(text.get(end));
            stands && (!form.is_alone || is_alone())
        })?;
        Some((found.bytes.len(), found.name))
    }
}

struct One<'a>(&'a [u8]);

impl Values for One<'_> {
    fn value(&self, _: ValueId) -> Option<Value<'_>> {
        Some(Value::text(self.0))
    }
}

/// How a value may be written, each once.
fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    static FILTERS: LazyLock<Vec<Template>> = LazyLock::new(|| {
        let compiled = ["json", "html", "url", "form", "base64"].into_iter().map(|filter| {
            let text = format!("{{{{value | {filter}}}}}");
            Template::compile(&text, TextKind::Plain, |_| Some(ValueId(0)))
        });
        compiled.filter_map(Result::ok).collect()
    });
    let mut forms = vec![value.to_vec()];
    let mut add = |form: Vec<u8>| {
        if !form.is_empty() && !forms.contains(&form) {
            forms.push(form);
        }
    };
    for template in FILTERS.iter() {
        let (mut filled, mut out) = (Filled::default(), Vec::new());
        if let Ok(part) = template.fill(&One(value), &mut filled) {
            template.write(&filled, &part, &mut out);
        }
        // Many write a solidus in JSON with a backslash.
        add(out
            .iter()
            .flat_map(|byte| if *byte == b'/' { b"\\/" } else { std::slice::from_ref(byte) })
            .copied()
            .collect());
        add(out);
    }
    add(STANDARD_NO_PAD.encode(value).into_bytes());
    add(URL_SAFE_NO_PAD.encode(value).into_bytes());
    forms
}

/// Where a part stands in a text, in any case of letters.
fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    let first = part.first()?.to_ascii_lowercase();
    let mut places = (0..text.len()).filter(|at| text[*at].to_ascii_lowercase() == first);
    places.find(|at| {
        text.get(*at..*at + part.len()).is_some_and(|here| here.eq_ignore_ascii_case(part))
    })
}

fn hex(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Escape sequences of URLs; and what stands for a space in forms.
fn percent_decoded(text: &[u8], spaces: &[u8]) -> Vec<u8> {
    decoded(text, |rest| match rest {
        [byte, ..] if spaces.contains(byte) => Some((1, u32::from(b' '))),
        [b'%', high, low, ..] => Some((3, hex(&[*high, *low])?)),
        _ => None,
    })
}

/// Escape sequences of JSON.
fn json_decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Extracted { kind: Kind::Text, bytes: text, is_escaped: true }.append_to(&mut out);
    out
}

/// References to characters of HTML.
fn html_decoded(text: &[u8]) -> Vec<u8> {
    const NAMES: [(&[u8], u8); 6] = [
        (b"&amp;", b'&'),
        (b"&lt;", b'<'),
        (b"&gt;", b'>'),
        (b"&quot;", b'"'),
        (b"&apos;", b'\''),
        (b"&sol;", b'/'),
    ];
    decoded(text, |rest| {
        let named = NAMES.iter().find(|(name, _)| rest.starts_with(name));
        if let Some((name, byte)) = named {
            return Some((name.len(), u32::from(*byte)));
        }
        let number = rest.strip_prefix(b"&#")?;
        let end = number.iter().take(12).position(|byte| *byte == b';')?;
        let code = match &number[..end] {
            [b'x' | b'X', digits @ ..] => hex(digits)?,
            digits => std::str::from_utf8(digits).ok()?.parse().ok()?,
        };
        Some((2 + end + 1, code))
    })
}

/// A text in which `sequence` knows what begins there: its length, and the byte or character that it is.
fn decoded(text: &[u8], sequence: impl Fn(&[u8]) -> Option<(usize, u32)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let escape = if b"%+&".contains(&byte) { sequence(&text[at..]) } else { None };
        match escape {
            Some((length, code)) => {
                at += length;
                match (u8::try_from(code), char::from_u32(code)) {
                    (Ok(byte), _) => out.push(byte),
                    (_, Some(character)) => {
                        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                    _ => {}
                }
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// What stands in base64, wherever it may begin.
fn base64_decoded(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let runs = text.split(|byte| !is_base64_digit(*byte));
    let runs = runs.filter(|run| run.len() >= BASE64_BYTES_MIN);
    runs.flat_map(|run| {
        let standard: Vec<u8> = run
            .iter()
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            })
            .collect();
        (0..4).filter_map(move |from| {
            let part = standard.get(from..)?;
            // Of a digit alone nothing can be made.
            let whole = part.len() - usize::from(part.len() % 4 == 1);
            LENIENT.decode(&part[..whole]).ok()
        })
    })
}

/// Base64 whose last bits may be anything.
static LENIENT: base64::engine::GeneralPurpose = base64::engine::GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    base64::engine::GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(bytes: &[u8]) -> [Hidden; 1] {
        [Hidden { name: "p".to_owned(), bytes: bytes.to_vec() }]
    }

    #[test]
    fn secrets_are_replaced_in_every_form() {
        let hidden = hidden(b"a\"b c&d");
        let name = "p".to_owned();
        for text in [
            "a\"b c&d",
            "a\\\"b c&d",
            "a&quot;b c&amp;d",
            "a%22b%20c%26d",
            "a%22b+c%26d",
            "YSJiIGMmZA==",
            "YSJiIGMmZA",
        ] {
            let mut unseen = vec![&name];
            let shown = Sought::new(&hidden, &[])
                .replaced(format!("<{text}> {text}").as_bytes(), &mut unseen);
            assert_eq!(String::from_utf8(shown).unwrap(), "<‹p›> ‹p›", "{text}");
            assert!(unseen.is_empty());
        }
        let mut unseen = vec![&name];
        assert_eq!(Sought::new(&hidden, &[]).replaced(b"other", &mut unseen), b"other");
        assert_eq!(unseen, [&name]);
    }

    #[test]
    fn a_short_secret_is_looked_for_where_it_was_found_or_stands_alone() {
        let hidden = hidden(b"7");
        let name = "p".to_owned();
        assert_eq!(
            Sought::new(&hidden, &[]).replaced(b"17 /7?", &mut Vec::new()),
            "17 /‹p›?".as_bytes()
        );
        assert_eq!(
            Sought::new(&hidden, &[name]).replaced(b"17", &mut Vec::new()),
            "1‹p›".as_bytes()
        );
    }

    #[test]
    fn the_longest_secret_is_replaced_and_no_name() {
        let secret = |name: &str, bytes: &str| Hidden {
            name: name.to_owned(),
            bytes: bytes.as_bytes().to_vec(),
        };
        let hidden = [secret("secret.a", "abcd"), secret("b", "abcdef"), secret("c", "secret")];
        let shown = Sought::new(&hidden, &[]).replaced(b"xabcdefabcd", &mut Vec::new());
        assert_eq!(String::from_utf8(shown).unwrap(), "x‹b›‹secret.a›");
    }

    #[test]
    fn notes_have_no_secret_in_any_form() {
        let long = hidden(b"Ab/cd+e~");
        for (text, expected) in [
            ("http://evil.example/Ab/cd+e~", "http://evil.example/‹p›"),
            ("http://ab/CD+E~.example/", "http://‹p›.example/"),
            ("/x%41b%2fcd%2Be~", "‹hidden›"),
            ("/%2541b/cd%2be~", "‹hidden›"),
            ("/Ab%2Fcd%2Be~", "/‹p›"),
            ("/Ab%2fcd%2be~", "/‹p›"),
            ("/Ab\\/cd+e~", "/‹p›"),
            ("/xxQWIvY2QrZX4", "/xx‹p›"),
            ("/xx/QTpBYi9jZCtlfg==", "‹hidden›"),
            ("/Ab/cd", "/Ab/cd"),
        ] {
            assert_eq!(noted(text, &long), expected, "{text}");
        }
        assert_eq!(noted("http://127.0.0.1/x", &hidden(b"7")), "‹hidden›");
        assert_eq!(noted("http://127.0.0.1/x", &hidden(b"3")), "http://127.0.0.1/x");
    }

    #[test]
    fn texts_and_numbers_of_json_are_found() {
        let leaves = leaves(br#"[7, "a\/b", {"k": "c", "l" : [-1.5e3, true, null, ""]}]"#);
        let leaves: Vec<&str> =
            leaves.iter().map(|leaf| std::str::from_utf8(leaf).unwrap()).collect();
        assert_eq!(leaves, ["7", "a/b", "c", "-1.5e3"]);
        assert!(super::leaves(br#""open\"#).len() <= 1);
    }
}
