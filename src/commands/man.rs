//! `gameday man`: the manual on one page, with what holds for all verbs only once.
use super::{DONE, Failure, Outcome};
use crate::{
    cli::guide::{self, ENVIRONMENT, EXAMPLES, EXIT, FILES, GROUPS},
    error::Error,
    output::Printer,
};
use clap::{Arg, Command};
use clap_mangen::Man;
use roff::{Inline, Roff, bold, italic, roman};
use std::io::IsTerminal;

/// Runs `gameday man`.
pub fn run(out: Printer) -> Outcome {
    let page = page().map_err(|e| Failure::Error(Error::other(format!("the manual: {e}"), "")))?;
    out.verbatim(String::from_utf8_lossy(&page));
    if std::io::stdout().is_terminal() {
        out.note("this is the manual's source: `gameday man | man -l -` shows it");
    }
    Ok(DONE)
}

fn page() -> std::io::Result<Vec<u8>> {
    let mut page = vec![];
    let mut command = guide::definition();
    command.build();
    let man = Man::new(command.clone().override_usage("gameday [OPTIONS] COMMAND"));
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([bold("gameday"), roman(" ["), italic("OPTIONS"), roman("] "), italic("COMMAND")]);
    roff.to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    let mut roff = Roff::new();
    roff.control("SH", ["OPTIONS"]);
    roff.text([roman("Each command takes these, before or after its name.")]);
    for arg in command.get_arguments().filter(|a| !a.is_hide_set()) {
        option(&mut roff, arg);
    }
    roff.control("SH", ["COMMANDS"]);
    for (title, names) in GROUPS {
        roff.control("SS", [*title]);
        for name in *names {
            verb(&mut roff, command.find_subcommand(name).expect("verbs of groups exist"), "gameday");
        }
    }
    let hidden = |c: &&Command| c.is_hide_set() && c.get_name() != "help";
    let groups: Vec<&str> = command.get_subcommands().filter(hidden).map(Command::get_name).collect();
    roff.control("SS", ["One group of steps"]);
    roff.text([bold("gameday "), italic("GROUP"), roman(" is "), bold("gameday up "), italic("GROUP")]);
    roff.text([roman(format!(": one of {}.", groups.join(", ")))]);
    roff.control("SH", ["EXAMPLES"]);
    for (line, what) in EXAMPLES.iter().flat_map(|(_, all)| *all) {
        roff.control("TP", []);
        roff.text([bold(*line)]);
        roff.text([roman(*what)]);
    }
    for (title, rows) in [("EXIT STATUS", EXIT), ("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)] {
        roff.control("SH", [title]);
        for (name, what) in rows {
            roff.control("TP", []);
            roff.text([bold(*name)]);
            roff.text([roman(*what)]);
        }
    }
    roff.to_writer(&mut page)?;
    Ok(page)
}

/// Writes a verb with its own arguments, and the verbs below it.
fn verb(roff: &mut Roff, command: &Command, before: &str) {
    let name = format!("{before} {}", command.get_name());
    roff.control("TP", []);
    let mut line: Vec<Inline> = vec![bold(&name)];
    for arg in command.get_positionals() {
        let (open, close) = if arg.is_required_set() { ("", "") } else { ("[", "]") };
        line.extend([roman(format!(" {open}")), italic(value_name(arg)), roman(close)]);
    }
    if command.has_subcommands() {
        line.extend([roman(" "), italic("COMMAND")]);
    }
    roff.text(line);
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    roff.text([roman(about)]);
    let own = |a: &&Arg| !a.is_global_set() && !a.is_hide_set() && !matches!(a.get_id().as_str(), "help" | "version");
    let args: Vec<&Arg> = command.get_arguments().filter(own).collect();
    if !args.is_empty() {
        roff.control("RS", []);
        args.into_iter().for_each(|arg| option(roff, arg));
        roff.control("RE", []);
    }
    for below in command.get_subcommands().filter(|c| c.get_name() != "help") {
        verb(roff, below, &name);
    }
}

fn option(roff: &mut Roff, arg: &Arg) {
    roff.control("TP", []);
    let mut line: Vec<Inline> = vec![];
    if let Some(short) = arg.get_short() {
        line.push(bold(format!("-{short}")));
    }
    if let Some(long) = arg.get_long() {
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.push(bold(format!("--{long}")));
    }
    if arg.is_positional() || arg.get_action().takes_values() {
        let blank = if arg.is_positional() { "" } else { " " };
        line.extend([roman(blank), italic(value_name(arg))]);
    }
    roff.text(line);
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<String> =
        arg.get_possible_values().iter().filter(|v| !v.is_hide_set()).map(|v| v.get_name().to_owned()).collect();
    if !values.is_empty() && arg.get_action().takes_values() {
        help += &format!(" [{}]", values.join(", "));
    }
    if let Some(default) = arg.get_default_values().first().filter(|_| arg.get_action().takes_values()) {
        help += &format!(" [default: {}]", default.to_string_lossy());
    }
    roff.text([roman(help)]);
}

fn value_name(arg: &Arg) -> String {
    let names = arg.get_value_names().map(|n| n.iter().map(ToString::to_string).collect::<Vec<_>>());
    names.map_or_else(|| arg.get_id().as_str().to_uppercase(), |n| n.join(" "))
}
