//! Hands one mail to the mail server, and says what is known about it afterwards.
//!
//! SMTP without TLS: the server is a relay on the same host or in the same pod. One connection
//! carries one mail, because a pooled connection whose call was cut off in the middle of a mail
//! would take the next command for more of its text. When to try again is not decided here.

use std::{
    fmt::{self, Display},
    str::FromStr,
    time::{Duration, SystemTime},
};

use lettre::{
    Address, Message,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        self,
        client::AsyncSmtpConnection,
        commands::{Data, Mail as MailFrom, Quit, Rcpt},
        extension::{ClientId, Extension, MailParameter},
    },
};
use tokio::time::timeout;

use crate::domain::{MessageId, Recipient};

/// The sender of every mail of the shop.
const SENDER_NAME: &str = "Tradewind";
const SENDER_USER: &str = "orders";
const SENDER_DOMAIN: &str = "tradewind.local";
/// A relay on the same network answers in milliseconds; one that takes this long is down.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// From the connection to the server's "go ahead": four short answers.
const OPENING_MAX: Duration = Duration::from_secs(10);
/// From the text to the server's answer. Longer than the opening, because giving up here leaves
/// it open whether the mail goes out, and costs the recipient a second copy.
const ACCEPTANCE_MAX: Duration = Duration::from_secs(30);
/// The good-bye is a courtesy.
const QUIT_MAX: Duration = Duration::from_secs(1);
/// The code of an address that no mail server would take.
const INVALID_ADDRESS: &str = "invalid_address";
/// Tells vacation programs and mailing lists not to answer (RFC 3834).
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// Where the mail server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SmtpAddress {
    host: String,
    port: u16,
}

/// One mail, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    /// The same at every try.
    pub(crate) message_id: MessageId,
    /// Who gets it.
    pub(crate) recipient: Recipient,
    /// The subject line.
    pub(crate) subject: String,
    /// The text.
    pub(crate) text: String,
    /// When the shop decided to send it, the same at every try.
    pub(crate) date: SystemTime,
}

/// What is known after a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The server has taken responsibility for the mail.
    Accepted,
    /// The server, or the form of the address, rules this mail out for good.
    Permanent {
        /// The reply code, or a word for what never reached a server.
        code: String,
    },
    /// It may work later.
    Transient {
        /// What happened, for the log.
        reason: String,
        /// Whether the server may have accepted it all the same: its answer to the text is lost.
        maybe_accepted: bool,
    },
}

/// A client of one mail server.
#[derive(Clone, Debug)]
pub(crate) struct Mailer {
    server: SmtpAddress,
}

// === impl Mailer ===

impl Mailer {
    /// A client of the server at this address. Nothing is dialled yet.
    pub(crate) fn new(server: SmtpAddress) -> Self {
        Self { server }
    }

    /// Tries once to hand over a mail.
    pub(crate) async fn send(&self, mail: &Mail) -> Outcome {
        let (recipient, text) = match format(mail) {
            Ok(formatted) => formatted,
            Err(reason) => {
                tracing::warn!(%reason, message_id = %mail.message_id, "mail cannot be formed");
                return Outcome::permanent(INVALID_ADDRESS);
            }
        };
        let opening = timeout(OPENING_MAX, self.open(recipient)).await;
        let mut connection = match opening {
            Ok(Ok(connection)) => connection,
            Ok(Err(refused)) => return refused,
            Err(_) => return Outcome::not_accepted("the server was too slow to take the mail"),
        };
        let outcome = match timeout(ACCEPTANCE_MAX, connection.message(&text)).await {
            Ok(Ok(_)) => Outcome::Accepted,
            Ok(Err(error)) => Outcome::of_text(&error),
            Err(_) => Outcome::lost_answer("no answer to the text in time"),
        };
        // What is known about the mail does not change any more, whatever becomes of the QUIT.
        let _ = timeout(QUIT_MAX, connection.command(Quit)).await;
        outcome
    }

    /// Brings a connection to the point where the server waits for the text of the mail.
    async fn open(&self, recipient: Address) -> Result<AsyncSmtpConnection, Outcome> {
        let server = (self.server.host.as_str(), self.server.port);
        let name = ClientId::Domain(SENDER_DOMAIN.to_owned());
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(CONNECT_MAX), &name, None, None)
                .await
                // A refusal here speaks of the server's state and not of this mail.
                .map_err(|error| Outcome::not_accepted(error.to_string()))?;
        let mut parameters = Vec::new();
        if !AsRef::<str>::as_ref(&recipient).is_ascii() {
            if !connection
                .server_info()
                .supports_feature(Extension::SmtpUtfEight)
            {
                return Err(Outcome::permanent(INVALID_ADDRESS));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let refused = |error: smtp::Error| Outcome::of_command(&error);
        connection
            .command(MailFrom::new(Some(sender()), parameters))
            .await
            .map_err(refused)?;
        connection
            .command(Rcpt::new(recipient, Vec::new()))
            .await
            .map_err(refused)?;
        connection.command(Data).await.map_err(refused)?;
        Ok(connection)
    }
}

// === impl Outcome ===

impl Outcome {
    fn permanent(code: impl Into<String>) -> Self {
        Self::Permanent { code: code.into() }
    }

    fn not_accepted(reason: impl Into<String>) -> Self {
        Self::Transient {
            reason: reason.into(),
            maybe_accepted: false,
        }
    }

    fn lost_answer(reason: impl Into<String>) -> Self {
        Self::Transient {
            reason: reason.into(),
            maybe_accepted: true,
        }
    }

    /// An error before the text was sent: the server cannot have accepted anything.
    fn of_command(error: &smtp::Error) -> Self {
        match error.status() {
            Some(code) if error.is_permanent() => Self::permanent(code.to_string()),
            _ => Self::not_accepted(error.to_string()),
        }
    }

    /// An error after the text was sent: only a reply says that it was not accepted.
    fn of_text(error: &smtp::Error) -> Self {
        match error.status() {
            Some(_) => Self::of_command(error),
            None => Self::lost_answer(error.to_string()),
        }
    }
}

// === impl SmtpAddress ===

impl SmtpAddress {
    /// Stands where the settings name no server; nothing is ever sent to it.
    pub(crate) fn unset() -> Self {
        Self {
            host: "unset.invalid".to_owned(),
            port: 1,
        }
    }
}

impl FromStr for SmtpAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = text.rsplit_once(':').ok_or("is not <host>:<port>")?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("has no host");
        }
        let port = port
            .parse()
            .map_err(|_| "has no port between 1 and 65535")?;
        if port == 0 {
            return Err("has no port between 1 and 65535");
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl Display for SmtpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

fn sender() -> Address {
    Address::new(SENDER_USER, SENDER_DOMAIN).expect("the sender's address is a valid constant")
}

/// The mail as it goes over the wire. It fails on an address that is none.
fn format(mail: &Mail) -> Result<(Address, Vec<u8>), String> {
    let recipient: Address = mail
        .recipient
        .as_str()
        .parse()
        .map_err(|error| format!("recipient's address: {error}"))?;
    let message = Message::builder()
        .message_id(Some(mail.message_id.to_string()))
        .date(mail.date)
        .from(Mailbox::new(Some(SENDER_NAME.to_owned()), sender()))
        .to(Mailbox::new(None, recipient.clone()))
        .subject(mail.subject.as_str())
        .raw_header(HeaderValue::new(
            AUTO_SUBMITTED,
            "auto-generated".to_owned(),
        ))
        .header(ContentType::TEXT_PLAIN)
        .body(mail.text.clone())
        .map_err(|error| format!("message: {error}"))?;
    Ok((recipient, message.formatted()))
}

#[cfg(test)]
mod tests;
