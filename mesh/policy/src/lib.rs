//! Istio's security policies, decided as Istio's sidecar decides them. Pure: no clock, no network,
//! no files; a request is borrowed, and the answer names the rule that gave it.
//!
//! [`compile`] makes an [`Engine`] of the policies that select a workload; [`Engine::decide`]
//! answers, and [`Engine::explain`] proves it. [`PeerModes`] is what PeerAuthentication makes of
//! each port.

#![warn(missing_docs)]

mod decision;
mod engine;
mod explain;
mod peer;
mod policy;
mod request;
mod tokens;

mod compile;
mod condition;
mod context;
mod domains;
mod index;
mod rule;

mod address;
mod identity;
mod path;
mod pattern;
mod text;
mod token;

pub use decision::{Decision, DryRun, Matched, Reason, Verdict};
pub use engine::{Engine, compile};
pub use explain::{ClauseProof, ConditionProof, Proof, RuleProof};
pub use peer::{ModeReason, PeerModes, PortMode};
pub use policy::{Dropped, PolicyName};
pub use request::{Destination, Headers, Http, Jwt, Request, Source};
pub use rule::{Holds, Place};
pub use tokens::Tokens;
