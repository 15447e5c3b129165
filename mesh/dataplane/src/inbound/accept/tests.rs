//! The accept loop: errors do not end it, and it never holds more than its limit.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;

use tokio::{net::TcpListener, sync::mpsc};

use super::*;

const EMFILE: i32 = 24;
const ENFILE: i32 = 23;
const ECONNABORTED: i32 = 103;

#[tokio::test]
async fn running_out_of_descriptors_slows_the_loop_down_and_does_not_end_it() {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    let mut errors: VecDeque<i32> = [EMFILE, ENFILE, EMFILE, ECONNABORTED, EMFILE].into();
    let (taken, mut accepted) = mpsc::unbounded_channel();
    let task = tokio::spawn(accept_all(
        Arc::new(Semaphore::new(8)),
        move || {
            let (error, listener) = (errors.pop_front(), Arc::clone(&listener));
            async move {
                match error {
                    Some(code) => Err(io::Error::from_raw_os_error(code)),
                    None => listener.accept().await,
                }
            }
        },
        move |connection| taken.send(connection.remote).unwrap(),
    ));
    let begin = tokio::time::Instant::now();
    let client = TcpStream::connect(address).await.unwrap();
    assert_eq!(accepted.recv().await.unwrap(), client.local_addr().unwrap());
    // 10 + 20 + 40 + 80 ms; the aborted connection costs nothing.
    assert!(begin.elapsed() >= Duration::from_millis(150));
    task.abort();
}

#[tokio::test]
async fn beyond_the_limit_connections_wait_until_one_ends() {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    let (taken, mut accepted) = mpsc::unbounded_channel();
    let task = tokio::spawn(accept_all(
        Arc::new(Semaphore::new(1)),
        move || {
            let listener = Arc::clone(&listener);
            async move { listener.accept().await }
        },
        move |connection| assert!(taken.send(connection).is_ok()),
    ));
    let _first = TcpStream::connect(address).await.unwrap();
    let _second = TcpStream::connect(address).await.unwrap();
    let first = accepted.recv().await.unwrap();
    tokio::task::yield_now().await;
    assert!(accepted.try_recv().is_err(), "the second waits");
    drop(first);
    accepted.recv().await.unwrap();
    task.abort();
}
