//! The engine as the tests see it: a case compiled, a request lent to it, its answer in plain
//! words.

use mesh_policy::{Destination, Engine, Http, Jwt, Place, RuleProof, Source, Verdict};
use serde_json::Value;

use crate::case::{Case, Request};
use crate::naive::Matched;

/// Rules that a proof shows of those that miss.
const NEAREST_MAX: usize = 3;

/// The engine of a case.
pub(crate) struct Compiled(pub(crate) Engine);

/// What the engine says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub(crate) decision: &'static str,
    pub(crate) policy: Option<String>,
    pub(crate) rule: Option<usize>,
    pub(crate) provider: Option<String>,
    pub(crate) then: Option<&'static str>,
    pub(crate) then_by: Option<Matched>,
    pub(crate) audit: Vec<String>,
    pub(crate) dry_run: Vec<(Matched, &'static str)>,
}

// === impl Compiled ===

impl Compiled {
    pub(crate) fn of(case: &Case) -> Self {
        Compiled(mesh_policy::compile(
            &case.set,
            &case.workload,
            &case.settings,
        ))
    }

    pub(crate) fn decide(&self, request: &Request) -> Said {
        with(request, |request| Said::of(&self.0.decide(request)))
    }
}

impl Compiled {
    /// Whether the proof of a decision proves what was decided.
    pub(crate) fn explain(&self, request: &Request) -> Result<(), String> {
        with(request, |request| {
            let decision = self.0.decide(request);
            let proof = self.0.explain(request, NEAREST_MAX);
            if proof.decision != decision {
                return Err(format!(
                    "explained {:?}, decided {decision:?}",
                    proof.decision
                ));
            }
            let then = match &decision.verdict {
                Verdict::Custom { then, .. } => *then,
                Verdict::Allow | Verdict::Deny => None,
            };
            let named: Vec<_> = decision.by.into_iter().chain(then).collect();
            let proved: Vec<_> = proof.decided.iter().map(|proof| proof.rule).collect();
            if named != proved {
                return Err(format!("decided by {named:?}, proved by {proved:?}"));
            }
            if let Some(odd) = proof.decided.iter().find(|proof| !proof.matches) {
                return Err(format!("decides and does not match: {odd:?}"));
            }
            let all = proof.decided.iter().chain(&proof.nearest);
            if let Some(odd) = all.clone().find(|proof| proof.matches != adds_up(proof)) {
                return Err(format!("its parts say otherwise: {odd:?}"));
            }
            let no_miss = |proof: &&RuleProof<'_>| {
                proof.matches || (!proof.is_void && proof.first_failure().is_none())
            };
            match proof.nearest.iter().find(no_miss) {
                Some(odd) => Err(format!("misses without a reason: {odd:?}")),
                None if proof.nearest.len() > NEAREST_MAX => Err("too many misses".to_owned()),
                None => Ok(()),
            }
        })
    }
}

// === impl Said ===

impl Said {
    pub(crate) fn of(decision: &mesh_policy::Decision<'_>) -> Self {
        let mut said = Said {
            decision: "ALLOW",
            policy: decision.by.map(|matched| name(matched.policy)),
            rule: decision.by.map(|matched| matched.rule),
            provider: None,
            then: None,
            then_by: None,
            audit: decision.audit.iter().map(|policy| name(policy)).collect(),
            dry_run: decision
                .dry_run
                .iter()
                .map(|one| (matched(one.matched), one.action))
                .collect(),
        };
        match &decision.verdict {
            Verdict::Allow => {}
            Verdict::Deny => said.decision = "DENY",
            Verdict::Custom {
                provider,
                then_allowed,
                then,
            } => {
                said.decision = "CUSTOM";
                said.provider = Some((*provider).to_owned());
                said.then = Some(if *then_allowed { "ALLOW" } else { "DENY" });
                said.then_by = then.map(matched);
            }
        }
        said
    }
}

/// Whether the parts of a proof make a rule that matches: a source, an operation, and all of
/// `when`.
fn adds_up(proof: &RuleProof<'_>) -> bool {
    let holds = |is_part: fn(&Place) -> bool| {
        let mut clauses = proof
            .clauses
            .iter()
            .filter(|clause| is_part(&clause.place))
            .peekable();
        clauses.peek().is_none() || clauses.any(|clause| clause.failures().next().is_none())
    };
    !proof.is_void
        && holds(|place| matches!(place, Place::From(_)))
        && holds(|place| matches!(place, Place::To(_)))
        && holds(|place| matches!(place, Place::When))
}

fn matched(matched: mesh_policy::Matched<'_>) -> Matched {
    Matched {
        policy: name(matched.policy),
        rule: matched.rule,
    }
}

fn name(policy: &mesh_policy::PolicyName) -> String {
    format!("{}/{}", policy.namespace, policy.name)
}

/// Lends the request to the engine.
pub(crate) fn with<T>(request: &Request, then: impl FnOnce(&mesh_policy::Request<'_>) -> T) -> T {
    let text = |name: &str| request.jwt.as_ref()?.get(name)?.as_str();
    let jwt = request.jwt.as_ref().map(|jwt| Jwt {
        iss: text("iss"),
        sub: text("sub"),
        aud: jwt.get("aud"),
        azp: text("azp"),
        claims: jwt.get("claims").and_then(Value::as_object),
    });
    let http = request.http.as_ref().map(|http| Http {
        method: &http.method,
        host: http.host.as_deref(),
        path: &http.path,
        headers: &http.headers,
    });
    then(&mesh_policy::Request {
        source: Source {
            principal: request.principal.as_deref(),
            ip: request.ip,
            remote_ip: request.remote_ip,
        },
        destination: Destination {
            ip: request.destination_ip,
            port: request.port,
        },
        sni: &request.sni,
        http,
        jwt,
        metadata: Some(&request.metadata),
    })
}
