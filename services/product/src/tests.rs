//! The table of callers, and the clock.

#![allow(clippy::unwrap_used)]

use mesh_identity::SpiffeId;

use super::{CALLERS, now};

fn account(name: &str) -> SpiffeId {
    format!("spiffe://cluster.local/ns/shop/sa/{name}")
        .parse()
        .unwrap()
}

#[test]
fn every_method_admits_exactly_its_callers() {
    let product = [
        ("CreateProduct", &["gateway"][..]),
        ("GetProduct", &["gateway", "order"]),
        ("BatchGetProducts", &["gateway", "order"]),
        ("ListProducts", &["gateway"]),
        ("UpdateProduct", &["gateway"]),
        ("DeleteProduct", &["gateway"]),
        ("AdjustStock", &["gateway"]),
    ];
    let inventory = [
        ("ConfirmReservation", &["order"][..]),
        ("ReleaseReservation", &["order"]),
    ];
    let product = product.map(|(method, callers)| ("ProductService", method, callers));
    let inventory = inventory.map(|(method, callers)| ("InventoryService", method, callers));
    let accounts = [
        "gateway",
        "product",
        "order",
        "payment",
        "notification",
        "debug",
        "checker",
    ];
    for (service, method, callers) in product.into_iter().chain(inventory) {
        let path = format!("/shop.product.v1.{service}/{method}");
        for caller in accounts {
            let allowed = CALLERS.allows(&account("product"), &account(caller), &path);
            assert_eq!(allowed, callers.contains(&caller), "{caller} {path}");
        }
    }
}

#[test]
fn time_is_no_finer_than_the_database_keeps_it() {
    assert_eq!(now().timestamp_subsec_nanos() % 1_000, 0);
}
