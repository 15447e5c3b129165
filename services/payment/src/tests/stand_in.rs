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

/// What it answers when it is asked for the means of payment of any order.
#[derive(Clone)]
pub(crate) struct Methods(Arc<Mutex<Result<String, Status>>>);

/// A running order service and a client of it. It ends with this value.
pub(crate) struct StandIn {
    pub(crate) client: OrderClient,
    pub(crate) methods: Methods,
    _serving: Serving,
    _workloads: [Workload; 2],
    _stop: DropGuard,
}

// === impl StandIn ===

impl StandIn {
    /// Every order is paid with this token.
    pub(crate) async fn start(token: &str) -> Self {
        let methods = Methods(Arc::new(Mutex::new(Ok(token.to_owned()))));
        let stop = CancellationToken::new();
        let order = workload("order", "", &stop).await;
        let routes = Routes::new(OrderInternalServiceServer::new(methods.clone())).prepare();
        let serving = order.serve(routes).await.unwrap();
        let endpoints = format!(
            "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\n\
             metadata: {{name: order, namespace: shop}}\n\
             spec: {{address: 127.0.0.1, ports: {{grpc: {}}}, serviceAccount: order, \
             labels: {{app: order}}}}\n",
            serving.local_addr().port()
        );
        let payment = workload("payment", &endpoints, &stop).await;
        Self {
            client: OrderClient::new(payment.channel("order")),
            methods,
            _serving: serving,
            _workloads: [order, payment],
            _stop: stop.drop_guard(),
        }
    }
}

// === impl Methods ===

impl Methods {
    pub(crate) fn set(&self, answer: Result<&str, Status>) {
        *self.0.lock().unwrap() = answer.map(str::to_owned);
    }
}

#[tonic::async_trait]
impl OrderInternalService for Methods {
    async fn get_contact(
        &self,
        _request: Request<proto::GetContactRequest>,
    ) -> Result<Response<proto::GetContactResponse>, Status> {
        Err(Status::unimplemented("not asked by this service"))
    }

    async fn get_payment_method(
        &self,
        _request: Request<proto::GetPaymentMethodRequest>,
    ) -> Result<Response<proto::GetPaymentMethodResponse>, Status> {
        let payment_token = self.0.lock().unwrap().clone()?;
        Ok(Response::new(proto::GetPaymentMethodResponse {
            payment_token,
        }))
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
