//! To tags of stateless responses (RFC 3261 §8.2.7): a repeated request gets the same tag.

use std::fmt;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::wire::{Message, Name};
use crate::ids::Rng;

/// Creates the tags: 32 bits (RFC 3261 §19.3) of a hash of a secret and the header fields that a repeated request has in common with the
/// first.
#[derive(serde::Serialize, serde::Deserialize)]
pub struct StatelessTags([u8; 16]);

impl fmt::Debug for StatelessTags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StatelessTags(…)")
    }
}

impl StatelessTags {
    /// Creates a new secret.
    pub fn new(rng: &mut Rng) -> Self {
        let mut secret = [0; 16];
        rng.fill(&mut secret);
        Self(secret)
    }

    /// The tag for a request: 8 hexadecimal digits.
    pub fn of(&self, request: &Message<'_>) -> String {
        let mut hash = Sha256::new_with_prefix(self.0);
        for name in [Name::Via, Name::From, Name::CallId, Name::CSeq] {
            let value = request.first(name).unwrap_or_default();
            hash.update(value.len().to_be_bytes());
            hash.update(value);
        }
        let digits = hash.finalize();
        HEXLOWER.encode(digits.get(..4).unwrap_or_default())
    }

    /// 16 hexadecimal digits for three values; they cannot be computed without the secret.
    pub fn over(&self, values: [&[u8]; 3]) -> String {
        let mut hash = Sha256::new_with_prefix(self.0);
        hash.update(b"values");
        for value in values {
            hash.update(value.len().to_be_bytes());
            hash.update(value);
        }
        HEXLOWER.encode(hash.finalize().get(..8).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::{Parsed, parse};
    use super::*;

    fn tag(tags: &StatelessTags, branch: &str, cseq: u32) -> String {
        let text = format!(
            "BYE sip:siaga@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch={branch}\r\nFrom: <sip:a@h>;tag=a\r\nTo: <sip:siaga@h>\r\n\
             Call-ID: x\r\nCSeq: {cseq} BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        match parse(text.as_bytes()) {
            Parsed::Good(message) => tags.of(&message),
            other @ (Parsed::Bad(..) | Parsed::KeepAlive | Parsed::Garbage(_)) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_repeated_request_gets_the_same_tag_and_no_other_does() {
        let mut rng = Rng::from_number(1);
        let (tags, others) = (StatelessTags::new(&mut rng), StatelessTags::new(&mut rng));
        let first = tag(&tags, "z9hG4bKa", 1);
        assert_eq!(first.len(), 8);
        assert_eq!(tag(&tags, "z9hG4bKa", 1), first);
        assert_ne!(tag(&tags, "z9hG4bKb", 1), first);
        assert_ne!(tag(&tags, "z9hG4bKa", 2), first);
        assert_ne!(tag(&others, "z9hG4bKa", 1), first, "and it cannot be predicted");
    }
}
