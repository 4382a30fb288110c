//! How a text report is printed: colors for a few roles, or none, and the width of a line.

use std::fmt::Display;

/// Columns of a line where nothing else is known: what summary.txt has.
const COLUMNS: u16 = 80;
/// More columns than this are not used.
const COLUMNS_MAX: u16 = 240;

/// Whether a report is coloured (ECMA-48 SGR sequences), and how wide it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    color: bool,
    columns: u16,
}

impl Default for Style {
    fn default() -> Style {
        Style::plain()
    }
}

impl Style {
    /// Text only, in 80 columns: what summary.txt has.
    #[must_use]
    pub const fn plain() -> Style {
        Style { color: false, columns: COLUMNS }
    }

    /// With color, in 80 columns.
    #[must_use]
    pub const fn colored() -> Style {
        Style { color: true, columns: COLUMNS }
    }

    /// The same in lines of up to this many columns: at least 80, because the tables need them, and at most
    /// 240.
    #[must_use]
    pub fn with_columns(self, columns: u16) -> Style {
        Style { columns: columns.clamp(COLUMNS, COLUMNS_MAX), ..self }
    }

    /// Columns of a line.
    pub(crate) fn columns(self) -> usize {
        usize::from(self.columns)
    }

    fn paint(self, code: &str, text: impl Display) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    /// `text` in green, if colors are on.
    #[must_use]
    pub fn good(self, text: impl Display) -> String {
        self.paint("32", text)
    }

    /// `text` in bold red, if colors are on.
    #[must_use]
    pub fn bad(self, text: impl Display) -> String {
        self.paint("1;31", text)
    }

    /// `text` in yellow, if colors are on.
    #[must_use]
    pub fn warn(self, text: impl Display) -> String {
        self.paint("33", text)
    }

    /// `text` in bold, if colors are on.
    #[must_use]
    pub fn strong(self, text: impl Display) -> String {
        self.paint("1", text)
    }
}
