//! `siaga check`: every error of the configuration, its files, the console's token and the database, and what the service would use.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config::{Config, Fault, Faults, Smtp, Target};
use crate::ids::OperatorId;
use crate::reports::ministry::letter::Template;
use crate::reports::ministry::scheme::Scheme;
use crate::reports::pdf::emblem::Emblem;
use crate::server::token::{Token, TokenFault};

use super::operator::{self, Kind};
use super::output::print_line;

/// Reports all errors at once. Without an error, prints warnings and what the service would use.
pub(super) fn check(file: &Path) -> anyhow::Result<()> {
    let config = Config::load(file)?;
    let mut faults = certificates(&config);
    faults.extend(folders(&config));
    for (key, found) in
        [("console.listen", config.console.without_tls()), ("report.listen", config.report.without_tls())]
    {
        faults.extend(found.map(|(wrong, right)| fault(&config, key, wrong, right)));
    }
    faults.extend(scheme(&config));
    faults.extend(letter(&config));
    faults.extend(deliveries(&config));
    faults.extend(token(&config));
    match names(&config) {
        Ok(wrong) => faults.extend(wrong),
        Err(fault) => print_line!("warning: the operators' names were not compared with the accounts: {fault:#}"),
    }
    faults.extend(database(&config)?);
    if !faults.is_empty() {
        return Err(Faults(faults).into());
    }
    print(&config);
    Ok(())
}

fn fault(config: &Config, key: &str, wrong: String, right: &str) -> Fault {
    let file = config.file.display().to_string();
    Fault { file, line: None, key: key.to_owned(), wrong, right: right.to_owned() }
}

fn certificates(config: &Config) -> Vec<Fault> {
    let sip = config.sip.tls.as_ref().and_then(|files| files.read().err());
    let pages =
        [&config.console.tls, &config.report.tls].into_iter().flatten().filter_map(|files| files.server().err());
    sip.into_iter().chain(pages).map(|wrong| fault(config, &wrong.key, wrong.wrong, wrong.right)).collect()
}

/// The scheme of the monthly file.
fn scheme(config: &Config) -> Option<Fault> {
    let wrong = Scheme::read(config.report.scheme.as_ref()?).err()?;
    Some(fault(config, "report.scheme", wrong.to_string(), ""))
}

/// The files of the monthly report as PDF.
fn letter(config: &Config) -> Vec<Fault> {
    let letter = &config.report.letter;
    let emblem = letter
        .emblem
        .as_deref()
        .and_then(|path| Emblem::read(path).err())
        .map(|wrong| fault(config, "report.emblem", wrong.to_string(), "an SVG or PNG file of at most 1 MiB"));
    let template = letter.template.as_deref().and_then(|path| Template::read(path).err());
    emblem.into_iter().chain(template.map(|wrong| fault(config, "report.template", wrong.to_string(), ""))).collect()
}

/// The folders and files of scheduled reports.
fn deliveries(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (no, schedule) in config.report.schedules.iter().enumerate() {
        if let Target::Folder(folder) = &schedule.target
            && !folder.is_dir()
        {
            let wrong = format!("{} is not a folder", folder.display());
            let right = "an existing folder, which siaga report serve may write to";
            faults.push(fault(config, &format!("report.schedule[{no}].folder"), wrong, right));
        }
    }
    let Some(smtp) = &config.report.smtp else { return faults };
    if let Some(wrong) = smtp.log_in.as_ref().and_then(|(_, file)| Smtp::password(file).err()) {
        faults.push(fault(config, "report.smtp.password_file", wrong, "a file whose first line is the password"));
    }
    if let Some(wrong) = smtp.ca.as_ref().and_then(|file| std::fs::read(file).err().map(|error| (file, error))) {
        let (file, error) = wrong;
        let wrong = format!("{} cannot be read: {error}", file.display());
        faults.push(fault(config, "report.smtp.ca", wrong, "a PEM file with certificates"));
    }
    faults
}

/// Folders whose path is a file's. The service creates a missing folder.
fn folders(config: &Config) -> Vec<Fault> {
    let recordings = ("recording.dir", &config.recording.dir);
    let folders = [("journal.dir", &config.journal_dir), ("prompts.dir", &config.prompts_dir)];
    let all = folders.into_iter().chain(config.recording.enabled.then_some(recordings));
    let wrong = |(key, path): (&str, &PathBuf)| {
        let file = path.ancestors().find(|part| part.exists()).filter(|part| !part.is_dir())?;
        Some(fault(config, key, format!("{} is not a folder", file.display()), "a folder, or a path that is free"))
    };
    all.filter_map(wrong).collect()
}

/// A missing token file is no error: the service creates it.
fn token(config: &Config) -> Option<Fault> {
    let path = &config.console.token_file;
    match Token::parse(path) {
        Ok(_) => None,
        Err(TokenFault::Unreadable(error)) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(wrong) => {
            let text = format!("the file {} {wrong}: the console stays closed", path.display());
            Some(fault(config, "console.token_file", text, &wrong.expected()))
        }
    }
}

/// Names without an account, and accounts whose name is dialled for another purpose.
fn names(config: &Config) -> anyhow::Result<Vec<Fault>> {
    let (operators, stations) =
        (operator::accounts(config, Kind::Operator)?, operator::accounts(config, Kind::Station)?);
    let all: BTreeSet<OperatorId> = operators.iter().chain(&stations).cloned().collect();
    let mut faults = config.without_account(&operators);
    faults.extend(config.ambiguous_names(&all));
    Ok(faults)
}

/// What the service needs of its database.
fn database(config: &Config) -> anyhow::Result<Vec<Fault>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(crate::store::examine::examine(&config.store_url));
    Ok(found.into_iter().map(|wrong| fault(config, "store.url", wrong, "")).collect())
}

/// Prints warnings and what the service would use.
fn print(config: &Config) {
    for warning in &config.warnings {
        print_line!("warning: {warning}");
    }
    if let Some(warning) = crate::server::open_files::warning(config) {
        print_line!("warning: {warning}");
    }
    for warning in crate::server::sharing::warnings(config) {
        print_line!("warning: {warning}");
    }
    for warning in crate::server::media::remarks(&config.recording.dir) {
        print_line!("warning: {warning}");
    }
    for remark in crate::server::dns::remarks(&config.trunks, &config.sip.name_servers) {
        print_line!("remark: {remark}");
    }
    let listeners: Vec<String> =
        config.sip.listeners.iter().map(|l| format!("{} {}", l.transport.via(), l.local)).collect();
    let trunks: Vec<&str> = config.trunks.iter().map(|trunk| trunk.name.as_str()).collect();
    print_line!("{} has no errors", config.file.display());
    print_line!("  site       {}, {}, {}", config.site.name, config.site.number, config.site.timezone);
    print_line!("  sip        {} as {}", listeners.join(", "), config.sip.domain);
    print_line!("  trunks     {}", trunks.join(", "));
    let media: Vec<String> = config.media.listen.iter().map(ToString::to_string).collect();
    print_line!("  media      {} ports {}-{}", media.join(", "), config.media.ports.0, config.media.ports.1);
    print_line!(
        "  shifts     {}",
        if config.shifts.is_empty() {
            "none: every operator is always on shift".to_owned()
        } else {
            config.shifts.len().to_string()
        }
    );
    let scheme = |tls: bool| if tls { "https" } else { "http" };
    print_line!("  console    {}://{}", scheme(config.console.tls.is_some()), config.console.listen);
    print_line!("  reports    {}://{}", scheme(config.report.tls.is_some()), config.report.listen);
    for (what, path) in config.places() {
        print_line!("  {what:<10} {path}");
    }
}
