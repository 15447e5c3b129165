//! Istio's security API as plain values: what a policy says, read from the YAML that Istio reads.
//!
//! Values stay the strings that stand in the file. What they match is the policy engine's affair;
//! nothing here decides a request.

#![warn(missing_docs)]

mod authentication;
mod authorization;
mod meta;
mod settings;
mod workload;

mod load;
mod locate;
mod report;

mod check;
mod read;
mod suggest;
mod yaml;

pub use authentication::{
    ClaimToHeader, JwtHeader, JwtRule, MtlsMode, PeerAuthentication, RequestAuthentication,
};
pub use authorization::{
    Action, AuthorizationPolicy, Condition, Operation, Rule, Source, TargetRef,
};
pub use load::{Loaded, mesh_settings_from_path, mesh_settings_from_text};
pub use locate::Locator;
pub use meta::{Labels, Meta, Origin};
pub use report::{Error, Problem, ProblemKind};
pub use settings::{ExtAuthz, ExtensionProvider, MeshSettings, PathNormalization, ProviderKind};
pub use suggest::nearest;
pub use workload::{PortProtocol, Workload, WorkloadEntry};

/// Everything that a set of files says, in the order in which it stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicySet {
    /// `security.istio.io` AuthorizationPolicy.
    pub authorization_policies: Vec<AuthorizationPolicy>,
    /// `security.istio.io` PeerAuthentication.
    pub peer_authentications: Vec<PeerAuthentication>,
    /// `security.istio.io` RequestAuthentication.
    pub request_authentications: Vec<RequestAuthentication>,
    /// `networking.istio.io` WorkloadEntry: whom the policies can select.
    pub workload_entries: Vec<WorkloadEntry>,
}
