//! Stories of calls as facts: what the fold, the store and the reports are tested with.
#![allow(dead_code, reason = "each test tells some of the stories")]

use siaga::cdr::Cdr;
use siaga::cdr::fact::{Callee, Class, Destination, EndCause, Fact, FactId, FactKind, OfferOutcome, Role, Side};
use siaga::clock::Timestamp;
use siaga::ids::{CallId, LegNo, OperatorId, Rng};
use siaga::sip::location::{Location, Shape, Source};

/// 2026-11-24 07:00 in Jakarta.
pub(crate) const MORNING: i64 = 1_795_478_400_000;

/// The bit of a late fact's number.
pub(crate) const LATE: u32 = 0x8000_0000;

/// A call while it is told: each fact comes some milliseconds after the call's arrival.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) call: CallId,
    pub(crate) received: i64,
    pub(crate) facts: Vec<Fact>,
}

impl Story {
    /// A call from `number` arrives. `no` makes its id.
    pub(crate) fn new(no: u64, received: i64, number: Option<&str>) -> Self {
        let call = CallId::new(Timestamp::from_millis(received), &mut Rng::from_number(no));
        let kind = FactKind::Received {
            trunk: "telco".to_owned(),
            asserted: number.map(str::to_owned),
            presented: Some("0725112233".to_owned()),
            called: "112".to_owned(),
            sip_call_id: format!("{no}@telco.example"),
            headers: vec!["P-Access-Network-Info: 3GPP-E-UTRAN-FDD".to_owned()],
            mode: siaga::acd::OperatingMode::Normal,
            internal: None,
        };
        Self { call, received, facts: Vec::new() }.then(0, kind)
    }

    /// The next fact.
    #[must_use]
    pub(crate) fn then(mut self, after: i64, kind: FactKind) -> Self {
        let seq = u32::try_from(self.facts.len()).unwrap();
        self.facts.push(self.fact(seq, after, kind));
        self
    }

    /// A fact with a number of its own.
    pub(crate) fn fact(&self, seq: u32, after: i64, kind: FactKind) -> Fact {
        let id = FactId { stream: self.call, seq };
        Fact { id, call: Some(self.call), at: Timestamp::from_millis(self.received + after), up: None, kind }
    }

    #[must_use]
    pub(crate) fn queued(self, after: i64) -> Self {
        self.then(after, FactKind::Queued { priority: 0, desk: String::new(), returned: false })
    }

    #[must_use]
    pub(crate) fn offered(self, after: i64, leg: u32, operator: &str) -> Self {
        let (leg, to) = (LegNo(leg), by(operator));
        self.then(after, FactKind::Offered { leg, to, why: "longest-idle".to_owned() })
            .then(after + 180, FactKind::Ringing { leg })
    }

    #[must_use]
    pub(crate) fn refused(
        self,
        after: i64,
        leg: u32,
        operator: &str,
        outcome: OfferOutcome,
        status: Option<u16>,
    ) -> Self {
        let (leg, to) = (LegNo(leg), by(operator));
        self.then(after, FactKind::OfferEnded { leg, to, outcome, sip_status: status })
    }

    #[must_use]
    pub(crate) fn answered(self, after: i64, leg: u32, operator: &str) -> Self {
        let (leg, to) = (LegNo(leg), by(operator));
        let outcome = OfferOutcome::Answered;
        self.then(after, FactKind::OfferEnded { leg, to: to.clone(), outcome, sip_status: Some(200) })
            .then(after, FactKind::Answered { leg, by: to })
    }

    #[must_use]
    pub(crate) fn ended(self, after: i64, by: Side, cause: EndCause) -> Self {
        let sip_status = match cause {
            EndCause::Abandoned => Some(487),
            EndCause::NoCapacity => Some(503),
            EndCause::Normal
            | EndCause::CallerSilent
            | EndCause::CallerLost
            | EndCause::OperatorLost
            | EndCause::NoCodec
            | EndCause::ServiceFault
            | EndCause::Interrupted
            | EndCause::Unknown => None,
        };
        let q850 = (cause == EndCause::Normal).then_some(16);
        self.then(after, FactKind::Ended { by, cause, sip_status, q850 })
    }

    #[must_use]
    pub(crate) fn wrapped_up(self, after: i64, operator: &str) -> Self {
        self.then(after, FactKind::WrappedUp { operator: OperatorId::parse(operator).unwrap() })
    }

    #[must_use]
    pub(crate) fn disposed(mut self, after: i64, class: Class, category: Option<&str>) -> Self {
        let kind = FactKind::Disposed {
            class,
            category: category.map(str::to_owned),
            note: None,
            by: "op0001".to_owned(),
            agency: None,
        };
        self.facts.push(self.fact(LATE | 77, after, kind));
        self
    }

    /// Its record.
    pub(crate) fn cdr(&self) -> Cdr {
        Cdr::fold(&self.facts).unwrap()
    }
}

/// An operator, or a number where it begins with a digit.
pub(crate) fn by(name: &str) -> Callee {
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        Callee::Number(name.to_owned())
    } else {
        Callee::Operator(OperatorId::parse(name).unwrap())
    }
}

/// Answered after 8 s, 60 s of talk, 20 s of wrap-up, classed the next day.
pub(crate) fn answered(no: u64, received: i64) -> Story {
    let (leg, sha256) = (LegNo(1), "ab".repeat(32));
    let recorded = FactKind::Recorded {
        leg,
        file: "2026/11/24/one.wav".to_owned(),
        sha256,
        duration_ms: 60_000,
        frames_dropped: 0,
        gaps: Vec::new(),
        repaired: false,
    };
    let (packets_in, packets_out, packets_lost) = (3_000, 2_990, 2);
    Story::new(no, received, Some("+6281122334455"))
        .then(1, FactKind::Located { location: circle() })
        .queued(2)
        .then(3, FactKind::Announced { early: true })
        .offered(10, 1, "op0001")
        .answered(8_000, 1, "op0001")
        .then(9_000, FactKind::Digit { leg: LegNo::CALLER, digit: '5' })
        .ended(68_000, Side::Caller, EndCause::Normal)
        .then(
            68_010,
            FactKind::Sound { leg, packets_in, packets_out, packets_lost, packets_foreign: 0, jitter_us: 850 },
        )
        .then(68_020, recorded)
        .wrapped_up(88_000, "op0001")
        .disposed(86_400_000, Class::Normal, Some("medis"))
}

/// Not answered by the first, answered by the second after 15 s, who is lost after 30 s; the first takes the caller up
/// 5 s later and talks for 40 s.
pub(crate) fn taken_over(no: u64, received: i64) -> Story {
    let (leg, operator) = (LegNo(2), OperatorId::parse("op0002").unwrap());
    Story::new(no, received, Some("+6281200000002"))
        .queued(1)
        .offered(2, 1, "op0001")
        .refused(12_000, 1, "op0001", OfferOutcome::NoAnswer, Some(487))
        .offered(12_001, 2, "op0002")
        .answered(15_000, 2, "op0002")
        .then(45_000, FactKind::OperatorLost { leg, operator, sip_status: None, q850: Some(38) })
        .then(45_000, FactKind::Queued { priority: 0, desk: String::new(), returned: true })
        .offered(45_001, 3, "op0001")
        .answered(50_000, 3, "op0001")
        .ended(90_000, Side::Operator, EndCause::Normal)
        .wrapped_up(95_500, "op0001")
        .disposed(96_000, Class::Prank, None)
}

/// The caller left after `waited` milliseconds, before any offer.
pub(crate) fn abandoned(no: u64, received: i64, waited: i64) -> Story {
    Story::new(no, received, None).queued(1).ended(waited, Side::Caller, EndCause::Abandoned)
}

/// The caller left while a phone rang.
pub(crate) fn abandoned_while_ringing(no: u64, received: i64) -> Story {
    Story::new(no, received, Some("+6281200000003"))
        .queued(1)
        .offered(2, 1, "op0001")
        .refused(10_000, 1, "op0001", OfferOutcome::CallerLeft, None)
        .ended(10_000, Side::Caller, EndCause::Abandoned)
}

/// The queue had answered (`answer = "queue"`): the caller leaves with a BYE, and no person has spoken with the caller.
pub(crate) fn abandoned_in_answered_queue(no: u64, received: i64) -> Story {
    Story::new(no, received, Some("=HYPERLINK(\"http://x\")"))
        .queued(1)
        .then(2, FactKind::Announced { early: false })
        .ended(7_000, Side::Caller, EndCause::Normal)
}

/// No operator on shift: the fallback number takes it after 20 s.
pub(crate) fn fallback(no: u64, received: i64) -> Story {
    Story::new(no, received, Some("+6281200000005"))
        .queued(1)
        .then(1, FactKind::NobodyOnShift)
        .offered(2, 1, "0725000000")
        .answered(20_000, 1, "0725000000")
        .ended(50_000, Side::Caller, EndCause::Normal)
}

/// No room.
pub(crate) fn refused(no: u64, received: i64) -> Story {
    Story::new(no, received, Some("+6281200000006")).ended(1, Side::Service, EndCause::NoCapacity)
}

/// The service died while it waited, and was started again.
pub(crate) fn interrupted(no: u64, received: i64) -> Story {
    Story::new(no, received, Some("+6281200000007")).queued(1).ended(4_000, Side::Service, EndCause::Interrupted)
}

/// The first operator transfers the caller after 20 s, without success; 5 s later the caller is back for 10 s, and then a colleague takes over
/// over, who has been asked before, for 25 s. The first wraps up while they talk.
pub(crate) fn passed_on(no: u64, received: i64) -> Story {
    let by = OperatorId::parse("op0001").unwrap();
    let to = Destination::Operator(OperatorId::parse("op0002").unwrap());
    let asked = |consulted| FactKind::TransferAsked {
        leg: LegNo(1),
        by: by.clone(),
        to: to.clone(),
        consulted,
        referred_by: Some("<sip:op0001@h>".to_owned()),
    };
    let failed = FactKind::TransferFailed {
        by: by.clone(),
        to: to.clone(),
        why: OfferOutcome::NoAnswer,
        sip_status: 480,
        back: true,
    };
    let done = FactKind::TransferDone { by: by.clone(), to: to.clone(), leg: Some(LegNo(3)) };
    let consulted = CallId::new(Timestamp::from_millis(received), &mut Rng::from_number(no + 1_000));
    let story = Story::new(no, received, Some("+6281200000009"))
        .queued(1)
        .offered(2, 1, "op0001")
        .answered(10_000, 1, "op0001")
        .then(25_000, FactKind::Held { leg: LegNo(1) })
        .then(30_000, asked(None))
        .offered(30_000, 2, "op0002")
        .refused(35_000, 2, "op0002", OfferOutcome::NoAnswer, None)
        .then(35_000, failed)
        .then(45_000, asked(Some(consulted)))
        .then(45_000, done)
        .then(45_000, FactKind::Answered { leg: LegNo(3), by: self::by("op0002") })
        .ended(70_000, Side::Caller, EndCause::Normal);
    let wrapped_up = |seq, after, operator: &str| {
        story.fact(LATE | seq, after, FactKind::WrappedUp { operator: OperatorId::parse(operator).unwrap() })
    };
    let late = [wrapped_up(9, 60_000, "op0001"), wrapped_up(3, 75_000, "op0002")];
    Story { facts: story.facts.iter().cloned().chain(late).collect(), ..story }
}

/// A conference: the first operator has the caller from 10 s to 50 s. An agency participates from 20 s to 30 s, a colleague from
/// 25 s on, who has the caller from 50 s to the end at 70 s. A supervisor listens from 15 s, barges in from 28 s to 40 s.
pub(crate) fn conferred(no: u64, received: i64) -> Story {
    let agency = Callee::Number("0725113".to_owned());
    let joined = |leg, who: &Callee, role| FactKind::GuestJoined { leg: LegNo(leg), who: who.clone(), role };
    let left = |leg, who: &Callee| FactKind::GuestLeft { leg: LegNo(leg), who: who.clone() };
    let (colleague, supervisor) = (by("op0002"), by("op0003"));
    Story::new(no, received, Some("+6281200000010"))
        .queued(1)
        .offered(2, 1, "op0001")
        .answered(10_000, 1, "op0001")
        .then(15_000, joined(2, &supervisor, Role::Listener))
        .then(20_000, joined(3, &agency, Role::Guest))
        .then(25_000, joined(4, &colleague, Role::Guest))
        .then(28_000, joined(2, &supervisor, Role::Barger))
        .then(30_000, left(3, &agency))
        .then(40_000, left(2, &supervisor))
        .then(50_000, FactKind::LeadLeft { leg: LegNo(1), who: by("op0001"), lost: false })
        .then(50_000, left(4, &colleague))
        .then(50_000, FactKind::Answered { leg: LegNo(4), by: colleague })
        .ended(70_000, Side::Caller, EndCause::Normal)
        .wrapped_up(72_000, "op0002")
}

/// An operator transfers the caller to an agency, which does not count as the fallback.
pub(crate) fn handed_to_an_agency(no: u64, received: i64) -> Story {
    let (to, by) = (Destination::Number("0725113".to_owned()), OperatorId::parse("op0001").unwrap());
    let asked =
        FactKind::TransferAsked { leg: LegNo(1), by: by.clone(), to: to.clone(), consulted: None, referred_by: None };
    let done = FactKind::TransferDone { leg: Some(LegNo(2)), by, to };
    Story::new(no, received, Some("+6281200000011"))
        .queued(1)
        .offered(2, 1, "op0001")
        .answered(4_000, 1, "op0001")
        .then(20_000, asked)
        .then(25_000, done)
        .then(25_000, FactKind::Answered { leg: LegNo(2), by: Callee::Number("0725113".to_owned()) })
        .ended(60_000, Side::Caller, EndCause::Normal)
}

/// One of each.
pub(crate) fn all(received: i64) -> Vec<(&'static str, Story)> {
    vec![
        ("answered", answered(1, received)),
        ("taken over by another operator", taken_over(2, received + 60_000)),
        ("abandoned at once", abandoned(3, received + 120_000, 3_000)),
        ("abandoned while ringing", abandoned_while_ringing(4, received + 180_000)),
        ("abandoned in a queue that answers", abandoned_in_answered_queue(5, received + 240_000)),
        ("fallback number", fallback(6, received + 300_000)),
        ("refused", refused(7, received + 360_000)),
        ("interrupted", interrupted(8, received + 420_000)),
    ]
}

fn circle() -> Location {
    Location {
        source: Source::PidfLo,
        shape: Some(Shape::Circle { latitude: -5.113, longitude: 105.306, radius_m: 50.0 }),
        civic: std::collections::BTreeMap::new(),
        access: std::collections::BTreeMap::new(),
        raw: "<presence/>".to_owned(),
        fault: None,
    }
}
