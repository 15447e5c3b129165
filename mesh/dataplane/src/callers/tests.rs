//! The caller table: exact rules only, default deny.
#![allow(clippy::unwrap_used)]

use super::*;

const TABLE: CallerTable = CallerTable(&[
    CallerRule {
        path: "/shop.order.v1.OrderService/",
        callers: &["gateway"],
    },
    CallerRule {
        path: "/shop.product.v1.ProductService/GetProduct",
        callers: &["order"],
    },
]);

fn id(text: &str) -> SpiffeId {
    format!("spiffe://{text}").parse().unwrap()
}

fn allows(caller: &str, path: &str) -> bool {
    TABLE.allows(&id("cluster.local/ns/shop/sa/order"), &id(caller), path)
}

#[test]
fn a_listed_caller_may_call_every_method_of_a_service_or_the_one_named() {
    assert!(allows(
        "cluster.local/ns/shop/sa/gateway",
        "/shop.order.v1.OrderService/CreateOrder"
    ));
    assert!(allows(
        "cluster.local/ns/shop/sa/order",
        "/shop.product.v1.ProductService/GetProduct"
    ));
}

#[test]
fn everyone_and_everything_else_is_refused() {
    let gateway = "cluster.local/ns/shop/sa/gateway";
    let refused = [
        (
            "cluster.local/ns/shop/sa/payment",
            "/shop.order.v1.OrderService/CreateOrder",
        ),
        (
            "cluster.local/ns/shop/sa/gateway-evil",
            "/shop.order.v1.OrderService/CreateOrder",
        ),
        (
            "cluster.local/ns/other/sa/gateway",
            "/shop.order.v1.OrderService/CreateOrder",
        ),
        (
            "other.td/ns/shop/sa/gateway",
            "/shop.order.v1.OrderService/CreateOrder",
        ),
        (
            "cluster.local/ns/shop/sa/order",
            "/shop.product.v1.ProductService/GetProductX",
        ),
        (
            "cluster.local/ns/shop/sa/order",
            "/shop.product.v1.ProductService/",
        ),
        (gateway, "/shop.product.v1.ProductService/GetProduct"),
        (gateway, "/shop.order.v1.OrderServiceX/CreateOrder"),
    ];
    for (caller, path) in refused {
        assert!(!allows(caller, path), "{caller} {path}");
    }
}

#[test]
fn a_path_that_is_not_one_plain_method_is_never_covered() {
    for path in [
        "/shop.order.v1.OrderService/",
        "/shop.order.v1.OrderService//Create",
        "/shop.order.v1.OrderService/../Create",
        "/shop.order.v1.OrderService/%43reate",
        "/shop.order.v1.OrderService/Create/",
        "/shop.order.v1.OrderService/Create;a=b",
        "//shop.order.v1.OrderService/Create",
        "/SHOP.order.v1.OrderService/Create",
        "",
    ] {
        assert!(!allows("cluster.local/ns/shop/sa/gateway", path), "{path}");
    }
}
