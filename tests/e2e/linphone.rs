//! Linphone (`linphonec`) as an operator's phone: a WAV file for a microphone, another for a loudspeaker, orders on standard input.
//!
//! It listens on every address, whatever it is told, and needs no sound card when it works with files.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::process::{Running, until};
use super::service::Service;
use super::three_callers::Phone;
use super::tone;

pub(crate) struct Linphone {
    name: String,
    hertz: u32,
    folder: PathBuf,
    running: Running,
    calls: usize,
}

impl Linphone {
    fn order(&mut self, order: &str) {
        writeln!(self.running.child.stdin.as_mut().unwrap(), "{order}").unwrap();
    }

    /// Waits until it has said so `count` times.
    fn says(&self, what: &str, count: usize) {
        until(&format!("{} says {what}", self.name), || {
            (self.running.output().matches(what).count() >= count).then_some(())
        });
    }

    /// Orders, and waits until it says so once more.
    fn does(&mut self, order: &str, what: &str) {
        let before = self.running.output().matches(what).count();
        self.order(order);
        self.says(what, before + 1);
    }

    /// Its call is over.
    pub(crate) fn is_hung_up(&mut self) {
        self.says(" ended (", self.calls);
        self.listens();
    }

    /// Puts its call on hold (re-INVITE).
    pub(crate) fn holds(&mut self) {
        self.does("pause", "is now paused");
    }

    /// Takes it from hold (re-INVITE).
    pub(crate) fn resumes(&mut self) {
        self.does("resume", "Media streams established");
    }

    /// The file for its next call. It dies of that order while it rings.
    fn listens(&mut self) {
        let next = self.heard_in(self.calls + 1);
        self.order(&format!("record {}", next.display()));
    }

    fn heard_in(&self, call: usize) -> PathBuf {
        self.folder.join(format!("call-{call}.wav"))
    }
}

impl Phone for Linphone {
    fn start(service: &Service, n: u8, hertz: u32) -> Self {
        let (name, domain) = (format!("op{n}"), service.host(1));
        let folder = service.path().join(&name);
        std::fs::create_dir_all(folder.join(".local/share/linphone")).unwrap();
        write_tone(&folder.join("tone.wav"), hertz);
        let port = 5_390 + u16::from(n);
        let mut config = format!(
            "[sip]\nsip_port={port}\nsip_tcp_port=0\nsip_tls_port=0\nguess_hostname=1\n[rtp]\naudio_rtp_port={}\n[sound]\n\
             echocancellation=0\n",
            17_070 + 2 * u16::from(n)
        );
        for (at, mime) in ["PCMA", "PCMU"].iter().enumerate() {
            write!(config, "[audio_codec_{at}]\nmime={mime}\nrate=8000\nchannels=1\nenabled={}\n", u8::from(at == 0))
                .unwrap();
        }
        write!(
            config,
            "[auth_info_0]\nusername={name}\npasswd=pass-{name}\nrealm={domain}\ndomain={domain}\n[proxy_0]\nreg_proxy=<sip:{domain}>\n\
             reg_identity=sip:{name}@{domain}\nreg_expires=120\nreg_sendregister=1\n"
        )
        .unwrap();
        std::fs::write(folder.join("linphonerc"), config).unwrap();
        let mut command = Command::new("linphonec");
        command.arg("-c").arg(folder.join("linphonerc")).arg("-d").arg("6").arg("-l").arg(folder.join("linphone.log"));
        command.env("HOME", &folder).current_dir(&folder).stdin(Stdio::piped());
        let running = Running::start("linphone", &folder, &mut command);
        service.wait_for_state(&name, "ready");
        let mut phone = Self { name, hertz, folder, running, calls: 0 };
        let tone = phone.folder.join("tone.wav");
        phone.does("soundcard use files", "Using wav files");
        phone.order(&format!("play {}", tone.display()));
        phone.listens();
        phone
    }

    fn hertz(&self) -> u32 {
        self.hertz
    }

    fn rings_for(&mut self, number: &str) {
        self.calls += 1;
        self.says("Receiving new incoming call", self.calls);
        let output = self.running.output();
        let last = output.lines().rfind(|line| line.contains("Receiving new incoming call")).unwrap().to_owned();
        assert!(last.contains(number), "{} rings for {last}, not for {number}", self.name);
    }

    fn answers(&mut self) {
        self.order("answer");
        self.says(" connected.", self.calls);
    }

    fn hangs_up(&mut self) {
        self.order("terminate");
        self.is_hung_up();
    }

    fn heard(&mut self) -> Vec<Vec<i16>> {
        // Its files are whole when it has ended.
        self.order("quit");
        self.running.wait();
        (1..=self.calls).map(|call| samples(&self.heard_in(call))).collect()
    }
}

/// The samples of a file whose header tells more than there is: 44 bytes, then mono at 8,000 a second.
fn samples(path: &Path) -> Vec<i16> {
    let bytes = std::fs::read(path).unwrap();
    bytes[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// A minute of a tone.
fn write_tone(path: &Path, hertz: u32) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(path, spec).unwrap();
    let second: Vec<i16> = tone::second_of(hertz).into_iter().map(tone::from_alaw).collect();
    for sample in second.iter().cycle().take(60 * second.len()) {
        file.write_sample(*sample).unwrap();
    }
    file.finalize().unwrap();
}
