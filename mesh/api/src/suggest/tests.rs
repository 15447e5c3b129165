use super::nearest;

const FIELDS: [&str; 4] = ["principals", "namespaces", "ipBlocks", "serviceAccounts"];

#[test]
fn a_typing_error_finds_the_name_that_was_meant() {
    let cases = [
        ("principal", Some("principals")),
        ("pricnipals", Some("principals")),
        ("IPBlocks", Some("ipBlocks")),
        ("serviceAccount", Some("serviceAccounts")),
        ("service_accounts", Some("serviceAccounts")),
    ];
    for (word, meant) in cases {
        assert_eq!(nearest(word, FIELDS), meant, "{word}");
    }
}

#[test]
fn a_different_word_suggests_nothing() {
    for word in ["", "hosts", "ports", &"x".repeat(4096)] {
        assert_eq!(nearest(word, FIELDS), None, "{word}");
    }
}
