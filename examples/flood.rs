//! Sends the requests of strangers, to measure what they cost the callers: `flood HOST:PORT KIND RATE SECONDS SOURCES [PORT]`.
//! The packets leave from SOURCES addresses of 127.73.0.0/16 in turn, or from 127.73.0.1 only. Each packet has new identities.
//! KIND is one of `KINDS`. Responses are discarded. Prints the number sent and the rate reached; scripts/bench-flood reads this line.
#![expect(unsafe_code, reason = "sendmmsg(2) with a source address per packet exists in libc only")]
#![expect(clippy::disallowed_methods, reason = "it sends at a rate")]

use std::env;
use std::fmt::Write as _;
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd as _;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use socket2::{Domain, SockAddr, Socket, Type};

const KINDS: [&str; 13] = [
    "BYE",
    "INFO",
    "UPDATE",
    "PRACK",
    "re-INVITE",
    "REGISTER",
    "OPTIONS",
    "INVITE",
    "CANCEL",
    "SUBSCRIBE",
    "guess",
    "response",
    "garbage",
];
/// Packets per system call.
const BATCH: usize = 64;
/// Packets leave in bursts at this interval.
const TICK: Duration = Duration::from_micros(500);
const CONTROL_BYTES: usize = 32;

/// One source of packets, and what it has sent.
struct Flood {
    socket: Socket,
    target: SocketAddrV4,
    kind: String,
    sources: u32,
    port: u16,
    sent: u64,
    state: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let argument =
        |index: usize| arguments.get(index).map(String::as_str).context("HOST:PORT KIND RATE SECONDS SOURCES");
    let target: SocketAddrV4 = argument(0)?.parse()?;
    let kind = argument(1)?.to_owned();
    let (rate, seconds): (f64, f64) = (argument(2)?.parse()?, argument(3)?.parse()?);
    let sources: u32 = argument(4)?.parse()?;
    let port = arguments.get(5).map_or(Ok(5071), |port| port.parse())?;
    if !KINDS.contains(&kind.as_str()) {
        bail!("expected: KIND is one of {}", KINDS.join(", "));
    }
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    // The responses are not read: the kernel drops them as soon as this small buffer is full.
    socket.set_recv_buffer_size(2_048)?;
    socket.set_send_buffer_size(4 << 20)?;
    socket.bind(&SockAddr::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port)))?;
    let mut flood = Flood { socket, target, kind, sources: sources.clamp(1, 65_000), port, sent: 0, state: seed()? };
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < seconds {
        let due = (start.elapsed().as_secs_f64() * rate) as u64;
        while flood.sent < due {
            let count = usize::try_from(due - flood.sent)?.min(BATCH);
            flood.burst(count)?;
        }
        thread::sleep(TICK);
    }
    let elapsed = start.elapsed().as_secs_f64();
    println!("{} sent in {elapsed:.1} s, {:.0} a second", flood.sent, flood.sent as f64 / elapsed);
    Ok(())
}

fn seed() -> anyhow::Result<u64> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|fault| anyhow::anyhow!("{fault}"))?;
    Ok(u64::from_ne_bytes(bytes) | 1)
}

impl Flood {
    /// Sends so many packets with one system call.
    fn burst(&mut self, count: usize) -> anyhow::Result<()> {
        let packets: Vec<(Ipv4Addr, String)> = (0..count).map(|n| self.packet(n)).collect();
        let target = SockAddr::from(self.target);
        let mut controls = vec![[0_u64; CONTROL_BYTES / 8]; count];
        let mut parts: Vec<libc::iovec> = packets
            .iter()
            .map(|(_, text)| libc::iovec { iov_base: text.as_ptr().cast_mut().cast(), iov_len: text.len() })
            .collect();
        let mut messages = Vec::with_capacity(count);
        for ((part, control), (source, _)) in parts.iter_mut().zip(&mut controls).zip(&packets) {
            // SAFETY: a plain C structure for which all zero bytes are valid.
            let mut message: libc::mmsghdr = unsafe { zeroed() };
            message.msg_hdr.msg_name = target.as_ptr().cast_mut().cast();
            message.msg_hdr.msg_namelen = target.len();
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_control = control.as_mut_ptr().cast();
            message.msg_hdr.msg_controllen = CONTROL_BYTES;
            leave_from(&mut message.msg_hdr, *source);
            messages.push(message);
        }
        let length = libc::c_uint::try_from(count)?;
        // SAFETY: every pointer in `messages` is to live memory of the length given beside it; the kernel writes `msg_len` only.
        let done = unsafe { libc::sendmmsg(self.socket.as_raw_fd(), messages.as_mut_ptr(), length, 0) };
        let done = u64::try_from(done).map_err(|_| io::Error::last_os_error())?;
        self.sent += done;
        Ok(())
    }

    /// The source and the text of the packet after `ahead` more.
    fn packet(&mut self, ahead: usize) -> (Ipv4Addr, String) {
        let number = self.sent + ahead as u64;
        let index = (number % u64::from(self.sources)) as u32 + 1;
        let source = Ipv4Addr::from_bits(0x7F49_0000 + index);
        let id = self.random();
        (source, text(&self.kind, self.target, SocketAddrV4::new(source, self.port), id))
    }

    /// A xorshift generator: the identities must differ, not be secret.
    fn random(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }
}

/// Makes `source` the source address of a message with room for one control message.
fn leave_from(header: &mut libc::msghdr, source: Ipv4Addr) {
    let address = libc::in_addr { s_addr: source.to_bits().to_be() };
    let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: address, ipi_addr: libc::in_addr { s_addr: 0 } };
    // SAFETY: `msg_control` is aligned and has CONTROL_BYTES bytes, more than this control message needs.
    unsafe {
        let size = size_of::<libc::in_pktinfo>() as libc::c_uint;
        header.msg_controllen = libc::CMSG_SPACE(size) as usize;
        if let Some(head) = libc::CMSG_FIRSTHDR(header).as_mut() {
            head.cmsg_level = libc::IPPROTO_IP;
            head.cmsg_type = libc::IP_PKTINFO;
            head.cmsg_len = libc::CMSG_LEN(size) as usize;
            libc::CMSG_DATA(head).cast::<libc::in_pktinfo>().write_unaligned(info);
        }
    }
}

/// One message of a stranger.
fn text(kind: &str, target: SocketAddrV4, source: SocketAddrV4, id: u64) -> String {
    if kind == "garbage" {
        return format!("{id:x}\r\n").repeat(12);
    }
    let host = target.ip();
    let (method, to_tag) = match kind {
        "BYE" | "INFO" | "UPDATE" | "PRACK" => (kind, true),
        "re-INVITE" => ("INVITE", true),
        "guess" => ("REGISTER", false),
        "response" => ("INVITE", true),
        method => (method, false),
    };
    let body = match method {
        "INVITE" | "UPDATE" => format!(
            "v=0\r\no=x 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n",
            ip = source.ip()
        ),
        "INFO" => "Signal=5\r\nDuration=160\r\n".to_owned(),
        _ => String::new(),
    };
    let mut text = match kind {
        "response" => "SIP/2.0 200 OK\r\n".to_owned(),
        _ => format!("{method} sip:112@{host} SIP/2.0\r\n"),
    };
    let tag = if to_tag { format!(";tag={:x}", id.rotate_left(32)) } else { String::new() };
    // Writing to a String cannot fail.
    let mut put = |line: std::fmt::Arguments<'_>| text.write_fmt(line).unwrap_or_default();
    put(format_args!("Via: SIP/2.0/UDP {source};branch=z9hG4bK{id:x};rport\r\n"));
    put(format_args!(
        "From: <sip:u{}@{host}>;tag={:x}\r\nTo: <sip:112@{host}>{tag}\r\n",
        id % 100_000,
        id.rotate_left(8)
    ));
    put(format_args!("Call-ID: {:x}@{}\r\nCSeq: 1 {method}\r\n", id.rotate_left(16), source.ip()));
    put(format_args!("Contact: <sip:u@{source}>\r\nMax-Forwards: 70\r\n"));
    match kind {
        "SUBSCRIBE" => put(format_args!("Event: dialog\r\nExpires: 600\r\n")),
        "PRACK" => put(format_args!("RAck: 1 1 INVITE\r\n")),
        "guess" => put(format_args!(
            "Authorization: Digest username=\"op1\", realm=\"{host}\", nonce=\"{id:016x}{id:016x}\", uri=\"sip:{host}\", \
             response=\"{id:016x}{id:016x}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\"\r\n"
        )),
        _ => {}
    }
    match method {
        "INVITE" | "UPDATE" => put(format_args!("Content-Type: application/sdp\r\n")),
        "INFO" => put(format_args!("Content-Type: application/dtmf-relay\r\n")),
        _ => {}
    }
    put(format_args!("Content-Length: {}\r\n\r\n{body}", body.len()));
    text
}
