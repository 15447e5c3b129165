//! What is fuzzed: each target takes bytes, makes a case of them, and panics where the engine fails
//! or says another thing than the naive evaluator. `mesh/policy/fuzz` gives them to libFuzzer.

use std::path::Path;

use mesh_api::{
    Action, AuthorizationPolicy, Condition, Loaded, MeshSettings, Meta, Operation,
    PathNormalization, PolicySet, Rule, Source, Workload,
};

use crate::case::{Case, Http, Request};
use crate::generate::{self, Shape};
use crate::{differential, naive};

/// Reads an input piece by piece; at its end there are zeros.
struct Bytes<'a>(&'a [u8]);

/// Pieces of identities and of patterns for them.
const IDENTITY_PIECES: &[&str] = &[
    "cluster.local",
    "td1",
    "/",
    "ns",
    "sa",
    "/ns/",
    "/sa/",
    "foo",
    "bar",
    "sleep",
    ".",
    "-",
    "*",
    "spiffe://",
    "é",
    "\n",
    "+",
    "",
];

/// Pieces of templates; the literals are those that Istio takes.
const TEMPLATE_PIECES: &[&str] = &[
    "{*}",
    "{*}",
    "a",
    "b.c",
    "x,y:z@(1)",
    "$a+b",
    "pkg.Service",
    "~%2e",
];

/// Pieces of paths.
const PATH_PIECES: &[&str] = &[
    "/",
    "/",
    "a",
    "b.c",
    "x,y:z@(1)",
    "$a+b",
    "pkg.Service",
    "..",
    ".",
    "%2e",
    "%2F",
    "%5c",
    "\\",
    ";",
    "=",
    "*",
    "|",
    "é",
    "?",
    "~",
    "%",
    "//",
    "%41",
    "3",
];

/// Any text is read or refused as policies and as MeshConfig, without a panic.
pub(crate) fn policies(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let file = Path::new("fuzz.yaml");
    let loaded = Loaded::from_text(file, &text);
    let settings = mesh_api::mesh_settings_from_text(file, &text).unwrap_or_default();
    // What was read can be compiled and asked.
    let case = Case {
        set: loaded.policies,
        workload: workload(),
        settings,
        requests: vec![request("cluster.local/ns/foo/sa/sleep", "/a")],
    };
    differential::ask(&case);
}

/// Any string as identity, any pattern in the four fields that look at it.
pub(crate) fn identities(data: &[u8]) {
    let mut bytes = Bytes(data);
    let principal = bytes.glue(IDENTITY_PIECES, 10);
    let values: Vec<String> = (0..=bytes.below(2))
        .map(|_| bytes.glue(IDENTITY_PIECES, 6))
        .filter(|value| !value.is_empty())
        .collect();
    let plain = |value: &&String| {
        !value.contains('*')
            && value.split('/').count() <= 2
            && value.split('/').all(|s| !s.is_empty())
    };
    let domain = |value: &&String| {
        !value.contains('/')
            && match value.split_once('*') {
                None => true,
                Some((before, after)) => {
                    (before.is_empty() || after.is_empty()) && !after.contains('*')
                }
            }
    };
    let mut source = Source::default();
    let not = bytes.below(2) == 1;
    let (field, not_field, values) = match bytes.below(4) {
        0 => (&mut source.principals, &mut source.not_principals, values),
        1 => (&mut source.namespaces, &mut source.not_namespaces, values),
        2 => {
            let values = values.iter().filter(plain).cloned().collect();
            (
                &mut source.service_accounts,
                &mut source.not_service_accounts,
                values,
            )
        }
        _ => {
            let values = values.iter().filter(domain).cloned().collect();
            (
                &mut source.trust_domains,
                &mut source.not_trust_domains,
                values,
            )
        }
    };
    *(if not { not_field } else { field }) = values;
    let settings = MeshSettings {
        trust_domain_aliases: if bytes.below(2) == 1 {
            vec!["td1".to_owned()]
        } else {
            Vec::new()
        },
        ..MeshSettings::default()
    };
    let rule = Rule {
        from: vec![source],
        ..Rule::default()
    };
    check(rule, settings, request(&principal, "/"));
}

/// Any path in any mode becomes what the naive evaluator makes of it.
pub(crate) fn paths(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mode = bytes.mode();
    let path = if bytes.below(3) == 0 {
        bytes.rest()
    } else {
        bytes.glue(PATH_PIECES, 16)
    };
    // Envoy refuses what does not begin with a slash before anything is made of it.
    let path = if path.starts_with('/') {
        path
    } else {
        format!("/{path}")
    };
    let whole = naive::normalize(mode, &path);
    let expected = whole.split('?').next().unwrap_or_default().to_owned();
    if expected.is_empty() || expected.starts_with('*') || expected.ends_with('*') {
        return; // no pattern says exactly this
    }
    if expected.contains("{*}") || expected.contains("{**}") {
        return;
    }
    let operation = Operation {
        paths: vec![expected.clone()],
        ..Operation::default()
    };
    let rule = Rule {
        to: vec![operation],
        ..Rule::default()
    };
    let settings = MeshSettings {
        path_normalization: mode,
        ..MeshSettings::default()
    };
    check(rule, settings, request("a", &path));
}

/// Any template that Istio takes, any path.
pub(crate) fn templates(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut segments: Vec<&str> = (0..=bytes.below(4))
        .map(|_| bytes.pick(TEMPLATE_PIECES))
        .collect();
    if bytes.below(2) == 1 {
        let from = bytes.below(segments.len());
        // Behind `{**}` only literals stand.
        segments[from] = "{**}";
        for segment in segments.iter_mut().skip(from + 1) {
            if *segment == "{*}" {
                *segment = "a";
            }
        }
    }
    let end = if bytes.below(3) == 0 { "/" } else { "" };
    let template = format!("/{}{end}", segments.join("/"));
    let path = format!("/{}", bytes.glue(PATH_PIECES, 10));
    let operation = Operation {
        paths: vec![template],
        ..Operation::default()
    };
    let rule = Rule {
        to: vec![operation],
        ..Rule::default()
    };
    let mode = bytes.mode();
    check(
        rule,
        MeshSettings {
            path_normalization: mode,
            ..MeshSettings::default()
        },
        request("a", &path),
    );
}

/// Any text in any field of a request, against random policies.
pub(crate) fn requests(data: &[u8]) {
    let mut bytes = Bytes(data);
    let seed = u64::from(bytes.next()) << 8 | u64::from(bytes.next());
    let mut case = generate::case(
        seed,
        Shape {
            live: false,
            requests: 1,
        },
    );
    let request = &mut case.requests[0];
    for _ in 0..=bytes.below(4) {
        let text = bytes.text();
        match bytes.below(9) {
            0 => request.principal = Some(text),
            1 => request.sni = text,
            2 => request.port = u16::from(bytes.next()) << 8 | u16::from(bytes.next()),
            3 => request.remote_ip = Some([bytes.next(), bytes.next(), 0, 1].into()),
            4 => {
                if let Some(jwt) = &mut request.jwt {
                    jwt.insert("sub".to_owned(), text.into());
                }
            }
            place => {
                let Some(http) = &mut request.http else {
                    continue;
                };
                match place {
                    5 => http.method = text,
                    6 => http.host = Some(text),
                    7 => http.path = text,
                    _ => http
                        .headers
                        .push((bytes.header(), bytes.text().into_bytes())),
                }
            }
        }
    }
    case.requests
        .retain(|request| request.http.as_ref().is_none_or(|http| sane(&http.path)));
    differential::check(&case);
}

/// Whether Envoy would look at a policy for such a path at all; see `differential`.
fn sane(path: &str) -> bool {
    path.starts_with('/') && !path.contains('#')
}

fn check(rule: Rule, settings: MeshSettings, request: Request) {
    let when = Condition {
        key: "source.ip".to_owned(),
        values: vec!["0.0.0.0/0".to_owned()],
        ..Condition::default()
    };
    let policy = AuthorizationPolicy {
        meta: Meta {
            name: "a".to_owned(),
            namespace: "foo".to_owned(),
            ..Meta::default()
        },
        rules: vec![Rule {
            when: vec![when],
            ..rule
        }],
        action: Action::Allow,
        ..AuthorizationPolicy::default()
    };
    let set = PolicySet {
        authorization_policies: vec![policy],
        ..PolicySet::default()
    };
    differential::check(&Case {
        set,
        workload: workload(),
        settings,
        requests: vec![request],
    });
}

fn workload() -> Workload {
    Workload {
        namespace: "foo".to_owned(),
        ..Workload::default()
    }
}

fn request(principal: &str, path: &str) -> Request {
    Request {
        principal: Some(principal.to_owned()),
        ip: [10, 0, 0, 1].into(),
        remote_ip: None,
        destination_ip: [10, 0, 0, 2].into(),
        port: 8080,
        sni: String::new(),
        http: Some(Http {
            method: "GET".to_owned(),
            host: Some("a".to_owned()),
            path: path.to_owned(),
            headers: Vec::new(),
        }),
        jwt: None,
        metadata: serde_json::Map::new(),
    }
}

// === impl Bytes ===

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.next()) % bound
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }

    /// Up to `most` pieces, and now and then a byte as it is.
    fn glue(&mut self, from: &[&'static str], most: usize) -> String {
        let mut whole = String::new();
        for _ in 0..self.below(most + 1) {
            match self.next() {
                byte @ 32..=126 if byte % 4 == 0 => whole.push(char::from(byte)),
                byte => whole.push_str(from[usize::from(byte) % from.len()]),
            }
        }
        whole
    }

    /// Up to a zero byte, as text.
    fn text(&mut self) -> String {
        let end = self
            .0
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(self.0.len())
            .min(64);
        let (text, rest) = self.0.split_at(end);
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }

    fn rest(&mut self) -> String {
        String::from_utf8_lossy(std::mem::take(&mut self.0)).into_owned()
    }

    fn header(&mut self) -> String {
        self.pick(&["x-a", "X-A", "x-b", "x-c"]).to_owned()
    }

    fn mode(&mut self) -> PathNormalization {
        match self.below(4) {
            0 => PathNormalization::None,
            1 => PathNormalization::Base,
            2 => PathNormalization::MergeSlashes,
            _ => PathNormalization::DecodeAndMergeSlashes,
        }
    }
}
