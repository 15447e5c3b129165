//! What the engine tells about itself and its answers, beyond the decision.

use mesh_api::PathNormalization::{Base, None as AsItCame};
use mesh_api::{
    Action, AuthorizationPolicy, Condition, JwtRule, Meta, RequestAuthentication, Rule, Source,
};

use crate::case::Case;
use crate::engine::{Compiled, with};
use crate::generate;

fn policy(name: &str, namespace: &str, action: Action, rules: Vec<Rule>) -> AuthorizationPolicy {
    AuthorizationPolicy {
        meta: Meta {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            ..Meta::default()
        },
        action,
        rules,
        ..AuthorizationPolicy::default()
    }
}

fn case(policies: Vec<AuthorizationPolicy>) -> Case {
    let mut case = generate::path_case("/a", AsItCame);
    case.set.authorization_policies = policies;
    case
}

/// The decision on the case's one request: as text, as Istio's id, and whether it may pass.
fn answer(case: &Case) -> (String, Option<String>, bool) {
    let Compiled(engine) = Compiled::of(case);
    with(&case.requests[0], |request| {
        let decision = engine.decide(request);
        (
            decision.to_string(),
            decision.policy_id(),
            decision.is_allowed(),
        )
    })
}

#[test]
fn a_decision_tells_its_rule_as_istio_does() {
    let always = || vec![Rule::default()];
    let allow = policy("a", "foo", Action::Allow, always());
    assert_eq!(
        answer(&case(vec![allow.clone()])),
        (
            "policy foo/a rule 0 matches: allowed".to_owned(),
            Some("ns[foo]-policy[a]-rule[0]".to_owned()),
            true,
        ),
    );
    let deny = policy("d", "istio-system", Action::Deny, always());
    assert_eq!(
        answer(&case(vec![allow, deny])),
        (
            "policy istio-system/d rule 0 matches: denied".to_owned(),
            Some("ns[istio-system]-policy[d]-rule[0]".to_owned()),
            false,
        ),
    );
    assert_eq!(
        answer(&case(Vec::new())),
        (
            "no ALLOW policy selects the workload".to_owned(),
            None,
            true
        ),
    );
    let nothing = policy("n", "foo", Action::Allow, Vec::new());
    assert_eq!(
        answer(&case(vec![nothing])),
        (
            "ALLOW policies select the workload and none matches".to_owned(),
            None,
            false
        ),
    );
}

#[test]
fn a_provider_that_is_asked_lets_nobody_pass_by_itself() {
    let custom = |provider: &str| Action::Custom {
        provider: provider.to_owned(),
    };
    let asks = policy("c", "foo", custom("grpc-authz"), vec![Rule::default()]);
    let (text, id, allowed) = answer(&case(vec![asks]));
    assert_eq!(text, "policy foo/c rule 0 matches: the provider decides");
    assert_eq!(id.as_deref(), Some("ns[foo]-policy[c]-rule[0]"));
    assert!(!allowed);

    let cannot = policy("c", "foo", custom("nobody"), vec![Rule::default()]);
    let (text, id, allowed) = answer(&case(vec![cannot]));
    assert!(text.contains("denied due to bad CUSTOM action"), "{text}");
    assert!(text.contains("nobody"), "{text}");
    let id = id.unwrap();
    assert!(
        id.ends_with("ns[foo]-policy[c]-rule[0]-deny-due-to-bad-CUSTOM-action"),
        "{id}"
    );
    assert!(!allowed);
}

#[test]
fn an_engine_counts_the_policies_that_select_its_workload() {
    let one = |name: &str, namespace: &str| policy(name, namespace, Action::Allow, Vec::new());
    let some = case(vec![
        one("a", "foo"),
        one("b", "istio-system"),
        one("c", "bar"),
    ]);
    let Compiled(engine) = Compiled::of(&some);
    assert_eq!(engine.policies(), 2);
    assert_eq!(engine.with(&one("d", "foo")).policies(), 3);
    assert_eq!(engine.with(&one("d", "bar")).policies(), 2);
    assert_eq!(
        engine.with(&one("a", "foo")).policies(),
        2,
        "in place of the one of its name"
    );
    assert_eq!(engine.without("foo", "a").policies(), 1);
    assert_eq!(engine.without("foo", "c").policies(), 2);
    assert_eq!(Compiled::of(&case(Vec::new())).0.policies(), 0);
}

#[test]
fn a_rule_with_an_unknown_attribute_is_told_and_never_matches() {
    let odd = Rule {
        when: vec![Condition {
            key: "request.unknown".to_owned(),
            values: vec!["*".to_owned()],
            ..Condition::default()
        }],
        ..Rule::default()
    };
    let whole = policy(
        "a",
        "foo",
        Action::Allow,
        vec![Rule::default(), odd.clone()],
    );
    let Compiled(engine) = Compiled::of(&case(vec![whole]));
    let dropped: Vec<_> = engine.dropped().collect();
    assert_eq!(dropped.len(), 1);
    assert_eq!(dropped[0].rule, 1);
    assert_eq!(dropped[0].policy.to_string(), "foo/a");
    assert!(
        dropped[0].message.contains("request.unknown"),
        "{}",
        dropped[0].message
    );
    let alone = policy("a", "foo", Action::Deny, vec![odd]);
    assert_eq!(answer(&case(vec![alone])).1, None, "it refuses nobody");
}

#[test]
fn an_engine_knows_the_token_providers_of_its_workload() {
    let mut with_tokens = case(Vec::new());
    let rule = |issuer: &str| JwtRule {
        issuer: issuer.to_owned(),
        ..JwtRule::default()
    };
    let mut of = |namespace: &str, issuer: &str| {
        with_tokens
            .set
            .request_authentications
            .push(RequestAuthentication {
                meta: Meta {
                    namespace: namespace.to_owned(),
                    ..Meta::default()
                },
                jwt_rules: vec![rule(issuer)],
                ..RequestAuthentication::default()
            });
    };
    of("foo", "z");
    of("istio-system", "b");
    of("bar", "a");
    let Compiled(engine) = Compiled::of(&with_tokens);
    let issuers: Vec<&str> = engine
        .tokens()
        .rules()
        .iter()
        .map(|rule| &*rule.issuer)
        .collect();
    assert_eq!(
        issuers,
        ["b", "z"],
        "merged, by issuer, of the scopes that apply"
    );
}

#[test]
fn of_many_misses_the_nearest_are_told_and_no_more() {
    let source = |principal: &str, address: &str| Source {
        principals: vec![principal.to_owned()],
        ip_blocks: vec![address.to_owned()],
        ..Source::default()
    };
    let rule = |principal: &str, address: &str| Rule {
        from: vec![source(principal, address)],
        ..Rule::default()
    };
    let rules = vec![
        rule("nobody", "192.0.2.1"),
        rule("cluster.local/ns/foo/sa/sleep", "192.0.2.1"),
        rule("nobody", "192.0.2.2"),
    ];
    let mut case = case(vec![policy("a", "foo", Action::Allow, rules)]);
    case.requests[0].principal = Some("cluster.local/ns/foo/sa/sleep".to_owned());
    let Compiled(engine) = Compiled::of(&case);
    with(&case.requests[0], |request| {
        let nearest = |most: usize| -> Vec<usize> {
            engine
                .explain(request, most)
                .nearest
                .iter()
                .map(|proof| proof.rule.rule)
                .collect()
        };
        assert_eq!(nearest(1), [1]);
        assert_eq!(nearest(2), [1, 0]);
        assert_eq!(nearest(9), [1, 0, 2]);
        assert!(nearest(0).is_empty());
        let proof = engine.explain(request, 1);
        let (_, failure) = proof.nearest[0].first_failure().unwrap();
        assert_eq!(failure.field, "ipBlocks");
        assert_eq!(failure.values, ["192.0.2.1"]);
        let text = proof.to_string();
        assert!(text.contains("MISS") && text.contains("ipBlocks"), "{text}");
    });
}

#[test]
fn audience_and_presenter_are_claims_of_their_own() {
    for (key, name) in [
        ("request.auth.audiences", "aud"),
        ("request.auth.presenter", "azp"),
    ] {
        let rule = Rule {
            when: vec![Condition {
                key: key.to_owned(),
                values: vec!["a".to_owned()],
                ..Condition::default()
            }],
            ..Rule::default()
        };
        let mut case = case(vec![policy("p", "foo", Action::Allow, vec![rule])]);
        for (value, allowed) in [("a", true), ("b", false)] {
            let jwt = serde_json::json!({ name: value });
            case.requests[0].jwt = jwt.as_object().cloned();
            assert_eq!(answer(&case).2, allowed, "{key} {value}");
        }
    }
}

#[test]
fn headers_are_looked_at_in_whatever_holds_them() {
    let rule = Rule {
        when: vec![Condition {
            key: "request.headers[x-a]".to_owned(),
            values: vec!["1".to_owned()],
            ..Condition::default()
        }],
        ..Rule::default()
    };
    let case = case(vec![policy("p", "foo", Action::Allow, vec![rule])]);
    let Compiled(engine) = Compiled::of(&case);
    let allowed = |headers: &dyn mesh_policy::Headers| {
        with(&case.requests[0], |request| {
            let http = request
                .http
                .map(|http| mesh_policy::Http { headers, ..http });
            engine
                .decide(&mesh_policy::Request { http, ..*request })
                .is_allowed()
        })
    };
    assert!(allowed(&[("x-b", "2"), ("x-a", "1")]));
    assert!(allowed(&vec![("X-A".to_owned(), b"1".to_vec())]));
    assert!(!allowed(&[("x-b", "1")]));
    assert!(!allowed(&Vec::<(String, Vec<u8>)>::new()));
}

#[test]
fn pseudo_headers_are_headers_too() {
    let allowed = |name: &str, value: &str, host: Option<&str>| {
        let rule = Rule {
            when: vec![Condition {
                key: format!("request.headers[{name}]"),
                values: vec![value.to_owned()],
                ..Condition::default()
            }],
            ..Rule::default()
        };
        let mut case = case(vec![policy("p", "foo", Action::Allow, vec![rule])]);
        case.settings.path_normalization = Base;
        let http = case.requests[0].http.as_mut().unwrap();
        http.path = "/x/../a?b=/../c".to_owned();
        http.host = host.map(str::to_owned);
        answer(&case).2
    };
    let host = Some("httpbin.foo");
    for (name, value, expected) in [
        (":path", "/a?b=/../c", true),
        (":path", "/x/../a?b=/../c", false),
        (":path", "/a", false),
        (":method", "GET", true),
        (":method", "get", false),
        (":authority", "httpbin.foo", true),
        (":authority", "other", false),
        ("host", "httpbin.foo", true),
        ("Host", "http*", true),
        ("host", "other", false),
        ("x-path", "/a?b=/../c", false),
    ] {
        assert_eq!(allowed(name, value, host), expected, "{name} {value}");
    }
    assert!(!allowed(":authority", "*", None));
    assert!(!allowed("host", "*", None));
}

#[test]
fn claims_are_taken_apart_at_blanks_where_their_issuer_says_so() {
    let allowed = |claim: &str, issuer: &str, value: &str| {
        let rule = Rule {
            when: vec![Condition {
                key: format!("request.auth.claims[{claim}]"),
                values: vec![value.to_owned()],
                ..Condition::default()
            }],
            ..Rule::default()
        };
        let mut case = case(vec![policy("p", "foo", Action::Allow, vec![rule])]);
        case.set.request_authentications = vec![RequestAuthentication {
            meta: Meta {
                namespace: "foo".to_owned(),
                ..Meta::default()
            },
            jwt_rules: vec![JwtRule {
                issuer: "i".to_owned(),
                space_delimited_claims: vec!["groups".to_owned()],
                ..JwtRule::default()
            }],
            ..RequestAuthentication::default()
        }];
        let jwt = serde_json::json!({"iss": issuer, "claims": {claim: "a  b"}});
        case.requests[0].jwt = jwt.as_object().cloned();
        answer(&case).2
    };
    for (claim, issuer, taken_apart) in [
        ("scope", "j", true),
        ("permission", "j", true),
        ("groups", "i", true),
        ("groups", "j", false),
        ("other", "i", false),
    ] {
        assert_eq!(allowed(claim, issuer, "a"), taken_apart, "{claim} {issuer}");
        assert_eq!(allowed(claim, issuer, "b"), taken_apart, "{claim} {issuer}");
        assert_eq!(
            allowed(claim, issuer, "a  b"),
            !taken_apart,
            "{claim} {issuer}"
        );
    }
}
