use mesh_api::PathNormalization::{Base, DecodeAndMergeSlashes, MergeSlashes, None};
use proptest::prelude::*;
use std::borrow::Cow;

use super::normalize;

/// What Envoy 1.40 made of each path: with BASE, MERGE_SLASHES and DECODE_AND_MERGE_SLASHES.
const ENVOY: [(&str, &str, &str, &str); 51] = [
    ("/a/../b", "/b", "/b", "/b"),
    ("/a/%2e%2e/b", "/b", "/b", "/b"),
    ("/a/.%2E/b", "/b", "/b", "/b"),
    ("/a\\b", "/a/b", "/a/b", "/a/b"),
    ("/a%5cb", "/a%5cb", "/a%5cb", "/a/b"),
    ("/a%2fb", "/a%2fb", "/a%2fb", "/a/b"),
    ("/a//b", "/a//b", "/a/b", "/a/b"),
    ("/a/./b", "/a/b", "/a/b", "/a/b"),
    ("/a/b/..", "/a/", "/a/", "/a/"),
    ("/a/b/.", "/a/b/", "/a/b/", "/a/b/"),
    ("/../../x", "/x", "/x", "/x"),
    ("/%61%2D%5f%7e%41%30", "/a-_~A0", "/a-_~A0", "/a-_~A0"),
    ("/%zz%4", "/%zz%4", "/%zz%4", "/%zz%4"),
    ("/%", "/%", "/%", "/%"),
    ("/%2", "/%2", "/%2", "/%2"),
    ("/a%ffb", "/a%ffb", "/a%ffb", "/a%ffb"),
    ("/a;b/../c", "/c", "/c", "/c"),
    ("/a//../b", "/a/b", "/a/b", "/a/b"),
    ("/a/%2e", "/a/", "/a/", "/a/"),
    ("/a/%2e.", "/", "/", "/"),
    ("/a%3fb", "/a%3fb", "/a%3fb", "/a%3fb"),
    ("/%c3%a4", "/%c3%a4", "/%c3%a4", "/%c3%a4"),
    ("/a%2f..%2fb", "/a%2f..%2fb", "/a%2f..%2fb", "/b"),
    ("/a%5C..%5Cb", "/a%5C..%5Cb", "/a%5C..%5Cb", "/b"),
    ("/...", "/...", "/...", "/..."),
    ("/.a", "/.a", "/.a", "/.a"),
    ("/a/.../b", "/a/.../b", "/a/.../b", "/a/.../b"),
    ("//", "//", "//", "//"),
    ("///", "///", "//", "//"),
    ("/a%2F%2Fb", "/a%2F%2Fb", "/a%2F%2Fb", "/a/b"),
    ("/%25%32%65", "/%252e", "/%252e", "/%252e"),
    ("/a/..", "/", "/", "/"),
    ("/a//..//b", "/a//b", "/a/b", "/a/b"),
    ("/.//a", "//a", "/a", "/a"),
    ("/a/.%2fb", "/a/.%2fb", "/a/.%2fb", "/a/b"),
    ("/a.%2e/b", "/a../b", "/a../b", "/a../b"),
    ("/%2fa", "/%2fa", "/%2fa", "/a"),
    ("/a/..;/b", "/b", "/b", "/b"),
    ("/a/.;/b", "/a/b", "/a/b", "/a/b"),
    ("/a/..;x=1/b", "/b", "/b", "/b"),
    ("/a/..%3b/b", "/a/..%3b/b", "/a/..%3b/b", "/a/..%3b/b"),
    ("/a/%2e%2e;x/b", "/a/..;x/b", "/a/..;x/b", "/a/..;x/b"),
    ("/a;x/b", "/a;x/b", "/a;x/b", "/a;x/b"),
    ("/a/.;x", "/a/", "/a/", "/a/"),
    ("/a/..;\\b", "/", "/", "/"),
    (
        "/a\"<>^`{|}",
        "/a%22%3C%3E%5E%60%7B%7C%7D",
        "/a%22%3C%3E%5E%60%7B%7C%7D",
        "/a%22%3C%3E%5E%60%7B%7C%7D",
    ),
    ("/a//..;/b", "/a/b", "/a/b", "/a/b"),
    ("/a%%300", "/a%2500", "/a%2500", "/a%2500"),
    ("/a%3%30%", "/a%2530%", "/a%2530%", "/a%2530%"),
    ("/a%%41%", "/a%A%", "/a%A%", "/a%A%"),
    ("/a%g%30%30", "/a%g00", "/a%g00", "/a%g00"),
];

#[test]
fn paths_become_what_envoy_makes_of_them() {
    for (path, base, merged, decoded) in ENVOY {
        assert_eq!(normalize(path, None), path);
        assert_eq!(normalize(path, Base), base, "BASE {path}");
        assert_eq!(
            normalize(path, MergeSlashes),
            merged,
            "MERGE_SLASHES {path}"
        );
        assert_eq!(
            normalize(path, DecodeAndMergeSlashes),
            decoded,
            "DECODE {path}"
        );
    }
}

#[test]
fn query_and_fragment_are_cut_off_and_decide_nothing() {
    assert_eq!(normalize("/a?b/../c", Base), "/a");
    assert_eq!(normalize("/a#b?c", None), "/a");
    assert_eq!(normalize("/a/..?x", Base), "/");
    assert_eq!(normalize("/a//?x//", MergeSlashes), "/a/");
}

#[test]
fn what_envoy_refuses_is_still_a_path() {
    assert_eq!(normalize("", Base), "/");
    assert_eq!(normalize("a/b", Base), "/a/b");
    assert_eq!(normalize("/\u{e4} \u{7f}", Base), "/%C3%A4%20%7F");
    assert_eq!(normalize("/a%00b", Base), "/a%00b");
}

#[test]
fn an_ordinary_path_is_not_copied() {
    for path in [
        "/",
        "/shop.v1.OrderService/Create",
        "/a/b.c/d-e_f~g;h=i,j@k:l!$&'()*+",
    ] {
        assert!(
            matches!(normalize(path, DecodeAndMergeSlashes), Cow::Borrowed(_)),
            "{path}"
        );
    }
}

proptest! {
    #[test]
    fn the_quick_answer_is_the_long_one(path in "(/|\\.|a|;|%2e|%2f|\\\\|%41){0,12}") {
        for mode in [Base, MergeSlashes, DecodeAndMergeSlashes] {
            if let Cow::Borrowed(same) = normalize(&path, mode) {
                let rewritten = super::canonical(same);
                prop_assert_eq!(rewritten, same.as_bytes());
            }
        }
    }
}
