//! Dialog state documents (RFC 4235 §4), which phones show as lamps.

use super::escaped;

/// The state of a dialog (RFC 4235 §3.7.1); other states are not notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Early,
    Confirmed,
    Terminated,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Early => "early",
            Self::Confirmed => "confirmed",
            Self::Terminated => "terminated",
        }
    }
}

/// The dialog identifiers of the notified operator's phone (RFC 4235 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    pub call_id: String,
    pub local_tag: String,
    pub remote_tag: String,
}

/// One dialog in which the notified operator was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialog {
    /// Identifies the dialog to the subscriber.
    pub id: String,
    pub state: State,
    /// The identifiers with which a colleague may replace the dialog; None: not permitted.
    pub names: Option<Names>,
    /// The caller; omitted for subscribers who may not see it.
    pub remote: Option<String>,
}

/// Writes the document: all dialogs (`full`), or those that have changed (RFC 4235 §3.9, §4.3).
pub fn write(entity: &str, version: u32, full: bool, dialogs: &[Dialog]) -> String {
    let entity = escaped(entity);
    let state = if full { "full" } else { "partial" };
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" \
         version=\"{version}\" state=\"{state}\" entity=\"{entity}\">"
    );
    for Dialog { id, state, names, remote } in dialogs {
        text += &format!("<dialog id=\"{}\"", escaped(id));
        if let Some(Names { call_id, local_tag, remote_tag }) = names {
            for (name, value) in [("call-id", call_id), ("local-tag", local_tag), ("remote-tag", remote_tag)] {
                text += &format!(" {name}=\"{}\"", escaped(value));
            }
        }
        text += &format!(" direction=\"recipient\"><state>{}</state>", state.as_str());
        text += &format!("<local><identity>{entity}</identity></local>");
        if let Some(remote) = remote {
            text += &format!("<remote><identity>{}</identity></remote>", escaped(remote));
        }
        text += "</dialog>";
    }
    text + "</dialog-info>\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_tells_version_extent_and_each_dialog() {
        let [call_id, local_tag, remote_tag] = ["a\"b@c", "phone", "ours"].map(str::to_owned);
        let names = Names { call_id, local_tag, remote_tag };
        let dialogs = [
            Dialog { id: "7-1".to_owned(), state: State::Terminated, names: None, remote: None },
            Dialog {
                id: "8-1".to_owned(),
                state: State::Early,
                names: Some(names),
                remote: Some("sip:<&>@b".to_owned()),
            },
        ];
        let text = write("sip:budi@metro.example", 3, false, &dialogs);
        let document = roxmltree::Document::parse(&text).unwrap();
        let root = document.root_element();
        assert_eq!(root.tag_name().namespace(), Some("urn:ietf:params:xml:ns:dialog-info"));
        let attributes = ["version", "state", "entity"].map(|name| root.attribute(name).unwrap());
        assert_eq!(attributes, ["3", "partial", "sip:budi@metro.example"]);
        let read: Vec<_> = root
            .children()
            .map(|dialog| {
                let find = |name: &str| {
                    let ns = "urn:ietf:params:xml:ns:dialog-info";
                    dialog.descendants().find(|node| node.has_tag_name((ns, name)))
                };
                let remote =
                    find("remote").and_then(|remote| remote.first_element_child()).and_then(|node| node.text());
                (dialog.attribute("id").unwrap(), find("state").unwrap().text().unwrap(), remote)
            })
            .collect();
        assert_eq!(read, [("7-1", "terminated", None), ("8-1", "early", Some("sip:<&>@b"))]);
        let named = |dialog: roxmltree::Node<'_, '_>| {
            ["call-id", "local-tag", "remote-tag"].map(|name| dialog.attribute(name).map(str::to_owned))
        };
        let names: Vec<_> = root.children().map(named).collect();
        assert_eq!(names, [[None, None, None], ["a\"b@c", "phone", "ours"].map(|name| Some(name.to_owned()))]);
    }

    #[test]
    fn an_idle_phone_has_a_full_document_without_dialogs() {
        let text = write("sip:a@b", 0, true, &[]);
        let document = roxmltree::Document::parse(&text).unwrap();
        assert_eq!(document.root_element().attribute("state"), Some("full"));
        assert!(!document.root_element().has_children());
    }
}
