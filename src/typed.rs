//! Completes commands for people to type, with the same stack file and region, quoted. No other module does that.
use crate::{
    cli::Global,
    shell::{self, Word as _},
};
use serde_json::Value;
use std::sync::OnceLock;

/// A completer of commands. Copies share the options.
#[derive(Clone, Copy, Debug)]
pub struct Typist {
    /// The global options of gameday that were given, each followed by a blank.
    gameday: &'static str,
    /// The matching global options of the AWS CLI.
    aws: &'static str,
    /// The environment that points the AWS CLI at the sandbox.
    env: &'static str,
    /// The stack's region, once the stack file has been read.
    region: &'static OnceLock<String>,
}

impl Typist {
    /// Remembers the global options of a command line.
    pub fn new(global: &Global) -> Self {
        let mut all = String::new();
        let config = global.config.display().to_string();
        let by_itself = std::env::var("GAMEDAY_CONFIG").unwrap_or_else(|_| "gameday.toml".into());
        // A placeholder replaces what cannot be typed.
        let typed = |value: &str, noun: &str| value.typed().unwrap_or_else(|| noun.to_owned());
        if config != by_itself {
            all += &format!("-c {} ", typed(&config, "FILE"));
        }
        if global.sandbox {
            all += "--sandbox ";
        }
        for (option, value) in [("--profile", &global.profile), ("--region", &global.region)] {
            if let Some(value) = value {
                all += &format!("{option} {} ", typed(value, "NAME"));
            }
        }
        // The sandbox uses no profile and has its own keys.
        let profile = global.profile.as_ref().filter(|_| !global.sandbox);
        let aws = profile.map_or(String::new(), |name| format!("--profile {} ", typed(name, "NAME")));
        let env = if global.sandbox { "env $(gameday sandbox env) " } else { "" };
        // Leaked once per process, so that it can be copied.
        Self { gameday: all.leak(), aws: aws.leak(), env, region: Box::leak(Box::default()) }
    }

    /// True if commands go to the local emulator.
    pub fn is_sandbox(&self) -> bool {
        !self.env.is_empty()
    }

    /// Sets the stack's region, which the AWS CLI has to be told.
    pub fn learn_region(&self, region: &str) {
        _ = self.region.set(region.to_owned());
    }

    /// Returns a command as this user has to type it. Complete commands are unchanged.
    pub fn command(&self, command: &str) -> String {
        let one = |c: &str| match (c.strip_prefix("gameday "), c.strip_prefix("aws ").map(|call| self.bare(call))) {
            (Some(verb), _) if self.takes_options(verb) => format!("gameday {}{verb}", self.gameday),
            (_, Some(call)) => {
                let profile = if call.contains("--profile ") { "" } else { self.aws };
                // Logins and questions about the account concern AWS itself and all regions.
                if EVERYWHERE.iter().any(|s| call.starts_with(s)) {
                    return format!("aws {profile}{call}");
                }
                let region = self.region.get().filter(|_| !call.contains("--region "));
                let region = region.map_or(String::new(), |r| format!("--region {} ", r.typed().unwrap_or_default()));
                format!("{}aws {profile}{region}{call}", self.env)
            }
            _ => c.to_owned(),
        };
        shell::each(command).into_iter().map(one).collect::<Vec<_>>().join(" && ")
    }

    /// Strips the options from a complete call of the AWS CLI.
    fn bare<'a>(&self, call: &'a str) -> &'a str {
        call.strip_prefix(self.aws).unwrap_or(call)
    }

    /// True if this command line, without the program's name, can take the options and does not have them yet.
    fn takes_options(&self, verb: &str) -> bool {
        !verb.starts_with(self.gameday) && !verb.starts_with("sandbox ")
    }

    /// Returns a text with the commands in backquotes completed.
    pub fn text(&self, text: &str) -> String {
        let part = |(i, p): (usize, &str)| if i % 2 == 1 { format!("`{}`", self.command(p)) } else { p.to_owned() };
        match text.matches('`').count() {
            n if n > 0 && n % 2 == 0 => text.split('`').enumerate().map(part).collect(),
            _ => text.to_owned(),
        }
    }

    /// Completes commands in JSON: fields called `command`, and backquoted ones in texts.
    pub fn json(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(text) if name == "command" => *text = self.command(text),
                        other => self.json(other),
                    }
                }
            }
            Value::Array(all) => all.iter_mut().for_each(|v| self.json(v)),
            Value::String(text) if text.contains('`') => *text = self.text(text),
            _ => {}
        }
    }
}

/// Calls of the AWS CLI that concern credentials and the account itself.
const EVERYWHERE: [&str; 4] = ["sso ", "login", "configure", "account "];

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn typist(args: &[&str]) -> Typist {
        Typist::new(&crate::cli::Cli::parse_from([&["gameday"], args, &["why"]].concat()).global)
    }

    #[test]
    fn a_command_carries_what_was_typed() {
        let typed = |args: &[&str], command: &str| {
            let once = typist(args).command(command);
            assert_eq!(typist(args).command(&once), once, "what is complete stays as it is");
            once
        };
        assert_eq!(typed(&[], "gameday up"), "gameday up");
        assert_eq!(
            typed(&["-c", "my stack.toml", "--sandbox"], "gameday network && gameday fleet"),
            "gameday -c 'my stack.toml' --sandbox network && gameday -c 'my stack.toml' --sandbox fleet"
        );
        assert_eq!(typed(&["--sandbox"], "gameday sandbox stop"), "gameday sandbox stop");
        let there = ["--profile", "team", "--region", "eu-west-1"];
        assert_eq!(typed(&there, "gameday up --replace x"), "gameday --profile team --region eu-west-1 up --replace x");
    }

    #[test]
    fn a_command_of_the_aws_cli_goes_to_the_same_place() {
        let typed = |args: &[&str], command: &str| {
            let typist = typist(args);
            typist.learn_region("eu-west-1");
            let once = typist.command(command);
            assert_eq!(typist.command(&once), once, "what is complete stays as it is");
            once
        };
        assert_eq!(
            typed(&["--profile", "my team"], "aws ec2 describe-vpcs && aws ec2 create-vpc"),
            "aws --profile 'my team' --region eu-west-1 ec2 describe-vpcs && aws --profile 'my team' --region eu-west-1 ec2 create-vpc"
        );
        assert_eq!(typed(&["--profile", "team"], "aws sso login"), "aws --profile team sso login");
        assert_eq!(
            typed(&["--sandbox"], "aws ec2 describe-vpcs --region us-east-1"),
            "env $(gameday sandbox env) aws ec2 describe-vpcs --region us-east-1"
        );
    }

    #[test]
    fn texts_and_json_hold_commands_too() {
        let typist = typist(&["--sandbox"]);
        assert_eq!(
            typist.text("run `gameday up`, then `gameday why`"),
            "run `gameday --sandbox up`, then `gameday --sandbox why`"
        );
        assert_eq!(typist.text("an odd ` in it: gameday up"), "an odd ` in it: gameday up");
        let mut value =
            serde_json::json!({"findings": [{"command": "gameday up", "note": "or `gameday fleet`"}], "n": 1});
        typist.json(&mut value);
        let want = serde_json::json!({"findings": [{"command": "gameday --sandbox up", "note": "or `gameday --sandbox fleet`"}], "n": 1});
        assert_eq!(value, want);
    }
}
