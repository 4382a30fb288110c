//! Maps TLS errors to error kinds of the event log. Knows no socket and no configuration.

use std::fmt;

use rustls::{
    AlertDescription, CertificateError, Error, OtherError, PeerIncompatible, PeerMisbehaved,
};
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TlsFailure {
    pub(super) kind: ErrorKind,
    /// The alert received, or 0.
    pub(super) detail: u64,
    /// Which check failed, in words beyond those of the kind; empty if there are none.
    pub(super) note: String,
}

/// What is wrong with a chain that no trusted authority vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChainFaultKind {
    SelfSigned,
    Untrusted,
    Incomplete,
    /// The certificate of an authority stands for a server.
    Authority,
}

/// Why no trusted authority was found for a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChainFault {
    pub(super) kind: ChainFaultKind,
    /// A trusted certificate has the name of the one that is missing, and another key.
    pub(super) has_namesake: bool,
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.kind, self.has_namesake) {
            (ChainFaultKind::SelfSigned, true) => {
                "a trusted certificate has the same subject and another key: was it renewed?"
            }
            (_, true) => "a trusted certificate has the authority's name and another key",
            (ChainFaultKind::Authority, false) => "it is the certificate of an authority",
            (_, false) => "",
        })
    }
}

impl std::error::Error for ChainFault {}

/// The failure that an error of the TLS library stands for.
pub(super) fn failure(error: &Error, stage: Stage) -> TlsFailure {
    let plain = |kind| TlsFailure { kind, detail: 0, note: String::new() };
    match error {
        Error::InvalidCertificate(fault) => {
            TlsFailure { note: certificate_note(fault), ..plain(certificate_kind(fault)) }
        }
        Error::AlertReceived(alert) => {
            TlsFailure { detail: u64::from(u8::from(*alert)), ..plain(alert_kind(*alert, stage)) }
        }
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => plain(ErrorKind::TlsVersion),
        Error::NoApplicationProtocol
        | Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedApplicationProtocol) => {
            plain(ErrorKind::TlsAlpn)
        }
        other => TlsFailure { note: other.to_string(), ..plain(general(stage)) },
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
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            ErrorKind::TlsCertificateWrongPurpose
        }
        CertificateError::Other(other) => match chain_fault(other).map(|fault| fault.kind) {
            Some(ChainFaultKind::SelfSigned) => ErrorKind::TlsCertificateSelfSigned,
            Some(ChainFaultKind::Untrusted) => ErrorKind::TlsCertificateUntrusted,
            Some(ChainFaultKind::Incomplete) => ErrorKind::TlsCertificateIncomplete,
            Some(ChainFaultKind::Authority) => ErrorKind::TlsCertificateWrongPurpose,
            None => ErrorKind::TlsCertificate,
        },
        _ => ErrorKind::TlsCertificate,
    }
}

fn chain_fault(other: &OtherError) -> Option<&ChainFault> {
    other.0.downcast_ref()
}

/// Which check a certificate failed, where the kind does not say it.
fn certificate_note(fault: &CertificateError) -> String {
    match fault {
        CertificateError::UnknownIssuer
        | CertificateError::Expired
        | CertificateError::NotValidYet
        | CertificateError::NotValidForName
        | CertificateError::InvalidPurpose => String::new(),
        CertificateError::ExpiredContext { time, not_after } => {
            format!("since {}", span(time.as_secs().saturating_sub(not_after.as_secs())))
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            format!("for another {}", span(not_before.as_secs().saturating_sub(time.as_secs())))
        }
        CertificateError::NotValidForNameContext { presented, .. } => names(presented),
        CertificateError::InvalidPurposeContext { presented, .. } => {
            let uses: Vec<String> = presented.iter().map(ToString::to_string).collect();
            format!("its extended key usage is {}", uses.join(", "))
        }
        CertificateError::Other(other) => match chain_fault(other) {
            Some(fault) => fault.to_string(),
            None => other.to_string(),
        },
        other => other.to_string(),
    }
}

/// The names in a certificate's subjectAltName, which the library gives as `DnsName("a.example")`.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "it has no subjectAltName, and its subject does not count (RFC 9525)".to_owned();
    }
    let inner = |name: &String| match name.split_once('(') {
        Some((_, inner)) => inner.trim_end_matches(')').trim_matches('"').to_owned(),
        None => name.clone(),
    };
    let names: Vec<String> = presented.iter().map(inner).collect();
    format!("it is for {}", names.join(", "))
}

/// Seconds in the largest unit that fits: `42 s`, `3 h`, `24 days`.
fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
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
    fn notes_say_which_check_failed() {
        let note = |fault: CertificateError| {
            let error = Error::InvalidCertificate(fault);
            failure(&error, Stage::Handshake { client_asked: false }).note
        };
        assert_eq!(note(CertificateError::Expired), "");
        assert_eq!(note(CertificateError::BadEncoding), "BadEncoding");
        assert!(names(&[]).starts_with("it has no subjectAltName"));
        let presented = ["DnsName(\"a.example\")", "IpAddress(10.0.0.1)", "DirectoryName"];
        let presented = presented.map(str::to_owned);
        assert_eq!(names(&presented), "it is for a.example, 10.0.0.1, DirectoryName");
        let spans = [119, 120, 7_200, 172_800].map(span);
        assert_eq!(spans, ["119 s", "2 min", "2 h", "2 days"]);
        let namesake = ChainFault { kind: ChainFaultKind::SelfSigned, has_namesake: true };
        assert!(namesake.to_string().contains("the same subject and another key"));
    }

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
        assert_eq!((required.kind, required.detail), (ErrorKind::TlsClientCertificate, 116));
        let mac = failure(&alert(AlertDescription::BadRecordMac), late);
        assert_eq!((mac.kind, mac.detail), (ErrorKind::TlsBroken, 20));
    }
}
