//! A proof as a tree that is read from top to bottom: the decision, the rules, what they want, what
//! the request has.

use std::fmt::Write as _;

use mesh_policy::{ClauseProof, ConditionProof, Holds, Place, RuleProof, Verdict};

use super::proof::Explained;
use crate::authz::answer::word;
use crate::authz::target::Places;

/// More values of a condition than this hide the others from a reader.
const VALUES_SHOWN: usize = 4;

/// Of many sources or operations that miss, the nearest few tell enough.
const CLAUSES_SHOWN: usize = 2;

/// A line with what is below it.
struct Node {
    text: String,
    below: Vec<Node>,
}

pub(super) fn text(explained: &Explained<'_>, places: &mut Places) -> String {
    let mut root = Node::leaf(headline(explained));
    root.below.push(Node::leaf(reason(explained)));
    root.below.push(Node::leaf(tls(explained)));
    let proof = &explained.proof;
    for rule in proof.decided.iter().chain(&proof.nearest) {
        let name = rule.rule.policy;
        let place = places.of_rule(&explained.world.policies, name, rule.rule.rule);
        let place = place.map_or_else(String::new, |place| format!("   {place}"));
        root.below.push(rule_node(rule, &place));
    }
    for policy in &proof.decision.audit {
        root.below.push(Node::leaf(format!("audited by {policy}")));
    }
    for told in &proof.decision.dry_run {
        let (matched, action) = (told.matched, told.action);
        let text = format!("dry run: {matched} would {action}");
        root.below.push(Node::leaf(text));
    }
    root.drawn()
}

// === the lines ===

fn headline(explained: &Explained<'_>) -> String {
    let (request, callee) = (&explained.request, explained.callee);
    let caller = request.source.principal;
    let caller = caller.map_or_else(|| "nobody".to_owned(), |own| explained.home.short(own));
    let what = match &request.http {
        Some(http) => format!("{} {}", http.method, http.path),
        None => "TCP".to_owned(),
    };
    let (name, port) = (&callee.name, request.destination.port);
    let decision = word(&explained.proof.decision);
    format!("{decision}  {caller} → {name}:{port}  {what}")
}

fn reason(explained: &Explained<'_>) -> String {
    let decision = &explained.proof.decision;
    let mut text = decision.to_string();
    if let Verdict::Custom {
        provider,
        then_allowed,
        then,
    } = &decision.verdict
    {
        let then_word = if *then_allowed { "ALLOW" } else { "DENY" };
        let _ = write!(text, "; it is {provider}, and after its yes {then_word}");
        if let Some(then) = then {
            let _ = write!(text, " by {then}");
        }
    }
    let selected = match explained.selected {
        1 => "1 policy selects".to_owned(),
        count => format!("{count} policies select"),
    };
    let _ = write!(text, " ({selected} the workload)");
    text
}

fn tls(explained: &Explained<'_>) -> String {
    let mode = explained.mode.mode.as_str();
    let mut text = format!("mutual TLS {mode}");
    match explained.tls_policy() {
        Some(policy) => {
            let _ = write!(text, " by {policy}");
        }
        None => text.push_str(" by default"),
    }
    if let Some(note) = explained.tls_note() {
        let _ = write!(text, ": {note}");
    }
    text
}

fn rule_node(rule: &RuleProof<'_>, place: &str) -> Node {
    let matches = match rule.matches {
        true => "matches",
        false => "does not match",
    };
    let (action, name) = (rule.action, rule.rule);
    let mut node = Node::leaf(format!("{action} {name} {matches}{place}"));
    if rule.is_void {
        let text = "void: it asks for HTTP, and this is a TCP connection";
        node.below.push(Node::leaf(text.to_owned()));
    }
    let is_from = |clause: &&ClauseProof| matches!(clause.place, Place::From(_));
    let is_to = |clause: &&ClauseProof| matches!(clause.place, Place::To(_));
    let is_when = |clause: &&ClauseProof| clause.place == Place::When;
    let sources = rule.clauses.iter().filter(is_from).collect();
    let operations = rule.clauses.iter().filter(is_to).collect();
    let when = rule.clauses.iter().filter(is_when).collect();
    for (part, what) in [
        (sources, "sources"),
        (operations, "operations"),
        (when, "conditions"),
    ] {
        part_nodes(part, what, &mut node.below);
    }
    if node.below.is_empty() && rule.matches {
        let text = "it asks for nothing";
        node.below.push(Node::leaf(text.to_owned()));
    }
    node
}

/// Of clauses of which one suffices, the one that does, or the nearest.
fn part_nodes(mut clauses: Vec<&ClauseProof>, what: &str, below: &mut Vec<Node>) {
    clauses.sort_by_key(|clause| clause.failures().count());
    let holds = |clause: &&ClauseProof| clause.failures().next().is_none();
    let shown = match clauses.first() {
        Some(first) if holds(first) => 1,
        _ => CLAUSES_SHOWN.min(clauses.len()),
    };
    let hidden = clauses.len() - shown;
    let is_met = clauses.first().is_some_and(holds);
    for clause in clauses.into_iter().take(shown) {
        let mark = if holds(&clause) { '✓' } else { '✗' };
        let mut node = Node::leaf(format!("{mark} {}", clause.place));
        node.below = clause.conditions.iter().map(condition_node).collect();
        below.push(node);
    }
    if hidden > 0 && !is_met {
        below.push(Node::leaf(format!("✗ {hidden} more {what} miss")));
    }
}

fn condition_node(condition: &ConditionProof) -> Node {
    let mark = match condition.holds {
        Holds::Yes => '✓',
        Holds::No => '✗',
        Holds::Skipped => '–',
    };
    let field = &condition.field;
    let is_negative = field.starts_with("not") || field.ends_with(" notValues");
    if condition.holds == Holds::Yes
        && let Some(actual) = &condition.actual
    {
        let text = match condition.values.as_slice() {
            values if is_negative => format!("{actual} is none of {}", listed(values)),
            [value] if value == actual => actual.clone(),
            [value] => format!("{actual} matches {value}"),
            values => format!("{actual} is one of {}", values.len()),
        };
        return Node::leaf(format!("{mark} {field}: {text}"));
    }
    let needs = match (is_negative, condition.values.len()) {
        (true, _) => "none of ",
        (false, 1) => "",
        (false, _) => "one of ",
    };
    let text = format!("{mark} {field}: {needs}{}", listed(&condition.values));
    if condition.holds == Holds::Skipped {
        return Node::leaf(format!("{text} (HTTP only, left out)"));
    }
    let has = match &condition.actual {
        Some(actual) if actual.is_empty() => "it is empty".to_owned(),
        Some(actual) => format!("the request has {actual}"),
        None => "the request has none".to_owned(),
    };
    let mut node = Node::leaf(text);
    node.below.push(Node::leaf(has));
    node
}

fn listed(values: &[String]) -> String {
    let shown: Vec<&str> = values
        .iter()
        .take(VALUES_SHOWN)
        .map(String::as_str)
        .collect();
    let mut text = shown.join(", ");
    if values.len() > VALUES_SHOWN {
        let _ = write!(text, " and {} more", values.len() - VALUES_SHOWN);
    }
    text
}

// === impl Node ===

impl Node {
    fn leaf(text: String) -> Self {
        Self {
            text,
            below: Vec::new(),
        }
    }

    fn drawn(&self) -> String {
        let mut out = format!("{}\n", self.text);
        self.draw_below("", &mut out);
        out
    }

    fn draw_below(&self, indent: &str, out: &mut String) {
        let last = self.below.len().saturating_sub(1);
        for (number, node) in self.below.iter().enumerate() {
            let (branch, rest) = match number == last {
                true => ("└─ ", "   "),
                false => ("├─ ", "│  "),
            };
            let _ = writeln!(out, "{indent}{branch}{}", node.text);
            node.draw_below(&format!("{indent}{rest}"), out);
        }
    }
}
