#![allow(clippy::unwrap_used)]

use clap::Parser;
use serde_json::{Value, json};

use super::{Ask, Home};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    ask: Ask,
}

const HOME: Home<'static> = Home {
    trust_domain: "cluster.local",
    namespace: "shop",
    port: Some(8080),
};

fn asked(flags: &[&str]) -> Value {
    let line = Line::try_parse_from(["ask"].iter().chain(flags)).unwrap();
    let text = line.ask.line(&HOME).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn an_identity_in_short_is_written_out() {
    for (short, principal) in [
        ("order", "cluster.local/ns/shop/sa/order"),
        ("web/frontend", "cluster.local/ns/web/sa/frontend"),
        ("other.org/ns/a/sa/b", "other.org/ns/a/sa/b"),
        ("spiffe://other.org/ns/a/sa/b", "other.org/ns/a/sa/b"),
    ] {
        assert_eq!(HOME.principal(short), principal, "{short}");
    }
    for (principal, short) in [
        ("cluster.local/ns/shop/sa/order", "order"),
        ("cluster.local/ns/web/sa/frontend", "web/frontend"),
        ("other.org/ns/shop/sa/order", "other.org/ns/shop/sa/order"),
        ("no identity of ours", "no identity of ours"),
    ] {
        assert_eq!(HOME.short(principal), short, "{principal}");
    }
}

#[test]
fn without_flags_it_is_a_plain_get_of_nobody() {
    assert_eq!(
        asked(&[]),
        json!({
            "protocol": "http",
            "source": {"ip": "127.0.0.1"},
            "destination": {"ip": "127.0.0.1", "port": 8080},
            "http": {"method": "GET", "path": "/", "headers": []},
        })
    );
}

#[test]
fn every_flag_is_in_the_request() {
    let request = asked(&[
        "--from",
        "gateway",
        "--method",
        "PUT",
        "--path",
        "/a?b",
        "--host",
        "h",
        "--header",
        "X-A: 1",
        "--header",
        "x-a:2",
        "--issuer",
        "i",
        "--subject",
        "s",
        "--audience",
        "a",
        "--claim",
        "role=admin",
        "--claim",
        "n=[1]",
        "--port",
        "9",
        "--source-ip",
        "10.0.0.1",
        "--remote-ip",
        "::1",
        "--destination-ip",
        "10.0.0.2",
        "--sni",
        "name",
    ]);
    assert_eq!(
        request,
        json!({
            "protocol": "http",
            "source": {
                "ip": "10.0.0.1",
                "remoteIp": "::1",
                "principal": "cluster.local/ns/shop/sa/gateway",
            },
            "destination": {"ip": "10.0.0.2", "port": 9},
            "sni": "name",
            "http": {
                "method": "PUT",
                "path": "/a?b",
                "host": "h",
                "headers": [["x-a", "1"], ["x-a", "2"]],
            },
            "jwt": {"iss": "i", "sub": "s", "aud": ["a"], "claims": {"role": "admin", "n": [1]}},
        })
    );
}

#[test]
fn an_rpc_is_a_post_to_its_path() {
    for rpc in ["a.B/C", "/a.B/C"] {
        let http = &asked(&["--rpc", rpc])["http"];
        assert_eq!(
            (&http["method"], &http["path"]),
            (&json!("POST"), &json!("/a.B/C"))
        );
    }
}

#[test]
fn a_connection_has_nothing_of_http() {
    let request = asked(&["--tcp", "--from", "order"]);
    assert_eq!(request["protocol"], "tcp");
    assert!(request.get("http").is_none() && request.get("jwt").is_none());
}

#[test]
fn what_cannot_go_together_is_refused() {
    for flags in [
        &["--tcp", "--path", "/"][..],
        &["--tcp", "--claim", "a=b"],
        &["--rpc", "a/b", "--method", "GET"],
        &["--requests", "f", "--from", "order"],
        &["--requests", "f", "--line", "0"],
        &["--line", "2"],
        &["--header", "no colon"],
        &["--header", ": nameless"],
        &["--claim", "no equals sign"],
        &["--source-ip", "somewhere"],
        &["--port", "65536"],
    ] {
        assert!(
            Line::try_parse_from(["ask"].iter().chain(flags)).is_err(),
            "{flags:?}"
        );
    }
}

#[test]
fn a_recorded_request_is_taken_by_its_line() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "{\"a\":1}\n{\"a\":2}\n").unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(asked(&["--requests", path]), json!({"a": 1}));
    assert_eq!(asked(&["--requests", path, "--line", "2"]), json!({"a": 2}));
    let line = Line::try_parse_from(["ask", "--requests", path, "--line", "3"]).unwrap();
    let error = line.ask.line(&HOME).unwrap_err();
    assert!(error.to_string().ends_with("has no line 3"), "{error}");
}
