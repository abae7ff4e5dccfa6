//! Finds accounts and phones.

use std::net::IpAddr;

use crate::cdr::fact::Destination;
use crate::ids::OperatorId;
use crate::sip::registrar::Binding;
use crate::sip::uri::Uri;
use crate::sip::wire::{Message, Name};
use crate::switchboard::ids::BoundPhone;
use crate::switchboard::phones::Phones;
use crate::switchboard::phones::second_address::PhoneAddresses;
use crate::switchboard::wire::text::clean;

/// Maximum number of characters of a dialled emergency number that are stored.
const CALLED_CHARS_MAX: usize = 512;

impl Phones {
    /// The target of a Refer-To with the conference code; None if the code is missing.
    pub(in crate::switchboard) fn asked_in(&self, uri: &Uri<'_>) -> Option<Result<Destination, u16>> {
        let user = uri.user().filter(|_| self.settings.site.is_ours(uri))?;
        let name = std::str::from_utf8(&user).ok()?.strip_prefix(self.settings.feature_codes.conference.as_str())?;
        Some(self.named(name))
    }

    /// True if a phone of another account is registered from this address, or with a Contact at it.
    pub(in crate::switchboard) fn is_shared(&self, source: IpAddr, parties: &[OperatorId]) -> bool {
        let accounts = || parties.iter().flat_map(|party| self.accounts_at(party));
        self.registrar.others_at(source, |user| accounts().any(|account| account.as_str() == user))
    }

    /// The phones of an operator or an account.
    pub(in crate::switchboard) fn phones_at<'a>(
        &'a self,
        party: &'a OperatorId,
    ) -> impl Iterator<Item = &'a Binding> + use<'a> {
        self.accounts_at(party).flat_map(|account| self.registrar.bindings(account.as_str()))
    }

    /// The accounts of an operator's phones, and the account with this name.
    fn accounts_at<'a>(&'a self, party: &'a OperatorId) -> impl Iterator<Item = &'a OperatorId> + use<'a> {
        self.phone_accounts(party).chain(std::iter::once(party))
    }

    pub(in crate::switchboard) fn account_named(&self, user: &str) -> Option<String> {
        let operator = OperatorId::parse(user).ok().filter(|operator| self.accounts.contains_key(operator))?;
        Some(operator.as_str().to_owned())
    }

    /// True for trunks, addresses of registered phones and `allow`. Responses to other sources, which may be forged, are short.
    pub(in crate::switchboard) fn is_known(&self, source: IpAddr) -> bool {
        self.settings.vouched.contains(source) || self.registrar.has_binding_at(source)
    }

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
        let is_agency = self.settings.numbers.agencies.iter().any(|agency| agency.number.as_bytes() == user.as_ref());
        let is_emergency =
            user.as_ref() == self.settings.numbers.emergency.as_bytes() || self.settings.numbers.is_desk_number(&user);
        (is_emergency && !is_agency).then(|| clean(&user, CALLED_CHARS_MAX))
    }
}

/// A phone that can be rung.
#[derive(Clone, Debug)]
pub(in crate::switchboard) struct Reached {
    pub(in crate::switchboard) phone: BoundPhone,
    pub(in crate::switchboard) addresses: PhoneAddresses,
}

impl Phones {
    /// The phones of an operator to ring: the reachable ones, or all if none is reachable.
    pub(in crate::switchboard) fn phones_to_ring(&self, operator: &OperatorId) -> Vec<Reached> {
        let all = || {
            let accounts = self.phone_accounts(operator);
            accounts.flat_map(|account| self.registrar.bindings(account.as_str()).iter().map(move |one| (account, one)))
        };
        let any = all().any(|(_, binding)| !binding.reach.unreachable);
        let wanted = all().filter(|(_, binding)| !any || !binding.reach.unreachable);
        wanted.map(|(account, binding)| self.settings.site.to_reach(account, binding)).collect()
    }

    /// All phones of an account, reachable or not.
    pub(in crate::switchboard) fn phones_of_account(&self, account: &OperatorId) -> Vec<Reached> {
        self.registrar
            .bindings(account.as_str())
            .iter()
            .map(|binding| self.settings.site.to_reach(account, binding))
            .collect()
    }

    pub(in crate::switchboard) fn binding_of(&self, phone: &BoundPhone) -> Option<&Binding> {
        let bindings = self.registrar.bindings(phone.account.as_str());
        bindings.iter().find(|binding| binding.uri == phone.uri && binding.flow == phone.flow)
    }

    /// The target of a URI: an operator, an agency or the queue. Errors: 404 for an unknown name, 403 for a number that
    /// is no agency's.
    pub(in crate::switchboard) fn destination_of(&self, uri: &Uri<'_>) -> Result<Destination, u16> {
        if let Uri::Service(service) = uri {
            return if service == "sos" || service.starts_with("sos.") { Ok(Destination::Queue) } else { Err(404) };
        }
        if !self.settings.site.is_ours(uri) {
            return Err(404);
        }
        let user = uri.user().ok_or(404_u16)?;
        self.named(std::str::from_utf8(&user).map_err(|_| 404_u16)?)
    }

    /// The target of the user part of a URI.
    pub(in crate::switchboard) fn named(&self, user: &str) -> Result<Destination, u16> {
        if user == self.settings.numbers.emergency {
            return Ok(Destination::Queue);
        }
        if let Ok(operator) = OperatorId::parse(user)
            && self.accounts.contains_key(&operator)
        {
            return Ok(Destination::Operator(self.user_of(&operator)));
        }
        let mut agencies = self.settings.numbers.agencies.iter();
        match agencies.find(|agency| agency.number == user || agency.name.eq_ignore_ascii_case(user)) {
            Some(agency) => Ok(Destination::Number(agency.number.clone())),
            None if user.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'*' | b'#')) => Err(403),
            None => Err(404),
        }
    }
}
