//! AWS Signature Version 4: the header fields that sign a request as it is sent.
//!
//! Owns the canonical form of a request and the derivation of keys. Time is an argument. Signs with all
//! fields that it is given. Dots in a path are not removed: what is signed is what is sent.

use std::io::Write as _;
use std::ops::Range;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// Who signs, for which region and service.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// Access key id.
    pub access_key: &'a [u8],
    /// Secret access key.
    pub secret_key: &'a [u8],
    /// Session token; none for long-term credentials.
    pub session_token: Option<&'a [u8]>,
    /// Region, such as `eu-central-1`.
    pub region: &'a [u8],
    /// Service, such as `s3`.
    pub service: &'a [u8],
}

impl std::fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("region", &String::from_utf8_lossy(self.region))
            .field("service", &String::from_utf8_lossy(self.service))
            .finish_non_exhaustive()
    }
}

/// A request as it is sent, without the fields that sign it.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// The method.
    pub method: &'a [u8],
    /// Path and query, percent-encoded.
    pub target: &'a [u8],
    /// The SHA-256 of the body.
    pub body_digest: [u8; 32],
}

/// Signs requests; keeps the key of the day and the memory. One per worker.
///
/// ```
/// use z6_http::sigv4::{Credentials, Signer, Unsigned, digest};
///
/// let credentials = Credentials {
///     access_key: b"AKIDEXAMPLE",
///     secret_key: b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
///     session_token: None,
///     region: b"us-east-1",
///     service: b"service",
/// };
/// let request = Unsigned { method: b"GET", target: b"/", body_digest: digest([&b""[..]]) };
/// let fields = [(&b"Host"[..], &b"example.amazonaws.com"[..])];
/// let mut lines = Vec::new();
/// Signer::default().sign(&credentials, 1_440_938_160, &request, fields, &mut lines);
/// let lines = String::from_utf8(lines)?;
/// assert!(lines.starts_with("X-Amz-Date: 20150830T123600Z\r\nAuthorization: AWS4-HMAC-SHA256 "));
/// assert!(lines.ends_with(
///     "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31\r\n"
/// ));
/// # Ok::<(), std::string::FromUtf8Error>(())
/// ```
#[derive(Default)]
pub struct Signer {
    /// What `day_key` was derived from: secret key, day, region, service.
    derived_from: [Vec<u8>; 4],
    day_key: [u8; 32],
    canonical: Vec<u8>,
    /// Names and values of fields, or of parameters, one behind the other.
    pieces: Vec<u8>,
    pairs: Vec<Pair>,
    signed_names: Vec<u8>,
}

/// A name and a value in the pieces, and its number.
#[derive(Clone)]
struct Pair {
    name: Range<usize>,
    value: Range<usize>,
    number: usize,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

/// The SHA-256 of a body in parts.
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let add = |digest: Sha256, part: &[u8]| digest.chain_update(part);
    parts.into_iter().fold(Sha256::new(), add).finalize().into()
}

impl Signer {
    /// Appends the lines of the fields that sign `request`, sent at `unix_seconds` with these `fields`,
    /// `Host` among them. For the service `s3` the digest of the body is sent as well.
    pub fn sign<'f>(
        &mut self,
        credentials: &Credentials<'_>,
        unix_seconds: u64,
        request: &Unsigned<'_>,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
        out: &mut Vec<u8>,
    ) {
        let instant = instant(unix_seconds);
        let day = &instant[..8];
        let is_s3 = credentials.service == b"s3";
        let mut body = std::mem::take(&mut self.signed_names);
        body.clear();
        push_hex(&request.body_digest, &mut body);

        self.canonical.clear();
        self.canonical.extend_from_slice(request.method);
        self.canonical.push(b'\n');
        self.push_target(request.target, is_s3);
        self.push_fields(fields, credentials, &instant, is_s3.then_some(&body[..]));
        self.canonical.extend_from_slice(&body);
        // The digest is in the text: its memory is that of the names from now on.
        let request_digest = Sha256::digest(&self.canonical);
        let names = &mut body;
        names.clear();
        for pair in &self.pairs {
            let name = &self.pieces[pair.name.clone()];
            if !names.is_empty() {
                names.push(b';');
            }
            names.extend_from_slice(name);
        }

        let text = &mut self.canonical;
        text.clear();
        text.extend_from_slice(b"AWS4-HMAC-SHA256\n");
        text.extend_from_slice(&instant);
        text.push(b'\n');
        push_scope(credentials, day, text);
        text.push(b'\n');
        push_hex(&request_digest, text);
        let key = day_key(&mut self.derived_from, &mut self.day_key, credentials, day);
        let signature = hmac(&key, &self.canonical);

        push_line(out, b"X-Amz-Date", &instant);
        if is_s3 {
            out.extend_from_slice(b"X-Amz-Content-Sha256: ");
            push_hex(&request.body_digest, out);
            out.extend_from_slice(b"\r\n");
        }
        if let Some(token) = credentials.session_token {
            push_line(out, b"X-Amz-Security-Token", token);
        }
        out.extend_from_slice(b"Authorization: AWS4-HMAC-SHA256 Credential=");
        out.extend_from_slice(credentials.access_key);
        out.push(b'/');
        push_scope(credentials, day, out);
        out.extend_from_slice(b", SignedHeaders=");
        out.extend_from_slice(&body);
        out.extend_from_slice(b", Signature=");
        push_hex(&signature, out);
        out.extend_from_slice(b"\r\n");
        self.signed_names = body;
    }

    /// Path and query, each on a line.
    fn push_target(&mut self, target: &[u8], is_s3: bool) {
        let query_at = target.iter().position(|byte| *byte == b'?');
        let (path, query) = target.split_at(query_at.unwrap_or(target.len()));
        if is_s3 {
            self.canonical.extend_from_slice(path);
        } else {
            // Other services take the path normalised (RFC 3986 section 6.2.2.3), and encoded twice.
            let start = self.canonical.len();
            for segment in path.split(|byte| *byte == b'/') {
                match segment {
                    b"" | b"." => {}
                    b".." => {
                        let last = self.canonical[start..].iter().rposition(|byte| *byte == b'/');
                        self.canonical.truncate(start + last.unwrap_or(0));
                    }
                    segment => {
                        self.canonical.push(b'/');
                        push_encoded(segment.iter().copied(), b"", &mut self.canonical);
                    }
                }
            }
            if self.canonical.len() == start || path.ends_with(b"/") {
                self.canonical.push(b'/');
            }
        }
        self.canonical.push(b'\n');
        self.begin_pairs();
        for parameter in query.strip_prefix(b"?").unwrap_or_default().split(|byte| *byte == b'&') {
            if parameter.is_empty() {
                continue;
            }
            let equals = parameter.iter().position(|byte| *byte == b'=');
            let (name, value) = parameter.split_at(equals.unwrap_or(parameter.len()));
            let value = value.get(1..).unwrap_or_default();
            self.push_pair(
                |out| push_encoded(decoded(name), b"", out),
                |out| push_encoded(decoded(value), b"", out),
            );
        }
        let pieces = &self.pieces;
        self.pairs.sort_unstable_by(|a, b| {
            let key = |p: &Pair| (p.name.clone(), p.value.clone());
            let (a, b) = (key(a), key(b));
            (&pieces[a.0], &pieces[a.1]).cmp(&(&pieces[b.0], &pieces[b.1]))
        });
        for (i, pair) in self.pairs.iter().enumerate() {
            if i > 0 {
                self.canonical.push(b'&');
            }
            self.canonical.extend_from_slice(&pieces[pair.name.clone()]);
            self.canonical.push(b'=');
            self.canonical.extend_from_slice(&pieces[pair.value.clone()]);
        }
        self.canonical.push(b'\n');
    }

    /// The fields, those that sign among them, each on a line; an empty line; their names.
    fn push_fields<'f>(
        &mut self,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
        credentials: &Credentials<'_>,
        instant: &[u8],
        body: Option<&[u8]>,
    ) {
        self.begin_pairs();
        for (name, value) in fields {
            self.push_field(name, value);
        }
        self.push_field(b"x-amz-date", instant);
        if let Some(body) = body {
            self.push_field(b"x-amz-content-sha256", body);
        }
        if let Some(token) = credentials.session_token {
            self.push_field(b"x-amz-security-token", token);
        }
        let pieces = &self.pieces;
        self.pairs.sort_unstable_by(|a, b| {
            let name = |pair: &Pair| &pieces[pair.name.clone()];
            name(a).cmp(name(b)).then(a.number.cmp(&b.number))
        });
        // Several of one name count as one, their values behind each other.
        let is_same = |a: &Pair, b: &Pair| pieces[a.name.clone()] == pieces[b.name.clone()];
        for (i, pair) in self.pairs.iter().enumerate() {
            let is_first = i == 0 || !is_same(&self.pairs[i - 1], pair);
            if is_first {
                self.canonical.extend_from_slice(&pieces[pair.name.clone()]);
                self.canonical.push(b':');
            } else {
                self.canonical.push(b',');
            }
            self.canonical.extend_from_slice(&pieces[pair.value.clone()]);
            let is_last = self.pairs.get(i + 1).is_none_or(|next| !is_same(next, pair));
            if is_last {
                self.canonical.push(b'\n');
            }
        }
        self.canonical.push(b'\n');
        self.pairs.dedup_by(|a, b| is_same(a, b));
        for (i, pair) in self.pairs.iter().enumerate() {
            if i > 0 {
                self.canonical.push(b';');
            }
            self.canonical.extend_from_slice(&pieces[pair.name.clone()]);
        }
        self.canonical.push(b'\n');
    }

    fn begin_pairs(&mut self) {
        self.pieces.clear();
        self.pairs.clear();
    }

    fn push_pair(&mut self, name: impl FnOnce(&mut Vec<u8>), value: impl FnOnce(&mut Vec<u8>)) {
        let start = self.pieces.len();
        name(&mut self.pieces);
        let middle = self.pieces.len();
        value(&mut self.pieces);
        let number = self.pairs.len();
        self.pairs.push(Pair { name: start..middle, value: middle..self.pieces.len(), number });
    }

    fn push_field(&mut self, name: &[u8], value: &[u8]) {
        self.push_pair(
            |out| out.extend(name.iter().map(u8::to_ascii_lowercase)),
            |out| push_trimmed(value, out),
        );
    }
}

/// The value without white space around it, and with single spaces inside.
fn push_trimmed(value: &[u8], out: &mut Vec<u8>) {
    let mut was_space = false;
    for &byte in value.trim_ascii() {
        let is_space = matches!(byte, b' ' | b'\t');
        if !(is_space && was_space) {
            out.push(if is_space { b' ' } else { byte });
        }
        was_space = is_space;
    }
}

fn push_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn push_scope(credentials: &Credentials<'_>, day: &[u8], out: &mut Vec<u8>) {
    for part in [day, credentials.region, credentials.service] {
        out.extend_from_slice(part);
        out.push(b'/');
    }
    out.extend_from_slice(b"aws4_request");
}

/// The signing key of a day, derived anew only if something of it is new.
fn day_key(
    derived_from: &mut [Vec<u8>; 4],
    kept: &mut [u8; 32],
    credentials: &Credentials<'_>,
    day: &[u8],
) -> [u8; 32] {
    let from = [credentials.secret_key, day, credentials.region, credentials.service];
    if derived_from.iter().zip(from).any(|(old, new)| old != new) {
        for (old, new) in derived_from.iter_mut().zip(from) {
            old.clear();
            old.extend_from_slice(new);
        }
        let first = [&b"AWS4"[..], credentials.secret_key].concat();
        let of_day = hmac(&first, day);
        let of_service = hmac(&hmac(&of_day, credentials.region), credentials.service);
        *kept = hmac(&of_service, b"aws4_request");
    }
    *kept
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    // The error is of keys of a wrong length, and HMAC takes any (RFC 2104 section 2).
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// Percent-encodes all but unreserved bytes (RFC 3986 section 2.3) and `others`.
fn push_encoded(bytes: impl Iterator<Item = u8>, others: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        let is_unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if is_unreserved || others.contains(&byte) {
            out.push(byte);
        } else {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'%', HEX[high], HEX[low]]);
        }
    }
}

/// The bytes that a percent-encoded text stands for.
fn decoded(text: &[u8]) -> impl Iterator<Item = u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *text.get(at)?;
        let digits = (byte == b'%').then(|| text.get(at + 1).zip(text.get(at + 2))).flatten();
        if let Some((high, low)) = digits.and_then(|(a, b)| digit(a).zip(digit(b))) {
            at += 3;
            return u8::try_from(high << 4 | low).ok();
        }
        at += 1;
        Some(byte)
    })
}

fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in bytes {
        out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

/// `20150830T123600Z`; years beyond 9999 are those of 9999.
fn instant(unix_seconds: u64) -> [u8; 16] {
    const LAST: u64 = 253_402_300_799;
    let seconds = unix_seconds.min(LAST);
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Days since 1 March 0, in eras of 400 years.
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let mut text = [0; 16];
    // There is room for exactly this.
    let _ = write!(
        &mut text[..],
        "{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z",
        of_day / 3_600,
        of_day / 60 % 60,
        of_day % 60
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUITE: Credentials<'_> = Credentials {
        access_key: b"AKIDEXAMPLE",
        secret_key: b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        session_token: None,
        region: b"us-east-1",
        service: b"service",
    };
    /// 2015-08-30 12:36:00.
    const THEN: u64 = 1_440_938_160;

    fn sign(
        credentials: &Credentials<'_>,
        at: u64,
        (method, target): (&str, &str),
        fields: &[(&str, &str)],
        body: &[u8],
    ) -> String {
        let (method, target) = (method.as_bytes(), target.as_bytes());
        let request = Unsigned { method, target, body_digest: digest([body]) };
        let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let (mut signer, mut out) = (Signer::default(), Vec::new());
        signer.sign(credentials, at, &request, fields.clone(), &mut out);
        let mut again = Vec::new();
        signer.sign(credentials, at, &request, fields, &mut again);
        assert_eq!(out, again, "with the key of the day");
        String::from_utf8(out).unwrap()
    }

    /// Of the AWS Signature Version 4 test suite.
    #[test]
    fn published_requests_have_the_published_signatures() {
        const HOST: (&str, &str) = ("Host", "example.amazonaws.com");
        const UNRESERVED: &str =
            "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
        for (request, fields, body, signature) in [
            (
                ("GET", "/"),
                &[HOST][..],
                &b""[..],
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                ("GET", "/?Param2=value2&Param1=value1"),
                &[HOST],
                b"",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                ("POST", "/"),
                &[HOST],
                b"",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                ("GET", &format!("/?{UNRESERVED}={UNRESERVED}")),
                &[HOST],
                b"",
                "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
            ),
            (
                ("POST", "/"),
                &[FORM, HOST],
                b"Param1=value1",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            let lines = sign(&SUITE, THEN, request, fields, body);
            assert!(lines.ends_with(&format!("Signature={signature}\r\n")), "{request:?} {lines}");
        }
    }

    /// As `normalize-path` of the same suite: paths that mean the same have the same signature, except in S3.
    #[test]
    fn paths_are_normalised() {
        const HOST: (&str, &str) = ("Host", "example.amazonaws.com");
        let of = |credentials: &Credentials<'_>, path: &str| {
            sign(credentials, THEN, ("GET", path), &[HOST], b"")
        };
        for (path, normal) in [
            ("/example/..", "/"),
            ("/example1/example2/../..", "/"),
            ("//", "/"),
            ("/./", "/"),
            ("/../..", "/"),
            ("/./example", "/example"),
            ("//example//", "/example/"),
            ("/a%20b/../c//d/?x=1", "/c/d/?x=1"),
        ] {
            assert_eq!(of(&SUITE, path), of(&SUITE, normal), "{path}");
            let s3 = Credentials { service: b"s3", ..SUITE };
            assert_ne!(of(&s3, path), of(&s3, normal), "{path}");
        }
        assert_ne!(of(&SUITE, "/example"), of(&SUITE, "/example/"));
    }

    /// Of the documentation of Amazon S3, "Example: GET Object".
    #[test]
    fn the_body_of_a_request_to_s3_is_signed_by_a_field() {
        let credentials = Credentials {
            access_key: b"AKIAIOSFODNN7EXAMPLE",
            secret_key: b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            service: b"s3",
            ..SUITE
        };
        let fields = [("Host", "examplebucket.s3.amazonaws.com"), ("Range", "bytes=0-9")];
        let lines = sign(&credentials, 1_369_353_600, ("GET", "/test.txt"), &fields, b"");
        let expected = "X-Amz-Date: 20130524T000000Z\r\n\
            X-Amz-Content-Sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n\
            Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
            SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
            Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41\r\n";
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_session_token_is_sent_and_signed_and_fields_of_one_name_count_once() {
        let credentials = Credentials { session_token: Some(b"token"), ..SUITE };
        let fields = [("Host", "h"), ("A", " x  y "), ("a", "z")];
        let lines = sign(&credentials, THEN, ("GET", "/"), &fields, b"");
        assert!(lines.contains("\r\nX-Amz-Security-Token: token\r\n"), "{lines}");
        assert!(lines.contains("SignedHeaders=a;host;x-amz-date;x-amz-security-token,"), "{lines}");
        assert!(!format!("{credentials:?}").contains("token"));
    }

    #[test]
    fn dates() {
        for (seconds, text) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (951_868_800, "20000301T000000Z"),
            (4_102_444_800, "21000101T000000Z"),
            (u64::MAX, "99991231T235959Z"),
        ] {
            assert_eq!(String::from_utf8_lossy(&instant(seconds)), text);
        }
    }
}
