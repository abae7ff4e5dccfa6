//! The configuration: the file that we ship works, and every fault is told at once, with its place.

use std::collections::BTreeMap;

use siaga::acd::desk::{DeskNo, Strategy};
use siaga::config::{Config, ServiceLevel};
use siaga::sip::flow::Transport;
use siaga::sip::sdp::{AudioCodec, Formats};

const SHIPPED: &str = include_str!("../config/siaga.toml");

const TRUNK: &str = "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\n";

fn faults(text: &str) -> Vec<String> {
    match Config::parse("test.toml", text) {
        Ok(_) => Vec::new(),
        Err(faults) => faults.0.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_shipped_file_works_as_it_stands_and_says_the_defaults() {
    let shipped = Config::parse("config/siaga.toml", SHIPPED).unwrap();
    assert_eq!(shipped.warnings, []);
    assert_eq!(shipped.site.number, "112");
    assert_eq!(shipped.sip.listeners.len(), 1);
    assert_eq!(shipped.trunks[0].name, "telco");
    let bare = Config::parse("bare.toml", "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\n").unwrap();
    assert_eq!(bare.queue.ring_seconds, shipped.queue.ring_seconds);
    assert_eq!(bare.queue.wrap_up_seconds, shipped.queue.wrap_up_seconds);
    assert_eq!(bare.queue.rest_seconds, shipped.queue.rest_seconds);
    assert_eq!(bare.queue.silence_seconds, shipped.queue.silence_seconds);
    assert_eq!(bare.queue.long_call_seconds, shipped.queue.long_call_seconds);
    assert_eq!(bare.queue.fallback_ring_seconds, shipped.queue.fallback_ring_seconds);
    assert_eq!(bare.queue.fallback_retry_seconds, shipped.queue.fallback_retry_seconds);
    assert_eq!(bare.queue.none_ready_seconds, shipped.queue.none_ready_seconds);
    assert_eq!(bare.operators.last_ready_text, shipped.operators.last_ready_text);
    let media = siaga::config::Media { phones: shipped.media.phones.clone(), ..bare.media };
    assert_eq!((bare.sip, media, bare.features), (shipped.sip, shipped.media, shipped.features));
}

#[test]
fn every_fault_is_told_at_once_with_line_and_key() {
    let text = "[site]\nnumber = \"1a\"\ntimezone = \"Mars\"\n[sip]\nlisten = [\"sctp:127.0.0.1:5061\"]\nlisen = 1\n\
                [queue]\nring_seconds = 0\n[media]\nports = [20001, 20000]\n";
    let told = faults(text).join("\n");
    for key in ["site.number", "site.timezone", "sip.listen[0]", "lisen", "queue.ring_seconds", "media.ports", "trunk"]
    {
        assert!(told.contains(key), "{key} is not told in:\n{told}");
    }
    assert!(told.contains("test.toml:2: site.number"), "{told}");
    assert!(told.contains("test.toml:8: queue.ring_seconds"), "{told}");
}

#[test]
fn a_trunk_without_peers_or_with_a_bad_one_is_a_fault() {
    let told =
        faults("[[trunk]]\nname = \"a\"\npeers = []\n[[trunk]]\nname = \"a\"\npeers = [\"10.0.0.0/40\"]\n").join("\n");
    for key in ["trunk[0].peers", "trunk[1].name", "trunk[1].peers[0]"] {
        assert!(told.contains(key), "{key} is not told in:\n{told}");
    }
}

#[test]
fn an_agency_has_a_name_that_can_be_dialled_and_a_number_of_its_own() {
    let trunk = "[[trunk]]\nname = \"a\"\npeers = [\"10.0.0.1\"]\n";
    let agency = |name: &str, number: &str| format!("[[agency]]\nname = \"{name}\"\nnumber = \"{number}\"\n");
    let good = Config::parse("test.toml", &format!("{trunk}{}", agency("damkar", "0725113"))).unwrap();
    assert_eq!(good.switchboard().numbers.agencies[0].number, "0725113");
    let bad = [agency("pos 1", "x"), agency("PLN", "123"), agency("pln", "112")].concat();
    let told = faults(&format!("{trunk}{bad}")).join("\n");
    for key in ["agency[0].name", "agency[0].number", "agency[2].name", "agency[2].number"] {
        assert!(told.contains(key), "{key} is not told in:\n{told}");
    }
}

#[test]
fn supervisors_are_named_once_each_and_feature_codes_are_codes_of_their_own() {
    let trunk = "[[trunk]]\nname = \"a\"\npeers = [\"10.0.0.1\"]\n";
    let good = Config::parse("test.toml", &format!("{trunk}[operators]\nsupervisors = [\"ani\"]\n")).unwrap();
    let settings = good.switchboard();
    assert_eq!(settings.operators.supervisors.iter().map(ToString::to_string).collect::<Vec<_>>(), ["ani"]);
    let (codes, of) = (&settings.feature_codes, &settings.feature_codes.supervisors);
    let told = [&codes.conference, &of.listen, &of.whisper, &of.barge, &of.take_over, &of.pick_up];
    assert_eq!(told, ["*30", "*21", "*22", "*23", "*24", "*25"]);
    let bad = "[operators]\nsupervisors = [\"ani\", \"ani\", \"a b\"]\n[features]\nlisten = \"*11\"\nbarge = \"23\"\n";
    let told = faults(&format!("{trunk}{bad}")).join("\n");
    for key in ["operators.supervisors[1]", "operators.supervisors[2]", "features.listen", "features.barge"] {
        assert!(told.contains(key), "{key} is not told in:\n{told}");
    }
    assert!(!told.contains("supervisors[0]"), "{told}");
}

#[test]
fn stored_journal_segments_are_kept_for_0_to_365_days() {
    let trunk = "[[trunk]]\nname = \"a\"\npeers = [\"10.0.0.1\"]\n";
    let days = |config: &Config| config.journal_keep.as_secs() / 86_400;
    assert_eq!(days(&Config::parse("test.toml", trunk).unwrap()), 7);
    assert_eq!(days(&Config::parse("test.toml", &format!("{trunk}[journal]\nkeep_days = 0\n")).unwrap()), 0);
    let told = faults(&format!("{trunk}[journal]\nkeep_days = 18446744073709551615\n")).join("\n");
    assert!(told.contains("journal.keep_days") && told.contains("0 to 365 days"), "{told}");
}

#[test]
fn the_guard_says_what_it_does_not_understand() {
    let text = "[[trunk]]\nname = \"a\"\npeers = [\"10.0.0.1\"]\n[guard]\nallow = [\"10.0.0.0/99\"]\nscanners = [\"x\"]\n\
                failures = 1\nban_first_seconds = 100\nban_longest_seconds = 10\n";
    let told = faults(text).join("\n");
    for key in ["guard.allow[0]", "guard.scanners[0]", "guard.failures", "guard.ban_longest_seconds"] {
        assert!(told.contains(key), "{key} is not told in:\n{told}");
    }
}

#[test]
fn how_much_is_borne_can_be_less_than_the_service_can_bear_and_not_more() {
    let trunk = "[[trunk]]\nname = \"a\"\npeers = [\"10.0.0.1\"]\n";
    let terms = "[sip]\nconnection_message_seconds = 5\nconnections_per_address = 40\n[site]\nmax_calls = 50\n";
    let config = Config::parse("small.toml", &format!("{trunk}{terms}")).unwrap();
    assert_eq!(config.switchboard().calls.max, 50);
    assert_eq!((config.sip.connections.message.as_secs(), config.sip.connections.per_address), (5, 40));
    let running = Config::parse("running.toml", trunk).unwrap();
    assert_eq!(running.switchboard().calls.max, 2_500);
    assert_eq!(config.needs_restart(&running), ["sip.connection_message_seconds", "sip.connections_per_address"]);
    let terms = terms.replace("= 50", "= 20001").replace("= 5\n", "= 0\n").replace("= 40", "= 16000");
    let told = faults(&format!("{trunk}{terms}")).join("\n");
    for key in ["site.max_calls", "sip.connection_message_seconds", "sip.connections_per_address"] {
        assert!(told.contains(key), "{key} is not told in:\n{told}");
    }
}

#[test]
fn a_trunks_terms_are_checked_and_its_password_is_shown_nowhere() {
    let text = "[[trunk]]\nname = \"a\"\npeers = [\"10.0.0.1\"]\nusername = \"u\"\nregister = true\ncountry = \"062\"\n\
                number_format = \"+1\"\ncodecs = [\"G729\"]\ndown_after = 0\n[[trunk]]\nname = \"b\"\npeers = [\"10.0.0.2\"]\n\
                username = \"u\"\npassword_file = \"/nowhere\"\n";
    let told = faults(text).join("\n");
    for key in ["username", "register", "country", "number_format", "codecs", "down_after"] {
        assert!(told.contains(&format!("trunk[0].{key}")), "{key} is not told in:\n{told}");
    }
    assert!(told.contains("trunk[1].password_file"), "{told}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "rahasia\n").unwrap();
    let text = format!(
        "[[trunk]]\nname = \"a\"\npeers = [\"10.0.0.1\"]\nuri = \"sip:10.0.0.1\"\nusername = \"u\"\nregister = true\n\
         password_file = \"{}\"\ncountry = \"62\"\nnumber_format = \"+62\"\n",
        file.display()
    );
    let config = Config::parse("test.toml", &text).unwrap();
    let terms = &config.trunks[0].terms;
    assert_eq!(terms.identity.as_ref().unwrap().password, "rahasia");
    assert_eq!(terms.register.as_ref().unwrap().aor, "sip:u@10.0.0.1");
    assert!(!format!("{config:?}").contains("rahasia"));
}

#[test]
fn what_goes_over_tls_needs_files_that_can_be_read() {
    let told = faults("[sip]\nlisten = [\"tls:127.0.0.1:5061\"]\n").join("\n");
    assert!(told.contains("test.toml:1: sip.tls: missing") || told.contains("sip.tls: missing"), "{told}");
    // The files themselves are read by `siaga check` and `siaga serve`: reports go on without them.
    let text = "[media]\nlisten = \"::1\"\n[sip]\nlisten = [\"tls:[::1]:5061\"]\n[sip.tls]\ncertificate = \"/nowhere/server.pem\"\n\
                key = \"/nowhere/server.key\"\n[[trunk]]\nname = \"a\"\npeers = [\"::2\"]\ntransport = \"tls\"\n";
    let files = Config::parse("test.toml", text).unwrap().sip.tls.unwrap();
    assert!(
        files.read().unwrap_err().to_string().starts_with("sip.tls.certificate: /nowhere/server.pem cannot be used")
    );
}

#[test]
fn a_trunk_needs_a_listener_of_its_transport() {
    let told = faults(
        "[[trunk]]\nname = \"a\"\npeers = [\"127.0.0.2\"]\ntransport = \"tcp\"\n\
         [[trunk]]\nname = \"b\"\npeers = [\"127.0.0.3\"]\ntls_name = \"sbc.example\"\ntcp_when_large = true\n",
    )
    .join("\n");
    for key in
        ["trunk[0].transport: tcp, while no tcp: address listens", "trunk[1].tls_name", "trunk[1].tcp_when_large"]
    {
        assert!(told.contains(key), "{key} is not told in:\n{told}");
    }
}

#[test]
fn the_desks_of_the_file_know_their_calls_operators_and_overflow() {
    let config = Config::parse(
        "siaga.toml",
        "[[trunk]]\nname = 'telco'\npeers = ['127.0.0.2']\n[queue]\nstrategy = 'round-robin'\n[[desk]]\nname = 'damkar'\nservices = ['fire']\nnumbers = ['113']\n\
         operators = { budi = 2 }\noverflow_seconds = 20\noverflow = ['polisi']\n[[desk]]\nname = 'polisi'\n\
         services = ['police']\nstrategy = 'random'\npriority = 3\n",
    )
    .unwrap();
    let settings = config.switchboard();
    let [queue, fire, police] = settings.acd.desks.as_slice() else { panic!("{:?}", settings.acd.desks) };
    assert_eq!((queue.strategy, police.strategy), (Strategy::RoundRobin, Strategy::Random));
    assert_eq!((queue.members.is_none(), fire.members.as_ref().map(BTreeMap::len)), (true, Some(1)));
    assert_eq!(fire.overflow.to, [DeskNo(2)], "[queue] is the first");
    assert_eq!(settings.numbers.desks[1].numbers, ["113"]);
    assert_eq!(settings.numbers.desks.iter().map(|desk| desk.priority).collect::<Vec<_>>(), [0, 0, 3]);
}

#[test]
fn escalations_break_reasons_and_announcements_reach_the_switchboard() {
    let base = "[[trunk]]\nname = 'telco'\npeers = ['127.0.0.2']\n[[desk]]\nname = 'damkar'\nnumbers = ['113']\nprogress_seconds = 7\n\
                strategy = 'ring-progressively'\nescalation = [{ after_seconds = 20, to = ['polisi'] }, { after_seconds = 40 }, { after_seconds = 50, number = '0725113' }]\n\
                [[desk]]\nname = 'polisi'\nnumbers = ['110']\nstrategy = 'ring-all'\n";
    let more = "[queue]\nannounce_seconds = 30\nescalation = [{ after_seconds = 9, to = ['damkar'] }]\n\
                [operators]\nbreak_reasons = ['meal', 'prayer']\n";
    let settings = Config::parse("siaga.toml", &format!("{base}{more}")).unwrap().switchboard();
    let steps = |desk: usize| {
        let steps = settings.acd.desks[desk].escalation.iter();
        steps.map(|step| (step.after.as_secs(), step.to.clone())).collect::<Vec<_>>()
    };
    assert_eq!(steps(0), [(9, vec![DeskNo(1)])]);
    assert_eq!(steps(1), [(20, vec![DeskNo(2)]), (40, vec![])]);
    let outside: Vec<_> =
        settings.numbers.desks[1].outside.iter().map(|(after, number)| (after.as_secs(), number.as_str())).collect();
    assert_eq!(outside, [(50, "0725113")], "and no desk");
    assert_eq!(settings.acd.desks[1].progress.as_secs(), 7);
    assert_eq!(
        (settings.acd.desks[1].strategy, settings.acd.desks[2].strategy),
        (Strategy::RingProgressively, Strategy::RingAll)
    );
    assert_eq!((settings.calls.announce_each.unwrap().as_secs(), settings.operators.break_reasons.len()), (30, 2));
    let told = faults(
        "[[trunk]]\nname = 'telco'\npeers = ['127.0.0.2']\n[queue]\nannounce_seconds = 5\nescalation = [{ after_seconds = 9, to = ['nobody'] }]\n\
         [operators]\nbreak_reasons = ['meal', 'meal']\n[features]\nwrap_up = '*139'\n",
    )
    .join("\n");
    for key in ["queue.announce_seconds", "queue.escalation", "operators.break_reasons", "features.wrap_up"] {
        assert!(told.contains(key), "{key} is not told in:\n{told}");
    }
}

#[test]
fn desks_with_the_same_number_or_an_unknown_overflow_are_errors() {
    let found = faults(
        "[[trunk]]\nname = 'telco'\npeers = ['127.0.0.2']\n[[desk]]\nname = 'a'\nnumbers = ['112', '113']\noverflow_seconds = 5\noverflow = ['a', 'x']\n\
         [[desk]]\nname = 'a'\nnumbers = ['113']\nservices = ['fire']\n\
         [[desk]]\nname = 'b'\nservices = ['fire']\noperators = { 'no body' = 1 }\n",
    );
    let all = found.join("\n");
    for part in [
        "\"112\" is another's",
        "\"113\" is another's",
        "\"fire\" is another's",
        "\"a\" is another desk's",
        "\"a\" is no other desk",
        "\"x\" is no other desk",
        "\"no body\" is no operator's name",
    ] {
        assert!(all.contains(part), "{part}:\n{all}");
    }
    assert_eq!(found.len(), 7, "{all}");
}

#[test]
fn how_a_trunk_is_called_is_named_found_out_or_a_fault() {
    let listen = "[sip]\nlisten = [\"udp:127.0.0.1:5060\", \"tls:127.0.0.1:5061\"]\n[sip.tls]\ncertificate = \"a\"\nkey = \"b\"\n";
    let config = |lines: &str| {
        let text = format!("{listen}[[trunk]]\nname = \"a\"\npeers = [\"10.0.0.1\"]\n{lines}\n");
        Config::parse("test.toml", &text).map(|config| config.trunks[0].clone()).map_err(|faults| faults.to_string())
    };
    // By name alone, whatever is listened on may be used; a port, a parameter or the setting leaves one way.
    for (lines, transports, named) in [
        ("uri = \"sip:telco.example\"", &[Transport::Udp, Transport::Tls][..], false),
        ("uri = \"sip:telco.example:5070\"", &[Transport::Udp], false),
        ("uri = \"sip:telco.example;transport=TLS\"", &[Transport::Tls], true),
        ("uri = \"sip:telco.example\"\ntransport = \"udp\"", &[Transport::Udp], true),
        ("uri = \"sips:telco.example\"\ntls_name = \"sbc.telco.example\"", &[Transport::Tls], false),
    ] {
        let host = config(lines).unwrap().host.unwrap();
        assert_eq!((host.transports.as_slice(), host.transport_named), (transports, named), "{lines}");
        assert_eq!(host.secure, lines.contains("sips:"));
    }
    let fixed = config("uri = \"sips:10.0.0.2\"").unwrap();
    assert_eq!((fixed.target, fixed.transport), (Some("10.0.0.2:5061".parse().unwrap()), Transport::Tls));
    for (lines, wrong) in [
        ("uri = \"sip:telco.example;transport=tcp\"", "tcp, while no tcp: address listens"),
        ("uri = \"sip:telco.example;transport=sctp\"", "\"sctp\" in the uri is not a transport of ours"),
        ("uri = \"sip:telco.example;transport=udp\"\ntransport = \"tls\"", "tls, while the uri says udp"),
        ("uri = \"sips:telco.example\"\ntransport = \"udp\"", "is not tls, while the uri is of the sips scheme"),
        ("uri = \"sip:10.0.0.2\"\ntls_name = \"sbc.example\"", "tls_name"),
    ] {
        let told = config(lines).unwrap_err();
        assert!(told.contains(wrong), "{lines}: {told}");
    }
}

#[test]
fn a_trunks_sound_and_our_name_are_checked() {
    let text =
        "[sip]\nserver_header = \"a\\nb\"\n[[trunk]]\nname = \"a\"\npeers = [\"10.0.0.1\"]\ndtmf_payload_type = 8\n";
    let told = faults(text).join("\n");
    assert!(told.contains("sip.server_header") && told.contains("trunk[0].dtmf_payload_type: 8"), "{told}");
    let text = "[sip]\nserver_header = \"siaga/1\"\n[[trunk]]\nname = \"a\"\npeers = [\"10.0.0.1\"]\ncodecs = [\"PCMU\", \"PCMA\"]\n\
                dtmf_payload_type = 96\n[[trunk]]\nname = \"b\"\npeers = [\"10.0.0.2\"]\ndtmf = \"info\"\n";
    let config = Config::parse("test.toml", text).unwrap();
    assert_eq!(config.switchboard().site.server_header.as_deref(), Some("siaga/1"));
    let both = [AudioCodec::Pcmu, AudioCodec::Pcma];
    assert_eq!(config.trunks[0].terms.formats, Formats::new(&both, Some(96)));
    assert_eq!(config.trunks[1].terms.formats, Formats::new(&[], None));
}

#[test]
fn callers_categories_and_codes_are_checked() {
    let text = "[[trunk]]\nname = \"a\"\npeers = [\"10.0.0.1\"]\n[callers]\nrepeat_minutes = 0\ncall_back_hours = 100\n\
                [[category]]\ncode = \"a\"\nname = \"x\"\n[[category]]\ncode = \"1\"\nname = \"X\"\n\
                [mode]\nhours = 169\nincident_wrap_up_seconds = 3601\nincident_text = \"a\\nb\"\n\
                [features]\ncall_back = \"*415\"\nmode_drill = \"*61\"\n[operators]\noverlap_minutes = 300\nchanges = \"nowhere.csv\"\n";
    let told = faults(text).join("\n");
    for part in [
        "callers.repeat_minutes: 0",
        "callers.call_back_hours: 100",
        "category[0].code: \"a\" cannot be dialled",
        "category[1].name: \"X\" is listed twice",
        "features.call_back: \"*415\" begins with \"*41\"",
        "mode.hours: 169",
        "mode.incident_wrap_up_seconds: 3601",
        "mode.incident_text: a text of 3 bytes, or of several lines",
        "features.mode_drill: \"*61\" is the code of two features",
        "operators.overlap_minutes: 300",
        "/nowhere.csv: ",
        "operators.changes: there is no roster",
    ] {
        assert!(told.contains(part), "{part}:\n{told}");
    }
}

#[test]
fn leave_decrees_and_overlap_make_the_plan() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let roster = file("roster.csv", "operator,date,shift\na,2026-11-24,day\nb,2026-11-24,night\nb,2026-11-25,day\n");
    let changes = file("changes.csv", "operator,date,shift\na,2026-11-24,swap:c\nb,2026-11-25,leave\n");
    let decrees = file("decrees.csv", "operator,decree,valid_from,valid_to\nb,SK 1,2026-01-01,2026-11-24\n");
    let text = format!(
        "[[trunk]]\nname = \"a\"\npeers = [\"10.0.0.1\"]\n[[shift]]\nname = \"day\"\nstart = \"07:00\"\nend = \"19:00\"\n\
         [[shift]]\nname = \"night\"\nstart = \"19:00\"\nend = \"07:00\"\n[operators]\nroster = \"{roster}\"\n\
         changes = \"{changes}\"\ndecrees = \"{decrees}\"\noverlap_minutes = 10\n"
    );
    let config = Config::parse("test.toml", &text).unwrap();
    let day = |text: &str| text.parse().unwrap();
    let csv = config.rostered.roster.csv(day("2026-11-24")..=day("2026-11-30"));
    assert_eq!(csv, "operator,date,shift\nb,2026-11-24,night\nc,2026-11-24,day\n");
    let at =
        |text: &str| siaga::clock::Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
    let ahead = config.roster_ahead(at("2026-11-24T07:00:00+07:00"), 1, None);
    // B is not appointed after midnight, and C's crew has gone ten minutes after seven.
    let gaps: Vec<_> = ahead.gaps.iter().map(|gap| (gap.from, gap.to)).collect();
    assert_eq!(gaps, [(at("2026-11-25T00:00:00+07:00"), at("2026-11-25T07:00:00+07:00"))]);
    assert_eq!(ahead.ending.len(), 1, "{:?}", ahead.ending);
}

#[test]
fn a_desk_promises_what_it_says_and_else_what_the_report_says() {
    let levels = |text: &str| {
        let text = format!("{TRUNK}{text}");
        let levels = Config::parse("test.toml", &text).unwrap().report.levels;
        let told = |(desk, level): (String, ServiceLevel)| (desk, level.within.as_secs(), level.percent);
        levels.desks.into_iter().map(told).collect::<Vec<_>>()
    };
    let name = str::to_owned;
    assert_eq!(levels(""), [(String::new(), 10, 90)]);
    let desk = "[[desk]]\nname = \"damkar\"\nnumbers = [\"113\"]\n";
    assert_eq!(
        levels(&format!(
            "[report]\nservice_level_seconds = 20\n[queue]\nservice_level_percent = 95\n{desk}service_level_seconds = 0\n"
        )),
        [(String::new(), 20, 95), (name("damkar"), 0, 90)]
    );
    let told = faults(&format!(
        "{TRUNK}[report]\nservice_level_percent = 0\n[queue]\nservice_level_seconds = 3601\n{desk}service_level_percent = 101\n"
    ))
    .join("\n");
    for key in ["report.service_level_percent", "queue.service_level_seconds", "desk[0].service_level_percent"] {
        assert!(told.contains(key), "{key} is not told in:\n{told}");
    }
    let told = faults(&format!("{TRUNK}[[desk]]\nname = \"queue\"\nnumbers = [\"113\"]\n")).join("\n");
    assert!(told.contains("desk[0].name") && told.contains("[queue]"), "{told}");
}

#[test]
fn choices_of_silent_callers_are_one_digit_and_a_few_words_each() {
    let silent = |text: &str| Config::parse("test.toml", &format!("{TRUNK}{text}")).unwrap().silent;
    let usual = silent("");
    assert_eq!((usual.after, usual.choices.len()), (None, 3));
    assert_eq!(usual.choices[0], ('1', "tidak dapat bicara".to_owned()));
    assert_eq!(silent("[site]\nlanguage = \"en\"\n").choices[1].1, "needs the police");
    let choice = |digit: &str, text: &str| format!("[[silent_choice]]\ndigit = \"{digit}\"\ntext = \"{text}\"\n");
    let own = silent(&format!("{}{}[queue]\nsilent_prompt_seconds = 8\n", choice("7", "api"), choice("*", "banjir")));
    assert_eq!(own.choices, [('7', "api".to_owned()), ('*', "banjir".to_owned())]);
    assert_eq!(own.after, Some(std::time::Duration::from_secs(8)));
    for (text, key) in [
        (choice("12", "api"), "silent_choice[0].digit"),
        (choice("x", "api"), "silent_choice[0].digit"),
        (choice("", "api"), "silent_choice[0].digit"),
        (choice("1", "api") + &choice("1", "banjir"), "silent_choice[1].digit"),
        (choice("1", ""), "silent_choice[0].text"),
        (choice("1", &"x".repeat(41)), "silent_choice[0].text"),
        ("[queue]\nsilent_prompt_seconds = 4\n".to_owned(), "queue.silent_prompt_seconds"),
        ("[features]\nsilent_prompt = \"16\"\n".to_owned(), "features.silent_prompt"),
        ("[features]\nsilent_prompt = \"*11\"\n".to_owned(), "features.silent_prompt"),
    ] {
        let told = faults(&format!("{TRUNK}{text}")).join("\n");
        assert!(told.contains(key), "{key} is not told in:\n{told}");
    }
}

#[test]
fn music_that_cannot_be_played_is_a_warning_and_never_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("id");
    std::fs::create_dir(&own).unwrap();
    let warnings = |waiting: &str| {
        let text = format!("{TRUNK}[queue]\nwaiting = \"{waiting}\"\n[prompts]\ndir = {:?}\n", folder.path());
        let warnings = Config::parse("test.toml", &text).unwrap().warnings;
        warnings.iter().map(ToString::to_string).filter(|told| told.contains("music.wav")).collect::<Vec<_>>()
    };
    assert!(warnings("ringback").is_empty(), "who wants none misses none");
    assert!(warnings("music")[0].contains("queue.waiting") && warnings("music")[0].contains("cannot be read"));
    std::fs::write(own.join("music.wav"), "RIFF").unwrap();
    assert!(warnings("music")[0].contains("not a WAV file"), "{:?}", warnings("music"));
    std::fs::copy("config/prompts/id/music.wav", own.join("music.wav")).unwrap();
    assert!(warnings("music").is_empty());
    assert!(faults(&format!("{TRUNK}[queue]\nwaiting = \"jazz\"\n")).join("").contains("waiting"));
}

#[test]
fn prefixes_of_called_numbers_are_digits_with_or_without_a_plus() {
    let told = faults(&format!("{TRUNK}called = [\"+62\", \"0725\", \"62-\", \"\"]\n")).join("\n");
    assert!(told.contains("trunk[0].called: \"62-\" is not a prefix of called numbers; expected: [\"+62\""), "{told}");
    assert!(told.contains("\"\" is not a prefix"), "{told}");
    let config = Config::parse("test.toml", &format!("{TRUNK}called = [\"+62\", \"0725\"]\n")).unwrap();
    assert_eq!(config.switchboard().trunks[0].terms.called, ["+62", "0725"]);
}

#[test]
fn paths_are_relative_to_the_folder_of_the_file_wherever_siaga_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().canonicalize().unwrap();
    std::fs::create_dir(base.join("config")).unwrap();
    std::fs::write(base.join("config/telco.password"), "rahasia\n").unwrap();
    std::fs::write(base.join("config/roster.csv"), "operator,date,shift\nbudi,2026-11-24,pagi\n").unwrap();
    let text = format!(
        "{TRUNK}username = \"u\"\npassword_file = \"telco.password\"\n[store]\nurl = \"sqlite:../data/siaga.db?mode=rwc\"\n\
         [journal]\ndir = \"../data/journal\"\n[recording]\ndir = \"/var/lib/siaga/recordings\"\n\
         [[shift]]\nname = \"pagi\"\nstart = \"07:00\"\nend = \"19:00\"\n[operators]\nroster = \"roster.csv\"\n\
         [prompts]\ndir = \"prompts\"\n"
    );
    let config = Config::parse(base.join("config/siaga.toml").to_str().unwrap(), &text).unwrap();
    let below = |path: &str| base.join(path).display().to_string();
    assert_eq!(config.store_url, format!("sqlite:{}?mode=rwc", below("data/siaga.db")));
    assert_eq!(config.journal_dir.display().to_string(), below("data/journal"));
    assert_eq!(config.recording.dir.display().to_string(), "/var/lib/siaga/recordings");
    assert_eq!(config.console.token_file.display().to_string(), below("config/data/console.token"));
    assert_eq!(config.prompts_dir.display().to_string(), below("config/prompts/id"));
    assert_eq!(config.rostered.roster.entries().len(), 1);
    assert!(config.places().iter().all(|(_, path)| path.starts_with('/')), "{:?}", config.places());
}

#[test]
fn names_without_an_account_are_reported_by_key_and_do_not_count_as_on_shift() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("roster.csv"),
        "operator,date,shift\nsrai,2026-11-24,hari\nbudi,2026-11-24,hari\n",
    )
    .unwrap();
    std::fs::write(folder.path().join("sk.csv"), "operator,decree,valid_from,valid_to\nhantu,SK 1,,\n").unwrap();
    let text = format!(
        "{TRUNK}[queue]\noperators = {{ budi = 1, antu = 2 }}\n[[desk]]\nname = \"fire\"\nnumbers = [\"113\"]\noperators = {{ sarii = 1 }}\n\
         [[shift]]\nname = \"hari\"\nstart = \"00:00\"\nend = \"24:00\"\n\
         [operators]\nroster = \"roster.csv\"\ndecrees = \"sk.csv\"\nsupervisors = [\"anni\"]\nminimum_on_shift = 2\n"
    );
    let config = Config::parse(folder.path().join("siaga.toml").to_str().unwrap(), &text).unwrap();
    let name = |name: &str| siaga::ids::OperatorId::parse(name).unwrap();
    let accounts = std::collections::BTreeSet::from([name("budi"), name("sari"), name("ani")]);
    let told: Vec<_> = config.without_account(&accounts).into_iter().map(|fault| (fault.key, fault.wrong)).collect();
    let has = |key: &str, name: &str| (key.to_owned(), format!("\"{name}\" has no account"));
    assert_eq!(
        told,
        [
            has("queue.operators", "antu"),
            has("desk[0].operators", "sarii"),
            has("operators.supervisors", "anni"),
            has("operators.roster", "srai"),
            has("operators.decrees", "hantu"),
        ]
    );
    let now = siaga::clock::Timestamp::from_millis(
        "2026-11-24T00:00:00+07:00".parse::<jiff::Timestamp>().unwrap().as_millisecond(),
    );
    let gap = |accounts| config.roster_ahead(now, 1, accounts).gaps.first().map(|gap| (gap.from == now, gap.fewest));
    assert_ne!(gap(None), Some((true, 1)), "both names are on shift");
    assert_eq!(gap(Some(&accounts)), Some((true, 1)), "a name without an account takes no calls");
}
