//! Former names in the configuration: they are accepted, and each gives a warning with the present name.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use siaga::config::Config;

const TRUNK: &str = "[[trunk]]\nname = \"a\"\npeers = [\"10.0.0.1\"]\n";

#[test]
fn former_names_of_the_operating_mode_are_accepted_with_a_warning() {
    let (old, new) = ("[posture]\nhours = 3\n[features]\nposture_drill", "[mode]\nhours = 3\n[features]\nmode_drill");
    let [old, new] = [old, new].map(|names| Config::parse("a.toml", &format!("{TRUNK}{names} = \"*99\"\n")).unwrap());
    assert_eq!((&old.mode, &old.features), (&new.mode, &new.features));
    let warnings = |config: &Config| config.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let [old, new] = [old, new].map(|config| warnings(&config));
    assert!(old.contains("a.toml:4: posture: an old name, accepted for now; expected: [mode]"), "{old}");
    assert!(old.contains("a.toml:7: features.posture_drill: an old name"), "{old}");
    assert!(!new.contains("old name"), "{new}");
}

#[test]
fn an_error_in_a_section_with_its_former_name_has_that_name_and_its_line() {
    let error = Config::parse("a.toml", &format!("{TRUNK}[posture]\nhours = 169\n")).unwrap_err().to_string();
    assert!(error.contains("a.toml:5: posture.hours: 169"), "{error}");
}

#[test]
fn a_former_name_beside_the_present_one_is_an_error_with_both_names_and_hides_no_other() {
    let text = format!(
        "{TRUNK}[posture]\nhours = 3\n[mode]\nhours = 169\n[features]\nposture_drill = \"*98\"\nmode_drill = \"*99\"\n"
    );
    let error = Config::parse("a.toml", &text).unwrap_err().to_string();
    assert!(
        error.contains("a.toml:4: posture: the old name of [mode], which is there too; expected: only [mode]"),
        "{error}"
    );
    assert!(error.contains("a.toml:9: features.posture_drill: the old name of mode_drill"), "{error}");
    assert!(error.contains("a.toml:7: mode.hours: 169"), "{error}");
}

#[test]
fn an_invalid_code_under_its_former_name_is_reported_under_that_name() {
    let error =
        Config::parse("a.toml", &format!("{TRUNK}[features]\nposture_drill = \"62\"\n")).unwrap_err().to_string();
    assert!(error.contains("a.toml:5: features.posture_drill: \"62\" is not a feature code"), "{error}");
}
