//! `grpc-timeout`: what is taken, what is refused, and that writing never adds time.
#![allow(clippy::unwrap_used)]

use super::*;

fn parsed(values: &[&'static str]) -> Result<Option<Duration>, Malformed> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(GRPC_TIMEOUT, HeaderValue::from_static(value));
    }
    parse(&headers)
}

#[test]
fn every_unit_is_understood() {
    let cases = [
        ("1H", Duration::from_secs(3600)),
        ("2M", Duration::from_secs(120)),
        ("30S", Duration::from_secs(30)),
        ("250m", Duration::from_millis(250)),
        ("99999999u", Duration::from_micros(99_999_999)),
        ("1n", Duration::from_nanos(1)),
        ("0n", Duration::ZERO),
    ];
    for (text, expected) in cases {
        assert_eq!(parsed(&[text]), Ok(Some(expected)), "{text}");
    }
    assert_eq!(parsed(&[]), Ok(None));
}

#[test]
fn anything_else_is_refused() {
    let cases = [
        "",
        "S",
        "1",
        "-1S",
        "+1S",
        " 1S",
        "1 S",
        "1.5S",
        "123456789S",
        "1s",
        "1h",
        "1e3S",
        "NaN",
        "1Sm",
        "0x1S",
    ];
    for text in cases {
        assert_eq!(parsed(&[text]), Err(Malformed::Form), "{text:?}");
    }
    assert_eq!(parsed(&["1S", "1S"]), Err(Malformed::Repeated));
}

#[test]
fn writing_never_adds_time_and_loses_at_most_a_part_in_a_million() {
    for nanos in [
        1_u64,
        999,
        12_345_678_901,
        99_999_999,
        100_000_000,
        7_200_000_000_000,
    ] {
        let timeout = Duration::from_nanos(nanos);
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, format(timeout));
        let read = parse(&headers).unwrap().unwrap();
        assert!(read <= timeout, "{timeout:?} became {read:?}");
        assert!(
            timeout - read <= timeout / 1_000_000,
            "{timeout:?} became {read:?}"
        );
    }
    assert_eq!(format(Duration::MAX), "99999999S");
}

#[tokio::test]
async fn a_deadline_is_seen_inside_its_scope_only() {
    let deadline = Instant::now() + Duration::from_secs(1);
    assert_eq!(current(), None);
    assert_eq!(scope(deadline, async { current() }).await, Some(deadline));
    assert_eq!(current(), None);
}
