//! The end of a process whose loop panics.

#![allow(clippy::unwrap_used)]

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use super::vital;

const SIGABRT: i32 = 6;

#[tokio::test]
#[ignore = "ends its process; run by the test below"]
async fn loop_that_panics() {
    let running = tokio::spawn(async {
        let _vital = vital("test");
        panic!("a mistake in the loop");
    });
    let _ = running.await;
}

#[test]
fn a_loop_that_panics_ends_its_process() {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "vital::tests::loop_that_panics", "--ignored"])
        .output()
        .unwrap()
        .status;
    assert_eq!(status.signal(), Some(SIGABRT), "{status}");
}

#[test]
fn a_loop_that_ends_leaves_its_process_alone() {
    drop(vital("test"));
}
