#![allow(clippy::unwrap_used)]

use super::{
    annotation_key, attribute, attribute_value, duration, fqdn, group, ip_block, jwks, label_key,
    label_value, namespace, object_name, path, port, service_account, trust_domain,
    trust_domain_pattern, url, wildcard,
};
use crate::report::Fault;

fn check<T>(name: &str, checked: impl Fn(&str) -> Result<T, Fault>, good: &[&str], bad: &[&str]) {
    for value in good {
        assert!(checked(value).is_ok(), "{name} refuses {value:?}");
    }
    for value in bad {
        assert!(checked(value).is_err(), "{name} takes {value:?}");
    }
}

#[test]
fn addresses_and_ranges_are_those_of_go() {
    check(
        "ip_block",
        ip_block,
        &[
            "1.2.3.4",
            "1.2.3.4/0",
            "1.2.3.4/32",
            "10.0.0.0/8",
            "::",
            "::1",
            "fd00::/8",
            "::ffff:1.2.3.4",
            "::ffff:1.2.3.4/120",
            "2001:db8::1/128",
            "fe80::1%eth0",
        ],
        &[
            "",
            " ",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "1.2.3.256",
            "1.2.3.4/33",
            "1.2.3.4/",
            "1.2.3.4/08",
            "1.2.3.4/+8",
            "1.2.3.4/-1",
            "1.2.3.4/8/8",
            "/8",
            "::/129",
            "fe80::1%",
            "1.2.3.4%eth0",
            "fe80::1%eth0/64",
            "1.2.3.4%",
            "localhost",
            "*",
            "10.0.*",
            "[::1]",
            ":::",
            "1:2:3:4:5:6:7:8:9",
            "1.2.3.4 ",
            "::1/1e1",
        ],
    );
}

#[test]
fn ports_are_decimal_and_fit() {
    check(
        "port",
        port,
        &["0", "1", "80", "0080", "65535"],
        &[
            "",
            "65536",
            "-1",
            "+80",
            "80 ",
            "0x50",
            "8_0",
            "http",
            "*",
            "4294967376",
        ],
    );
}

#[test]
fn service_accounts_have_at_most_one_namespace_and_no_wildcard() {
    let longest = "a".repeat(320);
    let too_long = "a".repeat(321);
    check(
        "service_account",
        service_account,
        &["sa", "ns/sa", &longest],
        &["", "/", "ns/", "/sa", "a/b/c", "*", "ns/*", "s*", &too_long],
    );
}

#[test]
fn wildcards_stand_at_one_end() {
    check(
        "wildcard",
        wildcard,
        &["*", "a", "a*", "*a", "a/b"],
        &["", "**", "*a*", "a*b"],
    );
    check(
        "trust_domain_pattern",
        trust_domain_pattern,
        &["*", "cluster.local", "cluster*", "*.local"],
        &["", "a/b", "*/", "c*l", "*a*"],
    );
}

#[test]
fn path_templates_have_whole_segments_and_one_last_operator() {
    check(
        "path",
        path,
        &[
            "/",
            "/a",
            "*",
            "/a*",
            "*a",
            "/a/*/b",
            "a b",
            "/{*}",
            "/{**}",
            "/a/{*}/b/{*}/c",
            "/{**}/a",
            "/a/{*}/{**}/b/",
            "/{*}/a%20b",
            "//a//",
            "/a?b",
        ],
        &[
            "",
            "/{",
            "/}",
            "/a{*}",
            "/{*}a",
            "/{a}",
            "/{***}",
            "/{**}/{*}",
            "/{**}/{**}",
            "/{**}/a/{*}",
            "/{*}/a b",
            "/{*}//a",
            "/{*}/a?b",
            "/{*}/a*\"",
        ],
    );
    // A star is a literal of a template, since templates and wildcards do not mix.
    assert_eq!(
        path("/{*}/a*").unwrap_err().message,
        "segment \"a*\" of a path template is no literal"
    );
}

#[test]
fn attributes_are_istios() {
    check(
        "attribute",
        attribute,
        &[
            "source.ip",
            "remote.ip",
            "source.namespace",
            "source.serviceAccount",
            "source.principal",
            "source.trustDomain",
            "request.auth.principal",
            "request.auth.audiences",
            "request.auth.presenter",
            "destination.ip",
            "destination.port",
            "connection.sni",
            "request.headers[a]",
            "request.auth.claims[a][b]",
            "request.auth.claims[a]b]",
            "experimental.envoy.filters.a.b[c]",
        ],
        &[
            "",
            "source.ips",
            "Source.ip",
            "request.headers",
            "request.headers[]",
            "request.headers[a",
            "request.headers a]",
            "request.auth.claims",
            "request.experimental.inline.headers[a]",
            "destination.namespace",
            "destination.labels[a]",
            "destination.name",
            "destination.user",
            "experimental.envoy.filters.",
            "experimental.envoy.filter.a[b]",
        ],
    );
    assert_eq!(
        attribute("source.namespaces").unwrap_err().expected,
        "perhaps source.namespace"
    );
}

#[test]
fn values_are_checked_by_their_attribute() {
    for (key, good, bad) in [
        ("source.ip", "1.2.3.4", "a"),
        ("remote.ip", "1.2.3.0/24", ""),
        ("destination.ip", "::1", "::1/129"),
        ("destination.port", "80", "http"),
        ("source.serviceAccount", "ns/sa", "ns/*"),
        ("source.trustDomain", "a*", "a*b"),
        ("source.namespace", "a*b", ""),
        ("request.headers[a]", " ", ""),
    ] {
        assert!(attribute_value(key, good).is_ok(), "{key} refuses {good:?}");
        assert!(attribute_value(key, bad).is_err(), "{key} takes {bad:?}");
    }
}

#[test]
fn names_are_those_of_kubernetes() {
    let label = "a".repeat(63);
    let too_long = "a".repeat(64);
    let longest_name = format!("{}a", "a.".repeat(126));
    let too_long_name = format!("{}a", "a.".repeat(127));
    check(
        "object_name",
        object_name,
        &["a", "a-b.c", "0", &too_long, &longest_name],
        &[
            "",
            "A",
            "-a",
            "a-",
            "a..b",
            "a_b",
            "a/b",
            "ä",
            &too_long_name,
        ],
    );
    check(
        "namespace",
        namespace,
        &["a", "a-b", &label],
        &["", "a.b", "A", "-a", &too_long],
    );
    check(
        "label_key",
        label_key,
        &["a", "A_b.c", "example.com/a", &label],
        &["", "/a", "a/", "-a", "a/b/c", "Example.com/a", &too_long],
    );
    check(
        "label_value",
        label_value,
        &["", "a", "A_b.c", &label],
        &["-a", "a b", &too_long],
    );
    check(
        "annotation_key",
        annotation_key,
        &["Example.com/A"],
        &["", "a/b/c"],
    );
    check(
        "group",
        group,
        &["", "networking.istio.io"],
        &["__", "A", "a."],
    );
    check(
        "trust_domain",
        trust_domain,
        &["cluster.local", "Cluster.local", "a.b.", "td1"],
        &["", ".", "a..b", "*", "a.*", "a_b", "a/b", &too_long],
    );
    for (host, valid) in [
        ("a.b", true),
        ("a.b.", true),
        ("", false),
        (".", false),
        ("a*", false),
    ] {
        assert_eq!(fqdn(host), valid, "{host:?}");
    }
}

#[test]
fn urls_are_read_as_go_reads_them() {
    check(
        "url",
        url,
        &[
            "http://a",
            "https://a/b?c#d",
            "HTTPS://a",
            "https://a:8080/",
            "https://u:p@a",
            "https://[::1]:80/",
            "https://[::1]/",
            "https://",
            "https:a",
            "http://a/%20",
            "https:%/opaque",
            "https://a:/",
            "https://[::1%25eth0]/",
        ],
        &[
            "",
            "a",
            "//a",
            "ftp://a",
            "file:///a",
            "https://a:b",
            "https://a b",
            "http://a\n",
            "http://a/%2",
            "http://a/%zz",
            "://a",
            "https://a:80:b",
            "https://a::80",
            "https://[::1",
            "https://[::1]x",
            "https://[:=:1]:443/",
            "https://[1.2.3.4]/",
            "https://u^@a",
            "https://a[b]",
            "https://a%20b",
            "https://a#%2",
        ],
    );
}

#[test]
fn durations_are_those_of_go_in_whole_milliseconds() {
    for (text, milliseconds) in [
        ("5s", 5_000),
        ("1m30s", 90_000),
        ("1.5s", 1_500),
        (".5s", 500),
        ("1h", 3_600_000),
        ("1000us", 1),
        ("+1ms", 1),
        ("1s1ms", 1_001),
    ] {
        assert_eq!(duration(text).unwrap().as_millis(), milliseconds, "{text}");
    }
    check::<std::time::Duration>(
        "duration",
        duration,
        &[],
        &[
            "",
            "5",
            "s",
            "-1s",
            "0",
            "0s",
            "1us",
            "1.0001s",
            "apple",
            "1 s",
            "1d",
            ".s",
            "1..5s",
            "9999999999h",
            "1s ",
            "99999999999999999999999999999999999999999999s",
        ],
    );
}

#[test]
fn key_sets_need_known_whole_keys() {
    let rsa = r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#;
    let ec_private = r#"{"kty":"EC","crv":"P-256","x":"aa","y":"bb","d":"cc"}"#;
    let set = format!(r#"{{"keys":[{rsa},{ec_private},{{"kty":"oct","k":"aa"}}]}}"#);
    assert_eq!(jwks(&set).unwrap(), [1, 2]);
    assert_eq!(jwks(rsa).unwrap(), [0_usize; 0]);
    check(
        "jwks",
        jwks,
        &[
            r#"{"keys":[]}"#,
            r#"{"keys":[]} and more"#,
            r#"{"kty":"oct","k":"a+/="}"#,
            r#"{"kty":"oct","k":"aa_-"}"#,
        ],
        &[
            "",
            "{}",
            "[]",
            "a",
            r#"{"keys":{}}"#,
            r#"{"keys":[{}]}"#,
            r#"{"kty":"RSA","n":"a"}"#,
            r#"{"kty":"rsa","n":"aa","e":"bb"}"#,
            r#"{"kty":"RSA","n":"aa","e":"b"}"#,
            r#"{"kty":"RSA","n":"aa","e":"bb","d":"c#"}"#,
            r#"{"kty":"oct","k":"a+_="}"#,
            r#"{"kty":"oct","k":"aaa=="}"#,
            r#"{"kty":"EC","crv":"P-256","x":"a"}"#,
        ],
    );
}
