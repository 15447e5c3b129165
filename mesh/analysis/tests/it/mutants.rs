//! Mistakes put into good policies, one at a time: at least 95 in 100 of each kind are found.

use std::path::Path;

use mesh_analysis::{Level, World, analyze};
use mesh_api::Loaded;
use serde_json::{Value, json};

use crate::shop::{GOOD, world};

/// Of a hundred mistakes of one kind so many must be found.
const FOUND_PER_CENT_MIN: usize = 95;

/// Every so many mutants are tried in a usual run, all of them in a long one. Prime, so that no kind of
/// mistake and no place is left out as a whole.
const STEP: usize = 7;

/// The kinds of typing errors that are made at every place.
const TYPOS: [fn(&str, usize) -> String; 4] = [drop, double, swap, replace];

fn drop(text: &str, at: usize) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    letters.remove(at);
    letters.into_iter().collect()
}

fn double(text: &str, at: usize) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    letters.insert(at, letters[at]);
    letters.into_iter().collect()
}

fn swap(text: &str, at: usize) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let other = (at + 1) % letters.len();
    letters.swap(at, other);
    letters.into_iter().collect()
}

fn replace(text: &str, at: usize) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    letters[at] = if letters[at].is_ascii_digit() {
        '9'
    } else {
        'q'
    };
    letters.into_iter().collect()
}

fn documents() -> Vec<Value> {
    serde_saphyr::from_multiple(GOOD).unwrap()
}

/// Whether anything is told of these documents that stops somebody.
fn is_found(documents: &[Value], world: &World) -> bool {
    let text: Vec<String> = documents.iter().map(Value::to_string).collect();
    let loaded = Loaded::from_text(Path::new("p.yaml"), &text.join("\n---\n"));
    let findings = analyze(&loaded, world);
    findings
        .iter()
        .any(|finding| finding.level() >= Level::Warning)
}

/// Asserts the share of mutants that are found, and names the others.
fn assert_found(kind: &str, mutants: Vec<(String, Vec<Value>)>) {
    let is_long = std::env::var_os("TRADEWIND_SOAK_SECONDS").is_some();
    let step = if is_long || mutants.len() < 1_000 {
        1
    } else {
        STEP
    };
    let mutants: Vec<_> = mutants.into_iter().step_by(step).collect();
    let world = world();
    let total = mutants.len();
    let missed: Vec<String> = mutants
        .into_iter()
        .filter(|(_, documents)| !is_found(documents, &world))
        .map(|(name, _)| name)
        .collect();
    let found = total - missed.len();
    println!("{kind}: {found} of {total} found; missed: {missed:#?}");
    assert!(total > 0, "{kind}: no mutants");
    assert!(
        found * 100 >= total * FOUND_PER_CENT_MIN,
        "{kind}: {found} of {total} found; missed: {missed:#?}"
    );
}

/// Every string of a document that means something to policies, as a JSON pointer.
fn places(value: &Value, pointer: &str, places: &mut Vec<String>) {
    match value {
        Value::String(_) => places.push(pointer.to_owned()),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                self::places(item, &format!("{pointer}/{index}"), places);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                self::places(field, &format!("{pointer}/{escaped}"), places);
            }
        }
        _ => {}
    }
}

/// Places whose text may be anything: the name of a policy, what a claim holds, where keys are, whom
/// a token is for, and which addresses callers have.
fn is_free(document: &Value, pointer: &str) -> bool {
    let claims = pointer.contains("/when/") && pointer.contains("alues/") && {
        let condition = pointer.rsplitn(3, '/').last().unwrap();
        let key = document.pointer(&format!("{condition}/key"));
        key.and_then(Value::as_str)
            .is_some_and(|key| key.contains('['))
    };
    claims
        || pointer == "/metadata/name"
        || ["/audiences/", "/jwksUri", "IpBlocks/"].iter().any(|part| pointer.contains(part))
        // Of a claim's key only the part before its brackets is known.
        || document.pointer(pointer).and_then(Value::as_str).is_some_and(|text| text.contains('['))
}

#[test]
fn typing_errors_in_values_are_found() {
    let good = documents();
    let mut mutants = Vec::new();
    for (number, document) in good.iter().enumerate() {
        let mut all = Vec::new();
        places(document, "", &mut all);
        for pointer in all.iter().filter(|pointer| !is_free(document, pointer)) {
            let text = document.pointer(pointer).and_then(Value::as_str).unwrap();
            for at in 0..text.chars().count() {
                for typo in TYPOS {
                    let changed = typo(text, at);
                    if changed == text || changed.is_empty() {
                        continue;
                    }
                    let mut documents = good.clone();
                    let name = format!("{number}{pointer}: {text} -> {changed}");
                    *documents[number].pointer_mut(pointer).unwrap() = Value::String(changed);
                    mutants.push((name, documents));
                }
            }
        }
    }
    assert_found("typing errors in values", mutants);
}

#[test]
fn typing_errors_in_keys_are_found() {
    let good = documents();
    let mut mutants = Vec::new();
    for (number, document) in good.iter().enumerate() {
        let mut all = Vec::new();
        objects(document, "", &mut all);
        for pointer in &all {
            let keys: Vec<String> = match document.pointer(pointer) {
                Some(Value::Object(fields)) => fields.keys().cloned().collect(),
                _ => Vec::new(),
            };
            for key in keys {
                for at in 0..key.chars().count() {
                    for typo in TYPOS {
                        let changed = typo(&key, at);
                        let mut documents = good.clone();
                        let object = documents[number].pointer_mut(pointer).unwrap();
                        let fields = object.as_object_mut().unwrap();
                        if fields.contains_key(&changed) {
                            continue;
                        }
                        let value = fields.remove(&key).unwrap();
                        fields.insert(changed.clone(), value);
                        mutants.push((format!("{number}{pointer}: {key} -> {changed}"), documents));
                    }
                }
            }
        }
    }
    assert_found("typing errors in keys", mutants);
}

fn objects(value: &Value, pointer: &str, all: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                objects(item, &format!("{pointer}/{index}"), all);
            }
        }
        Value::Object(fields) => {
            all.push(pointer.to_owned());
            for (key, field) in fields {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                objects(field, &format!("{pointer}/{escaped}"), all);
            }
        }
        _ => {}
    }
}

#[test]
fn rules_that_another_one_hides_are_found() {
    let good = documents();
    let mut mutants = Vec::new();
    for (number, document) in good.iter().enumerate() {
        let rules = document.pointer("/spec/rules").and_then(Value::as_array);
        for (index, rule) in rules.into_iter().flatten().enumerate() {
            let name = format!("{number} rule {index}");
            for (change, wider) in widened(rule) {
                let mut documents = good.clone();
                insert_rule(&mut documents[number], wider.clone());
                mutants.push((format!("{name}, after a copy {change}"), documents));

                let mut documents = good.clone();
                let mut policy = document.clone();
                policy["metadata"]["name"] = json!("wider");
                policy["spec"]["rules"] = json!([wider]);
                documents.push(policy);
                mutants.push((format!("{name}, beside a policy {change}"), documents));
            }
            let is_allow = document["kind"] == "AuthorizationPolicy"
                && document["spec"]["action"].as_str().unwrap_or("ALLOW") == "ALLOW";
            if is_allow {
                for (change, wider) in widened(rule) {
                    let mut documents = good.clone();
                    let mut policy = document.clone();
                    policy["metadata"]["name"] = json!("deny");
                    policy["spec"]["action"] = json!("DENY");
                    policy["spec"]["rules"] = json!([wider]);
                    documents.push(policy);
                    mutants.push((format!("{name}, behind a DENY {change}"), documents));
                }
            }
        }
    }
    assert_found("hidden rules", mutants);
}

fn insert_rule(document: &mut Value, rule: Value) {
    document["spec"]["rules"]
        .as_array_mut()
        .unwrap()
        .insert(0, rule);
}

/// The rule itself, and rules that match more: without one part, or with one value more.
fn widened(rule: &Value) -> Vec<(String, Value)> {
    let mut widened = vec![("as it is".to_owned(), rule.clone())];
    for part in ["from", "to", "when"] {
        if rule.get(part).is_some() {
            let mut wider = rule.clone();
            wider.as_object_mut().unwrap().remove(part);
            widened.push((format!("without {part}"), wider));
        }
    }
    for (part, wrapper) in [("from", "source"), ("to", "operation")] {
        let Some(fields) = rule[part][0][wrapper].as_object() else {
            continue;
        };
        for key in fields.keys() {
            if fields.len() > 1 {
                let mut wider = rule.clone();
                wider[part][0][wrapper].as_object_mut().unwrap().remove(key);
                widened.push((format!("without {key}"), wider));
            }
            let values = fields[key].as_array().unwrap();
            if !key.starts_with("not") && key == "paths" {
                let mut wider = rule.clone();
                wider[part][0][wrapper][key] = json!(["/books.v1.*"]);
                widened.push((format!("with every {key}"), wider));
            }
            if key.starts_with("not") && values.len() > 1 {
                let mut wider = rule.clone();
                wider[part][0][wrapper][key].as_array_mut().unwrap().pop();
                widened.push((format!("with fewer {key}"), wider));
            }
        }
    }
    widened
}

#[test]
fn rules_that_contradict_themselves_are_found() {
    let good = documents();
    let mut mutants = Vec::new();
    for (number, document) in good.iter().enumerate() {
        let rules = document.pointer("/spec/rules").and_then(Value::as_array);
        for (index, rule) in rules.into_iter().flatten().enumerate() {
            for (part, wrapper) in [("from", "source"), ("to", "operation")] {
                let Some(fields) = rule[part][0][wrapper].as_object() else {
                    continue;
                };
                for (key, values) in fields {
                    let opposite = match key.strip_prefix("not") {
                        Some(rest) => rest[..1].to_lowercase() + &rest[1..],
                        None => format!("not{}{}", key[..1].to_uppercase(), &key[1..]),
                    };
                    for refused in [values.clone(), json!(["*"])] {
                        let takes_star = !key.contains("orts")
                            && !key.contains("Accounts")
                            && !key.contains("Blocks")
                            && !key.starts_with("not");
                        if refused == json!(["*"]) && !takes_star {
                            continue;
                        }
                        let mut documents = good.clone();
                        let at = format!("/spec/rules/{index}/{part}/0/{wrapper}");
                        let object = documents[number].pointer_mut(&at).unwrap();
                        object[&opposite] = refused.clone();
                        let name = format!("{number} rule {index}: {opposite} {refused}");
                        mutants.push((name, documents));
                    }
                }
            }
        }
    }
    assert_found("contradictions", mutants);
}
