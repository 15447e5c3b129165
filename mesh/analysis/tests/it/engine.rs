//! What is said of rules against the engine that decides: a rule that is said to be superfluous, or
//! to match nothing, can go without any decision changing. Random policies over few words, so that
//! rules meet often; random requests over the same words.

use std::net::IpAddr;

use mesh_analysis::{Code, Finding, World, analyze};
use mesh_api::{
    Action, AuthorizationPolicy, Condition, Loaded, MeshSettings, Meta, Operation, PolicySet, Rule,
    Source, Workload,
};
use mesh_policy::{Destination, Engine, Http, Jwt, Request, compile};
use serde_json::{Map, Value, json};

/// Sets of policies, and requests that each pair of them is asked.
const SETS: usize = 3_000;
const REQUESTS: usize = 60;

const SEED: u64 = 0x5eed_2026;

const PRINCIPALS: [&str; 8] = [
    "cluster.local/ns/a/sa/x",
    "cluster.local/ns/a/sa/y",
    "cluster.local/ns/b/sa/x",
    "old/ns/a/sa/x",
    "other/ns/a/sa/x",
    "cluster.local/ns/a/*",
    "*/sa/x",
    "*",
];
const NAMESPACES: [&str; 5] = ["a", "b", "a*", "*b", "*"];
const ACCOUNTS: [&str; 3] = ["x", "a/x", "b/x"];
const DOMAINS: [&str; 4] = ["cluster.local", "old", "o*", "*"];
const ADDRESSES: [&str; 4] = ["10.1.0.1", "10.1.0.0/16", "10.0.0.0/8", "11.0.0.0/8"];
const TOKENS: [&str; 5] = ["i/s", "i/t", "i/*", "*/s", "*"];
const HOSTS: [&str; 4] = ["a.example", "*.example", "A.EXAMPLE", "*"];
const METHODS: [&str; 4] = ["GET", "POST", "P*", "*"];
const PORTS: [&str; 3] = ["80", "080", "81"];
const PATHS: [&str; 9] = [
    "/a", "/a/b", "/a/b/c", "/a*", "*/b", "/{*}", "/a/{*}", "/a/{**}", "*",
];
const TEXTS: [&str; 5] = ["u", "v", "u*", "*v", "*"];

/// xorshift: the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    fn one<'w>(&mut self, words: &[&'w str]) -> &'w str {
        words[self.below(words.len())]
    }

    /// Nothing most of the time, else one or two words.
    fn some(&mut self, words: &[&str]) -> Vec<String> {
        let count = self.below(6).saturating_sub(3);
        (0..count).map(|_| self.one(words).to_owned()).collect()
    }
}

fn source(dice: &mut Dice) -> Source {
    let mut source = Source {
        ip_blocks: dice.some(&ADDRESSES),
        not_ip_blocks: dice.some(&ADDRESSES),
        request_principals: dice.some(&TOKENS),
        not_request_principals: dice.some(&TOKENS),
        trust_domains: dice.some(&DOMAINS),
        not_trust_domains: dice.some(&DOMAINS),
        ..Source::default()
    };
    if dice.below(3) == 0 {
        source.service_accounts = dice.some(&ACCOUNTS);
        source.not_service_accounts = dice.some(&ACCOUNTS);
    } else {
        source.principals = dice.some(&PRINCIPALS);
        source.not_principals = dice.some(&PRINCIPALS);
        source.namespaces = dice.some(&NAMESPACES);
        source.not_namespaces = dice.some(&NAMESPACES);
    }
    if source == Source::default() {
        source.namespaces = vec!["a".to_owned()];
    }
    source
}

fn operation(dice: &mut Dice) -> Operation {
    let operation = Operation {
        hosts: dice.some(&HOSTS),
        not_hosts: dice.some(&HOSTS),
        ports: dice.some(&PORTS),
        not_ports: dice.some(&PORTS),
        methods: dice.some(&METHODS),
        not_methods: dice.some(&METHODS),
        paths: dice.some(&PATHS),
        not_paths: dice.some(&PATHS),
    };
    if operation == Operation::default() {
        return Operation {
            ports: vec!["80".to_owned()],
            ..operation
        };
    }
    operation
}

fn condition(dice: &mut Dice) -> Condition {
    let (key, words): (&str, &[&str]) = match dice.below(8) {
        0 => ("source.principal", &PRINCIPALS),
        1 => ("source.namespace", &NAMESPACES),
        2 => ("source.ip", &ADDRESSES),
        3 => ("destination.port", &PORTS),
        4 => ("request.headers[h]", &TEXTS),
        5 => ("request.auth.claims[g]", &TEXTS),
        6 => ("request.auth.principal", &TOKENS),
        _ => ("connection.sni", &TEXTS),
    };
    Condition {
        key: key.to_owned(),
        values: vec![dice.one(words).to_owned()],
        not_values: dice.some(words),
    }
}

fn rule(dice: &mut Dice) -> Rule {
    Rule {
        from: (0..dice.below(3)).map(|_| source(dice)).collect(),
        to: (0..dice.below(3)).map(|_| operation(dice)).collect(),
        when: (0..dice.below(6).saturating_sub(3))
            .map(|_| condition(dice))
            .collect(),
    }
}

fn policies(dice: &mut Dice) -> PolicySet {
    let mut set = PolicySet::default();
    for number in 0..1 + dice.below(3) {
        let mut rules: Vec<Rule> = (0..1 + dice.below(3)).map(|_| rule(dice)).collect();
        // Rules that differ in little lie within each other more often than any two.
        if dice.below(2) == 0 {
            let mut near = rules[0].clone();
            match dice.below(4) {
                0 => near.from.push(source(dice)),
                1 => near.to.clear(),
                2 => near.when.push(condition(dice)),
                _ => near.from.truncate(1),
            }
            rules.push(near);
        }
        let labels = [("app".to_owned(), "w".to_owned())];
        set.authorization_policies.push(AuthorizationPolicy {
            meta: Meta {
                name: format!("p{number}"),
                namespace: ["foo", "root"][dice.below(2)].to_owned(),
                ..Meta::default()
            },
            selector: labels.into_iter().take(dice.below(2)).collect(),
            rules,
            action: [Action::Allow, Action::Deny][dice.below(2)].clone(),
            ..AuthorizationPolicy::default()
        });
    }
    set
}

fn settings(dice: &mut Dice) -> MeshSettings {
    let aliases = ["old".to_owned()];
    MeshSettings {
        root_namespace: "root".to_owned(),
        trust_domain_aliases: aliases.into_iter().take(dice.below(2)).collect(),
        ..MeshSettings::default()
    }
}

/// Asks both engines the same request, and compares whether it may pass.
fn assert_same(dice: &mut Dice, all: &Engine, fewer: &Engine, with_tcp: bool, what: &str) {
    let principals = &PRINCIPALS[..5];
    let addresses: [IpAddr; 3] = ["10.1.0.1", "10.2.0.1", "11.0.0.1"].map(|ip| ip.parse().unwrap());
    for _ in 0..REQUESTS {
        let headers: Vec<(&str, &str)> = match dice.below(3) {
            0 => Vec::new(),
            1 => vec![("h", "u")],
            _ => vec![("h", "uv"), ("h", "v")],
        };
        let groups = [json!("u"), json!(["u", "v"]), json!("w")];
        let claims: Map<String, Value> = match dice.below(4) {
            3 => Map::new(),
            number => [("g".to_owned(), groups[number].clone())]
                .into_iter()
                .collect(),
        };
        let has_token = dice.below(3) > 0;
        let http = Http {
            method: dice.one(&["GET", "POST", "PUT"]),
            host: (dice.below(4) > 0).then(|| dice.one(&["a.example", "b.example", "c"])),
            path: dice.one(&["/", "/a", "/a/", "/a/b", "/a/b/c", "/b", "/c/b", "/a?b"]),
            headers: &headers,
        };
        let request = Request {
            source: mesh_policy::Source {
                principal: (dice.below(5) > 0).then(|| dice.one(principals)),
                ip: addresses[dice.below(3)],
                remote_ip: None,
            },
            destination: Destination {
                ip: addresses[0],
                port: [80, 81, 82][dice.below(3)],
            },
            sni: dice.one(&["", "u", "uv", "w"]),
            http: (!with_tcp || dice.below(4) > 0).then_some(http),
            jwt: has_token.then(|| Jwt {
                iss: Some("i"),
                sub: Some(dice.one(&["s", "t"])),
                claims: Some(&claims),
                ..Jwt::default()
            }),
            metadata: None,
        };
        let (left, right) = (all.decide(&request), fewer.decide(&request));
        assert_eq!(
            left.is_allowed(),
            right.is_allowed(),
            "{what}\n{left:?}\n{right:?}\n{:?} {} {:?} {}",
            request.source,
            request.destination.port,
            request.http.map(|http| (http.method, http.host, http.path)),
            request.sni,
        );
    }
}

/// The policy and rule of which a finding says that it could go.
fn superfluous(finding: &Finding) -> Option<(String, usize)> {
    let is_of_rule = matches!(
        finding.code,
        Code::Contradiction | Code::DenyOfNothing | Code::Shadowed | Code::AllowDenied
    );
    let path = finding.path.strip_prefix("spec.rules[")?;
    let number = path.split(']').next()?.parse().ok()?;
    let name = finding.object.rsplit('/').next()?.to_owned();
    is_of_rule.then_some((name, number))
}

#[test]
fn a_rule_that_is_told_of_can_go_without_any_decision_changing() {
    let mut dice = Dice(SEED);
    let mut told = 0;
    let labels = [("app".to_owned(), "w".to_owned())];
    let workload = Workload {
        namespace: "foo".to_owned(),
        labels: labels.into_iter().collect(),
        ..Workload::default()
    };
    for _ in 0..SETS {
        let set = policies(&mut dice);
        let settings = settings(&mut dice);
        let mut loaded = Loaded::default();
        loaded.policies = set.clone();
        let world = World {
            settings: Some(settings.clone()),
            ..World::default()
        };
        let all = compile(&set, &workload, &settings);
        for finding in analyze(&loaded, &world) {
            let Some((name, number)) = superfluous(&finding) else {
                continue;
            };
            told += 1;
            let mut fewer = set.clone();
            let policies = fewer.authorization_policies.iter_mut();
            for policy in policies.filter(|policy| policy.meta.name == name) {
                policy.rules.remove(number);
            }
            let fewer = compile(&fewer, &workload, &settings);
            let what = format!("{finding}\n{:#?}", set.authorization_policies);
            let with_tcp = !finding.message.starts_with("no HTTP request");
            assert_same(&mut dice, &all, &fewer, with_tcp, &what);
        }
    }
    assert!(told > 1_000, "only {told} rules were told of");
}
