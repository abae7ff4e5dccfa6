//! Session descriptions (RFC 8866, RFC 3264), as far as one audio stream needs them. Lenient: an unreadable line is skipped, because an
//! invalid `o=` or a Latin-1 session name must not end an emergency call.

mod formats;
mod stream_positions;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::limits::{CRYPTO_LINES_MAX, MEDIA_LINES_MAX};

pub use self::formats::Formats;
pub use self::stream_positions::StreamPositions;
use super::sdes::{CryptoLine, SrtpPolicy, Terms};

#[cfg(test)]
pub(in crate::sip) mod tests;

/// The description cannot be used: 488 (or 400 if it is not SDP at all).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    #[error("not a session description (RFC 8866)")]
    Malformed,
    #[error("no audio stream over RTP/AVP or RTP/SAVP")]
    NoAudio,
    #[error("no key in common for SRTP: a=crypto with AES_CM_128_HMAC_SHA1_80 or _32 is needed")]
    NoCrypto,
    #[error("the service has no media address of the family of the audio stream's address")]
    OtherFamily,
    #[error("no codec in common: PCMA (8) or PCMU (0) is needed")]
    NoCodec,
}

impl SdpError {
    /// The value of the 488's Warning header (RFC 3261 §20.43).
    pub const fn warning(self) -> &'static [u8] {
        match self {
            Self::Malformed => b"399 siaga \"The session description cannot be read\"",
            Self::NoAudio => b"304 siaga \"Media type not available: audio over RTP/AVP or RTP/SAVP is needed\"",
            Self::NoCrypto => b"399 siaga \"No SRTP key in common: AES_CM_128_HMAC_SHA1_80 or _32 is needed\"",
            Self::OtherFamily => b"301 siaga \"Incompatible network address formats\"",
            Self::NoCodec => b"305 siaga \"Incompatible media format: PCMA or PCMU is needed\"",
        }
    }
}

/// The G.711 codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum AudioCodec {
    /// Payload type 8.
    Pcma,
    /// Payload type 0.
    Pcmu,
}

impl AudioCodec {
    /// Both codecs, A-law first, which the trunks of this country use.
    pub const ALL: [Self; 2] = [Self::Pcma, Self::Pcmu];

    /// The encoding's name in `a=rtpmap` (RFC 3551 §6).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
        }
    }

    /// The static payload type (RFC 3551 §6).
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcma => 8,
            Self::Pcmu => 0,
        }
    }
}

/// The tag of the key in our offers.
const OFFERED_TAG: u32 = 1;

/// The direction of media (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    /// The same stream seen from its other end (RFC 3264 §6.1).
    #[must_use]
    pub const fn mirrored(self) -> Self {
        match self {
            Self::SendRecv => Self::SendRecv,
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            Self::Inactive => Self::Inactive,
        }
    }

    /// The attribute's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    fn read(name: &str) -> Option<Self> {
        let all = [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive];
        all.into_iter().find(|direction| name.eq_ignore_ascii_case(direction.name()))
    }
}

/// A peer's description of its audio stream, with everything that an answer must repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioDescription {
    /// The address for RTP. The unspecified address if the description has no readable one.
    pub rtp: SocketAddr,
    /// The address for RTCP: `a=rtcp` (RFC 3605) or the next port.
    pub rtcp: SocketAddr,
    /// Its G.711 codecs with their payload types, in its order.
    pub codecs: Vec<(AudioCodec, u8)>,
    /// Payload type of telephone-event/8000 (RFC 4733).
    pub dtmf: Option<u8>,
    /// An old-style hold address (0.0.0.0) reads as `SendOnly`.
    pub direction: Direction,
    /// `a=ptime`, milliseconds.
    pub ptime_ms: Option<u16>,
    /// `a=rtcp-mux` was offered.
    pub rtcp_mux: bool,
    /// The profile is RTP/SAVP or RTP/SAVPF.
    pub secure: bool,
    /// The usable `a=crypto` lines, in the peer's order (RFC 4568). Not empty if `secure`.
    pub crypto: Vec<CryptoLine>,
    /// Every m-line in order: (media, port, proto, formats); the index of the audio line that is used.
    pub lines: Vec<MediaLine>,
    pub audio_index: usize,
    /// The value of `t=`, which an answer repeats (RFC 3264 §6).
    pub time: String,
}

/// One m-line, unchanged, to be repeated with port 0 if it is rejected (RFC 3264 §6).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MediaLine {
    pub media: String,
    pub port: u16,
    pub proto: String,
    pub formats: String,
}

/// Reads the first usable audio stream of a description: RTP with a port, a G.711 codec and, for RTP/SAVP, a key.
pub fn read(body: &[u8]) -> Result<AudioDescription, SdpError> {
    read_for(body, |_| true)
}

/// Like `read`, but only streams with a reachable address, that is, of the family of one of our media addresses. The streams of one
/// description may have different addresses (RFC 4091).
pub fn read_for(body: &[u8], reachable: impl Fn(IpAddr) -> bool) -> Result<AudioDescription, SdpError> {
    let reading = Reading::of(body)?;
    reading.finish(reachable)
}

/// Answers an offer without audio by rejecting all of its lines. Their positions are kept for our own offer (RFC 3264 §5, §6).
pub fn refuse_all(body: &[u8], local: Local) -> Result<(Vec<u8>, StreamPositions), SdpError> {
    let reading = Reading::of(body)?;
    let mut text = session_part(local, &reading.time());
    let places = StreamPositions::of_refused(reading.media.into_iter().map(|(line, _)| line).collect());
    places.write_before(&mut text);
    Ok((text.into_bytes(), places))
}

impl Reading {
    fn of(body: &[u8]) -> Result<Self, SdpError> {
        let mut reading = Self::default();
        let mut recognised = false;
        for line in body.split(|byte| matches!(byte, b'\r' | b'\n')) {
            let Some((&kind, rest)) = line.split_first() else { continue };
            let Some(value) = rest.strip_prefix(b"=") else { continue };
            recognised |= matches!(kind, b'v' | b'm');
            reading.take(kind, String::from_utf8_lossy(value).trim());
        }
        if recognised { Ok(reading) } else { Err(SdpError::Malformed) }
    }

    /// The value of `t=` if it is valid in an answer, else `0 0`.
    fn time(&self) -> String {
        let usable =
            |time: &&String| !time.is_empty() && time.bytes().all(|byte| byte == b' ' || byte.is_ascii_digit());
        self.time.as_ref().filter(usable).cloned().unwrap_or_else(|| "0 0".to_owned())
    }
}

/// Our side of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Local {
    /// The media address in the description.
    pub address: IpAddr,
    pub port: u16,
    /// The session id in `o=`; constant for a leg.
    pub session: u64,
    /// The version in `o=`; increases by one when the description changes.
    pub version: u64,
    pub terms: Terms,
    pub formats: Formats,
}

/// Writes an offer: the leg's codecs, or both with `first` in front; telephone-event if digits are sent in RTP; ptime 20; RTP/SAVP with
/// our key if the leg's terms require it. In an existing call, rejected lines keep their positions.
pub fn write_offer(local: Local, first: AudioCodec, direction: Direction, places: &StreamPositions) -> Vec<u8> {
    let codecs = local.formats.offered(first);
    let dtmf = local.formats.dtmf();
    let mut text = session_part(local, "0 0");
    let crypto = match local.terms.srtp_policy {
        SrtpPolicy::AsOffered => None,
        SrtpPolicy::Wanted | SrtpPolicy::Required => Some(local.terms.line(OFFERED_TAG)),
    };
    let proto = if crypto.is_some() { "RTP/SAVP" } else { "RTP/AVP" };
    let stream = Stream { port: local.port, proto, codecs: &codecs, dtmf, direction, crypto };
    places.write_before(&mut text);
    write_audio(&mut text, &stream);
    places.write_after(&mut text);
    text.into_bytes()
}

/// The content of one of our m-lines.
pub(super) struct Stream<'a> {
    pub(super) port: u16,
    pub(super) proto: &'a str,
    pub(super) codecs: &'a [(AudioCodec, u8)],
    pub(super) dtmf: Option<u8>,
    pub(super) direction: Direction,
    pub(super) crypto: Option<CryptoLine>,
}

/// Everything before the first m-line.
pub(super) fn session_part(local: Local, time: &str) -> String {
    let Local { address, session, version, .. } = local;
    let family = if address.is_ipv4() { "IP4" } else { "IP6" };
    format!("v=0\r\no=- {session} {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt={time}\r\n")
}

/// The m-line of our audio with its attributes.
pub(super) fn write_audio(text: &mut String, stream: &Stream<'_>) {
    let mut formats = String::new();
    let mut maps = String::new();
    for (codec, payload_type) in stream.codecs {
        push(&mut formats, format_args!(" {payload_type}"));
        push(&mut maps, format_args!("a=rtpmap:{payload_type} {}/8000\r\n", codec.name()));
    }
    if let Some(dtmf) = stream.dtmf {
        push(&mut formats, format_args!(" {dtmf}"));
        push(&mut maps, format_args!("a=rtpmap:{dtmf} telephone-event/8000\r\na=fmtp:{dtmf} 0-15\r\n"));
    }
    let direction = stream.direction.name();
    push(
        text,
        format_args!("m=audio {} {}{formats}\r\n{maps}a=ptime:20\r\na={direction}\r\n", stream.port, stream.proto),
    );
    if let Some(line) = &stream.crypto {
        text.push_str(&line.text());
    }
}

/// Appends to a string, which cannot fail.
pub(super) fn push(text: &mut String, piece: std::fmt::Arguments<'_>) {
    text.write_fmt(piece).unwrap_or_default();
}

/// The content of the lines so far.
#[derive(Default)]
struct Reading {
    time: Option<String>,
    session: Level,
    media: Vec<(MediaLine, Level)>,
    /// m-lines beyond the limit: their attributes are ignored.
    over: bool,
}

/// Values that can occur at session level and again at media level.
#[derive(Default)]
struct Level {
    address: Option<IpAddr>,
    direction: Option<Direction>,
    rtcp: Option<(u16, Option<IpAddr>)>,
    rtcp_mux: bool,
    crypto: Vec<CryptoLine>,
    ptime_ms: Option<u16>,
    /// `a=rtpmap`, by payload type.
    maps: Vec<(u8, Encoding)>,
}

/// The encodings that are distinguished.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Audio(AudioCodec),
    Dtmf,
    Foreign,
}

impl Reading {
    fn take(&mut self, kind: u8, value: &str) {
        match kind {
            b'm' if self.media.len() < MEDIA_LINES_MAX => self.media.push((media_line(value), Level::default())),
            b'm' => self.over = true,
            b't' if self.time.is_none() => self.time = Some(value.to_owned()),
            b'c' | b'a' if !self.over => {
                let level = self.media.last_mut().map_or(&mut self.session, |(_, level)| level);
                if kind == b'c' { level.take_connection(value) } else { level.take_attribute(value) }
            }
            _ => {}
        }
    }

    fn finish(self, reachable: impl Fn(IpAddr) -> bool) -> Result<AudioDescription, SdpError> {
        let mut fault = SdpError::NoAudio;
        let mut found = None;
        for (index, (line, level)) in self.media.iter().enumerate() {
            let audio = audio(&self.session, line, level);
            let elsewhere = |ip: IpAddr| !ip.is_unspecified() && !reachable(ip);
            match audio.and_then(|audio| if elsewhere(audio.rtp.ip()) { Err(SdpError::OtherFamily) } else { Ok(audio) })
            {
                Ok(audio) => {
                    found = Some((index, audio));
                    break;
                }
                Err(why) if fault == SdpError::NoAudio => fault = why,
                Err(_) => {}
            }
        }
        let (audio_index, audio) = found.ok_or(fault)?;
        let time = self.time();
        let lines = self.media.into_iter().map(|(line, _)| line).collect();
        Ok(AudioDescription { lines, audio_index, time, ..audio })
    }
}

impl Level {
    fn take_connection(&mut self, value: &str) {
        if self.address.is_none() {
            self.address = connection(value);
        }
    }

    fn take_attribute(&mut self, attribute: &str) {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        let (name, value) = (name.trim(), value.trim());
        if let Some(direction) = Direction::read(name) {
            self.direction = Some(direction);
        } else if name.eq_ignore_ascii_case("rtpmap") {
            // At most 128 payload types exist; the first mapping of each is used.
            if let Some((payload_type, encoding)) = rtpmap(value)
                && !self.maps.iter().any(|(known, _)| *known == payload_type)
            {
                self.maps.push((payload_type, encoding));
            }
        } else if name.eq_ignore_ascii_case("ptime") {
            let digits = value.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            self.ptime_ms = digits.parse().ok().filter(|ms| *ms > 0);
        } else if name.eq_ignore_ascii_case("rtcp") {
            // RFC 3605 §2.1: a port, and optionally an address as in c=.
            let (port, address) = value.split_once(' ').unwrap_or((value, ""));
            self.rtcp = port.parse().ok().filter(|port| *port != 0).map(|port| (port, connection(address)));
        } else if name.eq_ignore_ascii_case("rtcp-mux") {
            self.rtcp_mux = true;
        } else if name.eq_ignore_ascii_case("crypto") && self.crypto.len() < CRYPTO_LINES_MAX {
            self.crypto.extend(CryptoLine::parse(value));
        }
    }

    fn encoding(&self, payload_type: u8) -> Encoding {
        let mapped = self.maps.iter().find(|(known, _)| *known == payload_type).map(|(_, encoding)| *encoding);
        let fixed = AudioCodec::ALL.into_iter().find(|codec| codec.payload_type() == payload_type);
        mapped.or(fixed.map(Encoding::Audio)).unwrap_or(Encoding::Foreign)
    }

    /// The G.711 codecs of an m-line. A mapping overrides a static payload type if another codec can be used; otherwise the static
    /// payload type counts, whatever name the mapping has (RFC 3551 §6).
    fn codecs(&self, formats: &str) -> Vec<(AudioCodec, u8)> {
        let mut codecs: Vec<(AudioCodec, u8)> = Vec::new();
        for payload_type in formats.split_whitespace().filter_map(payload_type) {
            if let Encoding::Audio(codec) = self.encoding(payload_type)
                && !codecs.iter().any(|(known, _)| *known == codec)
            {
                codecs.push((codec, payload_type));
            }
        }
        if codecs.is_empty() {
            let fixed = |number| AudioCodec::ALL.into_iter().find(|codec| codec.payload_type() == number);
            let listed = formats.split_whitespace().filter_map(payload_type);
            codecs.extend(listed.filter_map(|number| Some((fixed(number)?, number))));
            codecs.dedup();
        }
        codecs
    }
}

/// One m-line as a usable audio stream.
fn audio(session: &Level, line: &MediaLine, level: &Level) -> Result<AudioDescription, SdpError> {
    let is = |proto: &str| line.proto.eq_ignore_ascii_case(proto);
    let secure = is("RTP/SAVP") || is("RTP/SAVPF");
    let usable = secure || is("RTP/AVP") || is("RTP/AVPF");
    if !line.media.eq_ignore_ascii_case("audio") || line.port == 0 || !usable {
        return Err(SdpError::NoAudio);
    }
    let codecs = level.codecs(&line.formats);
    let mut listed = line.formats.split_whitespace().filter_map(payload_type);
    let dtmf = listed.find(|number| level.encoding(*number) == Encoding::Dtmf);
    if codecs.is_empty() {
        return Err(SdpError::NoCodec);
    }
    if secure && level.crypto.is_empty() {
        return Err(SdpError::NoCrypto);
    }
    // Without a readable address, media is sent to the source of the peer's media.
    let known = level.address.or(session.address);
    let address = known.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let direction = level.direction.or(session.direction).unwrap_or(Direction::SendRecv);
    let (rtcp_port, rtcp_address) = level.rtcp.unwrap_or((line.port.saturating_add(1), None));
    Ok(AudioDescription {
        rtp: SocketAddr::new(address, line.port),
        rtcp: SocketAddr::new(rtcp_address.unwrap_or(address), rtcp_port),
        codecs,
        dtmf,
        direction: if known.is_some_and(|address| address.is_unspecified()) { held(direction) } else { direction },
        ptime_ms: level.ptime_ms.or(session.ptime_ms),
        rtcp_mux: level.rtcp_mux || session.rtcp_mux,
        secure,
        crypto: level.crypto.clone(),
        lines: Vec::new(),
        audio_index: 0,
        time: String::new(),
    })
}

/// The direction if there is no address to send to, which is RFC 2543's hold.
fn held(direction: Direction) -> Direction {
    match direction {
        Direction::SendRecv | Direction::SendOnly => Direction::SendOnly,
        Direction::RecvOnly | Direction::Inactive => Direction::Inactive,
    }
}

/// The value of `m=`. A missing word becomes `-`, so that an answer can repeat it; a port that is no number becomes 0.
fn media_line(value: &str) -> MediaLine {
    let mut words = value.split_whitespace();
    let mut word = || words.next().unwrap_or("-").replace(char::is_control, "");
    let (media, port, proto) = (word(), word(), word());
    let port = port.split('/').next().and_then(|port| port.parse().ok()).unwrap_or(0);
    let formats = words.collect::<Vec<_>>().join(" ").replace(char::is_control, "");
    MediaLine { media, port, proto, formats }
}

/// The address of `IN IP4 192.0.2.1/127`; None for host names and for multicast addresses.
fn connection(value: &str) -> Option<IpAddr> {
    let address = value.split_whitespace().nth(2)?.split('/').next()?;
    let address: IpAddr = address.parse().ok()?;
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    (!address.is_multicast() && !broadcast).then_some(address)
}

/// The value of `a=rtpmap`: `8 PCMA/8000` or `8 PCMA/8000/1`.
fn rtpmap(value: &str) -> Option<(u8, Encoding)> {
    let (number, encoding) = value.split_once(char::is_whitespace)?;
    let mut parts = encoding.trim().split('/');
    let name = parts.next()?;
    let narrow =
        matches!(parts.next().map(str::trim), None | Some("8000" | "")) && matches!(parts.next(), None | Some("1"));
    let codec = AudioCodec::ALL.into_iter().find(|codec| name.eq_ignore_ascii_case(codec.name()));
    let encoding = match codec {
        Some(codec) if narrow => Encoding::Audio(codec),
        None if narrow && name.eq_ignore_ascii_case("telephone-event") => Encoding::Dtmf,
        Some(_) | None => Encoding::Foreign,
    };
    Some((payload_type(number)?, encoding))
}

/// A payload type: 0 to 127.
fn payload_type(text: &str) -> Option<u8> {
    text.parse().ok().filter(|number| *number < 128)
}
