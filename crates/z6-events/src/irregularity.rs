//! What is wrong with a response that was read all the same: a closed set of kinds, each with a stable name
//! and bit. A request that got such a response does not fail because of it.

/// Where a response breaks HTTP/1.1 though its meaning and length are unambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Irregularity {
    /// A field line is folded; the fold was read as spaces.
    ObsFold = 0,
    /// A line ends in LF without CR.
    BareLineFeed = 1,
    /// The status is outside 100..=599; it counts as a 5xx.
    StatusOutOfRange = 2,
    /// The version is HTTP/1.2 or a later minor one; it was read as HTTP/1.1.
    LaterVersion = 3,
    /// More than one space between version and status.
    StatusLineSpaces = 4,
    /// `Transfer-Encoding` is empty, or names `identity` or a coding that is not registered.
    UnknownTransferCoding = 5,
}

impl Irregularity {
    /// All kinds, in the order of their bits.
    pub const ALL: [Irregularity; 6] = [
        Irregularity::ObsFold,
        Irregularity::BareLineFeed,
        Irregularity::StatusOutOfRange,
        Irregularity::LaterVersion,
        Irregularity::StatusLineSpaces,
        Irregularity::UnknownTransferCoding,
    ];

    /// The name used in reports: `obs_fold`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Irregularity::ObsFold => "obs_fold",
            Irregularity::BareLineFeed => "bare_line_feed",
            Irregularity::StatusOutOfRange => "status_out_of_range",
            Irregularity::LaterVersion => "later_version",
            Irregularity::StatusLineSpaces => "status_line_spaces",
            Irregularity::UnknownTransferCoding => "unknown_transfer_coding",
        }
    }

    /// The section that it breaks: `RFC 9112 section 5.2`.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Irregularity::ObsFold => "RFC 9112 section 5.2",
            Irregularity::BareLineFeed => "RFC 9112 section 2.2",
            Irregularity::StatusOutOfRange => "RFC 9110 section 15",
            Irregularity::LaterVersion => "RFC 9112 section 2.3",
            Irregularity::StatusLineSpaces => "RFC 9112 section 4",
            Irregularity::UnknownTransferCoding => "RFC 9112 section 6.3",
        }
    }

    /// Its place in the mask: 0 to 5.
    #[must_use]
    pub const fn bit(self) -> u8 {
        self as u8
    }
}

/// Whether a status counts as that of a server error: 500 to 599, and any outside 100..=599, which a client
/// is to treat so (RFC 9110 section 15).
#[must_use]
pub const fn is_server_error(status: u16) -> bool {
    !matches!(status, 100..500)
}

/// A set of [`Irregularity`], as the mask that the event log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Irregularities(u16);

impl Irregularities {
    /// A response that follows the RFCs.
    pub const NONE: Irregularities = Irregularities(0);
    /// Every kind.
    pub const ALL: Irregularities = Irregularities((1 << Irregularity::ALL.len()) - 1);

    /// The set with this mask; none if a bit of it stands for no kind.
    #[must_use]
    pub const fn from_mask(mask: u64) -> Option<Irregularities> {
        if mask & !(Irregularities::ALL.0 as u64) == 0 {
            Some(Irregularities(mask as u16))
        } else {
            None
        }
    }

    /// One bit for each kind.
    #[must_use]
    pub const fn mask(self) -> u16 {
        self.0
    }

    /// Whether it holds none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it holds this kind.
    #[must_use]
    pub const fn has(self, kind: Irregularity) -> bool {
        self.0 & (1 << kind.bit()) != 0
    }

    /// Whether some kind is in both.
    #[must_use]
    pub const fn meets(self, other: Irregularities) -> bool {
        self.0 & other.0 != 0
    }

    /// The kinds of both.
    #[must_use]
    pub const fn union(self, other: Irregularities) -> Irregularities {
        Irregularities(self.0 | other.0)
    }

    /// Its kinds, in the order of their bits.
    pub fn iter(self) -> impl Iterator<Item = Irregularity> {
        Irregularity::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

impl From<Irregularity> for Irregularities {
    fn from(kind: Irregularity) -> Irregularities {
        Irregularities(1 << kind.bit())
    }
}
