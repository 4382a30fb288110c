//! Bodies of the fuzz targets: any bytes in, assertions inside.
//!
//! A unit test runs each over its committed corpus in `tests/corpus`; a fuzz target is one line that
//! calls it.

mod location;
mod template;

use crate::content::{CONTENT_RATIO_FREE_BYTES, ContentLimits, decode_content};

/// Takes content codings off any bytes: what comes out is within its limits, and the same each time.
/// The first byte chooses codings and limits.
pub fn fuzz_content(data: &[u8]) {
    const CODINGS: [&str; 8] = [
        "gzip",
        "deflate",
        "identity",
        "gzip, deflate",
        "deflate, x-gzip",
        "GZIP, gzip, gzip",
        "br",
        ",gzip, ,identity",
    ];
    let Some((&options, body)) = data.split_first() else { return };
    let codings = CODINGS[usize::from(options & 7)];
    let tight = ContentLimits { bytes_max: 100 << (options >> 5), ratio_max: 3 };
    let limits = if options & 8 == 0 { ContentLimits::default() } else { tight };
    let decoded = decode_content(codings, body, &limits);
    assert_eq!(decode_content(codings, body, &limits), decoded, "a second time");
    let Ok(text) = decoded else { return };
    if codings != "identity" {
        assert!(text.len() <= limits.bytes_max, "larger than allowed");
        let steps = codings.split(',').count() as u32;
        let ratio = limits.ratio_max.saturating_pow(steps);
        let by_ratio = body.len().saturating_mul(ratio).max(CONTENT_RATIO_FREE_BYTES * ratio);
        assert!(text.len() <= by_ratio, "out of nothing");
    }
}

/// A path, and behind the first line end a `Location`: it resolves as RFC 3986 says.
///
/// # Panics
/// If it does not.
pub fn fuzz_location(data: &[u8]) {
    location::against_rfc(data);
}

/// Any bytes as the pieces of a template: its text comes to what a naive model makes of the pieces.
///
/// # Panics
/// If it does not.
pub fn fuzz_template(data: &[u8]) {
    template::against_model(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over_corpus(folder: &str, body: fn(&[u8])) {
        z6_testing::over_corpus(env!("CARGO_MANIFEST_DIR"), folder, body);
    }

    #[test]
    fn location_corpus() {
        over_corpus("location", fuzz_location);
    }

    #[test]
    fn content_corpus() {
        over_corpus("content", fuzz_content);
    }
}
