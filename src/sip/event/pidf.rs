//! Presence documents: PIDF (RFC 3863) with the person's activity (RFC 4479, RFC 4480).

use super::escaped;

/// The presence state of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Presence {
    Available,
    OnThePhone,
    /// At work, but not available for calls.
    Busy,
    /// Not at work.
    Away,
    Offline,
}

impl Presence {
    /// `open` while the operator is at work (RFC 3863 §4.1.4).
    const fn basic(self) -> &'static str {
        match self {
            Self::Available | Self::OnThePhone | Self::Busy => "open",
            Self::Away | Self::Offline => "closed",
        }
    }

    /// The element of RFC 4480 §3.2, and a text for people.
    const fn activity(self) -> (Option<&'static str>, &'static str) {
        match self {
            Self::Available => (None, "Available"),
            Self::OnThePhone => (Some("on-the-phone"), "On the phone"),
            Self::Busy => (Some("busy"), "Busy"),
            Self::Away => (Some("away"), "Away"),
            Self::Offline => (None, "Offline"),
        }
    }
}

/// Writes the document. It has the prefixes that phones expect if they parse XML as text.
pub fn write(entity: &str, presence: Presence) -> String {
    let (entity, (activity, note)) = (escaped(entity), presence.activity());
    let activity = activity.map(|name| format!("<rpid:activities><rpid:{name}/></rpid:activities>"));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
         xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" \
         entity=\"{entity}\"><tuple id=\"post\"><status><basic>{}</basic></status><contact>{entity}</contact>\
         <note>{note}</note></tuple><dm:person id=\"person\">{}<dm:note>{note}</dm:note></dm:person></presence>\r\n",
        presence.basic(),
        activity.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Basic status, activity and note, as an XML parser reads them.
    fn read(text: &str) -> (String, Option<String>, String) {
        let document = roxmltree::Document::parse(text).unwrap();
        assert_eq!(document.root_element().tag_name().namespace(), Some("urn:ietf:params:xml:ns:pidf"));
        assert_eq!(document.root_element().attribute("entity"), Some("sip:budi@metro.example"));
        let all = |name: &str| document.descendants().find(|node| node.tag_name().name() == name);
        let text = |name: &str| all(name).and_then(|node| node.text()).unwrap_or_default().to_owned();
        let activity = all("activities").and_then(|node| node.first_element_child());
        (text("basic"), activity.map(|node| node.tag_name().name().to_owned()), text("note"))
    }

    #[test]
    fn presence_is_open_at_the_post_and_tells_the_activity() {
        let table = [
            (Presence::Available, "open", None, "Available"),
            (Presence::OnThePhone, "open", Some("on-the-phone"), "On the phone"),
            (Presence::Busy, "open", Some("busy"), "Busy"),
            (Presence::Away, "closed", Some("away"), "Away"),
            (Presence::Offline, "closed", None, "Offline"),
        ];
        for (presence, basic, activity, note) in table {
            let read = read(&write("sip:budi@metro.example", presence));
            assert_eq!(read, (basic.to_owned(), activity.map(str::to_owned), note.to_owned()));
        }
    }
}
