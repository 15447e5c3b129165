//! One order is one trace, through all ten steps of the walk.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::shop::{Shop, eventually, order_body, undisturbed};

/// The walk of ARCHITECTURE.md: which service, which span, and of what kind it is.
const WALK: &[(&str, &str, &str)] = &[
    ("gateway", "POST /v1/orders", "POST"),
    ("order", "grpc.server", "CreateOrder"),
    ("product", "grpc.server", "BatchGetProducts"),
    ("order", "kafka.publish", "OrderCreatedEvent"),
    ("product", "kafka.consume", "OrderCreatedEvent"),
    ("product", "kafka.publish", "StockReservedEvent"),
    ("payment", "kafka.consume", "OrderCreatedEvent"),
    ("payment", "task.run", "authorize"),
    ("payment", "provider.call", "authorize"),
    ("payment", "kafka.publish", "PaymentProcessedEvent"),
    ("order", "kafka.consume", "StockReservedEvent"),
    ("order", "kafka.consume", "PaymentProcessedEvent"),
    ("order", "task.run", "confirm_reservation"),
    ("product", "grpc.server", "ConfirmReservation"),
    ("order", "task.run", "capture_payment"),
    ("payment", "grpc.server", "CapturePayment"),
    ("product", "kafka.consume", "OrderStatusUpdatedEvent"),
    ("notification", "kafka.consume", "PaymentProcessedEvent"),
    ("notification", "task.run", "send_notification"),
    ("notification", "kafka.publish", "NotificationSentEvent"),
];

/// The attributes that say of what kind a span is.
const KINDS: &[&str] = &[
    "rpc.method",
    "event.kind",
    "task.kind",
    "operation",
    "http.method",
];

/// What a collector keeps of a span: trace id, service, name, kind.
type Kept = (Vec<u8>, String, String, String);
type Spans = Arc<Mutex<Vec<Kept>>>;

#[derive(Clone, Default)]
struct Collector {
    spans: Spans,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for resource in request.into_inner().resource_spans {
            let service = service_name(&resource);
            let spans = resource
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans);
            let kept = spans.map(|span| {
                let kind = KINDS.iter().find_map(|kind| text(&span.attributes, kind));
                (
                    span.trace_id,
                    service.clone(),
                    span.name,
                    kind.unwrap_or_default(),
                )
            });
            self.spans.lock().unwrap().extend(kept);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn service_name(resource: &ResourceSpans) -> String {
    let attributes = resource
        .resource
        .iter()
        .flat_map(|resource| resource.attributes.clone());
    text(&attributes.collect::<Vec<_>>(), "service.name").expect("every process says who it is")
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.key == key)?;
    match attribute.value.clone()?.value? {
        any_value::Value::StringValue(text) => Some(text),
        _ => None,
    }
}

async fn collect(address: SocketAddr) -> Spans {
    let collector = Collector::default();
    let spans = collector.spans.clone();
    let routes = Routes::new(TraceServiceServer::new(collector)).prepare();
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(routes.clone());
            let connection = http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    spans
}

#[tokio::test]
async fn a_single_trace_holds_the_whole_walk() {
    let _up = undisturbed().await;
    let shop = Shop::running();
    let spans = collect((shop.address(1), 4317).into()).await;
    let product = shop.product(3, 100).await;
    let customer = shop.customer();

    // A collector that has just come up gets what is sent after a client's next attempt: so the
    // walk is made again, with a trace of its own, until one is complete.
    let mut missing = BTreeSet::from(["nothing was placed yet".to_owned()]);
    for _ in 0..3 {
        let trace = Uuid::now_v7();
        let parent = format!("00-{}-00f067aa0ba902b7-01", trace.simple());
        let key = Uuid::now_v7().to_string();
        let headers = [
            ("traceparent", parent.as_str()),
            ("idempotency-key", key.as_str()),
        ];
        let body = order_body(&product, 1, "tok_ok").to_string();
        let answer = customer
            .send(http::Method::POST, "/v1/orders", &headers, body.into())
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let order = answer.body["id"].as_str().unwrap();
        shop.mails(order, &["order_received", "receipt"]).await;
        missing = missing_steps(&spans, trace).await;
        if missing.is_empty() {
            return;
        }
    }
    panic!("no trace holds {missing:?}");
}

/// Waits for the steps of a trace and answers those that did not come.
async fn missing_steps(spans: &Spans, trace: Uuid) -> BTreeSet<String> {
    let absent = || {
        let spans = spans.lock().unwrap();
        let found: BTreeSet<_> = spans
            .iter()
            .filter(|(id, ..)| id == trace.as_bytes())
            .map(|(_, service, name, kind)| (service.as_str(), name.as_str(), kind.as_str()))
            .collect();
        let absent = WALK.iter().filter(|step| !found.contains(*step));
        absent
            .map(|step| format!("{step:?}"))
            .collect::<BTreeSet<_>>()
    };
    let waiting = eventually("the spans of a walk", || async {
        absent().is_empty().then_some(())
    });
    let patience = std::time::Duration::from_secs(15);
    if tokio::time::timeout(patience, waiting).await.is_ok() {
        return BTreeSet::new();
    }
    absent()
}
