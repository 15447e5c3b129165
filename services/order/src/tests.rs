#![allow(clippy::unwrap_used)]

pub(crate) mod neighbours;
pub(crate) mod shop;

use mesh_identity::SpiffeId;

use super::{CALLERS, now};

fn account(name: &str) -> SpiffeId {
    format!("spiffe://cluster.local/ns/shop/sa/{name}")
        .parse()
        .unwrap()
}

#[test]
fn every_method_admits_exactly_its_callers() {
    let public = [
        "CreateOrder",
        "GetOrder",
        "ListOrders",
        "CancelOrder",
        "ListTransitions",
    ];
    let internal = [
        ("GetContact", &["notification"][..]),
        ("GetPaymentMethod", &["payment"]),
    ];
    let public = public.map(|method| ("OrderService", method, &["gateway"][..]));
    let internal = internal.map(|(method, callers)| ("OrderInternalService", method, callers));
    let accounts = [
        "gateway",
        "product",
        "order",
        "payment",
        "notification",
        "debug",
        "checker",
    ];
    for (service, method, callers) in public.into_iter().chain(internal) {
        let path = format!("/shop.order.v1.{service}/{method}");
        for caller in accounts {
            let allowed = CALLERS.allows(&account("order"), &account(caller), &path);
            assert_eq!(allowed, callers.contains(&caller), "{caller} {path}");
        }
    }
}

#[test]
fn time_is_no_finer_than_the_database_keeps_it() {
    assert_eq!(now().timestamp_subsec_nanos() % 1_000, 0);
}
