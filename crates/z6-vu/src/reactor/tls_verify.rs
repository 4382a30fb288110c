//! Verifies server certificates, so that each rejection has a reason; or verifies none.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use webpki::EndEntityCert;

use super::tls_error::{ChainFault, ChainFaultKind};

/// Verifies as RFC 5280 and RFC 9525 say, and tells apart why a chain leads nowhere.
#[derive(Debug)]
pub(super) struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    /// The certificates that are trusted.
    trusted: Vec<CertificateDer<'static>>,
    /// Their names, and those of trusted authorities of which no certificate is at hand.
    names: Vec<Vec<u8>>,
}

impl Verifier {
    /// Trusts `roots`, which were made from the certificates `trusted`, or come with the library.
    pub(super) fn new(
        inner: Arc<WebPkiServerVerifier>,
        roots: &RootCertStore,
        trusted: Vec<CertificateDer<'static>>,
    ) -> Verifier {
        let names = roots.roots.iter().map(|root| root.subject.as_ref().to_vec()).collect();
        Verifier { inner, trusted, names }
    }

    /// Whether a server's certificate itself, byte for byte, is among those that are trusted. It
    /// needs no authority then (RFC 6125 section 1.8, pinning), and may be one: `openssl req -x509`
    /// makes certificates of authorities.
    fn is_trusted_itself(&self, end_entity: &CertificateDer<'_>) -> bool {
        self.trusted.iter().any(|trusted| trusted == end_entity)
    }

    /// Why no trusted authority vouches for this chain; `None` if the chain has another fault.
    fn chain_fault(
        &self,
        end_entity: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        fault: &CertificateError,
    ) -> Option<ChainFault> {
        let leaf = EndEntityCert::try_from(end_entity).ok()?;
        let is_trusted = |name: &[u8]| self.names.iter().any(|trusted| trusted == name);
        let fault_of = |kind, has_namesake| Some(ChainFault { kind, has_namesake });
        let mut wanted = leaf.issuer();
        if wanted == leaf.subject() {
            return fault_of(ChainFaultKind::SelfSigned, is_trusted(wanted));
        }
        if is_authority_as_server(fault) {
            return fault_of(ChainFaultKind::Authority, false);
        }
        let has_bad_signature = matches!(fault, CertificateError::BadSignature);
        let named = || match has_bad_signature {
            true => fault_of(ChainFaultKind::Untrusted, true),
            false => None,
        };
        if is_trusted(wanted) {
            return named();
        }
        let others: Vec<_> =
            others.iter().filter_map(|other| EndEntityCert::try_from(other).ok()).collect();
        // Each step leads to another certificate, unless they go round in a circle.
        for step in 0..=others.len() {
            match others.iter().find(|other| other.subject() == wanted) {
                None if has_bad_signature => return None,
                None if step == 0 => return fault_of(ChainFaultKind::Incomplete, false),
                None => return fault_of(ChainFaultKind::Untrusted, false),
                Some(issuer) if is_trusted(issuer.issuer()) => return named(),
                Some(issuer) => wanted = issuer.issuer(),
            }
        }
        fault_of(ChainFaultKind::Untrusted, false)
    }
}

/// Whether the certificate of an authority stands for a server. The library has checked before that it is
/// valid now.
fn is_authority_as_server(fault: &CertificateError) -> bool {
    let CertificateError::Other(OtherError(inner)) = fault else { return false };
    matches!(inner.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let Err(Error::InvalidCertificate(fault)) = verdict else { return verdict };
        let is_of_trust =
            matches!(fault, CertificateError::UnknownIssuer | CertificateError::BadSignature)
                || is_authority_as_server(&fault);
        if !is_of_trust {
            return Err(Error::InvalidCertificate(fault));
        }
        if self.is_trusted_itself(end_entity) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(match self.chain_fault(end_entity, intermediates, &fault) {
            Some(reason) => CertificateError::Other(OtherError(Arc::new(reason))),
            None => fault,
        }))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// `verify_cert = false`: any peer is accepted as the server.
#[derive(Debug)]
pub(super) struct NoVerifier {
    pub(super) schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for NoVerifier {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
