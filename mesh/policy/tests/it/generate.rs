//! Random cases from a seed, over alphabets so small that rules match often. The generator is our
//! own, so that a seed means the same case whatever versions of libraries are in the tree.

mod policies;
mod requests;
mod words;

use std::collections::BTreeMap;

use mesh_api::{
    AuthorizationPolicy, ExtAuthz, ExtensionProvider, MeshSettings, Meta, Operation,
    PathNormalization, PolicySet, ProviderKind, RequestAuthentication, Rule, Workload,
};

use crate::case::{Case, Http};
pub(crate) use requests::request;

/// SplitMix64: small, and enough to spread cases.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

/// What a generator may make use of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Only what reaches a real Envoy unchanged over real sockets.
    pub(crate) live: bool,
    pub(crate) requests: usize,
}

/// The case of a seed.
pub(crate) fn case(seed: u64, shape: Shape) -> Case {
    let random = &mut Random::new(seed);
    let settings = settings(random);
    let workload = workload(random, &settings);
    let set = PolicySet {
        authorization_policies: policies::policies(random),
        request_authentications: request_authentications(random),
        ..PolicySet::default()
    };
    let requests = (0..shape.requests)
        .map(|_| request(random, shape))
        .collect();
    Case {
        set,
        workload,
        settings,
        requests,
    }
}

/// One ALLOW policy for one path, and a request for it.
pub(crate) fn path_case(path: &str, mode: PathNormalization) -> Case {
    let mut case = case(
        0,
        Shape {
            live: true,
            requests: 1,
        },
    );
    let operation = Operation {
        paths: vec![path.to_owned()],
        ..Operation::default()
    };
    case.workload.namespace = "foo".to_owned();
    case.settings.path_normalization = mode;
    case.set.authorization_policies = vec![AuthorizationPolicy {
        meta: Meta {
            name: "path".to_owned(),
            namespace: "foo".to_owned(),
            ..Meta::default()
        },
        rules: vec![Rule {
            to: vec![operation],
            ..Rule::default()
        }],
        ..AuthorizationPolicy::default()
    }];
    case.requests[0].http = Some(Http {
        method: "GET".to_owned(),
        host: Some("httpbin.foo".to_owned()),
        path: path.to_owned(),
        headers: Vec::new(),
    });
    case
}

fn settings(random: &mut Random) -> MeshSettings {
    let aliases: &[&[&str]] = &[&[], &[], &["old-td"], &["td1"], &["old-td", "new-td"]];
    MeshSettings {
        trust_domain: random
            .pick(&["cluster.local", "cluster.local", "td1"])
            .to_string(),
        trust_domain_aliases: random
            .pick(aliases)
            .iter()
            .map(ToString::to_string)
            .collect(),
        path_normalization: *random.pick(&[
            PathNormalization::None,
            PathNormalization::Base,
            PathNormalization::Base,
            PathNormalization::MergeSlashes,
            PathNormalization::DecodeAndMergeSlashes,
        ]),
        extension_providers: vec![
            provider("http-authz", ProviderKind::ExtAuthzHttp(authorizer()), None),
            provider("grpc-authz", ProviderKind::ExtAuthzGrpc(authorizer()), None),
            provider("tracer", ProviderKind::Other("zipkin".to_owned()), None),
            provider(
                "broken",
                ProviderKind::ExtAuthzGrpc(authorizer()),
                Some("port must be in the range 1 to 65535"),
            ),
        ],
        ..MeshSettings::default()
    }
}

fn authorizer() -> ExtAuthz {
    ExtAuthz {
        service: "authz.foo.svc.cluster.local".to_owned(),
        port: 9000,
        ..ExtAuthz::default()
    }
}

fn provider(name: &str, kind: ProviderKind, fault: Option<&str>) -> ExtensionProvider {
    ExtensionProvider {
        name: name.to_owned(),
        kind,
        fault: fault.map(str::to_owned),
    }
}

fn workload(random: &mut Random, settings: &MeshSettings) -> Workload {
    let mut labels = BTreeMap::from([("app".to_owned(), "httpbin".to_owned())]);
    if random.chance(50) {
        labels.insert("version".to_owned(), random.pick(&["v1", "v2"]).to_string());
    }
    Workload {
        namespace: random
            .pick(&["foo", "foo", "foo", "istio-system"])
            .to_string(),
        service_account: "httpbin".to_owned(),
        labels,
        trust_domain: settings.trust_domain.clone(),
    }
}

/// Seldom anything: of RequestAuthentication, decisions depend on the space-delimited claims alone.
fn request_authentications(random: &mut Random) -> Vec<RequestAuthentication> {
    if !random.chance(20) {
        return Vec::new();
    }
    let rule = mesh_api::JwtRule {
        issuer: random.pick(&words::ISSUERS[..3]).to_string(), // Istio wants one
        jwks: r#"{"keys":[]}"#.to_owned(),
        space_delimited_claims: vec!["groups".to_owned()],
        ..mesh_api::JwtRule::default()
    };
    vec![RequestAuthentication {
        meta: Meta {
            name: "jwt".to_owned(),
            namespace: random.pick(&["foo", "istio-system", "other"]).to_string(),
            ..Meta::default()
        },
        jwt_rules: vec![rule],
        ..RequestAuthentication::default()
    }]
}

// === impl Random ===

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed);
        random.next(); // neighbouring seeds differ in one bit only
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("lengths fit");
        usize::try_from(self.next() % bound).expect("below a length")
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// One to `most` of them, perhaps the same one twice.
    pub(crate) fn some(&mut self, most: usize, from: &[&str]) -> Vec<String> {
        (0..=self.below(most))
            .map(|_| self.pick(from).to_string())
            .collect()
    }
}
