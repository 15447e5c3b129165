use std::collections::BTreeMap;

use mesh_api::{Labels, MeshSettings, Meta, MtlsMode, PeerAuthentication, Workload};

use super::PeerModes;

fn policy(name: &str, app: &str, mode: MtlsMode, ports: &[(u16, MtlsMode)]) -> PeerAuthentication {
    let (namespace, name) = name.split_once('/').unwrap_or(("foo", name));
    let selector = Labels::from([("app".to_owned(), app.to_owned())]);
    PeerAuthentication {
        meta: Meta {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            ..Meta::default()
        },
        selector: if app.is_empty() {
            Labels::new()
        } else {
            selector
        },
        mode,
        port_level: ports.iter().copied().collect::<BTreeMap<_, _>>(),
    }
}

fn merge(policies: &[PeerAuthentication]) -> PeerModes {
    let workload = Workload {
        namespace: "foo".to_owned(),
        labels: Labels::from([("app".to_owned(), "web".to_owned())]),
        ..Workload::default()
    };
    PeerModes::merge(policies, &workload, &MeshSettings::default())
}

#[test]
fn the_default_is_permissive_and_says_so() {
    let modes = merge(&[]);
    assert_eq!(modes.of_port(80).mode, MtlsMode::Permissive);
    assert_eq!(modes.of_workload().reasons[0].scope, "default");
}

#[test]
fn the_narrowest_scope_that_says_something_wins() {
    use MtlsMode::{Disable, Permissive, Strict, Unset};
    let mesh = policy("istio-system/mesh", "", Strict, &[]);
    let namespace = policy("ns", "", Disable, &[]);
    let workload = policy("web", "web", Permissive, &[(80, Strict), (81, Unset)]);
    assert_eq!(
        merge(std::slice::from_ref(&mesh)).of_workload().mode,
        Strict
    );
    assert_eq!(
        merge(&[namespace.clone(), mesh.clone()]).of_workload().mode,
        Disable
    );
    let modes = merge(&[workload, namespace, mesh.clone()]);
    assert_eq!(modes.of_workload().mode, Permissive);
    assert_eq!(modes.of_port(80).mode, Strict);
    assert_eq!(modes.of_port(81).mode, Permissive);
    assert_eq!(modes.of_port(82).mode, Permissive);
    let scopes: Vec<&str> = modes
        .of_port(80)
        .reasons
        .iter()
        .map(|reason| reason.scope)
        .collect();
    assert_eq!(scopes, ["default", "mesh", "namespace", "workload", "port"]);
    assert_eq!(modes.ports().count(), 2);
    let unset = policy("web", "web", Unset, &[(80, Unset)]);
    assert_eq!(merge(&[unset, mesh]).of_port(80).mode, Strict);
}

#[test]
fn what_does_not_select_says_nothing() {
    use MtlsMode::Strict;
    let others = [
        policy("bar/ns", "", Strict, &[]),
        policy("other", "other", Strict, &[]),
        policy("istio-system/web", "web", Strict, &[(80, Strict)]),
    ];
    let modes = merge(&others);
    assert_eq!(modes.of_port(80).mode, MtlsMode::Permissive);
    assert!(modes.ignored().is_empty());
}

#[test]
fn ports_count_only_with_a_selector() {
    let namespace = policy("ns", "", MtlsMode::Strict, &[(80, MtlsMode::Disable)]);
    assert_eq!(merge(&[namespace]).of_port(80).mode, MtlsMode::Strict);
}

#[test]
fn the_older_of_two_policies_wins_and_the_other_is_told() {
    let aged = |name: &str, mode: MtlsMode, timestamp: Option<i64>| {
        let mut policy = policy(name, "", mode, &[]);
        policy.meta.creation_timestamp = timestamp;
        policy
    };
    let young = aged("a", MtlsMode::Strict, Some(2));
    let old = aged("b", MtlsMode::Disable, Some(1));
    let modes = merge(&[young.clone(), old.clone()]);
    assert_eq!(modes.of_workload().mode, MtlsMode::Disable);
    assert_eq!(&*modes.ignored()[0].name, "a");
    let first = aged("c", MtlsMode::Permissive, None);
    let modes = merge(&[young, old, first]);
    assert_eq!(modes.of_workload().mode, MtlsMode::Permissive);
    assert_eq!(modes.ignored().len(), 2);
}
