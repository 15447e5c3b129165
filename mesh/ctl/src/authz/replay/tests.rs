#![allow(clippy::unwrap_used)]

use clap::Parser;
use serde_json::{Value, json};

use super::flips::Flips;
use super::{Replay, compare, engines};
use crate::authz::example;
use crate::error::Error;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    replay: Replay,
}

/// What is written of some requests, and how the command ends.
fn replayed(candidate: &str, requests: &str, is_json: bool) -> (String, Result<(), Error>) {
    let (policies, candidate) = (example("policies"), example(candidate));
    let line = Line::try_parse_from([
        "replay",
        "--policies",
        &policies,
        "--candidate",
        &candidate,
        "--to",
        "order",
        "--requests",
        "-",
    ]);
    let engines = engines(&line.unwrap().replay).unwrap();
    let mut flips = Flips::new(is_json);
    let mut out = Vec::new();
    compare(
        &engines,
        requests.as_bytes(),
        &mut flips,
        &mut out,
        |error| panic!("memory is read: {error}"),
    )
    .unwrap()
    .unwrap();
    flips.conclude(&mut out).unwrap();
    (String::from_utf8(out).unwrap(), flips.outcome())
}

fn recorded() -> String {
    std::fs::read_to_string(example("requests.jsonl")).unwrap()
}

#[test]
fn flips_of_one_kind_are_told_once_with_what_is_missed() {
    let (text, outcome) = replayed("candidate", &recorded(), false);
    let expected = "\
2 requests, the first in line 2
  was     ALLOW  policy shop/order rule 0 matches: allowed
  becomes DENY  ALLOW policies select the workload and none matches
  nearest shop/order rule 0: to[0].operation paths [/shop.order.v1.OrderService/GetOrder], \
the request has /shop.order.v1.OrderService/ListOrders
line 3
  was     DENY  ALLOW policies select the workload and none matches
  becomes ALLOW  policy shop/order rule 0 matches: allowed
3 of 7 decisions flip
";
    assert_eq!(text, expected, "{text}");
    assert!(matches!(outcome, Err(Error::Flips { count: 3 })));
}

#[test]
fn the_same_policies_flip_nothing() {
    let (text, outcome) = replayed("policies", &recorded(), false);
    assert_eq!(text, "0 of 7 decisions flip\n");
    assert!(outcome.is_ok());
}

#[test]
fn a_decision_by_another_rule_is_no_flip() {
    // Both allow a read by the gateway; a.yaml allows it to everybody.
    let requests = recorded();
    let first = requests.lines().next().unwrap();
    let (text, outcome) = replayed("a.yaml", first, true);
    let summary = json!({"requests": 1, "flips": 0, "moved": 1, "faults": 0});
    assert_eq!(text, format!("{}\n", json!({"summary": summary})));
    assert!(outcome.is_ok());
}

#[test]
fn programs_get_each_flip_and_the_counts() {
    let (text, _) = replayed("candidate", &recorded(), true);
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let numbers: Vec<&Value> = lines.iter().map(|line| &line["line"]).collect();
    assert_eq!(numbers, [&json!(2), &json!(3), &json!(6), &Value::Null]);
    assert_eq!(lines[0]["was"]["decision"], "ALLOW");
    assert_eq!(lines[0]["becomes"]["decision"], "DENY");
    assert!(lines[0]["why"].as_str().unwrap().contains("paths"));
    assert_eq!(lines[1]["why"], Value::Null);
    assert_eq!(lines[3]["summary"]["flips"], 3);
}

#[test]
fn a_line_that_is_no_request_is_told_and_the_others_are_compared() {
    let requests = format!("nonsense\n\n{}", recorded());
    let (text, outcome) = replayed("candidate", &requests, false);
    assert!(text.starts_with("1: no request: "), "{text}");
    assert!(text.contains("the first in line 4\n"), "{text}");
    assert!(text.ends_with("3 of 7 decisions flip\n"), "{text}");
    assert!(matches!(outcome, Err(Error::BadLines { count: 1 })));
}
