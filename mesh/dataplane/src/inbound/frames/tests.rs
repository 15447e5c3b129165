//! What counts as a flood, frame by frame.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;

const PING: u8 = 6;
const RST_STREAM: u8 = 3;

/// Frames whose clock stands still until a test moves it.
struct Clocked {
    frames: Frames,
    now: Instant,
}

impl Clocked {
    fn new() -> Self {
        let now = Instant::now();
        let frames = Frames::new(now);
        Self { frames, now }
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), Flood> {
        self.frames.read(bytes, || self.now)
    }
}

fn begun() -> Clocked {
    let mut frames = Clocked::new();
    frames.read(&[0; PREFACE_BYTES]).unwrap();
    frames
}

fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
    let length_bytes = u32::try_from(length).unwrap().to_be_bytes();
    let mut frame = length_bytes[1..].to_vec();
    frame.extend([kind, flags, 0, 0, 0, 1]);
    frame.resize(HEAD_BYTES + length, 0);
    frame
}

/// How many of these frames are let through, up to `most`.
fn let_through(frames: &mut Clocked, one: &[u8], most: u32) -> u32 {
    (0..most)
        .find(|_| frames.read(one).is_err())
        .unwrap_or(most)
}

#[test]
fn frames_that_carry_nothing_are_let_through_up_to_the_burst() {
    for (kind, length) in [(PING, 8), (RST_STREAM, 4), (4, 0), (2, 5), (8, 4), (9, 10)] {
        let one = frame(kind, 0, length);
        assert_eq!(let_through(&mut begun(), &one, 10_000), BURST, "{kind}");
    }
}

#[test]
fn calls_and_their_messages_are_never_a_flood() {
    let mut frames = begun();
    let call = [frame(HEADERS, 4, 40), frame(DATA, 1, 20)].concat();
    assert_eq!(let_through(&mut frames, &call, 100_000), 100_000);
    let empty_end = frame(DATA, END_STREAM, 0);
    assert_eq!(let_through(&mut frames, &empty_end, 100_000), 100_000);
}

#[test]
fn data_without_content_is_a_flood() {
    for length in [0, 1, 4] {
        let one = frame(DATA, 0, length);
        assert_eq!(let_through(&mut begun(), &one, 10_000), BURST, "{length}");
    }
}

#[test]
fn time_gives_room_again() {
    let mut frames = begun();
    let ping = frame(PING, 0, 8);
    assert_eq!(let_through(&mut frames, &ping, BURST), BURST);
    frames.now += Duration::from_millis(100);
    assert_eq!(let_through(&mut frames, &ping, 10_000), PER_SECOND / 10);
}

#[test]
fn what_we_send_gives_room_for_window_updates_but_a_pong_none_for_the_next_ping() {
    let update = frame(8, 0, 4);
    let mut frames = begun();
    let reads_along = (0..100_000).all(|_| {
        frames.frames.wrote(16 << 10);
        frames.read(&update).is_ok() && frames.read(&update).is_ok()
    });
    assert!(reads_along);
    let mut frames = begun();
    let ping = frame(PING, 0, 8);
    let answered = (0..100_000).take_while(|_| {
        frames.frames.wrote(17);
        frames.read(&ping).is_ok()
    });
    assert!(answered.count() < 10_000);
}

#[test]
fn frames_are_found_however_the_bytes_are_cut() {
    let bytes = [
        vec![0; PREFACE_BYTES],
        frame(HEADERS, 4, 300),
        frame(PING, 0, 8).repeat(3),
        frame(DATA, 1, 1000),
        frame(PING, 0, 8),
    ]
    .concat();
    for chunk in [1, 2, 7, 9, 64, bytes.len()] {
        let mut frames = Clocked::new();
        for part in bytes.chunks(chunk) {
            frames.read(part).unwrap();
        }
        assert_eq!(
            (frames.frames.left, frames.frames.heads),
            (BURST - 4, 6),
            "{chunk}"
        );
    }
}

#[test]
fn a_preface_alone_does_not_begin_anything() {
    let mut frames = Clocked::new();
    frames.read(&[0; PREFACE_BYTES + HEAD_BYTES - 1]).unwrap();
    assert!(!frames.frames.begun());
    frames.read(&[0]).unwrap();
    assert!(frames.frames.begun());
}
