//! The provider's book: which money is held, taken and given back, and the first answer under
//! every idempotency key. Pure: ids are arguments; files and sockets are elsewhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Authorises.
const TOKEN_OK: &str = "tok_ok";
/// Is refused for good.
const TOKEN_DECLINED: &str = "tok_declined";
/// Authorises, but the first caller hears nothing of it for a while.
const TOKEN_TIMEOUT: &str = "tok_timeout";

/// What a client asks for, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Authorize(NewAuthorization),
    Capture {
        id: String,
    },
    Refund {
        authorization_id: String,
        amount_minor: i64,
    },
    Void {
        id: String,
    },
}

/// Body of `POST /v1/authorizations`. Unknown fields are refused, so that nobody sends card data.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAuthorization {
    pub(crate) amount_minor: i64,
    pub(crate) currency: String,
    pub(crate) payment_token: String,
    pub(crate) reference: String,
}

/// Money that was authorised, and what became of it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub(crate) struct Authorization {
    pub(crate) id: String,
    pub(crate) reference: String,
    pub(crate) amount_minor: i64,
    pub(crate) currency: String,
    pub(crate) captured_minor: i64,
    pub(crate) refunded_minor: i64,
    pub(crate) voided: bool,
}

/// What one command did to the book.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(tag = "change", rename_all = "snake_case")]
pub(crate) enum Change {
    Authorized(Authorization),
    Captured {
        id: String,
    },
    Refunded {
        authorization_id: String,
        amount_minor: i64,
    },
    Voided {
        id: String,
    },
}

/// An answer to a client: kept under its key and repeated as it is.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// One line of the journal: an answer, whom it was given to, and what it changed.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// Hash of path and body, to tell a repetition from another request under the same key.
    pub(crate) fingerprint: String,
    pub(crate) answer: Answer,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) change: Option<Change>,
}

/// What the book says about a key before anything is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    New,
    Repeated(Answer),
    Reused,
}

/// The fold of all entries.
#[derive(Default)]
pub(crate) struct Book {
    authorizations: BTreeMap<String, Authorization>,
    answers: BTreeMap<String, (String, Answer)>,
}

// === impl Answer ===

impl Answer {
    /// A refusal with a code that programs read.
    pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Self {
        Self {
            status,
            body: json!({"code": code, "message": message}),
        }
    }
}

// === impl NewAuthorization ===

impl NewAuthorization {
    /// Whether the first caller is to hear nothing for a while.
    pub(crate) fn is_silent(&self) -> bool {
        self.payment_token == TOKEN_TIMEOUT
    }
}

// === impl Book ===

impl Book {
    /// Whether this key was answered before.
    pub(crate) fn known(&self, key: &str, fingerprint: &str) -> Known {
        match self.answers.get(key) {
            None => Known::New,
            Some((first, answer)) if first == fingerprint => Known::Repeated(answer.clone()),
            Some(_) => Known::Reused,
        }
    }

    /// Decides a command. `id` names what it may create.
    pub(crate) fn decide(&self, command: &Command, id: &str) -> (Answer, Option<Change>) {
        match command {
            Command::Authorize(wanted) => authorize(wanted, id),
            Command::Capture { id } => self.capture(id),
            Command::Refund {
                authorization_id,
                amount_minor,
            } => self.refund(authorization_id, *amount_minor, id),
            Command::Void { id } => self.void(id),
        }
    }

    /// Takes an entry in: one just decided, or one read from the journal.
    pub(crate) fn apply(&mut self, entry: Entry) {
        match entry.change {
            None => {}
            Some(Change::Authorized(authorization)) => {
                self.authorizations
                    .insert(authorization.id.clone(), authorization);
            }
            Some(Change::Captured { id }) => {
                if let Some(held) = self.authorizations.get_mut(&id) {
                    held.captured_minor = held.amount_minor;
                }
            }
            Some(Change::Refunded {
                authorization_id,
                amount_minor,
            }) => {
                if let Some(held) = self.authorizations.get_mut(&authorization_id) {
                    held.refunded_minor += amount_minor;
                }
            }
            Some(Change::Voided { id }) => {
                if let Some(held) = self.authorizations.get_mut(&id) {
                    held.voided = true;
                }
            }
        }
        self.answers
            .insert(entry.key, (entry.fingerprint, entry.answer));
    }

    /// All authorisations, for whoever compares books.
    pub(crate) fn ledger(&self) -> Value {
        json!({"authorizations": self.authorizations.values().collect::<Vec<_>>()})
    }

    fn capture(&self, id: &str) -> (Answer, Option<Change>) {
        let Some(held) = self.authorizations.get(id) else {
            return unknown();
        };
        if held.voided {
            return refused("invalid_state", "the authorization was voided");
        }
        if held.captured_minor > 0 {
            return refused("invalid_state", "the authorization was captured before");
        }
        let body = json!({"id": id, "status": "captured", "captured_minor": held.amount_minor});
        (
            Answer { status: 200, body },
            Some(Change::Captured { id: id.to_owned() }),
        )
    }

    fn void(&self, id: &str) -> (Answer, Option<Change>) {
        let Some(held) = self.authorizations.get(id) else {
            return unknown();
        };
        if held.captured_minor > 0 {
            return refused("invalid_state", "the authorization was captured");
        }
        if held.voided {
            return refused("invalid_state", "the authorization was voided before");
        }
        let body = json!({"id": id, "status": "voided"});
        (
            Answer { status: 200, body },
            Some(Change::Voided { id: id.to_owned() }),
        )
    }

    fn refund(&self, id: &str, amount_minor: i64, refund_id: &str) -> (Answer, Option<Change>) {
        let Some(held) = self.authorizations.get(id) else {
            return unknown();
        };
        if amount_minor > held.captured_minor - held.refunded_minor {
            return refused(
                "refund_exceeds_captured",
                "more than what is left was asked for",
            );
        }
        let body = json!({
            "id": format!("re_{refund_id}"),
            "authorization_id": id,
            "amount_minor": amount_minor,
            "status": "refunded",
        });
        let change = Change::Refunded {
            authorization_id: id.to_owned(),
            amount_minor,
        };
        (Answer { status: 201, body }, Some(change))
    }
}

fn authorize(wanted: &NewAuthorization, id: &str) -> (Answer, Option<Change>) {
    match wanted.payment_token.as_str() {
        TOKEN_OK | TOKEN_TIMEOUT => {}
        TOKEN_DECLINED => {
            let answer = Answer::refusal(402, "card_declined", "the issuer declined");
            return (answer, None);
        }
        _ => {
            let answer = Answer::refusal(402, "invalid_token", "the payment token is unknown");
            return (answer, None);
        }
    }
    let held = Authorization {
        id: format!("auth_{id}"),
        reference: wanted.reference.clone(),
        amount_minor: wanted.amount_minor,
        currency: wanted.currency.clone(),
        captured_minor: 0,
        refunded_minor: 0,
        voided: false,
    };
    let body = json!({
        "id": held.id,
        "status": "authorized",
        "amount_minor": held.amount_minor,
        "currency": held.currency,
    });
    (Answer { status: 201, body }, Some(Change::Authorized(held)))
}

fn unknown() -> (Answer, Option<Change>) {
    (
        Answer::refusal(404, "not_found", "the authorization is unknown"),
        None,
    )
}

fn refused(code: &str, message: &str) -> (Answer, Option<Change>) {
    (Answer::refusal(422, code, message), None)
}

#[cfg(test)]
mod tests;
