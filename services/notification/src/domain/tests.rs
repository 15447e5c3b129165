//! Which news is told, how a notification moves, and what an address may be.
#![allow(clippy::unwrap_used)]

use shop_chassis::Currency;

use super::*;

fn euro(minor: i64) -> Money {
    Money::new(minor, Currency::of("EUR").unwrap())
}

fn ada() -> Recipient {
    "ada@example.com".parse().unwrap()
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn queued() -> Notification {
    Notification::queue(
        NotificationId(Uuid::from_u128(1)),
        EventId(Uuid::from_u128(2)),
        OrderId(Uuid::from_u128(3)),
        Content::Receipt { amount: euro(1250) },
        "Receipt".to_owned(),
        at(100),
    )
}

fn check_told(news: News, expected: Option<Template>) {
    let told = news.content().map(|content| content.template());
    assert_eq!(told, expected, "{news:?}");
}

#[test]
fn each_event_has_its_template() {
    use Template as T;
    check_told(
        News::OrderCreated { total: euro(1) },
        Some(T::OrderReceived),
    );
    let captured = News::PaymentProcessed {
        phase: Phase::Captured,
        amount: euro(1),
    };
    check_told(captured, Some(T::Receipt));
    check_told(
        News::PaymentFailed { retryable: false },
        Some(T::PaymentFailed),
    );
    let refunded = News::PaymentRefunded {
        amount: euro(1),
        refunded: euro(2),
    };
    check_told(refunded, Some(T::Refund));
    for reason in [
        Reason::OutOfStock,
        Reason::CancelRequested,
        Reason::DeadlinePassed,
    ] {
        check_told(News::OrderCancelled { reason }, Some(T::OrderCancelled));
    }
}

#[test]
fn an_order_cancelled_for_its_payment_is_told_by_the_payment_alone() {
    check_told(
        News::OrderCancelled {
            reason: Reason::PaymentFailed,
        },
        None,
    );
}

#[test]
fn steps_that_no_customer_waits_for_are_not_told() {
    check_told(News::PaymentFailed { retryable: true }, None);
    for phase in [Phase::Authorized, Phase::Voided] {
        check_told(
            News::PaymentProcessed {
                phase,
                amount: euro(1),
            },
            None,
        );
    }
}

#[test]
fn a_first_try_repeats_nothing_and_a_second_one_after_a_crash_may() {
    let mut notification = queued();
    let first = notification.begin_sending(&ada()).unwrap();
    assert!(!first.may_repeat);
    assert_eq!(notification.status, Status::Sending);

    let second = notification.begin_sending(&ada()).unwrap();
    assert!(second.may_repeat);
    assert_eq!(second.message_id, first.message_id);
}

#[test]
fn a_try_that_was_certainly_not_accepted_is_no_repetition() {
    let mut notification = queued();
    let first = notification.begin_sending(&ada()).unwrap();
    notification.put_back().unwrap();
    assert_eq!(notification.status, Status::Queued);

    let second = notification.begin_sending(&ada()).unwrap();
    assert!(!second.may_repeat);
    assert_eq!(second.message_id, first.message_id);
}

#[test]
fn acceptance_settles_with_its_time() {
    let mut notification = queued();
    notification.begin_sending(&ada()).unwrap();
    let settled = notification.accept(at(200)).unwrap();
    let (id, order_id) = (notification.id, notification.order_id);
    assert_eq!(
        settled,
        Settled::Sent {
            id,
            order_id,
            template: Template::Receipt
        }
    );
    assert_eq!(notification.status, Status::Sent);
    assert_eq!(notification.send_time, Some(at(200)));
}

#[test]
fn giving_up_settles_with_its_code() {
    let mut notification = queued();
    let settled = notification.give_up(Failure::code("550")).unwrap();
    assert!(matches!(settled, Settled::Failed { failure, .. } if failure.as_str() == "550"));
    assert_eq!(notification.status, Status::Failed);
    assert_eq!(notification.send_time, None);
}

#[test]
fn nothing_moves_a_settled_notification() {
    let mut sent = queued();
    sent.accept(at(200)).unwrap();
    let mut failed = queued();
    failed.give_up(Failure::no_contact()).unwrap();
    for mut notification in [sent, failed] {
        let before = notification.clone();
        assert_eq!(notification.begin_sending(&ada()), Err(AlreadySettled));
        assert_eq!(notification.put_back(), Err(AlreadySettled));
        assert_eq!(notification.accept(at(300)), Err(AlreadySettled));
        assert_eq!(
            notification.give_up(Failure::attempts_exhausted()),
            Err(AlreadySettled)
        );
        assert_eq!(notification, before);
    }
}

#[test]
fn message_id_depends_on_event_and_recipient_alone() {
    let event = EventId(Uuid::from_u128(7));
    let id = MessageId::new(event, &ada());
    assert_eq!(id, MessageId::new(event, &ada()));
    assert_eq!(
        id,
        MessageId::new(event, &"ada@EXAMPLE.com".parse().unwrap())
    );
    assert_ne!(id, MessageId::new(EventId(Uuid::from_u128(8)), &ada()));
    assert_ne!(
        id,
        MessageId::new(event, &"Ada@example.com".parse().unwrap())
    );
    assert_eq!(
        id.to_string(),
        "<00000000-0000-0000-0000-000000000007.b5fc85e55755f9e0@tradewind.local>"
    );
}

#[test]
fn message_id_does_not_show_the_address() {
    let id = MessageId::new(EventId(Uuid::from_u128(7)), &ada());
    assert!(
        !id.to_string().contains("ada") && !id.to_string().contains("example"),
        "{id}"
    );
}

#[test]
fn addresses_that_could_break_out_are_none() {
    let long = format!("{}@example.com", "a".repeat(ADDRESS_BYTES_MAX));
    for text in [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@b@c",
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com\n",
        "ada\r@example.com",
        "ada\0@example.com",
        "ada@example.com ",
        "ada lovelace@example.com",
        "ada@example.com\u{2028}RCPT",
        "ada@example.com\u{85}",
        "Ada <ada@example.com",
        "ada>@example.com",
        long.as_str(),
    ] {
        assert_eq!(text.parse::<Recipient>(), Err(InvalidRecipient), "{text:?}");
    }
    for text in [
        "ada@example.com",
        "a+b.c@x.example",
        "zoë@exämple.com",
        "\"a\"@example.com",
    ] {
        assert_eq!(text.parse::<Recipient>().unwrap().as_str(), text);
    }
}

#[test]
fn an_address_is_not_shown_in_logs() {
    assert!(!format!("{:?}", ada()).contains("ada"));
}

#[test]
fn names_are_read_as_they_are_written() {
    for status in [
        Status::Queued,
        Status::Sending,
        Status::Sent,
        Status::Failed,
    ] {
        assert_eq!(Status::named(status.as_str()), Some(status));
    }
    assert_eq!(
        Template::named("order_received"),
        Some(Template::OrderReceived)
    );
    assert_eq!(Template::named("ORDER_RECEIVED"), None);
    assert_eq!(Reason::named(""), None);
}
