//! Requests for dialogs that have ended.

use crate::sip::dialog::Dialog;
use crate::switchboard::wire::Wire;

impl Wire {
    /// Moves a dialog to the ended dialogs.
    pub(in crate::switchboard) fn drop_dialog(&mut self, dialog: Option<&Dialog>) {
        if let Some(dialog) = dialog {
            self.dialogs.remove(dialog.key());
            self.past.add(dialog.key());
        }
    }
}
