#![allow(clippy::unwrap_used)]

use super::Text;

#[test]
fn a_star_counts_at_the_start_or_the_end_and_alone() {
    for (value, text, expected) in [
        ("a", "a", true),
        ("a", "A", false),
        ("a", "ab", false),
        ("a*", "a", true),
        ("a*", "abc", true),
        ("a*", "xa", false),
        ("*a", "a", true),
        ("*a", "xa", true),
        ("*a", "ab", false),
        ("*", "x", true),
        ("*", "", false),
        ("*", "a\nb", false),
        ("", "", true),
        ("", "a", false),
        ("a*b", "a*b", true),
        ("a*b", "axb", false),
        ("*a*", "a*", true),
        ("*a*", "xa*", true),
        ("*a*", "xab", false),
        ("**", "a*", true),
        ("**", "a", false),
    ] {
        assert_eq!(
            Text::new(value).matches(text),
            expected,
            "{value:?} {text:?}"
        );
    }
}

#[test]
fn without_case_only_ascii_letters_are_folded() {
    for (value, text, expected) in [
        ("Foo.Example", "fOO.eXAMPLE", true),
        ("*.EXAMPLE", "a.example", true),
        ("*.EXAMPLE", "example", false),
        ("FOO*", "foobar", true),
        ("FOO*", "f", false),
        ("*", "", true),
        ("Ä", "ä", false),
        ("foo:8080", "FOO:8080", true),
        ("foo", "foo:8080", false),
    ] {
        let caseless = Text::new_caseless(value);
        assert_eq!(
            caseless.matches_caseless(text),
            expected,
            "{value:?} {text:?}"
        );
    }
}

#[test]
fn header_values_are_bytes() {
    assert!(Text::new("bad*").matches_header(b"bad\xff"));
    assert!(Text::new("*\u{e4}").matches_header(b"\xff\xc3\xa4"));
    assert!(!Text::new("bad").matches_header(b"bad\xff"));
    assert!(Text::new("*").matches_header(b""));
}

#[test]
fn a_match_is_shown_as_it_was_written() {
    for value in ["a", "a*", "*a", "*", ""] {
        assert_eq!(Text::new(value).to_string(), value);
    }
}
