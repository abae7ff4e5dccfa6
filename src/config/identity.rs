//! Who a certificate speaks for in SIP (RFC 5922 §7), and the check of those that trunks show when we connect.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use webpki::EndEntityCert;

use crate::sip::certificate::{domains, is_same};

/// True when a certificate, whose issuer has been checked, speaks for a domain or an address.
pub fn proves(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let Ok(parsed) = EndEntityCert::try_from(certificate) else { return false };
    if domains(parsed.valid_uri_names(), parsed.valid_dns_names()).iter().any(|domain| is_same(domain, name)) {
        return true;
    }
    // RFC 5922 knows domains only; a trunk without a name proves the address at which it was configured.
    let address = ServerName::try_from(name).ok().filter(|name| matches!(name, ServerName::IpAddress(_)));
    let parsed = ParsedCertificate::try_from(certificate).ok();
    address.zip(parsed).is_some_and(|(address, parsed)| verify_server_name(&parsed, &address).is_ok())
}

/// Believes certificates of certain issuers that speak for the domain which is called. Other than in the web, a wildcard speaks for
/// nobody.
#[derive(Debug)]
pub(super) struct TrunkVerifier {
    issuers: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
}

impl TrunkVerifier {
    pub(super) fn new(issuers: RootCertStore, provider: &CryptoProvider) -> Self {
        Self { issuers, algorithms: provider.signature_verification_algorithms }
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
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let (issuers, algorithms) = (&self.issuers, self.algorithms.all);
        verify_server_cert_signed_by_trust_anchor(&parsed, issuers, intermediates, now, algorithms)?;
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
