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
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::shop::{Shop, eventually, order_body, undisturbed};

/// The walk of the README: which service, which span.
const WALK: &[(&str, &str)] = &[
    ("gateway", "POST /v1/orders"),
    ("order", "grpc.server"),
    ("product", "grpc.server"),
    ("order", "outbox.publish"),
    ("product", "event.consume"),
    ("payment", "event.consume"),
    ("payment", "task.run"),
    ("order", "event.consume"),
    ("order", "task.run"),
    ("notification", "event.consume"),
    ("notification", "task.run"),
    ("notification", "outbox.publish"),
];

/// What a collector keeps: (trace id, service, span name).
type Spans = Arc<Mutex<Vec<(Vec<u8>, String, String)>>>;

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
            let kept = spans.map(|span| (span.trace_id, service.clone(), span.name));
            self.spans.lock().unwrap().extend(kept);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn service_name(resource: &ResourceSpans) -> String {
    let attributes = resource
        .resource
        .iter()
        .flat_map(|resource| &resource.attributes);
    let name = attributes
        .filter(|attribute| attribute.key == "service.name")
        .find_map(|attribute| attribute.value.clone()?.value);
    match name {
        Some(any_value::Value::StringValue(name)) => name,
        other => panic!("no service name: {other:?}"),
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
            .filter(|(id, _, _)| id == trace.as_bytes())
            .map(|(_, service, name)| (service.as_str(), name.as_str()))
            .collect();
        let absent = WALK.iter().filter(|step| !found.contains(*step));
        absent
            .map(|(service, name)| format!("{service}: {name}"))
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
