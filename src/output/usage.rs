//! What a wrong command line, `--help` and `--version` print.
use super::{
    complaint::Complaint,
    line::{Event, Line},
    plain,
};
use std::process::ExitCode;

/// Prints what the command line parser has to say instead of running a verb.
pub fn show(e: &clap::Error) -> ExitCode {
    let text = e.render().ansi().to_string();
    // Scripts that ask for JSON get an object. The parser failed, so the option is looked for by hand.
    if e.use_stderr() && wants_json(std::env::args().skip(1)) {
        let line = serde_json::to_value(Line::now(Event::Error { errors: &[complaint(e)] })).expect("views serialise");
        plain::put(&format!("{}\n", plain::json(&line)));
    } else if e.use_stderr() {
        anstream::eprint!("{}", plain::rendered(&text));
    } else {
        plain::put(&plain::rendered(&text));
    }
    match plain::lost() {
        Some(why) if !e.use_stderr() => {
            anstream::eprintln!("error: cannot write to stdout: {why}");
            ExitCode::from(1)
        }
        _ => u8::try_from(e.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from),
    }
}

/// Returns a mistake on the command line in the form for scripts.
fn complaint(e: &clap::Error) -> Complaint {
    let text = e.render().to_string();
    // The values that are possible, or what is wrong with this one, but not the usage.
    let lines: Vec<&str> = text.lines().map(str::trim).take_while(|l| !l.is_empty()).collect();
    let message = lines.join(" ").trim_start_matches("error: ").to_owned();
    Complaint::new("usage", message, "`gameday --help` lists the verbs, `gameday VERB --help` their options".to_owned())
}

/// True if the arguments hold `-o json`, in any of its spellings.
fn wants_json(args: impl Iterator<Item = String>) -> bool {
    let args: Vec<String> = args.collect();
    let two = args.windows(2).any(|w| matches!(w[0].as_str(), "-o" | "--output") && w[1] == "json");
    two || args.iter().any(|a| matches!(a.as_str(), "-ojson" | "-o=json" | "--output=json"))
}
