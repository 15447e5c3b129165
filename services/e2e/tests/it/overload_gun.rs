//! A load generator that costs little beside what it measures: requests are bytes made once, sent
//! over kept connections, and answers are read no further than needed. Two cores carry both sides.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::shop::{Shop, User, order_body};

/// Below the gateway's own limit of 1,000.
const CONNECTIONS_MAX: usize = 800;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// How finely an open loop is paced.
const TICK: Duration = Duration::from_millis(5);
/// Every so many requests one places an order; the others read one.
const PLACE_EVERY: u64 = 5;
const KEY: &str = "00000000-0000-0000-0000-000000000000";

/// One answer, as far as it is of interest.
#[derive(Clone, Debug)]
pub(crate) struct Shot {
    pub(crate) took: Duration,
    /// None: no connection, or no answer in time.
    pub(crate) status: Option<u16>,
    /// Of refusals: everything.
    pub(crate) text: String,
}

/// What is fired at the gateway.
pub(crate) struct Gun {
    gateway: SocketAddr,
    places: Vec<Vec<u8>>,
    read: Vec<u8>,
    idle: RefCell<Vec<TcpStream>>,
    open: RefCell<usize>,
    number: RefCell<u64>,
}

// === impl Gun ===

impl Gun {
    /// Orders of `user` for these products, and reads of one of its orders.
    pub(crate) fn new(shop: &Shop, user: &User, products: &[String], order: &str) -> Rc<Self> {
        let token = user.token().unwrap();
        let of = |product: &String| {
            let body = order_body(product, 1, "tok_ok").to_string();
            let head = format!(
                "POST /v1/orders HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {token}\r\n\
                 content-type: application/json\r\nidempotency-key: {KEY}\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            );
            head.into_bytes()
        };
        let read = format!(
            "GET /v1/orders/{order} HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        Rc::new(Self {
            gateway: (shop.address(10), 8080).into(),
            places: products.iter().map(of).collect(),
            read: read.into_bytes(),
            idle: RefCell::default(),
            open: RefCell::new(0),
            number: RefCell::new(0),
        })
    }

    /// So many callers, each with its next request when it has its answer.
    pub(crate) async fn closed(self: &Rc<Self>, callers: usize, lasts: Duration) -> Vec<Shot> {
        let until = Instant::now() + lasts;
        let shots = Rc::new(RefCell::new(Vec::new()));
        let tasks = LocalSet::new();
        for _ in 0..callers {
            let (gun, shots) = (Rc::clone(self), Rc::clone(&shots));
            tasks.spawn_local(async move {
                while Instant::now() < until {
                    let shot = gun.fire().await;
                    shots.borrow_mut().push(shot);
                }
            });
        }
        tasks.await;
        shots.take()
    }

    /// So many requests per second, whatever becomes of them.
    pub(crate) async fn open(self: &Rc<Self>, per_second: f64, lasts: Duration) -> Vec<Shot> {
        let begin = Instant::now();
        let shots = Rc::new(RefCell::new(Vec::new()));
        let tasks = LocalSet::new();
        let (gun, all) = (Rc::clone(self), Rc::clone(&shots));
        tasks.spawn_local(async move {
            let mut fired = 0.0;
            while begin.elapsed() < lasts {
                while fired < begin.elapsed().as_secs_f64() * per_second {
                    fired += 1.0;
                    let (gun, all) = (Rc::clone(&gun), Rc::clone(&all));
                    tokio::task::spawn_local(async move {
                        let shot = gun.fire().await;
                        all.borrow_mut().push(shot);
                    });
                }
                tokio::time::sleep(TICK).await;
            }
        });
        tasks.await;
        shots.take()
    }

    async fn fire(&self) -> Shot {
        let sent = Instant::now();
        let answer = timeout(ANSWER_WITHIN, self.exchange()).await;
        let (status, text) = match answer {
            Ok(Some((status, text))) => (Some(status), text),
            _ => (None, String::new()),
        };
        Shot {
            took: sent.elapsed(),
            status,
            text,
        }
    }

    async fn exchange(&self) -> Option<(u16, String)> {
        let idle = self.idle.borrow_mut().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None if *self.open.borrow() >= CONNECTIONS_MAX => return None,
            None => {
                *self.open.borrow_mut() += 1;
                TcpStream::connect(self.gateway).await.ok()?
            }
        };
        connection.write_all(&self.next()).await.ok()?;
        let (status, text, kept) = read(&mut connection).await?;
        if kept {
            self.idle.borrow_mut().push(connection);
        } else {
            *self.open.borrow_mut() -= 1;
        }
        Some((status, text))
    }

    fn next(&self) -> Vec<u8> {
        let mut number = self.number.borrow_mut();
        *number += 1;
        if !number.is_multiple_of(PLACE_EVERY) {
            return self.read.clone();
        }
        let index = usize::try_from(*number / PLACE_EVERY).unwrap() % self.places.len();
        let mut request = self.places[index].clone();
        let at = request
            .windows(KEY.len())
            .position(|part| part == KEY.as_bytes());
        let at = at.unwrap();
        request[at..at + KEY.len()].copy_from_slice(Uuid::now_v7().to_string().as_bytes());
        request
    }
}

/// Status, whole text of a refusal, and whether the connection may be used again.
async fn read(connection: &mut TcpStream) -> Option<(u16, String, bool)> {
    let mut bytes = Vec::with_capacity(2048);
    let (head, length) = loop {
        if connection.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1)?;
            let length: usize = length.split("\r\n").next()?.trim().parse().ok()?;
            break (end + 4, length);
        }
    };
    while bytes.len() < head + length {
        if connection.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let status = std::str::from_utf8(bytes.get(9..12)?).ok()?.parse().ok()?;
    let text = match status {
        200 => String::new(),
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    };
    let kept = !text.contains("connection: close");
    Some((status, text, kept))
}
