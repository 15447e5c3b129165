//! RequestAuthentication and its JWT rules.

use super::selection::{selector, target_refs};
use super::{At, Fields, Reader};
use crate::authentication::{ClaimToHeader, JwtHeader, JwtRule, RequestAuthentication};
use crate::check;
use crate::meta::Meta;
use crate::report::Fault;
use crate::yaml::Node;

/// The API server's limits.
const JWT_RULES_MAX: usize = 4096;
const SPACE_DELIMITED_CLAIMS_MAX: usize = 64;
const JWKS_URI_CHARS_MAX: usize = 2048;

/// The API server also knows `jwks_uri`, the field's name in the protobuf definition.
const JWT_RULE_FIELDS: [&str; 13] = [
    "issuer",
    "audiences",
    "jwksUri",
    "jwks_uri",
    "jwks",
    "fromHeaders",
    "fromParams",
    "fromCookies",
    "outputPayloadToHeader",
    "forwardOriginalToken",
    "outputClaimToHeaders",
    "timeout",
    "spaceDelimitedClaims",
];

/// Reads a policy whose metadata is read.
pub(crate) fn request_authentication(
    reader: &mut Reader<'_>,
    document: Fields<'_>,
    meta: Meta,
) -> RequestAuthentication {
    let root = At::ROOT;
    let at = root.key("spec");
    let known = ["selector", "targetRef", "targetRefs", "jwtRules"];
    let spec = match document.get("spec") {
        Some(node) => reader.fields(node, &at, &known),
        None => Fields::empty(document.line),
    };
    let at_rules = at.key("jwtRules");
    let items = reader.items_up_to(spec.get("jwtRules"), &at_rules, JWT_RULES_MAX);
    RequestAuthentication {
        meta,
        selector: selector(reader, spec, &at),
        target_refs: target_refs(reader, spec, &at),
        jwt_rules: items
            .iter()
            .enumerate()
            .map(|(index, item)| jwt_rule(reader, item, &at_rules.index(index)))
            .collect(),
    }
}

fn jwt_rule(reader: &mut Reader<'_>, item: &Node, at: &At<'_>) -> JwtRule {
    let fields = reader.fields(item, at, &JWT_RULE_FIELDS);
    if !item.is_object() {
        return JwtRule::default();
    }
    let mut text = |key: &str, check: fn(&str) -> Result<(), Fault>| {
        let node = fields.get(key);
        node.and_then(|node| reader.checked(node, &at.key(key), check))
            .unwrap_or_default()
    };
    let issuer = text("issuer", check::filled);
    let camel_case = text("jwksUri", jwks_uri);
    let snake_case = text("jwks_uri", jwks_uri);
    let output_payload_to_header = text("outputPayloadToHeader", |_| Ok(()));
    let jwks_uri = if camel_case.is_empty() {
        snake_case
    } else {
        camel_case
    };
    let jwks = jwks(reader, fields, at);
    let sources = ["jwks", "jwksUri", "jwks_uri"];
    if sources
        .iter()
        .filter(|key| fields.get(key).is_some())
        .count()
        > 1
    {
        reader.reject(
            item.line,
            at,
            "keys from two sources",
            "one of jwks, jwksUri",
        );
    }
    let names_issuer = ["issuer", "jwksUri", "jwks_uri"];
    if names_issuer.iter().all(|key| fields.get(key).is_none()) {
        let expected = "at least one of issuer, jwksUri";
        reader.reject(
            item.line,
            at,
            "neither an issuer nor where its keys are",
            expected,
        );
    }
    let delimited = "spaceDelimitedClaims";
    reader.limit(
        fields.get(delimited),
        &at.key(delimited),
        SPACE_DELIMITED_CLAIMS_MAX,
    );
    let mut texts = |key: &str| reader.texts(fields, at, key, check::filled);
    JwtRule {
        issuer,
        audiences: texts("audiences"),
        jwks_uri,
        jwks,
        from_params: texts("fromParams"),
        from_cookies: texts("fromCookies"),
        output_payload_to_header,
        space_delimited_claims: texts(delimited),
        from_headers: from_headers(reader, fields, at),
        forward_original_token: reader.boolean(fields, at, "forwardOriginalToken"),
        output_claim_to_headers: output_claims(reader, fields, at),
        timeout: fields.get("timeout").and_then(|node| {
            let at = at.key("timeout");
            let text = reader.string(node, &at)?;
            check::duration(&text)
                .map_err(|fault| reader.invalid(node, &at, fault))
                .ok()
        }),
    }
}

// === helpers ===

fn jwks_uri(value: &str) -> Result<(), Fault> {
    if value.chars().count() > JWKS_URI_CHARS_MAX {
        return Err(Fault::new("a URL too long", "at most 2048 characters"));
    }
    check::filled(value)?;
    check::url(value)
}

fn jwks(reader: &mut Reader<'_>, fields: Fields<'_>, at: &At<'_>) -> String {
    let at = at.key("jwks");
    let Some(node) = fields.get("jwks") else {
        return String::new();
    };
    let text = reader.string(node, &at).unwrap_or_default();
    if text.is_empty() {
        return text;
    }
    match check::jwks(&text) {
        // The value is not shown: it may hold a private key.
        Err(fault) => reader.reject(node.line, &at, &fault.message, &fault.expected),
        Ok(private) => {
            for index in private {
                let message = format!("key {index} holds private material");
                reader.warn(
                    node.line,
                    &at,
                    &message,
                    "the public key, which is all that is used",
                );
            }
        }
    }
    text
}

fn from_headers(reader: &mut Reader<'_>, fields: Fields<'_>, at: &At<'_>) -> Vec<JwtHeader> {
    let at = at.key("fromHeaders");
    let mut headers = Vec::new();
    for (index, item) in reader
        .items(fields.get("fromHeaders"), &at)
        .iter()
        .enumerate()
    {
        let at = at.index(index);
        let fields = reader.fields(item, &at, &["name", "prefix"]);
        if !item.is_object() {
            continue;
        }
        headers.push(JwtHeader {
            name: required(reader, fields, &at, "name", check::filled),
            prefix: reader.text(fields, &at, "prefix"),
        });
    }
    headers
}

fn output_claims(reader: &mut Reader<'_>, fields: Fields<'_>, at: &At<'_>) -> Vec<ClaimToHeader> {
    let at = at.key("outputClaimToHeaders");
    let items = reader.items(fields.get("outputClaimToHeaders"), &at);
    let mut claims = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let at = at.index(index);
        let fields = reader.fields(item, &at, &["header", "claim"]);
        if !item.is_object() {
            continue;
        }
        claims.push(ClaimToHeader {
            header: required(reader, fields, &at, "header", header_name),
            claim: required(reader, fields, &at, "claim", check::filled),
        });
    }
    claims
}

fn required(
    reader: &mut Reader<'_>,
    fields: Fields<'_>,
    at: &At<'_>,
    key: &str,
    check: fn(&str) -> Result<(), Fault>,
) -> String {
    let at = at.key(key);
    let Some(node) = fields.get(key) else {
        reader.reject(fields.line, &at, "missing", "text");
        return String::new();
    };
    reader.checked(node, &at, check).unwrap_or_default()
}

fn header_name(value: &str) -> Result<(), Fault> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if value.is_empty() || !value.bytes().all(is_allowed) {
        return Err(Fault::new("no header name", "letters, digits, `-` and `_`"));
    }
    Ok(())
}
