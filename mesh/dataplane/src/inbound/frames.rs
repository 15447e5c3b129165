//! Counts the frames of a peer that carry nothing: pings, settings, resets, window updates, empty
//! data. A few belong to every connection; who sends them by the thousand wants us to work for
//! nothing, and h2 answers each of them for ever. It reads along and changes nothing.

use tokio::time::Instant;

/// What a connection may send at once: more than a good client's burst of deadlines, each of which
/// resets a call, on all 256 streams; and some 10 ms of our time.
const BURST: u32 = 4096;
/// What it may send each second from then on, for ever: a few per cent of one core.
const PER_SECOND: u32 = 1000;
/// What we send earns the reader room for window updates. More than the 17 bytes that answer a
/// ping, or a ping would pay for the next one.
const BYTES_WRITTEN_PER_FRAME: usize = 64;
/// Shorter than the head of a gRPC message: nobody has a reason to send so little.
const DATA_BYTES_MIN: u32 = 5;

/// What an HTTP/2 client says first, before its first frame.
const PREFACE_BYTES: usize = 24;
const HEAD_BYTES: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
/// On DATA: the sender has said everything.
const END_STREAM: u8 = 1;

/// Reads along the bytes of one client.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes that are no frame's head: the preface, then payloads.
    skip: usize,
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    heads: u64,
    left: u32,
    filled_at: Instant,
    /// Bytes written that have not earned anything yet.
    written: usize,
}

/// The peer sends too much that carries nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many frames that carry nothing")]
pub(super) struct Flood;

// === impl Frames ===

impl Frames {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            skip: PREFACE_BYTES,
            head: [0; HEAD_BYTES],
            head_bytes: 0,
            heads: 0,
            left: BURST,
            filled_at: now,
            written: 0,
        }
    }

    /// Whether the peer has said its preface and begun a frame: it speaks HTTP/2.
    pub(super) fn begun(&self) -> bool {
        self.heads > 0
    }

    /// Notes what the peer has sent. The clock is read only when there is something to decide.
    pub(super) fn read(
        &mut self,
        mut bytes: &[u8],
        clock: impl Fn() -> Instant,
    ) -> Result<(), Flood> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = (HEAD_BYTES - self.head_bytes).min(bytes.len());
            self.head[self.head_bytes..self.head_bytes + taken].copy_from_slice(&bytes[..taken]);
            self.head_bytes += taken;
            bytes = &bytes[taken..];
            if self.head_bytes == HEAD_BYTES {
                self.head_bytes = 0;
                self.begin_frame(&clock)?;
            }
        }
        Ok(())
    }

    /// Notes what was sent to the peer.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        let earned = self.written / BYTES_WRITTEN_PER_FRAME;
        self.written %= BYTES_WRITTEN_PER_FRAME;
        self.earn(u32::try_from(earned).unwrap_or(BURST));
    }

    fn begin_frame(&mut self, clock: impl Fn() -> Instant) -> Result<(), Flood> {
        self.heads += 1;
        let [a, b, c, kind, flags, ..] = self.head;
        let length = u32::from_be_bytes([0, a, b, c]);
        // At most 2^24: h2 refuses what is longer than we allow.
        self.skip = usize::try_from(length).unwrap_or(usize::MAX);
        let carries = match kind {
            DATA => length >= DATA_BYTES_MIN || flags & END_STREAM != 0,
            // Their number has limits of its own: streams at once, and calls in work.
            HEADERS => true,
            _ => false,
        };
        if carries { Ok(()) } else { self.spend(clock) }
    }

    fn spend(&mut self, clock: impl Fn() -> Instant) -> Result<(), Flood> {
        if self.left == 0 {
            let now = clock();
            let since = now.saturating_duration_since(self.filled_at).as_millis();
            let earned = since * u128::from(PER_SECOND) / 1000;
            if earned > 0 {
                self.filled_at = now;
                self.earn(u32::try_from(earned).unwrap_or(BURST));
            }
        }
        self.left = self.left.checked_sub(1).ok_or(Flood)?;
        Ok(())
    }

    fn earn(&mut self, frames: u32) {
        self.left = self.left.saturating_add(frames).min(BURST);
    }
}

#[cfg(test)]
mod tests;
