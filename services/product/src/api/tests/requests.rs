//! What is read from requests, and every way in which it is refused.

use pbjson_types::FieldMask;
use shop_chassis::Failure;
use shop_proto::product::v1;
use tonic::Status;
use tonic_types::StatusExt;

use crate::api::requests::{Release, category_filter, product_id, product_ids};
use crate::domain::{Adjustment, NewProduct, Patch};

const ID: &str = "01938e5c-7b1a-7cc2-9d0e-5f1c2b3a4d5e";

/// The paths of all wrong fields.
fn paths<T: std::fmt::Debug>(result: Result<T, Failure>) -> Vec<String> {
    let status = Status::from(result.unwrap_err());
    let request = status.get_details_bad_request().unwrap();
    let violations = request.field_violations.into_iter();
    violations.map(|violation| violation.field).collect()
}

fn euros(units: i64, nanos: i32) -> Option<shop_proto::Money> {
    Some(shop_proto::Money {
        currency_code: "EUR".into(),
        units,
        nanos,
    })
}

fn teapot() -> v1::CreateProductRequest {
    v1::CreateProductRequest {
        sku: "TEA-1".into(),
        name: "Teapot".into(),
        description: "Holds a litre.".into(),
        category: "kitchen".into(),
        price: euros(19, 990_000_000),
        initial_stock: 5,
        request_id: String::new(),
    }
}

fn create(change: impl Fn(&mut v1::CreateProductRequest)) -> Result<NewProduct, Failure> {
    let mut request = teapot();
    change(&mut request);
    NewProduct::try_from(&request)
}

fn update(paths: &[&str], product: v1::Product) -> Result<Patch, Failure> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    Patch::try_from(&v1::UpdateProductRequest {
        product_id: ID.into(),
        product: Some(product),
        update_mask: Some(FieldMask { paths }),
    })
}

#[test]
fn product_to_create_is_read() {
    let new = create(|_| {}).unwrap();
    assert_eq!(new.details.sku, "TEA-1");
    assert_eq!(new.details.price.minor(), 1_999);
    assert_eq!(new.initial_stock, 5);
}

#[test]
fn limits_are_inclusive_and_count_characters() {
    create(|r| r.sku = "~".repeat(64)).unwrap();
    create(|r| r.name = "\u{e9}".repeat(200)).unwrap();
    create(|r| r.description = "\u{1f375}".repeat(5_000)).unwrap();
    create(|r| r.description = String::new()).unwrap();
    create(|r| r.category = "\u{e9}".repeat(64)).unwrap();
    create(|r| r.price = euros(0, 0)).unwrap();
    create(|r| r.initial_stock = 0).unwrap();
    create(|r| r.initial_stock = 1_000_000_000).unwrap();
}

#[test]
fn every_field_beyond_its_limits_is_named() {
    let check = |change: &dyn Fn(&mut v1::CreateProductRequest), path: &str| {
        assert_eq!(paths(create(change)), [path]);
    };
    check(&|r| r.sku = String::new(), "sku");
    check(&|r| r.sku = "x".repeat(65), "sku");
    check(&|r| r.sku = "caf\u{e9}".into(), "sku");
    check(&|r| r.sku = "a\tb".into(), "sku");
    check(&|r| r.name = String::new(), "name");
    check(&|r| r.name = "x".repeat(201), "name");
    check(&|r| r.name = "tea\0pot".into(), "name");
    check(&|r| r.description = "x".repeat(5_001), "description");
    check(&|r| r.description = "\0".into(), "description");
    check(&|r| r.category = String::new(), "category");
    check(&|r| r.category = "x".repeat(65), "category");
    check(&|r| r.price = None, "price");
    check(&|r| r.price = euros(-1, 0), "price");
    check(&|r| r.price = euros(0, -10_000_000), "price");
    check(&|r| r.price = euros(19, 999_000_000), "price.nanos");
    check(&|r| r.price = euros(1, -10_000_000), "price.nanos");
    check(&|r| r.price = euros(i64::MAX, 0), "price.units");
    check(
        &|r| r.price.as_mut().unwrap().currency_code = "XTS".into(),
        "price.currencyCode",
    );
    check(
        &|r| r.price.as_mut().unwrap().currency_code = "eur".into(),
        "price.currencyCode",
    );
    check(&|r| r.initial_stock = -1, "initialStock");
    check(&|r| r.initial_stock = 1_000_000_001, "initialStock");
}

#[test]
fn all_wrong_fields_are_named_together() {
    let wrong = paths(NewProduct::try_from(&v1::CreateProductRequest {
        initial_stock: -1,
        ..v1::CreateProductRequest::default()
    }));
    assert_eq!(wrong, ["sku", "name", "category", "price", "initialStock"]);
}

#[test]
fn mask_chooses_what_is_read() {
    let product = v1::Product {
        name: "Kettle".into(),
        category: "garden".into(),
        ..v1::Product::default()
    };
    let patch = update(&["name"], product).unwrap();
    let expected = Patch {
        name: Some("Kettle".into()),
        ..Patch::default()
    };
    assert_eq!(patch, expected);
}

#[test]
fn mask_can_empty_the_description() {
    let patch = update(&["description"], v1::Product::default()).unwrap();
    assert_eq!(patch.description.as_deref(), Some(""));
}

#[test]
fn empty_mask_means_the_fields_that_are_set() {
    let product = v1::Product {
        category: "garden".into(),
        price: euros(3, 0),
        // What the server alone writes may be sent back, and is not read.
        id: "else".into(),
        etag: "else".into(),
        stock: Some(v1::Stock::default()),
        ..v1::Product::default()
    };
    let patch = update(&[], product.clone()).unwrap();
    assert_eq!(patch.category.as_deref(), Some("garden"));
    assert_eq!(patch.price.unwrap().minor(), 300);
    assert_eq!(
        (patch.sku, patch.name, patch.description),
        (None, None, None)
    );
    let without = v1::UpdateProductRequest {
        product_id: ID.into(),
        product: Some(v1::Product::default()),
        update_mask: None,
    };
    assert_eq!(Patch::try_from(&without).unwrap(), Patch::default());
}

#[test]
fn star_replaces_the_whole_product() {
    let wrong = update(&["*"], v1::Product::default());
    assert_eq!(paths(wrong), ["sku", "name", "category", "price"]);
    let patch = update(
        &["*"],
        v1::Product {
            sku: "TEA-2".into(),
            name: "Kettle".into(),
            category: "garden".into(),
            price: euros(3, 0),
            ..v1::Product::default()
        },
    );
    assert_eq!(patch.unwrap().description.as_deref(), Some(""));
}

#[test]
fn unknown_paths_of_a_mask_are_violations() {
    let product = v1::Product {
        name: "x".repeat(201),
        ..v1::Product::default()
    };
    let masked = [
        "id",
        "name",
        "stock",
        "etag",
        "price.units",
        "createTime",
        "",
        "Name",
    ];
    let wrong = paths(update(&masked, product));
    let mut expected = vec!["updateMask"; 7];
    expected.push("name");
    assert_eq!(wrong, expected);
}

#[test]
fn update_without_a_product_is_refused() {
    let request = v1::UpdateProductRequest {
        product_id: ID.into(),
        product: None,
        update_mask: None,
    };
    assert_eq!(paths(Patch::try_from(&request)), ["product"]);
}

#[test]
fn adjustment_needs_a_difference_and_a_reason() {
    let adjust = |delta, reason: &str| {
        Adjustment::try_from(&v1::AdjustStockRequest {
            product_id: ID.into(),
            delta,
            reason: reason.into(),
            request_id: String::new(),
        })
    };
    assert_eq!(adjust(-3, "breakage").unwrap().delta, -3);
    assert_eq!(paths(adjust(0, "breakage")), ["delta"]);
    assert_eq!(paths(adjust(i32::MIN, "breakage")), ["delta"]);
    assert_eq!(paths(adjust(i32::MAX, "breakage")), ["delta"]);
    assert_eq!(paths(adjust(1, "")), ["reason"]);
    assert_eq!(paths(adjust(1, "a\0b")), ["reason"]);
    assert_eq!(paths(adjust(0, &"x".repeat(201))), ["delta", "reason"]);
}

#[test]
fn what_is_no_id_names_no_product() {
    assert!(product_id(ID).is_ok());
    for other in ["", "1", "../etc", "\0", &"9".repeat(10_000)] {
        let status = Status::from(product_id(other).unwrap_err());
        assert_eq!(status.code(), tonic::Code::NotFound, "{other:?}");
    }
}

#[test]
fn batch_names_each_wrong_id() {
    let ids = |ids: &[&str]| {
        product_ids(&v1::BatchGetProductsRequest {
            product_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        })
    };
    assert_eq!(ids(&[ID, ID]).unwrap().len(), 2);
    assert_eq!(paths(ids(&[])), ["productIds"]);
    assert_eq!(paths(ids(&[ID; 101])), ["productIds"]);
    assert_eq!(ids(&[ID; 100]).unwrap().len(), 100);
    assert_eq!(
        paths(ids(&[ID, "x", "\0"])),
        ["productIds[1]", "productIds[2]"]
    );
}

#[test]
fn category_filter_is_optional_and_checked() {
    let filter = |category: &str| {
        category_filter(&v1::ListProductsRequest {
            category: category.into(),
            ..v1::ListProductsRequest::default()
        })
    };
    assert_eq!(filter("").unwrap(), None);
    assert_eq!(filter("kitchen").unwrap().as_deref(), Some("kitchen"));
    assert_eq!(paths(filter("a\0b")), ["category"]);
    assert_eq!(paths(filter(&"x".repeat(65))), ["category"]);
}

#[test]
fn release_needs_an_order_and_a_cause() {
    let release = |order_id: &str, cause: &str| {
        Release::try_from(&v1::ReleaseReservationRequest {
            order_id: order_id.into(),
            cause: cause.into(),
        })
    };
    assert_eq!(release(ID, "CUSTOMER").unwrap().cause, "CUSTOMER");
    assert_eq!(paths(release("order", "CUSTOMER")), ["orderId"]);
    assert_eq!(paths(release(ID, "")), ["cause"]);
    assert_eq!(paths(release(ID, &"x".repeat(201))), ["cause"]);
}
