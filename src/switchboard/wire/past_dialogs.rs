//! Dialogs that are over, and new dialogs.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use crate::ids::Token;
use crate::limits::PAST_DIALOGS_MAX;
use crate::sip::dialog::{Dialog, DialogKey};
use crate::sip::message::Stencil;
use crate::sip::wire::Name;
use crate::switchboard::calls::call::{Call, Caller};
use crate::switchboard::ids::MergeKey;
use crate::switchboard::session::leg::{CallerLeg, Line, Sound};
use crate::switchboard::wire::taken::Taken;
use crate::switchboard::{Step, Wire};

impl Wire {
    #[expect(clippy::too_many_arguments, reason = "the parts of a call, each made by another step")]
    pub(in crate::switchboard) fn new_call(
        &mut self,
        step: &mut Step,
        taken: &Taken<'_, '_>,
        tag: Token,
        stencil: Stencil,
        dialog: Dialog,
        shown: Caller,
        merge_key: MergeKey,
    ) -> Call {
        let now = step.now;
        let mut line = Line::new(taken.flow, true);
        line.dialog = Some(dialog);
        line.learn(taken.message);
        let caller = CallerLeg {
            line,
            invite: Some(taken.server),
            stencil: Some(stencil),
            fetched: None,
            tag,
            sdp: Bytes::new(),
            delayed_offer: false,
            without_port: None,
            told: 100,
            tell_again_at: None,
            audio_again_at: None,
            answered: false,
            reliable: self.reliable_for(step, taken.message),
            session: self.settings.session_of_invite(taken.message),
            disconnected: None,
        };
        let hops = taken.message.number(Name::MaxForwards).ok().flatten().unwrap_or(70).min(70);
        Call { hops, ..self.settings.blank_call(now, caller, shown, merge_key) }
    }
}

/// The dialogs that were there last. Full: the oldest is forgotten, and answers as one that never was.
#[derive(Debug, Default)]
pub(in crate::switchboard) struct Past {
    pub(in crate::switchboard) known: BTreeSet<DialogKey>,
    order: VecDeque<DialogKey>,
}

impl Past {
    pub(in crate::switchboard) fn holds(&self, key: &DialogKey) -> bool {
        self.known.contains(key)
    }

    fn add(&mut self, key: &DialogKey) {
        if !self.known.insert(key.clone()) {
            return;
        }
        self.order.push_back(key.clone());
        if self.order.len() > PAST_DIALOGS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// A new leg that has called us, before it is one.
pub(in crate::switchboard) struct Arriving {
    pub(in crate::switchboard) dialog: Dialog,
    pub(in crate::switchboard) sound: Sound,
    pub(in crate::switchboard) body: Vec<u8>,
}

impl Wire {
    /// A dialog is over.
    pub(in crate::switchboard) fn forget_dialog(&mut self, dialog: Option<&Dialog>) {
        if let Some(dialog) = dialog {
            self.dialogs.remove(dialog.key());
            self.past.add(dialog.key());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::dialog::CallIdHeader;

    #[test]
    fn so_many_dialogs_are_remembered_and_no_more() {
        let key = |n: usize| DialogKey {
            call_id: CallIdHeader(n.to_string().into()),
            local_tag: "a".into(),
            remote_tag: "b".into(),
        };
        let mut past = Past::default();
        for n in 0..PAST_DIALOGS_MAX + 2 {
            past.add(&key(n));
            past.add(&key(n));
        }
        assert_eq!((past.known.len(), past.order.len()), (PAST_DIALOGS_MAX, PAST_DIALOGS_MAX));
        assert!(!past.known.contains(&key(1)) && past.known.contains(&key(2)));
    }
}
