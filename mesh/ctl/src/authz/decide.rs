//! `authz decide`: requests in, decisions out, one per line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::num::NonZero;
use std::path::Path;
use std::thread;

use mesh_policy::Engine;

use super::answer::{write_fault, write_json, write_text};
use super::request::Recorded;
use super::{Decide, Output, read_workload};
use crate::error::Error;

/// Few system calls for hundreds of thousands of short lines.
pub(super) const BUFFER_BYTES: usize = 1 << 18;

/// Lines of less than this are answered sooner than a thread has started.
const SHARE_BYTES_MIN: usize = 1 << 14;

pub(super) fn run(decide: &Decide) -> Result<(), Error> {
    let (policies, settings) = decide.policies.load()?;
    let workload = read_workload(&decide.workload)?;
    let engine = mesh_policy::compile(&policies, &workload, &settings);
    let input = open(&decide.requests)?;
    let bad_lines = match answer(&engine, input, io::stdout().lock(), decide.output) {
        Ok(bad_lines) => bad_lines,
        // Whoever read has had enough.
        Err(Stop::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(Stop::Write(source)) => {
            let path = "standard output".into();
            return Err(Error::Write { path, source });
        }
        Err(Stop::Read(source)) => {
            let path = decide.requests.clone();
            return Err(Error::Read { path, source });
        }
    };
    if bad_lines > 0 {
        return Err(Error::BadLines { count: bad_lines });
    }
    Ok(())
}

/// Why the lines ended early.
enum Stop {
    Read(io::Error),
    Write(io::Error),
}

pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, Error> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::with_capacity(
            BUFFER_BYTES,
            io::stdin(),
        )));
    }
    let file = File::open(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source: source.into(),
    })?;
    Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, file)))
}

/// Answers every line and counts those that are no request. Blank lines are none and no fault.
/// What has come is answered before more is waited for.
fn answer(
    engine: &Engine,
    mut input: impl BufRead,
    mut out: impl Write,
    output: Output,
) -> Result<usize, Stop> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let mut bad_lines = 0;
    let mut number = 1;
    let mut pending = Vec::new();
    loop {
        let came = input.fill_buf().map_err(Stop::Read)?;
        let is_end = came.is_empty();
        pending.extend_from_slice(came);
        let length = came.len();
        input.consume(length);
        let last_line = pending.iter().rposition(|byte| *byte == b'\n');
        let end = match last_line {
            _ if is_end => pending.len(),
            Some(at) => at + 1,
            None => continue,
        };
        for answers in answer_batch(engine, &pending[..end], number, output, workers) {
            out.write_all(&answers.text).map_err(Stop::Write)?;
            bad_lines += answers.bad_lines;
            number += answers.lines;
        }
        out.flush().map_err(Stop::Write)?;
        if is_end {
            return Ok(bad_lines);
        }
        pending.drain(..end);
    }
}

/// The answers to some lines.
#[derive(Default)]
struct Answers {
    text: Vec<u8>,
    lines: usize,
    bad_lines: usize,
}

/// Answers whole lines, on several processors where there are enough of them, in order.
fn answer_batch(
    engine: &Engine,
    batch: &[u8],
    first: usize,
    output: Output,
    workers: usize,
) -> Vec<Answers> {
    let share = (batch.len() / workers).max(SHARE_BYTES_MIN);
    let mut parts = Vec::new();
    let (mut rest, mut number) = (batch, first);
    while !rest.is_empty() {
        let from = share.min(rest.len());
        let line_end = rest[from..].iter().position(|byte| *byte == b'\n');
        let (part, behind) = rest.split_at(line_end.map_or(rest.len(), |at| from + at + 1));
        parts.push((part, number));
        number += part.iter().filter(|byte| **byte == b'\n').count();
        rest = behind;
    }
    thread::scope(|scope| {
        let mut parts = parts.into_iter();
        let own = parts.next();
        let others: Vec<_> = parts
            .map(|(part, number)| scope.spawn(move || answer_lines(engine, part, number, output)))
            .collect();
        let own = own.map(|(part, number)| answer_lines(engine, part, number, output));
        let others = others.into_iter().map(|worker| match worker.join() {
            Ok(answers) => answers,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        own.into_iter().chain(others).collect()
    })
}

fn answer_lines(engine: &Engine, part: &[u8], first: usize, output: Output) -> Answers {
    let is_json = output == Output::Json;
    let mut answers = Answers::default();
    for (number, line) in (first..).zip(part.split_inclusive(|byte| *byte == b'\n')) {
        answers.lines += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let out = &mut answers.text;
        let written = match Recorded::read(line) {
            Ok(recorded) => {
                let request = recorded.request();
                let decision = engine.decide(&request);
                if is_json {
                    write_json(out, &decision)
                } else {
                    write_text(out, number, &decision)
                }
            }
            Err(error) => {
                answers.bad_lines += 1;
                write_fault(out, number, &error, is_json)
            }
        };
        written.expect("memory takes what is written to it");
    }
    answers
}

#[cfg(test)]
mod tests;
