//! Versions, changes and etags of a product.

use shop_chassis::{Currency, Money};

use super::{at, product_id};
use crate::domain::{Details, NewProduct, Patch, Product};

fn price(minor: i64) -> Money {
    Money::new(minor, Currency::of("EUR").unwrap())
}

fn teapot() -> Product {
    let details = Details {
        sku: "TEA-1".into(),
        name: "Teapot".into(),
        description: "Holds a litre.".into(),
        category: "kitchen".into(),
        price: price(1_999),
    };
    let new = NewProduct {
        details,
        initial_stock: 5,
    };
    Product::create(product_id(1), new, at(100))
}

#[test]
fn new_product_starts_with_its_units_and_version_one() {
    let product = teapot();
    assert_eq!(product.version, 1);
    assert_eq!(product.stock.on_hand, 5);
    assert_eq!(product.stock.available(), 5);
    assert_eq!(product.stock.version, 1);
    assert_eq!(product.create_time, product.update_time);
    assert_eq!(product.delete_time, None);
}

#[test]
fn each_field_can_be_changed_alone() {
    let before = teapot();
    let patches = [
        Patch {
            sku: Some("TEA-2".into()),
            ..Patch::default()
        },
        Patch {
            name: Some("Kettle".into()),
            ..Patch::default()
        },
        Patch {
            description: Some(String::new()),
            ..Patch::default()
        },
        Patch {
            category: Some("garden".into()),
            ..Patch::default()
        },
        Patch {
            price: Some(price(2_000)),
            ..Patch::default()
        },
    ];
    for patch in patches {
        let after = before.update(patch.clone(), at(200)).unwrap();
        assert_ne!(after.details, before.details, "{patch:?}");
        assert_eq!(
            after.update(patch, at(300)),
            None,
            "it was changed as asked"
        );
        assert_eq!(after.version, 2);
        assert_eq!(after.update_time, at(200));
        assert_eq!(after.create_time, before.create_time);
        assert_eq!(after.stock, before.stock);
    }
}

#[test]
fn update_to_the_same_values_changes_nothing() {
    let product = teapot();
    let same = Patch {
        name: Some("Teapot".into()),
        price: Some(price(1_999)),
        ..Patch::default()
    };
    assert_eq!(product.update(same, at(200)), None);
    assert_eq!(product.update(Patch::default(), at(200)), None);
}

#[test]
fn deletion_is_a_change_of_the_product() {
    let deleted = teapot().delete(at(300));
    assert_eq!(deleted.version, 2);
    assert_eq!(deleted.delete_time, Some(at(300)));
    assert_eq!(deleted.details, teapot().details);
}

#[test]
fn etag_names_one_version_of_one_product() {
    let first = teapot();
    let second = first.delete(at(300));
    let other = Product {
        id: product_id(2),
        ..first.clone()
    };
    assert_eq!(first.etag(), teapot().etag());
    assert_ne!(first.etag(), second.etag());
    assert_ne!(first.etag(), other.etag());
}

#[test]
fn etag_does_not_change_with_the_stock() {
    let mut product = teapot();
    let before = product.etag();
    product.stock.version += 1;
    product.stock.reserved += 1;
    assert_eq!(product.etag(), before);
}

#[test]
fn etag_shows_no_counter() {
    let product = teapot();
    assert_eq!(product.etag().len(), 24);
    assert!(product.etag().bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[test]
fn only_the_expected_version_is_changed() {
    let old = teapot();
    let new = old.delete(at(300));
    assert!(old.is_version(Some(&old.etag())));
    assert!(!new.is_version(Some(&old.etag())));
    assert!(!new.is_version(Some("")));
    assert!(new.is_version(None));
}
