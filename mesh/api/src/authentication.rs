//! PeerAuthentication and RequestAuthentication: which TLS a workload takes, and which tokens.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::authorization::TargetRef;
use crate::meta::{Labels, Meta};

/// `security.istio.io` PeerAuthentication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerAuthentication {
    /// Names and place.
    pub meta: Meta,
    /// `spec.selector.matchLabels`; empty makes it the policy of its namespace, or of the mesh.
    pub selector: Labels,
    /// `spec.mtls.mode`.
    pub mode: MtlsMode,
    /// `spec.portLevelMtls`: modes by port of the workload.
    pub port_level: BTreeMap<u16, MtlsMode>,
}

/// Whether a port takes mutual TLS, plain text, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MtlsMode {
    /// Inherited from the wider scope.
    #[default]
    Unset,
    /// Plain text alone.
    Disable,
    /// Both.
    Permissive,
    /// Mutual TLS alone.
    Strict,
}

/// `security.istio.io` RequestAuthentication.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestAuthentication {
    /// Names and place.
    pub meta: Meta,
    /// `spec.selector.matchLabels`; empty selects every workload of the scope.
    pub selector: Labels,
    /// `spec.targetRefs`, and `spec.targetRef` as one.
    pub target_refs: Vec<TargetRef>,
    /// `spec.jwtRules`.
    pub jwt_rules: Vec<JwtRule>,
}

/// One issuer of tokens and how its tokens arrive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwtRule {
    /// The `iss` that a token must have; empty takes any.
    pub issuer: String,
    /// One of these must be in `aud`; empty takes any.
    pub audiences: Vec<String>,
    /// Where the keys are fetched.
    pub jwks_uri: String,
    /// The keys themselves.
    pub jwks: String,
    /// Headers to look in, in order.
    pub from_headers: Vec<JwtHeader>,
    /// Query parameters to look in.
    pub from_params: Vec<String>,
    /// Cookies to look in.
    pub from_cookies: Vec<String>,
    /// A header that receives the payload, as base64url.
    pub output_payload_to_header: String,
    /// Whether the token stays in the request.
    pub forward_original_token: bool,
    /// Claims that are copied to headers.
    pub output_claim_to_headers: Vec<ClaimToHeader>,
    /// How long fetching the keys may take.
    pub timeout: Option<Duration>,
    /// Claims that are lists with blanks between, besides `scope` and `permission`.
    pub space_delimited_claims: Vec<String>,
}

/// A header that carries a token behind a prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwtHeader {
    /// The header's name.
    pub name: String,
    /// What stands before the token, blank included.
    pub prefix: String,
}

/// A claim that is copied to a header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimToHeader {
    /// The header's name.
    pub header: String,
    /// The claim's name, with dots for nested ones.
    pub claim: String,
}

// === impl MtlsMode ===

impl MtlsMode {
    /// The mode as it stands in YAML.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            MtlsMode::Unset => "UNSET",
            MtlsMode::Disable => "DISABLE",
            MtlsMode::Permissive => "PERMISSIVE",
            MtlsMode::Strict => "STRICT",
        }
    }
}
