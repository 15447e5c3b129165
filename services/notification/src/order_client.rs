//! Calls to the order service: the contact of an order, which no event may carry.

use std::time::Duration;

use mesh_dataplane::{MeshChannel, deadline};
use shop_chassis::{Failure, Kind};
use shop_proto::order::v1::GetContactRequest;
use shop_proto::order::v1::order_internal_service_client::OrderInternalServiceClient;
use tokio::time::Instant;

use crate::domain::{Contact, OrderId};

/// One read by primary key at the other side; what takes longer is tried again later.
const DEADLINE: Duration = Duration::from_secs(5);

/// A client of the order service, with this service's own identity.
#[derive(Clone)]
pub(crate) struct OrderClient {
    client: OrderInternalServiceClient<MeshChannel>,
}

// === impl OrderClient ===

impl OrderClient {
    /// A client over this channel.
    pub(crate) fn new(channel: MeshChannel) -> Self {
        Self {
            client: OrderInternalServiceClient::new(channel),
        }
    }

    /// Where the mails about an order go. `None`: there is no such order, or it has been erased.
    pub(crate) async fn contact(&self, order_id: OrderId) -> Result<Option<Contact>, Failure> {
        let request = GetContactRequest {
            order_id: order_id.0.to_string(),
        };
        let mut client = self.client.clone();
        let call = async move { client.get_contact(request).await };
        match deadline::scope(Instant::now() + DEADLINE, call).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                let (customer_id, email) = (answer.customer_id, answer.email);
                Ok(Some(Contact {
                    order_id,
                    customer_id,
                    email,
                }))
            }
            Err(status) => match Failure::from(status) {
                failure if failure.kind() == Kind::NotFound => Ok(None),
                failure => Err(failure),
            },
        }
    }
}
