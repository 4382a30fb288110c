//! Signed texts: what the routes give out and know again without remembering it.
//!
//! Owns the form `PAYLOAD.SIGNATURE`; must not know what a payload says. Both parts are base64 without
//! padding (RFC 4648 section 5), so they need no escaping in URLs, forms, cookies, HTML or JSON. The key
//! comes from the server's seed alone: the signatures make a wrong token fail, they protect nothing.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes of the HMAC that are kept.
const SIGNATURE_BYTES: usize = 16;
/// Longest text that is looked at.
const MAX_SIGNED_BYTES: usize = 1024;

/// What a text is signed as; a text of one kind is none of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A bearer token.
    Token = b'T' as isize,
    /// The session of a visitor who has seen the login form.
    Visitor = b'V' as isize,
    /// The CSRF token of a login form.
    Csrf = b'C' as isize,
    /// The session of a user who is signed in.
    User = b'U' as isize,
}

/// Signs and verifies.
pub(super) struct Signer(Option<Hmac<Sha256>>);

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Signer")
    }
}

impl Signer {
    pub(super) fn new(seed: u64) -> Self {
        // The error is of keys of a wrong length, and HMAC takes any (RFC 2104 section 2).
        Self(Hmac::new_from_slice(format!("z6-target {seed}").as_bytes()).ok())
    }

    pub(super) fn sign(&self, kind: Kind, payload: &str) -> String {
        let mut text = URL_SAFE_NO_PAD.encode(payload);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(self.signature(kind, payload), &mut text);
        text
    }

    /// The payload of a text that this signer, or one of the same seed, has signed as `kind`.
    pub(super) fn open(&self, kind: Kind, text: &str) -> Option<String> {
        if text.len() > MAX_SIGNED_BYTES {
            return None;
        }
        let (payload, signature) = text.split_once('.')?;
        let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        (signature == self.signature(kind, &payload)).then_some(payload)
    }

    fn signature(&self, kind: Kind, payload: &str) -> Vec<u8> {
        let Some(mut mac) = self.0.clone() else { return Vec::new() };
        mac.update(&[kind as u8]);
        mac.update(payload.as_bytes());
        mac.finalize().into_bytes()[..SIGNATURE_BYTES].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_text_opens_as_its_kind_and_for_its_seed_alone() {
        let signer = Signer::new(42);
        let text = signer.sign(Kind::Token, "0.1 a client");
        assert_eq!(signer.open(Kind::Token, &text).as_deref(), Some("0.1 a client"));
        assert_eq!(Signer::new(42).sign(Kind::Token, "0.1 a client"), text);
        assert_eq!(signer.open(Kind::User, &text), None);
        assert_eq!(Signer::new(43).open(Kind::Token, &text), None);
    }

    #[test]
    fn any_other_text_opens_as_nothing() {
        let signer = Signer::new(42);
        let text = signer.sign(Kind::Token, "payload");
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("text");
            assert_eq!(signer.open(Kind::Token, &changed), None, "{changed}");
        }
        for text in ["", ".", "a.b", "payload", &text[..text.len() - 1], &"x".repeat(5000)] {
            assert_eq!(signer.open(Kind::Token, text), None, "{text}");
        }
    }
}
