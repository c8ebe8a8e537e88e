//! The entry: reads the command line, runs one verb, prints what went wrong.
#![warn(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]
use gameday::{
    cli::{Cli, complete},
    commands::{self, Failure},
    error::Error,
    output::{Printer, complaint::Complaint, usage},
};
use std::process::ExitCode;

fn main() -> ExitCode {
    complete::answer();
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(e) => return usage::show(&e),
    };
    let out = Printer::new(&cli.global);
    // One thread is enough for a program that mostly waits.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(cli, out)),
        Err(e) => Err(Error::other(format!("cannot start: {e}"), "close other programs, then try again").into()),
    };
    let code = match outcome {
        Ok(code) => code,
        Err(Failure::Error(e)) => {
            out.fail(&Complaint::from(&e));
            ExitCode::from(1)
        }
        Err(Failure::Usage { complaints, text }) => {
            out.complain(&complaints, text.as_deref());
            ExitCode::from(2)
        }
    };
    out.end(code)
}
