//! Columns line up, and no line ends in spaces.

use super::*;

#[test]
fn columns_are_as_wide_as_their_widest_cell() {
    let mut table = Table::new(["NAME", "READY"]);
    table.row(["order".to_owned(), "yes".to_owned()]);
    table.row(["é".to_owned(), "no".to_owned()]);
    assert_eq!(table.to_string(), "NAME   READY\norder  yes\né      no\n");
}
