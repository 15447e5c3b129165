use super::TokenMatch;
use crate::request::Jwt;

fn matches(value: &str, iss: &str, sub: &str) -> bool {
    let jwt = Jwt {
        iss: Some(iss),
        sub: Some(sub),
        ..Jwt::default()
    };
    TokenMatch::new(value).matches(&jwt)
}

#[test]
fn issuer_and_subject_are_split_at_the_last_slash() {
    for (value, iss, sub, expected) in [
        ("https://i.example/s", "https://i.example", "s", true),
        ("https://i.example/s", "https:", "/i.example/s", false),
        ("i/s", "i", "t", false),
        ("*", "i", "s", true),
        ("*", "", "s", false),
        ("*", "i", "", false),
        ("*/s", "i", "s", true),
        ("*/s", "", "s", false),
        ("*.example/s", "https://i.example", "s", true),
        ("*.example/s", "https://i.examples", "s", false),
        ("*s", "i", "ss", true),
        ("*s", "", "ss", false),
        ("https://i.example/*", "https://i.example", "anyone", true),
        ("https://i.example/*", "https://i.example", "", false),
        ("https://i.example/an*", "https://i.example", "anyone", true),
        (
            "https://i.example/an*",
            "https://i.example/x",
            "anyone",
            false,
        ),
        ("i*", "issuer", "s", true),
        ("i*", "issuer", "", false),
        ("i", "i", "", true),
        ("i", "i", "s", false),
        ("*/*", "i", "*", true),
        ("*/*", "i", "s", false),
    ] {
        assert_eq!(matches(value, iss, sub), expected, "{value} {iss} {sub}");
    }
}

#[test]
fn without_both_claims_nothing_matches() {
    let jwt = Jwt {
        iss: Some("i"),
        ..Jwt::default()
    };
    assert!(!TokenMatch::new("*").matches(&jwt));
    assert!(!TokenMatch::new("i").matches(&jwt));
}
