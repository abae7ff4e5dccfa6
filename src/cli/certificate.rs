//! `siaga certificate`: a site's own certificate authority, and certificates of it for the pages.

use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::ToSpan as _;
use jiff::civil::Date;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use crate::store::access;

use super::output::print_line;

/// The name of the authority in browsers.
const AUTHORITY: &str = "siaga site CA";
/// Browsers accept no server certificate that is valid for longer.
const SERVER_DAYS: i64 = 825;
const AUTHORITY_DAYS: i64 = 3_650;

#[derive(Debug, clap::Args)]
pub(super) struct CertificateArguments {
    /// The names and addresses by which browsers reach the pages: `siaga.kota.go.id`, `10.0.0.5`.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// The folder of the files: ca.pem and ca.key (made once, and kept), server.pem and server.key.
    #[arg(long, value_name = "FOLDER", default_value = "config/tls")]
    dir: PathBuf,
}

/// Makes the authority if it is missing, and a certificate of it.
pub(super) fn certificate(arguments: &CertificateArguments) -> anyhow::Result<()> {
    let CertificateArguments { names, dir } = arguments;
    let now = crate::server::clock::wall_now();
    let today = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::from_millisecond(now.as_millis())?).date();
    access::make_folder(dir).with_context(|| format!("the folder {} cannot be created", dir.display()))?;
    let (authority, is_new) = Authority::open(dir, today)?;
    let days = authority.make(names, dir, today)?;
    let file = |name: &str| dir.join(name).display().to_string();
    if is_new {
        print_line!("{}: the new certificate authority, for the browsers of every PC", file("ca.pem"));
        print_line!("{}: its key. Keep it elsewhere: who has it can make certificates for any name", file("ca.key"));
    }
    print_line!("{} and {}: for {}, valid for {days} days", file("server.pem"), file("server.key"), names.join(", "));
    print_line!("docs/install/tls.md describes the configuration, and how to install ca.pem on a PC.");
    Ok(())
}

/// The authority of the site.
struct Authority {
    pem: String,
    key: KeyPair,
}

impl Authority {
    /// Reads the authority of a folder, or makes it; true if it is new.
    fn open(dir: &Path, today: Date) -> anyhow::Result<(Self, bool)> {
        let (pem, key) = (dir.join("ca.pem"), dir.join("ca.key"));
        match (pem.exists(), key.exists()) {
            (true, true) => {
                let text = |path: &Path| {
                    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
                };
                let key = KeyPair::from_pem(&text(&key)?).with_context(|| {
                    format!("{} cannot be used; expected: the key that siaga certificate has made", key.display())
                })?;
                Ok((Self { pem: text(&pem)?, key }, false))
            }
            (false, false) => {
                let new_key = KeyPair::generate()?;
                let authority = Self { pem: params(today)?.self_signed(&new_key)?.pem(), key: new_key };
                write(&key, &authority.key.serialize_pem())?;
                write(&pem, &authority.pem)?;
                Ok((authority, true))
            }
            (has_pem, _) => {
                let (there, missing) = if has_pem { (pem, key) } else { (key, pem) };
                bail!(
                    "{} exists without {}; expected: both files of the authority, or another --dir",
                    there.display(),
                    missing.display()
                )
            }
        }
    }

    /// Makes a certificate for names and addresses, and writes it with its key. Returns for how many days it is valid.
    fn make(&self, names: &[String], dir: &Path, today: Date) -> anyhow::Result<i64> {
        for name in names {
            if name.parse::<IpAddr>().is_err() && ServerName::try_from(name.as_str()).is_err() {
                bail!("{name:?} is not a name; expected: siaga.kota.go.id or 10.0.0.5, without port and https://");
            }
        }
        let mut server = CertificateParams::new(names)?;
        server.distinguished_name = rcgen::DistinguishedName::new();
        server.distinguished_name.push(DnType::CommonName, names.first().map_or("", String::as_str));
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        set_validity(&mut server, today, SERVER_DAYS)?;
        let key = KeyPair::generate()?;
        let made = server.signed_by(&key, &Issuer::new(params(today)?, &self.key))?;
        self.check(made.der(), names)?;
        // A service that looks at the files between the two keeps its old certificate until both are there.
        write(&dir.join("server.key"), &key.serialize_pem())?;
        write(&dir.join("server.pem"), &made.pem())?;
        Ok(SERVER_DAYS)
    }

    /// Checks that browsers with ca.pem accept the certificate: it may be that of another authority with the same file name.
    fn check(&self, certificate: &CertificateDer<'_>, names: &[String]) -> anyhow::Result<()> {
        let expected = "expected: the authority that siaga certificate has made, or another --dir";
        let now_ms = u64::try_from(crate::server::clock::wall_now().as_millis()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(Duration::from_millis(now_ms));
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(self.pem.as_bytes()).ok();
        let is_added = authority.is_some_and(|authority| roots.add(authority).is_ok());
        anyhow::ensure!(is_added, "ca.pem cannot be used; {expected}");
        let provider = std::sync::Arc::new(ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build()?;
        for name in names {
            verifier
                .verify_server_cert(certificate, &[], &ServerName::try_from(name.as_str())?, &[], now)
                .with_context(|| format!("ca.pem is the certificate of another authority; {expected}"))?;
        }
        Ok(())
    }
}

/// The same for a new authority and for one that was read: an issuer's name and key identify it.
fn params(today: Date) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, AUTHORITY);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, today, AUTHORITY_DAYS)?;
    Ok(params)
}

/// Valid from yesterday on, because the clock of a PC may be late.
fn set_validity(params: &mut CertificateParams, today: Date, days: i64) -> anyhow::Result<()> {
    let date = |day: Date| -> anyhow::Result<_> {
        let (year, month, day) = (day.year(), day.month(), day.day());
        Ok(rcgen::date_time_ymd(i32::from(year), u8::try_from(month)?, u8::try_from(day)?))
    };
    params.not_before = date(today.checked_sub(1.days())?)?;
    params.not_after = date(today.checked_add((days - 1).days())?)?;
    Ok(())
}

/// Writes a file that only this user may read, as a whole or not at all.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let written = || -> std::io::Result<()> {
        let mut file = access::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    written().with_context(|| format!("{} cannot be written", path.display()))
}
