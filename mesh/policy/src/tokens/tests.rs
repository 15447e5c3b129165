use mesh_api::{JwtRule, Labels, MeshSettings, Meta, RequestAuthentication, TargetRef, Workload};

use super::Tokens;

fn policy(namespace: &str, app: Option<&str>, issuer: &str) -> RequestAuthentication {
    RequestAuthentication {
        meta: Meta {
            namespace: namespace.to_owned(),
            ..Meta::default()
        },
        selector: app
            .iter()
            .map(|app| ("app".to_owned(), (*app).to_owned()))
            .collect(),
        jwt_rules: vec![JwtRule {
            issuer: issuer.to_owned(),
            space_delimited_claims: vec![format!("{issuer}-roles")],
            ..JwtRule::default()
        }],
        ..RequestAuthentication::default()
    }
}

fn workload() -> Workload {
    Workload {
        namespace: "foo".to_owned(),
        labels: Labels::from([("app".to_owned(), "web".to_owned())]),
        ..Workload::default()
    }
}

#[test]
fn every_policy_that_selects_the_workload_is_merged_by_issuer() {
    let mut attached = policy("foo", None, "gateway");
    attached.target_refs.push(TargetRef::default());
    let policies = [
        policy("foo", Some("web"), "c"),
        policy("foo", Some("other"), "x"),
        policy("bar", None, "y"),
        policy("istio-system", None, "a"),
        policy("foo", None, "b"),
        attached,
    ];
    let tokens = Tokens::merge(&policies, &workload(), &MeshSettings::default());
    let issuers: Vec<&str> = tokens
        .rules()
        .iter()
        .map(|rule| rule.issuer.as_str())
        .collect();
    assert_eq!(issuers, ["a", "b", "c"]);
    assert_eq!(tokens.space_delimited("b"), ["b-roles".into()]);
    assert!(tokens.space_delimited("x").is_empty());
}
