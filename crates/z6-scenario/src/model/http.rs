//! Which version of HTTP a target is spoken to in, and what is offered to it over HTTP/2.

/// `http_version`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpVersion {
    /// HTTP/1.1 only.
    #[default]
    Http1,
    /// HTTP/2 only, over TLS: the server has to select it (ALPN `h2`).
    Http2,
    /// HTTP/2 without asking: in plain text the preface comes at once (RFC 9113 section 3.3); over TLS the
    /// same as [`HttpVersion::Http2`].
    Http2PriorKnowledge,
    /// Over TLS what the server selects of the two, HTTP/2 first; HTTP/1.1 in plain text.
    Auto,
}

impl HttpVersion {
    /// All of them.
    pub const ALL: [HttpVersion; 4] = [
        HttpVersion::Http1,
        HttpVersion::Http2,
        HttpVersion::Http2PriorKnowledge,
        HttpVersion::Auto,
    ];

    /// As the scenario writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            HttpVersion::Http1 => "http1.1",
            HttpVersion::Http2 => "http2",
            HttpVersion::Http2PriorKnowledge => "http2-prior-knowledge",
            HttpVersion::Auto => "auto",
        }
    }

    /// The version of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<HttpVersion> {
        HttpVersion::ALL.into_iter().find(|version| version.word() == word)
    }
}

/// `[target.http2]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http2Settings {
    /// `streams`: most requests at once on one connection, whatever the server allows.
    pub streams: u32,
    /// `placement`, explicit or by model.
    pub placement: Placement,
    /// `resend_refused`: how often a request that the server has not processed is sent again.
    pub resend_refused: u8,
    /// `stream_window_bytes`.
    pub stream_window_bytes: u32,
    /// `connection_window_bytes`.
    pub connection_window_bytes: u32,
    /// `header_table_bytes`: what the server may compress header fields with.
    pub header_table_bytes: u32,
    /// `index_headers`: header fields of requests are put into the server's table.
    pub index_headers: bool,
}

impl Default for Http2Settings {
    /// What a scenario of the closed model that says nothing has.
    fn default() -> Http2Settings {
        Http2Settings {
            streams: 100,
            placement: Placement::Spread,
            resend_refused: 1,
            stream_window_bytes: 16 << 20,
            connection_window_bytes: 1 << 30,
            header_table_bytes: 4_096,
            index_headers: true,
        }
    }
}

/// `placement`: which connection with room gets a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// The fullest.
    Fill,
    /// The emptiest, and a new connection before a second stream while `max_connections` allows.
    Spread,
}
