//! What a request may contain: methods, paths, header names and values.
//! Source: RFC 9110 sections 5.5, 5.6.2, 7.2, 8.6 and 9.1, RFC 9112 sections 2.2 and 3.2. Knows no TOML.

use std::borrow::Cow;

use z6_http::field::is_token_byte;
use z6_http::target::wrong_in_host_header;

use super::base_url::parse_authority;
use crate::model::Host;

/// Whether `text` is a token (RFC 9110 section 5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// The first byte of `text` that ends or breaks a line, or is otherwise a control character.
pub(crate) fn control_byte(text: &str) -> Option<(usize, u8)> {
    text.bytes().enumerate().find(|(_, byte)| *byte < 0x20 || *byte == 0x7f)
}

/// A byte as people name it: `CR (0x0d)`.
pub(crate) fn byte_name(byte: u8) -> String {
    let name = match byte {
        b'\r' => "CR ",
        b'\n' => "LF ",
        0 => "NUL ",
        b'\t' => "TAB ",
        b' ' => "space ",
        0x7f => "DEL ",
        _ => "",
    };
    if name.is_empty() { format!("0x{byte:02x}") } else { format!("{name}(0x{byte:02x})") }
}

/// Why a header field cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FieldFault {
    EmptyName,
    NameByte(u8),
    ValueByte {
        at: usize,
        byte: u8,
    },
    OuterSpace,
    /// A character that no host or port has; the name's ASCII form if it has one.
    Host {
        at: usize,
        character: char,
        ascii: Option<String>,
    },
    TransferEncoding,
    ContentLength {
        length: usize,
    },
}

impl FieldFault {
    pub(crate) fn message(&self, name: &str) -> String {
        match self {
            FieldFault::EmptyName => "a header has no name".to_owned(),
            FieldFault::NameByte(byte) => {
                format!("header name {name} contains the byte {}", byte_name(*byte))
            }
            FieldFault::ValueByte { at, byte } => {
                format!("the value of header {name} contains {} at byte {at}", byte_name(*byte))
            }
            FieldFault::OuterSpace => {
                format!("the value of header {name} begins or ends with white space")
            }
            FieldFault::Host { at, character, .. } => {
                format!("the value of header {name} cannot contain `{character}` (byte {at})")
            }
            FieldFault::TransferEncoding => format!("header {name} cannot be set"),
            FieldFault::ContentLength { length } => {
                format!("header {name} disagrees with the body of {length} bytes")
            }
        }
    }

    pub(crate) fn hint(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            FieldFault::Host { ascii: Some(ascii), .. } => {
                return format!("names in other scripts are sent in ASCII: write {ascii:?}").into();
            }
            FieldFault::Host { ascii: None, .. } => {
                "write a host name or an address, and a port if need be (RFC 9110 section 7.2)"
            }
            FieldFault::EmptyName | FieldFault::NameByte(_) => {
                "a name is a token: letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 section 5.6.2)"
            }
            FieldFault::ValueByte { .. } => {
                "control characters would let a value add lines to the request (RFC 9110 section 5.5)"
            }
            FieldFault::OuterSpace => "remove it: it is not part of a field's value",
            FieldFault::TransferEncoding => {
                "remove it: bodies are sent with a Content-Length of their own"
            }
            FieldFault::ContentLength { .. } => "remove it: the length is added by itself",
        })
    }

    /// Whether the fault lies in the name rather than in the value.
    pub(crate) fn in_name(&self) -> bool {
        match self {
            FieldFault::EmptyName | FieldFault::NameByte(_) | FieldFault::TransferEncoding => true,
            FieldFault::ValueByte { .. }
            | FieldFault::OuterSpace
            | FieldFault::Host { .. }
            | FieldFault::ContentLength { .. } => false,
        }
    }
}

/// Checks one header field of a request. `body` is the body's length if it is known.
pub(crate) fn check_field(name: &str, value: &str, body: Option<usize>) -> Result<(), FieldFault> {
    if name.is_empty() {
        return Err(FieldFault::EmptyName);
    }
    if let Some(byte) = name.bytes().find(|byte| !is_token_byte(*byte)) {
        return Err(FieldFault::NameByte(byte));
    }
    if name.eq_ignore_ascii_case("transfer-encoding") {
        return Err(FieldFault::TransferEncoding);
    }
    if let Some((at, byte)) = control_byte(value) {
        return Err(FieldFault::ValueByte { at, byte });
    }
    if value.starts_with(' ') || value.ends_with(' ') {
        return Err(FieldFault::OuterSpace);
    }
    if name.eq_ignore_ascii_case("host")
        && let Some(at) = wrong_in_host_header(value)
    {
        let character = value[at..].chars().next().unwrap_or_default();
        return Err(FieldFault::Host { at, character, ascii: ascii_authority(value) });
    }
    if let Some(length) = body {
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let agrees = digits && value.parse() == Ok(length);
        if name.eq_ignore_ascii_case("content-length") && !agrees {
            return Err(FieldFault::ContentLength { length });
        }
    }
    Ok(())
}

/// `host` or `host:port` with the name in its ASCII form; none if it is not a name.
fn ascii_authority(value: &str) -> Option<String> {
    match parse_authority(value, 0) {
        Ok((Host::Name(name), 0)) => Some(name),
        Ok((Host::Name(name), port)) => Some(format!("{name}:{port}")),
        _ => None,
    }
}

/// Why a path cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PathFault {
    Byte { at: usize, byte: u8 },
    Absolute,
    AsteriskMethod,
    NoSlash,
}

impl PathFault {
    pub(crate) fn message(&self) -> String {
        match self {
            PathFault::Byte { at, byte } => {
                format!("`path` contains {} at byte {at}", byte_name(*byte))
            }
            PathFault::Absolute => "`path` is a whole URL".to_owned(),
            PathFault::AsteriskMethod => "path `*` needs the method OPTIONS".to_owned(),
            PathFault::NoSlash => "`path` does not begin with `/`".to_owned(),
        }
    }

    pub(crate) fn hint(&self) -> &'static str {
        match self {
            PathFault::Byte { .. } => "percent-encode it",
            PathFault::Absolute => {
                "write the scheme and host in `base_url` of the target, only the path here"
            }
            PathFault::AsteriskMethod => "write `method = \"OPTIONS\"`, or a path from `/` on",
            PathFault::NoSlash => "start it with `/`",
        }
    }
}

/// Checks the path of a request (RFC 9112 section 3.2).
pub(crate) fn check_path(path: &str, method: &str) -> Result<(), PathFault> {
    if let Some((at, byte)) = control_byte(path) {
        return Err(PathFault::Byte { at, byte });
    }
    if path == "*" {
        return if method == "OPTIONS" { Ok(()) } else { Err(PathFault::AsteriskMethod) };
    }
    let lower = path.to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        return Err(PathFault::Absolute);
    }
    if path.starts_with('/') { Ok(()) } else { Err(PathFault::NoSlash) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_name_is_judged() {
        let allowed = "!#$%&'*+-.^_`|~";
        for byte in 0_u8..=127 {
            let character = char::from(byte);
            let token = character.is_ascii_alphanumeric() || allowed.contains(character);
            assert_eq!(is_token(&character.to_string()), token, "{byte:#x}");
        }
        assert!(!is_token(""));
        assert!(!is_token("é"));
    }

    #[test]
    fn every_control_byte_of_a_value_is_refused() {
        for byte in (0_u8..0x20).chain([0x7f]) {
            let value = format!("a{}b", char::from(byte));
            let fault = FieldFault::ValueByte { at: 1, byte };
            assert_eq!(check_field("X", &value, None), Err(fault), "{byte:#x}");
            let fault = PathFault::Byte { at: 2, byte };
            assert_eq!(check_path(&format!("/{value}"), "GET"), Err(fault), "{byte:#x}");
        }
        assert_eq!(check_field("X", "héllo !\"~", None), Ok(()));
    }

    #[test]
    fn framing_fields_are_guarded() {
        let host = |at, character, ascii: Option<&str>| {
            Err(FieldFault::Host { at, character, ascii: ascii.map(str::to_owned) })
        };
        let disagrees = Err(FieldFault::ContentLength { length: 3 });
        for (name, value, expected) in [
            ("Content-Length", "3", Ok(())),
            ("content-length", "03", Ok(())),
            ("CONTENT-LENGTH", "4", disagrees.clone()),
            ("Content-Length", "+3", disagrees.clone()),
            ("Content-Length", "", disagrees.clone()),
            ("Content-Length", "3, 3", disagrees),
            ("transfer-Encoding", "chunked", Err(FieldFault::TransferEncoding)),
            ("Host", "example.com", Ok(())),
            ("Host", "[::1]:8080", Ok(())),
            ("host", "bücher.test:81", host(1, 'ü', Some("xn--bcher-kva.test:81"))),
            ("HOST", "user@example.com", host(4, '@', None)),
            ("Host", "a b", host(1, ' ', None)),
            ("Host", "a/b", host(1, '/', None)),
            ("", "x", Err(FieldFault::EmptyName)),
            ("a b", "x", Err(FieldFault::NameByte(b' '))),
            ("a:", "x", Err(FieldFault::NameByte(b':'))),
            ("a", " x", Err(FieldFault::OuterSpace)),
            ("a", "", Ok(())),
        ] {
            assert_eq!(check_field(name, value, Some(3)), expected, "{name}: {value}");
        }
    }

    #[test]
    fn paths() {
        for (path, method, expected) in [
            ("/", "GET", Ok(())),
            ("/a b?q=é", "GET", Ok(())),
            ("*", "OPTIONS", Ok(())),
            ("*", "GET", Err(PathFault::AsteriskMethod)),
            ("", "GET", Err(PathFault::NoSlash)),
            ("users", "GET", Err(PathFault::NoSlash)),
            ("?q=1", "GET", Err(PathFault::NoSlash)),
            ("HTTP://h/", "GET", Err(PathFault::Absolute)),
            ("https://h/", "GET", Err(PathFault::Absolute)),
        ] {
            assert_eq!(check_path(path, method), expected, "{path}");
        }
    }
}
