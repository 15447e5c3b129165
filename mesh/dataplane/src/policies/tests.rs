//! What does not start: policies that do not load, and policies that nobody here can enforce.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;

const ALLOW: &str = "
kind: AuthorizationPolicy
apiVersion: security.istio.io/v1
metadata: {name: p, namespace: shop}
spec:";

fn settings(mode: Mode) -> Settings {
    let id = "spiffe://cluster.local/ns/shop/sa/order".parse().unwrap();
    let mut settings = Settings::of(id, [127, 0, 0, 1].into());
    settings.mode = mode;
    settings
}

fn compile(text: &str, mode: Mode) -> Result<Policies, String> {
    let loaded = Loaded::from_text(Path::new("p.yaml"), text);
    Policies::compile(loaded.policies, loaded.problems, &settings(mode)).map_err(told)
}

fn told(error: Error) -> String {
    match error {
        Error::Policies(source) => source.to_string(),
        other => panic!("{other}"),
    }
}

fn peer(namespace: &str, mode: &str) -> String {
    format!(
        "\n---\nkind: PeerAuthentication\napiVersion: security.istio.io/v1\n\
         metadata: {{name: default, namespace: {namespace}}}\nspec: {{mtls: {{mode: {mode}}}}}\n"
    )
}

#[test]
fn every_file_that_does_not_load_is_named_at_once() {
    let mut settings = settings(Mode::InProcess);
    settings.policy_paths = vec!["/nowhere/one".into(), "/nowhere/two.yaml".into()];
    let text = told(Policies::load(&settings).unwrap_err());
    for path in ["/nowhere/one", "/nowhere/two.yaml"] {
        assert!(text.contains(path), "{text}");
    }
}

#[test]
fn every_bad_policy_is_told_also_one_of_another_workload() {
    let text = format!(
        "{ALLOW} {{action: PERMIT}}\n---\n{}",
        ALLOW
            .replace("{name: p,", "{name: q,")
            .replace("shop", "demo")
            + " {rulez: []}"
    );
    let text = compile(&text, Mode::InProcess).unwrap_err();
    assert!(text.contains("PERMIT") && text.contains("rulez"), "{text}");
}

#[test]
fn a_folder_without_policies_does_not_start() {
    let folder = std::env::temp_dir().join(format!("mesh-no-policies-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut settings = settings(Mode::InProcess);
    settings.policy_paths = vec![folder.clone()];
    let outcome = Policies::load(&settings).map_err(told);
    std::fs::remove_dir(&folder).unwrap();
    assert!(outcome.unwrap_err().contains("no file"));
}

#[test]
fn what_matches_as_absent_and_lets_in_does_not_start() {
    let deny = "{action: DENY, rules: [";
    for rule in [
        format!("{deny}{{from: [{{source: {{requestPrincipals: [i/bad]}}}}]}}]}}"),
        format!("{deny}{{when: [{{key: 'request.auth.claims[r]', values: [bad]}}]}}]}}"),
        format!("{deny}{{when: [{{key: 'experimental.envoy.filters.a[b]', values: [c]}}]}}]}}"),
        "{rules: [{from: [{source: {notRequestPrincipals: [i/bad]}}]}]}".to_owned(),
        "{rules: [{when: [{key: request.auth.audiences, notValues: [bad]}]}]}".to_owned(),
    ] {
        let text = compile(&format!("{ALLOW} {rule}"), Mode::InProcess).unwrap_err();
        assert!(
            text.contains("p.yaml:") && text.contains("let in"),
            "{rule}: {text}"
        );
    }
}

#[test]
fn what_matches_as_absent_and_keeps_out_is_taken() {
    for rule in [
        "{rules: [{from: [{source: {requestPrincipals: ['*']}}]}]}",
        "{action: DENY, rules: [{from: [{source: {notRequestPrincipals: ['*']}}]}]}",
        "{action: AUDIT, rules: [{from: [{source: {requestPrincipals: ['*']}}]}]}",
    ] {
        compile(&format!("{ALLOW} {rule}"), Mode::InProcess).unwrap();
    }
}

#[test]
fn behind_a_proxy_nobody_knows_the_address_of_the_caller() {
    let rule = "{action: DENY, rules: [{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}]}";
    compile(&format!("{ALLOW} {rule}"), Mode::InProcess).unwrap();
    let text = compile(&format!("{ALLOW} {rule}"), Mode::Sidecar).unwrap_err();
    assert!(text.contains("ipBlocks"), "{text}");
}

#[test]
fn a_policy_of_another_workload_is_its_own_affair() {
    let text = format!(
        "{ALLOW} {{selector: {{matchLabels: {{app: payment}}}}, action: DENY, \
         rules: [{{from: [{{source: {{requestPrincipals: [x/y]}}}}]}}]}}"
    );
    let policies = compile(&text, Mode::InProcess).unwrap();
    assert_eq!(policies.engine().policies(), 0);
}

#[test]
fn plaintext_alone_cannot_be_done_in_process() {
    let text = format!("{ALLOW} {{}}{}", peer("shop", "DISABLE"));
    let told = compile(&text, Mode::InProcess).unwrap_err();
    assert!(told.contains("DISABLE for port 50051"), "{told}");
    assert!(told.contains("PeerAuthentication shop/default"), "{told}");
    assert!(!compile(&text, Mode::Sidecar).unwrap().is_strict(50051));
}

#[test]
fn the_mode_is_that_of_the_narrowest_scope() {
    let mesh = peer("istio-system", "STRICT");
    let of = |text: &str| compile(text, Mode::InProcess).unwrap().is_strict(50051);
    assert!(of(&mesh));
    assert!(!of(&format!("{mesh}{}", peer("shop", "PERMISSIVE"))));
    assert!(!of(&format!("{ALLOW} {{}}")), "Istio's default");
}
