//! An order service for tests, over the real data plane without TLS: it answers as told.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use mesh_dataplane::{Mode, Ports, Serving, Settings, Workload};
use shop_proto::order::v1 as proto;
use shop_proto::order::v1::order_internal_service_server::{
    OrderInternalService, OrderInternalServiceServer,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::order_client::OrderClient;

/// What it answers to the next calls, and how often it was asked.
#[derive(Clone)]
pub(crate) struct Contacts {
    answer: Arc<Mutex<Result<proto::GetContactResponse, Status>>>,
    calls: Arc<Mutex<u32>>,
}

/// A running order service and a client of it. It ends with this value.
pub(crate) struct StandIn {
    pub(crate) client: OrderClient,
    pub(crate) contacts: Contacts,
    _serving: Serving,
    _workloads: [Workload; 2],
    _stop: DropGuard,
}

// === impl StandIn ===

impl StandIn {
    /// Knows the contact of every order.
    pub(crate) async fn start(email: &str) -> Self {
        let contacts = Contacts {
            answer: Arc::new(Mutex::new(Ok(answer(email)))),
            calls: Arc::default(),
        };
        let stop = CancellationToken::new();
        let order = workload("order", "", &stop).await;
        let routes = Routes::new(OrderInternalServiceServer::new(contacts.clone())).prepare();
        let serving = order.serve(routes).await.unwrap();
        let endpoints = format!(
            "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\n\
             metadata: {{name: order, namespace: shop}}\n\
             spec: {{address: 127.0.0.1, ports: {{grpc: {}}}, serviceAccount: order, \
             labels: {{app: order}}}}\n",
            serving.local_addr().port()
        );
        let notification = workload("notification", &endpoints, &stop).await;
        Self {
            client: OrderClient::new(notification.channel("order")),
            contacts,
            _serving: serving,
            _workloads: [order, notification],
            _stop: stop.drop_guard(),
        }
    }
}

// === impl Contacts ===

impl Contacts {
    pub(crate) fn know(&self, email: &str) {
        *self.answer.lock().unwrap() = Ok(answer(email));
    }

    pub(crate) fn fail(&self, status: Status) {
        *self.answer.lock().unwrap() = Err(status);
    }

    pub(crate) fn calls(&self) -> u32 {
        *self.calls.lock().unwrap()
    }
}

#[tonic::async_trait]
impl OrderInternalService for Contacts {
    async fn get_contact(
        &self,
        _request: Request<proto::GetContactRequest>,
    ) -> Result<Response<proto::GetContactResponse>, Status> {
        *self.calls.lock().unwrap() += 1;
        self.answer.lock().unwrap().clone().map(Response::new)
    }

    async fn get_payment_method(
        &self,
        _request: Request<proto::GetPaymentMethodRequest>,
    ) -> Result<Response<proto::GetPaymentMethodResponse>, Status> {
        Err(Status::unimplemented("not asked by this service"))
    }
}

fn answer(email: &str) -> proto::GetContactResponse {
    proto::GetContactResponse {
        email: email.to_owned(),
        customer_id: "c1".to_owned(),
    }
}

async fn workload(account: &str, endpoints: &str, stop: &CancellationToken) -> Workload {
    let file = std::env::temp_dir().join(format!("tradewind-endpoints-{}", Uuid::now_v7()));
    std::fs::write(&file, endpoints).unwrap();
    let id = format!("spiffe://cluster.local/ns/shop/sa/{account}")
        .parse()
        .unwrap();
    let mut settings = Settings::of(id, IpAddr::V4(Ipv4Addr::LOCALHOST));
    settings.mode = Mode::Off;
    settings.ports = Ports {
        grpc: 0,
        admin: 0,
        metrics: 0,
        probes: 0,
    };
    settings.endpoints_file = file.clone();
    let workload = Workload::start(settings, stop.clone()).await.unwrap();
    if !endpoints.is_empty() {
        workload.readiness().ready().await;
    }
    std::fs::remove_file(file).unwrap();
    workload
}
