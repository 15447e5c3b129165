#![allow(clippy::unwrap_used)]

pub(crate) mod neighbours;
pub(crate) mod shop;

use super::now;

#[test]
fn time_is_no_finer_than_the_database_keeps_it() {
    assert_eq!(now().timestamp_subsec_nanos() % 1_000, 0);
}
