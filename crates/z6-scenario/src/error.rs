//! What can go wrong with the small texts this crate reads outside a scenario file: numbers,
//! logged overrides and simulation settings. Findings about a scenario are [`Diagnostics`](crate::Diagnostics).

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
        /// The key of the override.
        key: String,
    },
    /// A logged override that is given twice.
    #[error("override `{key}` is given twice")]
    RepeatedOverride {
        /// The key of the override.
        key: String,
    },
    /// A logged override whose value is not in its canonical form.
    #[error("override `{key}` has no value in canonical form: `{value}`")]
    OverrideValue {
        /// The key of the override.
        key: String,
        /// The value as it is logged.
        value: String,
    },
    /// A simulation setting of an unknown name.
    #[error("unknown setting `{key}`")]
    UnknownSetting {
        /// The key of the setting.
        key: String,
    },
    /// A fault of an unknown name.
    #[error("unknown fault `{name}`")]
    UnknownFault {
        /// The name given.
        name: String,
    },
    /// A share of more than 1.
    #[error("a share of more than 1")]
    ShareAboveOne,
    /// A whole number outside its range.
    #[error("not within {min} to {max}")]
    SettingRange {
        /// The smallest value allowed.
        min: u64,
        /// The largest value allowed.
        max: u64,
    },
    /// A duration without a unit, or with an unknown one.
    #[error("a duration needs a unit: h, m, s, ms, us or ns, as in 1h30m")]
    DurationUnit,
    /// A duration that names a unit twice, or a longer one after a shorter one.
    #[error("a duration names each unit once, the longest first, as in 1h30m")]
    DurationOrder,
    /// A delay of more than an hour.
    #[error("more than 3600s")]
    DelayTooLong,
    /// A text that is not a delay distribution.
    #[error("not a delay")]
    DelayForm,
    /// A range whose end lies before its beginning.
    #[error("a range that ends before it begins")]
    RangeBackwards,
    /// A sigma of more than 5.
    #[error("a sigma of more than 5")]
    SigmaTooLarge,
    /// A text that is not a list of statuses with shares.
    #[error("not a list of statuses and shares")]
    StatusForm,
    /// Not a status that can be given a share.
    #[error("`{text}` is not a status from 201 to 599")]
    Status {
        /// The text as it is written.
        text: String,
    },
    /// A status that is given twice.
    #[error("status {status} stands twice")]
    RepeatedStatus {
        /// The repeated status code.
        status: u16,
    },
}
