//! Who calls: the peer of the connection, and the end user of the token. Both come from what was
//! verified (the handshake, the signature), never from a plain header.

use std::fmt;

use mesh_identity::SpiffeId;
use mesh_transport::PeerIdentity;
use serde::{Deserialize, Serialize};
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use crate::error::{Failure, Kind, Violations};

/// Clients send at most this much of an etag; ours are a few digits.
const IF_MATCH_MAX: usize = 128;

/// The two identities of a call, with the two headers that handlers may ask for.
#[derive(Clone, Debug)]
pub struct Caller {
    peer: Option<SpiffeId>,
    user: Option<EndUser>,
    on_behalf_of: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    if_match: Option<String>,
}

/// The end user, as a verified token names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndUser {
    /// The token's `sub`; rows carry it as `customer_id`.
    pub subject: String,
    /// What the user may be here. Roles that this version does not know are left out.
    pub roles: Vec<Role>,
    /// What the token was issued for.
    pub scopes: Vec<String>,
}

/// What an end user may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Buys; sees what is its own.
    Customer,
    /// Helps customers; sees everything, refunds.
    Support,
    /// Keeps the catalogue and the stock.
    Merchant,
    /// May all of it.
    Admin,
}

/// Who did something, as events and history tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The SPIFFE id of the program.
    pub principal: String,
    /// The end user, if one was behind it.
    pub subject: Option<String>,
}

// === impl Caller ===

impl Caller {
    /// Takes a request apart. Every handler begins with it.
    pub fn split<T>(request: Request<T>) -> Result<(Self, T), Status> {
        let (metadata, extensions, message) = request.into_parts();
        let mut violations = Violations::default();
        let idempotency_key = header(&metadata, "idempotency-key", &mut violations);
        let if_match = header(&metadata, "if-match", &mut violations);
        if let Some(etag) = &if_match {
            violations.check(etag.len() <= IF_MATCH_MAX, "If-Match", "is too long");
        }
        violations.finish()?;
        let caller = Self {
            peer: extensions.get::<PeerIdentity>().map(|peer| peer.id.clone()),
            user: extensions.get::<EndUser>().cloned(),
            on_behalf_of: None,
            idempotency_key,
            if_match,
        };
        Ok((caller, message))
    }

    /// The service itself, in events and tasks, on behalf of the user that the stored row names.
    pub fn background(own: SpiffeId, on_behalf_of: Option<String>) -> Self {
        Self {
            peer: Some(own),
            user: None,
            on_behalf_of,
            idempotency_key: None,
            if_match: None,
        }
    }

    /// An end user that calls through `peer`.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn of_user(peer: SpiffeId, user: EndUser) -> Self {
        let mut caller = Self::background(peer, None);
        caller.user = Some(user);
        caller
    }

    /// The program that calls; none only where `MESH_MODE=off`.
    pub fn peer(&self) -> Option<&SpiffeId> {
        self.peer.as_ref()
    }

    /// The end user, if the call brought a valid token.
    pub fn user(&self) -> Option<&EndUser> {
        self.user.as_ref()
    }

    /// The end user that calls or, in the background, that the work is done for.
    pub fn subject(&self) -> Option<&str> {
        match &self.user {
            Some(user) => Some(&user.subject),
            None => self.on_behalf_of.as_deref(),
        }
    }

    /// Who history and events name.
    pub fn actor(&self) -> Actor {
        let principal = match &self.peer {
            Some(id) => id.to_string(),
            None => "unknown".to_owned(),
        };
        Actor {
            principal,
            subject: self.subject().map(str::to_owned),
        }
    }

    /// The end user, or UNAUTHENTICATED.
    pub fn require_user(&self) -> Result<&EndUser, Failure> {
        self.user
            .as_ref()
            .ok_or_else(|| Failure::new(Kind::Unauthenticated, "a token is required"))
    }

    /// The end user with one of `roles`; otherwise PERMISSION_DENIED, or UNAUTHENTICATED without
    /// a token. To be called before anything is read.
    pub fn require(&self, roles: &[Role]) -> Result<&EndUser, Failure> {
        let user = self.require_user()?;
        if roles.iter().any(|role| user.has(*role)) {
            return Ok(user);
        }
        Err(Failure::new(
            Kind::Forbidden,
            "the token has none of the roles that may do this",
        ))
    }

    /// The etag that the change is meant for: the header `If-Match` without its quotes, or the
    /// body's; both and different is a violation. `*` and nothing mean any.
    pub fn if_match<'e>(&'e self, body: &'e str) -> Result<Option<&'e str>, Failure> {
        let header = self.if_match.as_deref().map(|etag| etag.trim_matches('"'));
        let body = Some(body.trim_matches('"')).filter(|etag| !etag.is_empty());
        match (header, body) {
            (Some(header), Some(body)) if header != body => {
                Err(Failure::invalid("etag", "differs from the header If-Match"))
            }
            (header, body) => Ok(header.or(body).filter(|etag| *etag != "*")),
        }
    }
}

/// The header's text; none when absent or empty.
fn header(metadata: &MetadataMap, name: &str, violations: &mut Violations) -> Option<String> {
    let mut values = metadata.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        violations.add(name, "is given more than once");
    }
    match value.to_str() {
        Ok("") => None,
        Ok(text) => Some(text.to_owned()),
        Err(_) => {
            violations.add(name, "must be printable ASCII");
            None
        }
    }
}

// === impl EndUser ===

impl EndUser {
    /// Whether the user has `role`.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether the user may see what belongs to `owner`: its own, or as support or admin anyone's.
    /// What it may not see is NOT_FOUND, as if it did not exist.
    pub fn may_see(&self, owner: &str) -> bool {
        self.subject == owner || self.has(Role::Support) || self.has(Role::Admin)
    }
}

// === impl Role ===

impl Role {
    /// The role that tokens call `name`.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "customer" => Some(Self::Customer),
            "support" => Some(Self::Support),
            "merchant" => Some(Self::Merchant),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Customer => "customer",
            Self::Support => "support",
            Self::Merchant => "merchant",
            Self::Admin => "admin",
        })
    }
}

#[cfg(test)]
mod tests;
