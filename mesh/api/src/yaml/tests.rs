#![allow(clippy::unwrap_used)]

use super::{Document, Node, Value, parse};

/// The tree of a text without faults, as JSON.
fn json(text: &str) -> String {
    let (documents, faults) = parse(text);
    assert!(faults.is_empty(), "{text:?}: {faults:?}");
    let roots: Vec<String> = documents
        .iter()
        .map(|document| show(&document.root))
        .collect();
    roots.join(" ")
}

fn show(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Float(value) => format!("float({value})"),
        Value::String(value) => format!("{value:?}"),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(show).collect();
            format!("[{}]", items.join(","))
        }
        Value::Map(entries) => {
            let entry = |entry: &super::Entry| format!("{}:{}", entry.key, show(&entry.node));
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(","))
        }
    }
}

fn faults(text: &str) -> Vec<(usize, usize, String)> {
    let (_, faults) = parse(text);
    faults
        .into_iter()
        .map(|fault| (fault.document, fault.line, fault.message))
        .collect()
}

#[test]
fn plain_scalars_are_those_of_yaml_1_1() {
    for (text, value) in [
        ("~", "null"),
        ("null", "null"),
        ("yes", "true"),
        ("Off", "false"),
        ("n", "false"),
        ("true", "true"),
        ("80", "80"),
        ("0x50", "80"),
        ("0b11", "3"),
        ("0o17", "15"),
        ("017", "15"),
        ("08", "float(08)"),
        ("1_000", "1000"),
        ("-1", "-1"),
        ("18446744073709551615", "18446744073709551615"),
        ("18446744073709551616", "float(18446744073709551616)"),
        ("1.5", "float(1.5)"),
        (".5", "float(.5)"),
        ("1e3", "float(1e3)"),
        (".inf", "float(.inf)"),
        ("1.2.3.4", "\"1.2.3.4\""),
        ("10.0.0.0/8", "\"10.0.0.0/8\""),
        ("+", "\"+\""),
        (".", "\".\""),
        ("0x", "\"0x\""),
        ("1e", "\"1e\""),
        ("2026-01-31", "\"2026-01-31\""),
        ("'80'", "\"80\""),
        ("\"yes\"", "\"yes\""),
        ("!!str 80", "\"80\""),
        ("oN", "\"oN\""),
    ] {
        assert_eq!(json(&format!("[{text}]")), format!("[{value}]"), "{text}");
    }
}

#[test]
fn keys_become_the_text_that_json_has() {
    assert_eq!(
        json("{8080: a, 0x50: b, on: c, 1.5: d}"),
        r#"{8080:"a",80:"b",true:"c",1.5:"d"}"#
    );
    assert_eq!(faults("{[a]: b}")[0].2, "a list as a key");
    assert_eq!(faults("~: b")[0].2, "null as a key");
}

#[test]
fn json_is_yaml() {
    assert_eq!(
        json("{\"a\":[1,{\"b\":null}],\n\t\"c\":\"\\u00e4\"}"),
        "{a:[1,{b:null}],c:\"ä\"}"
    );
}

#[test]
fn a_key_stands_once() {
    let expected = (1, 3, "key \"a\" stands twice in its object".to_owned());
    assert_eq!(faults("a: 1\nb: 2\na: 3\n"), [expected]);
}

#[test]
fn aliases_repeat_and_merges_yield_to_own_keys() {
    assert_eq!(json("a: &x [1]\nb: *x"), "{a:[1],b:[1]}");
    assert_eq!(
        json("a: &x {k: 1, l: 2}\nb:\n  l: 3\n  <<: *x"),
        "{a:{k:1,l:2},b:{l:3,k:1}}"
    );
    assert_eq!(
        json("- &x {k: 1}\n- &y {k: 2, l: 2}\n- <<: [*x, *y]"),
        "[{k:1},{k:2,l:2},{k:1,l:2}]"
    );
    assert_eq!(faults("<<: 1")[0].2, "\"<<\" merges objects alone");
    assert!(!faults("a: *missing").is_empty());
    assert!(!faults("a: &x [*x]").is_empty());
}

#[test]
fn documents_are_counted_with_the_empty_ones() {
    let (documents, faults) = parse("# nothing\n---\n---\na: 1\n---\nb: 2\n");
    assert!(faults.is_empty());
    let numbers: Vec<(usize, usize)> = documents
        .iter()
        .filter(|document| document.root.value != Value::Null)
        .map(|document: &Document| (document.number, document.root.line))
        .collect();
    assert_eq!(numbers, [(2, 4), (3, 6)]);
}

#[test]
fn a_fault_leaves_the_other_documents_readable() {
    let (documents, faults) = parse("a: 1\n---\nb: [1\n---\nc: 1\nc: 2\n---\nd: 4\n");
    let read: Vec<usize> = documents.iter().map(|document| document.number).collect();
    assert_eq!(read, [1, 4]);
    let places: Vec<usize> = faults.iter().map(|fault| fault.document).collect();
    assert_eq!(places, [2, 3]);
}

#[test]
fn a_bomb_of_aliases_ends_the_file() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let before = level - 1;
        let aliases = vec![format!("*a{before}"); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    text.push_str("---\nb: 1\n");
    let faults = faults(&text);
    assert_eq!(faults.len(), 1);
    assert!(faults[0].2.starts_with("aliases that repeat"), "{faults:?}");
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(faults(&deep(64)).is_empty());
    assert!(faults(&deep(65))[0].2.contains("nested deeper"));
    assert!(!faults(&deep(100_000)).is_empty());
}

#[test]
fn tags_are_refused() {
    for text in ["a: !foo 1", "a: !!int \"1\"", "!foo [1]", "!!set {a}"] {
        assert!(!faults(text).is_empty(), "{text}");
    }
}
