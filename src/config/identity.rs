//! The names that a certificate verifies in SIP (RFC 5922 §7), and the check of trunks' certificates.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use webpki::EndEntityCert;

use crate::sip::certificate::{domains, is_same};

/// True if a certificate, whose issuer has been checked, is valid for a domain or an address.
pub fn proves(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let Ok(parsed) = EndEntityCert::try_from(certificate) else { return false };
    if domains(parsed.valid_uri_names(), parsed.valid_dns_names()).iter().any(|domain| is_same(domain, name)) {
        return true;
    }
    // RFC 5922 covers domains only; a trunk without a name must verify the address at which it was configured.
    let address = ServerName::try_from(name).ok().filter(|name| matches!(name, ServerName::IpAddress(_)));
    let parsed = ParsedCertificate::try_from(certificate).ok();
    address.zip(parsed).is_some_and(|(address, parsed)| verify_server_name(&parsed, &address).is_ok())
}

/// Accepts certificates of certain issuers that are valid for the domain of the connection. Unlike on the web, a wildcard matches no
/// domain.
#[derive(Debug)]
pub(super) struct TrunkVerifier {
    issuers: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
}

impl TrunkVerifier {
    pub(super) fn new(issuers: RootCertStore, provider: &CryptoProvider) -> Self {
        Self { issuers, algorithms: provider.signature_verification_algorithms }
    }

    /// Checks everything except the name.
    fn verify_issuer(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let (issuers, algorithms) = (&self.issuers, self.algorithms.all);
        verify_server_cert_signed_by_trust_anchor(&parsed, issuers, intermediates, now, algorithms)
    }
}

/// Verifies certificates of trunks that connect. An SBC often has a certificate for servers only (extended key usage serverAuth
/// without clientAuth). It is accepted too: what the SBC may do depends only on the name in the certificate.
#[derive(Debug)]
pub(super) struct CallerVerifier {
    clients: Arc<dyn ClientCertVerifier>,
    servers: TrunkVerifier,
}

impl CallerVerifier {
    pub(super) fn new(clients: Arc<dyn ClientCertVerifier>, servers: TrunkVerifier) -> Self {
        Self { clients, servers }
    }
}

impl ClientCertVerifier for CallerVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.clients.root_hint_subjects()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.clients.client_auth_mandatory()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.clients.verify_client_cert(end_entity, intermediates, now);
        match &verified {
            Err(Error::InvalidCertificate(
                CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. },
            )) => {
                self.servers.verify_issuer(end_entity, intermediates, now)?;
                Ok(ClientCertVerified::assertion())
            }
            Ok(_) | Err(_) => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.clients.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.clients.supported_verify_schemes()
    }
}

impl ServerCertVerifier for TrunkVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify_issuer(end_entity, intermediates, now)?;
        match proves(end_entity, &server_name.to_str()) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::NotValidForName.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
