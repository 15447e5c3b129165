#![allow(clippy::unwrap_used)]

use clap::Parser;
use serde_json::{Value, json};

use super::{Table, tables};
use crate::authz::example;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    table: Table,
}

const SHOP: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../gateway-envoy/shop.binpb"
);

fn table(policies: &str, flags: &[&str]) -> String {
    let fixed = ["table", "--policies", policies];
    let line = Line::try_parse_from(fixed.iter().chain(flags)).unwrap();
    tables(&line.table).unwrap()
}

/// Decision and whether it depends, of a table with one row, by identity.
fn cells(spec: &str, workload: &str) -> Vec<(String, String, bool)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policies.yaml");
    std::fs::write(&file, format!("{spec}{WORKLOAD}{workload}")).unwrap();
    let rpc = "--rpc=a.B/C";
    let json = table(
        file.to_str().unwrap(),
        &[rpc, "--identity", "web/ui", "-o", "json"],
    );
    let json: Value = serde_json::from_str(&json).unwrap();
    let cells = json["rpcs"][0]["cells"].as_array().unwrap().iter();
    cells
        .map(|cell| {
            let identity = cell["identity"].as_str().unwrap_or("none");
            let account = identity.rsplit('/').next().unwrap();
            let decision = cell["decision"].as_str().unwrap();
            let depends = cell["depends"].as_bool().unwrap();
            (account.to_owned(), decision.to_owned(), depends)
        })
        .collect()
}

const WORKLOAD: &str = "
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: b, namespace: shop}
spec: {address: 127.0.0.1, ports: {grpc: 50051}, serviceAccount: b}
";

fn policy(action: &str, rules: &str) -> String {
    format!(
        "---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n\
         metadata: {{name: {}, namespace: shop}}\nspec: {{action: {action}, rules: [{rules}]}}\n",
        action.to_ascii_lowercase()
    )
}

fn expect(actual: &[(String, String, bool)], expected: &[(&str, &str, bool)]) {
    let actual: Vec<(&str, &str, bool)> = actual
        .iter()
        .map(|(who, what, depends)| (who.as_str(), what.as_str(), *depends))
        .collect();
    assert_eq!(actual, expected);
}

#[test]
fn the_table_says_who_may_call_what() {
    let policies = example("policies");
    let text = table(&policies, &["--to", "order", "--descriptors", SHOP]);
    let expected = "\
order.shop:50051   mutual TLS STRICT
                   no identity  gateway  order  payment
shop.order.v1.OrderService
  CreateOrder      DENY         DENY*    DENY   DENY
  GetOrder         DENY         ALLOW    DENY   DENY
  ListOrders       DENY         ALLOW    DENY   DENY
  CancelOrder      DENY         DENY     DENY   DENY
  ListTransitions  DENY         DENY     DENY   DENY
";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("\nnobody may call: "), "{text}");
    assert!(
        text.contains("shop.payment.v1.PaymentControlService (2)"),
        "{text}"
    );
    let all = table(
        &policies,
        &["--to", "order", "--descriptors", SHOP, "--all"],
    );
    assert!(all.contains("  CapturePayment "), "{all}");
    assert!(!all.contains("nobody may call"), "{all}");
}

#[test]
fn every_workload_has_a_table() {
    let text = table(&example("policies"), &["--descriptors", SHOP]);
    for name in [
        "gateway.shop:8080",
        "order.shop:50051",
        "payment.shop:50051",
    ] {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn nobody_calls_without_identity_where_mutual_tls_is_strict() {
    let strict = "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
                  metadata: {name: p, namespace: shop}\nspec: {mtls: {mode: STRICT}}\n";
    expect(
        &cells("", strict),
        &[
            ("none", "DENY", false),
            ("b", "ALLOW", false),
            ("ui", "ALLOW", false),
        ],
    );
    let disabled = strict.replace("STRICT", "DISABLE");
    let only_own = policy("ALLOW", "{from: [{source: {namespaces: [shop]}}]}");
    expect(
        &cells(&only_own, &disabled),
        &[
            ("none", "DENY", false),
            ("b", "DENY", false),
            ("ui", "DENY", false),
        ],
    );
}

#[test]
fn identities_that_policies_name_have_a_column() {
    let named = "{from: [{source: {principals: [cluster.local/ns/x/sa/far, \"*/sa/wild\"]}}], \
                 when: [{key: source.serviceAccount, values: [near]}]}";
    let cells = cells(&policy("DENY", named), "");
    let accounts: Vec<&str> = cells.iter().map(|(account, ..)| account.as_str()).collect();
    assert_eq!(accounts, ["none", "b", "near", "ui", "far"]);
}

#[test]
fn what_a_token_a_header_or_an_address_can_change_has_a_star() {
    let by_token = "{from: [{source: {namespaces: [web], requestPrincipals: [\"*\"]}}]}";
    expect(
        &cells(&policy("ALLOW", by_token), ""),
        &[
            ("none", "DENY", false),
            ("b", "DENY", false),
            ("ui", "DENY", true),
        ],
    );
    let by_header = "{from: [{source: {namespaces: [web]}}], \
                     when: [{key: \"request.headers[x-a]\", values: [\"1\"]}]}";
    expect(
        &cells(&policy("DENY", by_header), ""),
        &[
            ("none", "ALLOW", false),
            ("b", "ALLOW", false),
            ("ui", "ALLOW", true),
        ],
    );
    let by_address = "{from: [{source: {ipBlocks: [10.0.0.0/8]}}, {source: {namespaces: [shop]}}]}";
    expect(
        &cells(&policy("ALLOW", by_address), ""),
        &[
            ("none", "DENY", true),
            ("b", "ALLOW", false),
            ("ui", "DENY", true),
        ],
    );
    let by_host = "{from: [{source: {namespaces: [web]}}], to: [{operation: {notHosts: [a]}}]}";
    expect(
        &cells(&policy("DENY", by_host), ""),
        &[
            ("none", "ALLOW", false),
            ("b", "ALLOW", false),
            ("ui", "DENY", true),
        ],
    );
}

#[test]
fn a_port_or_a_path_is_known_and_needs_no_star() {
    let by_port = "{to: [{operation: {ports: [\"50051\"], paths: [/a.B/C], methods: [POST]}}]}";
    expect(
        &cells(&policy("ALLOW", by_port), ""),
        &[
            ("none", "ALLOW", false),
            ("b", "ALLOW", false),
            ("ui", "ALLOW", false),
        ],
    );
}

#[test]
fn programs_get_the_rule_of_each_cell() {
    let rpc = "--rpc=/shop.order.v1.OrderService/GetOrder";
    let json = table(&example("policies"), &["--to", "order", rpc, "-o", "json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let row = &json["rpcs"][0];
    assert_eq!(row["rpc"], "shop.order.v1.OrderService/GetOrder");
    assert_eq!(
        row["cells"][0],
        json!({
            "identity": null, "decision": "DENY", "depends": false,
            "policy": "istio-system/default", "rule": null,
        })
    );
    assert_eq!(
        row["cells"][1],
        json!({
            "identity": "cluster.local/ns/shop/sa/gateway", "decision": "ALLOW", "depends": false,
            "policy": "shop/order", "rule": 0,
        })
    );
}
