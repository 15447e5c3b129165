//! The bytes of one inbound connection, watched: a peer that floods us with empty frames, or takes
//! nothing of what we send, loses its connection. Everything else passes as it is.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use super::frames::Frames;
use crate::socket::Socket;

/// How long a peer may take nothing at all. As long as one that vanished is waited for; without
/// it, a peer that lives and does not read would keep its connection, goodbye and all.
const WRITE_STALL_MAX: Duration = Duration::from_secs(30);

/// A watched connection.
pub(super) struct Guard {
    socket: Socket,
    frames: Frames,
    begun: Arc<AtomicBool>,
    /// Set while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

// === impl Guard ===

impl Guard {
    /// `begun` is set once the peer has begun to speak HTTP/2.
    pub(super) fn new(socket: Socket, begun: Arc<AtomicBool>) -> Self {
        Self {
            socket,
            frames: Frames::new(Instant::now()),
            begun,
            stalled: None,
        }
    }

    /// Ends a write that has been waiting for too long.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.stalled = None;
            return poll;
        }
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_STALL_MAX)));
        ready!(stalled.as_mut().poll(cx));
        let text = "the peer takes nothing";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)))
    }

    fn wrote(&mut self, poll: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = poll {
            self.frames.wrote(*bytes);
        }
    }
}

impl AsyncRead for Guard {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        if let Err(flood) = this.frames.read(&buf.filled()[before..], Instant::now) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, flood)));
        }
        if this.frames.begun() && !this.begun.load(Ordering::Relaxed) {
            this.begun.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guard {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.socket).poll_write(cx, buf);
        this.wrote(&poll);
        this.watch(cx, poll)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.socket).poll_write_vectored(cx, bufs);
        this.wrote(&poll);
        this.watch(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.socket).poll_flush(cx);
        this.watch(cx, poll)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.socket).poll_shutdown(cx);
        this.watch(cx, poll)
    }
}
