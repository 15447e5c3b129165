use super::*;

fn wanted(token: &str) -> Command {
    Command::Authorize(NewAuthorization {
        amount_minor: 1000,
        currency: "EUR".to_owned(),
        payment_token: token.to_owned(),
        reference: "order-1".to_owned(),
    })
}

fn capture() -> Command {
    Command::Capture {
        id: "auth_1".to_owned(),
    }
}

fn void() -> Command {
    Command::Void {
        id: "auth_1".to_owned(),
    }
}

fn refund(amount_minor: i64) -> Command {
    Command::Refund {
        authorization_id: "auth_1".to_owned(),
        amount_minor,
    }
}

/// Decides and applies each command under its own key; returns the last answer.
fn after(book: &mut Book, commands: &[Command]) -> Answer {
    let mut last = Answer::refusal(0, "none", "no command");
    for command in commands {
        let (answer, change) = book.decide(command, "1");
        let key = format!("key-{}", book.answers.len());
        book.apply(Entry {
            key,
            fingerprint: "f".to_owned(),
            answer: answer.clone(),
            change,
        });
        last = answer;
    }
    last
}

fn check(commands: &[Command], status: u16, code: Option<&str>) {
    let answer = after(&mut Book::default(), commands);
    assert_eq!(answer.status, status, "{commands:?}");
    assert_eq!(answer.body["code"].as_str(), code, "{commands:?}");
}

#[test]
fn tokens_decide_the_authorisation() {
    check(&[wanted("tok_ok")], 201, None);
    check(&[wanted("tok_timeout")], 201, None);
    check(&[wanted("tok_declined")], 402, Some("card_declined"));
    check(&[wanted("tok_unheard_of")], 402, Some("invalid_token"));
    check(&[wanted("4111111111111111")], 402, Some("invalid_token"));
}

#[test]
fn capture_and_void_exclude_each_other() {
    let ok = wanted("tok_ok");
    check(&[ok.clone(), capture()], 200, None);
    check(
        &[ok.clone(), capture(), capture()],
        422,
        Some("invalid_state"),
    );
    check(&[ok.clone(), capture(), void()], 422, Some("invalid_state"));
    check(&[ok.clone(), void()], 200, None);
    check(&[ok.clone(), void(), void()], 422, Some("invalid_state"));
    check(&[ok, void(), capture()], 422, Some("invalid_state"));
}

#[test]
fn refund_never_exceeds_what_was_captured() {
    let ok = wanted("tok_ok");
    check(
        &[ok.clone(), refund(1)],
        422,
        Some("refund_exceeds_captured"),
    );
    check(&[ok.clone(), capture(), refund(1000)], 201, None);
    check(
        &[ok.clone(), capture(), refund(1001)],
        422,
        Some("refund_exceeds_captured"),
    );
    check(
        &[ok.clone(), capture(), refund(600), refund(400)],
        201,
        None,
    );
    check(
        &[ok, capture(), refund(600), refund(401)],
        422,
        Some("refund_exceeds_captured"),
    );
}

#[test]
fn unknown_authorisation_is_not_found() {
    check(&[capture()], 404, Some("not_found"));
    check(&[void()], 404, Some("not_found"));
    check(&[refund(1)], 404, Some("not_found"));
}

#[test]
fn key_remembers_its_first_answer_and_refuses_another_request() {
    let mut book = Book::default();
    let (answer, change) = book.decide(&wanted("tok_declined"), "1");
    assert_eq!(book.known("k", "f1"), Known::New);
    book.apply(Entry {
        key: "k".to_owned(),
        fingerprint: "f1".to_owned(),
        answer: answer.clone(),
        change,
    });
    assert_eq!(book.known("k", "f1"), Known::Repeated(answer));
    assert_eq!(book.known("k", "f2"), Known::Reused);
}

#[test]
fn ledger_shows_captures_refunds_and_voids() {
    let mut book = Book::default();
    after(&mut book, &[wanted("tok_ok"), capture(), refund(250)]);
    let row = &book.ledger()["authorizations"][0];
    assert_eq!(row["captured_minor"], 1000);
    assert_eq!(row["refunded_minor"], 250);
    assert_eq!(row["voided"], false);
    assert_eq!(row["reference"], "order-1");
}
