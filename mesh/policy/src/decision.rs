//! What was decided, by which policy and rule, and why.

use std::fmt;

use crate::policy::PolicyName;

/// What a request meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'e> {
    /// The answer.
    pub verdict: Verdict<'e>,
    /// The rule that gave it; none where nothing matched.
    pub by: Option<Matched<'e>>,
    /// Why, beyond the rule.
    pub reason: Reason<'e>,
    /// The AUDIT policies that match; they decide nothing.
    pub audit: Vec<&'e PolicyName>,
    /// The dry-run policies that match, each with its first rule that does; they decide nothing.
    pub dry_run: Vec<DryRun<'e>>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'e> {
    /// The request may pass.
    Allow,
    /// It may not.
    Deny,
    /// An external authorizer is to be asked. If it allows, the rest decides.
    Custom {
        /// The name of the authorizer's provider.
        provider: &'e str,
        /// Whether the request may pass then.
        then_allowed: bool,
        /// The rule that says so; none where nothing matched.
        then: Option<Matched<'e>>,
    },
}

/// A rule that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matched<'e> {
    /// The policy.
    pub policy: &'e PolicyName,
    /// The rule, counted from 0.
    pub rule: usize,
}

/// A dry-run policy that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DryRun<'e> {
    /// The policy and its rule.
    pub matched: Matched<'e>,
    /// `ALLOW`, `DENY`, `AUDIT` or `CUSTOM`.
    pub action: &'static str,
}

/// Why a request meets what it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason<'e> {
    /// An ALLOW policy matches.
    Allowed,
    /// A DENY policy matches.
    Denied,
    /// No ALLOW policy selects the workload, and no DENY policy matches.
    NoAllowPolicy,
    /// ALLOW policies select the workload and none matches.
    NoAllowMatched,
    /// A CUSTOM policy matches.
    AskProvider,
    /// A CUSTOM policy matches, but its provider cannot be asked; the text tells why.
    BadProvider(&'e str),
}

// === impl Decision ===

impl Decision<'_> {
    /// Whether the request may pass with nobody else asked.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.verdict == Verdict::Allow
    }

    /// The id under which Istio's proxy reports the rule, such as `ns[shop]-policy[order]-rule[0]`.
    #[must_use]
    pub fn policy_id(&self) -> Option<String> {
        let Matched { policy, rule } = self.by?;
        let id = format!(
            "ns[{}]-policy[{}]-rule[{rule}]",
            policy.namespace, policy.name
        );
        Some(match self.reason {
            Reason::BadProvider(_) => format!("istio-ext-authz-{id}-deny-due-to-bad-CUSTOM-action"),
            _ => id,
        })
    }
}

impl fmt::Display for Decision<'_> {
    /// A sentence for people.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(matched) = self.by {
            write!(formatter, "{matched} matches: ")?;
        }
        self.reason.fmt(formatter)
    }
}

impl fmt::Display for Matched<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "policy {} rule {}", self.policy, self.rule)
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Allowed => write!(formatter, "allowed"),
            Reason::Denied => write!(formatter, "denied"),
            Reason::NoAllowPolicy => write!(formatter, "no ALLOW policy selects the workload"),
            Reason::NoAllowMatched => {
                write!(
                    formatter,
                    "ALLOW policies select the workload and none matches"
                )
            }
            Reason::AskProvider => write!(formatter, "the provider decides"),
            Reason::BadProvider(why) => {
                write!(formatter, "denied due to bad CUSTOM action: {why}")
            }
        }
    }
}
