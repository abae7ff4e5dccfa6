//! `[sip.tls]`: certificates and keys, which are read from files for connections (RFC 3261 §26.3, RFC 5922).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::sip::section::Tls as Section;

use super::identity::{CallerVerifier, TrunkVerifier};
use super::source::Source;

/// The files of `[sip.tls]`, all in PEM format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// Our certificate, followed by the chain to its issuer.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Issuers of the certificates of trunks that connect to siaga; None: no certificate is requested.
    pub client_ca: Option<PathBuf>,
    /// Issuers of the certificates of trunks to which siaga connects; None: those that the system trusts.
    pub ca: Option<PathBuf>,
}

/// The TLS settings that are built from the files.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// For connections that peers open.
    pub server: Arc<ServerConfig>,
    /// For connections that siaga opens.
    pub client: Arc<ClientConfig>,
}

/// Why a file is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {wrong}; expected: {right}")]
pub struct TlsFault {
    /// The key with its section: `sip.tls.certificate`.
    pub key: String,
    pub wrong: String,
    pub right: &'static str,
}

impl TlsFiles {
    /// Reads and checks all files.
    pub fn read(&self) -> Result<Certificates, TlsFault> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates("sip.tls.certificate", &self.certificate)?;
        let key = key("sip.tls.key", &self.key)?;
        let fits = |error: rustls::Error| misfit("sip.tls.certificate", &self.certificate, &error);
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(fits)?;
        let server = match &self.client_ca {
            None => server.with_no_client_auth(),
            Some(path) => server.with_client_cert_verifier(self.client_verifier(path, &provider)?),
        };
        let server = server.with_single_cert(chain.clone(), key.clone_key()).map_err(fits)?;
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(fits)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TrunkVerifier::new(self.issuers()?, &provider)))
            .with_client_auth_cert(chain, key)
            .map_err(fits)?;
        Ok(Certificates { server: Arc::new(server), client: Arc::new(client) })
    }

    /// Every path in the section.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref(), self.ca.as_ref()]
            .into_iter()
            .flatten()
            .map(PathBuf::as_path)
    }

    /// Requests certificates and verifies those that are sent. Phones have none and are accepted without.
    fn client_verifier(
        &self,
        path: &Path,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsFault> {
        let roots = Arc::new(store("sip.tls.client_ca", path)?);
        let servers = TrunkVerifier::new(roots.as_ref().clone(), provider);
        let clients = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))
            .allow_unauthenticated()
            .build()
            .map_err(|error| fault("sip.tls.client_ca", path, &error, "certificates of issuers in PEM"))?;
        Ok(Arc::new(CallerVerifier::new(clients, servers)))
    }

    fn issuers(&self) -> Result<RootCertStore, TlsFault> {
        if let Some(path) = &self.ca {
            return store("sip.tls.ca", path);
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Ok(roots)
    }
}

/// The certificates of a file; at least one. `key` is the key of the configuration.
pub(super) fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let right = "a file of certificates in PEM that the service may read";
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(all) if all.is_empty() => {
            let wrong = format!("{} has no certificate in it", path.display());
            Err(TlsFault { key: key.to_owned(), wrong, right })
        }
        Ok(all) => Ok(all),
        Err(error) => Err(fault(key, path, &error, right)),
    }
}

/// The private key of a file.
pub(super) fn key(key: &str, path: &Path) -> Result<PrivateKeyDer<'static>, TlsFault> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| fault(key, path, &error, "a private key in PEM that the service may read"))
}

/// The error of a certificate that does not fit its key or its use.
pub(super) fn misfit(key: &str, path: &Path, error: &rustls::Error) -> TlsFault {
    let right = "a certificate, and the key that belongs to it";
    TlsFault { key: key.to_owned(), wrong: format!("{} cannot be used: {error}", path.display()), right }
}

fn store(key: &str, path: &Path) -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(key, path)? {
        roots.add(certificate).map_err(|error| fault(key, path, &error, "certificates of issuers in PEM"))?;
    }
    Ok(roots)
}

fn fault(key: &str, path: &Path, error: &dyn std::error::Error, right: &'static str) -> TlsFault {
    TlsFault { key: key.to_owned(), wrong: format!("{} cannot be used: {error}", path.display()), right }
}

/// Checks the section. The files are not read, because commands that do not use TLS do not need them.
pub(super) fn checked(source: &mut Source, section: Option<&Section>, needed: bool) -> Option<TlsFiles> {
    let Some(section) = section else {
        if needed {
            source.fault("sip.tls", "missing, while a tls: address listens", "[sip.tls] with certificate and key");
        }
        return None;
    };
    let mut missing = false;
    for (key, value) in [("certificate", &section.certificate), ("key", &section.key)] {
        if value.is_empty() {
            source.fault(&format!("sip.tls.{key}"), "missing", "the path of a PEM file");
            missing = true;
        }
    }
    let path = |text: &Option<String>| text.as_ref().map(PathBuf::from);
    let files = TlsFiles {
        certificate: PathBuf::from(&section.certificate),
        key: PathBuf::from(&section.key),
        client_ca: path(&section.client_ca),
        ca: path(&section.ca),
    };
    (!missing).then_some(files)
}
