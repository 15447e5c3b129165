use super::Pattern;

/// `covers`, `excludes`, or neither.
fn check(make: fn(&str) -> Pattern, cases: &[(&str, &str, &str)]) {
    for (left, right, expected) in cases {
        let (left_pattern, right_pattern) = (make(left), make(right));
        let actual = match () {
            () if left_pattern.covers(&right_pattern) => "covers",
            () if left_pattern.excludes(&right_pattern) => "excludes",
            () => "",
        };
        assert_eq!(actual, *expected, "{left} and {right}");
        assert_eq!(
            left_pattern.excludes(&right_pattern),
            right_pattern.excludes(&left_pattern),
            "{left} and {right} exclude each other both ways"
        );
    }
}

#[test]
fn texts_cover_what_they_match() {
    check(
        Pattern::text,
        &[
            ("*", "a", "covers"),
            ("*", "*", "covers"),
            ("*", "a*", "covers"),
            ("a", "a", "covers"),
            ("a", "b", "excludes"),
            ("a*", "ab", "covers"),
            ("a*", "ab*", "covers"),
            ("ab*", "a*", ""),
            ("a*", "b*", "excludes"),
            ("a*", "*a", ""),
            ("*a", "xa", "covers"),
            ("*a", "*xa", "covers"),
            ("*a", "*b", "excludes"),
            ("*a", "b", "excludes"),
            ("a", "*", ""),
            ("a*", "*", ""),
        ],
    );
}

#[test]
fn templates_cover_the_paths_that_they_match() {
    check(
        Pattern::path,
        &[
            ("/a/{*}", "/a/b", "covers"),
            ("/a/{*}", "/a/b/c", "excludes"),
            ("/a/{*}", "/a/", "excludes"),
            ("/a/{**}", "/a/b/c", "covers"),
            ("/a/{**}", "/b", "excludes"),
            ("/{**}/z", "/a/b/z", "covers"),
            ("/a/{*}/c", "/a/b/c", "covers"),
            ("/a*", "/a/{*}", "covers"),
            ("/b*", "/a/{*}", "excludes"),
            ("/a/b*", "/a/{*}", ""),
            ("/a/{*}", "/a/{*}", "covers"),
        ],
    );
}

#[test]
fn ranges_cover_what_lies_in_them() {
    check(
        Pattern::range,
        &[
            ("10.0.0.0/8", "10.1.2.3", "covers"),
            ("10.0.0.0/8", "10.1.0.0/16", "covers"),
            ("10.1.0.0/16", "10.0.0.0/8", ""),
            ("10.0.0.0/8", "11.0.0.0/8", "excludes"),
            ("0.0.0.0/0", "1.2.3.4", "covers"),
            ("0.0.0.0/0", "::1", "excludes"),
            ("::/0", "::1", "covers"),
            ("fd00::/8", "fe80::1", "excludes"),
            ("1.2.3.4", "1.2.3.4/32", "covers"),
        ],
    );
}
