//! Whom CUSTOM policies ask: one provider for a workload, or nobody, and then they deny.

use std::collections::BTreeSet;

use mesh_api::{Action, MeshSettings, ProviderKind};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Custom {
    #[default]
    Nobody,
    Ask {
        provider: String,
        /// A provider that speaks HTTP is not asked about TCP connections.
        is_http_only: bool,
    },
    /// Why CUSTOM policies deny what they match.
    Fault(String),
}

// === impl Custom ===

impl Custom {
    /// The policies on trial count, too, when Istio counts providers.
    pub(crate) fn of<'p>(
        actions: impl Iterator<Item = &'p Action>,
        settings: &MeshSettings,
    ) -> Self {
        let names: BTreeSet<&str> = actions
            .filter_map(|action| match action {
                Action::Custom { provider } => Some(provider.as_str()),
                Action::Allow | Action::Deny | Action::Audit => None,
            })
            .collect();
        let mut names = names.into_iter();
        let (provider, others) = (names.next(), names.next());
        match (provider, others) {
            (None, _) => Custom::Nobody,
            (Some(_), Some(_)) => {
                Custom::Fault("several providers are named for one workload".to_owned())
            }
            (Some(name), None) => match settings.ext_authz(name) {
                Err(why) => Custom::Fault(why),
                Ok(_) => Custom::Ask {
                    provider: name.to_owned(),
                    is_http_only: settings.extension_providers.iter().any(|provider| {
                        provider.name == name
                            && matches!(provider.kind, ProviderKind::ExtAuthzHttp(_))
                    }),
                },
            },
        }
    }
}
