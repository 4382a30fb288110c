//! Reads a response a second time, to be shown whole: the session keeps of it what the scenario reads.

use z6_proto_http1::{Connection, Eof, Keep, KeptResponse, Limits, Received};

/// Most bytes of a body that are kept to be shown: 1 MiB.
pub(super) const SHOWN_BYTES_MAX: usize = 1 << 20;

/// One response.
pub(super) struct View {
    http: Connection,
    /// All bytes that came, up to a limit.
    pub(super) raw: Vec<u8>,
}

impl View {
    pub(super) fn new(limits: Limits, sent: &[u8]) -> View {
        let mut http = Connection::new(limits);
        http.keep(Keep { fields: true, body_bytes_max: Some(SHOWN_BYTES_MAX) });
        http.accept_upgrade(true);
        http.start(sent.len(), sent.starts_with(b"HEAD "));
        http.wrote(sent.len());
        View { http, raw: Vec::new() }
    }

    /// Takes bytes; whether the response is whole.
    pub(super) fn received(&mut self, bytes: &[u8]) -> bool {
        let room = SHOWN_BYTES_MAX - self.raw.len().min(SHOWN_BYTES_MAX);
        self.raw.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.http.is_in_exchange() && matches!(self.http.received(bytes), Received::Complete { .. })
    }

    /// Nothing comes any more; whether the response is whole.
    pub(super) fn ended(&mut self) -> bool {
        self.http.is_in_exchange() && matches!(self.http.eof(), Eof::Complete(_))
    }

    /// The whole response, whose last bytes are in `input`.
    pub(super) fn kept<'a>(&'a self, input: &'a [u8]) -> Option<KeptResponse<'a>> {
        self.http.kept(input)
    }
}
