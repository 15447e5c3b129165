//! Calls to the payment service's control of payments. Idempotent by order id on the other side.

use std::time::Duration;

use mesh_dataplane::MeshChannel;
use shop_chassis::Failure;
use shop_proto::payment::v1::payment_control_service_client::PaymentControlServiceClient;
use shop_proto::payment::v1::{CapturePaymentRequest, ReversePaymentRequest};
use tonic::Request;

use crate::domain::OrderId;

/// The callee asks the provider, which has 5 s to answer, before it answers itself.
const DEADLINE: Duration = Duration::from_secs(10);

/// The control of payments. Cheap to clone.
#[derive(Clone)]
pub(crate) struct PaymentClient {
    client: PaymentControlServiceClient<MeshChannel>,
}

// === impl PaymentClient ===

impl PaymentClient {
    pub(crate) fn new(channel: MeshChannel) -> Self {
        Self {
            client: PaymentControlServiceClient::new(channel),
        }
    }

    /// Takes the money of an order: the pivot of its saga.
    pub(crate) async fn capture(&self, id: OrderId) -> Result<(), Failure> {
        let order_id = id.to_string();
        let mut request = Request::new(CapturePaymentRequest { order_id });
        request.set_timeout(DEADLINE);
        self.client.clone().capture_payment(request).await?;
        Ok(())
    }

    /// Gives the money of an order back, whatever became of it.
    pub(crate) async fn reverse(&self, id: OrderId, reason: String) -> Result<(), Failure> {
        let order_id = id.to_string();
        let mut request = Request::new(ReversePaymentRequest { order_id, reason });
        request.set_timeout(DEADLINE);
        self.client.clone().reverse_payment(request).await?;
        Ok(())
    }
}
