//! Builds what a target's TLS connections start with, from its settings and the files they name.
//!
//! Read once, before the run. Knows no socket; nothing of the TLS library shows in what it exports.
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SignatureScheme};
use z6_scenario::{Host, Scenario, Scheme, Target, TlsSettings};

use super::error::StartError;
use super::tls::Tls;
use super::tls_verify::{NoVerifier, Verifier};
use crate::regular_file;

/// Sessions a worker remembers per target.
const SESSIONS_MAX: usize = 1024;
/// Bytes of one file of certificates or keys: 16 MiB.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Labels of PEM texts shown where the one that is needed is missing.
const LABELS_SHOWN: usize = 3;
/// Bytes of one of them.
const LABEL_BYTES_SHOWN: usize = 40;
/// The environment variable that names the file of the authorities to trust.
const CERT_FILE: &str = "SSL_CERT_FILE";
/// What is offered as HTTP/1.1 (RFC 7301).
const ALPN_HTTP1: &[u8] = b"http/1.1";
/// What is offered as HTTP/2 (RFC 9113 section 3.2).
pub(super) const ALPN_HTTP2: &[u8] = b"h2";

/// TLS settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsConfigError {
    /// A file cannot be read.
    #[error("cannot read `{key}` {path}")]
    Read {
        /// The key of the scenario that names it.
        key: &'static str,
        /// Which file.
        path: PathBuf,
        /// The I/O error.
        source: io::Error,
    },
    /// A file is not what its key asks for.
    #[error("`{key}` {path} holds no {what} in PEM form, but {found}")]
    NothingIn {
        /// The key of the scenario that names it.
        key: &'static str,
        /// Which file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// The labels of what is there (RFC 7468 section 3).
        found: String,
    },
    /// A private key that needs a passphrase.
    #[error("`{key}` {path}: the private key is encrypted: decrypt it (`openssl pkey -in FILE`)")]
    Encrypted {
        /// The key of the scenario that names it.
        key: &'static str,
        /// Which file.
        path: PathBuf,
    },
    /// A file holds a certificate or key that cannot be used.
    #[error("`{key}` {path}: {reason}")]
    Unusable {
        /// The key of the scenario that names it.
        key: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the TLS library says.
        reason: String,
    },
    /// The name cannot be in a certificate.
    #[error("`{name}` is no name that a certificate could be for: set `server_name`")]
    Name {
        /// The name.
        name: String,
    },
    /// The TLS library refuses the settings.
    #[error("{reason}")]
    Refused {
        /// What it says.
        reason: String,
    },
}

impl TlsConfigError {
    /// The key of the target that is to blame, where it is one.
    #[must_use]
    pub fn key(&self) -> Option<&'static str> {
        let key = match self {
            TlsConfigError::Read { key, .. }
            | TlsConfigError::NothingIn { key, .. }
            | TlsConfigError::Encrypted { key, .. }
            | TlsConfigError::Unusable { key, .. } => Some(*key),
            TlsConfigError::Name { .. } | TlsConfigError::Refused { .. } => None,
        };
        // The environment is no part of the target.
        key.filter(|key| *key != CERT_FILE)
    }
}

/// What connections to one target begin with.
#[derive(Debug)]
pub(super) struct TlsTarget {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    client: Arc<ClientAuth>,
    resumption: bool,
}

impl TlsTarget {
    /// The same with its own sessions: workers share none.
    pub(super) fn of_worker(&self) -> TlsTarget {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = match self.resumption {
            true => Resumption::in_memory_sessions(SESSIONS_MAX),
            false => Resumption::disabled(),
        };
        TlsTarget {
            config: Arc::new(config),
            name: self.name.clone(),
            client: Arc::clone(&self.client),
            resumption: self.resumption,
        }
    }

    /// The TLS side of a new connection; none if the library cannot begin one.
    pub(super) fn open(&self) -> Option<Box<Tls>> {
        let session = ClientConnection::new(Arc::clone(&self.config), self.name.clone()).ok()?;
        Some(Box::new(Tls::new(session, Arc::clone(&self.client))))
    }
}

/// The client certificate, if there is one, and whether a server has requested any.
#[derive(Debug)]
pub(super) struct ClientAuth {
    key: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl ClientAuth {
    pub(super) fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for ClientAuth {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}

/// By target: what its connections begin with, where they begin with TLS. `folder` is what relative
/// paths start at, `authority` the certificate that signed that of the built-in target, which is not
/// known before that is started. An error holds the target's name.
pub(super) fn targets<'a>(
    scenario: &'a Scenario,
    folder: &'a Path,
    authority: Option<&'a [u8]>,
) -> impl Iterator<Item = Result<Option<TlsTarget>, StartError>> + 'a {
    scenario.targets.iter().map(move |target| {
        let authority = match target.base_url.scheme {
            Scheme::Http | Scheme::Builtin => return Ok(None),
            Scheme::Https => None,
            Scheme::BuiltinTls => authority,
        };
        prepare(target, folder, authority)
            .map(Some)
            .map_err(|source| StartError::Tls { target: target.name.clone(), source })
    })
}

fn prepare(
    target: &Target,
    folder: &Path,
    authority: Option<&[u8]>,
) -> Result<TlsTarget, TlsConfigError> {
    let settings = &target.tls;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = Arc::new(ClientAuth {
        key: client_key(settings, folder, &provider)?,
        asked: AtomicBool::new(false),
    });
    let resolver: Arc<dyn ResolvesClientCert> = Arc::<ClientAuth>::clone(&client);
    let verifier = verifier(settings, folder, authority, &provider)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(resolver);
    let offered = [
        (target.may_speak_http2(), ALPN_HTTP2), // What is preferred comes first.
        (target.may_speak_http1(), ALPN_HTTP1),
    ];
    config.alpn_protocols =
        offered.iter().filter(|(is, _)| *is).map(|(_, name)| name.to_vec()).collect();
    Ok(TlsTarget {
        config: Arc::new(config),
        name: server_name(target)?,
        client,
        resumption: settings.resumption,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "goes into map_err")]
fn refused(error: impl ToString) -> TlsConfigError {
    TlsConfigError::Refused { reason: error.to_string() }
}

fn server_name(target: &Target) -> Result<ServerName<'static>, TlsConfigError> {
    let name = match (&target.tls.server_name, &target.base_url.host) {
        (Some(name), _) | (None, Host::Name(name)) => name.clone(),
        (None, Host::V4(address)) => address.to_string(),
        (None, Host::V6(address)) => address.to_string(),
    };
    ServerName::try_from(name.clone()).map_err(|_| TlsConfigError::Name { name })
}

fn verifier(
    settings: &TlsSettings,
    folder: &Path,
    authority: Option<&[u8]>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsConfigError> {
    if !settings.verify_cert {
        let schemes = provider.signature_verification_algorithms.supported_schemes();
        return Ok(Arc::new(NoVerifier { schemes }));
    }
    let (roots, trusted) = match (&settings.ca_bundle, authority) {
        (Some(path), _) => bundle(&folder.join(path))?,
        (None, Some(authority)) => only(authority)?,
        (None, None) => machine_roots()?,
    };
    let roots = Arc::new(roots);
    let inner =
        WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(provider));
    let inner = inner.build().map_err(refused)?;
    Ok(Arc::new(Verifier::new(inner, &roots, trusted)))
}

/// Authorities that are trusted, and their certificates as far as they are at hand.
type Trust = (RootCertStore, Vec<CertificateDer<'static>>);

/// The roots of this machine; those that come with Z6 if it has none.
fn machine_roots() -> Result<Trust, TlsConfigError> {
    if let Some(path) = std::env::var_os(CERT_FILE) {
        // The library opens it whatever it is, and then skips what it cannot read.
        read(CERT_FILE, Path::new(&path))?;
    }
    let mut roots = RootCertStore::empty();
    // Certificates that cannot be used are left out, as every client does.
    let certificates = rustls_native_certs::load_native_certs().certs;
    roots.add_parsable_certificates(certificates.iter().cloned());
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Ok((roots, certificates))
}

/// One authority alone.
fn only(authority: &[u8]) -> Result<Trust, TlsConfigError> {
    let certificate = CertificateDer::from(authority.to_vec());
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).map_err(refused)?;
    Ok((roots, vec![certificate]))
}

fn bundle(path: &Path) -> Result<Trust, TlsConfigError> {
    let key = "ca_bundle";
    let mut roots = RootCertStore::empty();
    let certificates = certificates(key, path)?;
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| unusable(key, path, &error))?;
    }
    Ok((roots, certificates))
}

fn unusable(key: &'static str, path: &Path, error: &dyn std::error::Error) -> TlsConfigError {
    TlsConfigError::Unusable { key, path: path.to_owned(), reason: error.to_string() }
}

fn nothing_in(key: &'static str, path: &Path, what: &'static str, text: &[u8]) -> TlsConfigError {
    let mut labels: Vec<String> = labels(text).take(LABELS_SHOWN).collect();
    labels.dedup();
    let found = match &labels[..] {
        [] => "no PEM text at all (a DER file has to be converted)".to_owned(),
        labels => labels.join(", "),
    };
    TlsConfigError::NothingIn { key, path: path.to_owned(), what, found }
}

/// The labels of the PEM texts in a file: `CERTIFICATE` of `-----BEGIN CERTIFICATE-----`.
fn labels(text: &[u8]) -> impl Iterator<Item = String> + '_ {
    let label = |line: &[u8]| {
        let rest = line.trim_ascii().strip_prefix(b"-----BEGIN ")?;
        let label = rest.strip_suffix(b"-----")?;
        let is_label = |byte: &u8| matches!(byte, b' '..=b'~');
        let label = label.iter().copied().take(LABEL_BYTES_SHOWN).filter(is_label).collect();
        String::from_utf8(label).ok()
    };
    text.split(|byte| *byte == b'\n').filter_map(label)
}

/// Whether a private key needs a passphrase: in PKCS #8 (RFC 7468 section 11) or in the older form
/// (RFC 1421 section 4.6.1.1).
fn is_encrypted(text: &[u8]) -> bool {
    let is_marked = |line: &[u8]| {
        line.starts_with(b"Proc-Type:") && line.trim_ascii_end().ends_with(b"ENCRYPTED")
    };
    labels(text).any(|label| label == "ENCRYPTED PRIVATE KEY")
        || text.split(|byte| *byte == b'\n').any(is_marked)
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, TlsConfigError> {
    regular_file::read(path, FILE_BYTES_MAX).map_err(|source| TlsConfigError::Read {
        key,
        path: path.to_owned(),
        source,
    })
}

fn certificates(
    key: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let text = read(key, path)?;
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let parsed = parsed.map_err(|error| unusable(key, path, &error))?;
    if parsed.is_empty() {
        return Err(nothing_in(key, path, "certificate", &text));
    }
    Ok(parsed)
}

fn client_key(
    settings: &TlsSettings,
    folder: &Path,
    provider: &CryptoProvider,
) -> Result<Option<Arc<CertifiedKey>>, TlsConfigError> {
    let (Some(certificate), Some(private)) = (&settings.client_cert, &settings.client_key) else {
        return Ok(None);
    };
    let (certificate, private) = (folder.join(certificate), folder.join(private));
    let chain = certificates("client_cert", &certificate)?;
    let key = "client_key";
    let text = read(key, &private)?;
    if is_encrypted(&text) {
        return Err(TlsConfigError::Encrypted { key, path: private });
    }
    let der = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => {
            nothing_in(key, &private, "private key", &text)
        }
        other => unusable(key, &private, &other),
    })?;
    let certified = CertifiedKey::from_der(chain, der, provider);
    let certified = certified.map_err(|error| unusable(key, &private, &error))?;
    Ok(Some(Arc::new(certified)))
}
