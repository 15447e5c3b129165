//! The settings of MeshConfig, and providers that cannot be used.

use std::path::Path;

use mesh_api::{
    ExtAuthz, MeshSettings, PathNormalization, ProviderKind, mesh_settings_from_path,
    mesh_settings_from_text,
};

fn settings(text: &str) -> MeshSettings {
    mesh_settings_from_text(Path::new("mesh.yaml"), text).unwrap()
}

fn problems(text: &str) -> String {
    mesh_settings_from_text(Path::new("mesh.yaml"), text)
        .unwrap_err()
        .to_string()
}

#[test]
fn nothing_said_is_istios_defaults() {
    for text in [
        "",
        "{}",
        "---\n",
        "rootNamespace: ''",
        "accessLogFile: /dev/stdout\nfoo: [1]",
    ] {
        assert_eq!(settings(text), MeshSettings::default(), "{text}");
    }
    let defaults = MeshSettings::default();
    assert_eq!(defaults.root_namespace, "istio-system");
    assert_eq!(defaults.trust_domain, "cluster.local");
    assert_eq!(defaults.path_normalization, PathNormalization::Base);
}

#[test]
fn settings_arrive_by_either_spelling() {
    let camel = "rootNamespace: root\n\
                 trustDomain: td1\n\
                 trustDomainAliases: [td2, td3.]\n\
                 pathNormalization: {normalization: MERGE_SLASHES}\n";
    let snake = "root_namespace: root\n\
                 trust_domain: td1\n\
                 trust_domain_aliases: [td2, td3.]\n\
                 path_normalization: {normalization: 3}\n";
    for text in [camel, snake] {
        let settings = settings(text);
        assert_eq!(settings.root_namespace, "root");
        assert_eq!(settings.trust_domain, "td1");
        assert_eq!(settings.trust_domain_aliases, ["td2", "td3."]);
        assert_eq!(settings.path_normalization, PathNormalization::MergeSlashes);
    }
}

#[test]
fn every_normalization_has_its_name() {
    for (name, expected) in [
        ("DEFAULT", PathNormalization::Base),
        ("NONE", PathNormalization::None),
        ("BASE", PathNormalization::Base),
        ("MERGE_SLASHES", PathNormalization::MergeSlashes),
        (
            "DECODE_AND_MERGE_SLASHES",
            PathNormalization::DecodeAndMergeSlashes,
        ),
        ("null", PathNormalization::Base),
        ("1", PathNormalization::None),
    ] {
        let text = format!("pathNormalization: {{normalization: {name}}}");
        assert_eq!(settings(&text).path_normalization, expected, "{name}");
    }
}

#[test]
fn bad_settings_are_refused_all_at_once() {
    assert_eq!(
        problems(
            "trustDomain: 'a b'\ntrustDomainAliases: ['*', 1]\npathNormalization: {normalization: \
             base}\nrootNamespace: [a]\nextensionProviders: a\n"
        ),
        "mesh.yaml:4: MeshConfig: rootNamespace: a list where a string belongs\n\
         mesh.yaml:1: MeshConfig: trustDomain: no trust domain, found \"a b\"; expected a domain \
         such as cluster.local\n\
         mesh.yaml:2: MeshConfig: trustDomainAliases[0]: no trust domain, found \"*\"; expected a \
         domain such as cluster.local\n\
         mesh.yaml:2: MeshConfig: trustDomainAliases[1]: an integer where a string belongs, found \
         \"1\"; expected the value in quotes\n\
         mesh.yaml:3: MeshConfig: pathNormalization.normalization: unknown value, found \"base\"; \
         expected one of DEFAULT, NONE, BASE, MERGE_SLASHES, DECODE_AND_MERGE_SLASHES\n\
         mesh.yaml:5: MeshConfig: extensionProviders: a string where a list belongs, found \"a\""
    );
    assert!(problems("a: [").contains("mesh.yaml:"));
    assert!(problems("[]").contains("a list where an object belongs"));
    assert!(problems("{}\n---\n{}\n").contains("a second document"));
    assert!(mesh_settings_from_path(Path::new("missing.yaml")).is_err());
}

#[test]
fn external_authorizers_arrive() {
    let settings = settings(
        "extensionProviders:\n\
         - name: grpc\n\
         \x20 envoyExtAuthzGrpc: {service: a.foo.svc.cluster.local, port: 9000, failOpen: true}\n\
         - name: http\n\
         \x20 envoyExtAuthzHttp: {service: foo/a.b, port: '8000', statusOnError: '503', \
         pathPrefix: /check, includeRequestHeadersInCheck: [x-*]}\n\
         - name: tracer\n\
         \x20 zipkin: {service: z, port: 1}\n",
    );
    let grpc = ExtAuthz {
        service: "a.foo.svc.cluster.local".to_owned(),
        port: 9000,
        fail_open: true,
        status_on_error: 0,
    };
    assert_eq!(settings.ext_authz("grpc"), Ok(&grpc));
    let http = ExtAuthz {
        service: "foo/a.b".to_owned(),
        port: 8000,
        fail_open: false,
        status_on_error: 503,
    };
    assert_eq!(settings.ext_authz("http"), Ok(&http));
    let kind = &settings.extension_providers[2].kind;
    assert_eq!(*kind, ProviderKind::Other("zipkin".to_owned()));
    assert_eq!(
        settings.ext_authz("tracer").unwrap_err(),
        "extension provider \"tracer\" is zipkin, not envoyExtAuthzHttp or envoyExtAuthzGrpc"
    );
    assert_eq!(
        settings.ext_authz("other").unwrap_err(),
        "no extension provider is named \"other\""
    );
}

#[test]
fn a_provider_that_cannot_be_used_is_a_fault_and_no_error() {
    let good = "envoyExtAuthzGrpc: {service: a.b, port: 9000}";
    let long = "a".repeat(64);
    for (provider, fault) in [
        (
            "name: p, envoyExtAuthzGrpc: {service: a.b, port: 0}".to_owned(),
            "the port",
        ),
        (
            "name: p, envoyExtAuthzGrpc: {service: a.b, port: 65536}".to_owned(),
            "the port",
        ),
        (
            "name: p, envoyExtAuthzGrpc: {service: a.b}".to_owned(),
            "the port",
        ),
        (
            "name: p, envoyExtAuthzGrpc: {port: 1}".to_owned(),
            "is no service",
        ),
        (
            "name: p, envoyExtAuthzGrpc: {service: 'a b', port: 1}".to_owned(),
            "is no service",
        ),
        (
            "name: p, envoyExtAuthzGrpc: {service: a/b, port: 1}".to_owned(),
            "is no service",
        ),
        (
            "name: p, envoyExtAuthzGrpc: {service: '/b.c', port: 1}".to_owned(),
            "is no service",
        ),
        ("name: p, envoyExtAuthzGrpc: 1".to_owned(), "is no service"),
        (
            "name: p, envoyExtAuthzGrpc: {service: a, port: 1, statusOnError: '999'}".to_owned(),
            "statusOnError",
        ),
        (
            "name: p, envoyExtAuthzGrpc: {service: a, port: 1, statusOnError: 503}".to_owned(),
            "statusOnError",
        ),
        (
            "name: p, envoyExtAuthzGrpc: {service: a, port: 1, failOpen: 1}".to_owned(),
            "failOpen",
        ),
        (
            "name: p, envoyExtAuthzHttp: {service: a, port: 1, pathPrefix: a}".to_owned(),
            "pathPrefix",
        ),
        (
            "name: p, envoyExtAuthzHttp: {service: a, port: 1, headersToUpstreamOnAllow: ['*']}"
                .to_owned(),
            "lone `*`",
        ),
        (
            format!("name: p, {good}, envoyExtAuthzHttp: {{}}"),
            "two kinds",
        ),
        ("name: p".to_owned(), "of no kind"),
    ] {
        let settings = settings(&format!("extensionProviders: [{{{provider}}}]"));
        let error = settings.ext_authz("p").unwrap_err();
        assert!(error.contains(fault), "{provider}: {error}");
    }
    for name in ["P", "-p", "p-", "p.q", &long] {
        let settings = settings(&format!("extensionProviders: [{{name: {name}, {good}}}]"));
        assert!(
            settings.ext_authz(name).unwrap_err().contains("lower-case"),
            "{name}"
        );
    }
}

#[test]
fn two_authorizers_of_one_name_are_both_unusable() {
    let good = "envoyExtAuthzGrpc: {service: a.b, port: 9000}";
    let twice = format!("extensionProviders: [{{name: p, {good}}}, {{name: p, {good}}}]");
    assert!(
        settings(&twice)
            .ext_authz("p")
            .unwrap_err()
            .contains("twice")
    );
    let beside_tracer =
        format!("extensionProviders: [{{name: p, zipkin: {{}}}}, {{name: p, {good}}}]");
    assert!(settings(&beside_tracer).ext_authz("p").is_ok());
}
