//! The frame of every page: title, navigation, visitor, language and theme; and how a template becomes a response.

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::assets;
use super::role::Role;
use super::site::Site;
use super::texts::Language;
use super::visitor::{Theme, Visitor};

/// One entry of the navigation.
#[derive(Clone, Debug)]
pub struct Entry {
    pub path: &'static str,
    pub text: String,
    pub is_current: bool,
}

/// What the frame of a page shows.
#[derive(Clone, Debug)]
pub struct Frame {
    pub title: String,
    pub site: String,
    pub language: Language,
    pub theme: Theme,
    /// Display name and role of the visitor who is logged in.
    pub user: Option<(String, String)>,
    pub entries: Vec<Entry>,
    /// The token of forms.
    pub token: String,
    /// The address of this page, for links that return to it.
    pub here: String,
    pub style: String,
    pub script: String,
}

impl Frame {
    /// The frame of a page with this title.
    pub fn of(site: &Site, visitor: &Visitor, title: String) -> Self {
        let language = visitor.language;
        let complete = visitor.user.as_ref().filter(|user| user.is_complete());
        let entry = |item: &super::site::NavItem| Entry {
            path: item.path,
            text: language.text(item.key),
            is_current: visitor.path == item.path || item.path != "/" && visitor.path.starts_with(item.path),
        };
        let may = |role: Role| site.nav().iter().filter(move |item| role.may(item.permission));
        Self {
            title,
            site: site.name().to_owned(),
            language,
            theme: visitor.theme,
            user: visitor.user.as_ref().map(|user| (user.display.clone(), role_text(user.role, language))),
            entries: complete.map(|user| may(user.role).map(entry).collect()).unwrap_or_default(),
            token: visitor.form_id.form_token(),
            here: encoded(&visitor.address_of_page),
            style: assets::style(),
            script: assets::script(),
        }
    }

    /// The text of a key in the language of the page.
    pub fn t(&self, key: &str) -> String {
        self.language.text(key)
    }

    /// The text of a key with one value.
    pub fn tf(&self, key: &str, name: &str, value: &str) -> String {
        self.language.with(key, &[(name, value)])
    }

    /// What a role may see and change.
    pub fn role_may(&self, role: &str) -> String {
        self.language.text(&format!("role-{role}-may"))
    }

    /// The language that the switch offers.
    pub fn other_language(&self) -> Language {
        match self.language {
            Language::Indonesian => Language::English,
            Language::English => Language::Indonesian,
        }
    }
}

/// The name of a role for people.
pub fn role_text(role: Role, language: Language) -> String {
    language.text(&format!("role-{}", role.word()))
}

/// Text as a value in the query of an address.
pub fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~/".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// A page as a response. Pages are kept in no cache.
pub fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let head = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
            (status, head, html).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A redirect after a form, which the browser follows with GET.
pub fn see(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path), (header::CACHE_CONTROL, "no-store")]).into_response()
}
