//! Checks values and their consistency, and converts sections to the settings of the service.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::acd::OperatingMode;
use crate::cdr::fact::Class;
use crate::ids::OperatorId;
use crate::limits::{CALLS_MAX, CONNECTIONS_MAX, CONNECTIONS_RESERVED};
use crate::sip::flow::Transport;
use crate::sip::session_timer::SECONDS_MIN;
use crate::switchboard::{FeatureCodes, SupervisorCodes};

use super::operating_mode::RENAMED;
use super::section::{Features, File, Reliability};
use super::source::{Source, section_faults};
use super::{
    Config, Connections, Console, Fault, Recording, Report, Sip, agency, callers, desks, file_modes, guard, letter,
    level, log, network, operating_mode, own_number, page_tls, pages, prompts, risks, roster, schedule, section,
    silent, smtp, tls,
};

/// Checks everything. Returns None if a value without a default is invalid; then `source` has an error.
pub(super) fn checked(source: &mut Source, file: File) -> Option<Config> {
    let zone = zone(source, &file);
    let sip = sip(source, &file);
    let trunks = network::trunks(source, &file.trunk, &sip.listeners);
    let guard = guard::checked(source, &file.guard);
    let media = network::media(source, &file.media, &sip.listeners);
    section_faults(source, "queue", &file.queue.faults());
    section_faults(source, "operators", &file.operators.faults());
    let desks = desks::checked(source, &file);
    shift_names(source, &file);
    let rostered = roster::load(source, &file, zone.as_ref());
    let agencies = agency::checked(source, &file.agency);
    own_number::checked(source, &file);
    let categories = callers::categories(source, &file.category);
    let callers = callers::checked(source, &file.callers, file.report.short_abandon_seconds);
    let silent = {
        let after = Duration::from_secs(file.queue.silent_prompt_seconds);
        silent::checked(source, &file.silent_choice, &file.site.language, after)
    };
    let levels = level::checked(source, &file);
    let mode = operating_mode::checked(source, &file.mode);
    let features = features(source, &file);
    let supervisors = supervisors(source, &file);
    let console_listen = network::listen(source, "console.listen", &file.console.listen);
    let report_listen = network::listen(source, "report.listen", &file.report.listen);
    let web = pages::checked(source, &file.web, &file.store.url, file.report.store_url.as_deref());
    places(source, &file);
    let store_group = store_group(source, &file);
    let retention = super::retention::checked(source, file.retention, file.journal.keep_days);
    let mut warnings = warnings(source, &file);
    warnings.extend(operating_mode::warnings(source));
    warnings.extend(log::checked(source, &file.log));
    warnings.extend(risks::of_peers(source, &trunks));
    warnings.extend(media.iter().flat_map(|media| risks::of_ports(source, media, &sip.listeners)));
    warnings.extend(media.as_ref().and_then(|media| media.too_few_ports(source, file.site.max_calls)));
    Some(Config {
        file: PathBuf::from(source.file()),
        zone: zone?,
        sip,
        trunks,
        guard,
        media: media?,
        rostered,
        roster_faults: Vec::new(),
        store_url: file.store.url,
        store_group,
        journal_dir: PathBuf::from(file.journal.dir),
        journal_keep: Duration::from_secs(file.journal.keep_days.saturating_mul(86_400)),
        retention,
        recording: Recording { enabled: file.recording.enabled, dir: PathBuf::from(file.recording.dir) },
        console: console(source, file.console, console_listen?),
        report: report(source, file.report, report_listen?, levels),
        web,
        features,
        supervisors,
        prompts_dir: Path::new(&file.prompts.dir).join(&file.site.language),
        drain: Duration::from_secs(file.shutdown.drain_seconds),
        site: file.site,
        queue: file.queue,
        desks,
        shifts: file.shift,
        agencies,
        categories,
        callers,
        silent,
        mode,
        operators: file.operators,
        log: file.log,
        warnings,
    })
}

fn console(source: &mut Source, section: section::Console, listen: SocketAddr) -> Console {
    let tls = page_tls::checked(source, "console.tls", section.tls.as_ref());
    Console { listen, token_file: PathBuf::from(section.token_file), insecure: section.insecure, tls }
}

fn report(source: &mut Source, section: section::Report, listen: SocketAddr, levels: level::Levels) -> Report {
    let tls = page_tls::checked(source, "report.tls", section.tls.as_ref());
    let smtp = smtp::checked(source, section.smtp);
    let schedules = schedule::checked(source, section.schedule, smtp.is_some());
    let letter = letter::checked(source, (section.emblem, section.template), section.signatories);
    Report {
        listen,
        store_url: section.store_url,
        insecure: section.insecure,
        tls,
        scheme: section.scheme.map(PathBuf::from),
        letter,
        schedules,
        smtp,
        spool: PathBuf::from(section.spool),
        service_level: Duration::from_secs(section.service_level_seconds),
        short_abandon: Duration::from_secs(section.short_abandon_seconds),
        levels,
    }
}

fn zone(source: &mut Source, file: &File) -> Option<jiff::tz::TimeZone> {
    let number = file.site.number.as_str();
    if !(2..=15).contains(&number.len()) || !number.bytes().all(|b| b.is_ascii_digit()) {
        source.fault("site.number", format!("{number:?} is not an emergency number"), "\"112\": 2 to 15 digits");
    }
    if let Some(calls) = file.site.max_calls.filter(|calls| !(2..=CALLS_MAX).contains(calls)) {
        source.fault("site.max_calls", calls.to_string(), format!("2 to {CALLS_MAX}"));
    }
    let language = file.site.language.as_str();
    if language.is_empty() || !language.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        source.fault(
            "site.language",
            format!("{language:?} is not a language"),
            "\"id\" or \"en\": a folder within prompts.dir",
        );
    }
    let zone = jiff::tz::TimeZone::get(&file.site.timezone).ok();
    if zone.is_none() {
        let wrong = format!("{:?} is not a known time zone", file.site.timezone);
        source.fault("site.timezone", wrong, "an IANA name: \"Asia/Jakarta\", \"Asia/Makassar\", \"Asia/Jayapura\"");
    }
    zone
}

fn sip(source: &mut Source, file: &File) -> Sip {
    let section = &file.sip;
    let domain = section.domain.as_str();
    let host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    if domain.is_empty() || !domain.bytes().all(host) {
        source.fault("sip.domain", format!("{domain:?} is not a host"), "\"112.metrokota.example\" or an address");
    }
    let mut within = |key: &str, value: u64, low: u64, high: u64| {
        if !(low..=high).contains(&value) {
            source.fault(&format!("sip.{key}"), format!("{value}"), format!("{low} to {high} seconds"));
        }
    };
    within("expires_min_seconds", section.expires_min_seconds, 10, 86_400);
    within("expires_default_seconds", section.expires_default_seconds, 10, 86_400);
    within("expires_max_seconds", section.expires_max_seconds, 10, 86_400);
    within("keep_alive_seconds", section.keep_alive_seconds, 0, 3_600);
    within("nonce_seconds", section.nonce_seconds, 10, 86_400);
    within("connection_idle_seconds", section.connection_idle_seconds, 1, 86_400);
    within("connection_message_seconds", section.connection_message_seconds, 1, 600);
    within("connection_stranger_seconds", section.connection_stranger_seconds, 5, 86_400);
    let session = u64::from(section.session_expires_seconds);
    if session > 0 {
        within("session_expires_seconds", session, u64::from(SECONDS_MIN), 86_400);
    }
    if section.digest.is_empty() {
        source.fault("sip.digest", "no algorithm".to_owned(), "[\"MD5\", \"SHA-256\"], or one of them");
    }
    let most = CONNECTIONS_MAX - CONNECTIONS_RESERVED;
    if !(1..=most).contains(&section.connections_per_address) {
        let wrong = section.connections_per_address.to_string();
        source.fault("sip.connections_per_address", wrong, format!("1 to {most}"));
    }
    let (low, middle, high) =
        (section.expires_min_seconds, section.expires_default_seconds, section.expires_max_seconds);
    if !(low <= middle && middle <= high) {
        let wrong = format!("min {low}, default {middle}, max {high} are not in order");
        source.fault(
            "sip.expires_default_seconds",
            wrong,
            "expires_min_seconds <= expires_default_seconds <= expires_max_seconds",
        );
    }
    let listeners = network::listeners(source, section);
    let over_tls = listeners.iter().any(|listener| listener.transport == Transport::Tls);
    Sip {
        domain: section.domain.clone(),
        listeners,
        tls: tls::checked(source, section.tls.as_ref(), over_tls),
        connections: Connections {
            message: Duration::from_secs(section.connection_message_seconds),
            idle: Duration::from_secs(section.connection_idle_seconds),
            stranger: Duration::from_secs(section.connection_stranger_seconds),
            per_address: section.connections_per_address,
        },
        name_servers: network::name_servers(source, &section.name_servers),
        expires_min: Duration::from_secs(low),
        expires_default: Duration::from_secs(middle),
        expires_max: Duration::from_secs(high),
        keep_alive: network::interval(section.keep_alive_seconds),
        digest: section.digest.clone(),
        nonce_life: Duration::from_secs(section.nonce_seconds),
        reliable_when_supported: section.reliable_provisionals == Reliability::Supported,
        session_seconds: Some(section.session_expires_seconds).filter(|seconds| *seconds > 0),
        server_header: server_header(source, section.server_header.as_ref()),
    }
}

fn server_header(source: &mut Source, text: Option<&String>) -> Option<String> {
    let text = text?;
    if text.trim().is_empty() || text.len() > 128 || !text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        let right = "1 to 128 visible ASCII characters, as in \"siaga/1.0\"; absent: no such header field";
        source.fault("sip.server_header", format!("{text:?} cannot be used in a header field"), right);
    }
    Some(text.clone())
}

fn shift_names(source: &mut Source, file: &File) {
    let mut names = BTreeSet::new();
    for (i, shift) in file.shift.iter().enumerate() {
        if !names.insert(shift.name.as_str()) {
            source.fault(
                &format!("shift[{i}].name"),
                format!("{:?} is the name of two shifts", shift.name),
                "a different name",
            );
        }
    }
}

fn features(source: &mut Source, file: &File) -> FeatureCodes {
    let section = &file.features;
    let mut seen = BTreeSet::new();
    let pairs = codes(section);
    let behind_class = |code: &str| {
        let classes = pairs.iter().filter(|(key, _)| key.starts_with("class_"));
        classes.map(|(_, class)| class.as_str()).find(|class| code.len() > class.len() && code.starts_with(*class))
    };
    for (key, code) in pairs {
        let dialable = code.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'*' | b'#'));
        let key = format!("features.{key}");
        let key = source.name_of(&key, &RENAMED).to_owned();
        if !dialable || !code.starts_with(['*', '#']) || !(2..=8).contains(&code.len()) {
            source.fault(
                &key,
                format!("{code:?} is not a feature code"),
                "\"*11\": * or #, then 1 to 7 digits, * or #",
            );
        } else if !seen.insert(code.as_str()) {
            source.fault(&key, format!("{code:?} is the code of two features"), "a different code");
        } else if let Some(class) = behind_class(code) {
            let wrong = format!("{code:?} begins with {class:?}, after which a category's code may follow");
            source.fault(&key, wrong, "a code with another beginning");
        } else if code.len() > section.pause.len()
            && code.strip_prefix(&section.pause).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
        {
            let wrong = format!("{code:?} is the pause code and the number of a reason");
            source.fault(&key, wrong, "a code that does not begin with the pause code");
        }
    }
    FeatureCodes {
        log_in: section.log_in.clone(),
        log_out: section.log_out.clone(),
        pause: section.pause.clone(),
        resume: section.resume.clone(),
        classes: [
            (&section.class_normal, Class::Normal),
            (&section.class_ghost, Class::Ghost),
            (&section.class_prank, Class::Prank),
            (&section.class_information, Class::Information),
            (&section.class_test, Class::Test),
            (&section.class_drill, Class::Drill),
        ]
        .map(|(code, class)| (code.clone(), class))
        .to_vec(),
        call_back: section.call_back.clone(),
        silent_prompt: section.silent_prompt.clone(),
        station: section.station.clone(),
        wrap_up: section.wrap_up.clone(),
        conference: section.conference.clone(),
        supervisors: SupervisorCodes {
            listen: section.listen.clone(),
            whisper: section.whisper.clone(),
            barge: section.barge.clone(),
            take_over: section.take_over.clone(),
            pick_up: section.pick_up.clone(),
            modes: modes(section),
        },
    }
}

/// The keys of the feature codes, and the codes.
pub(super) fn codes(section: &Features) -> [(&'static str, &String); 24] {
    [
        ("log_in", &section.log_in),
        ("log_out", &section.log_out),
        ("station", &section.station),
        ("pause", &section.pause),
        ("resume", &section.resume),
        ("class_normal", &section.class_normal),
        ("class_ghost", &section.class_ghost),
        ("class_prank", &section.class_prank),
        ("class_information", &section.class_information),
        ("class_test", &section.class_test),
        ("class_drill", &section.class_drill),
        ("call_back", &section.call_back),
        ("wrap_up", &section.wrap_up),
        ("conference", &section.conference),
        ("listen", &section.listen),
        ("whisper", &section.whisper),
        ("barge", &section.barge),
        ("take_over", &section.take_over),
        ("pick_up", &section.pick_up),
        ("silent_prompt", &section.silent_prompt),
        ("mode_normal", &section.mode_normal),
        ("mode_incident", &section.mode_incident),
        ("mode_drill", &section.mode_drill),
        ("mode_fallback", &section.mode_fallback),
    ]
}

/// The feature codes of the operating modes.
fn modes(section: &Features) -> Vec<(String, OperatingMode)> {
    let codes = [
        (&section.mode_normal, OperatingMode::Normal),
        (&section.mode_incident, OperatingMode::MajorIncident),
        (&section.mode_drill, OperatingMode::Drill),
        (&section.mode_fallback, OperatingMode::Fallback),
    ];
    codes.map(|(code, mode)| (code.clone(), mode)).into()
}

/// The supervisors. The database decides whether they exist.
fn supervisors(source: &mut Source, file: &File) -> BTreeSet<OperatorId> {
    let mut known = BTreeSet::new();
    for (i, name) in file.operators.supervisors.iter().enumerate() {
        let key = format!("operators.supervisors[{i}]");
        match OperatorId::parse(name) {
            Ok(operator) if known.contains(&operator) => {
                source.fault(&key, format!("{name:?} is listed twice"), "each operator once");
            }
            Ok(operator) => {
                known.insert(operator);
            }
            Err(_) => source.fault(&key, format!("{name:?} is no operator's name"), "\"ani\""),
        }
    }
    known
}

fn places(source: &mut Source, file: &File) {
    let url = file.store.url.as_str();
    let known = ["sqlite:", "postgres://", "postgresql://"]
        .iter()
        .any(|scheme| url.starts_with(scheme) && url.len() > scheme.len());
    if !known {
        let wrong = "is neither SQLite nor PostgreSQL";
        source.fault("store.url", wrong, "\"sqlite:data/siaga.db\" or \"postgres://USER:PASSWORD@HOST/DATABASE\"");
    }
    let paths = [
        ("journal.dir", &file.journal.dir),
        ("recording.dir", &file.recording.dir),
        ("console.token_file", &file.console.token_file),
        ("prompts.dir", &file.prompts.dir),
    ];
    for (key, path) in paths {
        if path.is_empty() {
            source.fault(key, "empty", "a path");
        }
    }
    if file.journal.keep_days > 365 {
        source.fault("journal.keep_days", file.journal.keep_days.to_string(), "0 to 365 days");
    }
    if file.journal.dir == file.recording.dir {
        source.fault("recording.dir", "is also the folder of the journal", "a folder of its own");
    }
    if file.console.listen == file.report.listen && !file.console.listen.ends_with(":0") {
        source.fault("report.listen", "is also the console's address", "an address or port of its own");
    }
    if file.shutdown.drain_seconds > 86_400 {
        source.fault("shutdown.drain_seconds", file.shutdown.drain_seconds.to_string(), "0 to 86400 seconds");
    }
    if file.report.short_abandon_seconds > 3_600 {
        let wrong = file.report.short_abandon_seconds.to_string();
        source.fault("report.short_abandon_seconds", wrong, "0 to 3600 seconds");
    }
}

fn store_group(source: &mut Source, file: &File) -> Option<u32> {
    let name = file.store.group.as_ref()?;
    let group = file_modes::group(name);
    if group.is_none() {
        source.fault(
            "store.group",
            format!("{name:?} is no group of this machine"),
            "a group of /etc/group, or a number",
        );
    }
    group
}

fn warnings(source: &Source, file: &File) -> Vec<Fault> {
    let mut warnings = prompts::warnings(source, file);
    if file.queue.fallback_number.is_some() && file.trunk.iter().all(|trunk| trunk.uri.is_none()) {
        let wrong = "no trunk has a uri: the number cannot be dialled";
        warnings.push(source.warning("queue.fallback_number", wrong, "uri = \"sip:ADDRESS\" in a [[trunk]]"));
    }
    let mut steps = file.desk.iter().flat_map(|desk| &desk.escalation).chain(&file.queue.escalation);
    if steps.any(|step| step.number.is_some()) && file.trunk.iter().all(|trunk| trunk.uri.is_none()) {
        let wrong = "no trunk has a uri: the numbers of escalations cannot be dialled";
        warnings.push(source.warning("desk.escalation", wrong, "uri = \"sip:ADDRESS\" in a [[trunk]]"));
    }
    let unproven = file.sip.tls.as_ref().is_some_and(crate::sip::section::Tls::asks_for_no_certificate);
    if unproven && let Some(i) = file.trunk.iter().position(|trunk| trunk.tls_name.is_some()) {
        let wrong = "no client_ca in [sip.tls]: no peer is asked for a certificate, and the trunk cannot call";
        warnings.push(source.warning(
            &format!("trunk[{i}].tls_name"),
            wrong,
            "client_ca, the issuers of its certificate",
        ));
    }
    warnings
}
