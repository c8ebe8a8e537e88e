//! `gameday init`: writes a stack file to begin with.
use super::{DONE, Failure, Outcome};
use crate::{
    cli::{Global, InitArgs},
    config,
    error::Error,
    output::{self, Printer, style::*},
    shell,
};
use std::{fs, io::Write, path::Path};
use toml_edit::DocumentMut;

/// The preset of a stack file, with every key explained.
const PRESET: &str = include_str!("../../examples/billing-api.toml");
/// The service of the preset.
const SERVICE: &str = "api";
/// The head of the file, in place of the preset's own.
const HEAD: &str = "\
# A service that needs a database, a cache and a shared folder, behind a load balancer, in two zones.
# Lines that begin with # and a key show a default: take the # away to change it.

";
/// A stand-in for the program's URL, where only the name is checked.
const EXAMPLE: &str = "https://example.com/server";

/// Runs `gameday init`.
pub fn run(global: &Global, out: Printer, args: InitArgs) -> Outcome {
    let file = global.config.as_path();
    // An existing file is refused before anything is asked.
    if file.exists() {
        let help = "`gameday plan` shows what it would build; -c names another file";
        return Err(Error::other(format!("{} is there already: nothing was written", file.display()), help).into());
    }
    let shown = file.display().to_string();
    // The stack file's own rules report what is wrong with a name or URL, before the next question.
    let check = |name: &str, source: &str| {
        let text = filled(name, source);
        config::parse(&shown, &text).map(|_| text).map_err(|e| Failure::file(&e, &out))
    };
    let usual = suggested(file);
    let retry = args.name.clone().unwrap_or_else(|| usual.clone());
    let name =
        given_or_asked(&out, args.name, "name", "The stack's name (small letters, digits, hyphens)", &usual, &retry)?;
    check(&name, EXAMPLE)?;
    let source =
        given_or_asked(&out, args.source, "source", "The program to run (an https:// or s3:// URL)", "", &name)?;
    let text = check(&name, &source)?;
    write(file, &text)?;
    let [plan, rehearse] = ["gameday plan", "gameday --sandbox up"];
    if out.json() {
        out.line(&serde_json::json!({"written": file, "name": name, "source": source, "next": {"command": plan}}));
    } else {
        out.note(format!("{GOOD}{} is written{RESET}: every key is in it, with what it means", file.display()));
        out.note(match global.sandbox {
            true => format!("next: `{rehearse}` builds it on this machine, without AWS"),
            false => {
                format!("next: `{rehearse}` builds it on this machine, without AWS; `{plan}` shows what AWS would get")
            }
        });
    }
    Ok(DONE)
}

/// Returns the preset with this name and program.
fn filled(name: &str, source: &str) -> String {
    let mut preset: DocumentMut = PRESET.parse().expect("the preset is TOML");
    let put = |item: &mut toml_edit::Item, text: &str| {
        let decor = item.as_value().map(|v| v.decor().clone()).unwrap_or_default();
        *item = toml_edit::value(text);
        *item.as_value_mut().expect("it is a value").decor_mut() = decor;
    };
    put(&mut preset["name"], name);
    put(&mut preset["service"][SERVICE]["source"], source);
    // Without this key, the region is that of the user's profile.
    preset.remove("region");
    let text = preset.to_string();
    let keys = text.split_once("\n\n").map_or("", |(_, keys)| keys);
    format!("{HEAD}{keys}")
}

/// Returns a stack name made from the folder's name, for users who press Enter.
fn suggested(file: &Path) -> String {
    let folder =
        std::path::absolute(file).ok().and_then(|f| Some(f.parent()?.file_name()?.to_string_lossy().into_owned()));
    let plain = folder.unwrap_or_default().to_lowercase();
    let plain: String = plain.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let plain = plain.trim_start_matches(|c: char| !c.is_ascii_lowercase()).replace("--", "-");
    let short: String = plain.chars().take(16).collect();
    let short = short.trim_end_matches('-');
    if short.is_empty() { "gameday".into() } else { short.into() }
}

/// Returns the given value, or asks for it.
///
/// `usual` is the answer of a user who presses Enter; `name` goes into the command of the help text.
fn given_or_asked(
    out: &Printer,
    given: Option<String>,
    option: &str,
    what: &str,
    usual: &str,
    name: &str,
) -> Result<String, Failure> {
    if let Some(given) = given {
        return Ok(given);
    }
    if !out.interactive {
        let text = format!("--{option} is missing, and there is no terminal to ask on");
        let name = shell::word(name);
        return Err(Failure::usage("usage", text, format!("`gameday init --name {name} --source {EXAMPLE}`")));
    }
    let shown = if usual.is_empty() { String::new() } else { format!(" [{usual}]") };
    let answer = output::ask(&format!("{TITLE}{what}{RESET}{shown}: ")).unwrap_or_default();
    match answer.trim() {
        "" if usual.is_empty() => {
            Err(Error::other(format!("no {option} was given: nothing was written"), "`gameday init` starts again")
                .into())
        }
        "" => Ok(usual.into()),
        text => Ok(text.into()),
    }
}

/// Writes the file, but never over one that was created meanwhile.
fn write(file: &Path, text: &str) -> Result<(), Error> {
    let written = fs::File::create_new(file).and_then(|mut f| f.write_all(text.as_bytes()).and_then(|()| f.sync_all()));
    written
        .map_err(|e| Error::other(format!("cannot write {}: {e}", file.display()), "choose another place with -c FILE"))
}
