//! Calls to the order service: the means of payment of an order, which no event may carry.

use std::time::Duration;

use mesh_dataplane::MeshChannel;
use shop_chassis::Failure;
use shop_proto::order::v1::GetPaymentMethodRequest;
use shop_proto::order::v1::order_internal_service_client::OrderInternalServiceClient;
use tonic::{Code, Request};

use crate::domain::OrderId;
use crate::provider::PaymentToken;

/// One row is read; who has not answered by then will not.
const DEADLINE: Duration = Duration::from_secs(2);

/// The order service. Cheap to clone.
#[derive(Clone)]
pub(crate) struct OrderClient {
    client: OrderInternalServiceClient<MeshChannel>,
}

// === impl OrderClient ===

impl OrderClient {
    pub(crate) fn new(channel: MeshChannel) -> Self {
        Self {
            client: OrderInternalServiceClient::new(channel),
        }
    }

    /// The order's means of payment; `None` when there is none that may be used.
    pub(crate) async fn payment_method(
        &self,
        order_id: OrderId,
    ) -> Result<Option<PaymentToken>, Failure> {
        let mut request = Request::new(GetPaymentMethodRequest {
            order_id: order_id.to_string(),
        });
        request.set_timeout(DEADLINE);
        match self.client.clone().get_payment_method(request).await {
            Ok(response) => Ok(PaymentToken::parse(&response.into_inner().payment_token).ok()),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status.into()),
        }
    }
}
