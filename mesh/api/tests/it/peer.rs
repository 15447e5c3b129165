//! PeerAuthentication.

use mesh_api::MtlsMode;

use crate::{check_problems, clean, object};

const KIND: &str = "PeerAuthentication";

#[test]
fn modes_of_the_workload_and_its_ports_arrive() {
    let spec = "selector: {matchLabels: {app: a}}\n\
                mtls: {mode: STRICT}\n\
                portLevelMtls:\n\
                \x20 8080: {mode: DISABLE}\n\
                \x20 '9090': {mode: PERMISSIVE}\n\
                \x20 1: {}\n";
    let policies = clean(&object(KIND, spec)).policies.peer_authentications;
    assert_eq!(policies[0].selector["app"], "a");
    assert_eq!(policies[0].mode, MtlsMode::Strict);
    let expected = [
        (1, MtlsMode::Unset),
        (8080, MtlsMode::Disable),
        (9090, MtlsMode::Permissive),
    ];
    assert_eq!(policies[0].port_level, expected.into());
}

#[test]
fn a_mode_that_is_not_there_is_unset() {
    for spec in ["{}", "mtls: {}", "mtls: {mode: UNSET}"] {
        let policies = clean(&object(KIND, spec)).policies.peer_authentications;
        assert_eq!(policies[0].mode, MtlsMode::Unset, "{spec}");
    }
}

#[test]
fn modes_and_ports_are_checked() {
    let expected = "; expected a port of the workload, 1 to 65535";
    check_problems(
        KIND,
        "selector: {matchLabels: {a: b}}\nmtls: {mode: strict}\nportLevelMtls:\n  0: {}\n  65536: {}\n  \
         '080': {}\n  http: {}\n  '+80': {}\n  1: {mode: OFF}\n",
        &[
            "p.yaml:7: spec.mtls.mode: unknown value, found \"strict\"; expected one of UNSET, \
             DISABLE, PERMISSIVE, STRICT",
            &format!("p.yaml:9: spec.portLevelMtls.0: bad port{expected}"),
            &format!("p.yaml:10: spec.portLevelMtls.65536: bad port{expected}"),
            &format!("p.yaml:11: spec.portLevelMtls.080: bad port{expected}"),
            &format!("p.yaml:12: spec.portLevelMtls.http: bad port{expected}"),
            &format!("p.yaml:13: spec.portLevelMtls.+80: bad port{expected}"),
            "p.yaml:14: spec.portLevelMtls.1.mode: a boolean where a string belongs, found \
             \"false\"; expected the value in quotes",
        ],
    );
}

#[test]
fn modes_of_ports_need_a_selector() {
    check_problems(
        KIND,
        "portLevelMtls: {80: {mode: STRICT}}\n",
        &[
            "p.yaml:6: spec.portLevelMtls: modes of ports without a selector; expected a selector, \
           because ports are those of a workload",
        ],
    );
    check_problems(
        KIND,
        "selector: {matchLabels: {a: b}}\nportLevelMtls: {}\n",
        &["p.yaml:7: spec.portLevelMtls: must not be empty; expected at least one port, or no key"],
    );
}

#[test]
fn fields_of_other_kinds_are_unknown() {
    check_problems(
        KIND,
        "rules: []\nmtls: {mods: STRICT}\ntargetRef: {}\n",
        &[
            "p.yaml:6: spec.rules: unknown field; expected one of selector, mtls, portLevelMtls",
            "p.yaml:7: spec.mtls.mods: unknown field; expected perhaps mode",
            "p.yaml:8: spec.targetRef: unknown field; expected one of selector, mtls, portLevelMtls",
        ],
    );
}
