//! The compiled-in table of callers: which service accounts may call what, everything else is
//! refused. It stands until AuthorizationPolicy replaces it.

use mesh_identity::SpiffeId;

/// Who may call what. What no rule allows is refused.
#[derive(Clone, Copy, Debug)]
pub struct CallerTable(
    /// The rules; one that matches is enough.
    pub &'static [CallerRule],
);

/// One path, or every path below a service, and who may call it.
#[derive(Clone, Copy, Debug)]
pub struct CallerRule {
    /// A service with its slash (`/shop.order.v1.OrderService/`) or one whole method.
    pub path: &'static str,
    /// Service accounts of the callee's own trust domain and namespace.
    pub callers: &'static [&'static str],
}

// === impl CallerTable ===

impl CallerTable {
    /// Whether `caller` may call `path` of the workload `own`.
    pub fn allows(&self, own: &SpiffeId, caller: &SpiffeId, path: &str) -> bool {
        let near =
            caller.trust_domain() == own.trust_domain() && caller.namespace() == own.namespace();
        near && self
            .0
            .iter()
            .any(|rule| rule.covers(path) && rule.callers.contains(&caller.service_account()))
    }
}

// === impl CallerRule ===

impl CallerRule {
    fn covers(&self, path: &str) -> bool {
        match path.strip_prefix(self.path) {
            // Below a service there is one more segment, the method, and nothing else.
            Some(method) if self.path.ends_with('/') => {
                !method.is_empty() && method.bytes().all(is_identifier_byte)
            }
            Some(rest) => rest.is_empty(),
            None => false,
        }
    }
}

/// Protobuf names consist of these; a slash, a dot or a percent sign is none of them.
fn is_identifier_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests;
