//! Strangers who try passwords, or just flood: the guard sees to them.

use std::net::SocketAddr;

use siaga::ids::Rng;

/// They do not listen there.
pub(crate) const PORT: u16 = 9;

const GUESS: &str = "Authorization: Digest username=\"op1\", realm=\"127.0.0.1\", nonce=\"00\", uri=\"sip:127.0.0.1\", \
     response=\"00000000000000000000000000000000\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\"\r\n";

/// What one of them sends, and from where: some speak in the name of the phones' address.
pub(crate) fn come(rng: &mut Rng, serial: u64) -> (SocketAddr, Vec<String>) {
    let host = match rng.below(8) {
        0 => "127.0.0.3".parse().unwrap(),
        n => std::net::Ipv4Addr::new(203, 0, 113, u8::try_from(n).unwrap()).into(),
    };
    let from = SocketAddr::new(host, PORT);
    let many = if rng.below(10) == 0 { 2_000 } else { 20 };
    let guess = if rng.below(2) == 0 { GUESS } else { "" };
    let text = |n: u64| {
        format!(
            "REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKs{n}\r\n\
             From: <sip:op1@127.0.0.1>;tag=s\r\nTo: <sip:op1@127.0.0.1>\r\nCall-ID: s{n}\r\n\
             CSeq: 1 REGISTER\r\n{guess}Content-Length: 0\r\n\r\n"
        )
    };
    (from, (serial..serial + rng.below(many)).map(text).collect())
}
