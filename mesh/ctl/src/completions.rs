//! `meshctl completions`: what a shell needs to complete a command line.

use std::io;

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::{Shell as Dialect, generate};

use crate::cli::Cli;

pub(crate) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  meshctl completions bash > meshctl.bash
  meshctl completions zsh > _meshctl
  meshctl completions fish > meshctl.fish

bash: source the file. zsh: put it into a folder of $fpath. fish: into ~/.config/fish/completions.

Exit codes: 0 written, 2 no such shell.";

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell.
    shell: Shell,
}

/// The shells that are tested.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn run(completions: &Completions) {
    let dialect = match completions.shell {
        Shell::Bash => Dialect::Bash,
        Shell::Zsh => Dialect::Zsh,
        Shell::Fish => Dialect::Fish,
    };
    let mut command = Cli::command();
    generate(dialect, &mut command, "meshctl", &mut io::stdout());
}
