//! What can go wrong with the small texts this crate reads outside a scenario file: numbers and
//! logged overrides. Findings about a scenario are [`Diagnostics`](crate::Diagnostics).

/// Why a text could not be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// Not a decimal number at all.
    #[error("not a number")]
    NotANumber,
    /// `nan` or `inf`.
    #[error("not a finite number")]
    NotFinite,
    /// Less than zero.
    #[error("negative")]
    Negative,
    /// More digits than the unit resolves: nothing is rounded.
    #[error("more than {digits} decimal places")]
    TooFine {
        /// Decimal places the unit resolves.
        digits: u32,
    },
    /// Does not fit into 64 bits of the unit.
    #[error("too large")]
    TooLarge,
    /// A logged override of an unknown name.
    #[error("unknown override `{key}`")]
    UnknownOverride {
        /// Its name.
        key: String,
    },
    /// A logged override that stands twice.
    #[error("override `{key}` stands twice")]
    RepeatedOverride {
        /// Its name.
        key: String,
    },
    /// A logged override whose value is not in its canonical form.
    #[error("override `{key}` has no value in canonical form: `{value}`")]
    OverrideValue {
        /// Its name.
        key: String,
        /// Its value.
        value: String,
    },
}
