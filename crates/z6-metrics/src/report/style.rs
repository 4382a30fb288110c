//! Colors for terminals: a few roles, or none.

use std::fmt::Display;

/// Whether a report is coloured (ECMA-48 SGR sequences).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    color: bool,
}

impl Style {
    /// Text only: what summary.txt holds.
    #[must_use]
    pub const fn plain() -> Style {
        Style { color: false }
    }

    /// With color.
    #[must_use]
    pub const fn colored() -> Style {
        Style { color: true }
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
