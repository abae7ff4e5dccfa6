//! `[console.tls]` and `[report.tls]`: certificate and key of a listener for browsers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme};
use serde::Deserialize;

use super::source::Source;
use super::tls::{TlsFault, certificates, key, misfit};

/// The section as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    #[serde(default)]
    certificate: String,
    #[serde(default)]
    key: String,
}

impl Section {
    /// Every path of the section.
    pub(super) fn paths(&mut self) -> impl Iterator<Item = &mut String> {
        [&mut self.certificate, &mut self.key].into_iter()
    }
}

/// The files of the section, in PEM format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageTls {
    /// The section's name in the configuration.
    section: &'static str,
    /// The certificate, followed by the chain to its issuer.
    certificate: PathBuf,
    key: PathBuf,
}

impl PageTls {
    /// Reads and checks both files, for the listener.
    pub fn server(&self) -> Result<Arc<ServerConfig>, TlsFault> {
        let chain = certificates(&self.key("certificate"), &self.certificate)?;
        let key = key(&self.key("key"), &self.key)?;
        let fits = |error: Error| misfit(&self.key("certificate"), &self.certificate, &error);
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(fits)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(fits)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// For a client on this machine that reads the same configuration: it accepts only the certificate of the file, whatever its names.
    pub fn client(&self) -> Result<Arc<ClientConfig>, TlsFault> {
        let name = self.key("certificate");
        let chain = certificates(&name, &self.certificate)?;
        let provider = Arc::new(ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let verifier = OwnCertificate { own: chain.into_iter().next(), algorithms };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| misfit(&name, &self.certificate, &error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Arc::new(config))
    }

    /// Both paths.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        [self.certificate.as_path(), self.key.as_path()].into_iter()
    }

    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.section)
    }
}

/// Checks the section. The files are not read, because most commands do not need them.
pub(super) fn checked(source: &mut Source, name: &'static str, section: Option<&Section>) -> Option<PageTls> {
    let section = section?;
    let mut is_complete = true;
    for (key, value) in [("certificate", &section.certificate), ("key", &section.key)] {
        if value.is_empty() {
            source.fault(&format!("{name}.{key}"), "missing", "the path of a PEM file");
            is_complete = false;
        }
    }
    is_complete.then(|| PageTls {
        section: name,
        certificate: PathBuf::from(&section.certificate),
        key: PathBuf::from(&section.key),
    })
}

/// The error if a listener for browsers would send passwords or tokens over the network without TLS, and what is expected.
pub(super) fn without_tls(
    what: &str,
    listen: SocketAddr,
    tls: Option<&PageTls>,
    insecure: bool,
) -> Option<(String, &'static str)> {
    let is_open = !listen.ip().is_loopback() && tls.is_none() && !insecure;
    is_open.then(|| {
        let wrong = format!("{listen} is not a loopback address, and the {what} would be served without TLS");
        (wrong, "a section tls with certificate and key, a loopback address, or insecure = true")
    })
}

/// Accepts one certificate.
#[derive(Debug)]
struct OwnCertificate {
    own: Option<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for OwnCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.own.as_ref().is_some_and(|own| own == end_entity) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
