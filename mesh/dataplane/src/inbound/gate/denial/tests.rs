//! What an operator reads of a denial, and that it costs no more than it may.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use mesh_api::{ExtAuthz, ExtensionProvider, Loaded, MeshSettings, ProviderKind, Workload};
use mesh_policy::{Destination, Engine, Http, Request, Source, compile};

use super::*;

const ORDERS: &str = "
kind: AuthorizationPolicy
apiVersion: security.istio.io/v1
metadata: {name: orders, namespace: shop}
spec:
  rules:
    - from: [{source: {principals: [cluster.local/ns/shop/sa/gateway]}}]
      to: [{operation: {paths: [/o.S/Create]}}]
";

fn engine(text: &str, settings: &MeshSettings) -> Engine {
    let loaded = Loaded::from_text(Path::new("p.yaml"), text)
        .valid()
        .unwrap();
    let workload = Workload {
        namespace: "shop".to_owned(),
        ..Workload::default()
    };
    compile(&loaded.policies, &workload, settings)
}

fn denied_by(engine: &Engine, account: &str) -> Denial {
    let principal = format!("cluster.local/ns/shop/sa/{account}");
    let headers = [("x-secret", "hunter2")];
    let call = Request {
        source: Source {
            principal: Some(&principal),
            ip: [127, 0, 0, 1].into(),
            remote_ip: None,
        },
        destination: Destination {
            ip: [127, 0, 0, 1].into(),
            port: 50051,
        },
        sni: "",
        http: Some(Http {
            method: "POST",
            host: Some("order"),
            path: "/o.S/Create",
            headers: &headers,
        }),
        jwt: None,
        metadata: None,
    };
    let decision = engine.decide(&call);
    assert!(!decision.is_allowed());
    let proof = engine.explain(&call, 1);
    assert_eq!(proof.decision, decision);
    Denial::new(&decision, Some(&proof), false)
}

#[test]
fn a_miss_names_the_nearest_rule_and_what_it_lacks() {
    let denial = denied_by(&engine(ORDERS, &MeshSettings::default()), "payment");
    assert_eq!((&denial.policy, denial.rule), (&None, None));
    assert_eq!(denial.nearest.as_deref(), Some("shop/orders rule 0"));
    assert_eq!(
        denial.reason,
        "ALLOW policies select the workload and none matches"
    );
    let miss = denial.miss.unwrap();
    assert!(
        miss.starts_with("from[0].source principals [cluster.local/ns/shop/sa/gateway]"),
        "{miss}"
    );
    assert!(miss.contains("cluster.local/ns/shop/sa/payment"), "{miss}");
}

#[test]
fn a_denial_names_policy_and_rule() {
    let text = ORDERS.replace("spec:", "spec:\n  action: DENY");
    let denial = denied_by(&engine(&text, &MeshSettings::default()), "gateway");
    assert_eq!(denial.policy.as_deref(), Some("shop/orders"));
    assert_eq!((denial.rule, denial.reason.as_str()), (Some(0), "denied"));
    assert_eq!(denial.nearest, None);
}

#[test]
fn a_header_is_told_by_its_name_alone() {
    let text = ORDERS.replace(
        "to: [{operation: {paths: [/o.S/Create]}}]",
        "when: [{key: 'request.headers[x-secret]', values: [swordfish]}]",
    );
    let miss = denied_by(&engine(&text, &MeshSettings::default()), "gateway")
        .miss
        .unwrap();
    assert!(miss.contains("request.headers[x-secret]"), "{miss}");
    assert!(miss.ends_with("the call has another value"), "{miss}");
    assert!(!miss.contains("hunter2"), "{miss}");
}

#[test]
fn a_long_condition_is_cut_and_still_says_what_the_call_has() {
    let many: Vec<String> = (0..1_000)
        .map(|number| format!("c.l/ns/a/sa/{number}"))
        .collect();
    let text = ORDERS.replace("cluster.local/ns/shop/sa/gateway", &many.join(", "));
    let miss = denied_by(&engine(&text, &MeshSettings::default()), "gateway")
        .miss
        .unwrap();
    assert!(miss.chars().count() < 2 * MISS_CHARS_MAX, "{miss}");
    assert!(
        miss.ends_with("the call has \"cluster.local/ns/shop/sa/gateway\""),
        "{miss}"
    );
}

#[test]
fn custom_denies_with_and_without_a_provider() {
    let text = format!(
        "{ORDERS}---{}",
        ORDERS
            .replace("name: orders", "name: ask")
            .replace("spec:", "spec:\n  action: CUSTOM\n  provider: {name: opa}")
            .replace(
                "from: [{source: {principals: [cluster.local/ns/shop/sa/gateway]}}]\n      ",
                ""
            )
    );
    let nobody = denied_by(&engine(&text, &MeshSettings::default()), "gateway");
    assert_eq!(nobody.policy.as_deref(), Some("shop/ask"));
    assert!(nobody.reason.contains("opa"), "{}", nobody.reason);
    let opa = ExtensionProvider {
        name: "opa".to_owned(),
        kind: ProviderKind::ExtAuthzGrpc(ExtAuthz::default()),
        fault: None,
    };
    let settings = MeshSettings {
        extension_providers: vec![opa],
        ..MeshSettings::default()
    };
    let somebody = denied_by(&engine(&text, &settings), "gateway");
    assert_eq!(
        somebody.reason,
        "provider \"opa\" would decide, and nobody can ask it here"
    );
}

#[test]
fn proofs_are_made_again_in_the_next_second() {
    let (proofs, now) = (Proofs::default(), Instant::now());
    let taken = |at| (0..500).filter(|_| proofs.take_at(at)).count();
    assert_eq!(taken(now), PROOFS_PER_SECOND as usize);
    assert_eq!(taken(now + Duration::from_millis(999)), 0);
    assert_eq!(
        taken(now + Duration::from_secs(1)),
        PROOFS_PER_SECOND as usize
    );
}
