//! Verifies server certificates, so that each rejection has a reason; or verifies none.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use webpki::EndEntityCert;

use super::tls_error::ChainFault;

/// Verifies as RFC 5280 and RFC 9525 say, and tells apart why a chain leads nowhere.
#[derive(Debug)]
pub(super) struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    /// Names of the authorities that are trusted.
    trusted: Vec<Vec<u8>>,
}

impl Verifier {
    pub(super) fn new(inner: Arc<WebPkiServerVerifier>, roots: &RootCertStore) -> Verifier {
        let trusted = roots.roots.iter().map(|root| root.subject.as_ref().to_vec()).collect();
        Verifier { inner, trusted }
    }

    /// Why no trusted authority vouches for this chain; `None` if the chain has another fault.
    fn chain_fault(
        &self,
        end_entity: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
    ) -> Option<ChainFault> {
        let leaf = EndEntityCert::try_from(end_entity).ok()?;
        let is_trusted = |name: &[u8]| self.trusted.iter().any(|trusted| trusted == name);
        let mut wanted = leaf.issuer();
        if is_trusted(wanted) {
            return None;
        }
        if wanted == leaf.subject() {
            return Some(ChainFault::SelfSigned);
        }
        let others: Vec<_> =
            others.iter().filter_map(|other| EndEntityCert::try_from(other).ok()).collect();
        // Each step leads to another certificate, unless they go round in a circle.
        for step in 0..=others.len() {
            match others.iter().find(|other| other.subject() == wanted) {
                None if step == 0 => return Some(ChainFault::Incomplete),
                None => return Some(ChainFault::Untrusted),
                Some(issuer) if is_trusted(issuer.issuer()) => return None,
                Some(issuer) => wanted = issuer.issuer(),
            }
        }
        Some(ChainFault::Untrusted)
    }
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
        match verdict {
            // The library says Other of an authority's certificate that stands for a server.
            Err(Error::InvalidCertificate(
                fault @ (CertificateError::UnknownIssuer | CertificateError::Other(_)),
            )) => {
                Err(Error::InvalidCertificate(match self.chain_fault(end_entity, intermediates) {
                    Some(reason) => CertificateError::Other(OtherError(Arc::new(reason))),
                    None => fault,
                }))
            }
            other => other,
        }
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
