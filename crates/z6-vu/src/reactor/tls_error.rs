//! Maps TLS errors to error kinds of the event log. Knows no socket and no configuration.

use std::fmt;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible, PeerMisbehaved};
use z6_events::ErrorKind;

/// How far a connection had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The handshake continues.
    Handshake {
        /// The server has requested a client certificate.
        client_asked: bool,
    },
    /// The handshake is done.
    Established {
        /// As above: the verdict over a client certificate may come late (RFC 8446 section 4.4.2.4).
        client_asked: bool,
    },
}

/// A failure as the log keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TlsFailure {
    pub(super) kind: ErrorKind,
    /// The alert received, or 0.
    pub(super) detail: u64,
}

/// Why no trusted authority was found for a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChainFault {
    SelfSigned,
    Untrusted,
    Incomplete,
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChainFault::SelfSigned => "self-signed",
            ChainFault::Untrusted => "untrusted authority",
            ChainFault::Incomplete => "incomplete chain",
        })
    }
}

impl std::error::Error for ChainFault {}

/// The failure that an error of the TLS library stands for.
pub(super) fn failure(error: &Error, stage: Stage) -> TlsFailure {
    let plain = |kind| TlsFailure { kind, detail: 0 };
    match error {
        Error::InvalidCertificate(fault) => plain(certificate_kind(fault)),
        Error::AlertReceived(alert) => {
            TlsFailure { kind: alert_kind(*alert, stage), detail: u64::from(u8::from(*alert)) }
        }
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => plain(ErrorKind::TlsVersion),
        Error::NoApplicationProtocol
        | Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => {
            plain(ErrorKind::TlsAlpn)
        }
        _ => plain(general(stage)),
    }
}

const fn general(stage: Stage) -> ErrorKind {
    match stage {
        Stage::Handshake { .. } => ErrorKind::TlsHandshake,
        Stage::Established { .. } => ErrorKind::TlsBroken,
    }
}

fn certificate_kind(fault: &CertificateError) -> ErrorKind {
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ErrorKind::TlsCertificateExpired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ErrorKind::TlsCertificateNotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            ErrorKind::TlsCertificateWrongHost
        }
        CertificateError::UnknownIssuer => ErrorKind::TlsCertificateUntrusted,
        CertificateError::Other(other) => match other.0.downcast_ref::<ChainFault>() {
            Some(ChainFault::SelfSigned) => ErrorKind::TlsCertificateSelfSigned,
            Some(ChainFault::Untrusted) => ErrorKind::TlsCertificateUntrusted,
            Some(ChainFault::Incomplete) => ErrorKind::TlsCertificateIncomplete,
            None => ErrorKind::TlsCertificate,
        },
        _ => ErrorKind::TlsCertificate,
    }
}

/// RFC 8446 section 6.2. What an alert says of a certificate it says of ours.
fn alert_kind(alert: AlertDescription, stage: Stage) -> ErrorKind {
    let (Stage::Handshake { client_asked } | Stage::Established { client_asked }) = stage;
    match alert {
        AlertDescription::CertificateRequired => ErrorKind::TlsClientCertificate,
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::HandshakeFailure
            if client_asked =>
        {
            ErrorKind::TlsClientCertificate
        }
        AlertDescription::ProtocolVersion => ErrorKind::TlsVersion,
        AlertDescription::NoApplicationProtocol => ErrorKind::TlsAlpn,
        _ => general(stage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_and_refusals_have_kinds_that_say_what_happened() {
        let stage = |client_asked| Stage::Handshake { client_asked };
        let kind = |error: Error, asked| failure(&error, stage(asked)).kind;
        let alert = Error::AlertReceived;
        let refused = AlertDescription::HandshakeFailure;
        assert_eq!(kind(alert(refused), false), ErrorKind::TlsHandshake);
        assert_eq!(kind(alert(refused), true), ErrorKind::TlsClientCertificate);
        let version = AlertDescription::ProtocolVersion;
        assert_eq!(kind(alert(version), true), ErrorKind::TlsVersion);
        let alpn = AlertDescription::NoApplicationProtocol;
        assert_eq!(kind(alert(alpn), false), ErrorKind::TlsAlpn);
        let expired = Error::InvalidCertificate(CertificateError::Expired);
        assert_eq!(kind(expired, false), ErrorKind::TlsCertificateExpired);
        let late = Stage::Established { client_asked: true };
        let required = failure(&alert(AlertDescription::CertificateRequired), late);
        let expected = TlsFailure { kind: ErrorKind::TlsClientCertificate, detail: 116 };
        assert_eq!(required, expected);
        let mac = alert(AlertDescription::BadRecordMac);
        assert_eq!(failure(&mac, late), TlsFailure { kind: ErrorKind::TlsBroken, detail: 20 });
    }
}
