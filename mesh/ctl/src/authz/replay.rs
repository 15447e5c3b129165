//! `authz replay`: what a candidate set of policies would change for requests that were recorded.

mod flips;

use std::io::{self, BufRead, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use mesh_policy::Engine;

use self::flips::{Flips, Pair};
use super::decide::{BUFFER_BYTES, open};
use super::request::Recorded;
use super::target::{Target, World};
use super::{Output, Policies};
use crate::error::Error;

pub(super) const REPLAY_EXAMPLES: &str = "\
Examples:
  meshctl authz replay --policies policies/ --candidate candidate/ --to order \\
      --requests requests.jsonl
  meshctl authz replay --policies policies/ --candidate candidate/ --workload workload.json \\
      --requests - -o json < requests.jsonl

Requests are lines of JSON as authz decide takes them. Flips of one kind are told once, with how
many there are and the first line; authz explain --requests FILE --line N proves any of them. With
-o json each flip is a line, and the last line counts.

Exit codes: 0 no decision flips, 1 some do or some line is no request, 2 files that do not load or
wrong usage.";

#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    policies: Policies,

    /// Files and folders of the policies that are to come in their place.
    #[arg(long, value_name = "FILE|DIR", num_args = 1.., required = true)]
    candidate: Vec<PathBuf>,

    /// Istio's MeshConfig that is to come with them [default: that of the policies].
    #[arg(long, value_name = "FILE")]
    candidate_mesh_config: Option<PathBuf>,

    #[command(flatten)]
    target: Target,

    /// Recorded requests as lines of JSON; - is standard input.
    #[arg(long, value_name = "FILE|-")]
    requests: PathBuf,

    /// How flips are written.
    #[arg(short, long, default_value = "text")]
    output: Output,
}

/// The two sets, compiled for the workload.
struct Engines {
    now: Engine,
    candidate: Engine,
}

pub(super) fn run(replay: &Replay) -> Result<(), Error> {
    let engines = engines(replay)?;
    let input = open(&replay.requests)?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, io::stdout().lock());
    let unwritten = |source| Error::Write {
        path: "standard output".into(),
        source,
    };
    let mut flips = Flips::new(replay.output == Output::Json);
    let unreadable = |source| Error::Read {
        path: replay.requests.clone(),
        source,
    };
    compare(&engines, input, &mut flips, &mut out, unreadable)?.map_err(unwritten)?;
    flips.conclude(&mut out).map_err(unwritten)?;
    out.flush().map_err(unwritten)?;
    flips.outcome()
}

fn engines(replay: &Replay) -> Result<Engines, Error> {
    let world = World::read(&replay.policies, &replay.target)?;
    let callee = world.only_callee()?;
    let mesh_config = &replay.candidate_mesh_config;
    let candidate = Policies {
        policies: replay.candidate.clone(),
        mesh_config: mesh_config.clone().or(replay.policies.mesh_config.clone()),
    };
    let (policies, settings) = candidate.load()?;
    Ok(Engines {
        now: mesh_policy::compile(&world.policies, &callee.workload, &world.settings),
        candidate: mesh_policy::compile(&policies, &callee.workload, &settings),
    })
}

/// Decides each line twice. A line that cannot be read ends it, one that cannot be written, too.
fn compare(
    engines: &Engines,
    mut input: impl BufRead,
    flips: &mut Flips,
    out: &mut impl Write,
    unreadable: impl Fn(io::Error) -> Error,
) -> Result<io::Result<()>, Error> {
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        if input.read_until(b'\n', &mut text).map_err(&unreadable)? == 0 {
            break;
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let written = match Recorded::read(&text) {
            Ok(recorded) => {
                let request = recorded.request();
                let pair = Pair {
                    was: engines.now.decide(&request),
                    becomes: engines.candidate.decide(&request),
                };
                flips.note(number, &pair, &engines.candidate, &request, out)
            }
            Err(error) => flips.note_fault(number, &error, out),
        };
        if written.is_err() {
            return Ok(written);
        }
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests;
