//! The bounds of a certificate's life. What goes over the wire is tested over the wire.
#![allow(clippy::unwrap_used)]

use tonic::Code;

use super::{TTL_DEFAULT, ttl_of};

#[test]
fn no_lifetime_is_the_default_lifetime() {
    for seconds in [0, -1, i64::MIN] {
        assert_eq!(ttl_of(seconds).unwrap(), TTL_DEFAULT);
    }
}

#[test]
fn a_lifetime_within_bounds_is_granted() {
    for seconds in [10, 3600, 86_400] {
        let granted = ttl_of(seconds).unwrap().as_secs();
        assert_eq!(i64::try_from(granted).unwrap(), seconds);
    }
}

#[test]
fn a_lifetime_out_of_bounds_is_an_invalid_argument() {
    for seconds in [1, 9, 86_401, i64::MAX] {
        assert_eq!(ttl_of(seconds).unwrap_err().code(), Code::InvalidArgument);
    }
}
