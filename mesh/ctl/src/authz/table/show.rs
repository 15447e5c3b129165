//! A table as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::matrix::{Cell, Matrix, Row};
use crate::authz::ask::Home;

const NOBODY: &str = "no identity";

/// Rows of one service.
struct Group<'m> {
    service: &'m str,
    rows: Vec<&'m Row>,
}

pub(super) fn text(matrix: &Matrix, home: &Home<'_>, shows_all: bool) -> String {
    let names: Vec<String> = matrix
        .identities
        .iter()
        .map(|identity| match identity {
            Some(principal) => home.short(principal),
            None => NOBODY.to_owned(),
        })
        .collect();
    let (shown, closed): (Vec<Group<'_>>, Vec<Group<'_>>) = groups(&matrix.rows)
        .into_iter()
        .partition(|group| shows_all || group.is_open());
    let methods = shown.iter().flat_map(|group| &group.rows);
    let width = methods
        .map(|row| method(&row.path).chars().count() + 2)
        .max();
    let width = width.unwrap_or_default();
    let mut text = String::new();
    let (callee, port, mode) = (&matrix.callee, matrix.port, matrix.mode.mode.as_str());
    let _ = writeln!(text, "{callee}:{port}   mutual TLS {mode}");
    if !shown.is_empty() {
        let _ = write!(text, "{:width$}", "");
        for name in &names {
            let _ = write!(text, "  {name:<5}");
        }
        text.push('\n');
    }
    for group in &shown {
        let _ = writeln!(text, "{}", group.service);
        for row in &group.rows {
            let _ = write!(text, "  {:<rest$}", method(&row.path), rest = width - 2);
            for (cell, name) in row.cells.iter().zip(&names) {
                let column = name.chars().count().max(5);
                let _ = write!(text, "  {:<column$}", cell.word());
            }
            // No blanks at the end of a line.
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
    }
    if !closed.is_empty() {
        let services: Vec<String> = closed
            .iter()
            .map(|group| format!("{} ({})", group.service, group.rows.len()))
            .collect();
        let _ = writeln!(text, "nobody may call: {}", services.join(", "));
    }
    if matrix
        .rows
        .iter()
        .flat_map(|row| &row.cells)
        .any(|cell| cell.depends)
    {
        text.push_str("* a token, a header, a host or an address can change it\n");
    }
    text
}

pub(super) fn json(matrix: &Matrix) -> Value {
    let rpcs: Vec<Value> = matrix
        .rows
        .iter()
        .map(|row| {
            let cells = row.cells.iter().zip(&matrix.identities);
            let cells: Vec<Value> = cells.map(|(cell, own)| cell.json(own.as_ref())).collect();
            json!({"rpc": row.path.trim_start_matches('/'), "cells": cells})
        })
        .collect();
    json!({
        "workload": matrix.callee,
        "port": matrix.port,
        "mutualTls": matrix.mode.mode.as_str(),
        "rpcs": rpcs,
    })
}

/// Rows by service, in their order.
fn groups(rows: &[Row]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for row in rows {
        let service = service(&row.path);
        match groups.iter_mut().find(|group| group.service == service) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group {
                service,
                rows: vec![row],
            }),
        }
    }
    groups
}

fn service(path: &str) -> &str {
    let name = path.trim_start_matches('/');
    name.rsplit_once('/').map_or(name, |(service, _)| service)
}

fn method(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

// === impl Group ===

impl Group<'_> {
    /// Whether anybody may, or might, call anything of it.
    fn is_open(&self) -> bool {
        let mut cells = self.rows.iter().flat_map(|row| &row.cells);
        cells.any(|cell| cell.depends || cell.decision != "DENY")
    }
}

// === impl Cell ===

impl Cell {
    fn word(&self) -> String {
        let star = if self.depends { "*" } else { "" };
        format!("{}{star}", self.decision)
    }

    fn json(&self, identity: Option<&String>) -> Value {
        json!({
            "identity": identity,
            "decision": self.decision,
            "depends": self.depends,
            "policy": self.policy.as_ref().map(ToString::to_string),
            "rule": self.rule,
        })
    }
}
