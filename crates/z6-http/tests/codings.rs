//! Brotli and Zstandard, with the features of their names: what comes out, what is refused, and bombs.
#![cfg(any(feature = "br", feature = "zstd"))]

use z6_http::{CONTENT_RATIO_FREE_BYTES, ContentError, ContentLimits, decode_content};

const TEXT: &[u8] = b"{\"id\": 7}";

fn decode(coding: &str, body: &[u8]) -> Result<Vec<u8>, ContentError> {
    decode_content(coding, body, &ContentLimits::default()).map(std::borrow::Cow::into_owned)
}

/// What is the same for both: a text, one cut at any byte or with a byte behind it, a megabyte of zeros.
fn check(coding: &str, text: &[u8], bomb: &[u8]) {
    assert_eq!(decode(coding, text).as_deref(), Ok(TEXT), "{coding}");
    for end in 0..text.len() {
        let cut = decode(coding, &text[..end]);
        assert!(
            matches!(cut, Err(ContentError::Truncated | ContentError::Corrupt)),
            "{end}: {cut:?}"
        );
    }
    let longer = [text, b"x"].concat();
    assert_eq!(decode(coding, &longer), Err(ContentError::TrailingBytes));
    let ratio_max = ContentLimits::default().ratio_max;
    assert_eq!(decode(coding, bomb), Err(ContentError::RatioTooHigh { ratio_max }));
    let small = ContentLimits { bytes_max: CONTENT_RATIO_FREE_BYTES, ..ContentLimits::default() };
    let bytes_max = small.bytes_max;
    let loose = ContentLimits { ratio_max: usize::MAX, ..small };
    let too_large = decode_content(coding, bomb, &loose).map(|_| ());
    assert_eq!(too_large, Err(ContentError::TooLarge { bytes_max }));
    let all = ContentLimits { bytes_max: 1 << 20, ratio_max: usize::MAX };
    assert_eq!(decode_content(coding, bomb, &all).map(|out| out.len()), Ok(1 << 20));
    for byte in 0..=255 {
        // Any change gives another text or an error.
        for at in 0..text.len() {
            let mut other = text.to_vec();
            other[at] = byte;
            let _ = decode(coding, &other);
        }
    }
}

#[cfg(feature = "br")]
#[test]
fn brotli() {
    let text = [0x0b, 0x04, 0x80, 0x7b, 0x22, 0x69, 0x64, 0x22, 0x3a, 0x20, 0x37, 0x7d, 0x03];
    let bomb = [0x5b, 0xff, 0xff, 0x8f, 0x7f, 0x02, 0x20, 0x1e, 0x0b, 0x04, 0x72, 0xef, 0x1f, 0x00];
    check("br", &text, &bomb);
    check("BR, identity", &text, &bomb);
    // RFC 7932 section 2: ten times X, ten times Y.
    let repeated = [0x1b, 0x13, 0x00, 0x00, 0xa4, 0xb0, 0xb2, 0xea, 0x81, 0x47, 0x02, 0x8a];
    assert_eq!(decode("br", &repeated).as_deref(), Ok(&b"XXXXXXXXXXYYYYYYYYYY"[..]));
}

#[cfg(feature = "zstd")]
#[test]
fn zstandard() {
    let text = [
        0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x49, 0x00, 0x00, 0x7b, 0x22, 0x69, 0x64, 0x22, 0x3a,
        0x20, 0x37, 0x7d, 0x3a, 0x45, 0xec, 0xd8,
    ];
    // A megabyte of zeros, as `zstd --no-check` writes it.
    let bomb = [
        0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x54, 0x00, 0x00, 0x10, 0x00, 0x00, 0x01, 0x00, 0xfb,
        0xff, 0x39, 0xc0, 0x02, 0x02, 0x00, 0x10, 0x00, 0x02, 0x00, 0x10, 0x00, 0x02, 0x00, 0x10,
        0x00, 0x02, 0x00, 0x10, 0x00, 0x02, 0x00, 0x10, 0x00, 0x02, 0x00, 0x10, 0x00, 0x03, 0x00,
        0x10, 0x00,
    ];
    check("zstd", &text, &bomb);
    // Frames one after the other, and one that is skipped (RFC 8878 sections 3.1 and 3.1.2).
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 0x02, 0x00, 0x00, 0x00, 0xaa, 0xbb];
    let several = [&text[..], &skipped, &text].concat();
    assert_eq!(decode("zstd", &several).as_deref(), Ok(&b"{\"id\": 7}{\"id\": 7}"[..]));
    let mut other = text;
    other[21] ^= 1;
    assert_eq!(decode("zstd", &other), Err(ContentError::Corrupt), "the checksum");
    // A window of 128 MiB (RFC 9659: 8 MiB).
    let wide = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x4c, 0x00, 0x00, 0x08, 0x00, 0x01];
    let bytes_max = 8 << 20;
    assert_eq!(decode("zstd", &wide), Err(ContentError::WindowTooLarge { bytes_max }));
}
