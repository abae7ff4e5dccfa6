//! `siaga operator import`: creates or changes accounts from a CSV file, all of them or none.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::acd::roster::RosterFault;
use crate::acd::roster::table::{self, Cells};
use crate::config::{Config, OWN_NAME};
use crate::ids::OperatorId;
use crate::limits::OPERATORS_MAX;
use crate::store::operators::OperatorRow;

use super::operator::{Kind, generated, row, with_store, wrong_password};
use super::output::print_line;

/// Maximum bytes of a file to import.
const IMPORT_MAX: u64 = 16 << 20;
/// Only the first is required.
const COLUMNS: [&str; 3] = ["operator", "name", "password"];

/// One line of the file. An empty cell keeps the value of an existing account.
struct Line {
    number: u64,
    operator: OperatorId,
    name: String,
    password: String,
}

/// What an import does.
struct Import {
    rows: Vec<OperatorRow>,
    /// Operators with new passwords.
    passwords: Vec<(String, String)>,
    new: usize,
    kept: usize,
}

/// Reads the file (`operator,name,password`, as spreadsheets save it) and stores its accounts. An existing account keeps its password
/// if the file has none for it; a new one gets a password, which is printed.
pub(super) fn import(config: &Config, file: &Path) -> anyhow::Result<()> {
    let lines = lines(&text_of(file)?).map_err(|faults| told(file, &faults))?;
    let import = with_store(config, async |store| {
        let known = store.operators().await?;
        let import = prepared(config, &known, &lines).map_err(|faults| told(file, &faults))?;
        store.put_operators(&import.rows).await?;
        Ok(import)
    })?;
    for (operator, password) in &import.passwords {
        print_line!("{operator}\t{password}");
    }
    let Import { rows, new, kept, .. } = &import;
    super::output::complain(format_args!(
        "{} operators imported: {new} new, {} changed; {kept} passwords kept",
        rows.len(),
        rows.len() - new
    ));
    Ok(())
}

fn text_of(file: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let source = std::fs::File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
    source
        .take(IMPORT_MAX + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > IMPORT_MAX {
        bail!("nothing was imported: {} is too long; expected: at most {IMPORT_MAX} bytes", file.display());
    }
    table::text_of(bytes).map_err(|fault| told(file, &[fault]))
}

fn told(file: &Path, faults: &[RosterFault]) -> anyhow::Error {
    let lines: Vec<String> = faults.iter().map(|fault| format!("{} {fault}", file.display())).collect();
    anyhow::anyhow!("nothing was imported:\n{}", lines.join("\n"))
}

fn lines(text: &str) -> Result<Vec<Line>, Vec<RosterFault>> {
    let lines = table::read_columns(text, COLUMNS, 1, Cells::AsHeader, |number, [operator, name, password]| {
        let operator = OperatorId::parse(operator).map_err(|_| {
            vec![RosterFault::new(number, "operator", operator, "1 to 64 letters, digits, '.', '_' or '-'")]
        })?;
        Ok(Line { number, operator, name: name.to_owned(), password: password.to_owned() })
    })?;
    let mut seen = BTreeSet::new();
    let twice: Vec<RosterFault> = lines
        .iter()
        .filter(|line| !seen.insert(line.operator.as_str().to_ascii_lowercase()))
        .map(|line| {
            RosterFault::new(line.number, "operator", line.operator.as_str(), "each operator once, in any case")
        })
        .collect();
    if twice.is_empty() { Ok(lines) } else { Err(twice) }
}

/// The accounts after the import: the lines applied to the existing ones.
fn prepared(config: &Config, all: &[OperatorRow], lines: &[Line]) -> Result<Import, Vec<RosterFault>> {
    let known: BTreeMap<&str, &OperatorRow> = all.iter().map(|row| (row.operator.as_str(), row)).collect();
    let mut import = Import { rows: Vec::new(), passwords: Vec::new(), new: 0, kept: 0 };
    let mut faults = Vec::new();
    for line in lines {
        let name = line.operator.as_str();
        let old = known.get(name);
        if old.is_some_and(|old| Kind::Station.has(old)) {
            faults.push(RosterFault::new(line.number, "operator", name, "an operator, not a station"));
            continue;
        }
        if let Some(other) = super::operator::alike(all, name) {
            faults.push(RosterFault::new(line.number, "operator", name, other));
            continue;
        }
        if let Some(meaning) = config.other_meaning(name) {
            let expected = format!("{OWN_NAME}; this is {meaning}");
            faults.push(RosterFault::new(line.number, "operator", name, expected));
        }
        if let Some(expected) = wrong_password(&line.password).filter(|_| !line.password.is_empty()) {
            // The message must not show the password.
            let found = format!("({} characters)", line.password.chars().count());
            faults.push(RosterFault::new(line.number, "password", &found, expected));
        }
        import.new += usize::from(old.is_none());
        if known.len() + import.new > OPERATORS_MAX {
            faults.push(RosterFault::new(line.number, "operator", name, format!("at most {OPERATORS_MAX} accounts")));
            break;
        }
        match account(config, line, old.copied()) {
            Ok((row, password)) => {
                import.kept += usize::from(password.is_none() && line.password.is_empty());
                import.passwords.extend(password.map(|password| (row.operator.clone(), password)));
                import.rows.push(row);
            }
            Err(error) => faults.push(RosterFault::new(line.number, "name", &line.name, format!("{error:#}"))),
        }
    }
    if faults.is_empty() { Ok(import) } else { Err(faults) }
}

/// The account of one line, and its password if it is a new one.
fn account(config: &Config, line: &Line, old: Option<&OperatorRow>) -> anyhow::Result<(OperatorRow, Option<String>)> {
    let name = match (line.name.as_str(), old) {
        ("", Some(old)) => old.name.as_str(),
        ("", None) => line.operator.as_str(),
        (name, _) => name,
    };
    if line.password.is_empty()
        && let Some(old) = old.filter(|old| old.realm == config.sip.domain)
    {
        let checked = row(config, &line.operator, name, "")?;
        return Ok((OperatorRow { name: checked.name, ..old.clone() }, None));
    }
    let made = if line.password.is_empty() { Some(generated()?) } else { None };
    let row = row(config, &line.operator, name, made.as_deref().unwrap_or(&line.password))?;
    Ok((row, made))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::parse("siaga.toml", "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\n").unwrap()
    }

    fn read(text: &str) -> Vec<(u64, String, String, String)> {
        let lines = lines(text).map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        lines.into_iter().map(|line| (line.number, line.operator.to_string(), line.name, line.password)).collect()
    }

    #[test]
    fn what_spreadsheets_save_is_read() {
        for text in [
            "operator,name,password\nsari,Sari,rahasia\n",
            "operator;name;password\r\nsari;Sari;rahasia\r\n",
            "operator\tname\tpassword\nsari\tSari\trahasia\n",
            "\u{feff}Operator, Name, PASSWORD\n sari , Sari , rahasia\n",
            "NIP,operator,name,password\n1987,sari,Sari,rahasia\n",
        ] {
            let (_, operator, name, password) = read(text).remove(0);
            assert_eq!((operator.as_str(), name.as_str(), password.as_str()), ("sari", "Sari", "rahasia"), "{text}");
        }
        assert_eq!(read("name,operator\nEko,eko\n"), [(2, "eko".to_owned(), "Eko".to_owned(), String::new())]);
    }

    #[test]
    fn every_error_has_its_line_also_behind_blank_lines_and_line_breaks() {
        let faults = |text: &str| -> Vec<String> {
            lines(text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
        };
        let told = faults("operator,name,password\n\nx1,A,p1\n\nx2,B,p2\nb d,C,p3\n");
        assert_eq!(told, ["line 6: operator is \"b d\"; expected: 1 to 64 letters, digits, '.', '_' or '-'"]);
        assert!(faults("operator,name,password\nx1,\"A\n, S.H.\",p\nb d,C,p3\n")[0].starts_with("line 4: "));
        assert_eq!(faults("operator,name,password\nx1,Sari, S.H.,p\n").len(), 1, "a comma in a name without quotes");
        assert!(faults("operator,name,password\nx1,A,p\nx1,B,q\n")[0].starts_with("line 3: operator is \"x1\""));
        assert!(faults("")[0].contains("expected: operator"), "{:?}", faults(""));
    }

    #[test]
    fn an_empty_password_keeps_the_one_of_an_existing_account_of_this_domain() {
        let config = config();
        let old = |name: &str, realm: &str| OperatorRow {
            realm: realm.to_owned(),
            number: Some("17".to_owned()),
            ..row(&config, &OperatorId::parse(name).unwrap(), "Lama", "rahasia").unwrap()
        };
        let known = [old("budi", &config.sip.domain), old("sari", "elsewhere.example")];
        let lines = lines("operator,name\nbudi,Budi Santoso\nsari,Sari\nani,Ani\n").unwrap_or_default();
        let import = prepared(&config, &known, &lines).map_err(|faults| faults.len()).unwrap();
        assert_eq!(import.rows[0], OperatorRow { name: "Budi Santoso".to_owned(), ..known[0].clone() });
        let made: Vec<&str> = import.passwords.iter().map(|(operator, _)| operator.as_str()).collect();
        assert_eq!(made, ["sari", "ani"], "another domain's password is of no use here");
        assert_eq!((import.new, import.kept), (1, 1));
        assert_ne!(import.rows[1].ha1_md5, known[1].ha1_md5);
    }

    #[test]
    fn more_accounts_than_the_service_takes_are_an_error_and_not_left_out() {
        let config = config();
        let mut text = String::from("operator,name,password\n");
        for n in 0..=OPERATORS_MAX {
            text += &format!("o{n:05},N,password\n");
        }
        let all = lines(&text).unwrap_or_default();
        assert_eq!(all.len(), OPERATORS_MAX + 1);
        let faults = prepared(&config, &[], &all).err().unwrap();
        assert_eq!((faults.len(), faults[0].line), (1, 10_002));
    }
}
