//! The configuration: one TOML file and the roster that it names, read and cross-checked. All errors are reported at once.
//! Paths in the file are relative to the folder of the file.

mod accounts;
mod agency;
mod callers;
mod capacity;
mod check;
mod desks;
mod fault;
mod file_modes;
mod guard;
mod identity;
mod letter;
mod level;
mod log;
mod names;
mod network;
mod operating_mode;
mod own_number;
mod page_tls;
mod pages;
mod paths;
mod place;
mod prompts;
mod retention;
mod risks;
mod roster;
mod schedule;
mod section;
mod silent;
mod smtp;
mod source;
mod switchboard;
mod tls;
mod trunk;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::acd::desk::Desk;
use crate::acd::section::{OperatorsSection, QueueSection, ShiftSection};
use crate::ids::OperatorId;
use crate::sip::digest::Algorithm;
use crate::switchboard::{
    Agency, CallerSettings, Category, DeskCalls, FeatureCodes, GuardSettings, Listener, SilentSettings, Trunk,
};

pub use fault::{Fault, Faults};
pub use identity::proves;
pub use letter::{Letter, Signatory};
pub use level::{FIRST_DESK, Levels, ServiceLevel};
pub use log::{Log, LogFormat};
pub use names::{CONSOLE_NAME, OWN_NAME};
pub use operating_mode::ModeConfig;
pub use page_tls::PageTls;
pub use pages::WebConfig;
pub use retention::Retention;
pub use roster::{Ahead, Rostered};
pub use schedule::{Every, FileFormat, Schedule, ScheduledReport, Target};
pub use section::{EngineName, Site, SrtpName};
pub use smtp::{Smtp, SmtpTls};
pub use tls::{Certificates, TlsFault, TlsFiles};

/// The configuration, parsed and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The path of the file as it was given.
    pub file: PathBuf,
    pub site: Site,
    /// The zone of `site.timezone`.
    pub zone: jiff::tz::TimeZone,
    pub sip: Sip,
    pub trunks: Vec<Trunk>,
    pub guard: GuardSettings,
    pub media: Media,
    pub queue: QueueSection,
    /// `[queue]` and each `[[desk]]`, and the rules which calls belong to which desk.
    pub desks: (Vec<Desk>, Vec<DeskCalls>),
    pub shifts: Vec<ShiftSection>,
    /// The agencies that operators may call and to which they may transfer callers.
    pub agencies: Vec<Agency>,
    /// The subjects of calls.
    pub categories: Vec<Category>,
    /// The history of callers, and how long call-backs stay in the list.
    pub callers: CallerSettings,
    /// The prompt and the choices for callers who cannot speak.
    pub silent: SilentSettings,
    pub mode: ModeConfig,
    pub operators: OperatorsSection,
    /// The shift plan, and the files from which it was built.
    pub rostered: Rostered,
    /// The errors because of which copies of the roster's files are used, or no roster.
    pub roster_faults: Vec<Fault>,
    /// `sqlite:PATH` or `postgres://…`.
    pub store_url: String,
    /// The group that may read the database and the recordings.
    pub store_group: Option<u32>,
    pub journal_dir: PathBuf,
    /// How long journal segments are kept after the database has stored them.
    pub journal_keep: Duration,
    pub recording: Recording,
    pub retention: Retention,
    pub console: Console,
    pub report: Report,
    pub web: WebConfig,
    pub features: FeatureCodes,
    pub supervisors: BTreeSet<OperatorId>,
    /// Folder of the prompts in the site's language.
    pub prompts_dir: PathBuf,
    pub log: Log,
    /// Maximum duration of a drain before calls are ended.
    pub drain: Duration,
    /// Valid settings that are probably not intended.
    pub warnings: Vec<Fault>,
}

/// `[sip]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sip {
    /// SIP domain of the operators, and realm of their passwords.
    pub domain: String,
    pub listeners: Vec<Listener>,
    pub expires_min: Duration,
    pub expires_default: Duration,
    pub expires_max: Duration,
    /// OPTIONS interval to operators' phones; None: none are sent.
    pub keep_alive: Option<Duration>,
    /// Digest algorithms offered to phones, in order of preference.
    pub digest: Vec<Algorithm>,
    pub nonce_life: Duration,
    /// None: TLS is not used.
    pub tls: Option<TlsFiles>,
    pub connections: Connections,
    /// Name servers for the trunks' names; empty: those of the system.
    pub name_servers: Vec<SocketAddr>,
    /// Provisional responses are reliable whenever the caller supports it (RFC 3262).
    pub reliable_when_supported: bool,
    /// The session interval that siaga requests (RFC 4028); None: none.
    pub session_seconds: Option<u32>,
    /// The value of Server and User-Agent; None: not sent.
    pub server_header: Option<String>,
}

/// Time limits and maximum number of TCP and TLS connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Time from the start of a connection, and of a message, to the end of the message.
    pub message: Duration,
    /// Time without a byte from the peer.
    pub idle: Duration,
    /// Time until the peer has authenticated.
    pub stranger: Duration,
    /// Maximum connections from one address, or one IPv6 /64.
    pub per_address: usize,
}

/// `[media]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// The addresses that receive RTP: one, or one of each family.
    pub listen: Vec<IpAddr>,
    /// The addresses in SDP, in the same order.
    pub advertised: Vec<IpAddr>,
    /// First and last port; the first is even, the last odd.
    pub ports: (u16, u16),
    /// 0: depends on the number of the machine's cores.
    pub threads: usize,
    pub engine: EngineName,
    pub srtp: SrtpName,
    /// Networks from which phones' media is accepted, besides the hosts in their SDP and of their SIP messages.
    pub phones: Vec<crate::switchboard::Network>,
}

/// `[recording]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    pub enabled: bool,
    pub dir: PathBuf,
}

/// `[console]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Console {
    pub listen: SocketAddr,
    /// The file of the bearer token, which is created at the first start.
    pub token_file: PathBuf,
    /// True: the console may be served without TLS on an address other than loopback.
    pub insecure: bool,
    pub tls: Option<PageTls>,
}

impl Console {
    /// As `Report::without_tls`.
    pub fn without_tls(&self) -> Option<(String, &'static str)> {
        page_tls::without_tls("console", self.listen, self.tls.as_ref(), self.insecure)
    }
}

/// `[report]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub listen: SocketAddr,
    /// The database that the pages read; None: that of `[store]`.
    pub store_url: Option<String>,
    /// True: the pages may be served without TLS on an address other than loopback.
    pub insecure: bool,
    pub tls: Option<PageTls>,
    /// The columns of the monthly file: a TOML file.
    pub scheme: Option<PathBuf>,
    /// How its PDF file looks.
    pub letter: Letter,
    /// Reports that are made at fixed times.
    pub schedules: Vec<Schedule>,
    /// The server for e-mails with reports.
    pub smtp: Option<Smtp>,
    /// The folder of e-mails that wait.
    pub spool: PathBuf,
    /// Target time T of the service level.
    pub service_level: Duration,
    /// Abandoned calls with a shorter wait count as short.
    pub short_abandon: Duration,
    /// The service level of each desk.
    pub levels: Levels,
}

impl Report {
    /// The error if the pages would be served without TLS on an address other than loopback, and what is expected.
    pub fn without_tls(&self) -> Option<(String, &'static str)> {
        page_tls::without_tls("pages", self.listen, self.tls.as_ref(), self.insecure)
    }
}

impl Config {
    /// Reads and checks a file.
    pub fn load(path: &Path) -> Result<Self, Faults> {
        Self::load_as(path, false)
    }

    /// Reads and checks a file for a service, which starts although the roster's files have errors. `roster_faults` has the errors, and the
    /// last valid copies are used; without copies every operator is on shift.
    pub fn load_to_serve(path: &Path) -> Result<Self, Faults> {
        Self::load_as(path, true)
    }

    fn load_as(path: &Path, to_serve: bool) -> Result<Self, Faults> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse_as(&file, &text, to_serve),
            Err(error) => Err(Faults(vec![Fault {
                file,
                line: None,
                key: String::new(),
                wrong: format!("cannot be read: {error}"),
                right: "the path of a readable TOML file".to_owned(),
            }])),
        }
    }

    /// A warning for each file and folder in the configuration that is open to more users than it should be. May wait for every disk with
    /// one of them.
    pub fn mode_warnings(path: &Path) -> Vec<Fault> {
        let (file, text) = (path.display().to_string(), std::fs::read_to_string(path).unwrap_or_default());
        let (source, mut sections) = source::Source::read(&file, &text, &operating_mode::RENAMED);
        paths::resolve(&file, &mut sections);
        file_modes::warnings(&source, &sections)
    }

    /// Reads and checks the text of a file; the roster is read from the disk.
    pub fn parse(file: &str, text: &str) -> Result<Self, Faults> {
        Self::parse_as(file, text, false)
    }

    fn parse_as(file: &str, text: &str, to_serve: bool) -> Result<Self, Faults> {
        let (mut source, mut sections) = source::Source::read(file, text, &operating_mode::RENAMED);
        if !source.is_read() {
            return Err(source.into_faults());
        }
        paths::resolve(file, &mut sections);
        if to_serve {
            source.allow_optional_faults();
        }
        // A folder on a disk that hangs must not stop a service, which checks the modes later on a separate thread.
        let modes = if to_serve { Vec::new() } else { file_modes::warnings(&source, &sections) };
        let config = check::checked(&mut source, sections);
        match config {
            Some(mut config) if source.is_clean() => {
                config.warnings.extend(modes);
                config.roster_faults = source.take_optional_faults();
                Ok(config)
            }
            Some(_) | None => Err(source.into_faults()),
        }
    }

    /// This configuration, with the values of `running` for keys that cannot change while the service runs.
    #[must_use]
    pub fn beside(self, running: &Self) -> Self {
        let running = running.clone();
        Self {
            sip: Sip {
                domain: running.sip.domain,
                listeners: running.sip.listeners,
                digest: running.sip.digest,
                nonce_life: running.sip.nonce_life,
                connections: running.sip.connections,
                ..self.sip
            },
            site: Site { language: running.site.language, ..self.site },
            queue: QueueSection { silence_seconds: running.queue.silence_seconds, ..self.queue },
            media: running.media,
            prompts_dir: running.prompts_dir,
            store_url: running.store_url,
            store_group: running.store_group,
            journal_dir: running.journal_dir,
            journal_keep: running.journal_keep,
            retention: running.retention,
            recording: Recording { enabled: self.recording.enabled && running.recording.enabled, ..running.recording },
            console: running.console,
            log: running.log,
            ..self
        }
    }

    /// The keys that differ from `running` but cannot change while the service runs.
    pub fn needs_restart(&self, running: &Self) -> Vec<&'static str> {
        let pairs = [
            ("sip.domain", self.sip.domain == running.sip.domain),
            ("sip.listen", self.sip.listeners == running.sip.listeners),
            ("sip.digest", self.sip.digest == running.sip.digest),
            ("sip.nonce_seconds", self.sip.nonce_life == running.sip.nonce_life),
            ("sip.connection_idle_seconds", self.sip.connections.idle == running.sip.connections.idle),
            ("sip.connection_message_seconds", self.sip.connections.message == running.sip.connections.message),
            ("sip.connection_stranger_seconds", self.sip.connections.stranger == running.sip.connections.stranger),
            ("sip.connections_per_address", self.sip.connections.per_address == running.sip.connections.per_address),
            ("media", self.media == running.media),
            ("site.language", self.site.language == running.site.language),
            ("prompts.dir", self.prompts_dir == running.prompts_dir),
            ("queue.silence_seconds", self.queue.silence_seconds == running.queue.silence_seconds),
            ("store.url", self.store_url == running.store_url),
            ("store.group", self.store_group == running.store_group),
            ("journal.dir", self.journal_dir == running.journal_dir),
            ("journal.keep_days", self.journal_keep == running.journal_keep),
            ("retention", self.retention == running.retention),
            ("recording.dir", self.recording.dir == running.recording.dir),
            ("console", self.console == running.console),
            ("log", self.log == running.log),
        ];
        pairs.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Config;

    const TRUNK: &str = "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\n";

    #[test]
    fn a_running_service_keeps_the_values_that_only_a_restart_applies() {
        let parsed = |text: &str| Config::parse("test.toml", &format!("{text}{TRUNK}")).unwrap();
        let (running, new) =
            (parsed("[queue]\nsilence_seconds = 0\n"), parsed("[site]\nlanguage = \"en\"\nname = \"Metro\"\n"));
        let keys = ["site.language", "prompts.dir", "queue.silence_seconds"];
        assert_eq!(new.needs_restart(&running), keys);
        let applied = new.clone().beside(&running);
        assert_eq!((applied.queue.silence_seconds, &applied.site.language), (0, &running.site.language));
        assert_eq!(applied.site.name, "Metro");
        assert_eq!(new.needs_restart(&applied), keys, "the next reload warns too");
    }

    #[test]
    fn a_password_file_with_an_empty_first_line_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        for (text, wrong) in [("\nrahasia\n", "has an empty first line"), (" \n", "is empty")] {
            std::fs::write(&file, text).unwrap();
            let text = format!("{TRUNK}username = \"u\"\npassword_file = \"{}\"\n", file.display());
            let told = Config::parse("test.toml", &text).unwrap_err().to_string();
            assert!(told.contains("trunk[0].password_file") && told.contains(wrong), "{told}");
            assert!(!told.contains("rahasia"), "{told}");
        }
    }
}
