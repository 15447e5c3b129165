//! Fuzzing without a fuzzer: the targets of `mesh/policy/fuzz`, driven by a seeded mutator on the
//! stable compiler. In CI each runs for a moment; `POLICY_FUZZ_SECONDS` makes it longer.

mod targets;

use std::time::{Duration, Instant};

use crate::generate::Random;

/// How long each target runs unless told otherwise: enough to notice a target that is broken.
const SMOKE: Duration = Duration::from_secs(1);

/// Bytes of an input at most: more only makes every run slower.
const INPUT_BYTES_MAX: usize = 512;

/// Inputs that stay in the pool, of which new ones are made.
const POOL_MAX: usize = 256;

/// Glued into inputs, so that they look like what is parsed more often than chance would have it.
const DICTIONARY: &[&str] = &[
    "spiffe://",
    "/ns/",
    "/sa/",
    "cluster.local",
    "foo",
    "*",
    "{*}",
    "{**}",
    "%2e",
    "%2F",
    "..",
    "/",
    ";",
    "\\",
    "%",
    "\n---\n",
    "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n",
    "metadata: {name: a, namespace: foo}\n",
    "spec:\n  rules:\n  - from:\n    - source:\n        principals: [\"*\"]\n",
    "action: CUSTOM\n",
    "  when:\n  - key: request.headers[x]\n    values: [a]\n",
    "&a",
    "*a",
    "!!binary ",
    "<<: ",
    "|\n ",
    "1e400",
    "\u{feff}",
    "\0",
    "\u{fffd}é",
];

fn run(name: &str, target: fn(&[u8]), seeds: &[&str]) {
    let length = match std::env::var("POLICY_FUZZ_SECONDS") {
        Ok(seconds) => {
            Duration::from_secs(seconds.parse().expect("POLICY_FUZZ_SECONDS is a number"))
        }
        Err(_) => SMOKE,
    };
    let random = &mut Random::new(0x5eed);
    let mut pool: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    let started = Instant::now();
    let mut runs = 0_u64;
    while started.elapsed() < length {
        let input = mutate(random, &pool);
        let done = std::panic::catch_unwind(|| target(&input));
        assert!(
            done.is_ok(),
            "{name} fails for {:?}",
            String::from_utf8_lossy(&input)
        );
        runs += 1;
        if random.chance(5) {
            if pool.len() >= POOL_MAX {
                let gone = random.below(pool.len());
                pool.swap_remove(gone);
            }
            pool.push(input);
        }
    }
    println!("{name}: {runs} inputs in {:?}", started.elapsed());
}

/// An input of the pool with some bytes changed, words put in, pieces cut or taken from another.
fn mutate(random: &mut Random, pool: &[Vec<u8>]) -> Vec<u8> {
    let mut input = random.pick(pool).clone();
    for _ in 0..=random.below(6) {
        let at = random.below(input.len() + 1);
        match random.below(6) {
            0 => {
                let byte = random.byte();
                if let Some(place) = input.get_mut(at) {
                    *place = byte;
                }
            }
            1 => {
                let end = (at + random.below(8)).min(input.len());
                input.drain(at..end);
            }
            2 => {
                let other = random.pick(pool);
                let from = random.below(other.len() + 1);
                let piece = other[from..].to_vec();
                input.splice(at..at, piece);
            }
            3 => {
                let byte = random.byte();
                input.insert(at, byte);
            }
            _ => {
                let word = random.pick(DICTIONARY).as_bytes().to_vec();
                input.splice(at..at, word);
            }
        }
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}

#[test]
fn no_text_makes_the_loader_fail() {
    let seeds = [
        "",
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n  name: a\n  \
         namespace: foo\nspec:\n  action: DENY\n  rules:\n  - to:\n    - operation:\n        \
         paths: [\"/a/{*}\"]\n",
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: b}\nspec:\n  \
         mtls: {mode: STRICT}\n  portLevelMtls: {8080: {mode: DISABLE}}\n",
        "rootNamespace: istio-system\ntrustDomain: td\nextensionProviders:\n- name: a\n  \
         envoyExtAuthzGrpc: {service: s, port: 1}\n",
    ];
    run("policies", targets::policies, &seeds);
}

#[test]
fn every_identity_is_matched_as_istio_matches_it() {
    run(
        "identities",
        targets::identities,
        &["\x01cluster.local/ns/foo/sa/sleep\0foo\0", "\x02"],
    );
}

#[test]
fn every_path_is_normalised_as_envoy_does_it() {
    run(
        "paths",
        targets::paths,
        &["\x01/a/../b%2e", "\x03/a%2f..;x/b?c", "\0/"],
    );
}

#[test]
fn every_template_matches_as_in_envoy() {
    run(
        "templates",
        targets::templates,
        &["\x01\x02\x03\x04/a/b", "\x05\x06/a\x07"],
    );
}

#[test]
fn every_request_is_decided_as_the_naive_evaluator_does() {
    run(
        "requests",
        targets::requests,
        &["\x01\x02\x03\x04\x05\x06GET /a\0x-a: 1\0", ""],
    );
}
