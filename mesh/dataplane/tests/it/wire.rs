//! HTTP/2 as bytes, for clients that do what no library would: frames written one by one. It reads
//! what the server says to such a client. Nothing here is checked; that is the server's business.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    task::JoinHandle,
    time::timeout,
};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD_BYTES: usize = 9;

/// One frame of the server.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// What an attack can write to.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A connection that is written frame by frame, while everything that comes back is kept.
pub(crate) struct Wire<S> {
    write: WriteHalf<S>,
    heard: JoinHandle<Vec<Frame>>,
}

// === impl Wire ===

impl<S: Io> Wire<S> {
    /// Sends preface and settings.
    pub(crate) async fn begin(io: S, settings: &[(u16, u32)]) -> io::Result<Self> {
        let (read, mut write) = tokio::io::split(io);
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat())
            .collect();
        write.write_all(PREFACE).await?;
        write.write_all(&frame(SETTINGS, 0, 0, &payload)).await?;
        write.flush().await?;
        let heard = tokio::spawn(hear(read));
        Ok(Self { write, heard })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write.write_all(bytes).await?;
        self.write.flush().await
    }

    /// Sends `bytes` again and again, at most `most` times, until the server does not take them
    /// any more or has hung up. Answers how often it could.
    pub(crate) async fn flood(
        &mut self,
        most: usize,
        mut bytes: impl FnMut(usize) -> Vec<u8>,
    ) -> usize {
        for number in 0..most {
            // A server that has hung up is noticed late: the kernel takes some more.
            if self.heard.is_finished() || self.write.write_all(&bytes(number)).await.is_err() {
                return number;
            }
        }
        let _ = self.write.flush().await;
        most
    }

    /// Waits until the server ends the connection and answers all it has said; none when the
    /// connection is still open after `within`.
    pub(crate) async fn ended(mut self, within: Duration) -> Option<Vec<Frame>> {
        timeout(within, &mut self.heard)
            .await
            .ok()
            .map(Result::unwrap)
    }

    /// Whether the server still keeps the connection.
    pub(crate) fn is_open(&self) -> bool {
        !self.heard.is_finished()
    }
}

/// Reads until the end, whatever it is.
async fn hear<S: AsyncRead>(mut read: ReadHalf<S>) -> Vec<Frame> {
    let mut heard = Vec::new();
    while let Ok(frame) = next(&mut read).await {
        heard.push(frame);
    }
    heard
}

/// The next frame that the server sends.
pub(crate) async fn next<R: AsyncRead + Unpin>(read: &mut R) -> io::Result<Frame> {
    let mut head = [0; HEAD_BYTES];
    read.read_exact(&mut head).await?;
    let [a, b, c, kind, _flags, s @ ..] = head;
    let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap();
    let mut payload = vec![0; length];
    read.read_exact(&mut payload).await?;
    let stream = u32::from_be_bytes(s);
    Ok(Frame {
        kind,
        stream,
        payload,
    })
}

// === frames ===

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The HEADERS frame of a gRPC call. Bodies are up to the test.
pub(crate) fn call(stream: u32, flags: u8, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, &headers(path, more))
}

/// The header block of a gRPC call: every field as literal text, none compressed.
pub(crate) fn headers(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    // `:method: POST` and `:scheme: https` are whole entries of the static table.
    let mut block = vec![0x83, 0x87];
    let usual = [
        (":path", path),
        (":authority", "order.shop.svc.cluster.local"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    for (name, value) in usual.iter().chain(more) {
        block.push(0);
        text(&mut block, name);
        text(&mut block, value);
    }
    block
}

/// A message as gRPC frames it.
pub(crate) fn message(bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![0];
    message.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    message.extend(bytes);
    message
}

/// A string without Huffman code, its length in seven bits and more.
fn text(block: &mut Vec<u8>, text: &str) {
    const PREFIX: usize = 127;
    match u8::try_from(text.len()) {
        Ok(length) if usize::from(length) < PREFIX => block.push(length),
        _ => {
            block.push(127);
            let mut rest = text.len() - PREFIX;
            while rest >= 128 {
                block.push(u8::try_from(rest % 128 + 128).unwrap());
                rest /= 128;
            }
            block.push(u8::try_from(rest).unwrap());
        }
    }
    block.extend(text.as_bytes());
}

// === what was heard ===

/// The error code of the server's goodbye, if it said one.
pub(crate) fn goodbye(heard: &[Frame]) -> Option<u32> {
    let last = heard.iter().rev().find(|frame| frame.kind == GOAWAY)?;
    Some(u32::from_be_bytes(last.payload[4..8].try_into().unwrap()))
}

/// The streams that the server reset, with the error codes.
pub(crate) fn resets(heard: &[Frame]) -> Vec<(u32, u32)> {
    let of = |frame: &&Frame| frame.kind == RST_STREAM;
    heard
        .iter()
        .filter(of)
        .map(|frame| {
            let code = u32::from_be_bytes(frame.payload[..4].try_into().unwrap());
            (frame.stream, code)
        })
        .collect()
}
