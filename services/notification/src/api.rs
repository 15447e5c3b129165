//! `NotificationService`: what was sent to whom. It reads; sending is nobody's call.

use shop_chassis::page::PageTokens;
use shop_chassis::{Caller, EndUser, Failure, Role, Violations};
use shop_proto::notification::v1 as proto;
use shop_proto::notification::v1::notification_service_server::NotificationService;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::domain::{self, CHANNEL, Notification, OrderId};
use crate::store::{Filter, Store};

/// Who may list: a customer sees own ones only.
const READERS: &[Role] = &[Role::Customer, Role::Support, Role::Admin];

/// The public API.
#[derive(Clone)]
pub(crate) struct NotificationApi {
    store: Store,
    tokens: PageTokens,
}

// === impl NotificationApi ===

impl NotificationApi {
    /// The API over these rows.
    pub(crate) fn new(store: Store, tokens: PageTokens) -> Self {
        Self { store, tokens }
    }
}

#[tonic::async_trait]
impl NotificationService for NotificationApi {
    async fn list_notifications(
        &self,
        request: Request<proto::ListNotificationsRequest>,
    ) -> Result<Response<proto::ListNotificationsResponse>, Status> {
        let (caller, request) = Caller::split(request)?;
        let user = caller.require(READERS)?;
        let bound_to = (
            "ListNotifications",
            &user.subject,
            sees_all(user),
            &request.order_id,
        );
        let page = self
            .tokens
            .parse::<Uuid>(request.page_size, &request.page_token, &bound_to);
        let (filter, page) = Failure::both(filter(user, &request), page)?;
        let notifications = self.store.list(filter, page.after, page.limit()).await?;
        let (notifications, next_page_token) =
            self.tokens
                .cut(&page, notifications, |notification| notification.id.0);
        let notifications = notifications
            .iter()
            .map(proto::Notification::from)
            .collect();
        Ok(Response::new(proto::ListNotificationsResponse {
            notifications,
            next_page_token,
        }))
    }
}

/// Which notifications this user may see of those asked for.
fn filter(user: &EndUser, request: &proto::ListNotificationsRequest) -> Result<Filter, Failure> {
    let mut violations = Violations::default();
    let order_id = match request.order_id.as_str() {
        "" => None,
        text => violations.take("orderId", Uuid::parse_str(text).map(OrderId)),
    };
    violations.finish()?;
    let customer_id = (!sees_all(user)).then(|| user.subject.clone());
    Ok(Filter {
        customer_id,
        order_id,
    })
}

fn sees_all(user: &EndUser) -> bool {
    user.has(Role::Support) || user.has(Role::Admin)
}

impl From<&Notification> for proto::Notification {
    fn from(notification: &Notification) -> Self {
        let message_id = notification.message_id.as_ref();
        Self {
            id: notification.id.0.to_string(),
            order_id: notification.order_id.0.to_string(),
            template: notification.content.template().as_str().to_owned(),
            channel: CHANNEL.to_owned(),
            status: proto::notification::Status::from(notification.status).into(),
            subject: notification.subject.clone(),
            message_id: message_id.map(ToString::to_string).unwrap_or_default(),
            create_time: Some(notification.create_time.into()),
            send_time: notification.send_time.map(Into::into),
        }
    }
}

impl From<domain::Status> for proto::notification::Status {
    fn from(status: domain::Status) -> Self {
        match status {
            domain::Status::Queued => Self::Queued,
            domain::Status::Sending => Self::Sending,
            domain::Status::Sent => Self::Sent,
            domain::Status::Failed => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests;
