//! `gameday sandbox start|stop|status|reset|serve`: the local emulator.
use super::{DONE, Outcome, failed, session};
use crate::{
    cli::{Global, Sandbox},
    output::{Printer, style::*},
    sandbox::{self, Running},
};
use serde_json::json;

pub async fn run(global: &Global, out: Printer, what: Sandbox) -> Outcome {
    let say = |line: &str| out.note(format!("{DIM}{line}{RESET}"));
    match what {
        Sandbox::Start => {
            let running = sandbox::ensure(session::pace(global, &out), say).await.map_err(session::said)?;
            show(&out, Some(&running));
        }
        Sandbox::Status => {
            let running = sandbox::status().await.map_err(session::said)?;
            show(&out, running.as_ref());
            if running.is_none() {
                return Ok(failed());
            }
        }
        Sandbox::Stop => {
            let was = sandbox::stop().await.map_err(session::said)?;
            tell(&out, "stopped", was, "the sandbox is stopped");
        }
        Sandbox::Reset => {
            let was = sandbox::reset().await.map_err(session::said)?;
            tell(&out, "reset", was, "the account in the sandbox is empty");
        }
        Sandbox::Serve { port } => {
            // Its first line, with the endpoint, is what scripts wait for: data, not progress.
            let say = |line: &str| if line.contains("http://") { out.data(line) } else { say(line) };
            sandbox::serve(port, session::pace(global, &out), say).await.map_err(session::said)?;
        }
    }
    Ok(DONE)
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

fn tell(out: &Printer, word: &str, was: bool, done: &str) {
    match (out.json(), was) {
        (true, _) => out.line(&json!({ word: was })),
        (false, true) => out.data(done),
        (false, false) => out.data("no sandbox is running"),
    }
}
