//! What the shop tells a customer about an order, and how far the telling has come.
//!
//! Pure values and moves: what happened elsewhere ([`News`]) becomes a message or none
//! ([`Content`]), and a [`Notification`] moves QUEUED → SENDING → SENT or FAILED. Times and ids are
//! arguments. Not here: words (templates), mail servers (mailer), rows (store).

use std::{
    fmt::{self, Display},
    str::FromStr,
};

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use shop_chassis::Money;
use uuid::Uuid;

/// How every message goes out.
pub(crate) const CHANNEL: &str = "email";

/// The part of every `Message-ID` behind the `@`.
const MESSAGE_ID_DOMAIN: &str = "tradewind.local";
/// Bytes of the recipient's hash inside a `Message-ID`: enough that two recipients of one event
/// never share an id, and too few to look an address up in a table of all addresses' hashes.
const RECIPIENT_HASH_BYTES: usize = 8;
/// The longest mail address that SMTP carries (RFC 5321, erratum 1690).
const ADDRESS_BYTES_MAX: usize = 254;

/// A notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NotificationId(pub(crate) Uuid);

/// An order of the order service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct OrderId(pub(crate) Uuid);

/// The event that gave the occasion for a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EventId(pub(crate) Uuid);

/// A mail address that cannot break out of a header or a command.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Recipient(String);

/// Why a text is no [`Recipient`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a mail address of at most {ADDRESS_BYTES_MAX} bytes with one @ and no white space")]
pub(crate) struct InvalidRecipient;

/// `Message-ID` of a mail: the same for the same event and recipient, however often it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MessageId(String);

/// Where the mails about an order go, and whose they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) order_id: OrderId,
    pub(crate) customer_id: String,
    /// As the order service gave it: nobody has checked it yet.
    pub(crate) email: String,
}

/// What another service has said, as far as a customer might want to hear of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    OrderCreated { total: Money },
    OrderCancelled { reason: Reason },
    PaymentProcessed { phase: Phase, amount: Money },
    PaymentFailed { retryable: bool },
    PaymentRefunded { amount: Money, refunded: Money },
}

/// Why an order was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    OutOfStock,
    PaymentFailed,
    CancelRequested,
    DeadlinePassed,
}

/// Which step of a payment succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Authorized,
    Captured,
    Voided,
}

/// What a message says; with it the same words can be written again at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    OrderReceived { total: Money },
    Receipt { amount: Money },
    PaymentFailed,
    OrderCancelled { reason: Reason },
    Refund { amount: Money, refunded: Money },
}

/// The name of a message's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Template {
    OrderReceived,
    Receipt,
    PaymentFailed,
    OrderCancelled,
    Refund,
}

/// Where a notification stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Waits to be sent; no server has accepted it.
    Queued,
    /// Was handed to a server whose answer is not recorded.
    Sending,
    /// A server has accepted it.
    Sent,
    /// Given up.
    Failed,
}

/// One message to one recipient about one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notification {
    pub(crate) id: NotificationId,
    pub(crate) event_id: EventId,
    pub(crate) order_id: OrderId,
    pub(crate) content: Content,
    pub(crate) status: Status,
    pub(crate) subject: String,
    /// Known once the recipient is.
    pub(crate) message_id: Option<MessageId>,
    /// Why it was given up, when it was.
    pub(crate) failure: Option<Failure>,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) send_time: Option<DateTime<Utc>>,
}

/// Why a notification was given up: a mail server's reply code, or a word of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure(String);

/// What a try to send begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) message_id: MessageId,
    /// An earlier try got no answer: the recipient may get this mail, with the same id, twice.
    pub(crate) may_repeat: bool,
}

/// What the other services hear about a notification, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Sent {
        id: NotificationId,
        order_id: OrderId,
        template: Template,
    },
    Failed {
        id: NotificationId,
        order_id: OrderId,
        template: Template,
        failure: Failure,
    },
}

/// The notification is SENT or FAILED already: nothing more happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("notification is settled already")]
pub(crate) struct AlreadySettled;

// === impl News ===

impl News {
    /// What the customer is told, if anything.
    pub(crate) fn content(&self) -> Option<Content> {
        match self {
            Self::OrderCreated { total } => Some(Content::OrderReceived { total: *total }),
            // The failed payment has its own mail, which says that the order ends with it.
            Self::OrderCancelled {
                reason: Reason::PaymentFailed,
            } => None,
            Self::OrderCancelled { reason } => Some(Content::OrderCancelled { reason: *reason }),
            Self::PaymentProcessed {
                phase: Phase::Captured,
                amount,
            } => Some(Content::Receipt { amount: *amount }),
            Self::PaymentProcessed {
                phase: Phase::Authorized | Phase::Voided,
                ..
            } => None,
            Self::PaymentFailed { retryable: false } => Some(Content::PaymentFailed),
            Self::PaymentFailed { retryable: true } => None,
            Self::PaymentRefunded { amount, refunded } => Some(Content::Refund {
                amount: *amount,
                refunded: *refunded,
            }),
        }
    }
}

// === impl Content ===

impl Content {
    /// The form that says it.
    pub(crate) fn template(&self) -> Template {
        match self {
            Self::OrderReceived { .. } => Template::OrderReceived,
            Self::Receipt { .. } => Template::Receipt,
            Self::PaymentFailed => Template::PaymentFailed,
            Self::OrderCancelled { .. } => Template::OrderCancelled,
            Self::Refund { .. } => Template::Refund,
        }
    }
}

// === impl Notification ===

impl Notification {
    /// A new message that waits to be sent.
    pub(crate) fn queue(
        id: NotificationId,
        event_id: EventId,
        order_id: OrderId,
        content: Content,
        subject: String,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id,
            event_id,
            order_id,
            content,
            status: Status::Queued,
            subject,
            message_id: None,
            failure: None,
            create_time: now,
            send_time: None,
        }
    }

    /// Notes that the next step hands the message to a server.
    pub(crate) fn begin_sending(
        &mut self,
        recipient: &Recipient,
    ) -> Result<Attempt, AlreadySettled> {
        let may_repeat = match self.status {
            Status::Queued => false,
            Status::Sending => true,
            Status::Sent | Status::Failed => return Err(AlreadySettled),
        };
        let message_id = MessageId::new(self.event_id, recipient);
        self.status = Status::Sending;
        self.message_id = Some(message_id.clone());
        Ok(Attempt {
            message_id,
            may_repeat,
        })
    }

    /// Takes [`Self::begin_sending`] back: the server has certainly not accepted the message.
    pub(crate) fn put_back(&mut self) -> Result<(), AlreadySettled> {
        self.check_open()?;
        self.status = Status::Queued;
        Ok(())
    }

    /// A server has accepted the message.
    pub(crate) fn accept(&mut self, now: DateTime<Utc>) -> Result<Settled, AlreadySettled> {
        self.check_open()?;
        self.status = Status::Sent;
        self.send_time = Some(now);
        let template = self.content.template();
        Ok(Settled::Sent {
            id: self.id,
            order_id: self.order_id,
            template,
        })
    }

    /// Nobody will get the message.
    pub(crate) fn give_up(&mut self, failure: Failure) -> Result<Settled, AlreadySettled> {
        self.check_open()?;
        self.status = Status::Failed;
        self.failure = Some(failure.clone());
        let template = self.content.template();
        Ok(Settled::Failed {
            id: self.id,
            order_id: self.order_id,
            template,
            failure,
        })
    }

    fn check_open(&self) -> Result<(), AlreadySettled> {
        match self.status {
            Status::Queued | Status::Sending => Ok(()),
            Status::Sent | Status::Failed => Err(AlreadySettled),
        }
    }
}

// === impl Settled ===

impl Settled {
    /// The notification it is about.
    pub(crate) fn id(&self) -> NotificationId {
        match self {
            Self::Sent { id, .. } | Self::Failed { id, .. } => *id,
        }
    }
}

// === impl Failure ===

impl Failure {
    /// A mail server's reply code, or its like.
    pub(crate) fn code(code: impl Into<String>) -> Self {
        Self(code.into())
    }

    /// The order is known to nobody, or its contact has been erased.
    pub(crate) fn no_contact() -> Self {
        Self::code("no_contact")
    }

    /// The address cannot be one.
    pub(crate) fn invalid_address() -> Self {
        Self::code("invalid_address")
    }

    /// It was tried for as long as it makes sense.
    pub(crate) fn attempts_exhausted() -> Self {
        Self::code("attempts_exhausted")
    }

    /// The code as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl Recipient ===

impl Recipient {
    /// The address as it was given.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The same for spellings that every mail server takes for one address: letters of the domain
    /// in any case. What stands before the @ belongs to the recipient's server and is left alone.
    fn normalized(&self) -> String {
        match self.0.split_once('@') {
            Some((user, domain)) => format!("{user}@{}", domain.to_ascii_lowercase()),
            None => self.0.clone(),
        }
    }
}

impl FromStr for Recipient {
    type Err = InvalidRecipient;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (user, domain) = text.split_once('@').ok_or(InvalidRecipient)?;
        let breaks_out = |c: char| c.is_control() || c.is_whitespace() || c == '<' || c == '>';
        if user.is_empty()
            || domain.is_empty()
            || domain.contains('@')
            || text.len() > ADDRESS_BYTES_MAX
            || text.contains(breaks_out)
        {
            return Err(InvalidRecipient);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address is personal: no log may hold one.
        f.write_str("Recipient(..)")
    }
}

// === impl MessageId ===

impl MessageId {
    /// The id of the mail about this event to this recipient.
    pub(crate) fn new(event_id: EventId, recipient: &Recipient) -> Self {
        let hash = Sha256::digest(recipient.normalized());
        let hash: String = hash
            .iter()
            .take(RECIPIENT_HASH_BYTES)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self(format!("<{}.{hash}@{MESSAGE_ID_DOMAIN}>", event_id.0))
    }

    /// An id that was made before, from the store.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }
}

impl Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl OrderId ===

impl OrderId {
    /// A form for people: the end of the id, because its beginning is the time of day.
    pub(crate) fn short(self) -> String {
        let digits = self.0.simple().to_string();
        digits[digits.len() - 8..].to_owned()
    }
}

// === names in columns, events and the API ===

/// Values with a name: how it is written, and how it is read again.
macro_rules! named {
    ($type:ident { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl $type {
            /// The name that columns, events and the API use.
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The value of a name.
            pub(crate) fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

named!(Template {
    OrderReceived => "order_received",
    Receipt => "receipt",
    PaymentFailed => "payment_failed",
    OrderCancelled => "order_cancelled",
    Refund => "refund",
});

named!(Status {
    Queued => "QUEUED",
    Sending => "SENDING",
    Sent => "SENT",
    Failed => "FAILED",
});

named!(Reason {
    OutOfStock => "OUT_OF_STOCK",
    PaymentFailed => "PAYMENT_FAILED",
    CancelRequested => "CANCEL_REQUESTED",
    DeadlinePassed => "DEADLINE_PASSED",
});

#[cfg(test)]
mod tests;
