//! Bugs that the fuzz targets have to find, so that it is known that they find any. [`is_planted`] is asked at the
//! place of each bug. Without the feature `fuzzing`, which no product enables, the answer is a constant, and
//! nothing of a bug is compiled in.

/// The bug of this process.
#[cfg(feature = "fuzzing")]
static PLANTED: std::sync::OnceLock<String> = std::sync::OnceLock::new();

/// Plants the bug of this name for the rest of the process. The first call counts.
#[cfg(feature = "fuzzing")]
pub fn plant(name: &str) {
    PLANTED.get_or_init(|| name.to_owned());
}

/// Whether the bug of this name is planted.
#[cfg(feature = "fuzzing")]
pub fn is_planted(name: &str) -> bool {
    PLANTED.get().is_some_and(|planted| planted == name)
}

/// Whether the bug of this name is planted: never.
#[cfg(not(feature = "fuzzing"))]
#[inline(always)]
pub const fn is_planted(_: &str) -> bool {
    false
}
