//! The two W3C formats, read and written.

#![allow(clippy::unwrap_used)]

use super::{SpanContext, TraceState, format, parse};

const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn written(context: &SpanContext) -> String {
    String::from_utf8(format(context).to_vec()).unwrap()
}

#[test]
fn what_is_read_is_written_again() {
    for text in [
        GOOD,
        "00-00000000000000000000000000000001-0000000000000001-00",
        "00-ffffffffffffffffffffffffffffffff-ffffffffffffffff-01",
    ] {
        assert_eq!(written(&parse(text.as_bytes(), "").unwrap()), text);
    }
}

#[test]
fn flags_that_are_not_known_are_not_passed_on() {
    let text = GOOD.replace("-01", "-ff");
    assert_eq!(written(&parse(text.as_bytes(), "").unwrap()), GOOD);
}

#[test]
fn a_later_version_is_read_as_far_as_it_is_known() {
    let later = GOOD.replacen("00-", "cc-", 1);
    for text in [later.clone(), format!("{later}-what-comes")] {
        assert_eq!(written(&parse(text.as_bytes(), "").unwrap()), GOOD);
    }
}

#[test]
fn what_is_no_context_is_none() {
    for text in [
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00_00000000000000000000000000000001_0000000000000001_01",
        "zz-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-0000000000000000000000000000001é-000000000000001-01",
    ] {
        assert!(parse(text.as_bytes(), "").is_none(), "{text}");
    }
}

#[test]
fn a_bad_state_does_not_spoil_the_parent() {
    let kept = parse(GOOD.as_bytes(), "congo=t61rcWkgMzE").unwrap();
    assert_eq!(kept.trace_state().header(), "congo=t61rcWkgMzE");
    let dropped = parse(GOOD.as_bytes(), "no state at all").unwrap();
    assert_eq!(dropped.trace_state(), &TraceState::NONE);
    assert_eq!(written(&dropped), GOOD);
}
