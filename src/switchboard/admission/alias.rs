//! Aliases of ringing legs for subscribers (RFC 4235 §4.1): a Call-ID and tags that belong to no dialog. Only an INVITE
//! with Replaces finds the leg by its alias. The real identifiers stay secret, since they would let a request into the
//! dialog.

use crate::ids::{CallId, LegNo};
use crate::sip::event::dialog_info::Names;
use crate::sip::replaces::Replaces;
use crate::switchboard::admission::Admission;
use crate::switchboard::ids::LegRef;

/// Hexadecimal digits of the call's id, which precede those of the leg.
const CALL_DIGITS: usize = 32;

impl Admission {
    /// The alias of a leg, always the same.
    pub(in crate::switchboard) fn alias_of(&self, call: CallId, leg: LegNo) -> Names {
        let tag = |whose: &[u8]| self.stateless_tags.over([whose, &call.as_u128().to_be_bytes(), &leg.0.to_be_bytes()]);
        let (local_tag, remote_tag) = (tag(b"local"), tag(b"remote"));
        Names { call_id: format!("{:032x}{:08x}", call.as_u128(), leg.0), local_tag, remote_tag }
    }

    /// The leg of an alias, with the tags in either order. The leg may have ended.
    pub(in crate::switchboard) fn leg_of_alias(&self, replaces: &Replaces) -> Option<LegRef> {
        let (call, leg) = std::str::from_utf8(&replaces.call_id).ok()?.split_at_checked(CALL_DIGITS)?;
        let (call, leg) = (call.parse().ok()?, LegNo(u32::from_str_radix(leg, 16).ok()?));
        let Names { local_tag, remote_tag, .. } = self.alias_of(call, leg);
        let is = |one: &Replaces| one.to_tag == local_tag && one.from_tag == remote_tag;
        (is(replaces) || is(&replaces.from_the_other_side())).then_some(LegRef::Outgoing(call, leg))
    }
}
