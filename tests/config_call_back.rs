//! Call-back in the configuration: the prefixes of numbers that `*50` may dial, and of those that it never dials.

use siaga::config::Config;
use siaga::limits::CALL_BACK_PREFIXES_MAX;

const TRUNK: &str = "[[trunk]]\nname = \"telco\"\npeers = [\"127.0.0.2\"]\n";

fn parse(callers: &str) -> Result<Config, Vec<String>> {
    Config::parse("test.toml", &format!("{TRUNK}[callers]\n{callers}\n"))
        .map_err(|faults| faults.0.iter().map(ToString::to_string).collect())
}

#[test]
fn without_a_value_every_prefix_is_allowed_except_premium_and_satellite_numbers() {
    let config = parse("").unwrap();
    assert!(config.callers.call_back_prefixes.is_empty());
    assert_eq!(config.callers.call_back_never, ["0809", "0900", "+882", "+883", "+979"]);
}

#[test]
fn the_prefixes_reach_the_switchboard_as_they_are_written() {
    let config = parse("call_back_prefixes = [\"+62\", \"0\"]\ncall_back_never = [\"+628\", \"+\"]").unwrap();
    assert_eq!(config.callers.call_back_prefixes, ["+62", "0"]);
    assert_eq!(config.callers.call_back_never, ["+628", "+"]);
    assert_eq!(config.switchboard().callers, config.callers);
    let nothing_is_excluded = parse("call_back_never = []").unwrap();
    assert!(nothing_is_excluded.callers.call_back_never.is_empty());
}

#[test]
fn a_prefix_that_starts_no_number_is_an_error_with_its_key_and_line() {
    for key in ["call_back_prefixes", "call_back_never"] {
        for wrong in ["", "+62-21", "62 21", "abc", "*50", "0+62", "1234567890123456"] {
            let told = parse(&format!("{key} = [\"0\", \"{wrong}\"]")).unwrap_err();
            let expected = "digits, with or without + before them: \"+62\"";
            let line =
                format!("test.toml:5: callers.{key}: {wrong:?} is not the start of a number; expected: {expected}");
            assert_eq!(told, [line], "{wrong}");
        }
    }
}

#[test]
fn the_lists_have_a_limit_and_must_be_lists_of_texts() {
    for key in ["call_back_prefixes", "call_back_never"] {
        let list = |count: usize| format!("{key} = [{}]", vec!["\"+62\""; count].join(", "));
        assert!(parse(&list(CALL_BACK_PREFIXES_MAX)).is_ok());
        let told = parse(&list(CALL_BACK_PREFIXES_MAX + 1)).unwrap_err();
        assert!(told[0].contains(&format!("expected: at most {CALL_BACK_PREFIXES_MAX}")), "{told:?}");
        for wrong in ["\"+62\"", "62", "[62]"] {
            let told = parse(&format!("{key} = {wrong}")).unwrap_err();
            assert!(told[0].contains(&format!("callers.{key}")) && told[0].contains("; expected: "), "{told:?}");
        }
    }
}
