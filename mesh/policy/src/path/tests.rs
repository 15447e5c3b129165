use super::{PathMatch, is_segment_byte};

/// Which paths Envoy 1.40 matched with a template, and which not.
const ENVOY: [(&str, &[&str], &[&str]); 6] = [
    (
        "/t/{*}",
        &["/t/a", "/t/a*b", "/t/a%2fb", "/t/a=b", "/t/z", "/t/a'b"],
        &[
            "/t", "/t/", "/t/a/", "/t/a/b", "/t//", "/t/a[b]", "/t/a\"b", "/t/a{b}", "/t/a|b",
            "/t/a\\b",
        ],
    ),
    (
        "/t/{**}",
        &["/t/", "/t/a", "/t/a/", "/t/a/b", "/t//", "/t//z", "/t/a*b"],
        &["/t", "/x", "/t/a^b", "/t/a`b", "/t/<>"],
    ),
    ("/{**}/x", &["/a/x", "/a/b/x", "//x"], &["/x", "/a/y"]),
    ("/t/{*}/y", &["/t/a/y"], &["/t//y", "/t/a/b/y", "/t/y"]),
    ("/{**}", &["/", "/t", "/t/a/b", "//x"], &["/t/a[b]"]),
    ("/t/{**}/z", &["/t/a/b/z", "/t//z"], &["/t/z"]),
];

#[test]
fn templates_match_what_envoys_do() {
    for (template, taken, refused) in ENVOY {
        let template = PathMatch::new(template);
        for path in taken {
            assert!(template.matches(path), "{template} {path}");
        }
        for path in refused {
            assert!(!template.matches(path), "{template} {path}");
        }
    }
}

#[test]
fn a_template_tells_what_its_paths_begin_and_end_with() {
    let PathMatch::Template(template) = PathMatch::new("/a/{*}/b/{**}/c") else {
        panic!("a template");
    };
    assert_eq!((template.start(), template.end()), ("/a/", "/c"));
    let PathMatch::Template(template) = PathMatch::new("{**}") else {
        panic!("a template");
    };
    assert_eq!((template.start(), template.end()), ("", ""));
    assert!(template.matches("") && template.matches("a/b"));
}

#[test]
fn a_path_without_operators_is_text() {
    for (value, path, expected) in [
        ("/a", "/a", true),
        ("/a", "/A", false),
        ("/a*", "/a/b", true),
        ("*/b", "/a/b", true),
        ("*", "/", true),
        ("*", "", false),
        ("/a/*/b", "/a/x/b", false),
        ("/a/*/b", "/a/*/b", true),
    ] {
        assert_eq!(
            PathMatch::new(value).matches(path),
            expected,
            "{value} {path}"
        );
    }
}

#[test]
fn a_long_path_of_slashes_is_decided_at_once() {
    let template = PathMatch::new("/{*}/{*}/{**}/x");
    assert!(!template.matches(&"/a".repeat(20_000)));
}

#[test]
fn an_operator_within_a_segment_still_matches() {
    // Istio refuses such a template; what it would mean is clear all the same.
    assert!(PathMatch::new("/a{*}b").matches("/axxb"));
    assert!(!PathMatch::new("/a{*}b").matches("/ab"));
    assert!(is_segment_byte(b'*') && !is_segment_byte(b'/'));
}
