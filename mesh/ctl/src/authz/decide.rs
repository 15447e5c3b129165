//! `authz decide`: requests in, decisions out, one per line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use mesh_policy::Engine;

use super::answer::{write_fault, write_json, write_text};
use super::request::Recorded;
use super::{Decide, Output, read_workload};
use crate::error::Error;

/// Few system calls for hundreds of thousands of short lines.
const BUFFER_BYTES: usize = 1 << 18;

pub(super) fn run(decide: &Decide) -> Result<(), Error> {
    let (policies, settings) = decide.policies.load()?;
    let workload = read_workload(&decide.workload)?;
    let engine = mesh_policy::compile(&policies, &workload, &settings);
    let input = open(&decide.requests)?;
    let out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
    let bad_lines = match answer(&engine, input, out, decide.output) {
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

fn open(path: &Path) -> Result<Box<dyn BufRead>, Error> {
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
fn answer(
    engine: &Engine,
    mut input: impl BufRead,
    mut out: impl Write,
    output: Output,
) -> Result<usize, Stop> {
    let is_json = output == Output::Json;
    let mut bad_lines = 0;
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        if input.read_until(b'\n', &mut text).map_err(Stop::Read)? == 0 {
            break;
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let written = match Recorded::read(&text) {
            Ok(recorded) => {
                let request = recorded.request();
                let decision = engine.decide(&request);
                if is_json {
                    write_json(&mut out, &decision)
                } else {
                    write_text(&mut out, number, &decision)
                }
            }
            Err(error) => {
                bad_lines += 1;
                write_fault(&mut out, number, &error, is_json)
            }
        };
        written.map_err(Stop::Write)?;
    }
    out.flush().map_err(Stop::Write)?;
    Ok(bad_lines)
}

#[cfg(test)]
mod tests;
