//! RequestAuthentication.

use std::time::Duration;

use mesh_api::{ClaimToHeader, JwtHeader, JwtRule};

use crate::{check_problems, check_warnings, clean, object};

const KIND: &str = "RequestAuthentication";

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

#[test]
fn every_field_of_a_rule_arrives() {
    let spec = "selector: {matchLabels: {app: a}}\n\
                jwtRules:\n\
                - issuer: i\n\
                \x20 audiences: [a, b]\n\
                \x20 jwksUri: https://i/keys\n\
                \x20 fromHeaders: [{name: x-a, prefix: 'Bearer '}, {name: x-b}]\n\
                \x20 fromParams: [p]\n\
                \x20 fromCookies: [c]\n\
                \x20 outputPayloadToHeader: x-p\n\
                \x20 forwardOriginalToken: true\n\
                \x20 outputClaimToHeaders: [{header: x-c, claim: a.b}]\n\
                \x20 timeout: 1.5s\n\
                \x20 spaceDelimitedClaims: [roles]\n\
                - jwks_uri: http://i\n\
                - issuer: j\n\
                \x20 jwks: '{\"keys\":[]}'\n";
    let policies = clean(&object(KIND, spec)).policies.request_authentications;
    let header = |name: &str, prefix: &str| JwtHeader {
        name: name.to_owned(),
        prefix: prefix.to_owned(),
    };
    let first = JwtRule {
        issuer: "i".to_owned(),
        audiences: strings(&["a", "b"]),
        jwks_uri: "https://i/keys".to_owned(),
        jwks: String::new(),
        from_headers: vec![header("x-a", "Bearer "), header("x-b", "")],
        from_params: strings(&["p"]),
        from_cookies: strings(&["c"]),
        output_payload_to_header: "x-p".to_owned(),
        forward_original_token: true,
        output_claim_to_headers: vec![ClaimToHeader {
            header: "x-c".to_owned(),
            claim: "a.b".to_owned(),
        }],
        timeout: Some(Duration::from_millis(1_500)),
        space_delimited_claims: strings(&["roles"]),
    };
    let second = JwtRule {
        jwks_uri: "http://i".to_owned(),
        ..JwtRule::default()
    };
    let third = JwtRule {
        issuer: "j".to_owned(),
        jwks: "{\"keys\":[]}".to_owned(),
        ..JwtRule::default()
    };
    assert_eq!(policies[0].jwt_rules, [first, second, third]);
    assert_eq!(policies[0].selector["app"], "a");
}

#[test]
fn every_value_of_a_rule_is_checked() {
    let cases = [
        (
            "issuer: ''",
            "issuer: an empty value is not allowed, found \"\"",
        ),
        (
            "audiences: ['']",
            "audiences[0]: an empty value is not allowed, found \"\"",
        ),
        (
            "fromParams: ['']",
            "fromParams[0]: an empty value is not allowed, found \"\"",
        ),
        (
            "fromCookies: ['']",
            "fromCookies[0]: an empty value is not allowed, found \"\"",
        ),
        (
            "fromHeaders: [{}]",
            "fromHeaders[0].name: missing; expected text",
        ),
        (
            "fromHeaders: [{name: ''}]",
            "fromHeaders[0].name: an empty value is not allowed, found \"\"",
        ),
        (
            "fromHeaders: [{name: a, prefixes: b}]",
            "fromHeaders[0].prefixes: unknown field; expected perhaps prefix",
        ),
        (
            "outputClaimToHeaders: [{header: ':a', claim: b}]",
            "outputClaimToHeaders[0].header: no header name, found \":a\"; expected letters, \
             digits, `-` and `_`",
        ),
        (
            "outputClaimToHeaders: [{header: a}]",
            "outputClaimToHeaders[0].claim: missing; expected text",
        ),
        (
            "outputClaimToHeaders: [1]",
            "outputClaimToHeaders[0]: an integer where an object belongs, found \"1\"",
        ),
        (
            "forwardOriginalToken: 'true'",
            "forwardOriginalToken: a string where true or false belongs, found \"true\"",
        ),
        (
            "timeout: 1us",
            "timeout: shorter than 1ms, found \"1us\"; expected a duration of whole milliseconds \
             such as 5s, 1m30s or 250ms",
        ),
        (
            "timeout: 5",
            "timeout: an integer where a string belongs, found \"5\"; expected the value in quotes",
        ),
        (
            "spaceDelimitedClaims: ['']",
            "spaceDelimitedClaims[0]: an empty value is not allowed, found \"\"",
        ),
        (
            "jwksUri: ftp://a",
            "jwksUri: a URL whose scheme is neither http nor https, found \"ftp://a\"; expected a \
             URL such as https://issuer.example/keys",
        ),
        (
            "jwks: '{}'",
            "jwks: key 0: \"kty\" is none of RSA, EC, OKP, oct; expected a JSON web key set",
        ),
        ("issue: a", "issue: unknown field; expected perhaps issuer"),
    ];
    for (field, expected) in cases {
        let issuer = if field.starts_with("issuer") {
            ""
        } else {
            "  issuer: i\n"
        };
        let spec = format!("jwtRules:\n- {field}\n{issuer}");
        check_problems(
            KIND,
            &spec,
            &[&format!("p.yaml:7: spec.jwtRules[0].{expected}")],
        );
    }
}

#[test]
fn a_rule_names_its_keys_once() {
    let two = "p.yaml:7: spec.jwtRules[0]: keys from two sources; expected one of jwks, jwksUri";
    check_problems(
        KIND,
        "jwtRules:\n- jwksUri: http://a\n  jwks_uri: http://a\n",
        &[two],
    );
    check_problems(
        KIND,
        "jwtRules:\n- jwksUri: http://a\n  jwks: '{\"keys\":[]}'\n",
        &[two],
    );
    let none = "p.yaml:7: spec.jwtRules[0]: neither an issuer nor where its keys are; expected at \
                least one of issuer, jwksUri";
    check_problems(KIND, "jwtRules:\n- jwks: '{\"keys\":[]}'\n", &[none]);
    check_problems(KIND, "jwtRules:\n- {}\n", &[none]);
    check_problems(
        KIND,
        "jwtRules:\n-\n",
        &["p.yaml:7: spec.jwtRules[0]: null where an object belongs, found \"null\""],
    );
}

#[test]
fn lists_have_the_limits_of_the_api_server() {
    let claims = vec!["a"; 65].join(", ");
    check_problems(
        KIND,
        &format!("jwtRules:\n- issuer: i\n  spaceDelimitedClaims: [{claims}]\n"),
        &["p.yaml:8: spec.jwtRules[0].spaceDelimitedClaims: 65 items; expected at most 64"],
    );
}

#[test]
fn a_private_key_is_warned_of_and_never_shown() {
    let spec = "jwtRules:\n- issuer: i\n  jwks: '{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}'\n";
    check_warnings(
        KIND,
        spec,
        &[
            "p.yaml:8: warning: spec.jwtRules[0].jwks: key 0 holds private material; expected the \
           public key, which is all that is used",
        ],
    );
    let bad = "jwtRules:\n- issuer: i\n  jwks: 'c2VjcmV0'\n";
    let loaded = crate::load(&object(KIND, bad));
    assert!(!crate::shown(&loaded.problems).contains("c2VjcmV0"));
    assert_eq!(loaded.problems.len(), 1);
}
