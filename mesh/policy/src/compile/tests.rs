use mesh_api::{Condition, MeshSettings, Operation, Rule, Source};

use super::{Scope, claim_path, rule};
use crate::domains::Domains;

fn compiled(rule_in: &Rule, restricts: bool) -> Result<crate::rule::Rule, String> {
    let settings = MeshSettings {
        trust_domain: "td1".to_owned(),
        trust_domain_aliases: vec!["td2".to_owned()],
        ..MeshSettings::default()
    };
    let domains = Domains::new(&settings);
    rule(
        rule_in,
        &Scope {
            namespace: "foo",
            domains: &domains,
            restricts,
        },
    )
}

fn when(key: &str) -> Rule {
    let values = vec!["v".to_owned()];
    Rule {
        when: vec![Condition {
            key: key.to_owned(),
            values,
            ..Condition::default()
        }],
        ..Rule::default()
    }
}

#[test]
fn an_unknown_attribute_makes_no_rule_whatever_the_action() {
    for key in [
        "",
        "source",
        "request.header[a]",
        "experimental.envoy.filter.a[b]",
    ] {
        assert!(compiled(&when(key), false).is_err(), "{key}");
        assert!(compiled(&when(key), true).is_err(), "{key}");
    }
}

#[test]
fn a_value_that_cannot_be_read_takes_the_rule_of_allow_and_widens_that_of_deny() {
    let ranges = Rule {
        from: vec![Source {
            ip_blocks: vec!["nowhere".to_owned()],
            ..Source::default()
        }],
        ..Rule::default()
    };
    let ports = Rule {
        to: vec![Operation {
            ports: vec!["80".to_owned(), "many".to_owned()],
            ..Operation::default()
        }],
        ..Rule::default()
    };
    for bad in [
        &ranges,
        &ports,
        &when("request.headers"),
        &when("request.auth.claims[a"),
    ] {
        assert!(compiled(bad, false).is_err());
    }
    let wide = compiled(&ranges, true);
    assert!(wide.is_ok_and(|rule| rule.from[0].0.is_empty()));
    let wide = compiled(&ports, true);
    assert!(wide.is_ok_and(|rule| rule.to[0].0.len() == 1));
}

#[test]
fn every_attribute_knows_whether_it_is_of_http_alone() {
    for (key, is_http_only) in [
        ("source.namespace", false),
        ("source.principal", false),
        ("source.serviceAccount", false),
        ("source.trustDomain", false),
        ("connection.sni", false),
        ("experimental.envoy.filters.a[b]", false),
        ("request.headers[a]", true),
        ("request.auth.principal", true),
        ("request.auth.audiences", true),
        ("request.auth.presenter", true),
        ("request.auth.claims[a][b]", true),
    ] {
        let rule = compiled(&when(key), false);
        assert!(
            rule.is_ok_and(|rule| rule.is_http_only == is_http_only),
            "{key}"
        );
    }
}

#[test]
fn aliases_are_added_and_conditions_are_shown_as_they_are_written() {
    let source = Source {
        principals: vec!["td2/ns/a/sa/b".to_owned()],
        not_namespaces: vec!["x*".to_owned()],
        ..Source::default()
    };
    let Ok(rule) = compiled(
        &Rule {
            from: vec![source],
            ..Rule::default()
        },
        false,
    ) else {
        panic!("a rule");
    };
    let conditions = &rule.from[0].0;
    assert_eq!(conditions[0].values(), ["td1/ns/a/sa/b", "td2/ns/a/sa/b"]);
    assert_eq!(conditions[0].label(), "principals");
    assert_eq!(conditions[1].label(), "notNamespaces");
    let Ok(rule) = compiled(&when("request.auth.claims[a][b]"), false) else {
        panic!("a rule");
    };
    assert_eq!(rule.when.0[0].label(), "request.auth.claims[a][b] values");
}

#[test]
fn brackets_nest_or_are_part_of_the_name() {
    assert_eq!(claim_path("[a][b]"), Some(vec!["a", "b"]));
    assert_eq!(claim_path("[a]"), Some(vec!["a"]));
    assert_eq!(claim_path("[a[b]"), Some(vec!["a[b"]));
    assert_eq!(claim_path("a"), None);
    assert_eq!(claim_path(""), None);
}
