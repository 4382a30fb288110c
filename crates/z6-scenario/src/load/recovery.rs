//! Recovery from TOML syntax errors. The parser stops at its first error. To find further ones, the
//! faulty line is blanked, which keeps all offsets, and the text is parsed again.

use toml_edit::{Document, TomlError};

use super::codes;
use super::diagnostic::{Diagnostic, Diagnostics, Findings};
use super::overrides::Overrides;
use super::reader::Context;
use super::{Files, build};

/// Syntax errors reported at once.
const MAX_SYNTAX_ERRORS: usize = 20;
/// Bytes of a text that is read again after an error; of a longer one the first error is reported.
const MAX_REREAD_BYTES: usize = 1 << 20;

/// Findings that hold whatever stood on the blanked lines.
const LOCAL_CODES: [&str; 10] = [
    codes::UNKNOWN_KEY,
    codes::WRONG_TYPE,
    codes::OUT_OF_RANGE,
    codes::TOO_FINE,
    codes::UNKNOWN_CHOICE,
    codes::BAD_NAME,
    codes::BAD_URL,
    codes::BAD_METHOD,
    codes::BAD_PATH,
    codes::BAD_ADDRESS,
];

/// All that can be said about a text that is not TOML: at least its first syntax error.
pub(crate) fn explain(
    text: &str,
    first: &TomlError,
    files: &dyn Files,
    overrides: &Overrides,
) -> Diagnostics {
    let mut findings = Findings::default();
    findings.push(finding(first, text));
    if text.len() > MAX_REREAD_BYTES {
        return findings.finish();
    }
    let mut blanked = text.to_owned();
    let mut error = first.clone();
    for _ in 0..MAX_SYNTAX_ERRORS {
        if !blank_line(&mut blanked, &error) {
            return findings.finish();
        }
        match Document::parse(blanked.as_str()) {
            Ok(document) => {
                semantic(&blanked, &document, files, overrides, &mut findings);
                return findings.finish();
            }
            Err(next) => {
                findings.push(finding(&next, text));
                error = next;
            }
        }
    }
    findings.finish()
}

fn finding(error: &TomlError, text: &str) -> Diagnostic {
    let span = error.span().unwrap_or(text.len()..text.len());
    let message = error.message();
    let hint = match message {
        "duplicate key" => "a key or table may appear only once: remove or rename the second one",
        _ => "this is not TOML (https://toml.io); strings need quotes",
    };
    Diagnostic::error(codes::SYNTAX, Some(span), message).hint(hint)
}

/// Blanks the line an error is on. False if what follows would be read wrongly without it: the
/// line of a table's heading, of a value that runs over lines, or one already blank.
fn blank_line(text: &mut String, error: &TomlError) -> bool {
    let Some(span) = error.span() else {
        return false;
    };
    if !text.is_char_boundary(span.start) {
        return false;
    }
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[span.start..].find('\n').map_or(text.len(), |at| span.start + at);
    let line = text[start..end].trim_end_matches('\r');
    let end = start + line.len();
    let single = line.contains('=') && !line.contains("\"\"\"") && !line.contains("'''");
    let opens = line.matches('[').count() != line.matches(']').count()
        || line.matches('{').count() != line.matches('}').count();
    if !single || opens || line.trim_start().starts_with('[') {
        return false;
    }
    text.replace_range(start..end, &" ".repeat(end - start));
    true
}

/// Reads what is left and keeps what is certain.
fn semantic(
    blanked: &str,
    document: &Document<&str>,
    files: &dyn Files,
    overrides: &Overrides,
    findings: &mut Findings,
) {
    let mut cx = Context::new(blanked);
    build(&mut cx, document, files, overrides);
    for finding in cx.findings.finish().list {
        if LOCAL_CODES.contains(&finding.code) {
            findings.push(finding);
        }
    }
}
