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
        value in "[ab/.]([ab/][.]?[*+?]?){0,5}",
        text in "[ab/\n]{0,10}",
    ) {
        agrees(&value, &Pattern::default().unquoted(&value), &text);
        let behind = Pattern::default().anything(true).unquoted(&value);
        agrees(&format!(".*{value}"), &behind, &text);
        let within = Pattern::default().anything(false).literal("/").unquoted(&value);
        agrees(&format!(".+/{value}"), &within, &text);
    }

    #[test]
    fn wildcards_take_anything(value in "[ab*]{0,6}", text in "[ab/\n]{0,10}") {
        // Neighbouring wildcards are no valid regular expression, in Istio's either.
        prop_assume!(!value.contains("**"));
        let pattern = Pattern::default().unquoted_with_wildcards(&value);
        agrees(&value.replace('*', ".*"), &pattern, &text);
    }
}

#[test]
fn a_pattern_longer_than_the_inline_states_still_matches() {
    let long = "ab".repeat(400);
    let pattern = Pattern::default().anything(true).literal(&long);
    assert!(pattern.matches(&format!("x{long}")));
    assert!(!pattern.matches(&format!("{long}x")));
}
