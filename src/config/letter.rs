//! `[report]` emblem, template and signatories: how the monthly report looks as a PDF file.

use std::path::PathBuf;

use serde::Deserialize;

use crate::limits::{SIGNATORIES_MAX, SIGNATORY_CHARS_MAX};

use super::source::Source;

/// Who signs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signatory {
    /// The office: "Kepala BPBD Kota Metro".
    pub role: String,
    /// Empty: a line for it.
    #[serde(default)]
    pub name: String,
    /// A line below the name: the number of the official.
    #[serde(default)]
    pub id: String,
}

impl Signatory {
    /// What is wrong with a list of them, and what is expected.
    pub fn fault(list: &[Self]) -> Option<(String, String)> {
        if list.len() > SIGNATORIES_MAX {
            return Some((format!("{} signatories", list.len()), format!("at most {SIGNATORIES_MAX}")));
        }
        let is_long = |text: &String| text.chars().count() > SIGNATORY_CHARS_MAX;
        let long = list.iter().flat_map(|of| [&of.role, &of.name, &of.id]).find(|text| is_long(text));
        long.map(|text| {
            let right = format!("at most {SIGNATORY_CHARS_MAX} characters");
            (format!("a text of {} characters", text.chars().count()), right)
        })
    }
}

/// The settings of the PDF file, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letter {
    /// An SVG or PNG file.
    pub emblem: Option<PathBuf>,
    /// A TOML file with the city's own texts.
    pub template: Option<PathBuf>,
    pub signatories: Vec<Signatory>,
}

pub(super) fn checked(
    source: &mut Source,
    (emblem, template): (Option<String>, Option<String>),
    signatories: Vec<Signatory>,
) -> Letter {
    if let Some((wrong, right)) = Signatory::fault(&signatories) {
        source.fault("report.signatories", wrong, right);
    }
    Letter { emblem: emblem.map(PathBuf::from), template: template.map(PathBuf::from), signatories }
}
