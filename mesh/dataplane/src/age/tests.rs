//! The age of a connection: the shortest bound wins, and never all of it.

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn the_shortest_bound_wins() {
    let now = SystemTime::UNIX_EPOCH + HOUR;
    let after = |seconds| Some(now + Duration::from_secs(seconds));
    let age = |own, peer, configured| {
        let bounds = Bounds {
            own_not_after: own,
            peer_not_after: peer,
            configured,
        };
        bounds.age_with(now, 0.9)
    };
    assert_eq!(age(after(10), after(100), HOUR), Duration::from_secs(9));
    assert_eq!(age(after(100), after(10), HOUR), Duration::from_secs(9));
    assert_eq!(
        age(after(100), after(100), Duration::from_secs(10)),
        Duration::from_secs(9)
    );
    assert_eq!(age(None, None, HOUR), HOUR.mul_f64(0.9));
}

#[test]
fn a_certificate_that_has_ended_leaves_no_time() {
    let now = SystemTime::UNIX_EPOCH + HOUR;
    let ended = Some(now - Duration::from_secs(1));
    let bounds = Bounds {
        own_not_after: ended,
        peer_not_after: None,
        configured: HOUR,
    };
    assert_eq!(bounds.age(now), Duration::ZERO);
}

#[test]
fn chance_keeps_within_its_bounds() {
    let now = SystemTime::now();
    let bounds = Bounds {
        own_not_after: None,
        peer_not_after: None,
        configured: HOUR,
    };
    for _ in 0..1_000 {
        let age = bounds.age(now);
        assert!(
            age >= HOUR.mul_f64(0.80) && age < HOUR.mul_f64(0.95),
            "{age:?}"
        );
    }
}
