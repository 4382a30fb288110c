//! A request in the words of a scenario, before any version of HTTP encodes it.
//!
//! Owns the parts of a request and their defaults. Knows nothing of bytes, connections or responses.

/// The `User-Agent` where a request names none: `z6/` and the version.
pub const USER_AGENT: &str = concat!("z6/", env!("CARGO_PKG_VERSION"));

/// A request in the words of a scenario. [`RequestSpec::new`] fills what is seldom set.
#[derive(Clone, Copy, Debug)]
pub struct RequestSpec<'a> {
    /// Any token but `CONNECT`, case-sensitive.
    pub method: &'a str,
    /// Host name, IPv4 address or IPv6 literal, the latter with or without brackets.
    pub host: &'a str,
    /// Port; omitted from `Host` where it is the default of the scheme.
    pub port: u16,
    /// The scheme is https.
    pub is_tls: bool,
    /// Path of the base URL: empty, or beginning with `/`.
    pub path_prefix: &'a str,
    /// Path and query after the prefix: empty, `/..`, `?..`, or `*` for OPTIONS. A fragment is
    /// dropped.
    pub path: &'a str,
    /// Names and values in the order and the case they are sent in. A `Host` among them replaces
    /// ours, in the first place.
    pub headers: &'a [(String, String)],
    /// Payload; `None` differs from empty where the method alone decides on `Content-Length`.
    pub body: Option<&'a [u8]>,
    /// `User-Agent` unless `headers` has one; none is sent where this is empty.
    pub user_agent: &'a str,
    /// Name of the header that carries the request id, if any.
    pub request_id_header: Option<&'a str>,
    /// Ask the server to close after the response.
    pub connection_close: bool,
}

impl<'a> RequestSpec<'a> {
    /// A request over http without headers and body.
    pub fn new(method: &'a str, host: &'a str, port: u16, path: &'a str) -> RequestSpec<'a> {
        RequestSpec {
            method,
            host,
            port,
            is_tls: false,
            path_prefix: "",
            path,
            headers: &[],
            body: None,
            user_agent: USER_AGENT,
            request_id_header: None,
            connection_close: false,
        }
    }
}
