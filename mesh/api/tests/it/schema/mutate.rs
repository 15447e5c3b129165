//! Every single change of an object that someone might make by mistake.

use serde_json::{Map, Value, json};

/// Longer than any limit of the schemas on text.
const LONG: usize = 2_100;

/// All objects that differ from this one in one place of its spec.
pub(super) fn mutants(object: &Value) -> Vec<Value> {
    mutants_of(&object["spec"])
        .into_iter()
        .map(|spec| {
            let mut mutant = object.clone();
            mutant["spec"] = spec;
            mutant
        })
        .collect()
}

fn mutants_of(value: &Value) -> Vec<Value> {
    let mut mutants = replacements(value);
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                mutants.extend(without(fields, key));
                mutants.extend(renamed(fields, key));
                mutants.extend(mutants_of(field).into_iter().map(|changed| {
                    let mut fields = fields.clone();
                    fields.insert(key.clone(), changed);
                    Value::Object(fields)
                }));
            }
            let mut extended = fields.clone();
            extended.insert("unheardOf".to_owned(), json!("x"));
            mutants.push(Value::Object(extended));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let mut shorter = items.clone();
                shorter.remove(index);
                mutants.push(Value::Array(shorter));
                mutants.extend(mutants_of(item).into_iter().map(|changed| {
                    let mut items = items.clone();
                    items[index] = changed;
                    Value::Array(items)
                }));
            }
            if let Some(first) = items.first() {
                for count in [16, 17, 65, 513] {
                    mutants.push(Value::Array(vec![first.clone(); count]));
                }
            }
        }
        _ => {}
    }
    mutants
}

fn replacements(value: &Value) -> Vec<Value> {
    let mut replacements = vec![
        json!(null),
        json!(true),
        json!(1),
        json!(1.5),
        json!(""),
        json!("*"),
        json!("a b"),
        json!([]),
        json!(["x"]),
        json!({}),
        json!({"x": "y"}),
    ];
    if let Value::String(text) = value {
        for changed in [
            text.to_lowercase(),
            text.to_uppercase(),
            format!("{text}_"),
            format!("{text}{}", "x".repeat(64)),
            format!("{text}{}", "ä".repeat(64)),
            format!("{text}{}", "x".repeat(321)),
            format!("{text}{}", "x".repeat(LONG)),
        ] {
            replacements.push(Value::String(changed));
        }
    }
    replacements
}

fn without(fields: &Map<String, Value>, key: &str) -> Option<Value> {
    let mut fields = fields.clone();
    fields.remove(key)?;
    Some(Value::Object(fields))
}

/// The mistakes that people make with names: another case, a letter too few, one too many.
fn renamed(fields: &Map<String, Value>, key: &str) -> Vec<Value> {
    let names = [
        key.to_uppercase(),
        format!("{key}s"),
        key[..key.len() - 1].to_owned(),
        "*".to_owned(),
        String::new(),
    ];
    names
        .into_iter()
        .filter(|name| !fields.contains_key(name))
        .filter_map(|name| {
            let mut fields = fields.clone();
            let value = fields.remove(key)?;
            fields.insert(name, value);
            Some(Value::Object(fields))
        })
        .collect()
}
