//! Help and man page beyond the options: verbs by group, examples, exit codes, environment, files.
use clap::{Command, CommandFactory, builder::StyledStr};
use std::fmt::Write;

/// The verbs as the help lists them, each in one group.
///
/// The verbs that build one group of steps (`gameday network`) are hidden.
pub const GROUPS: &[(&str, &[&str])] = &[
    ("Start", &["init", "plan", "up", "teardown"]),
    ("Look", &["status", "why", "logs", "cost", "serve"]),
    ("Act", &["targets", "bake"]),
    ("Prepare", &["render", "policy", "schema"]),
    ("Rehearse", &["sandbox"]),
    ("Shell", &["completions", "man"]),
];

/// Example command lines of each verb, with their purpose.
pub const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "init",
        &[
            ("gameday init", "asks for a name and the program to run, and writes gameday.toml"),
            ("gameday init --name billing --source https://example.com/server", "the same without questions"),
        ],
    ),
    (
        "plan",
        &[
            ("gameday plan", "what `up` would do, and what the stack costs"),
            ("gameday plan network -o json", "the network and what it needs, for a script"),
        ],
    ),
    (
        "up",
        &[
            ("gameday --sandbox up", "on this machine, without AWS"),
            ("gameday up --yes", "builds or repairs, and waits until the service answers"),
            ("gameday up database cache", "only these groups and what they need"),
        ],
    ),
    (
        "teardown",
        &[
            ("gameday teardown", "shows what is lost, and asks for the stack's name"),
            ("gameday teardown --confirm billing", "without a question: for scripts"),
            ("gameday teardown --final-snapshot", "keeps the data of the database"),
        ],
    ),
    (
        "status",
        &[
            ("gameday status", "whether it serves, in ten lines"),
            ("gameday status --watch", "the same, all the time, with keys"),
        ],
    ),
    (
        "why",
        &[
            ("gameday why", "the first broken hop of the request path, and what repairs it"),
            ("gameday why --save seen.json", "keeps what was seen for somebody without access"),
        ],
    ),
    (
        "logs",
        &[
            ("gameday logs --follow", "what the instances write, as it comes"),
            ("gameday logs --since 1h --grep error", "the errors of the last hour"),
        ],
    ),
    (
        "cost",
        &[
            ("gameday cost", "by the hour, as planned and as it runs"),
            ("gameday cost --planned --hours 5", "from the stack file alone, for five hours"),
        ],
    ),
    (
        "serve",
        &[
            ("gameday serve", "the page of the big screen on http://127.0.0.1:8080/"),
            ("gameday serve --listen 0.0.0.0:80 --token-file token", "for the whole room, with a password"),
        ],
    ),
    (
        "targets",
        &[
            ("gameday targets list", "the machines behind the stack's load balancer"),
            ("gameday targets detach i-0123456789abcdef0", "takes one away; it goes on running"),
        ],
    ),
    (
        "bake",
        &[
            ("gameday bake --set", "makes an image, and writes it into the stack file"),
            ("gameday bake --prune", "deletes images that nothing needs any more"),
        ],
    ),
    (
        "render",
        &[
            ("gameday render --check", "whether the boot script is sound and small enough"),
            ("gameday render user-data", "the boot script itself"),
        ],
    ),
    (
        "policy",
        &[
            ("gameday policy", "the permissions that gameday needs"),
            ("gameday policy --save policies", "as files that AWS takes, with the commands"),
        ],
    ),
    (
        "schema",
        &[
            ("gameday schema", "for editors: what a stack file may say"),
            ("gameday schema status", "for scripts: what `status -o json` prints"),
        ],
    ),
    (
        "sandbox",
        &[
            ("gameday sandbox start", "starts the local AWS"),
            ("env $(gameday sandbox env) aws ec2 describe-vpcs", "the AWS CLI in it"),
        ],
    ),
    (
        "completions",
        &[("source <(gameday completions bash)", "for this shell; the same line in ~/.bashrc for every one")],
    ),
    ("man", &[("gameday man > gameday.1", "then: man ./gameday.1")]),
];

/// The exit codes of all verbs.
pub const EXIT: &[(&str, &str)] = &[
    ("0", "Done. The service answers (`up`, `status`); nothing to change (`plan`); nothing is broken (`why`)."),
    ("1", "Failed, or the service does not answer, or could not be seen to."),
    ("2", "The command line or the stack file is wrong; or `plan` has changes."),
    ("130", "Interrupted with Ctrl-C; the same command resumes."),
];

/// The environment variables, beside those of every AWS tool.
pub const ENVIRONMENT: &[(&str, &str)] = &[
    ("AWS_*", "Credentials, profile, region, proxies and certificates, as the AWS CLI takes them."),
    ("GAMEDAY_CONFIG", "The stack file, instead of gameday.toml."),
    ("GAMEDAY_PRICES", "A price file, as --prices."),
    ("GAMEDAY_TOKEN", "The password of `gameday serve`."),
    ("GAMEDAY_SANDBOX", "The name of the sandbox, where there are several."),
    ("GAMEDAY_PYTHON", "The Python that the sandbox runs on."),
    ("NO_COLOR", "Prints without colours."),
];

/// The files that gameday reads and writes.
pub const FILES: &[(&str, &str)] = &[
    ("gameday.toml", "The stack file. `gameday init` writes one with every key explained."),
    ("~/.aws/config, ~/.aws/credentials", "Profiles, as for every AWS tool."),
    ("~/.cache/gameday/sandbox/", "The emulator and what was built in it."),
];

/// The start of the help of `gameday` alone.
const START: &str =
    "Start here: `gameday init` writes a gameday.toml, `gameday --sandbox up` builds it on this machine, without AWS.";

/// Returns the command line with examples and grouped verbs.
pub fn definition() -> Command {
    // The usual name, even if the program's file has another.
    let mut command = super::Cli::command().bin_name("gameday");
    for (verb, examples) in EXAMPLES {
        command = command.mut_subcommand(verb, |c| c.after_help(shown(examples)));
    }
    let help = top(&command);
    command.override_help(help)
}

/// Makes the help of `gameday` itself.
fn top(command: &Command) -> StyledStr {
    let heading = |s: &str| format!("{h}{s}{h:#}", h = command.get_styles().get_header());
    let literal = |s: &str| format!("{l}{s}{l:#}", l = command.get_styles().get_literal());
    let mut verbs = format!("{START}\n");
    for (title, names) in GROUPS {
        _ = write!(verbs, "\n{}\n", heading(&format!("{title}:")));
        for name in *names {
            let verb = command.find_subcommand(name).expect("verbs of groups exist");
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            let pad = " ".repeat(WIDTH - name.len());
            _ = writeln!(verbs, "  {}{pad}{about}", literal(name));
        }
    }
    // Removes the plain list of verbs.
    let names: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    let bare = names.iter().fold(command.clone(), |c, name| c.mut_subcommand(name, |verb| verb.hide(true)));
    let rest = "`gameday VERB --help` shows the options of a verb, with examples. `gameday man` prints the manual.";
    let template = format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{verbs}\n{{all-args}}\n\n{rest}\n");
    bare.override_usage("gameday [OPTIONS] <COMMAND>")
        .disable_help_subcommand(true)
        .help_template(StyledStr::from(template))
        .render_help()
}

/// The width of the longest verb and two blanks.
const WIDTH: usize = "completions".len() + 2;

fn shown(examples: &[(&str, &str)]) -> String {
    let each = |(line, what): &(&str, &str)| format!("  {line}\n      {what}");
    format!("Examples:\n{}", examples.iter().map(each).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_verb_is_in_one_group_and_has_examples_that_parse() {
        let command = definition();
        let shown = |c: &&Command| !c.is_hide_set() && c.get_name() != "help";
        let verbs: Vec<&str> = command.get_subcommands().filter(shown).map(Command::get_name).collect();
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        assert_eq!(grouped.len(), verbs.len(), "each once");
        assert_eq!(grouped.iter().collect::<BTreeSet<_>>(), verbs.iter().collect::<BTreeSet<_>>());
        assert_eq!(EXAMPLES.iter().map(|(verb, _)| *verb).collect::<Vec<_>>(), grouped, "in the same order");
        for (verb, (line, _)) in EXAMPLES.iter().flat_map(|(verb, all)| all.iter().map(move |e| (verb, e))) {
            let inner = |open: &str| Some(line.split_once(open)?.1.split_once(')')?.0);
            let own = inner("$(").or_else(|| inner("<(")).unwrap_or(line);
            let own = own.split_once(" > ").map_or(own, |(own, _)| own);
            assert!(own.split(' ').any(|word| word == *verb), "{line} is an example of {verb}");
            crate::cli::Cli::from_args(own.split(' ').map(Into::into)).unwrap_or_else(|e| panic!("{line}: {e}"));
        }
    }
}
