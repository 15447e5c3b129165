//! Puts the events of all partitions into common transactions: while one is under way, those that
//! arrive gather for the next. A partition is answered when its events are decided.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::bus::Handler;
use crate::error::Chain;
use crate::inbox::{Apart, Arrival, Delivered, Inbox};
use crate::vital::vital;

/// Events of one transaction: more of them hold rows for longer than they save.
pub(super) const TOGETHER_MAX: usize = 64;
/// Partitions that wait to be answered; the others wait to ask.
const WAITING_MAX: usize = 64;

/// Where the workers of partitions bring their events.
#[derive(Clone)]
pub(super) struct Together {
    asked: mpsc::Sender<Request>,
}

struct Request {
    arrivals: Vec<Arrival>,
    /// What became of each; none when nothing has happened, and they are to come one by one.
    answer: oneshot::Sender<Option<Vec<Delivered>>>,
}

// === impl Together ===

impl Together {
    /// The way in, and the loop that ends when all ways in are gone.
    pub(super) fn new<H: Handler>(
        inbox: Inbox,
        handler: Arc<H>,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (asked, requests) = mpsc::channel(WAITING_MAX);
        (Self { asked }, apply(inbox, handler, requests))
    }

    /// Applies `arrivals` in their order, with others or alone. None: nothing has happened.
    pub(super) async fn apply(&self, arrivals: Vec<Arrival>) -> Option<Vec<Delivered>> {
        let (answer, answered) = oneshot::channel();
        let request = Request { arrivals, answer };
        self.asked.send(request).await.ok()?;
        answered.await.ok()?
    }
}

async fn apply<H: Handler>(inbox: Inbox, handler: Arc<H>, mut requests: mpsc::Receiver<Request>) {
    let _vital = vital("inbox");
    while let Some(first) = requests.recv().await {
        let mut count = first.arrivals.len();
        let mut gathered = vec![first];
        while count < TOGETHER_MAX
            && let Ok(next) = requests.try_recv()
        {
            count += next.arrivals.len();
            gathered.push(next);
        }
        let arrivals: Arc<[Arrival]> = gathered
            .iter()
            .flat_map(|request| request.arrivals.iter().cloned())
            .collect();
        let delivered = match inbox.receive_all(&handler, arrivals).await {
            Ok(delivered) => Some(delivered),
            Err(Apart::OutOfLine) => None,
            Err(Apart::Failed(failure)) => {
                tracing::debug!(error = %Chain(&failure), count, "events come one by one");
                None
            }
        };
        let mut delivered = delivered.map(Vec::into_iter);
        for request in gathered {
            let count = request.arrivals.len();
            let own = delivered.as_mut().map(|all| all.take(count).collect());
            // Nobody waits any more when the partition was lost: its events come again.
            let _ = request.answer.send(own);
        }
    }
}
