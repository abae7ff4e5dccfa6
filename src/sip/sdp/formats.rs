//! The audio formats of one leg: its codecs in order of preference, and the payload type of telephone events.

use super::AudioCodec;

/// The audio formats of one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Formats {
    /// In order of preference. Empty: the other side's preference.
    codecs: [Option<AudioCodec>; AudioCodec::ALL.len()],
    /// The payload type of telephone-event in our offers (RFC 4733 §2.4.1); None: digits are not sent in RTP.
    dtmf: Option<u8>,
}

impl Formats {
    /// Any codec, telephone-event as 101.
    pub const ANY: Self = Self { codecs: [None; AudioCodec::ALL.len()], dtmf: Some(101) };

    /// These codecs, without duplicates.
    pub fn new(wanted: &[AudioCodec], dtmf: Option<u8>) -> Self {
        let mut codecs = Self::ANY.codecs;
        let mut places = codecs.iter_mut();
        for (at, codec) in wanted.iter().enumerate() {
            if !wanted.iter().take(at).any(|before| before == codec)
                && let Some(place) = places.next()
            {
                *place = Some(*codec);
            }
        }
        Self { codecs, dtmf }
    }

    /// The preferred codec.
    pub fn first(&self) -> Option<AudioCodec> {
        self.wanted().next()
    }

    /// The codecs in order of preference.
    pub(in crate::sip) fn wanted(&self) -> impl Iterator<Item = AudioCodec> + use<> {
        self.codecs.into_iter().flatten()
    }

    /// The payload type of telephone-event; None: digits are not sent in RTP.
    pub const fn dtmf(&self) -> Option<u8> {
        self.dtmf
    }

    /// The codecs of an offer. A codec in use stays in the offer; otherwise a refresh would change the codec.
    pub(super) fn offered(&self, in_use: AudioCodec) -> Vec<(AudioCodec, u8)> {
        let mut codecs: Vec<AudioCodec> = self.wanted().collect();
        if codecs.is_empty() {
            codecs = AudioCodec::ALL.to_vec();
            codecs.sort_by_key(|codec| *codec != in_use);
        } else if !codecs.contains(&in_use) {
            codecs.insert(0, in_use);
        }
        codecs.into_iter().map(|codec| (codec, codec.payload_type())).collect()
    }
}

impl Default for Formats {
    fn default() -> Self {
        Self::ANY
    }
}
