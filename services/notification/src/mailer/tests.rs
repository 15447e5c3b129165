//! Against a server that accepts, refuses, hangs up and is away.
#![allow(clippy::unwrap_used)]

use tokio::net::TcpListener;
use uuid::Uuid;

use super::*;
use crate::domain::EventId;
use crate::tests::responder::{Responder, Script, Step};

fn mail_to(address: &str) -> Mail {
    let recipient: Recipient = address.parse().unwrap();
    Mail {
        message_id: MessageId::new(EventId(Uuid::from_u128(7)), &recipient),
        recipient,
        subject: "Receipt for your order 1a2b3c4d".to_owned(),
        text: "Hello,\n\nyour order.\n.\nThe end\n".to_owned(),
        date: SystemTime::UNIX_EPOCH,
    }
}

async fn outcome_under(script: Script) -> Outcome {
    let server = Responder::start(script).await;
    Mailer::new(server.address.clone())
        .send(&mail_to("ada@example.com"))
        .await
}

fn assert_transient(outcome: Outcome, expected_maybe_accepted: bool) {
    match outcome {
        Outcome::Transient { maybe_accepted, .. } => {
            assert_eq!(maybe_accepted, expected_maybe_accepted);
        }
        other => panic!("expected a transient outcome, got {other:?}"),
    }
}

fn permanent(code: &str) -> Outcome {
    Outcome::permanent(code)
}

#[tokio::test]
async fn accepted_mail_carries_its_id_recipient_subject_and_text() {
    let server = Responder::start(Script::ACCEPT).await;
    let mail = mail_to("ada@example.com");
    assert_eq!(
        Mailer::new(server.address.clone()).send(&mail).await,
        Outcome::Accepted
    );

    let texts = server.texts();
    let [text] = &texts[..] else {
        panic!("expected one mail, got {texts:?}")
    };
    let (headers, body) = text.split_once("\r\n\r\n").unwrap();
    for line in [
        format!("Message-ID: {}", mail.message_id).as_str(),
        "Date: Thu, 01 Jan 1970 00:00:00 +0000",
        "From: Tradewind <orders@tradewind.local>",
        "To: ada@example.com",
        "Subject: Receipt for your order 1a2b3c4d",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(
            headers.split("\r\n").any(|header| header == line),
            "no {line:?} in\n{headers}"
        );
    }
    // A line of one dot would end the mail: it travels doubled.
    assert_eq!(body, "Hello,\r\n\r\nyour order.\r\n..\r\nThe end\r\n\r\n");
    assert!(
        server
            .commands()
            .contains(&"RCPT TO:<ada@example.com>".to_owned())
    );
}

#[tokio::test]
async fn the_same_mail_is_the_same_bytes_at_every_try() {
    let server = Responder::start(Script::ACCEPT).await;
    let mailer = Mailer::new(server.address.clone());
    mailer.send(&mail_to("ada@example.com")).await;
    mailer.send(&mail_to("ada@example.com")).await;
    let texts = server.texts();
    assert_eq!(texts.len(), 2);
    assert_eq!(texts[0], texts[1]);
}

#[tokio::test]
async fn refusal_of_the_recipient_is_permanent_with_its_code() {
    let script = Script {
        rcpt: Step::Reply("550 5.1.1 no such user"),
        ..Script::ACCEPT
    };
    assert_eq!(outcome_under(script).await, permanent("550"));
}

#[tokio::test]
async fn refusal_of_the_text_is_permanent_with_its_code() {
    let script = Script {
        text: Step::Reply("554 5.7.1 not wanted"),
        ..Script::ACCEPT
    };
    assert_eq!(outcome_under(script).await, permanent("554"));
}

#[tokio::test]
async fn refusal_of_the_sender_is_permanent_with_its_code() {
    let script = Script {
        mail: Step::Reply("553 5.1.8 not from you"),
        ..Script::ACCEPT
    };
    assert_eq!(outcome_under(script).await, permanent("553"));
}

#[tokio::test]
async fn a_busy_server_is_tried_later_and_has_certainly_not_accepted() {
    for script in [
        Script {
            greeting: Step::Reply("421 too many"),
            ..Script::ACCEPT
        },
        Script {
            rcpt: Step::Reply("450 4.2.1 try later"),
            ..Script::ACCEPT
        },
        Script {
            data: Step::Reply("452 4.3.1 no space"),
            ..Script::ACCEPT
        },
        Script {
            text: Step::Reply("451 4.3.0 try later"),
            ..Script::ACCEPT
        },
    ] {
        assert_transient(outcome_under(script).await, false);
    }
}

#[tokio::test]
async fn a_server_that_serves_nobody_says_nothing_about_the_mail() {
    let script = Script {
        greeting: Step::Reply("554 no service here"),
        ..Script::ACCEPT
    };
    assert_transient(outcome_under(script).await, false);
}

#[tokio::test]
async fn a_hang_up_before_the_text_has_certainly_not_accepted() {
    for script in [
        Script {
            greeting: Step::HangUp,
            ..Script::ACCEPT
        },
        Script {
            rcpt: Step::HangUp,
            ..Script::ACCEPT
        },
        Script {
            data: Step::HangUp,
            ..Script::ACCEPT
        },
    ] {
        assert_transient(outcome_under(script).await, false);
    }
}

#[tokio::test]
async fn a_hang_up_after_the_text_may_have_accepted() {
    let script = Script {
        text: Step::HangUp,
        ..Script::ACCEPT
    };
    assert_transient(outcome_under(script).await, true);
}

#[tokio::test]
async fn a_server_that_is_away_is_tried_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    drop(listener);
    assert_transient(
        Mailer::new(address).send(&mail_to("ada@example.com")).await,
        false,
    );
}

#[tokio::test]
async fn an_address_beyond_ascii_needs_a_server_that_takes_it() {
    let server = Responder::start(Script::ACCEPT).await;
    let outcome = Mailer::new(server.address.clone())
        .send(&mail_to("zoë@example.com"))
        .await;
    assert_eq!(outcome, permanent("invalid_address"));
    assert!(server.texts().is_empty());

    let script = Script {
        ehlo: Step::Reply("250-here\r\n250-8BITMIME\r\n250 SMTPUTF8"),
        ..Script::ACCEPT
    };
    let server = Responder::start(script).await;
    let outcome = Mailer::new(server.address.clone())
        .send(&mail_to("zoë@example.com"))
        .await;
    assert_eq!(outcome, Outcome::Accepted);
}

#[tokio::test]
async fn an_address_that_is_none_never_reaches_the_server() {
    let server = Responder::start(Script::ACCEPT).await;
    for address in [
        "a..b@example.com",
        "ada@exa_mple..com",
        "ada,bob@example.com",
        "ada@-",
    ] {
        let outcome = Mailer::new(server.address.clone())
            .send(&mail_to(address))
            .await;
        assert_eq!(outcome, permanent("invalid_address"), "{address}");
    }
    assert!(server.commands().is_empty());
}

#[tokio::test]
async fn a_subject_with_line_breaks_makes_no_header() {
    let server = Responder::start(Script::ACCEPT).await;
    let mut mail = mail_to("ada@example.com");
    mail.subject = "Hello\r\nBcc: eve@example.com\r\n\r\nbody".to_owned();
    assert_eq!(
        Mailer::new(server.address.clone()).send(&mail).await,
        Outcome::Accepted
    );
    let text = server.texts().remove(0);
    let (headers, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(
        !headers.lines().any(|line| line.starts_with("Bcc")),
        "{headers}"
    );
    assert!(body.starts_with("Hello,\r\n"), "{body}");
}

#[test]
fn address_of_the_server_is_host_and_port() {
    let check = |text: &str| {
        text.parse::<SmtpAddress>()
            .map(|address| address.to_string())
    };
    assert_eq!(check("127.77.0.6:2525"), Ok("127.77.0.6:2525".to_owned()));
    assert_eq!(check("smtp:25"), Ok("smtp:25".to_owned()));
    assert_eq!(check("[::1]:25"), Ok("[::1]:25".to_owned()));
    for wrong in ["", "smtp", ":25", "smtp:", "smtp:0", "smtp:70000", "smtp:x"] {
        assert!(check(wrong).is_err(), "{wrong}");
    }
}
