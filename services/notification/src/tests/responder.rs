//! A mail server for tests that answers as told. It is no mail server beyond that.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::mailer::SmtpAddress;

/// What the server does at one point of the conversation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// It gives this reply.
    Reply(&'static str),
    /// It closes the connection without a word.
    HangUp,
}

/// What the server does at each point of a conversation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script {
    pub(crate) greeting: Step,
    pub(crate) ehlo: Step,
    pub(crate) mail: Step,
    pub(crate) rcpt: Step,
    pub(crate) data: Step,
    pub(crate) text: Step,
}

/// A running server. It ends with this value.
pub(crate) struct Responder {
    pub(crate) address: SmtpAddress,
    seen: Arc<Mutex<Seen>>,
    script: Arc<Mutex<Script>>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    commands: Vec<String>,
    texts: Vec<String>,
}

// === impl Script ===

impl Script {
    /// A server that accepts everything.
    pub(crate) const ACCEPT: Self = Self {
        greeting: Step::Reply("220 ready"),
        ehlo: Step::Reply("250-here\r\n250-8BITMIME\r\n250 SIZE 1000000"),
        mail: Step::Reply("250 ok"),
        rcpt: Step::Reply("250 ok"),
        data: Step::Reply("354 go ahead"),
        text: Step::Reply("250 kept"),
    };
}

// === impl Responder ===

impl Responder {
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string().parse().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let script = Arc::new(Mutex::new(script));
        let (seen_by_all, script_of_all) = (Arc::clone(&seen), Arc::clone(&script));
        let accepting = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let script = *script_of_all.lock().unwrap();
                tokio::spawn(converse(socket, script, Arc::clone(&seen_by_all)));
            }
        });
        Self {
            address,
            seen,
            script,
            accepting,
        }
    }

    /// Changes what later connections are told.
    pub(crate) fn follow(&self, script: Script) {
        *self.script.lock().unwrap() = script;
    }

    /// The texts that came in so far, headers included.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.seen.lock().unwrap().texts.clone()
    }

    /// The commands that came in so far, one line each.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.seen.lock().unwrap().commands.clone()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn converse(socket: TcpStream, script: Script, seen: Arc<Mutex<Seen>>) {
    let mut socket = BufReader::new(socket);
    if !answer(&mut socket, script.greeting).await {
        return;
    }
    let mut line = String::new();
    while socket.read_line(&mut line).await.unwrap_or(0) > 0 {
        let command = std::mem::take(&mut line).trim_end().to_owned();
        let verb = command
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        seen.lock().unwrap().commands.push(command);
        let step = match verb.as_str() {
            "EHLO" => script.ehlo,
            "MAIL" => script.mail,
            "RCPT" => script.rcpt,
            "DATA" => script.data,
            "QUIT" => Step::Reply("221 bye"),
            _ => Step::Reply("500 what?"),
        };
        if !answer(&mut socket, step).await {
            return;
        }
        if verb == "DATA" && matches!(step, Step::Reply(reply) if reply.starts_with('3')) {
            let text = read_text(&mut socket).await;
            seen.lock().unwrap().texts.push(text);
            if !answer(&mut socket, script.text).await {
                return;
            }
        }
    }
}

async fn answer(socket: &mut BufReader<TcpStream>, step: Step) -> bool {
    match step {
        Step::Reply(reply) => socket
            .write_all(format!("{reply}\r\n").as_bytes())
            .await
            .is_ok(),
        Step::HangUp => false,
    }
}

async fn read_text(socket: &mut BufReader<TcpStream>) -> String {
    let mut text = String::new();
    let mut line = String::new();
    while socket.read_line(&mut line).await.unwrap_or(0) > 0 && line != ".\r\n" {
        text.push_str(&line);
        line.clear();
    }
    text
}
