//! The wall clock in reports. No measurement uses it.

/// An instant as reports write it: RFC 3339, UTC, as many decimals as it has. Empty for 0, which
/// stands for "no clock" in a simulated run.
///
/// ```
/// assert_eq!(z6::rfc3339_utc(1_000_000_000_500_000_000), "2001-09-09T01:46:40.5Z");
/// ```
#[must_use]
pub fn rfc3339_utc(wall_ns: u64) -> String {
    if wall_ns == 0 {
        return String::new();
    }
    // 64 bits of nanoseconds end in the year 2554, long before jiff does.
    jiff::Timestamp::from_nanosecond(i128::from(wall_ns))
        .map_or_else(|_| String::new(), |at| at.to_string())
}

/// Now, nanoseconds since 1970-01-01T00:00:00Z.
#[cfg(any(feature = "run", feature = "simulate"))]
pub(crate) fn wall_ns() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0)
}
