//! Against a real PostgreSQL, a mail server that answers as told, and an order service over the
//! real data plane: what becomes of a notification when things go well, wrong and down.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use shop_chassis::bus::Event;
use shop_chassis::tasks::TaskState;
use shop_chassis::testing::{self, TestDatabase};
use shop_chassis::{Currency, Database, Money, Tx};
use tonic::Status as RpcStatus;

use super::*;
use crate::domain::{EventId, Status};
use crate::tests::responder::{Responder, Script, Step};
use crate::tests::stand_in::StandIn;

/// One queued notification with everything around it.
struct Scene {
    db: Database,
    store: Store,
    orders: StandIn,
    mails: Responder,
    tasks: Arc<NotificationTasks>,
    id: NotificationId,
    _test: TestDatabase,
}

// === impl Scene ===

impl Scene {
    async fn set(script: Script) -> Self {
        let test = TestDatabase::create(crate::MIGRATIONS).await;
        let db = test.database();
        let store = Store::new(db.clone());
        let orders = StandIn::start("ada@example.com").await;
        let mails = Responder::start(script).await;
        let mailer = Mailer::new(mails.address.clone());
        let tasks = NotificationTasks::new(store.clone(), orders.client.clone(), mailer);
        let id = queue(&db, 1).await;
        Self {
            db,
            store,
            orders,
            mails,
            tasks: Arc::new(tasks),
            id,
            _test: test,
        }
    }

    async fn run(&self) -> TaskState {
        run_task(&self.db, &self.tasks, self.id).await
    }

    async fn notification(&self) -> Notification {
        self.store.notification(self.id).await.unwrap().unwrap()
    }

    async fn published(&self) -> Vec<Event> {
        testing::published(&self.db).await
    }

    fn message_ids(&self) -> Vec<String> {
        let texts = self.mails.texts();
        let id_of = |text: &String| {
            let line = text.lines().find(|line| line.starts_with("Message-ID: "));
            line.unwrap().trim_start_matches("Message-ID: ").to_owned()
        };
        texts.iter().map(id_of).collect()
    }
}

async fn run_task<H: TaskHandler>(
    db: &Database,
    handler: &Arc<H>,
    id: NotificationId,
) -> TaskState {
    Box::pin(testing::run_task(db, handler, SEND_NOTIFICATION, id.0)).await
}

async fn queue(db: &Database, order: u128) -> NotificationId {
    let euro = Currency::of("EUR").unwrap();
    let notification = Notification::queue(
        NotificationId(Uuid::now_v7()),
        EventId(Uuid::now_v7()),
        OrderId(Uuid::from_u128(order)),
        Content::Receipt {
            amount: Money::new(1250, euro),
        },
        "Receipt".to_owned(),
        Utc::now(),
    );
    let id = notification.id;
    db.transaction(async move |tx: &mut Tx| {
        Store::queue(tx, &testing::background("notification"), &notification).await
    })
    .await
    .unwrap();
    id
}

/// A worker that stops between taking a task and recording its result.
struct Frozen(Mutex<Option<Lease>>);

impl TaskHandler for Frozen {
    fn kinds(&self) -> &'static [(&'static str, Policy)] {
        KINDS
    }

    async fn run(&self, _: &Caller, _: &Task, lease: &Lease) -> Result<Outcome, Failure> {
        *self.0.lock().unwrap() = Some(*lease);
        Ok(Outcome::Retry("frozen".to_owned()))
    }
}

/// The real tasks at their last attempt.
struct LastAttempt(Arc<NotificationTasks>);

impl TaskHandler for LastAttempt {
    fn kinds(&self) -> &'static [(&'static str, Policy)] {
        KINDS
    }

    async fn run(&self, _: &Caller, _: &Task, _: &Lease) -> Result<Outcome, Failure> {
        Ok(Outcome::Dead("server away".to_owned()))
    }

    async fn give_up(
        &self,
        caller: &Caller,
        task: &Task,
        lease: &Lease,
        error: &str,
    ) -> Result<(), Failure> {
        self.0.give_up(caller, task, lease, error).await
    }
}

#[tokio::test]
async fn a_mail_is_sent_once_recorded_and_told() {
    let scene = Scene::set(Script::ACCEPT).await;
    assert_eq!(scene.run().await, TaskState::Done);

    let sent = scene.notification().await;
    assert_eq!(sent.status, Status::Sent);
    assert!(sent.send_time.is_some());
    let message_id = sent.message_id.unwrap();
    assert_eq!(scene.message_ids(), [message_id.to_string()]);
    let text = scene.mails.texts().remove(0);
    assert!(
        text.contains("To: ada@example.com") && text.contains("12.50 EUR"),
        "{text}"
    );

    let published = scene.published().await;
    let [event] = &published[..] else {
        panic!("expected one event, got {published:?}")
    };
    assert_eq!(event.event_type, "NotificationSentEvent");
    assert_eq!(
        (event.aggregate_id.as_str(), event.aggregate_version),
        (scene.id.0.to_string().as_str(), 1)
    );
    let whole = serde_json::to_string(event).unwrap();
    assert!(
        !whole.contains("ada") && !whole.contains("12.50"),
        "{whole}"
    );
}

#[tokio::test]
async fn the_contact_of_an_order_is_asked_for_once() {
    let scene = Scene::set(Script::ACCEPT).await;
    scene.run().await;
    let second = queue(&scene.db, 1).await;
    run_task(&scene.db, &scene.tasks, second).await;
    assert_eq!(scene.mails.texts().len(), 2);
    assert_eq!(scene.orders.contacts.calls(), 1);
}

#[tokio::test]
async fn a_crash_between_sending_and_sent_sends_the_same_message_id_again() {
    let scene = Scene::set(Script {
        text: Step::HangUp,
        ..Script::ACCEPT
    })
    .await;
    assert_eq!(scene.run().await, TaskState::Ready);
    // As after a crash: the server has the mail, and nobody knows.
    let unknown = scene.notification().await;
    assert_eq!(unknown.status, Status::Sending);
    assert_eq!(scene.published().await.len(), 0);

    scene.mails.follow(Script::ACCEPT);
    assert_eq!(scene.run().await, TaskState::Done);
    let ids = scene.message_ids();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
    assert_eq!(scene.notification().await.status, Status::Sent);
    assert_eq!(scene.published().await.len(), 1);
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_records_nothing() {
    let scene = Scene::set(Script::ACCEPT).await;
    let caller = testing::background("notification");
    let frozen = Arc::new(Frozen(Mutex::default()));
    run_task(&scene.db, &frozen, scene.id).await;
    let stale = frozen.0.lock().unwrap().take().unwrap();
    assert_eq!(scene.run().await, TaskState::Done);
    let late = scene
        .store
        .accepted(&caller, &stale, scene.id, Utc::now())
        .await;
    assert!(late.is_err());
    assert_eq!(scene.published().await.len(), 1);
}

#[tokio::test]
async fn a_mail_server_that_is_away_is_tried_again_and_repeats_nothing() {
    let scene = Scene::set(Script {
        greeting: Step::HangUp,
        ..Script::ACCEPT
    })
    .await;
    for _ in 0..3 {
        assert_eq!(scene.run().await, TaskState::Ready);
        assert_eq!(scene.notification().await.status, Status::Queued);
    }
    scene.mails.follow(Script::ACCEPT);
    assert_eq!(scene.run().await, TaskState::Done);
    assert_eq!(scene.message_ids().len(), 1);
    assert_eq!(scene.notification().await.status, Status::Sent);
}

#[tokio::test]
async fn a_permanent_refusal_fails_the_notification_and_is_told() {
    let scene = Scene::set(Script {
        rcpt: Step::Reply("550 nobody"),
        ..Script::ACCEPT
    })
    .await;
    assert_eq!(scene.run().await, TaskState::Done);
    let failed = scene.notification().await;
    assert_eq!(failed.status, Status::Failed);
    assert_eq!(failed.failure, Some(domain::Failure::code("550")));

    let published = scene.published().await;
    let [event] = &published[..] else {
        panic!("expected one event, got {published:?}")
    };
    assert_eq!(event.event_type, "NotificationFailedEvent");
    assert_eq!(event.data["code"], "550");
}

#[tokio::test]
async fn an_order_service_that_is_down_or_refuses_is_asked_again() {
    let scene = Scene::set(Script::ACCEPT).await;
    for status in [
        RpcStatus::unavailable("down"),
        RpcStatus::permission_denied("RBAC: access denied"),
        RpcStatus::internal("broken"),
        RpcStatus::deadline_exceeded("slow"),
    ] {
        scene.orders.contacts.fail(status.clone());
        assert_eq!(scene.run().await, TaskState::Ready, "{status:?}");
    }
    assert_eq!(scene.notification().await.status, Status::Queued);
    scene.orders.contacts.know("ada@example.com");
    assert_eq!(scene.run().await, TaskState::Done);
    assert_eq!(scene.message_ids().len(), 1);
}

#[tokio::test]
async fn an_order_that_nobody_knows_has_nobody_to_tell() {
    let scene = Scene::set(Script::ACCEPT).await;
    scene
        .orders
        .contacts
        .fail(RpcStatus::not_found("no such order"));
    assert_eq!(scene.run().await, TaskState::Done);
    assert_eq!(
        scene.notification().await.failure,
        Some(domain::Failure::no_contact())
    );
    assert_eq!(scene.published().await[0].data["code"], "no_contact");
}

#[tokio::test]
async fn an_address_with_a_line_break_is_given_up_before_any_server_hears_of_it() {
    let scene = Scene::set(Script::ACCEPT).await;
    scene
        .orders
        .contacts
        .know("ada@example.com\r\nRCPT TO:<eve@example.com>");
    assert_eq!(scene.run().await, TaskState::Done);
    assert_eq!(
        scene.notification().await.failure,
        Some(domain::Failure::invalid_address())
    );
    assert!(scene.mails.commands().is_empty());
}

#[tokio::test]
async fn a_notification_that_was_tried_for_too_long_fails_and_is_told() {
    let scene = Scene::set(Script::ACCEPT).await;
    let last = Arc::new(LastAttempt(Arc::clone(&scene.tasks)));
    run_task(&scene.db, &last, scene.id).await;
    let failed = scene.notification().await;
    assert_eq!(failed.failure, Some(domain::Failure::attempts_exhausted()));
    assert_eq!(
        scene.published().await[0].data["code"],
        "attempts_exhausted"
    );
    assert_eq!(testing::tasks(&scene.db).await[0].2, TaskState::Dead);
}
