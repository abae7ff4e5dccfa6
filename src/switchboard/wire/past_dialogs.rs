//! Ended dialogs.

use std::collections::{BTreeSet, VecDeque};

use crate::limits::PAST_DIALOGS_MAX;
use crate::sip::dialog::DialogKey;

/// The dialogs that ended last. When the table is full, the oldest is removed; requests for it are then treated as for
/// an unknown dialog.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::switchboard) struct EndedDialogs {
    pub(in crate::switchboard) known: BTreeSet<DialogKey>,
    order: VecDeque<DialogKey>,
}

impl EndedDialogs {
    pub(in crate::switchboard) fn holds(&self, key: &DialogKey) -> bool {
        self.known.contains(key)
    }

    pub(in crate::switchboard) fn add(&mut self, key: &DialogKey) {
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
        let mut past = EndedDialogs::default();
        for n in 0..PAST_DIALOGS_MAX + 2 {
            past.add(&key(n));
            past.add(&key(n));
        }
        assert_eq!((past.known.len(), past.order.len()), (PAST_DIALOGS_MAX, PAST_DIALOGS_MAX));
        assert!(!past.known.contains(&key(1)) && past.known.contains(&key(2)));
    }
}
