//! A page of labelled lines and tables in a number of columns: what text reports are made of.

use super::Style;
use super::fit::wrap;
use super::table::Table;

/// Width of the label column.
const LABEL: usize = 14;
/// Blanks before the second and later lines of a long line.
const HANGING: usize = 2;

/// How a line is coloured.
pub(super) type Paint = fn(Style, &str) -> String;

pub(super) const PLAIN: Paint = |_, text| text.to_owned();
pub(super) const GOOD: Paint = |style, text| style.good(text);
pub(super) const BAD: Paint = |style, text| style.bad(text);
pub(super) const WARN: Paint = |style, text| style.warn(text);

/// A page.
pub(super) struct Page {
    text: String,
    style: Style,
}

impl Page {
    pub(super) const fn new(style: Style) -> Page {
        Page { text: String::new(), style }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A line of its own.
    pub(super) fn title(&mut self, title: &str) {
        for line in wrap(title, self.style.columns()) {
            self.text.push_str(&self.style.strong(line));
            self.blank();
        }
    }

    /// A line under a label; only the first line of a section has the label.
    pub(super) fn line(&mut self, label: &str, line: &str) {
        self.painted(label, line, PLAIN);
    }

    /// A coloured line.
    pub(super) fn painted(&mut self, label: &str, line: &str, paint: Paint) {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let room = self.room();
        let mut lines = wrap(line, room);
        if lines.len() > 1 {
            // Again, with room for what stands before the later lines.
            let hanging = " ".repeat(indent + HANGING);
            lines = wrap(line.trim_start_matches(' '), room - indent - HANGING);
            for (index, line) in lines.iter_mut().enumerate() {
                let before = if index == 0 { &hanging[HANGING..] } else { &hanging };
                line.insert_str(0, before);
            }
        }
        for (index, line) in lines.iter().enumerate() {
            self.label(if index == 0 { label } else { "" });
            self.text.push_str(&paint(self.style, line));
            self.blank();
        }
    }

    fn label(&mut self, label: &str) {
        if label.is_empty() {
            self.text.push_str(&" ".repeat(LABEL));
        } else {
            self.text.push_str(&self.style.strong(format!("{label:<LABEL$}")));
        }
    }

    /// Columns to the right of the labels.
    pub(super) fn room(&self) -> usize {
        self.style.columns() - LABEL
    }

    /// A table at the left margin, its first line the headings.
    pub(super) fn table(&mut self, table: &Table) {
        for (index, line) in table.fitted(self.style.columns()).iter().enumerate() {
            let line = if index == 0 { self.style.strong(line) } else { line.clone() };
            self.text.push_str(&line);
            self.blank();
        }
    }

    pub(super) fn lines(&mut self, label: &str, lines: &[String]) {
        for (index, line) in lines.iter().enumerate() {
            self.line(if index == 0 { label } else { "" }, line);
        }
    }
}
