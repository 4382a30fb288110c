//! What TLS failures mean, for people. Knows no event.

use crate::error_kind::ErrorKind;

impl ErrorKind {
    /// For kinds of TLS: what happened and what to look at, in words. None for all others, whose names
    /// say it.
    #[must_use]
    pub const fn tls_words(self) -> Option<&'static str> {
        Some(match self {
            ErrorKind::TlsTimeout => "TLS was not ready within tls_timeout_ms",
            ErrorKind::TlsHandshake => {
                "the TLS handshake failed: is this a port for TLS, and do ciphers and keys fit?"
            }
            ErrorKind::TlsCertificate => "the server's certificate cannot be used",
            ErrorKind::TlsCertificateExpired => "the server's certificate has expired",
            ErrorKind::TlsCertificateNotYetValid => "the server's certificate is not valid yet",
            ErrorKind::TlsCertificateWrongHost => {
                "the server's certificate is for another name: see server_name"
            }
            ErrorKind::TlsCertificateSelfSigned => {
                "the server's certificate is self-signed: see ca_bundle and verify_cert"
            }
            ErrorKind::TlsCertificateUntrusted => {
                "the authority behind the server's certificate is not trusted: see ca_bundle"
            }
            ErrorKind::TlsCertificateIncomplete => {
                "the server sent no certificate of the authority that signed its own: an intermediate \
                 is missing, or that authority is not trusted"
            }
            ErrorKind::TlsClientCertificate => {
                "the server wants a client certificate, or refuses this one: see client_cert"
            }
            ErrorKind::TlsVersion => "the server speaks neither TLS 1.2 nor TLS 1.3",
            ErrorKind::TlsAlpn => {
                "the server speaks no version of HTTP that `http_version` offers over TLS (ALPN)"
            }
            ErrorKind::TlsClosed => "the server closed the connection during the TLS handshake",
            ErrorKind::TlsTruncated => {
                "the connection ended without close_notify: the body may be cut off"
            }
            ErrorKind::TlsCertificateWrongPurpose => {
                "the server's certificate is for another use: it is not one for servers"
            }
            ErrorKind::TlsBroken => "a fatal alert or a broken record after the TLS handshake",
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_kind::ErrorGroup;

    #[test]
    fn the_kinds_of_tls_and_no_others_have_words_of_their_own() {
        for kind in ErrorKind::ALL {
            assert_eq!(kind.tls_words().is_some(), kind.group() == ErrorGroup::Tls, "{kind:?}");
        }
    }
}
