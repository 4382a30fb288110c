//! Credentials of the `Basic` scheme (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Appends the value of `Authorization` for a user and a password.
///
/// ```
/// let mut value = Vec::new();
/// z6_http::push_basic_credentials(b"Aladdin", b"open sesame", &mut value);
/// assert_eq!(value, b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
/// ```
pub fn push_basic_credentials(user: &[u8], password: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"Basic ");
    let from = out.len();
    let length = user.len() + 1 + password.len();
    // The text is put behind the room for its own encoding, then encoded and dropped.
    let room = length.div_ceil(3) * 4;
    out.resize(from + room, 0);
    out.extend_from_slice(user);
    out.push(b':');
    out.extend_from_slice(password);
    let (head, text) = out.split_at_mut(from + room);
    // The room is exactly what the encoding needs, so there is no error.
    let _ = STANDARD.encode_slice(&*text, &mut head[from..]);
    text.fill(0);
    out.truncate(from + room);
}
