//! The services that an order needs, as real servers in this process, over a mesh without TLS:
//! they note what they are asked, and refuse what a test tells them to refuse.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mesh_dataplane::config::{Mode, Ports, Settings};
use mesh_dataplane::{MeshChannel, Workload};
use shop_proto::payment::v1::payment_control_service_server::{
    PaymentControlService, PaymentControlServiceServer,
};
use shop_proto::payment::v1::{
    CapturePaymentRequest, CapturePaymentResponse, ReversePaymentRequest, ReversePaymentResponse,
};
use shop_proto::product::v1::inventory_service_server::{InventoryService, InventoryServiceServer};
use shop_proto::product::v1::product_service_server::{ProductService, ProductServiceServer};
use shop_proto::product::v1::{self, Product};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
/// The endpoints are one small file; reading it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The product and the payment service. They end with this value.
pub(crate) struct Neighbours {
    script: Script,
    workload: Workload,
    shutdown: CancellationToken,
}

/// What the neighbours have, refuse, and were asked.
#[derive(Clone)]
struct Script(watch::Sender<Lines>);

#[derive(Default)]
struct Lines {
    products: Vec<Product>,
    refusals: HashMap<&'static str, Code>,
    held: Option<&'static str>,
    calls: Vec<String>,
}

// === impl Neighbours ===

impl Neighbours {
    /// Starts them with these products in the catalogue.
    pub(crate) async fn start(products: Vec<Product>) -> Self {
        let shutdown = CancellationToken::new();
        let script = Script(watch::Sender::new(Lines {
            products,
            ..Lines::default()
        }));
        let routes = Routes::new(ProductServiceServer::new(script.clone()))
            .add_service(InventoryServiceServer::new(script.clone()))
            .add_service(PaymentControlServiceServer::new(script.clone()))
            .prepare();
        let server = workload("product", "", &shutdown).await;
        let serving = server.serve(routes).await.unwrap();
        let workload = workload("order", &endpoints(serving.local_addr()), &shutdown).await;
        Self {
            script,
            workload,
            shutdown,
        }
    }

    /// The way to one of them, as the chassis gives it.
    pub(crate) fn channel(&self, service: &str) -> MeshChannel {
        self.workload.channel(service)
    }

    /// Every further call of `method` fails with `code`; `Code::Ok` ends that.
    pub(crate) fn refuse(&self, method: &'static str, code: Code) {
        let Script(lines) = &self.script;
        lines.send_modify(|lines| {
            lines.refusals.insert(method, code);
        });
    }

    /// Calls of `method` are not answered until another one is held, or none.
    pub(crate) fn hold(&self, method: Option<&'static str>) {
        let Script(lines) = &self.script;
        lines.send_modify(|lines| lines.held = method);
    }

    /// What they were asked so far: the method and what it spoke of.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.script.0.borrow().calls.clone()
    }

    /// Waits until `method` was called.
    pub(crate) async fn called(&self, method: &str) {
        let mut lines = self.script.0.subscribe();
        let asked = |lines: &Lines| lines.calls.iter().any(|call| call.starts_with(method));
        let called = tokio::time::timeout(PATIENCE, lines.wait_for(asked)).await;
        assert!(called.unwrap().is_ok());
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn workload(account: &str, endpoints: &str, shutdown: &CancellationToken) -> Workload {
    let file = std::env::temp_dir().join(format!("shop-order-{}.yaml", Uuid::now_v7()));
    std::fs::write(&file, endpoints).unwrap();
    let id = format!("spiffe://cluster.local/ns/shop/sa/{account}")
        .parse()
        .unwrap();
    let mut settings = Settings::of(id, LOOPBACK);
    settings.mode = Mode::Off;
    settings.endpoints_file.clone_from(&file);
    settings.ports = Ports {
        grpc: 0,
        admin: 0,
        metrics: 0,
        probes: 0,
    };
    let workload = Workload::start(settings, shutdown.clone()).await.unwrap();
    let ready = async {
        while !workload.readiness().is_ready() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.unwrap();
    std::fs::remove_file(&file).unwrap();
    workload
}

fn endpoints(server: SocketAddr) -> String {
    let entry = |service: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\n\
             kind: WorkloadEntry\n\
             metadata: {{name: {service}, namespace: shop}}\n\
             spec:\n  address: {}\n  ports: {{grpc: {}}}\n  serviceAccount: {service}\n  \
             labels: {{app: {service}}}\n",
            server.ip(),
            server.port()
        )
    };
    format!("{}---\n{}", entry("product"), entry("payment"))
}

// === impl Script ===

impl Script {
    /// Notes a call; answers it when no test holds it, and as the test said.
    async fn called(&self, method: &'static str, about: String) -> Result<(), Status> {
        self.0
            .send_modify(|lines| lines.calls.push(format!("{method} {about}")));
        let mut lines = self.0.subscribe();
        let free = lines.wait_for(|lines| lines.held != Some(method)).await;
        let refusal = free.unwrap().refusals.get(method).copied();
        match refusal.unwrap_or(Code::Ok) {
            Code::Ok => Ok(()),
            code => Err(Status::new(code, "as the test wishes")),
        }
    }
}

#[tonic::async_trait]
impl InventoryService for Script {
    async fn confirm_reservation(
        &self,
        request: Request<v1::ConfirmReservationRequest>,
    ) -> Result<Response<v1::ConfirmReservationResponse>, Status> {
        self.called("Confirm", request.into_inner().order_id)
            .await?;
        Ok(Response::new(v1::ConfirmReservationResponse {}))
    }

    async fn release_reservation(
        &self,
        request: Request<v1::ReleaseReservationRequest>,
    ) -> Result<Response<v1::ReleaseReservationResponse>, Status> {
        let request = request.into_inner();
        self.called("Release", format!("{} {}", request.order_id, request.cause))
            .await?;
        Ok(Response::new(v1::ReleaseReservationResponse {}))
    }
}

#[tonic::async_trait]
impl PaymentControlService for Script {
    async fn capture_payment(
        &self,
        request: Request<CapturePaymentRequest>,
    ) -> Result<Response<CapturePaymentResponse>, Status> {
        self.called("Capture", request.into_inner().order_id)
            .await?;
        Ok(Response::new(CapturePaymentResponse {}))
    }

    async fn reverse_payment(
        &self,
        request: Request<ReversePaymentRequest>,
    ) -> Result<Response<ReversePaymentResponse>, Status> {
        let request = request.into_inner();
        self.called(
            "Reverse",
            format!("{} {}", request.order_id, request.reason),
        )
        .await?;
        Ok(Response::new(ReversePaymentResponse {}))
    }
}

/// Only what an order needs; the rest answers as a server of another version would.
#[tonic::async_trait]
impl ProductService for Script {
    async fn batch_get_products(
        &self,
        request: Request<v1::BatchGetProductsRequest>,
    ) -> Result<Response<v1::BatchGetProductsResponse>, Status> {
        let authorized = request.metadata().contains_key("authorization");
        assert!(!authorized, "the customer's token is not for others");
        let ids = request.into_inner().product_ids;
        self.called("Batch", ids.join(",")).await?;
        let known = self.0.borrow().products.clone();
        let products = known
            .into_iter()
            .filter(|product| ids.contains(&product.id));
        Ok(Response::new(v1::BatchGetProductsResponse {
            products: products.collect(),
        }))
    }

    async fn create_product(
        &self,
        _: Request<v1::CreateProductRequest>,
    ) -> Result<Response<Product>, Status> {
        Err(Status::unimplemented("create"))
    }

    async fn get_product(
        &self,
        _: Request<v1::GetProductRequest>,
    ) -> Result<Response<Product>, Status> {
        Err(Status::unimplemented("get"))
    }

    async fn list_products(
        &self,
        _: Request<v1::ListProductsRequest>,
    ) -> Result<Response<v1::ListProductsResponse>, Status> {
        Err(Status::unimplemented("list"))
    }

    async fn update_product(
        &self,
        _: Request<v1::UpdateProductRequest>,
    ) -> Result<Response<Product>, Status> {
        Err(Status::unimplemented("update"))
    }

    async fn delete_product(
        &self,
        _: Request<v1::DeleteProductRequest>,
    ) -> Result<Response<Product>, Status> {
        Err(Status::unimplemented("delete"))
    }

    async fn adjust_stock(
        &self,
        _: Request<v1::AdjustStockRequest>,
    ) -> Result<Response<Product>, Status> {
        Err(Status::unimplemented("adjust"))
    }
}
