//! Keys, and what happens when one is used again.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use diesel_async::RunQueryDsl;
use tokio::sync::{Barrier, oneshot};
use tokio::task::JoinSet;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

use super::{Answer, Claim, Key};
use crate::caller::Caller;
use crate::db::{Database, Tx};
use crate::error::{Error, Failure};
use crate::testing::{self, TestDatabase};

const METHOD: &str = "shop.note.v1.NoteService/WriteNote";
/// A message with one string, as the stored answer.
type Message = String;

const NONE: diesel_migrations::EmbeddedMigrations = diesel_migrations::EmbeddedMigrations::new(&[]);

fn claim(subject: &str, key: &str, command: &str) -> Claim {
    Key::required(&testing::customer(subject), key)
        .unwrap()
        .claim(METHOD, &command)
}

fn code(result: Result<Key, Failure>) -> Code {
    Status::from(result.unwrap_err()).code()
}

fn with_header(key: &str) -> Caller {
    let mut request = Request::new(());
    request
        .metadata_mut()
        .insert("idempotency-key", key.parse().unwrap());
    Caller::split(request).unwrap().0
}

/// Writes one effect: a row in a table that the test can count.
async fn effect(database: &Database, claim: Claim, text: &str) -> Result<Answer<Message>, Error> {
    let text = text.to_owned();
    database
        .transaction(async move |tx: &mut Tx| {
            if let Some(answer) = tx.claim::<Message>(&claim).await? {
                return Ok(answer);
            }
            diesel::sql_query("insert into effect default values")
                .execute(tx.conn())
                .await?;
            tx.answer(&claim, &text).await?;
            Ok(Answer::fresh(text))
        })
        .await
}

async fn prepared() -> TestDatabase {
    let test = TestDatabase::create(NONE).await;
    let database = test.database();
    let make = database.transaction(async |tx: &mut Tx| {
        let sql = "create table effect (id bigint generated always as identity)";
        diesel::sql_query(sql).execute(tx.conn()).await?;
        Ok::<(), Error>(())
    });
    make.await.unwrap();
    test
}

async fn effects(database: &Database) -> usize {
    let count = database.read(async |tx: &mut Tx| {
        Ok::<usize, Error>(
            diesel::sql_query("select id from effect")
                .execute(tx.conn())
                .await?,
        )
    });
    count.await.unwrap()
}

#[test]
fn a_key_comes_from_header_or_field() {
    let caller = with_header("k1");
    let from_header = Key::required(&caller, "").unwrap();
    assert_eq!(Key::required(&caller, "k1").unwrap(), from_header);
    assert_eq!(code(Key::required(&caller, "k2")), Code::InvalidArgument);
    assert_eq!(Key::optional(&testing::customer("c1"), "").unwrap(), None);
    let missing = Key::required(&testing::customer("c1"), "");
    assert_eq!(code(missing), Code::InvalidArgument);
}

#[test]
fn a_key_is_printable_ascii_of_bounded_length() {
    let caller = testing::customer("c1");
    for good in ["a", "a b", &"x".repeat(255)] {
        assert!(Key::required(&caller, good).is_ok());
    }
    for bad in [&"x".repeat(256), "ü", "a\n", "a\0", "\u{7f}"] {
        assert_eq!(code(Key::required(&caller, bad)), Code::InvalidArgument);
    }
}

#[test]
fn users_methods_keys_and_commands_are_told_apart() {
    assert_eq!(claim("c1", "k", "x"), claim("c1", "k", "x"));
    assert_ne!(claim("c1", "k", "x").scope, claim("c2", "k", "x").scope);
    assert_ne!(
        claim("c1", "k", "x").fingerprint,
        claim("c1", "k", "y").fingerprint
    );
    // A user that is named like a peer is still a user.
    let peer = testing::background("order");
    let user = testing::customer(&peer.peer().unwrap().to_string());
    let of = |caller: &Caller| Key::required(caller, "k").unwrap().scope;
    assert_ne!(of(&peer), of(&user));
}

#[test]
fn neighbouring_fields_do_not_run_into_each_other() {
    assert_ne!(super::digest(&("ab", "c")), super::digest(&("a", "bc")));
    assert_ne!(super::digest(&vec!["a"]), super::digest(&vec!["a", ""]));
}

#[test]
fn a_replayed_answer_says_so() {
    let fresh: Response<Message> = Answer::fresh("x".to_owned()).into();
    assert!(fresh.metadata().get("idempotent-replayed").is_none());
    let replayed: Response<Message> = Answer {
        message: "x".to_owned(),
        replayed: true,
    }
    .into();
    assert_eq!(
        replayed.metadata().get("idempotent-replayed").unwrap(),
        "true"
    );
}

#[tokio::test]
async fn the_same_request_has_one_effect_and_one_answer() {
    let test = prepared().await;
    let database = test.database();
    assert_eq!(
        database
            .answered::<Message>(&claim("c1", "k", "x"))
            .await
            .unwrap(),
        None
    );
    let first = effect(&database, claim("c1", "k", "x"), "first")
        .await
        .unwrap();
    assert_eq!((first.message.as_str(), first.replayed), ("first", false));
    let again = effect(&database, claim("c1", "k", "x"), "second")
        .await
        .unwrap();
    assert_eq!((again.message.as_str(), again.replayed), ("first", true));
    let found = database
        .answered::<Message>(&claim("c1", "k", "x"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((found.message.as_str(), found.replayed), ("first", true));
    assert_eq!(effects(&database).await, 1);
}

#[tokio::test]
async fn another_request_with_the_key_is_refused() {
    let test = prepared().await;
    let database = test.database();
    effect(&database, claim("c1", "k", "x"), "first")
        .await
        .unwrap();
    for result in [
        effect(&database, claim("c1", "k", "y"), "second")
            .await
            .map(drop),
        database
            .answered::<Message>(&claim("c1", "k", "y"))
            .await
            .map(drop),
    ] {
        let status = Status::from(result.unwrap_err());
        assert_eq!(status.code(), Code::InvalidArgument);
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.reason, "IDEMPOTENCY_KEY_REUSED");
    }
    assert_eq!(effects(&database).await, 1);
}

#[tokio::test]
async fn two_users_may_have_the_same_key() {
    let test = prepared().await;
    let database = test.database();
    for subject in ["c1", "c2"] {
        let answer = effect(&database, claim(subject, "k", "x"), subject)
            .await
            .unwrap();
        assert_eq!((answer.message.as_str(), answer.replayed), (subject, false));
    }
    assert_eq!(effects(&database).await, 2);
}

#[tokio::test]
async fn a_failed_effect_leaves_its_key_free() {
    let test = prepared().await;
    let database = test.database();
    let taken = claim("c1", "k", "x");
    let failed = database.transaction(async move |tx: &mut Tx| {
        assert!(tx.claim::<Message>(&taken).await?.is_none());
        Err::<(), Error>(Error::DeadlineOver)
    });
    assert!(failed.await.is_err());
    assert!(
        !effect(&database, claim("c1", "k", "x"), "second")
            .await
            .unwrap()
            .replayed
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_have_one_effect_and_fifty_equal_answers() {
    let test = prepared().await;
    let start = std::sync::Arc::new(Barrier::new(50));
    let mut requests = JoinSet::new();
    for index in 0..50 {
        let (database, start) = (test.database(), start.clone());
        requests.spawn(async move {
            start.wait().await;
            effect(&database, claim("c1", "k", "x"), &format!("answer {index}"))
                .await
                .unwrap()
        });
    }
    let answers = requests.join_all().await;
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    assert!(
        answers
            .iter()
            .all(|answer| answer.message == answers[0].message)
    );
    assert_eq!(effects(&test.database()).await, 1);
}

#[tokio::test]
async fn a_request_that_is_at_work_for_too_long_is_in_flight() {
    let test = prepared().await;
    let (claimed, at_work) = oneshot::channel();
    let (end, ended) = oneshot::channel::<()>();
    let (claimed, ended) = (share(claimed), share(ended));
    let database = test.database();
    let holder = tokio::spawn(async move {
        let work = database.transaction(async move |tx: &mut Tx| {
            tx.claim::<Message>(&claim("c1", "k", "x")).await?;
            take(&claimed).send(()).unwrap();
            let ended = take(&ended);
            ended.await.unwrap();
            Err::<(), Error>(Error::DeadlineOver)
        });
        work.await
    });
    at_work.await.unwrap();
    let begun = tokio::time::Instant::now();
    let waiting = effect(&test.database(), claim("c1", "k", "x"), "second").await;
    assert!(
        begun.elapsed() >= Duration::from_millis(1900),
        "{:?}",
        begun.elapsed()
    );
    let status = Status::from(waiting.unwrap_err());
    assert_eq!(status.code(), Code::Aborted);
    let details = status.get_error_details();
    assert_eq!(
        details.error_info().unwrap().reason,
        "IDEMPOTENCY_IN_FLIGHT"
    );
    assert!(details.retry_info().is_some());
    end.send(()).unwrap();
    holder.await.unwrap().unwrap_err();
    assert!(
        !effect(&test.database(), claim("c1", "k", "x"), "third")
            .await
            .unwrap()
            .replayed
    );
}

/// Work is cloned for each attempt; what can be used only once is handed to the first.
fn share<T>(value: T) -> std::sync::Arc<std::sync::Mutex<Option<T>>> {
    std::sync::Arc::new(std::sync::Mutex::new(Some(value)))
}

fn take<T>(shared: &std::sync::Mutex<Option<T>>) -> T {
    shared.lock().unwrap().take().unwrap()
}
