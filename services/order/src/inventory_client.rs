//! Calls to the product service's reservations. Idempotent by order id on the other side.

use std::time::Duration;

use mesh_dataplane::MeshChannel;
use shop_chassis::Failure;
use shop_proto::product::v1::inventory_service_client::InventoryServiceClient;
use shop_proto::product::v1::{ConfirmReservationRequest, ReleaseReservationRequest};
use tonic::Request;

use crate::domain::OrderId;

/// A reservation is a few rows; who has not answered by then will not.
const DEADLINE: Duration = Duration::from_secs(5);

/// The reservations of the product service. Cheap to clone.
#[derive(Clone)]
pub(crate) struct InventoryClient {
    client: InventoryServiceClient<MeshChannel>,
}

// === impl InventoryClient ===

impl InventoryClient {
    pub(crate) fn new(channel: MeshChannel) -> Self {
        Self {
            client: InventoryServiceClient::new(channel),
        }
    }

    /// Keeps the hold of an order from expiring.
    pub(crate) async fn confirm(&self, id: OrderId) -> Result<(), Failure> {
        let order_id = id.to_string();
        let mut request = Request::new(ConfirmReservationRequest { order_id });
        request.set_timeout(DEADLINE);
        self.client.clone().confirm_reservation(request).await?;
        Ok(())
    }

    /// Gives the units of an order back, whatever became of them.
    pub(crate) async fn release(&self, id: OrderId, cause: String) -> Result<(), Failure> {
        let order_id = id.to_string();
        let mut request = Request::new(ReleaseReservationRequest { order_id, cause });
        request.set_timeout(DEADLINE);
        self.client.clone().release_reservation(request).await?;
        Ok(())
    }
}
