//! What differs from story to story: its kind, settings, accounts and shifts.

use std::net::SocketAddr;
use std::time::Duration;

use siaga::acd::desk::{Desk, Escalation, Strategy};
use siaga::acd::shift::Plan;
use siaga::clock::Timestamp;
use siaga::ids::{OperatorId, Rng};
use siaga::switchboard::{Account, Agency, AnswerMode, DeskCalls, Pin, Settings, SrtpOffer, StationLogin};

use super::city::OPERATORS;
use super::media;
use super::races::Race;
use super::trunks;
use super::world::{TRUNK, account, settings};

/// What one story is like.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Story {
    pub(crate) seed: u64,
    pub(crate) calls: u32,
    pub(crate) loss_percent: u64,
    /// The service is drained in the middle, and hangs up all remaining calls then.
    pub(crate) drained: bool,
    /// RTP port pairs of the service.
    pub(crate) pairs: u16,
    /// What happens, on purpose, about when a phone answers.
    pub(crate) race: Option<Race>,
    /// The service ends, as if killed, and starts again from time to time.
    pub(crate) restarts: bool,
    /// Network errors and requests are forged, and strangers flood the service.
    pub(crate) attacks: bool,
}

const STRATEGIES: [Strategy; 8] = [
    Strategy::LongestIdle,
    Strategy::RoundRobin,
    Strategy::FewestCalls,
    Strategy::LeastTalkTime,
    Strategy::Linear,
    Strategy::Random,
    Strategy::RingAll,
    Strategy::RingProgressively,
];

/// Settings differ from story to story.
pub(super) fn settings_of(rng: &mut Rng) -> Settings {
    let mut settings = settings();
    settings.calls.long_call = Duration::from_secs(3600);
    settings.trunks[0].target = Some(TRUNK.parse().unwrap());
    if rng.below(4) == 0 {
        settings.calls.answer = AnswerMode::Queue;
    }
    if rng.below(3) == 0 {
        settings.fallback.number = Some("0113".to_owned());
    }
    settings.numbers.agencies = vec![Agency { name: "damkar".to_owned(), number: trunks::AGENCY.to_owned() }];
    settings.operators.supervisors = (0..OPERATORS).map(|n| OperatorId::parse(&format!("op{n}")).unwrap()).collect();
    if rng.below(2) == 0 {
        settings.phones.keep_alive = Some(Duration::from_secs(30));
    }
    if rng.below(2) == 0 {
        settings.trunks[0].keep_alive = Some(Duration::from_secs(60));
    }
    if rng.below(2) == 0 {
        trunks::add_second(&mut settings, rng);
    }
    settings.session.reliable_when_supported = rng.below(2) == 0;
    settings.session.seconds = [None, Some(90), Some(120), Some(1_800)][usize::try_from(rng.below(4)).unwrap()];
    if rng.below(3) == 0 {
        settings.media.srtp = SrtpOffer::Always;
    }
    settings.calls.requeue_on_operator_lost = rng.below(4) > 0;
    settings.acd.login_on_register = rng.below(3) > 0;
    settings.acd.unanswered_max = [0, 0, 0, 3][usize::try_from(rng.below(4)).unwrap()];
    let strategy = STRATEGIES[usize::try_from(rng.below(8)).unwrap()];
    let progress = Duration::from_secs(4);
    settings.acd.desks = vec![Desk { strategy, progress, ..Desk::default() }];
    if rng.below(2) == 0 {
        add_fire_desk(&mut settings, rng);
    }
    settings.calls.announce_each = (rng.below(2) == 0).then(|| Duration::from_secs(10 + rng.below(30)));
    settings.calls.silent.after = (rng.below(2) == 0).then(|| Duration::from_secs(5 + rng.below(20)));
    settings.operators.break_reasons = vec!["tea".to_owned(), "meal".to_owned()];
    settings
}

/// A second desk, whose calls go to everybody after a while.
fn add_fire_desk(settings: &mut Settings, rng: &mut Rng) {
    let strategy = STRATEGIES[usize::try_from(rng.below(8)).unwrap()];
    let member = |index: u8| (OperatorId::parse(&format!("op{index}")).unwrap(), index % 2);
    let escalation = vec![Escalation { after: Duration::from_secs(5 + rng.below(20)), to: Vec::new() }];
    let fire =
        Desk { name: "fire".to_owned(), strategy, members: Some((0..3).map(member).collect()), ..Desk::default() };
    settings.acd.desks.push(Desk { escalation, progress: Duration::from_secs(4), ..fire });
    let outside = vec![(Duration::from_secs(10 + rng.below(40)), "0113".to_owned())];
    let calls = DeskCalls { services: vec!["fire".to_owned()], outside, ..DeskCalls::default() };
    settings.numbers.desks = vec![DeskCalls::default(), calls];
}

/// Shifts that come and go for each operator.
pub(super) fn plan(rng: &mut Rng, from: Timestamp) -> Plan {
    let mut plan = Plan { rostered: true, ..Plan::default() };
    for index in 0..OPERATORS {
        let spans = plan.spans.entry(OperatorId::parse(&format!("op{index}")).unwrap()).or_default();
        let mut at = from.as_millis();
        for _ in 0..20 {
            let start = at + i64::try_from(rng.below(300_000)).unwrap();
            let end = start + i64::try_from(60_000 + rng.below(1_800_000)).unwrap();
            spans.insert((Timestamp::from_millis(start), Timestamp::from_millis(end)));
            at = end + 1;
        }
    }
    plan
}

impl Story {
    /// The phone at which operators take turns, if there is one.
    pub(super) fn station(self) -> Option<u16> {
        (self.seed % 5 == 4).then_some(OPERATORS - 1)
    }

    pub(super) fn ports(self) -> Vec<SocketAddr> {
        (0..self.pairs).map(|i| SocketAddr::from(([127, 0, 0, 1], 20_000 + 2 * i))).collect()
    }

    pub(super) fn accounts(self, count: u16) -> Vec<Account> {
        let made = |index: u16| {
            let station = self.station() == Some(index);
            let station_login = StationLogin::new(&index.to_string(), Pin::new([1; 16], media::PIN).unwrap());
            Account { station, station_login: station_login.filter(|_| !station), ..account(&format!("op{index}")) }
        };
        (0..count).map(made).collect()
    }
}
