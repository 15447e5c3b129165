#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use regex::Regex;

use super::Pattern;

fn agrees(source: &str, pattern: &Pattern, text: &str) {
    let regex = Regex::new(&format!("\\A(?:{source})\\z")).unwrap();
    assert_eq!(
        pattern.matches(text),
        regex.is_match(text),
        "{source:?} {text:?}"
    );
}

proptest! {
    #[test]
    fn a_pattern_takes_what_its_regular_expression_takes(
        value in "[ab/.+?*]{0,5}",
        text in "[ab/.+?*\n]{0,10}",
    ) {
        let quoted = regex::escape(&value);
        agrees(&quoted, &Pattern::default().literal(&value), &text);
        let behind = Pattern::default().anything(true).literal(&value);
        agrees(&format!(".*{quoted}"), &behind, &text);
        let within = Pattern::default().anything(false).literal("/").literal(&value);
        agrees(&format!(".+/{quoted}"), &within, &text);
    }

    #[test]
    fn wildcards_take_anything(value in "[ab.*]{0,6}", text in "[ab./\n]{0,10}") {
        let pattern = Pattern::default().with_wildcards(&value);
        agrees(&regex::escape(&value).replace("\\*", ".*"), &pattern, &text);
    }
}

#[test]
fn a_pattern_longer_than_the_inline_states_still_matches() {
    let long = "ab".repeat(400);
    let pattern = Pattern::default().anything(true).literal(&long);
    assert!(pattern.matches(&format!("x{long}")));
    assert!(!pattern.matches(&format!("{long}x")));
}
