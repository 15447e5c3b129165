//! Four databases with the services' own tables, and a small shop in them that is in order: one
//! order that was paid (A), one that was paid and then cancelled with its refund (B).

use std::path::{Path, PathBuf};

use prost::Message;
use shop_checker::sources::{Authorization, Database, Databases, Ledger};
use shop_proto::order::v1::Order;
use tokio_postgres::{Client, NoTls};

pub(crate) const PAID: &str = "0190a000-0000-7000-8000-00000000000a";
pub(crate) const CANCELLED: &str = "0190a000-0000-7000-8000-00000000000b";
pub(crate) const PRODUCT: &str = "0190a000-0000-7000-8000-000000000001";
const SERVICES: [&str; 4] = ["product", "order", "payment", "notification"];

/// The databases are dropped by [`Shop::remove`]; a failed test leaves them to the instance's end.
pub(crate) struct Shop {
    pub(crate) databases: Databases,
    pub(crate) ledger: Ledger,
    prefix: String,
}

// === impl Shop ===

impl Shop {
    pub(crate) async fn open() -> Self {
        let prefix = format!("reconciled_{}", uuid::Uuid::now_v7().simple());
        let admin = connect("postgres").await;
        let mut opened = Vec::new();
        for service in SERVICES {
            let name = format!("{prefix}_{service}");
            let sql = format!("create database {name}");
            admin.batch_execute(&sql).await.unwrap();
            let client = connect(&name).await;
            for migration in migrations(service) {
                client.batch_execute(&migration).await.unwrap();
            }
            opened.push(Database::with(service, client));
        }
        let mut opened = opened.into_iter();
        let mut next = || opened.next().unwrap();
        let databases = Databases {
            product: next(),
            order: next(),
            payment: next(),
            notification: next(),
        };
        fill(&databases).await;
        Self {
            databases,
            ledger: ledger(),
            prefix,
        }
    }

    pub(crate) async fn remove(self) {
        drop(self.databases);
        let admin = connect("postgres").await;
        for service in SERVICES {
            let sql = format!("drop database {}_{service} with (force)", self.prefix);
            admin.batch_execute(&sql).await.unwrap();
        }
    }
}

async fn connect(database: &str) -> Client {
    let var = |name: &str| std::env::var(name).expect("run by `make test`");
    let run = PathBuf::from(var("TRADEWIND_RUN"));
    let password = std::fs::read_to_string(run.join("secrets/postgres.admin")).unwrap();
    let (client, connection) = tokio_postgres::Config::new()
        .host(format!("127.77.{}.4", var("TRADEWIND_INSTANCE")))
        .user("postgres")
        .password(password.trim())
        .dbname(database)
        .connect(NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

/// The chassis's tables, then the service's, as a service makes them.
fn migrations(service: &str) -> Vec<String> {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut all = Vec::new();
    for owner in ["chassis", service] {
        let folder = services.join(owner).join("migrations");
        let entries = std::fs::read_dir(folder).unwrap();
        let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        let read = |folder: &PathBuf| std::fs::read_to_string(folder.join("up.sql")).unwrap();
        all.extend(folders.iter().map(read));
    }
    all
}

fn ledger() -> Ledger {
    let held = |id: &str, reference: &str, refunded_minor| Authorization {
        id: id.to_owned(),
        reference: reference.to_owned(),
        amount_minor: 500,
        currency: "USD".to_owned(),
        captured_minor: 500,
        refunded_minor,
        voided: false,
    };
    Ledger {
        authorizations: vec![held("au_a", PAID, 0), held("au_b", CANCELLED, 500)],
    }
}

/// The payment of an order has the order's id here: it makes the rows shorter.
async fn fill(databases: &Databases) {
    let run = async |database: &Database, sql: &str| {
        let sql = sql
            .replace("$paid", &format!("'{PAID}'"))
            .replace("$cancelled", &format!("'{CANCELLED}'"))
            .replace("$product", &format!("'{PRODUCT}'"));
        database.client().batch_execute(&sql).await.unwrap();
    };
    run(&databases.product, PRODUCT_ROWS).await;
    run(&databases.order, ORDER_ROWS).await;
    run(&databases.payment, PAYMENT_ROWS).await;
    for (database, versions) in [(&databases.order, [4, 6]), (&databases.payment, [1, 2])] {
        for (of, last) in [PAID, CANCELLED].iter().zip(versions) {
            publish(databases, database, of, last).await;
        }
    }
    for (order, key) in [(PAID, "key-a"), (CANCELLED, "key-b")] {
        let answer = Order {
            id: order.to_owned(),
            ..Order::default()
        };
        let sql = "insert into idempotency (scope, method, key, fingerprint, answer) \
            values ('user:c1', 'shop.order.v1.OrderService/CreateOrder', $1, '', $2)";
        let client = databases.order.client();
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 2] =
            [&key, &answer.encode_to_vec()];
        client.execute(sql, &values).await.unwrap();
    }
}

/// Events 1 to `last` of one aggregate: in the outbox, and in the inbox of each consumer.
async fn publish(databases: &Databases, by: &Database, of: &str, last: i64) {
    let name = by.name();
    let sql = format!(
        "insert into outbox (event_id, topic, aggregate_type, aggregate_id, aggregate_version, \
            event_type, schema_version, data, correlation_id, actor_principal, occurred_on, \
            published_at) \
        select gen_random_uuid(), '{name}-events', '{name}', '{of}', version, 'TestEvent', 1, \
            '{{}}', gen_random_uuid(), 'test', now(), now() \
        from generate_series(1, {last}) version returning event_id::text, aggregate_version"
    );
    let rows = by.client().query(&sql, &[]).await.unwrap();
    let consumers: &[&Database] = match name {
        "order" => &[
            &databases.product,
            &databases.payment,
            &databases.notification,
        ],
        _ => &[&databases.order, &databases.notification],
    };
    for consumer in consumers {
        let group = format!("ecommerce-group.{}", consumer.name());
        for row in &rows {
            let (id, version): (String, i64) = (row.get(0), row.get(1));
            let sql = format!(
                "insert into inbox values ('{group}', '{id}', 'TestEvent', '{name}', '{of}', \
                    {version})"
            );
            consumer.client().batch_execute(&sql).await.unwrap();
        }
        let sql = format!("insert into inbox_version values ('{group}', '{name}', '{of}', {last})");
        consumer.client().batch_execute(&sql).await.unwrap();
    }
}

const PRODUCT_ROWS: &str = "
    insert into product values
        ($product, 'SKU', 'Lamp', '', 'light', 500, 'USD', 1, now(), now(), null);
    insert into stock values ($product, 9, 0, 6);
    insert into stock_ledger (product_id, version, reason, on_hand_delta, reserved_delta, on_hand,
            reserved, order_id, event_id, actor)
        select $product, v, r, h, s, 9, 0, o::uuid, gen_random_uuid(), 'test' from (values
            (1, 'INITIAL', 10, 0, null),
            (2, 'RESERVED', 0, 1, $paid), (3, 'COMMITTED', -1, -1, $paid),
            (4, 'RESERVED', 0, 1, $cancelled), (5, 'COMMITTED', -1, -1, $cancelled),
            (6, 'RETURNED', 1, 0, $cancelled)) rows (v, r, h, s, o);
    insert into reservation (order_id, state, version, actor) values
        ($paid, 'COMMITTED', 1, 'test'), ($cancelled, 'RELEASED', 2, 'test');
    insert into reservation_line values ($paid, $product, 1), ($cancelled, $product, 1);";

const ORDER_ROWS: &str = "
    insert into orders (id, customer_id, status, reason, total_minor, currency, version,
        create_time, update_time) values
        ($paid, 'c1', 'PAID', null, 500, 'USD', 3, now(), now()),
        ($cancelled, 'c1', 'CANCELLED', 'CANCEL_REQUESTED', 500, 'USD', 5, now(), now());
    insert into order_line select id, 0, $product, 'SKU', 'Lamp', 1, 500, 500 from orders;
    insert into order_transition
        select o::uuid, v, f, t, null, 'test', gen_random_uuid(), '', now() from (values
            ($paid, 1, null, 'PENDING'), ($paid, 2, 'PENDING', 'CONFIRMED'),
            ($paid, 3, 'CONFIRMED', 'PAID'),
            ($cancelled, 1, null, 'PENDING'), ($cancelled, 2, 'PENDING', 'CONFIRMED'),
            ($cancelled, 3, 'CONFIRMED', 'PAID'), ($cancelled, 4, 'PAID', 'CANCELLING'),
            ($cancelled, 5, 'CANCELLING', 'CANCELLED')) rows (o, v, f, t);";

const PAYMENT_ROWS: &str = "
    insert into payment values
        ($paid, $paid, 'c1', 'SUCCEEDED', 500, 'USD', 500, 0, 0, 'au_a', null, null, 1, now(),
            now()),
        ($cancelled, $cancelled, 'c1', 'SUCCEEDED', 500, 'USD', 500, 500, 500, 'au_b', null,
            'CANCEL_REQUESTED', 2, now(), now());
    insert into refund values ($cancelled, $cancelled, 500, 'USD', 'SUCCEEDED', 'cancelled', null,
        now(), now());
    insert into ledger_entry (transaction_id, kind, payment_id, refund_id, account, amount_minor,
            currency, create_time)
        select t::uuid, k, p::uuid, r::uuid, a, m, 'USD', now() from (values
            ($paid, 'CAPTURE', $paid, null, 'PROVIDER', 500),
            ($paid, 'CAPTURE', $paid, null, 'SALES', -500),
            ($cancelled, 'CAPTURE', $cancelled, null, 'PROVIDER', 500),
            ($cancelled, 'CAPTURE', $cancelled, null, 'SALES', -500),
            ($product, 'REFUND', $cancelled, $cancelled, 'PROVIDER', -500),
            ($product, 'REFUND', $cancelled, $cancelled, 'SALES', 500)) rows (t, k, p, r, a, m);";
