//! The service itself. It knows nothing of connections, deadlines or certificates: the mesh does.

use std::{pin::Pin, time::Duration};

use futures::{Stream, StreamExt, stream};
use mesh_dataplane::Deadline;
use mesh_transport::PeerIdentity;
use tonic::{Request, Response, Status, Streaming};

use crate::pb::{
    ChatRequest, ChatResponse, EchoRequest, EchoResponse, RepeatRequest, RepeatResponse,
    echo_service_server::EchoService,
};

/// A caller must not be able to park calls here for ever.
const DELAY_MS_MAX: u32 = 60_000;
/// Enough to watch a stream for hours with a delay, and for a second without one.
const REPETITIONS_MAX: u32 = 100_000;

/// Says back what it is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

/// The answers of a streaming call.
pub type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

// === impl Echo ===

#[tonic::async_trait]
impl EchoService for Echo {
    type RepeatStream = Answers<RepeatResponse>;
    type ChatStream = Answers<ChatResponse>;

    async fn echo(&self, request: Request<EchoRequest>) -> Result<Response<EchoResponse>, Status> {
        let peer = request
            .extensions()
            .get::<PeerIdentity>()
            .map(|peer| peer.id.to_string());
        let deadline = request.extensions().get::<Deadline>().copied();
        let EchoRequest {
            message, delay_ms, ..
        } = request.into_inner();
        pause(delay_ms).await?;
        let left = deadline.map_or(Duration::ZERO, Deadline::remaining);
        Ok(Response::new(EchoResponse {
            message,
            peer: peer.unwrap_or_default(),
            remaining_ms: u32::try_from(left.as_millis()).unwrap_or(u32::MAX),
        }))
    }

    async fn repeat(
        &self,
        request: Request<RepeatRequest>,
    ) -> Result<Response<Self::RepeatStream>, Status> {
        let RepeatRequest {
            message,
            count,
            delay_ms,
            ..
        } = request.into_inner();
        if count > REPETITIONS_MAX {
            let text = format!("count: at most {REPETITIONS_MAX}");
            return Err(Status::invalid_argument(text));
        }
        let answers = stream::iter(0..count).then(move |index| {
            let message = message.clone();
            async move {
                pause(delay_ms).await?;
                Ok(RepeatResponse { index, message })
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn chat(
        &self,
        request: Request<Streaming<ChatRequest>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        let answers = request
            .into_inner()
            .zip(stream::iter(0..))
            .then(async |(said, index)| {
                let ChatRequest {
                    message, delay_ms, ..
                } = said?;
                pause(delay_ms).await?;
                Ok(ChatResponse { index, message })
            });
        Ok(Response::new(Box::pin(answers)))
    }
}

async fn pause(delay_ms: u32) -> Result<(), Status> {
    if delay_ms > DELAY_MS_MAX {
        return Err(Status::invalid_argument(format!(
            "delay_ms: at most {DELAY_MS_MAX}"
        )));
    }
    if delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(delay_ms.into())).await;
    }
    Ok(())
}
