//! A peer that does exactly what a test says, below any server library of ours: for what a correct
//! server never does at will.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use http::{HeaderMap, Request, Response};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

const FRAME_HEADER_BYTES: usize = 9;
const PREFACE_BYTES: usize = 24;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
/// Queued frames are written as soon as the connection's task runs.
const FLUSH: Duration = Duration::from_millis(50);

/// What the peer does with the next call that it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Reads it all and answers OK.
    Answer,
    /// Resets it before anything else, without processing it.
    Refuse,
    /// Reads it all, then resets it as refused.
    RefuseAfterReading,
    /// Sends response headers, then resets it.
    ResetAfterHeaders(Reason),
    /// Reads it all and fails it with details that are no base64.
    FailWithBadDetails,
    /// Cuts the connection.
    Cut,
    /// Never answers.
    Ignore,
}

/// The peer: where it listens and what reached it.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// One entry per call that arrived: its headers and its body.
    pub(crate) arrived: mpsc::UnboundedReceiver<(HeaderMap, Vec<u8>)>,
    pub(crate) connections: Arc<AtomicU32>,
}

/// A peer that plays `acts` in order over any number of connections, the last one for ever.
pub(crate) async fn peer(acts: &[Act]) -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (arrivals, arrived) = mpsc::unbounded_channel();
    let connections = Arc::new(AtomicU32::new(0));
    let (acts, count) = (Arc::<[Act]>::from(acts), Arc::clone(&connections));
    tokio::spawn(async move {
        let next = Arc::new(AtomicU32::new(0));
        while let Ok((tcp, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(play(
                tcp,
                Arc::clone(&acts),
                Arc::clone(&next),
                arrivals.clone(),
            ));
        }
    });
    Peer {
        address,
        arrived,
        connections,
    }
}

/// A peer whose first connection says goodbye to the first call without having processed it, and
/// whose later ones answer. What the first one saw does not arrive.
pub(crate) async fn peer_that_goes_away() -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (arrivals, arrived) = mpsc::unbounded_channel();
    let connections = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        let (first, _) = listener.accept().await.unwrap();
        count.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(go_away(first));
        let next = Arc::new(AtomicU32::new(0));
        while let Ok((tcp, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(play(
                tcp,
                Arc::new([Act::Answer]),
                Arc::clone(&next),
                arrivals.clone(),
            ));
        }
    });
    Peer {
        address,
        arrived,
        connections,
    }
}

type Arrivals = mpsc::UnboundedSender<(HeaderMap, Vec<u8>)>;

async fn play(tcp: TcpStream, acts: Arc<[Act]>, next: Arc<AtomicU32>, arrivals: Arrivals) {
    let mut connection = h2::server::handshake(tcp).await.unwrap();
    while let Some(Ok((request, answer))) = connection.accept().await {
        let index = usize::try_from(next.fetch_add(1, Ordering::SeqCst)).unwrap();
        let act = acts[index.min(acts.len() - 1)];
        if act == Act::Cut {
            let _ = arrivals.send((request.headers().clone(), Vec::new()));
            return;
        }
        tokio::spawn(perform(act, request, answer, arrivals.clone()));
    }
}

async fn perform(
    act: Act,
    request: Request<RecvStream>,
    mut answer: SendResponse<Bytes>,
    arrivals: Arrivals,
) {
    let (head, body) = request.into_parts();
    if act == Act::Refuse {
        let _ = arrivals.send((head.headers, Vec::new()));
        return answer.send_reset(Reason::REFUSED_STREAM);
    }
    let body = read(body).await;
    let _ = arrivals.send((head.headers, body));
    match act {
        Act::Answer => {
            let mut response = Response::new(());
            let headers = response.headers_mut();
            headers.insert("content-type", "application/grpc".parse().unwrap());
            headers.insert("grpc-status", "0".parse().unwrap());
            let _ = answer.send_response(response, true);
        }
        Act::FailWithBadDetails => {
            let mut response = Response::new(());
            let headers = response.headers_mut();
            headers.insert("content-type", "application/grpc".parse().unwrap());
            headers.insert("grpc-status", "9".parse().unwrap());
            headers.insert("grpc-status-details-bin", "!?".parse().unwrap());
            let _ = answer.send_response(response, true);
        }
        Act::RefuseAfterReading => answer.send_reset(Reason::REFUSED_STREAM),
        Act::ResetAfterHeaders(reason) => {
            let mut response = Response::new(());
            response
                .headers_mut()
                .insert("content-type", "application/grpc".parse().unwrap());
            let mut stream = answer.send_response(response, false).unwrap();
            // A reset throws away what is still queued, the headers too.
            tokio::time::sleep(FLUSH).await;
            stream.send_reset(reason);
        }
        Act::Ignore => std::future::pending().await,
        Act::Refuse | Act::Cut => unreachable!("done above"),
    }
}

async fn read(mut body: RecvStream) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        all.extend_from_slice(&data);
    }
    all
}

/// Reads frames until a call begins, then sends GOAWAY with "nothing was processed".
async fn go_away(mut tcp: TcpStream) {
    let mut preface = [0; PREFACE_BYTES];
    tcp.read_exact(&mut preface).await.unwrap();
    send(&mut tcp, SETTINGS, &[]).await;
    loop {
        let mut header = [0; FRAME_HEADER_BYTES];
        tcp.read_exact(&mut header).await.unwrap();
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        tcp.read_exact(&mut payload).await.unwrap();
        if header[3] == HEADERS {
            break;
        }
    }
    // Last stream 0, NO_ERROR.
    send(&mut tcp, GOAWAY, &[0; 8]).await;
    let mut rest = Vec::new();
    let _ = tcp.read_to_end(&mut rest).await;
}

async fn send(tcp: &mut TcpStream, kind: u8, payload: &[u8]) {
    let length = u8::try_from(payload.len()).unwrap();
    let mut frame = vec![0, 0, length, kind, 0, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    tcp.write_all(&frame).await.unwrap();
}
