//! Numbers, codes and texts of the settings.

use crate::acd::Posture;
use crate::acd::desk::DeskNo;
use crate::acd::section::is_dialable;
use crate::cdr::fact::Callee;
use crate::clock::Now;
use crate::ids::OperatorId;
use crate::sip::number::{NumberFormat, dialled, e164};
use crate::sip::uri::Uri;
use crate::sip::wire::{Message, Name};
use crate::switchboard::calls::called::{CALLED_CHARS_MAX, Called, is_or_below, is_prefix};
use crate::switchboard::calls::caller::KEPT_CHARS_MAX;
use crate::switchboard::calls::desks::SERVICES;
use crate::switchboard::calls::leg::CallerLeg;
use crate::switchboard::calls::state::call::{Call, Caller, Stage};
use crate::switchboard::calls::state::call_back::DIGITS_MIN;
use crate::switchboard::calls::state::callers::NumberHistory;
use crate::switchboard::calls::supervise::Errand;
use crate::switchboard::ids::MergeKey;
use crate::switchboard::input::Supervision;
use crate::switchboard::settings::Settings;
use crate::switchboard::wire::text::clean;

impl Settings {
    /// True if a number may be called back. Callers can forge their numbers, so a call-back never dials a number of the
    /// centre, a user name of a registration with a telco, a short number (112, 113 …) or a number that `[callers]
    /// call_back_prefixes` and `call_back_never` exclude, in any form of the number.
    pub(in crate::switchboard) fn may_call_back(&self, number: &str) -> bool {
        let terms = &self.callers;
        let trunks = &self.trunks;
        let country = trunks.iter().map(|trunk| trunk.terms.country.as_str()).find(|country| !country.is_empty());
        let in_form = |format| dialled(number, format, country.unwrap_or_default());
        let forms = [number.to_owned(), in_form(NumberFormat::Plus), in_form(NumberFormat::National)];
        let starts = |prefixes: &[String]| prefixes.iter().any(|one| forms.iter().any(|form| form.starts_with(one)));
        let registered =
            trunks.iter().filter_map(|trunk| Some((trunk.terms.register.as_ref()?, trunk.terms.identity.as_ref())));
        let users = registered.flat_map(|(register, identity)| {
            let aor = Uri::parse(register.aor.as_bytes()).ok().and_then(|aor| Some(aor.user()?.into_owned()));
            let aor = aor.and_then(|user| String::from_utf8(user).ok());
            aor.into_iter().chain(identity.map(|identity| identity.user.clone()))
        });
        let desks = self.desks.iter().flat_map(|desk| &desk.numbers).cloned();
        let mut own = std::iter::once(self.number.clone()).chain(desks).chain(users);
        let prefixes = || trunks.iter().flat_map(|trunk| &trunk.terms.called).map(String::as_str).chain([""]);
        let whole = |number: &str| e164(number, country.unwrap_or_default());
        let bare = |number: &str| number.trim_start_matches('+').to_owned();
        let is_same = |own: &str| {
            forms.iter().any(|form| bare(form) == bare(own)) || whole(own).is_some_and(|own| whole(number) == Some(own))
        };
        let is = |own: &str, prefix: &str| forms.iter().any(|form| form.strip_prefix(prefix) == Some(own));
        let is_own = own.any(|own| is_same(&own) || prefixes().any(|prefix| is(&own, prefix)));
        let [prefixed, bare] = DIGITS_MIN;
        let digits_min = if number.starts_with(['+', '0']) { prefixed } else { bare };
        let digits = number.bytes().filter(u8::is_ascii_digit).count();
        let allowed = terms.call_back_prefixes.is_empty() || starts(&terms.call_back_prefixes);
        is_dialable(number) && digits >= digits_min && !is_own && allowed && !starts(&terms.call_back_never)
    }
}

impl Settings {
    /// Reads which number or service an INVITE of `trunk` calls.
    pub(in crate::switchboard) fn called(&self, message: &Message<'_>, trunk: usize) -> Called {
        let request_uri = message.request_uri().unwrap_or_default();
        let has_blank = request_uri.iter().any(u8::is_ascii_whitespace);
        match (Uri::parse(request_uri), message.to()) {
            (Ok(uri), _) if !has_blank => self.called_by(uri, trunk),
            // If the Request-URI cannot be parsed, the called number is read from To.
            (Ok(_) | Err(_), Ok(to)) => Uri::parse(to.uri).map_or(Called::Unknown, |uri| self.called_by(uri, trunk)),
            (Ok(_) | Err(_), Err(_)) => Called::Unknown,
        }
    }

    fn called_by(&self, uri: Uri<'_>, trunk: usize) -> Called {
        let uri = match uri {
            Uri::Service(service) if is_or_below(&service, "sos") => {
                return Called::Emergency { called: format!("urn:service:{service}"), prefixed: false };
            }
            Uri::Service(service) if is_or_below(&service, "test.sos") => return Called::Test,
            uri @ (Uri::Sip(_) | Uri::Tel { .. } | Uri::Service(_) | Uri::Other { .. }) => uri,
        };
        let Some(user) = uri.user().map(|user| clean(&user, CALLED_CHARS_MAX)) else { return Called::Unknown };
        if self.answers_number(&user) {
            return Called::Emergency { called: user, prefixed: false };
        }
        // A telco with which this site is registered may call it by the registered user name.
        if self.is_account(trunk, user.as_bytes()) {
            return Called::Emergency { called: self.number.clone(), prefixed: false };
        }
        match self.without_prefix(trunk, &user) {
            Some(number) => Called::Emergency { called: number.to_owned(), prefixed: true },
            None => Called::Unknown,
        }
    }

    /// The number after the longest prefix of the trunk for which the rest is a number of this site.
    fn without_prefix<'u>(&self, trunk: usize, user: &'u str) -> Option<&'u str> {
        let prefixes = &self.trunks.get(trunk)?.terms.called;
        let rests = prefixes.iter().filter_map(|prefix| user.strip_prefix(prefix.as_str()));
        rests.filter(|rest| self.answers_number(rest)).min_by_key(|rest| rest.len())
    }

    /// True for the site's number and each desk's numbers.
    fn answers_number(&self, number: &str) -> bool {
        number == self.number || self.is_desk_number(number.as_bytes())
    }

    /// The prefix that `[[trunk]] called` would need so that `user` reaches a number of this site.
    pub(in crate::switchboard) fn missing_prefix<'u>(&self, user: &'u str) -> Option<&'u str> {
        let desks = self.desks.iter().flat_map(|desk| &desk.numbers);
        let numbers = desks.chain(std::iter::once(&self.number));
        let prefixes = numbers.filter_map(|number| user.strip_suffix(number.as_str()));
        prefixes.filter(|prefix| is_prefix(prefix)).min_by_key(|prefix| prefix.len())
    }

    fn is_account(&self, trunk: usize, user: &[u8]) -> bool {
        let terms = self.trunks.get(trunk).map(|trunk| &trunk.terms);
        let identity = terms.filter(|terms| terms.register.is_some()).and_then(|terms| terms.identity.as_ref());
        identity.is_some_and(|identity| identity.user.as_bytes() == user)
    }
}

impl Settings {
    /// The country code for reading a trunk's numbers.
    pub(in crate::switchboard) fn country_of(&self, trunk: usize) -> &str {
        self.trunks.get(trunk).map(|trunk| trunk.terms.country.as_str()).unwrap_or_default()
    }
}

impl Settings {
    /// A new call without any state.
    pub(in crate::switchboard) fn blank_call(
        &self,
        now: Now,
        caller: CallerLeg,
        shown: Caller,
        merge_key: MergeKey,
    ) -> Call {
        Call {
            seq: 0,
            received: now,
            desk: DeskNo::default(),
            shown,
            rung_to: None,
            caller,
            legs: std::collections::BTreeMap::new(),
            next_leg: 0,
            stage: Stage::Queued,
            announced: false,
            place_told_at: None,
            outside: Vec::new(),
            heard_from: std::collections::BTreeSet::new(),
            talked: false,
            unstaffed: false,
            over_at: now.mono + self.long_call,
            long: false,
            expires_at: None,
            digits: 0,
            hops: 70,
            tried: std::collections::BTreeSet::new(),
            dialling: None,
            next_route: None,
            merge_key,
            holding: (false, false),
            guests: std::collections::BTreeMap::new(),
            mixed: false,
            confers: false,
            transfer: None,
            placed_by: None,
            internal: None,
            call_back: None,
            arrival: None,
            worked_by: std::collections::BTreeSet::new(),
            penalty: 0,
            silent: crate::switchboard::calls::state::silent::Silent::default(),
        }
    }
}

impl Settings {
    /// The notice beside the number on displays, such as `3x/30min` or `PRANK`.
    pub(in crate::switchboard) fn notice_of(&self, known: NumberHistory) -> Option<String> {
        let minutes = self.callers.repeat.as_secs() / 60;
        let repeats = (known.nth > 1).then(|| format!("{}x/{minutes}min", known.nth));
        let prank = known.prank.then(|| "PRANK".to_owned());
        let words: Vec<String> = repeats.into_iter().chain(prank).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }
}

impl Settings {
    /// The valid reason of a break: one of those of the settings if there are any, and the first of them if none is
    /// given.
    pub(in crate::switchboard) fn break_reason(&self, given: &str) -> Option<String> {
        let known = &self.break_reasons;
        match known.first() {
            None => Some(given.to_owned()),
            Some(first) if given.is_empty() => Some(first.clone()),
            Some(_) => known.iter().find(|reason| reason.as_str() == given).cloned(),
        }
    }
}

impl Settings {
    /// True for a number of a desk.
    pub(in crate::switchboard) fn is_desk_number(&self, user: &[u8]) -> bool {
        self.desks.iter().any(|desk| desk.numbers.iter().any(|number| number.as_bytes() == user))
    }

    /// The called service for the display of phones: the desk's name, or the service if it has no desk of its own.
    pub(in crate::switchboard) fn service_shown(&self, desk: DeskNo, called: &str) -> Option<String> {
        let name = self.acd.desks.get(usize::from(desk.0)).map(|desk| desk.name.as_str());
        let service = called.strip_prefix(SERVICES);
        let number = Some(called).filter(|called| !called.starts_with("urn:") && *called != self.number);
        let name = name.filter(|name| !name.is_empty()).or(service);
        let words: Vec<&str> = [name, number].into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join(" "))
    }
}

impl Settings {
    /// The calling identity of an operator: their name for operators, the centre's number for others.
    pub(in crate::switchboard) fn placed_as(&self, by: &OperatorId, to: &Callee) -> String {
        match to {
            Callee::Operator(_) => by.to_string(),
            Callee::Number(_) => self.number.clone(),
        }
    }
}

impl Settings {
    /// The emergency number or service that a phone has dialled; None for any other number.
    pub(in crate::switchboard) fn emergency_dialled(&self, message: &Message<'_>) -> Option<String> {
        if message.first(Name::Replaces).is_some() {
            // An INVITE with Replaces is for an existing call, whatever its URI is.
            return None;
        }
        let uri = Uri::parse(message.request_uri().unwrap_or_default()).ok()?;
        if let Uri::Service(service) = uri {
            return (service == "sos" || service.starts_with("sos.")).then(|| format!("urn:service:{service}"));
        }
        let user = uri.user()?;
        let is_agency = self.agencies.iter().any(|agency| agency.number.as_bytes() == user.as_ref());
        let is_emergency = user.as_ref() == self.number.as_bytes() || self.is_desk_number(&user);
        (is_emergency && !is_agency).then(|| clean(&user, KEPT_CHARS_MAX))
    }
}

impl Settings {
    /// The operating mode whose code was dialled.
    pub(in crate::switchboard) fn posture_dialled(&self, dialled: &[u8]) -> Option<Posture> {
        let mut codes = self.feature_codes.postures.iter();
        codes.find(|(code, _)| code.as_bytes() == dialled).map(|(_, posture)| *posture)
    }
}

impl Settings {
    /// The operator's number after the station code; None if another code was dialled.
    pub(in crate::switchboard) fn number_dialled<'a>(&self, dialled: &'a [u8]) -> Option<&'a str> {
        let number = dialled.strip_prefix(self.feature_codes.station.as_bytes())?;
        std::str::from_utf8(number).ok()
    }
}

impl Settings {
    /// The function whose code a dialled number begins with, and the operator's name or queue position after the code.
    /// The longest matching code applies.
    pub(in crate::switchboard) fn supervision(&self, dialled: &[u8]) -> Option<(Errand, String)> {
        let codes = &self.feature_codes;
        let errands = [
            (&codes.listen, Errand::Supervise(Supervision::Listen)),
            (&codes.whisper, Errand::Supervise(Supervision::Whisper)),
            (&codes.barge, Errand::Supervise(Supervision::Barge)),
            (&codes.take_over, Errand::Supervise(Supervision::TakeOver)),
            (&codes.pick_up, Errand::PickUp),
        ];
        let dialled = std::str::from_utf8(dialled).ok()?;
        let fits = |(code, errand): (&String, Errand)| {
            let whose = dialled.strip_prefix(code.as_str())?;
            (!code.is_empty()).then(|| (code.len(), errand, whose.to_owned()))
        };
        let found = errands.into_iter().filter_map(fits).max_by_key(|(length, _, _)| *length);
        found.map(|(_, errand, whose)| (errand, whose))
    }
}
