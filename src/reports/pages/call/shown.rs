//! What the page of one call shows.

use askama::Template;

use crate::cdr::fact::Fact;
use crate::cdr::{Erasure, Outcome};
use crate::clock::Timestamp;
use crate::ids::LegNo;
use crate::reports::pages::Pages;
use crate::reports::pages::calls::columns::{desk_text, trunk_text};
use crate::store::privacy::BY_RETENTION;
use crate::store::web::reviews::ReviewRow;
use crate::web::chart::{Ladder, ladder, wave};
use crate::web::format::{Moment, duration, number, percent};
use crate::web::frame::{Frame, encoded};
use crate::web::role::Permission;
use crate::web::visitor::Visitor;

use super::parties::Parties;
use super::{Stored, ladder as messages, review, timeline};

/// One value with its name; `beside` is less important.
struct Value {
    name: String,
    text: String,
    beside: String,
}

struct Row {
    time: String,
    what: String,
    detail: String,
    is_bad: bool,
}

struct Quality {
    who: String,
    received: String,
    lost: String,
    share: String,
    jitter: String,
    sent: String,
}

struct Recorded {
    who: String,
    duration: String,
    sha256: String,
    file: String,
    marks: String,
    is_erased: bool,
    /// The address of the audio and its waveform, if the visitor may hear it and the file exists.
    audio: Option<(String, String)>,
}

struct Reviewed {
    by: String,
    at: String,
    score: String,
    note: String,
}

#[derive(Template)]
#[template(path = "call.html")]
pub(super) struct CallPage {
    frame: Frame,
    call: String,
    day: String,
    title: String,
    columns: [Vec<Value>; 3],
    wait_title: String,
    waits: Vec<Row>,
    ladder: String,
    ladder_rest: Option<String>,
    rows: Vec<Row>,
    qualities: Vec<Quality>,
    is_own: bool,
    recordings: Vec<Recorded>,
    faults: Vec<String>,
    may_hear: bool,
    is_open: bool,
    is_short: bool,
    may_review: bool,
    shows_reviews: bool,
    reviews: Vec<Reviewed>,
    scores: Vec<i64>,
    /// Who erased personal data of the call, when and why.
    erased: Option<String>,
    /// The query of the calls of the same number.
    same_number: Option<String>,
    raw: String,
    raw_count: String,
}

/// What the page is made of.
pub(super) struct Shown<'a> {
    pub pages: &'a Pages,
    pub visitor: &'a Visitor,
    pub stored: &'a Stored,
    /// True if the visitor has stated a reason to hear the recordings.
    pub is_open: bool,
    pub waves: &'a [Option<[Vec<u16>; 2]>],
}

impl Shown<'_> {
    pub(super) fn page(&self, reviews: &[ReviewRow], is_short: bool) -> CallPage {
        let (language, stored) = (self.visitor.language, self.stored);
        let cdr = &stored.cdr;
        let parties = Parties::of(&stored.facts, &stored.names, &self.pages.agencies, language);
        let lines = timeline::lines(&stored.facts, &parties);
        let row = |line: &timeline::Line| Row {
            time: self.time(line.at),
            what: line.what.clone(),
            detail: line.detail.clone(),
            is_bad: line.is_bad,
        };
        let waits = lines.iter().filter(|line| line.explains_wait).map(row).collect();
        let (ladder, ladder_rest) = self.ladder(&parties);
        let may_see_all = self.visitor.may(Permission::Calls);
        let title = self.title(&parties);
        let same = cdr.number().filter(|_| may_see_all);
        CallPage {
            frame: Frame::of(&self.pages.site, self.visitor, language.text("call-title")),
            call: cdr.call.to_string(),
            day: Moment::of(cdr.received, self.pages.site.zone()).day(language),
            title,
            columns: [self.times(&parties), self.contents(), self.technical()],
            wait_title: language.with("call-why", &[("time", &duration(cdr.waited_ms))]),
            waits,
            ladder,
            ladder_rest,
            rows: lines.iter().map(row).collect(),
            qualities: self.qualities(&parties),
            is_own: !may_see_all,
            recordings: self.recordings(&parties),
            faults: cdr.recording_faults.clone(),
            may_hear: self.visitor.may(Permission::Recordings),
            is_open: self.is_open,
            is_short,
            may_review: self.visitor.may(Permission::Review),
            shows_reviews: may_see_all,
            reviews: reviews.iter().map(|row| self.reviewed(row)).collect(),
            scores: (1..=review::SCORE_MAX).collect(),
            erased: cdr.erased.as_ref().map(|erased| self.erased(erased)),
            same_number: same.map(|number| format!("period=year&number={}", encoded(number))),
            raw: stored.raw.join("\n"),
            raw_count: stored.raw.len().to_string(),
        }
    }

    fn time(&self, at: Timestamp) -> String {
        Moment::of(at, self.pages.site.zone()).seconds(self.visitor.language)
    }

    fn title(&self, parties: &Parties<'_>) -> String {
        let (language, cdr) = (self.visitor.language, &self.stored.cdr);
        let number = cdr.number().map_or_else(|| language.text("number-unknown"), str::to_owned);
        let wait = duration(cdr.waited_ms);
        let (first, last) = timeline::title_parties(&cdr.talks);
        let (first, last) = (first.map(|who| parties.name(who)), last.map(|who| parties.name(who)));
        let values = [
            ("number", number.as_str()),
            ("wait", &wait),
            ("who", first.as_deref().unwrap_or_default()),
            ("to", last.as_deref().unwrap_or_default()),
        ];
        let key = match (cdr.outcome, &first, &last) {
            (None, ..) => "call-open",
            (Some(Outcome::Answered), _, Some(_)) => "call-transferred",
            (Some(Outcome::Answered), ..) => "call-answered",
            (Some(Outcome::Abandoned), ..) => "call-abandoned",
            (Some(Outcome::Failed), ..) => "call-failed",
            (Some(Outcome::Interrupted), ..) => "call-interrupted",
        };
        language.with(key, &values)
    }

    fn value(&self, key: &str, text: String, beside: String) -> Option<Value> {
        (!text.is_empty()).then(|| Value { name: self.visitor.language.text(key), text, beside })
    }

    fn times(&self, parties: &Parties<'_>) -> Vec<Value> {
        let (language, cdr) = (self.visitor.language, &self.stored.cdr);
        let time = |at: Option<Timestamp>| at.map(|at| self.time(at)).unwrap_or_default();
        let ended_by = cdr.ended_by.map(|by| language.text(&format!("fact-ended-{}", by.word()))).unwrap_or_default();
        let answered_by = cdr.talks.first().map(|talk| parties.name(&talk.with)).unwrap_or_default();
        let mut values = vec![
            self.value("call-received", self.time(cdr.received), trunk_text(&cdr.trunk, language)),
            self.value("call-answered-at", time(cdr.answered), answered_by),
            self.value("call-ended", time(cdr.ended), ended_by),
            self.value("column-desk", desk_text(&cdr.desk, language), String::new()),
            self.value("column-talk", duration(cdr.talk_ms), self.hold()),
            self.value("column-wrap-up", cdr.wrap_ms.map(duration).unwrap_or_default(), String::new()),
        ];
        if cdr.calls_of_late > 1 {
            let calls = language.with("call-of-late", &[("calls", &cdr.calls_of_late.to_string())]);
            let prank = if cdr.known_prank { language.text("fact-caller-prank") } else { String::new() };
            values.push(self.value("call-caller", calls, prank));
        }
        values.into_iter().flatten().collect()
    }

    fn hold(&self) -> String {
        match self.stored.cdr.hold_ms {
            0 => String::new(),
            millis => self.visitor.language.with("call-hold", &[("time", &duration(millis))]),
        }
    }

    fn contents(&self) -> Vec<Value> {
        let (language, cdr) = (self.visitor.language, &self.stored.cdr);
        let disposition = cdr.disposition.as_ref();
        let class = disposition
            .map_or_else(|| language.text("unclassed"), |of| language.text(&format!("class-{}", of.class.word())));
        let by =
            disposition.map(|of| format!("{} {}", self.stored.names.get(&of.by).unwrap_or(&of.by), self.time(of.at)));
        let of = |read: fn(&crate::cdr::Disposition) -> Option<&String>| {
            disposition.and_then(read).cloned().unwrap_or_default()
        };
        let mut values = vec![
            self.value("column-class", class, by.unwrap_or_default()),
            self.value("column-category", of(|of| of.category.as_ref()), String::new()),
            self.value("column-agency", of(|of| of.agency.as_ref()), String::new()),
            self.value("column-note", of(|of| of.note.as_ref()), String::new()),
        ];
        for location in &cdr.locations {
            let brief = location.brief();
            let text = if brief.is_empty() { language.text("location-unreadable") } else { brief };
            values.push(self.value("column-location", text, location.fault.clone().unwrap_or_default()));
        }
        let digits: String = cdr.digits.iter().map(|(_, digit)| *digit).collect();
        values.push(self.value("call-digits", digits, String::new()));
        for choice in &cdr.choices {
            values.push(self.value("call-choice", choice.digit.to_string(), choice.text.clone()));
        }
        for back in &cdr.call_backs {
            let reached = back.outcome == crate::cdr::fact::OfferOutcome::Answered;
            let outcome = language.text(if reached { "called-back-reached" } else { "called-back-missed" });
            let by = self.stored.names.get(back.by.as_str()).map_or(back.by.as_str(), String::as_str);
            let at = Moment::of(back.at, self.pages.site.zone()).full(language);
            values.push(self.value("call-back", outcome, format!("{by}, {at}")));
        }
        values.into_iter().flatten().collect()
    }

    fn technical(&self) -> Vec<Value> {
        let (language, cdr) = (self.visitor.language, &self.stored.cdr);
        let status = cdr.sip_status.map(|status| status.to_string()).unwrap_or_default();
        let cause = cdr.cause.map(|cause| language.text(&format!("cause-{}", cause.word()))).unwrap_or_default();
        let presented =
            cdr.presented.clone().filter(|presented| cdr.asserted.as_ref().is_some_and(|own| own != presented));
        let values = [
            self.value("column-called", cdr.called.clone(), String::new()),
            self.value("call-presented", presented.unwrap_or_default(), String::new()),
            self.value("column-cause", cause, status),
            self.value("column-mode", language.text(&format!("mode-{}", cdr.mode.word())), String::new()),
            self.value("column-id", cdr.call.to_string(), String::new()),
            self.value("call-sip-id", cdr.sip_call_id.clone(), String::new()),
        ];
        values.into_iter().flatten().collect()
    }

    fn ladder(&self, parties: &Parties<'_>) -> (String, Option<String>) {
        let language = self.visitor.language;
        let (messages, left_out) = messages::messages(&self.stored.facts, parties, |fact: &Fact| self.time(fact.at));
        let mut names = vec![language.text("caller"), "siaga".to_owned()];
        names.extend(parties.all().iter().map(|who| parties.name(who)));
        let chart = Ladder { title: &language.text("call-course"), parties: &names, messages: &messages };
        let rest = (left_out > 0).then(|| language.with("ladder-rest", &[("count", &left_out.to_string())]));
        (ladder(&chart), rest)
    }

    fn qualities(&self, parties: &Parties<'_>) -> Vec<Quality> {
        let language = self.visitor.language;
        let of = |sound: &crate::cdr::Sound| {
            let expected = sound.packets_in.saturating_add(sound.packets_lost);
            let share = (u128::from(sound.packets_lost) * 1_000).checked_div(u128::from(expected));
            let share = share.and_then(|share| u64::try_from(share).ok());
            let micros = u64::from(sound.jitter_us);
            Quality {
                who: parties.at(sound.leg),
                received: number(sound.packets_in, language),
                lost: number(sound.packets_lost, language),
                share: percent(share, language),
                jitter: format!("{} ms", crate::web::format::decimal(micros / 100, language)),
                sent: number(sound.packets_out, language),
            }
        };
        self.stored.cdr.sound.iter().map(of).collect()
    }

    fn erased(&self, erased: &Erasure) -> String {
        let language = self.visitor.language;
        let at = Moment::of(erased.at, self.pages.site.zone()).date(language);
        let by = if erased.by == BY_RETENTION { language.text("erased-by-retention") } else { erased.by.clone() };
        language.with("call-erased", &[("at", &at), ("who", &by), ("ground", &erased.ground)])
    }

    fn recordings(&self, parties: &Parties<'_>) -> Vec<Recorded> {
        let (language, cdr) = (self.visitor.language, &self.stored.cdr);
        let of = |(no, recording): (usize, &crate::cdr::Recording)| {
            let mut marks = Vec::new();
            if recording.repaired {
                marks.push(language.text("recording-repaired"));
            }
            if !recording.gaps.is_empty() {
                marks.push(language.with("recording-gaps", &[("count", &recording.gaps.len().to_string())]));
            }
            let title = language.with("recording-wave", &[("who", &parties.at(recording.leg))]);
            let svg = self.waves.get(no).and_then(Option::as_ref).map(|peaks| wave(&title, peaks));
            Recorded {
                who: if recording.leg == LegNo::CALLER { language.text("caller") } else { parties.at(recording.leg) },
                duration: duration(recording.duration_ms),
                sha256: recording.sha256.clone(),
                file: recording.file.clone(),
                marks: marks.join("; "),
                is_erased: recording.erased,
                audio: svg.map(|svg| (format!("/calls/{}/recordings/{no}", cdr.call), svg)),
            }
        };
        cdr.recordings.iter().enumerate().map(of).collect()
    }

    fn reviewed(&self, row: &ReviewRow) -> Reviewed {
        let at = Moment::of(Timestamp::from_millis(row.at_ms), self.pages.site.zone());
        Reviewed {
            by: row.user_name.clone(),
            at: at.full(self.visitor.language),
            score: format!("{} / {}", row.score, review::SCORE_MAX),
            note: row.note.clone(),
        }
    }
}
