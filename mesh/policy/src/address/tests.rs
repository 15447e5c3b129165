#![allow(clippy::unwrap_used)]

use super::Range;

#[test]
fn a_range_contains_the_addresses_of_its_family_that_begin_like_it() {
    for (range, address, expected) in [
        ("10.1.2.3", "10.1.2.3", true),
        ("10.1.2.3", "10.1.2.4", false),
        ("10.1.0.0/16", "10.1.255.255", true),
        ("10.1.0.0/16", "10.2.0.0", false),
        ("10.1.2.3/16", "10.1.9.9", true),
        ("0.0.0.0/0", "255.1.1.1", true),
        ("0.0.0.0/0", "::1", false),
        ("::/0", "1.1.1.1", false),
        ("::/0", "2001:db8::1", true),
        ("2001:db8::/33", "2001:db8:8000::", false),
        ("2001:db8::/32", "2001:db8:8000::", true),
        ("fe80::1%eth0", "fe80::1", true),
        ("::ffff:10.0.0.0/104", "10.0.0.1", false),
    ] {
        let contains = Range::new(range)
            .unwrap()
            .contains(address.parse().unwrap());
        assert_eq!(contains, expected, "{range} {address}");
    }
}

#[test]
fn what_is_no_range_is_none() {
    for value in [
        "",
        "10.1",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/",
        "10.0.0.0/-1",
        "a",
        "1.2.3.4/x",
    ] {
        assert_eq!(Range::new(value), None, "{value}");
    }
}
