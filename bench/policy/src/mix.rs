//! The policies and requests that are measured, always the same: 40 % exact principals, 15 % prefix
//! and suffix, 15 % namespaces, 10 % paths, 10 % claims and headers, 10 % negative matches. Every
//! fourth policy denies; all select the workload.

use std::net::{IpAddr, Ipv4Addr};

use mesh_api::{Action, AuthorizationPolicy, Condition, Meta, Operation, PolicySet, Rule, Source};
use mesh_policy::{Destination, Http, Jwt, Request};
use serde_json::{Map, Value, json};

/// Rules of a policy.
pub const RULES: usize = 10;

/// The kinds of twenty rules in turn.
const KINDS: [Kind; 20] = [
    Kind::Principal,
    Kind::Principal,
    Kind::Prefix,
    Kind::Namespace,
    Kind::Path,
    Kind::Principal,
    Kind::Principal,
    Kind::Suffix,
    Kind::Claim,
    Kind::Negative,
    Kind::Principal,
    Kind::Principal,
    Kind::Prefix,
    Kind::Namespace,
    Kind::Path,
    Kind::Principal,
    Kind::Principal,
    Kind::Namespace,
    Kind::Header,
    Kind::Negative,
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Principal,
    Prefix,
    Suffix,
    Namespace,
    Path,
    Claim,
    Header,
    Negative,
}

/// What requests meet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    HitFirst,
    HitLast,
    MissAll,
    DenyLast,
}

/// A request and what it must meet.
pub struct Asked {
    pub principal: String,
    pub path: String,
    pub method: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub claims: Map<String, Value>,
    pub is_allowed: bool,
}

// === impl Ask ===

impl Ask {
    pub const ALL: [Ask; 4] = [Ask::HitFirst, Ask::HitLast, Ask::MissAll, Ask::DenyLast];

    pub fn name(self) -> &'static str {
        match self {
            Ask::HitFirst => "hit first",
            Ask::HitLast => "hit last",
            Ask::MissAll => "miss all",
            Ask::DenyLast => "DENY last",
        }
    }
}

// === impl Asked ===

impl Asked {
    /// A usual request that no rule knows.
    fn stranger(number: usize) -> Self {
        let usual = [
            (":scheme", "http"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            ("user-agent", "tonic/0.14.9"),
            (
                "traceparent",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            ),
            ("grpc-timeout", "950m"),
        ];
        let mut claims = Map::new();
        claims.insert("iss".to_owned(), json!("https://issuer.example"));
        claims.insert("sub".to_owned(), json!(format!("user-{number}")));
        claims.insert(
            "groups".to_owned(),
            json!(["everyone", format!("nobody-{number}")]),
        );
        Self {
            principal: format!("cluster.local/ns/elsewhere-{number}/sa/stranger-{number}"),
            path: format!("/shop.order.v1.OrderService/Method{number}"),
            method: "POST",
            headers: usual.map(|(name, value)| (name, value.to_owned())).to_vec(),
            claims,
            is_allowed: false,
        }
    }

    /// The request that a rule is for.
    fn of_rule(number: usize, is_allowed: bool) -> Self {
        let mut asked = Self {
            is_allowed,
            ..Self::stranger(number)
        };
        match KINDS[number % KINDS.len()] {
            Kind::Principal => asked.principal = principal(number),
            Kind::Prefix => asked.principal = format!("cluster.local/ns/team-{number}-x/sa/any"),
            Kind::Suffix => asked.principal = format!("cluster.local/ns/any/sa/job-{number}"),
            Kind::Namespace => asked.principal = format!("cluster.local/ns/ns-{number}/sa/any"),
            Kind::Path => asked.path = format!("/shop.v1.Service{number}/Get"),
            Kind::Claim => {
                asked
                    .claims
                    .insert("groups".to_owned(), json!([format!("group-{number}")]));
            }
            Kind::Header => asked.headers.push(("x-tenant", format!("tenant-{number}"))),
            Kind::Negative => asked.path = format!("/negative/{number}/a"),
        }
        asked
    }

    pub fn with<T>(&self, use_request: impl FnOnce(&Request<'_>) -> T) -> T {
        use_request(&Request {
            source: mesh_policy::Source {
                principal: Some(&self.principal),
                ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
                remote_ip: None,
            },
            destination: Destination {
                ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)),
                port: 50_051,
            },
            sni: "outbound_.50051_._.order.shop.svc.cluster.local",
            http: Some(Http {
                method: self.method,
                host: Some("order.shop.svc.cluster.local:50051"),
                path: &self.path,
                headers: &self.headers,
            }),
            jwt: Some(Jwt {
                claims: Some(&self.claims),
                ..Jwt::default()
            }),
            metadata: None,
        })
    }
}

/// Requests of a sort, as many as make the sort: one for each rule of the policy that decides.
pub fn requests(ask: Ask, policies: usize) -> Vec<Asked> {
    let of_policy = |policy: usize, is_allowed: bool| -> Vec<Asked> {
        let rules = policy * RULES..(policy + 1) * RULES;
        rules.map(|rule| Asked::of_rule(rule, is_allowed)).collect()
    };
    match ask {
        Ask::HitFirst => of_policy(0, true),
        Ask::HitLast => {
            let last = (0..policies).rev().find(|policy| !denies(*policy));
            last.map(|policy| of_policy(policy, true))
                .unwrap_or_default()
        }
        Ask::MissAll => (0..64)
            .map(|number| Asked::stranger(10_000_000 + number))
            .collect(),
        Ask::DenyLast => {
            let last = (0..policies).rev().find(|policy| denies(*policy));
            last.map(|policy| of_policy(policy, false))
                .unwrap_or_default()
        }
    }
}

pub fn policies(count: usize) -> PolicySet {
    let policies = (0..count).map(|number| {
        let rules = number * RULES..(number + 1) * RULES;
        policy(number, denies(number), rules.map(rule).collect())
    });
    PolicySet {
        authorization_policies: policies.collect(),
        ..PolicySet::default()
    }
}

fn denies(policy: usize) -> bool {
    policy % 4 == 3
}

fn policy(number: usize, denies: bool, rules: Vec<Rule>) -> AuthorizationPolicy {
    AuthorizationPolicy {
        meta: Meta {
            name: format!("policy-{number:05}"),
            ..Meta::default()
        },
        action: if denies { Action::Deny } else { Action::Allow },
        rules,
        ..AuthorizationPolicy::default()
    }
}

/// The rule of a number.
pub fn rule(number: usize) -> Rule {
    let mut source = Source::default();
    let mut operation = Operation {
        methods: vec!["POST".to_owned()],
        ..Operation::default()
    };
    let mut when = Vec::new();
    let condition = |key: &str, value: String| Condition {
        key: key.to_owned(),
        values: vec![value],
        ..Condition::default()
    };
    match KINDS[number % KINDS.len()] {
        Kind::Principal => source.principals = vec![principal(number)],
        Kind::Prefix => source.principals = vec![format!("cluster.local/ns/team-{number}-*")],
        Kind::Suffix => source.principals = vec![format!("*/sa/job-{number}")],
        Kind::Namespace => source.namespaces = vec![format!("ns-{number}")],
        Kind::Path => operation.paths = vec![format!("/shop.v1.Service{number}/Get")],
        Kind::Claim => {
            when.push(condition(
                "request.auth.claims[groups]",
                format!("group-{number}"),
            ));
        }
        Kind::Header => {
            when.push(condition(
                "request.headers[x-tenant]",
                format!("tenant-{number}"),
            ));
        }
        Kind::Negative => {
            source.not_namespaces = vec![format!("blocked-{number}")];
            source.not_principals = vec![principal(number)];
            operation.paths = vec![format!("/negative/{number}/*")];
            operation.methods = Vec::new();
            operation.not_methods = vec!["DELETE".to_owned()];
        }
    }
    let from = if source == Source::default() {
        Vec::new()
    } else {
        vec![source]
    };
    Rule {
        from,
        to: vec![operation],
        when,
    }
}

fn principal(number: usize) -> String {
    format!(
        "cluster.local/ns/space-{}/sa/account-{number}",
        number % 100
    )
}

/// 10,000 policies of 10 rules, each of which asks for a namespace, an identity and a port.
pub fn ztunnel_policies() -> PolicySet {
    let rule = |number: usize| Rule {
        from: vec![Source {
            principals: vec![principal(number)],
            ..Source::default()
        }],
        to: vec![Operation {
            ports: vec!["8080".to_owned()],
            ..Operation::default()
        }],
        when: Vec::new(),
    };
    let policies = (0..10_000).map(|number| {
        policy(
            number,
            false,
            (number * RULES..(number + 1) * RULES).map(rule).collect(),
        )
    });
    PolicySet {
        authorization_policies: policies.collect(),
        ..PolicySet::default()
    }
}

/// The one that no rule of it takes.
pub fn ztunnel_request() -> Asked {
    Asked::stranger(0)
}
