//! An open loop of calls that must not fail: reads and placements of orders, through the gateway
//! and by a peer in the mesh. It sends nothing twice; what one caller sees of a fault is the report.

use std::time::Duration;

use shop_proto::notification::v1::ListNotificationsRequest;
use shop_proto::notification::v1::notification_service_client::NotificationServiceClient;
use shop_proto::order::v1::order_service_client::OrderServiceClient;
use shop_proto::order::v1::{CreateOrderRequest, GetOrderRequest, RequestedLine};
use shop_proto::payment::v1::ListPaymentsRequest;
use shop_proto::payment::v1::payment_service_client::PaymentServiceClient;
use shop_proto::product::v1::GetProductRequest;
use shop_proto::product::v1::product_service_client::ProductServiceClient;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::mesh::workload_as;
use crate::shop::{Shop, User, eventually, order_body};

/// What the gateway gives a call, and a caller in the mesh as well.
const DEADLINE: Duration = Duration::from_secs(10);
/// Every so many calls are a round; two of them place an order.
const ROUND: u64 = 40;
/// More would only repeat themselves.
const FAILURES_SHOWN: usize = 10;

/// Whom the calls reach.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Reach {
    Everybody,
    /// All but the notification service.
    NoMails,
}

/// Calls that go on until they are told to stop.
pub(crate) struct Load {
    stop: CancellationToken,
    running: JoinHandle<Report>,
}

/// What became of the calls.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    failures: Vec<String>,
    pub(crate) orders: Vec<String>,
    pub(crate) slowest: Duration,
}

/// Everything that a call needs.
#[derive(Clone)]
struct Callers {
    reach: Reach,
    anyone: User,
    customer: User,
    product: String,
    order: String,
    products: ProductServiceClient<mesh_dataplane::MeshChannel>,
    orders: OrderServiceClient<mesh_dataplane::MeshChannel>,
    payments: PaymentServiceClient<mesh_dataplane::MeshChannel>,
    notifications: NotificationServiceClient<mesh_dataplane::MeshChannel>,
}

// === impl Load ===

impl Load {
    /// Begins with so many calls per second. The peer in the mesh has that address.
    pub(crate) async fn begin(shop: &'static Shop, rate: f64, host: u8, reach: Reach) -> Self {
        let (workload, leave) = workload_as(shop, "gateway", host).await;
        let product = shop.product(1_000_000, 100).await;
        let customer = shop.customer();
        let order = customer.order(&product, 1, "tok_ok").await;
        customer.wait_for(&order, "PAID").await;
        let callers = Callers {
            reach,
            anyone: shop.anyone(),
            customer,
            product,
            order,
            products: ProductServiceClient::new(workload.channel("product")),
            orders: OrderServiceClient::new(workload.channel("order")),
            payments: PaymentServiceClient::new(workload.channel("payment")),
            notifications: NotificationServiceClient::new(workload.channel("notification")),
        };
        let stop = CancellationToken::new();
        let until = stop.clone();
        let running = tokio::spawn(async move {
            let report = callers.call(rate, until).await;
            drop(leave);
            report
        });
        Self { stop, running }
    }

    /// Sends no more, waits for the answers, and for every order to be settled.
    pub(crate) async fn end(self, shop: &Shop) -> Report {
        self.stop.cancel();
        let report = self.running.await.unwrap();
        let support = shop.support();
        for order in &report.orders {
            let path = format!("/v1/orders/{order}");
            eventually(&format!("order {order} to be settled"), || async {
                let answer = support.get(&path).await;
                let status = answer.body["status"].as_str()?.to_owned();
                matches!(status.as_str(), "PAID" | "CANCELLED").then_some(())
            })
            .await;
        }
        report
    }
}

// === impl Report ===

impl Report {
    /// One line for whoever reads the run.
    pub(crate) fn figures(&self) -> String {
        format!(
            "{} calls, {} failed, {} orders placed, slowest answer {:?}",
            self.calls,
            self.failed,
            self.orders.len(),
            self.slowest
        )
    }

    pub(crate) fn assert_none_failed(&self) {
        let shown = self.failures.join("\n  ");
        assert_eq!(self.failed, 0, "{}:\n  {shown}", self.figures());
        assert!(!self.orders.is_empty(), "{}", self.figures());
    }

    fn note(&mut self, outcome: Result<Option<String>, String>, took: Duration) {
        self.slowest = self.slowest.max(took);
        match outcome {
            Ok(order) => self.orders.extend(order),
            Err(failure) => {
                self.failed += 1;
                if self.failures.len() < FAILURES_SHOWN {
                    self.failures.push(format!("after {took:?}: {failure}"));
                }
            }
        }
    }
}

// === impl Callers ===

impl Callers {
    async fn call(self, rate: f64, until: CancellationToken) -> Report {
        let mut report = Report::default();
        let mut calls = JoinSet::new();
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
        // An open loop: what is late is made up for.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = until.cancelled() => break,
            }
            let (callers, number) = (self.clone(), report.calls);
            report.calls += 1;
            calls.spawn(async move {
                let begun = Instant::now();
                (callers.one(number).await, begun.elapsed())
            });
            while let Some(done) = calls.try_join_next() {
                let (outcome, took) = done.unwrap();
                report.note(outcome, took);
            }
        }
        for (outcome, took) in calls.join_all().await {
            report.note(outcome, took);
        }
        report
    }

    /// The order that it placed, if it did; what failed otherwise.
    async fn one(mut self, number: u64) -> Result<Option<String>, String> {
        match number % ROUND {
            0 => return self.place_by_rest().await.map(Some),
            20 => return self.place_by_grpc().await.map(Some),
            _ => {}
        }
        let of_order = format!("order_id={}", self.order);
        let mails = self.reach == Reach::Everybody;
        match number % 8 {
            0 => self.get(&format!("/v1/products/{}", self.product)).await,
            1 => self.get(&format!("/v1/orders/{}", self.order)).await,
            2 => self.get(&format!("/v1/payments?{of_order}")).await,
            3 if mails => self.get(&format!("/v1/notifications?{of_order}")).await,
            4 => {
                let product_id = self.product.clone();
                let request = self.request(GetProductRequest { product_id });
                answered("GetProduct", self.products.get_product(request).await)
            }
            5 => {
                let order_id = self.order.clone();
                let request = self.request(GetOrderRequest { order_id });
                answered("GetOrder", self.orders.get_order(request).await)
            }
            6 => {
                let request = self.request(ListPaymentsRequest {
                    order_id: self.order.clone(),
                    ..Default::default()
                });
                answered("ListPayments", self.payments.list_payments(request).await)
            }
            7 if mails => {
                let request = self.request(ListNotificationsRequest {
                    order_id: self.order.clone(),
                    ..Default::default()
                });
                let answer = self.notifications.list_notifications(request).await;
                answered("ListNotifications", answer)
            }
            _ => Ok(()),
        }
        .map(|()| None)
    }

    async fn get(&self, path: &str) -> Result<(), String> {
        let user = match path.starts_with("/v1/products") {
            true => &self.anyone,
            false => &self.customer,
        };
        self.sent(user, http::Method::GET, path, String::new())
            .await?;
        Ok(())
    }

    async fn place_by_rest(&self) -> Result<String, String> {
        let body = order_body(&self.product, 1, "tok_ok").to_string();
        let path = "/v1/orders";
        let order = self
            .sent(&self.customer, http::Method::POST, path, body)
            .await?;
        Ok(order["id"].as_str().unwrap().to_owned())
    }

    async fn sent(
        &self,
        user: &User,
        method: http::Method,
        path: &str,
        body: String,
    ) -> Result<serde_json::Value, String> {
        let key = Uuid::now_v7().to_string();
        let headers = [("idempotency-key", key.as_str())];
        let answer = user.try_send(method, path, &headers, body.into()).await;
        match answer {
            Ok(answer) if answer.status == 200 => Ok(answer.body),
            Ok(answer) => Err(format!("{path}: {} {}", answer.status, answer.body)),
            Err(error) => Err(format!("{path}: {error}")),
        }
    }

    async fn place_by_grpc(&mut self) -> Result<String, String> {
        let mut request = self.request(CreateOrderRequest {
            email: "ada@example.com".to_owned(),
            lines: vec![RequestedLine {
                product_id: self.product.clone(),
                quantity: 1,
            }],
            payment_token: "tok_ok".to_owned(),
            ..Default::default()
        });
        let key = Uuid::now_v7().to_string().parse().unwrap();
        request.metadata_mut().insert("idempotency-key", key);
        match self.orders.create_order(request).await {
            Ok(order) => Ok(order.into_inner().id),
            Err(status) => Err(format!("CreateOrder: {status}")),
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(DEADLINE);
        let token = format!("Bearer {}", self.customer.token().unwrap());
        request
            .metadata_mut()
            .insert("authorization", token.parse().unwrap());
        request
    }
}

fn answered<T>(method: &str, answer: Result<T, Status>) -> Result<(), String> {
    answer
        .map(|_| ())
        .map_err(|status| format!("{method}: {status}"))
}
