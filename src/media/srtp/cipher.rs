//! Session keys: their derivation (RFC 3711 §4.3), AES in counter mode (§4.1.1) and HMAC-SHA1 (§4.2.1).

use std::fmt;

use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use aes::{Aes128, Block};
use hmac::{Hmac, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

/// Bytes of the longest tag.
pub(super) const TAG_BYTES_MAX: usize = 10;

/// Blocks that are encrypted at once: a packet of 20 ms at 8 kHz.
const BLOCKS: usize = 10;
const BLOCK_BYTES: usize = 16;
const AUTHENTICATION_KEY_BYTES: usize = 20;

/// The labels under which the keys of one protocol are derived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Labels {
    encryption: u8,
    authentication: u8,
    salt: u8,
}

impl Labels {
    pub(super) const RTP: Self = Self { encryption: 0, authentication: 1, salt: 2 };
    pub(super) const RTCP: Self = Self { encryption: 3, authentication: 4, salt: 5 };
}

/// The keys of one direction of one protocol.
#[derive(Clone)]
pub(super) struct SessionKeys {
    cipher: Aes128,
    /// The session salt, shifted to its position in the counter block.
    salt: u128,
    mac: Hmac<Sha1>,
}

impl SessionKeys {
    /// Derives the keys once for the lifetime of the master key: the key derivation rate is 0.
    pub(super) fn derive(master: &MasterKey, labels: Labels) -> Self {
        let deriving = Aes128::new(&master.key.into());
        let master_salt = salted(master.salt);
        let derive = |label: u8, out: &mut [u8]| key_stream(&deriving, master_salt ^ (u128::from(label) << 64), out);
        let (mut key, mut salt, mut authentication) = ([0; 16], [0; 14], [0; AUTHENTICATION_KEY_BYTES]);
        derive(labels.encryption, &mut key);
        derive(labels.authentication, &mut authentication);
        derive(labels.salt, &mut salt);
        // HMAC takes keys of any length; a block holds this one.
        let mut block = hmac::digest::array::Array::<u8, _>::default();
        for (to, from) in block.iter_mut().zip(authentication) {
            *to = from;
        }
        Self { cipher: Aes128::new(&key.into()), salt: salted(salt), mac: Hmac::<Sha1>::new(&block) }
    }

    /// Encrypts, or decrypts, the payload of one packet.
    pub(super) fn apply(&self, ssrc: u32, index: u64, payload: &mut [u8]) {
        let counter = self.salt ^ (u128::from(ssrc) << 64) ^ (u128::from(index) << 16);
        key_stream(&self.cipher, counter, payload);
    }

    /// Writes the authentication tag over the data and the rollover counter.
    pub(super) fn sign(&self, signed: &[u8], rollover: impl AsRef<[u8]>, tag: &mut [u8]) {
        for (to, from) in tag.iter_mut().zip(self.tag(signed, rollover.as_ref())) {
            *to = from;
        }
    }

    /// True if the tag is correct. Runs in constant time.
    pub(super) fn is_signed(&self, signed: &[u8], rollover: impl AsRef<[u8]>, tag: &[u8]) -> bool {
        let right = self.tag(signed, rollover.as_ref());
        !tag.is_empty() && right.get(..tag.len()).is_some_and(|right| right.ct_eq(tag).into())
    }

    fn tag(&self, signed: &[u8], rollover: &[u8]) -> [u8; 20] {
        let mut mac = self.mac.clone();
        mac.update(signed);
        mac.update(rollover);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKeys(..)")
    }
}

/// A salt at its position in the counter block: above the 16 bits that count blocks.
fn salted(salt: [u8; 14]) -> u128 {
    salt.iter().fold(0, |value, byte| (value << 8) | u128::from(*byte)) << 16
}

/// XORs the key stream that begins at a counter block with `data`.
fn key_stream(cipher: &Aes128, first: u128, data: &mut [u8]) {
    let mut counter = first;
    for piece in data.chunks_mut(BLOCKS * BLOCK_BYTES) {
        let mut stream = [Block::default(); BLOCKS];
        let count = piece.len().div_ceil(BLOCK_BYTES);
        let used = stream.get_mut(..count).unwrap_or_default();
        for block in used.iter_mut() {
            *block = counter.to_be_bytes().into();
            counter = counter.wrapping_add(1);
        }
        cipher.encrypt_blocks(used);
        for (bytes, block) in piece.chunks_mut(BLOCK_BYTES).zip(used.iter()) {
            for (byte, key) in bytes.iter_mut().zip(block.iter()) {
                *byte ^= key;
            }
        }
    }
}

/// Master key and master salt of one direction. They are never logged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MasterKey {
    pub key: [u8; 16],
    pub salt: [u8; 14],
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE, HEXUPPER};

    use super::*;

    fn hex_bytes<const N: usize>(text: &str) -> [u8; N] {
        HEXLOWER_PERMISSIVE.decode(text.as_bytes()).unwrap().try_into().unwrap()
    }

    /// RFC 3711 §B.2.
    #[test]
    fn the_key_stream_is_that_of_the_standard() {
        let cipher = Aes128::new(&hex_bytes::<16>("2b7e151628aed2a6abf7158809cf4f3c").into());
        let first = salted(hex_bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfd"));
        let mut stream = vec![0; 0xff02 * BLOCK_BYTES];
        key_stream(&cipher, first, &mut stream);
        let block = |n: usize| HEXLOWER.encode(&stream[n * BLOCK_BYTES..][..BLOCK_BYTES]);
        assert_eq!(block(0), "e03ead0935c95e80e166b16dd92b4eb4");
        assert_eq!(block(1), "d23513162b02d0f72a43a2fe4a5f97ab");
        assert_eq!(block(2), "41e95b3bb0a2e8dd477901e4fca894c0");
        assert_eq!(block(0xfeff), "ec8cdf7398607cb0f2d21675ea9ea1e4");
        assert_eq!(block(0xff00), "362b7c3c6773516318a077d7fc5073ae");
        assert_eq!(block(0xff01), "6a2cc3787889374fbeb4c81b17ba6c44");
    }

    /// RFC 3711 §B.3.
    #[test]
    fn keys_are_derived_as_in_the_standard() {
        let cipher = Aes128::new(&hex_bytes::<16>("e1f97a0d3e018be0d64fa32c06de4139").into());
        let salt = salted(hex_bytes("0ec675ad498afeebb6960b3aabe6"));
        let derived = |label: u128, bytes: usize| {
            let mut out = vec![0; bytes];
            key_stream(&cipher, salt ^ (label << 64), &mut out);
            HEXUPPER.encode(&out)
        };
        assert_eq!(derived(0, 16), "C61E7A93744F39EE10734AFE3FF7A087");
        assert_eq!(derived(2, 14), "30CBBC08863D8C85D49DB34A9AE1");
        let authentication = "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE\
            E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25\
            6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2";
        assert_eq!(derived(1, 94), authentication);
    }
}
