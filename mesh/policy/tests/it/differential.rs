//! The engine beside the naive evaluator, over random cases: what one says the other must say. A
//! case that differs is made small and printed as a file that can be kept in `counter-examples`.

use std::collections::BTreeSet;
use std::time::Instant;

use mesh_api::AuthorizationPolicy;

use crate::case::Case;
use crate::engine::{Compiled, Said};
use crate::generate::{self, Random, Shape};
use crate::naive::{self, Matched, Verdict};
use crate::{keep, shrink};

/// Pairs of policies and request that every run compares; `POLICY_PAIRS` is for more, or less.
const PAIRS: usize = 1_000_000;

/// Pairs when `TRADEWIND_SOAK_SECONDS` is set.
const SOAK_PAIRS: usize = 10_000_000;

/// Requests of a compiled set of policies.
const REQUESTS_OF_A_CASE: usize = 50;

/// Differences that are printed: the first ones say enough.
const TOLD_MAX: usize = 5;

/// Of how many cases one is also built up policy by policy.
const GROWN_EVERY: u64 = 10;

#[test]
fn engine_and_naive_evaluator_agree_on_random_cases() {
    let pairs = match (
        std::env::var("POLICY_PAIRS"),
        std::env::var("TRADEWIND_SOAK_SECONDS"),
    ) {
        (Ok(pairs), _) => pairs.parse().expect("POLICY_PAIRS is a number"),
        (Err(_), Ok(_)) => SOAK_PAIRS,
        (Err(_), Err(_)) => PAIRS,
    };
    let first: u64 = match std::env::var("POLICY_SEED") {
        Ok(seed) => seed.parse().expect("POLICY_SEED is a number"),
        Err(_) => 1,
    };
    let started = Instant::now();
    let shape = Shape {
        live: false,
        requests: REQUESTS_OF_A_CASE,
    };
    let mut differences = Vec::new();
    let mut decisions = [0_usize; 3];
    for (seed, _) in (first..).zip(0..pairs / REQUESTS_OF_A_CASE) {
        let case = generate::case(seed, shape);
        let grown = || {
            if seed.is_multiple_of(GROWN_EVERY) {
                grows(&case, seed)
            } else {
                Ok(())
            }
        };
        match difference(&case, &mut decisions).and_then(|()| grown()) {
            Ok(()) => {}
            Err(_) if differences.len() >= TOLD_MAX => break,
            Err(what) => differences.push(format!("{what}\n{}", tell(seed, &case))),
        }
    }
    println!(
        "{pairs} pairs in {:?}: ALLOW, DENY, CUSTOM {decisions:?}",
        started.elapsed()
    );
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    for decided in decisions {
        assert!(
            decided > pairs / 100,
            "every decision is met often: {decisions:?}"
        );
    }
}

/// The paths that a live Envoy told of, each as the only one that is allowed.
#[test]
fn engine_sees_every_path_as_envoy_made_it() {
    use mesh_api::PathNormalization::{Base, DecodeAndMergeSlashes, MergeSlashes, None};
    let told: Vec<[String; 4]> = serde_json::from_str(include_str!("envoy-paths.json")).unwrap();
    let mut wrong = Vec::new();
    for paths in &told {
        for (mode, made) in [None, Base, MergeSlashes, DecodeAndMergeSlashes]
            .iter()
            .zip(paths)
        {
            let path = made.split('?').next().unwrap_or_default();
            if path.starts_with('*') || path.ends_with('*') {
                continue; // no value says exactly this
            }
            let mut case = generate::path_case(path, *mode);
            if let Some(http) = &mut case.requests[0].http {
                http.path.clone_from(&paths[0]);
            }
            if Compiled::of(&case).decide(&case.requests[0]).decision != "ALLOW" {
                wrong.push(format!("{mode:?} {:?} is not {path:?}", paths[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Panics where the two differ.
pub(crate) fn check(case: &Case) {
    let mut decisions = [0; 3];
    assert!(
        difference(case, &mut decisions).is_ok(),
        "{}",
        tell(0, case)
    );
}

/// Asks the engine alone: it must have an answer.
pub(crate) fn ask(case: &Case) {
    let engine = Compiled::of(case);
    for request in &case.requests {
        engine.decide(request);
        engine
            .explain(request)
            .expect("explaining says what deciding says");
    }
}

fn tell(seed: u64, case: &Case) -> String {
    let wrong = |case: &Case| difference(case, &mut [0; 3]).is_err();
    let small = shrink::shrink(case, wrong);
    let what = difference(&small, &mut [0; 3]).err().unwrap_or_default();
    format!("seed {seed}: {what}\n{}", keep::to_json(&small))
}

/// The first difference over all requests of a case.
fn difference(case: &Case, decisions: &mut [usize; 3]) -> Result<(), String> {
    let engine = Compiled::of(case);
    for request in &case.requests {
        let verdict = naive::decide(case, request);
        let said = engine.decide(request);
        compare(&verdict, &said).map_err(|what| format!("{what}\n{verdict:?}\n{said:?}"))?;
        engine.explain(request)?;
        let place = ["ALLOW", "DENY", "CUSTOM"]
            .iter()
            .position(|name| *name == verdict.decision);
        decisions[place.expect("one of three")] += 1;
    }
    Ok(())
}

/// An engine that came about by changes, one policy at a time and in another order, says what one
/// says that was compiled at once.
fn grows(case: &Case, seed: u64) -> Result<(), String> {
    let random = &mut Random::new(seed);
    let at_once = Compiled::of(case);
    let policies = &case.set.authorization_policies;
    let mut start = case.clone();
    start
        .set
        .authorization_policies
        .retain(|_| random.chance(30));
    let mut grown = Compiled::of(&start).0;
    for policy in &policies[..policies.len() / 2] {
        grown = grown.without(&policy.meta.namespace, &policy.meta.name);
    }
    for _ in 0..policies.len() {
        let policy = &policies[random.below(policies.len())];
        // Something else under its name first: it must leave nothing behind.
        let mut other = random_policy(policies, random);
        other.meta.clone_from(&policy.meta);
        grown = grown.with(&other).with(policy);
    }
    for policy in policies {
        grown = grown.with(policy);
    }
    let grown = Compiled(grown);
    for request in &case.requests {
        let (once, later) = (at_once.decide(request), grown.decide(request));
        if once != later {
            return Err(format!("compiled at once {once:?}, grown {later:?}"));
        }
        grown.explain(request)?;
    }
    Ok(())
}

fn random_policy(from: &[AuthorizationPolicy], random: &mut Random) -> AuthorizationPolicy {
    from[random.below(from.len())].clone()
}

/// Whether the engine says what the verdict says.
pub(crate) fn compare(verdict: &Verdict, said: &Said) -> Result<(), String> {
    if said.decision != verdict.decision {
        return Err(format!(
            "{} where {} was expected",
            said.decision, verdict.decision
        ));
    }
    decided_by(&verdict.by, said.policy.as_deref(), said.rule)?;
    if said.provider != verdict.provider {
        return Err(format!("provider {:?}", said.provider));
    }
    match (&verdict.then, &said.then) {
        (None, None) => {}
        (Some((then, by)), Some(said_then)) if then == said_then => {
            let named = said.then_by.as_ref();
            decided_by(by, named.map(|one| &*one.policy), named.map(|one| one.rule))?;
        }
        (expected, found) => return Err(format!("then {found:?}, not {expected:?}")),
    }
    let audit: BTreeSet<&str> = verdict
        .audit
        .iter()
        .map(|matched| &*matched.policy)
        .collect();
    let found: BTreeSet<&str> = said.audit.iter().map(String::as_str).collect();
    if audit != found {
        return Err(format!("audit {found:?}, not {audit:?}"));
    }
    let dry_run = |list: &[(Matched, &'static str)]| -> BTreeSet<(String, &'static str)> {
        list.iter()
            .map(|(matched, action)| (matched.policy.clone(), *action))
            .collect()
    };
    if dry_run(&verdict.dry_run) != dry_run(&said.dry_run) {
        return Err(format!(
            "dry run {:?}, not {:?}",
            said.dry_run, verdict.dry_run
        ));
    }
    match said
        .dry_run
        .iter()
        .find(|one| !verdict.dry_run.contains(one))
    {
        Some(one) => Err(format!("dry run by {one:?}")),
        None => Ok(()),
    }
}

/// Of several rules that match, the one is named that Envoy would come to first.
fn decided_by(by: &[Matched], policy: Option<&str>, rule: Option<usize>) -> Result<(), String> {
    let expected = by.first();
    let names_it = match expected {
        None => policy.is_none() && rule.is_none(),
        Some(matched) => policy == Some(&matched.policy) && rule == Some(matched.rule),
    };
    if names_it {
        Ok(())
    } else {
        Err(format!("by {policy:?} {rule:?}, not {expected:?}"))
    }
}
