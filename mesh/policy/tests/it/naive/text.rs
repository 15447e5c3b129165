//! String patterns: Istio's four forms, and full matches of its regular expressions.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::bytes::Regex;

/// Compiled expressions that are kept: the alphabets need fewer, a fuzzer would make ever more.
const COMPILED_MAX: usize = 2_000;

thread_local! {
    static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
}

/// `*`, `*suffix`, `prefix*` or exact, where `*` wants at least one character.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    if pattern == "*" {
        return full_match(".+", text.as_bytes());
    }
    affix(pattern, text.as_bytes())
}

/// The same for a header that is there: `*` is its mere presence.
pub(crate) fn header_matches(pattern: &str, value: &[u8]) -> bool {
    pattern == "*" || affix(pattern, value)
}

/// The same without regard to ASCII case, for hosts.
pub(crate) fn host_matches(pattern: &str, host: &str) -> bool {
    header_matches(
        &pattern.to_ascii_lowercase(),
        host.to_ascii_lowercase().as_bytes(),
    )
}

fn affix(pattern: &str, text: &[u8]) -> bool {
    if let Some(suffix) = pattern.strip_prefix('*') {
        text.ends_with(suffix.as_bytes())
    } else if let Some(prefix) = pattern.strip_suffix('*') {
        text.starts_with(prefix.as_bytes())
    } else {
        text == pattern.as_bytes()
    }
}

/// Whether the expression matches the whole text.
pub(crate) fn full_match(expression: &str, text: &[u8]) -> bool {
    COMPILED.with_borrow_mut(|compiled| {
        if compiled.len() >= COMPILED_MAX {
            compiled.clear();
        }
        let regex = compiled.entry(expression.to_owned()).or_insert_with(|| {
            Regex::new(&format!(r"\A(?:{expression})\z")).expect("Istio's expressions are valid")
        });
        regex.is_match(text)
    })
}
