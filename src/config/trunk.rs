//! `[[trunk]]`: the settings of a trunk, except its addresses, which `network` checks.

use std::path::Path;
use std::time::Duration;

use crate::limits::CALLED_PREFIXES_MAX;
use crate::sip::digest::client::Identity;
use crate::sip::number::NumberFormat;
use crate::sip::sdp::{AudioCodec, Formats};
use crate::sip::uri::Uri;
use crate::switchboard::{Network, Registration, TrunkSettings, is_prefix};

use super::section;
use super::source::Source;

/// Checks the settings of one trunk. `media`: the networks of its media gateways.
pub(super) fn terms(source: &mut Source, i: usize, section: &section::Trunk, media: Vec<Network>) -> TrunkSettings {
    let key = |field: &str| format!("trunk[{i}].{field}");
    for (field, value) in [("down_after", section.down_after), ("up_after", section.up_after)] {
        if !(1..=100).contains(&value) {
            source.fault(&key(field), value.to_string(), "1 to 100 keep-alives");
        }
    }
    let country = section.country.as_str();
    if country.len() > 3 || !country.bytes().all(|b| b.is_ascii_digit()) || country.starts_with('0') {
        source.fault(&key("country"), format!("{country:?} is not a country code"), "\"62\": 1 to 3 digits without +");
    }
    for prefix in section.called.iter().filter(|prefix| !is_prefix(prefix)) {
        let wrong = format!("{prefix:?} is not a prefix of called numbers");
        source.fault(&key("called"), wrong, "[\"+62\", \"0725\"]: up to 15 digits, \"+\" only in front");
    }
    if section.called.len() > CALLED_PREFIXES_MAX {
        let wrong = format!("{} prefixes", section.called.len());
        source.fault(&key("called"), wrong, format!("at most {CALLED_PREFIXES_MAX}"));
    }
    let identity = identity(source, i, section);
    TrunkSettings {
        priority: section.priority,
        max_calls: section.max_calls,
        register: registration(source, i, section, identity.as_ref()),
        identity,
        number_format: number_format(source, &key("number_format"), section),
        country: section.country.clone(),
        called: section.called.clone(),
        down_after: section.down_after,
        up_after: section.up_after,
        media,
        formats: Formats::new(&codecs(source, &key("codecs"), &section.codecs), dtmf(source, i, section)),
    }
}

fn identity(source: &mut Source, i: usize, section: &section::Trunk) -> Option<Identity> {
    let (user, path) = match (&section.username, &section.password_file) {
        (None, None) => return None,
        (Some(user), Some(path)) => (user, path),
        (Some(_), None) | (None, Some(_)) => {
            let right = "both, or neither";
            source.fault(&format!("trunk[{i}].username"), "username and password_file go together", right);
            return None;
        }
    };
    let key = format!("trunk[{i}].password_file");
    match std::fs::read_to_string(Path::new(path)) {
        Ok(text) => {
            let password = text.lines().next().unwrap_or_default().trim().to_owned();
            if password.is_empty() {
                let wrong = if text.trim().is_empty() { "is empty" } else { "has an empty first line" };
                source.fault(&key, format!("{path} {wrong}"), "a file with the password in its first line");
                return None;
            }
            Some(Identity { user: user.clone(), password })
        }
        Err(error) => {
            source.fault(&key, format!("{path} cannot be read: {error}"), "a file that only the service may read");
            None
        }
    }
}

fn registration(
    source: &mut Source,
    i: usize,
    section: &section::Trunk,
    identity: Option<&Identity>,
) -> Option<Registration> {
    if !section.register {
        return None;
    }
    let key = format!("trunk[{i}].register");
    if section.uri.is_none() || section.username.is_none() {
        source.fault(&key, "true, without uri or username", "uri = \"sip:ADDRESS\" and username, or register = false");
    }
    if !(60..=86_400).contains(&section.register_expires_seconds) {
        let value = section.register_expires_seconds.to_string();
        source.fault(&format!("trunk[{i}].register_expires_seconds"), value, "60 to 86400 seconds");
    }
    let registrar = section.registrar.clone().or_else(|| section.uri.clone())?;
    let host = match Uri::parse(registrar.as_bytes()) {
        Ok(Uri::Sip(uri)) if uri.user.is_none() => registrar.strip_prefix("sip:")?.to_owned(),
        Ok(_) | Err(_) => {
            let wrong = format!("{registrar:?} is not the URI of a registrar");
            source.fault(&format!("trunk[{i}].registrar"), wrong, "\"sip:telco.example\", without a user");
            return None;
        }
    };
    let aor = format!("sip:{}@{host}", identity?.user);
    Some(Registration { registrar, aor, expires: Duration::from_secs(section.register_expires_seconds) })
}

fn number_format(source: &mut Source, key: &str, section: &section::Trunk) -> NumberFormat {
    let format = section.number_format.as_str();
    let country = section.country.as_str();
    match format {
        "as-dialled" => return NumberFormat::AsDialled,
        "0" if !country.is_empty() => return NumberFormat::National,
        _ if !country.is_empty() && format == country => return NumberFormat::Country,
        _ if !country.is_empty() && format.strip_prefix('+') == Some(country) => return NumberFormat::Plus,
        _ => {}
    }
    let right = "\"as-dialled\", or with country = \"62\" also \"+62\", \"62\" or \"0\"";
    source.fault(key, format!("{format:?} is not a format of this trunk"), right);
    NumberFormat::AsDialled
}

fn dtmf(source: &mut Source, i: usize, section: &section::Trunk) -> Option<u8> {
    let number = section.dtmf_payload_type;
    if !(96..=127).contains(&number) {
        let key = format!("trunk[{i}].dtmf_payload_type");
        source.fault(&key, number.to_string(), "96 to 127, the numbers that are not given to a codec (RFC 3551 §6)");
    }
    match section.dtmf {
        section::DtmfName::Rtp => Some(number),
        section::DtmfName::Info => None,
    }
}

fn codecs(source: &mut Source, key: &str, names: &[String]) -> Vec<AudioCodec> {
    let mut codecs = Vec::new();
    for name in names {
        match name.as_str() {
            "PCMA" => codecs.push(AudioCodec::Pcma),
            "PCMU" => codecs.push(AudioCodec::Pcmu),
            _ => source.fault(key, format!("{name:?} is not a codec of ours"), "[\"PCMA\", \"PCMU\"]"),
        }
    }
    codecs
}
