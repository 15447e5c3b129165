//! Addresses that a mail can be sent to.

use std::fmt;

use super::Malformed;

/// The longest address that SMTP carries (RFC 5321, 4.5.3.1.3, without the brackets).
pub(crate) const EMAIL_LENGTH_MAX: usize = 254;
/// The longest part before the @ (RFC 5321, 4.5.3.1.1).
const LOCAL_LENGTH_MAX: usize = 64;
/// The longest label of a domain name (RFC 1035, 2.3.4).
const LABEL_LENGTH_MAX: usize = 63;
/// What may stand before the @ beside letters and digits, without quotes (RFC 5322, `atext`).
const ATOM_SIGNS: &str = "!#$%&'*+-/=?^_`{|}~";

/// Where the mails about an order go. Never in an event, never in a log.
///
/// An order whose mails can never be sent is no order, so this takes only what the notification
/// service can put into a command and into a `To:` header: one plain address, no name, no list.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Email(String);

// === impl Email ===

impl Email {
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        if text.is_empty() {
            return Err(Malformed("must be set"));
        }
        if text.len() > EMAIL_LENGTH_MAX {
            return Err(Malformed("must have at most 254 bytes"));
        }
        match text.split_once('@') {
            Some((local, domain)) if is_local(local) && is_domain(domain) => {
                Ok(Self(text.to_owned()))
            }
            Some(_) | None => Err(Malformed("must be one mail address")),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(..)")
    }
}

/// Atoms between dots. Letters of any script pass (RFC 6531); marks that change how a text is
/// displayed do not.
fn is_local(text: &str) -> bool {
    let is_atom_char = |c: char| c.is_alphanumeric() || ATOM_SIGNS.contains(c);
    let is_atom = |atom: &str| !atom.is_empty() && atom.chars().all(is_atom_char);
    text.len() <= LOCAL_LENGTH_MAX && text.split('.').all(is_atom)
}

/// Labels between dots; its length is bounded by the address's.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_LENGTH_MAX).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.split('.').all(is_label)
}
