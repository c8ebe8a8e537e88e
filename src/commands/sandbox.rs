//! `gameday sandbox start|stop|status|reset|serve`: the local emulator.
use super::{DONE, Failure, Outcome, failed, session};
use crate::{
    cli::{Global, SandboxCommand},
    error::Error,
    output::{self, Printer, sandbox::Preparing, style::*},
    sandbox::{self, Doing, Running},
};
use serde_json::json;
use std::collections::BTreeMap;

/// The region for the AWS CLI if nothing else names one.
const DEFAULT_REGION: &str = "us-east-1";

/// Runs `gameday sandbox`.
pub async fn run(global: &Global, out: Printer, what: SandboxCommand) -> Outcome {
    let preparing = Preparing::new(out);
    let say = |doing: Doing<'_>| preparing.say(doing);
    match what {
        SandboxCommand::Start => {
            let running = sandbox::ensure(session::pace(global, &out), say).await.map_err(session::said)?;
            drop(preparing);
            show(&out, Some(&running));
        }
        SandboxCommand::Status => {
            let running = sandbox::status().await.map_err(session::said)?;
            show(&out, running.as_ref());
            if running.is_none() {
                return Ok(failed());
            }
        }
        SandboxCommand::Env => {
            let running = sandbox::status().await.map_err(session::said)?;
            let Some(running) = running else {
                return Err(Error::other("no sandbox is running", "`gameday sandbox start` starts one").into());
            };
            environment(&out, &running);
        }
        SandboxCommand::Stop { yes } => {
            if !yes && !agreed(&out).await? {
                return Ok(failed());
            }
            let was = sandbox::stop().await.map_err(session::said)?;
            tell(&out, "stopped", was, "the sandbox is stopped");
        }
        SandboxCommand::Reset { yes } => {
            if !yes && !agreed(&out).await? {
                return Ok(failed());
            }
            let was = sandbox::reset().await.map_err(session::said)?;
            tell(&out, "reset", was, "the account in the sandbox is empty");
        }
        SandboxCommand::Serve { port } => {
            // Scripts wait for the first line, which has the endpoint: it is data, not progress.
            let say = |doing: Doing<'_>| match doing {
                Doing::Says(line) if line.contains("http://") => out.data(line),
                other => say(other),
            };
            sandbox::serve(port, session::pace(global, &out), say).await.map_err(session::said)?;
        }
    }
    Ok(DONE)
}

/// True if no sandbox runs, or if the user agrees to lose it. Without a terminal nobody agrees.
async fn agreed(out: &Printer) -> Result<bool, Failure> {
    if sandbox::status().await.map_err(session::said)?.is_none() {
        return Ok(true);
    }
    Ok(output::agree(out, "Everything in the sandbox is lost. Go ahead? [y/N] "))
}

fn show(out: &Printer, running: Option<&Running>) {
    match (running, out.json()) {
        (Some(r), true) => out.line(&json!({
            "running": true, "endpoint": r.endpoint, "pace": r.pace.word(), "pid": r.pid, "log": r.log,
        })),
        (None, true) => out.line(&json!({"running": false})),
        (Some(r), false) => out.data(format!(
            "{GOOD}running{RESET} on {} at pace {} (process {}, log {})",
            r.endpoint,
            r.pace.word(),
            r.pid,
            r.log.display()
        )),
        (None, false) => out.data("no sandbox is running; `gameday sandbox start` starts one"),
    }
}

/// Prints the environment that points other programs at the sandbox.
///
/// The sandbox answers only requests with its access key. The secret key can be any.
fn environment(out: &Printer, running: &Running) {
    let all = [
        ("AWS_ENDPOINT_URL", running.endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", running.key.as_str()),
        ("AWS_SECRET_ACCESS_KEY", "sandbox"),
        ("AWS_DEFAULT_REGION", DEFAULT_REGION),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    if out.json() {
        return out.line(&BTreeMap::from(all));
    }
    all.iter().for_each(|(name, value)| out.verbatim(format!("{name}={value}")));
}

fn tell(out: &Printer, word: &str, was: bool, done: &str) {
    match (out.json(), was) {
        (true, _) => out.line(&json!({ word: was })),
        (false, true) => out.data(done),
        (false, false) => out.data("no sandbox is running"),
    }
}
