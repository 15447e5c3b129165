//! The completions of each shell are what that shell reads.

use tokio::process::Command;

use crate::mesh::said;

async fn completions(shell: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshctl"));
    command.args(["completions", shell]);
    said(command).await.expect(0).out
}

#[tokio::test]
async fn every_shell_knows_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = completions(shell).await;
        for word in ["authz", "replay", "mtls", "completions", "descriptors"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[tokio::test]
async fn bash_completes_with_them() {
    let script = completions("bash").await;
    let asks = format!(
        "{script}\nCOMP_WORDS=(meshctl authz re); COMP_CWORD=2\n_meshctl meshctl re authz\n\
         echo \"${{COMPREPLY[@]}}\""
    );
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &asks]);
    assert_eq!(said(bash).await.expect(0).out.trim(), "replay");
}

#[tokio::test]
async fn an_unknown_shell_is_wrong_usage() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshctl"));
    command.args(["completions", "tcsh"]);
    said(command).await.expect(2);
}
