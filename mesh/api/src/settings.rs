//! The settings of Istio's MeshConfig that change what a policy means; no other of its settings.

/// The namespace whose policies apply everywhere, unless MeshConfig names another.
const DEFAULT_ROOT_NAMESPACE: &str = "istio-system";

/// The trust domain unless MeshConfig names another.
const DEFAULT_TRUST_DOMAIN: &str = "cluster.local";

/// What of MeshConfig the engine needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshSettings {
    /// `rootNamespace`: its policies apply to every namespace.
    pub root_namespace: String,
    /// `trustDomain`.
    pub trust_domain: String,
    /// `trustDomainAliases`: principals of one are principals of all.
    pub trust_domain_aliases: Vec<String>,
    /// `pathNormalization.normalization`.
    pub path_normalization: PathNormalization,
    /// `extensionProviders`, of which CUSTOM policies name the authorizers.
    pub extension_providers: Vec<ExtensionProvider>,
}

/// What is done to a path before it is matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PathNormalization {
    /// Nothing.
    None,
    /// Dot segments, `\` to `/`, unreserved characters decoded. MeshConfig's `DEFAULT` is this.
    #[default]
    Base,
    /// BASE, and neighbouring slashes are one.
    MergeSlashes,
    /// MERGE_SLASHES after `%2F` and `%5C` are decoded.
    DecodeAndMergeSlashes,
}

/// A named provider of MeshConfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionProvider {
    /// The name that policies use.
    pub name: String,
    /// What it is.
    pub kind: ProviderKind,
    /// Why Istio cannot use it; every CUSTOM policy that names it then denies.
    pub fault: Option<String>,
}

/// The kinds of provider, of which only external authorizers serve CUSTOM policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// `envoyExtAuthzHttp`.
    ExtAuthzHttp(ExtAuthz),
    /// `envoyExtAuthzGrpc`.
    ExtAuthzGrpc(ExtAuthz),
    /// Another field of MeshConfig's provider, such as `zipkin`, or none.
    Other(String),
}

/// An external authorizer, as far as decisions can depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtAuthz {
    /// Host name of the service, or `namespace/host`.
    pub service: String,
    /// Its port.
    pub port: u32,
    /// Whether requests pass while it cannot be reached.
    pub fail_open: bool,
    /// The HTTP status of a denial that comes from its failure; 0 is Envoy's own.
    pub status_on_error: u16,
}

// === impl MeshSettings ===

impl Default for MeshSettings {
    fn default() -> Self {
        Self {
            root_namespace: DEFAULT_ROOT_NAMESPACE.to_owned(),
            trust_domain: DEFAULT_TRUST_DOMAIN.to_owned(),
            trust_domain_aliases: Vec::new(),
            path_normalization: PathNormalization::default(),
            extension_providers: Vec::new(),
        }
    }
}

impl MeshSettings {
    /// The external authorizer of that name, or why a CUSTOM policy that names it must deny.
    ///
    /// # Errors
    /// No provider has the name, or it is no external authorizer, or Istio cannot use it.
    pub fn ext_authz(&self, name: &str) -> Result<&ExtAuthz, String> {
        let named = |provider: &&ExtensionProvider| provider.name == name;
        let mut providers = self.extension_providers.iter();
        // Only among authorizers must a name be unique, so one goes before a tracer of its name.
        let provider = providers
            .clone()
            .filter(|provider| provider.is_ext_authz())
            .find(named)
            .or_else(|| providers.find(named))
            .ok_or_else(|| format!("no extension provider is named \"{name}\""))?;
        if let Some(fault) = &provider.fault {
            return Err(format!("extension provider \"{name}\": {fault}"));
        }
        match &provider.kind {
            ProviderKind::ExtAuthzHttp(authorizer) | ProviderKind::ExtAuthzGrpc(authorizer) => {
                Ok(authorizer)
            }
            ProviderKind::Other(kind) => Err(format!(
                "extension provider \"{name}\" is {kind}, not envoyExtAuthzHttp or \
                 envoyExtAuthzGrpc"
            )),
        }
    }
}

// === impl ExtensionProvider ===

impl ExtensionProvider {
    /// Whether it is an external authorizer, usable or not.
    #[must_use]
    pub fn is_ext_authz(&self) -> bool {
        matches!(
            self.kind,
            ProviderKind::ExtAuthzHttp(_) | ProviderKind::ExtAuthzGrpc(_)
        )
    }
}
