//! Where a response breaks HTTP/1.1 though it has one reading only.

/// A set of irregularities of one response, interim responses included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Irregularities(u8);

impl Irregularities {
    /// The response follows the RFCs.
    pub const NONE: Irregularities = Irregularities(0);
    /// A field line is folded; the fold was read as spaces (RFC 9112 §5.2).
    pub const OBS_FOLD: Irregularities = Irregularities(1 << 0);
    /// A line ends in LF without CR (RFC 9112 §2.2).
    pub const BARE_LINE_FEED: Irregularities = Irregularities(1 << 1);
    /// The status is outside 100..=599 (RFC 9110 §15).
    pub const STATUS_OUT_OF_RANGE: Irregularities = Irregularities(1 << 2);
    /// The version is HTTP/1.2 or a later minor one (RFC 9112 §2.3).
    pub const LATER_VERSION: Irregularities = Irregularities(1 << 3);
    /// More than one space stands between version and status (RFC 9112 §4).
    pub const STATUS_LINE_SPACES: Irregularities = Irregularities(1 << 4);
    /// `Transfer-Encoding` is empty, or names `identity` or a coding that is not registered (RFC 9112
    /// §6.3).
    pub const UNKNOWN_TRANSFER_CODING: Irregularities = Irregularities(1 << 5);
    /// All of them.
    pub const ALL: Irregularities = Irregularities((1 << 6) - 1);

    /// One bit for each.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Those of both.
    #[must_use]
    pub const fn with(self, other: Irregularities) -> Irregularities {
        Irregularities(self.0 | other.0)
    }

    /// Whether some are in both.
    pub const fn has(self, other: Irregularities) -> bool {
        self.0 & other.0 != 0
    }
}
