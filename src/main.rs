//! The entry: reads the command line, runs one verb, prints what went wrong.
use gameday::{
    cli::Cli,
    commands::{self, Failure},
    output::Printer,
};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::read();
    let out = Printer::new(&cli.global);
    // One thread: this is waiting, not computing.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(cli, out)),
        Err(e) => Err(Failure::Said { text: format!("cannot start: {e}"), usage: false }),
    };
    let code = match outcome {
        Ok(code) => code,
        Err(Failure::Error(e)) => {
            out.error(&e.to_string(), e.help().as_deref());
            ExitCode::from(1)
        }
        Err(Failure::Said { text, usage }) => {
            out.refused(&text);
            ExitCode::from(if usage { 2 } else { 1 })
        }
    };
    out.end(code)
}
