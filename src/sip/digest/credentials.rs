//! Reads Authorization and Proxy-Authorization (RFC 7616 §3.4, RFC 3261 §22.4).

use super::algorithm::Algorithm;

/// Credentials with all values that the check needs. Values are unchanged, with quotes removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) nonce: Vec<u8>,
    pub(super) uri: Vec<u8>,
    pub(super) algorithm: Algorithm,
    pub(super) qop: Vec<u8>,
    pub(super) cnonce: Vec<u8>,
    pub(super) nc: u32,
    /// The count as the phone wrote and hashed it.
    pub(super) nc_text: Vec<u8>,
    /// In lower case, with the length of the algorithm's hash.
    pub(super) response: String,
}

/// The result of the search for credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Ours(Credentials),
    /// No credentials, or for another scheme, realm or algorithm.
    None,
    Malformed,
}

/// Searches the header fields for credentials of our realm.
pub(super) fn find<'m>(mut fields: impl Iterator<Item = &'m [u8]>, realm: &str) -> Found {
    fields
        .find_map(|value| match read(value, realm) {
            Found::None => None,
            found @ (Found::Ours(_) | Found::Malformed) => Some(found),
        })
        .unwrap_or(Found::None)
}

fn read(value: &[u8], realm: &str) -> Found {
    let scheme = value.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    if !scheme.eq_ignore_ascii_case(b"Digest") {
        return Found::None;
    }
    let Some(params) = Parameters::read(value.get(scheme.len()..).unwrap_or_default()) else { return Found::Malformed };
    match params.get("realm") {
        Some(theirs) if theirs == realm.as_bytes() => {}
        Some(_) => return Found::None,
        None => return Found::Malformed,
    }
    let algorithm = match params.get("algorithm") {
        None => Algorithm::Md5,
        Some(name) if name.eq_ignore_ascii_case(b"MD5") => Algorithm::Md5,
        Some(name) if name.eq_ignore_ascii_case(b"SHA-256") => Algorithm::Sha256,
        Some(_) => return Found::None,
    };
    params.credentials(algorithm).map_or(Found::Malformed, Found::Ours)
}

/// `name=value` and `name="value"`, names in lower case.
pub(super) struct Parameters(Vec<(String, Vec<u8>)>);

/// Maximum parameters of one header field; more than any client uses. It limits the work.
const PARAMETERS_MAX: usize = 32;

impl Parameters {
    /// None if the text is no comma-separated list of parameters, or contains one twice.
    pub(super) fn read(mut text: &[u8]) -> Option<Self> {
        let mut found: Vec<(String, Vec<u8>)> = Vec::new();
        loop {
            text = text.trim_ascii_start();
            match text {
                [] => return Some(Self(found)),
                [b',', rest @ ..] => {
                    text = rest;
                    continue;
                }
                _ => {}
            }
            let (name, rest) = text.split_at_checked(text.iter().position(|b| *b == b'=')?)?;
            let name = std::str::from_utf8(name.trim_ascii_end()).ok()?.to_ascii_lowercase();
            let (value, rest) = read_value(rest.get(1..)?.trim_ascii_start())?;
            let rest = rest.trim_ascii_start();
            let separated = matches!(rest, [] | [b',', ..]);
            if !separated || found.len() == PARAMETERS_MAX || found.iter().any(|(other, _)| *other == name) {
                return None;
            }
            found.push((name, value));
            text = rest;
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_slice())
    }

    fn credentials(&self, algorithm: Algorithm) -> Option<Credentials> {
        let bytes = |name| self.get(name).filter(|value| !value.is_empty()).map(<[u8]>::to_vec);
        let nc_text = bytes("nc")?;
        let digits = std::str::from_utf8(&nc_text).ok()?;
        let hexadecimal = digits.bytes().all(|b| b.is_ascii_hexdigit());
        let nc = u32::from_str_radix(digits, 16).ok().filter(|nc| hexadecimal && *nc > 0)?;
        let qop = bytes("qop").filter(|qop| qop.eq_ignore_ascii_case(b"auth"))?;
        let response = String::from_utf8(bytes("response")?).ok()?.to_ascii_lowercase();
        let digits = match algorithm {
            Algorithm::Md5 => 32,
            Algorithm::Sha256 => 64,
        };
        if response.len() != digits || !response.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        Some(Credentials {
            user: String::from_utf8(bytes("username")?).ok()?,
            nonce: bytes("nonce")?,
            uri: bytes("uri")?,
            algorithm,
            qop,
            cnonce: bytes("cnonce")?,
            nc,
            nc_text,
            response,
        })
    }
}

/// One value and the text after it. None if a quoted string is not closed, or a quote is inside an unquoted value.
fn read_value(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let [b'"', quoted @ ..] = text else {
        let end = text.iter().position(|b| *b == b',' || b.is_ascii_whitespace()).unwrap_or(text.len());
        let (value, rest) = text.split_at_checked(end)?;
        return (!value.contains(&b'"')).then(|| (value.to_vec(), rest));
    };
    let mut value = Vec::new();
    let mut bytes = quoted.iter();
    loop {
        match bytes.next()? {
            b'"' => return Some((value, bytes.as_slice())),
            b'\\' => value.push(*bytes.next()?),
            byte => value.push(*byte),
        }
    }
}
