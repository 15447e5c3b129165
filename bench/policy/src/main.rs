//! What a decision of the policy engine costs: `policy-bench [--quick]` prints one JSON document.
//! `tradewind_bench/policy.py` runs it in rounds and makes the tables.

mod counting;
mod measure;
mod mix;
mod naive;

use std::time::Instant;

use mesh_api::{MeshSettings, PolicySet, Workload};
use mesh_policy::Engine;
use serde_json::{Value, json};

use crate::measure::Figures;
use crate::mix::{Ask, Asked};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const SIZES: [usize; 5] = [1, 10, 100, 1_000, 10_000];

/// The naive evaluator walks everything: beyond this one round would take minutes.
const NAIVE_DECISIONS: usize = 200;

fn main() {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let decisions = if is_quick { 2_000 } else { 100_000 };
    let sizes: Vec<Value> = SIZES.iter().map(|&size| of_size(size, decisions)).collect();
    let document = json!({ "mix": sizes, "ztunnel": ztunnel(decisions) });
    println!("{document}");
}

fn of_size(policies: usize, decisions: usize) -> Value {
    let set = mix::policies(policies);
    let (engine, compiled) = compile(&set);
    let mut by_ask = serde_json::Map::new();
    for ask in Ask::ALL {
        let asked: Vec<Asked> = mix::requests(ask, policies);
        if asked.is_empty() {
            continue;
        }
        let is_expected = |asked: &Asked| {
            let decision = asked.with(|request| engine.decide(request).is_allowed());
            decision == asked.is_allowed && naive::is_allowed(&set, asked) == asked.is_allowed
        };
        assert!(
            asked.iter().take(8).all(is_expected),
            "{} is decided wrongly",
            ask.name()
        );
        let ours = Figures::of(decisions, &asked, |asked| {
            asked.with(|request| engine.decide(request).is_allowed())
        });
        let walked = NAIVE_DECISIONS.min(decisions);
        let naive = Figures::of(walked, &asked, |asked| naive::is_allowed(&set, asked));
        let both = json!({ "engine": ours.to_json(), "naive": naive.to_json() });
        by_ask.insert(ask.name().to_owned(), both);
    }
    json!({
        "policies": policies,
        "rules": policies * mix::RULES,
        "compile_ms": compiled.milliseconds,
        "bytes_per_rule": compiled.bytes / (policies * mix::RULES),
        "recompile_us": recompile(&engine, &set),
        "decisions": by_ask,
    })
}

struct Compiled {
    milliseconds: f64,
    bytes: usize,
}

fn compile(set: &PolicySet) -> (Engine, Compiled) {
    let (workload, settings) = (Workload::default(), MeshSettings::default());
    let before = counting::live_bytes();
    let started = Instant::now();
    let engine = mesh_policy::compile(set, &workload, &settings);
    let milliseconds = started.elapsed().as_secs_f64() * 1e3;
    let bytes = counting::live_bytes().saturating_sub(before);
    assert_eq!(
        engine.policies(),
        set.authorization_policies.len(),
        "all select the workload"
    );
    (
        engine,
        Compiled {
            milliseconds,
            bytes,
        },
    )
}

/// One policy changes, and the engine that knows it is there: the median of some, in microseconds.
fn recompile(engine: &Engine, set: &PolicySet) -> f64 {
    let mut times = Vec::new();
    for (number, policy) in set
        .authorization_policies
        .iter()
        .step_by(97)
        .take(100)
        .enumerate()
    {
        let mut changed = policy.clone();
        changed.rules.truncate(9);
        changed.rules.push(mix::rule(1_000_000 + number));
        let started = Instant::now();
        let next = engine.with(&changed);
        times.push(started.elapsed().as_secs_f64() * 1e6);
        drop(next);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// ztunnel's published workload: 10,000 policies of 10 rules, one decision.
fn ztunnel(decisions: usize) -> Value {
    let set = mix::ztunnel_policies();
    let (engine, compiled) = compile(&set);
    let asked = vec![mix::ztunnel_request()];
    let ours = Figures::of(decisions, &asked, |asked| {
        asked.with(|request| engine.decide(request).is_allowed())
    });
    let walked = NAIVE_DECISIONS.min(decisions);
    let naive = Figures::of(walked, &asked, |asked| naive::is_allowed(&set, asked));
    json!({
        "compile_ms": compiled.milliseconds,
        "engine": ours.to_json(),
        "naive": naive.to_json(),
    })
}
