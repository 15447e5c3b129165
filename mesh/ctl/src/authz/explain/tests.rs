#![allow(clippy::unwrap_used)]

use clap::Parser;
use serde_json::json;

use super::{Explain, answer, proof, tree};
use crate::authz::example;
use crate::error::Error;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    explain: Explain,
}

fn explain(flags: &[&str]) -> Explain {
    let policies = example("policies");
    let fixed = ["explain", "--policies", &policies];
    let line = Line::try_parse_from(fixed.iter().chain(flags)).unwrap();
    line.explain
}

fn tree_of(flags: &[&str]) -> String {
    let text = answer(&explain(flags), tree::text).unwrap();
    text.replace(&example(""), "")
}

#[test]
fn a_denial_shows_the_nearest_rules_and_what_they_miss() {
    let rpc = "shop.order.v1.OrderService/ListOrders";
    let tree = tree_of(&["--to", "order", "--from", "payment", "--rpc", rpc]);
    let expected = "\
DENY  payment → order.shop:50051  POST /shop.order.v1.OrderService/ListOrders
├─ ALLOW policies select the workload and none matches (2 policies select the workload)
├─ mutual TLS STRICT by istio-system/default
├─ ALLOW policy shop/order rule 0 does not match   policies/order.yaml:13
│  ├─ ✗ from[0].source
│  │  └─ ✗ serviceAccounts: shop/gateway
│  │     └─ the request has cluster.local/ns/shop/sa/payment
│  └─ ✓ to[0].operation
│     └─ ✓ paths: /shop.order.v1.OrderService/ListOrders is one of 2
└─ ALLOW policy shop/order rule 1 does not match   policies/order.yaml:22
   ├─ ✗ from[0].source
   │  ├─ ✗ requestPrincipals: https://id.example.com/*
   │  │  └─ the request has none
   │  └─ ✗ serviceAccounts: shop/gateway
   │     └─ the request has cluster.local/ns/shop/sa/payment
   └─ ✗ to[0].operation
      └─ ✗ paths: /shop.order.v1.OrderService/CreateOrder
         └─ the request has /shop.order.v1.OrderService/ListOrders
";
    assert_eq!(tree, expected, "{tree}");
}

#[test]
fn what_is_allowed_shows_the_rule_that_allows() {
    let rpc = "shop.order.v1.OrderService/CreateOrder";
    let tree = tree_of(&[
        "--to",
        "order.shop",
        "--from",
        "gateway",
        "--rpc",
        rpc,
        "--issuer",
        "https://id.example.com",
        "--subject",
        "ada",
    ]);
    let expected = "\
ALLOW  gateway → order.shop:50051  POST /shop.order.v1.OrderService/CreateOrder
├─ policy shop/order rule 1 matches: allowed (2 policies select the workload)
├─ mutual TLS STRICT by istio-system/default
└─ ALLOW policy shop/order rule 1 matches   policies/order.yaml:22
   ├─ ✓ from[0].source
   │  ├─ ✓ requestPrincipals: https://id.example.com/ada matches https://id.example.com/*
   │  └─ ✓ serviceAccounts: cluster.local/ns/shop/sa/gateway matches shop/gateway
   └─ ✓ to[0].operation
      └─ ✓ paths: /shop.order.v1.OrderService/CreateOrder
";
    assert_eq!(tree, expected, "{tree}");
}

#[test]
fn a_call_without_identity_is_told_that_strict_mutual_tls_refuses_it() {
    let tree = tree_of(&["--to", "order"]);
    assert!(
        tree.contains("by istio-system/default: without a certificate"),
        "{tree}"
    );
    let tree = tree_of(&["--to", "order", "--port", "15021"]);
    assert!(
        tree.contains("mutual TLS PERMISSIVE by shop/order\n"),
        "{tree}"
    );
}

#[test]
fn a_rule_that_asks_for_http_is_void_on_tcp() {
    let tree = tree_of(&["--to", "order", "--from", "gateway", "--tcp"]);
    assert!(tree.contains("void: it asks for HTTP"), "{tree}");
    assert!(tree.contains("(HTTP only, left out)"), "{tree}");
}

#[test]
fn programs_get_the_same_with_the_request_to_record() {
    let json = answer(
        &explain(&[
            "--to",
            "order",
            "--from",
            "payment",
            "--path",
            "/",
            "--nearest",
            "1",
        ]),
        proof::json,
    )
    .unwrap();
    assert_eq!(json["workload"], "order.shop");
    assert_eq!(json["decision"]["decision"], "DENY");
    assert_eq!(json["mutualTls"]["policy"], "istio-system/default");
    assert_eq!(
        json["request"]["source"]["principal"],
        "cluster.local/ns/shop/sa/payment"
    );
    let nearest = json["nearest"].as_array().unwrap();
    assert_eq!(nearest.len(), 1);
    assert_eq!(nearest[0]["line"], 13);
    assert_eq!(
        nearest[0]["clauses"][0],
        json!({
            "place": "from[0].source",
            "holds": false,
            "conditions": [{
                "field": "serviceAccounts",
                "values": ["shop/gateway"],
                "actual": "cluster.local/ns/shop/sa/payment",
                "holds": "no",
            }],
        })
    );
}

#[test]
fn it_decides_a_recorded_request_as_decide_does() {
    let (requests, workload) = (example("requests.jsonl"), example("workload.json"));
    let expected = ["ALLOW", "ALLOW", "DENY", "ALLOW", "DENY", "ALLOW", "DENY"];
    for (line, decision) in (1..).zip(expected) {
        let line = line.to_string();
        let tree = tree_of(&[
            "--workload",
            &workload,
            "--requests",
            &requests,
            "--line",
            &line,
        ]);
        assert!(tree.starts_with(decision), "{line}: {tree}");
    }
}

#[test]
fn a_workload_that_is_not_clear_is_wrong_usage() {
    for (flags, message) in [
        (
            &[][..],
            "say which workload with --to: gateway.shop, order.shop, payment.shop",
        ),
        (&["--to", "odrer"], "no WorkloadEntry is named \"odrer\""),
    ] {
        let error = answer(&explain(flags), tree::text).unwrap_err();
        assert!(matches!(error, Error::Usage(_)));
        assert!(error.to_string().contains(message), "{error}");
    }
}
