//! Numbers that may be called back, and what displays show of callers.

use crate::acd::desk::DeskNo;
use crate::acd::section::is_dialable;
use crate::sip::number::{NumberFormat, dialled, e164};
use crate::sip::uri::Uri;
use crate::switchboard::calls::Calls;
use crate::switchboard::calls::desks::SERVICES;
use crate::switchboard::calls::state::call_back::DIGITS_MIN;
use crate::switchboard::calls::state::callers::NumberHistory;

impl Calls {
    /// True if a number may be called back. Callers can forge their numbers, so a call-back never dials a number of the
    /// centre, a user name of a registration with a telco, a short number (112, 113 …) or a number that `[callers]
    /// call_back_prefixes` and `call_back_never` exclude, in any form of the number.
    pub(in crate::switchboard) fn may_call_back(&self, number: &str) -> bool {
        let terms = &self.settings.callers;
        let trunks = &self.settings.trunks;
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
        let desks = self.settings.numbers.desks.iter().flat_map(|desk| &desk.numbers).cloned();
        let mut own = std::iter::once(self.settings.numbers.emergency.clone()).chain(desks).chain(users);
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

    /// The country code for reading a trunk's numbers.
    pub(in crate::switchboard) fn country_of(&self, trunk: usize) -> &str {
        self.settings.trunks.get(trunk).map(|trunk| trunk.terms.country.as_str()).unwrap_or_default()
    }

    /// The notice beside the number on displays, such as `3x/30min` or `PRANK`.
    pub(in crate::switchboard) fn notice_of(&self, known: NumberHistory) -> Option<String> {
        let minutes = self.settings.callers.repeat.as_secs() / 60;
        let repeats = (known.nth > 1).then(|| format!("{}x/{minutes}min", known.nth));
        let prank = known.prank.then(|| "PRANK".to_owned());
        let words: Vec<String> = repeats.into_iter().chain(prank).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// The called service for the display of phones: the desk's name, or the service if it has no desk of its own.
    pub(in crate::switchboard) fn service_shown(&self, desk: DeskNo, called: &str) -> Option<String> {
        let name = self.settings.desk_names.get(usize::from(desk.0)).map(String::as_str);
        let service = called.strip_prefix(SERVICES);
        let number =
            Some(called).filter(|called| !called.starts_with("urn:") && *called != self.settings.numbers.emergency);
        let name = name.filter(|name| !name.is_empty()).or(service);
        let words: Vec<&str> = [name, number].into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join(" "))
    }
}
