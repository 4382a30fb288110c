//! A certificate made at the start, and what TLS connections begin with.
//!
//! Owns keys and certificates; must not know sockets or HTTP. Keys are new at every start and never leave memory.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};

/// What is selected, the preferred first (RFC 7301).
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What connections of one server begin with.
#[derive(Debug)]
pub(crate) struct Identity {
    config: Arc<ServerConfig>,
    authority: CertificateDer<'static>,
    authority_pem: String,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error(transparent)]
    Certificate(#[from] rcgen::Error),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

impl Identity {
    /// An authority, and a certificate signed by it for loopback and these addresses.
    pub(crate) fn new(addresses: &[SocketAddr]) -> Result<Identity, IdentityError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "z6-target authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority_key = KeyPair::generate()?;
        let authority = params.self_signed(&authority_key)?;

        let mut params = CertificateParams::new(names(addresses))?;
        params.distinguished_name.push(DnType::CommonName, "z6-target");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &authority, &authority_key)?;

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
        let (authority_pem, authority) = (authority.pem(), authority.der().clone());
        Ok(Identity { config: Arc::new(config), authority, authority_pem })
    }

    /// The certificate of the authority, DER.
    pub(crate) fn authority(&self) -> &[u8] {
        &self.authority
    }

    /// The same as PEM.
    pub(crate) fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    /// The TLS side of a new connection; none if the library cannot begin one.
    pub(crate) fn open(&self) -> Option<ServerConnection> {
        ServerConnection::new(Arc::clone(&self.config)).ok()
    }
}

/// What the certificate is for.
fn names(addresses: &[SocketAddr]) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    for ip in addresses.iter().map(SocketAddr::ip).filter(|ip: &IpAddr| !ip.is_unspecified()) {
        let name = ip.to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
