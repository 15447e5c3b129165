//! As much of OpenAPI 3 as Kubernetes lets a CRD use, checked as its API server checks it: unknown
//! fields are refused, nulls of fields are dropped.

use regex::Regex;
use serde_json::{Map, Value};

/// A schema of a whole object.
pub(super) struct Schema {
    root: Value,
}

type Verdict = Result<(), String>;

// === impl Schema ===

impl Schema {
    pub(super) fn new(root: Value) -> Self {
        Self { root }
    }

    /// Whether the API server would take the object's spec.
    pub(super) fn check(&self, object: &Value) -> Verdict {
        let empty = Value::Object(Map::new());
        let spec = object.get("spec").filter(|spec| !spec.is_null());
        check(
            &self.root["properties"]["spec"],
            spec.unwrap_or(&empty),
            "spec",
        )
    }
}

// === helpers ===

fn check(schema: &Value, value: &Value, at: &str) -> Verdict {
    let fail = |what: &str| Err(format!("{at}: {what}"));
    let holds = match schema["type"].as_str().unwrap_or_default() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("{at}: a type that no schema of Istio has: {other:?}"),
    };
    if !holds {
        return fail("wrong type");
    }
    match value {
        Value::Object(fields) => check_object(schema, fields, at),
        Value::Array(items) => check_array(schema, items, at),
        Value::String(text) => check_string(schema, text, at),
        _ => Ok(()),
    }
}

fn check_object(schema: &Value, fields: &Map<String, Value>, at: &str) -> Verdict {
    let fail = |what: &str| Err(format!("{at}: {what}"));
    let is_present = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
    if !has_required(schema, &is_present) {
        return fail("a required field is missing");
    }
    if exceeds(schema, "maxProperties", fields.len())
        || lacks(schema, "minProperties", fields.len())
    {
        return fail("number of fields");
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let held = choices
            .iter()
            .filter(|choice| holds(choice, &is_present))
            .count();
        if held != 1 {
            return fail("oneOf");
        }
    }
    for (name, value) in fields {
        let at = format!("{at}.{name}");
        let own = schema
            .get("properties")
            .and_then(|properties| properties.get(name));
        let additional = schema.get("additionalProperties");
        match (own, additional) {
            (Some(_), _) if value.is_null() => {}
            (Some(schema), _) => check(schema, value, &at)?,
            (None, Some(schema)) => check(schema, value, &at)?,
            (None, None) => return Err(format!("{at}: unknown field")),
        }
    }
    Ok(())
}

/// A choice of `oneOf`: `required`, or `not` any of several `required`.
fn holds(choice: &Value, is_present: &impl Fn(&str) -> bool) -> bool {
    let forbidden = choice["not"]["anyOf"].as_array();
    let is_forbidden = forbidden.is_some_and(|choices| {
        choices
            .iter()
            .any(|choice| has_required(choice, is_present))
    });
    has_required(choice, is_present) && !is_forbidden
}

fn has_required(schema: &Value, is_present: &impl Fn(&str) -> bool) -> bool {
    let required = schema["required"].as_array();
    required.is_none_or(|names| names.iter().all(|name| is_present(name.as_str().unwrap())))
}

fn check_array(schema: &Value, items: &[Value], at: &str) -> Verdict {
    if exceeds(schema, "maxItems", items.len()) {
        return Err(format!("{at}: too many items"));
    }
    for (index, item) in items.iter().enumerate() {
        check(&schema["items"], item, &format!("{at}[{index}]"))?;
    }
    Ok(())
}

fn check_string(schema: &Value, text: &str, at: &str) -> Verdict {
    let fail = |what: &str| Err(format!("{at}: {what}"));
    let length = text.chars().count();
    if exceeds(schema, "maxLength", length) || lacks(schema, "minLength", length) {
        return fail("length");
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.iter().any(|word| word == text)
    {
        return fail("none of the words");
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && !Regex::new(pattern).unwrap().is_match(text)
    {
        return fail("pattern");
    }
    Ok(())
}

fn exceeds(schema: &Value, limit: &str, actual: usize) -> bool {
    let limit = schema[limit].as_u64();
    limit.is_some_and(|limit| actual as u64 > limit)
}

fn lacks(schema: &Value, limit: &str, actual: usize) -> bool {
    let limit = schema[limit].as_u64();
    limit.is_some_and(|limit| (actual as u64) < limit)
}
