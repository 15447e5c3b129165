//! Settings: every mistake is reported at once, and secrets are shown nowhere.
#![allow(clippy::unwrap_used)]

use super::*;

const GOOD: [(&str, &str); 9] = [
    ("MESH_BIND_ADDRESS", "127.77.0.12"),
    ("MESH_NAMESPACE", "shop"),
    ("MESH_SERVICE_ACCOUNT", "order"),
    ("MESH_CA_ADDRESS", "127.77.0.2:15012"),
    ("MESH_CA_ROOT_FILE", "run/root-cert.pem"),
    ("MESH_TOKEN_FILE", "run/tokens/shop.order"),
    ("MESH_ENDPOINTS_FILE", "run/endpoints.yaml"),
    ("MESH_POLICY_PATHS", "policies:more/own.yaml"),
    ("MESH_SVID_TTL_SECONDS", "10"),
];

fn read(extra: &[(&str, &str)]) -> (Settings, Result<(), ConfigError>) {
    let mut env = Env::from_pairs(GOOD.iter().chain(extra).copied());
    let settings = Settings::from_env(&mut env);
    (settings, env.finish())
}

fn names(result: Result<(), ConfigError>) -> Vec<String> {
    result
        .unwrap_err()
        .mistakes()
        .iter()
        .map(|mistake| mistake.name.clone())
        .collect()
}

#[test]
fn settings_are_read_with_their_defaults() {
    let (settings, result) = read(&[]);
    result.unwrap();
    assert_eq!(
        settings.id.to_string(),
        "spiffe://cluster.local/ns/shop/sa/order"
    );
    assert_eq!(settings.mode, Mode::InProcess);
    assert_eq!(settings.svid_ttl, Duration::from_secs(10));
    assert_eq!(settings.connection_age, Duration::from_secs(3600));
    assert_eq!(settings.drain_grace, Duration::from_secs(30));
    assert_eq!(settings.ports.grpc, 50051);
    let paths: Vec<PathBuf> = vec!["policies".into(), "more/own.yaml".into()];
    assert_eq!(settings.policy_paths, paths);
}

#[test]
fn every_mistake_is_reported_at_once() {
    let mut env = Env::from_pairs([
        ("MESH_MODE", "sometimes"),
        ("MESH_BIND_ADDRESS", "localhost"),
        ("MESH_NAMESPACE", "Shop"),
        ("MESH_SERVICE_ACCOUNT", "order"),
        ("MESH_SVID_TTL_SECONDS", "9"),
        ("MESH_DRAIN_GRACE_SECONDS", "-1"),
        ("MESH_CA_ADDRESS", ""),
        ("MESH_TOKEN_FILE", "t"),
    ]);
    let _ = Settings::from_env(&mut env);
    let error = env.finish().unwrap_err();
    let text = error.to_string();
    for name in [
        "MESH_MODE",
        "MESH_BIND_ADDRESS",
        "MESH_SERVICE_ACCOUNT",
        "MESH_SVID_TTL_SECONDS",
        "MESH_DRAIN_GRACE_SECONDS",
        "MESH_CA_ADDRESS",
        "MESH_CA_ROOT_FILE",
        "MESH_ENDPOINTS_FILE",
    ] {
        assert!(text.contains(name), "{name} is missing in:\n{text}");
    }
    assert_eq!(error.mistakes().len(), 8, "{text}");
}

#[test]
fn plaintext_is_refused_in_namespace_shop_of_a_cluster_only() {
    let off = ("MESH_MODE", "off");
    let cluster = ("KUBERNETES_SERVICE_HOST", "10.0.0.1");
    assert_eq!(names(read(&[off, cluster]).1), ["MESH_MODE"]);
    read(&[off]).1.unwrap();
    read(&[off, cluster, ("MESH_NAMESPACE", "bench")])
        .1
        .unwrap();
}

#[test]
fn without_mtls_of_our_own_no_ca_is_asked_for() {
    let mut env = Env::from_pairs([
        ("MESH_MODE", "off"),
        ("MESH_BIND_ADDRESS", "127.0.0.1"),
        ("MESH_NAMESPACE", "bench"),
        ("MESH_SERVICE_ACCOUNT", "echo"),
        ("MESH_ENDPOINTS_FILE", "endpoints.yaml"),
    ]);
    let settings = Settings::from_env(&mut env);
    env.finish().unwrap();
    assert_eq!(settings.mode, Mode::Off);
}

#[test]
fn who_serves_needs_policies_unless_there_is_no_mesh() {
    for (mode, missing) in [("in-process", true), ("sidecar", true), ("off", false)] {
        let extra = [("MESH_MODE", mode), ("MESH_POLICY_PATHS", "")];
        let mut env = Env::from_pairs(GOOD.iter().chain(&extra).copied());
        Settings::from_env(&mut env).require_policies(&mut env);
        let expected: &[&str] = if missing { &["MESH_POLICY_PATHS"] } else { &[] };
        let told = env
            .finish()
            .map_or_else(|error| names(Err(error)), |()| Vec::new());
        assert_eq!(told, expected, "{mode}");
    }
}

#[test]
fn a_secret_is_a_file_and_the_report_shows_its_path_only() {
    let mut env = Env::from_pairs([
        (
            "GOOD_FILE",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ),
        ("BAD_FILE", "/nowhere/secret"),
        (
            "DATABASE_URL",
            "postgres://order:hunter2@127.77.0.4:5432/order",
        ),
    ]);
    assert!(env.secret_file("GOOD_FILE").starts_with("[package]"));
    env.secret_file("BAD_FILE");
    env.required("DATABASE_URL");
    let shown: Vec<String> = env.resolved().map(|(k, v)| format!("{k}={v}")).collect();
    let shown = shown.join("\n");
    assert!(
        !shown.contains("hunter2") && !shown.contains("[package]"),
        "{shown}"
    );
    assert!(
        shown.contains("postgres://order:…@127.77.0.4:5432/order"),
        "{shown}"
    );
    assert_eq!(names(env.finish()), ["BAD_FILE"]);
}
