//! Findings as a person reads them: file, line, column, the source line, a caret, the hint.
//! Owns the layout only.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use z6_events::printable;

use super::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::reach::userinfo_range;

/// Of a longer line a part is shown, bytes.
const LINE_BYTES_MAX: usize = 400;

/// Line and column of a byte offset, both from 1; columns count characters. An offset past the end
/// is taken as the end, one inside a character as its beginning.
///
/// ```
/// assert_eq!(z6_scenario::line_column("a\nbc", 3), (2, 2));
/// ```
#[must_use]
pub fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let offset = floor_char_boundary(text, offset);
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The line a finding is shown on: its number, its text, and the finding's range within it.
struct Line<'a> {
    number: usize,
    text: &'a str,
    span: Range<usize>,
}

/// A text and where its lines begin.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Lines<'a> {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Lines { text, starts }
    }

    /// The first line of `span`. A range over several lines is cut at the first one's end.
    fn first_of(&self, span: &Range<usize>) -> Line<'a> {
        let start = floor_char_boundary(self.text, span.start);
        let end = floor_char_boundary(self.text, span.end).max(start);
        let number = self.starts.partition_point(|line| *line <= start);
        let line_start = self.starts.get(number.saturating_sub(1)).copied().unwrap_or(0);
        let line_end = self.starts.get(number).map_or(self.text.len(), |next| next - 1);
        let line = self.text[line_start..line_end].trim_end_matches('\r');
        let from = (start - line_start).min(line.len());
        let to = (end - line_start).clamp(from, line.len());
        Line { number, text: line, span: from..to }
    }
}

impl Diagnostics {
    /// All findings as text for a person, in order, each with `file_name`, line, column, the source
    /// line and the hint. `text` is what was loaded. `color`: with terminal escapes.
    #[must_use]
    pub fn render(&self, file_name: &str, text: &str, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let lines = Lines::new(text);
        let mut out = String::new();
        for finding in &self.list {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&render_one(&renderer, finding, file_name, &lines));
            out.push('\n');
        }
        out
    }
}

fn render_one(
    renderer: &Renderer,
    finding: &Diagnostic,
    file_name: &str,
    lines: &Lines<'_>,
) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let (message, file_name) = (printable(&finding.message), printable(file_name));
    let mut group = Group::with_title(level.primary_title(message).id(finding.code));
    if let Some(span) = &finding.span {
        let line = lines.first_of(span);
        let masked = masked(line.text);
        let (part, span) = part_of(&masked, line.span.clone());
        let (text, span) = shown(&part, span);
        let has_escapes = text != masked;
        let snippet = Snippet::source(text)
            .line_start(line.number)
            .annotation(AnnotationKind::Primary.span(span));
        group = if has_escapes {
            // The column in the file: escapes are longer than what they stand for, and a part is shorter.
            let column = line.text[..line.span.start].chars().count() + 1;
            let origin = Origin::path(file_name).line(line.number).char_column(column);
            group.element(origin).element(snippet)
        } else {
            group.element(snippet.path(file_name))
        };
    } else {
        let on_command_line = finding.code == super::codes::OVERRIDE;
        group = group.element(Origin::path(if on_command_line {
            "command line".into()
        } else {
            file_name
        }));
    }
    if let Some(hint) = &finding.hint {
        group = group.element(Level::HELP.message(printable(hint)));
    }
    renderer.render(&[group])
}

/// A line, or the part of a long one around `span`, and the span in it.
fn part_of(line: &str, span: Range<usize>) -> (Cow<'_, str>, Range<usize>) {
    if line.len() <= LINE_BYTES_MAX {
        return (Cow::Borrowed(line), span);
    }
    let from = floor_char_boundary(line, span.start.saturating_sub(LINE_BYTES_MAX / 4));
    let to = floor_char_boundary(line, from + LINE_BYTES_MAX);
    let (before, after) = (if from > 0 { "…" } else { "" }, if to < line.len() { "…" } else { "" });
    let moved = |at: usize| before.len() + at.min(to) - from;
    let part = format!("{before}{}{after}", &line[from..to]);
    (Cow::Owned(part), moved(span.start)..moved(span.end))
}

/// A line as it may be shown, and `span` in it. Tabs stay: they are shown as blanks.
fn shown(line: &str, span: Range<usize>) -> (String, Range<usize>) {
    let shown = |text: &str| text.split('\t').map(printable).collect::<Vec<_>>().join("\t");
    let mut text = shown(&line[..span.start]);
    let start = text.len();
    text += &shown(&line[span.clone()]);
    let end = text.len();
    text += &shown(&line[span.end..]);
    (text, start..end)
}

/// The line with the user information of its URL starred out, at the same length in bytes.
fn masked(line: &str) -> Cow<'_, str> {
    match userinfo_range(line) {
        Some(range) if !range.is_empty() => {
            let (before, after) = (&line[..range.start], &line[range.end..]);
            Cow::Owned(format!("{before}{}{after}", "*".repeat(range.len())))
        }
        Some(_) | None => Cow::Borrowed(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_characters() {
        let text = "a = 1\n\"é\" = 2\r\nb";
        for (offset, expected) in [
            (0, (1, 1)),
            (5, (1, 6)),
            (6, (2, 1)),
            (7, (2, 2)),
            (8, (2, 2)),
            (9, (2, 3)),
            (99, (3, 2)),
        ] {
            assert_eq!(line_column(text, offset), expected, "{offset}");
        }
        assert_eq!(line_column("", 0), (1, 1));
    }

    #[test]
    fn any_span_renders() {
        let text = "é\r\n\u{1b}[31m\tb\u{202e}\u{200b}c\u{9b}\n";
        for start in 0..=text.len() + 1 {
            for end in start..=text.len() + 2 {
                let finding = Diagnostic::error("syntax", Some(start..end), "x").hint("y");
                let rendered = Diagnostics { list: vec![finding] }.render("f.toml", text, false);
                assert!(rendered.contains("f.toml:"), "{rendered}");
                let hidden = |c| c != '\n' && z6_events::is_hidden(c);
                assert!(!rendered.contains(hidden), "{rendered}");
            }
        }
    }

    #[test]
    fn escapes_are_shown_and_do_not_move_the_mark() {
        let finding = Diagnostic::error("syntax", Some(6..7), "\u{1b}x").hint("\u{202e}y");
        let rendered =
            Diagnostics { list: vec![finding] }.render("\u{7}f", "a\u{1b}\u{202e}\tb = 1", false);
        let expected = "error[syntax]: \\u{1b}x\n --> \\u{7}f:1:5\n  |\n ::: \n1 | a\\u{1b}\\u{202e}    b = 1\n  |                    ^\n  |\n  = help: \\u{202e}y\n";
        assert_eq!(rendered, expected);
    }

    #[test]
    fn of_a_long_line_a_part_is_shown() {
        let text = format!("a = [{}\"é\"]", "\"ü\", ".repeat(20_000));
        let at = text.find("\"é").unwrap();
        for span in [0..1, 5..text.len(), at..at + 4, text.len()..text.len()] {
            let column = text[..span.start].chars().count() + 1;
            let finding = Diagnostic::error("syntax", Some(span), "x");
            let rendered = Diagnostics { list: vec![finding] }.render("f", &text, false);
            assert!(rendered.contains(&format!("f:1:{column}\n")), "{rendered}");
            assert!(rendered.len() < 2_000, "{rendered}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let text = "base_url = \"http://me:s\u{e9}cret@h\"\n";
        let finding = Diagnostic::error("syntax", Some(11..35), "x");
        let rendered = Diagnostics { list: vec![finding] }.render("f.toml", text, false);
        assert!(rendered.contains("\"http://**********@h\""), "{rendered}");
    }

    #[test]
    fn color_is_a_choice() {
        let list = vec![Diagnostic::error("syntax", Some(0..1), "x")];
        let findings = Diagnostics { list };
        assert!(findings.render("f", "a", true).contains('\u{1b}'));
        assert!(!findings.render("f", "a", false).contains('\u{1b}'));
    }
}
