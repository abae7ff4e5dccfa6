//! Opens and bridges calls the way a load generator expects it, to measure media without the signalling:
//! `relay HOST BASE CALLS SECONDS [auto|io-uring|epoll] [RECORDINGS]`. Call i has its caller's RTP port at BASE + 4i and
//! its operator's at BASE + 4i + 2; callers send from 127.0.0.2 and operators from 127.0.0.3, each from port 10000 on.

use std::env;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use siaga::clock::Timestamp;
use siaga::ids::{CallId, LegNo, Rng};
use siaga::media::command::{AnchorId, Codec, Command, Remote};
use siaga::media::source::Sources;
use siaga::server::media::{Engine, Media, MediaSettings};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let argument = |index: usize| arguments.get(index).map(String::as_str);
    let (base, calls): (u16, u16) = (argument(1).context("BASE")?.parse()?, argument(2).context("CALLS")?.parse()?);
    let settings = MediaSettings {
        listen: vec![argument(0).context("HOST")?.parse()?],
        ports: base..=base + 4 * calls,
        silence: None,
        prompts: PathBuf::from("config/prompts/en"),
        recordings: argument(5).map(PathBuf::from),
        zone: jiff::tz::TimeZone::UTC,
        alarms: Default::default(),
        journaled: Default::default(),
        threads: 1,
        engine: match argument(4) {
            Some("io-uring") => Engine::IoUring,
            Some("epoll") => Engine::Epoll,
            _ => Engine::Auto,
        },
    };
    let recorded = settings.recordings.is_some();
    let media = Media::start(settings, |_| {})?;
    let mut rng = Rng::from_number(1);
    for call in 0..u32::from(calls) {
        let anchors = [2 * call, 2 * call + 1].map(|slot| AnchorId { slot, generation: 1 });
        for (anchor, host) in anchors.into_iter().zip([2, 3]) {
            let port = 10_000 + u16::try_from(2 * call)?;
            let address = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, host)), port);
            let (rtp, rtcp) = (address(port), address(port + 1));
            let dtmf = Some(101);
            let remote = Remote {
                rtp,
                rtcp,
                sources: Sources::default(),
                codec: Codec::Pcma,
                payload_type: 8,
                dtmf,
                dtmf_heard: dtmf,
                send: true,
                srtp: None,
            };
            media.command(Command::Open { anchor });
            media.command(Command::SetRemote { anchor, remote });
        }
        let [caller, operator] = anchors;
        media.command(Command::Bridge { a: caller, b: operator });
        if recorded {
            let call = CallId::new(Timestamp::from_millis(i64::from(call)), &mut rng);
            media.command(Command::Record { call, leg: LegNo(1), caller, operator });
        }
    }
    eprintln!("ready: {:?}", media.engine());
    thread::sleep(Duration::from_secs(argument(3).context("SECONDS")?.parse()?));
    eprintln!("{:?}", media.counters());
    media.stop();
    Ok(())
}
