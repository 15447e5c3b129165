//! Documents, versions, kinds and metadata: what every object has in common.

use mesh_api::ProblemKind;

use crate::{clean, load, shown};

const MINIMAL: &str = "apiVersion: security.istio.io/v1\n\
                       kind: AuthorizationPolicy\n\
                       metadata: {name: a, namespace: foo}\n";

#[test]
fn both_versions_of_istio_are_read() {
    for version in ["v1", "v1beta1"] {
        let text = MINIMAL.replace("io/v1", &format!("io/{version}"));
        assert_eq!(
            clean(&text).policies.authorization_policies.len(),
            1,
            "{version}"
        );
    }
    let text = MINIMAL.replace("io/v1", "io/v1alpha1");
    assert_eq!(
        shown(&load(&text).problems),
        "p.yaml:1: apiVersion: unknown version, found \"security.istio.io/v1alpha1\"; expected \
         security.istio.io/v1 or security.istio.io/v1beta1"
    );
}

#[test]
fn a_version_that_is_nearly_istios_is_an_error_and_another_one_is_not() {
    let text = MINIMAL.replace("security.istio", "secure.istio");
    assert_eq!(
        shown(&load(&text).problems),
        "p.yaml:1: apiVersion: unknown version, found \"secure.istio.io/v1\"; expected perhaps \
         security.istio.io/v1"
    );
    let other = MINIMAL.replace("security.istio.io/v1", "policy.linkerd.io/v1alpha1");
    assert_eq!(clean(&other).ignored.len(), 1);
}

#[test]
fn a_kind_that_istio_does_not_have_is_an_error() {
    let text = MINIMAL.replace("AuthorizationPolicy", "AuthorisationPolicy");
    assert_eq!(
        shown(&load(&text).problems),
        "p.yaml:2: kind: unknown kind, found \"AuthorisationPolicy\"; expected perhaps \
         AuthorizationPolicy"
    );
}

#[test]
fn other_objects_are_counted_and_left_alone() {
    let text = "apiVersion: v1\nkind: Service\nfoo: [\"bar\"]\n---\n\
                apiVersion: v1\nkind: Service\n---\n\
                apiVersion: networking.istio.io/v1\nkind: VirtualService\n";
    let loaded = clean(text);
    let ignored: Vec<(&str, usize)> = loaded
        .ignored
        .iter()
        .map(|(kind, count)| (kind.as_str(), *count))
        .collect();
    assert_eq!(
        ignored,
        [
            ("networking.istio.io/v1 VirtualService", 1),
            ("v1 Service", 2)
        ]
    );
}

#[test]
fn documents_and_lines_are_told() {
    let broken = MINIMAL.replace("name: a", "name: b") + "spec: {action: NEVER}\n";
    let text = format!("# a comment\n---\n---\n{MINIMAL}---\n{broken}");
    let loaded = load(&text);
    assert_eq!(
        loaded.problems[0].to_string(),
        "p.yaml:11: document 3: AuthorizationPolicy foo/b: spec.action: unknown value, found \
         \"NEVER\"; expected one of ALLOW, DENY, AUDIT, CUSTOM"
    );
    let origins: Vec<(usize, usize)> = loaded
        .policies
        .authorization_policies
        .iter()
        .map(|policy| (policy.meta.origin.line, policy.meta.origin.document))
        .collect();
    assert_eq!(origins, [(4, 2), (8, 3)]);
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    let text = format!(
        "{MINIMAL}---\na: [1\n---\n{}",
        MINIMAL.replace("name: a", "name: b")
    );
    let loaded = load(&text);
    assert_eq!(loaded.policies.authorization_policies.len(), 2);
    assert_eq!(loaded.problems.len(), 1);
    assert_eq!(loaded.problems[0].kind, ProblemKind::Unreadable);
    assert_eq!(loaded.problems[0].origin.document, 2);
}

#[test]
fn text_that_is_no_object_is_refused() {
    for (text, expected) in [
        (
            "a",
            "p.yaml:1: a string where an object belongs, found \"a\"",
        ),
        ("[1]", "p.yaml:1: a list where an object belongs"),
        (
            "a: 1",
            "p.yaml:1: no apiVersion or no kind; expected an object of Kubernetes, with apiVersion \
             and kind",
        ),
    ] {
        assert_eq!(shown(&load(text).problems), expected, "{text}");
    }
    assert!(load("").problems.is_empty());
}

#[test]
fn metadata_arrives() {
    let text = "apiVersion: security.istio.io/v1\n\
                kind: AuthorizationPolicy\n\
                metadata:\n\
                \x20 name: a\n\
                \x20 labels: {x: z}\n\
                \x20 annotations: {Example.com/A: 'anything: goes'}\n\
                \x20 creationTimestamp: 1970-01-01T00:01:00Z\n\
                \x20 uid: u\n\
                \x20 managedFields: [{a: b}]\n\
                status: {anything: [goes]}\n";
    let meta = clean(text).policies.authorization_policies[0].meta.clone();
    assert_eq!(meta.id(), "default/a");
    assert_eq!(meta.labels["x"], "z");
    assert_eq!(meta.annotations["Example.com/A"], "anything: goes");
    assert_eq!(meta.creation_timestamp, Some(60));
    let null = text.replace("1970-01-01T00:01:00Z", "null");
    let meta = clean(&null).policies.authorization_policies[0].meta.clone();
    assert_eq!(meta.creation_timestamp, None);
}

#[test]
fn metadata_is_checked() {
    for (metadata, expected) in [
        ("{}", "name: missing; expected the name of the object"),
        (
            "{generateName: a-}",
            "name: missing; expected the name of the object",
        ),
        (
            "{name: A}",
            "name: no name that Kubernetes takes, found \"A\"; expected at most 253 lower-case \
             letters, digits, `-` and `.`, with a letter or digit at the ends",
        ),
        (
            "{name: 1}",
            "name: an integer where a string belongs, found \"1\"; expected the value in quotes",
        ),
        (
            "{name: a, namespace: a.b}",
            "namespace: no namespace that Kubernetes takes, found \"a.b\"; expected at most 63 \
             lower-case letters, digits and `-`, with a letter or digit at the ends",
        ),
        (
            "{name: a, label: {}}",
            "label: unknown field; expected perhaps labels",
        ),
        (
            "{name: a, creationTimestamp: now}",
            "creationTimestamp: no time, found \"now\"; expected a time such as \
             2026-01-31T12:00:00Z",
        ),
        (
            "{name: a, labels: {a: '-'}}",
            "labels.a: no label value that Kubernetes takes, found \"-\"; expected at most 63 \
             letters, digits, `-`, `_` and `.`, with a letter or digit at the ends",
        ),
    ] {
        let text = format!(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {metadata}\n"
        );
        let expected = format!("p.yaml:3: metadata.{expected}");
        assert_eq!(shown(&load(&text).problems), expected, "{metadata}");
    }
    let text = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nspecs: {}\n";
    assert_eq!(
        shown(&load(text).problems),
        "p.yaml:1: metadata: missing; expected an object with a name\n\
         p.yaml:3: specs: unknown field; expected perhaps spec"
    );
}

#[test]
fn an_object_stands_once_whatever_its_version() {
    let twin = MINIMAL.replace("io/v1", "io/v1beta1");
    let other_namespace = MINIMAL.replace("foo", "bar");
    let other_kind = MINIMAL.replace("AuthorizationPolicy", "PeerAuthentication");
    let loaded = load(&format!(
        "{MINIMAL}---\n{other_namespace}---\n{other_kind}---\n{twin}"
    ));
    assert_eq!(
        shown(&loaded.problems),
        "p.yaml:13: document 4: this AuthorizationPolicy already stands in p.yaml:1; expected \
         another name, or one of them"
    );
    assert_eq!(loaded.problems[0].kind, ProblemKind::Duplicate);
}

#[test]
fn lists_of_kubectl_are_read() {
    let item = "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: a}}";
    let loaded = clean(&format!(
        "{{apiVersion: v1, kind: List, metadata: {{}}, items: [{item}]}}"
    ));
    assert_eq!(loaded.policies.peer_authentications.len(), 1);
    let text = format!(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthenticationList\nitems: [{item}]\n"
    );
    assert_eq!(clean(&text).policies.peer_authentications.len(), 1);
}

#[test]
fn workload_entries_are_read() {
    let text = "apiVersion: networking.istio.io/v1\n\
                kind: WorkloadEntry\n\
                metadata: {name: w, namespace: shop}\n\
                spec: {address: 127.0.0.1, ports: {grpc: 50051}, serviceAccount: order, labels: {app: order}}\n";
    let entries = clean(text).policies.workload_entries;
    assert_eq!(entries[0].service_account, "order");
    assert_eq!(entries[0].labels["app"], "order");
    assert_eq!(entries[0].ports["grpc"], 50_051);
    let broken = text
        .replace("50051", "http")
        .replace("address", "addresses");
    assert_eq!(
        shown(&load(&broken).problems),
        "p.yaml:4: spec.addresses: unknown field; expected perhaps address\n\
         p.yaml:4: spec.ports.grpc: a string where a port, 1 to 65535 belongs, found \"http\""
    );
}
