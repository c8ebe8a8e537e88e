//! `gameday logs`: prints what the instances write, from CloudWatch Logs, else from their consoles.
use super::{DONE, Failure, Outcome, interrupted, session};
use crate::{
    aws::Aws,
    cli::{Global, LogsArgs},
    config::{Config, ServiceScope},
    error::{Class, Error},
    facts,
    logs::{
        Event, Log, Tail, beyond, interleave,
        source::{self, LogGroup},
    },
    output::{Printer, logs::Lines, style::*},
};
use jiff::Timestamp;
use std::{collections::BTreeMap, time::Duration};

/// The pause between two looks at log groups. The agent sends every five seconds.
const EVERY: Duration = Duration::from_secs(2);
/// The pause between two looks at consoles, which AWS renews once a minute at best.
const CONSOLE_EVERY: Duration = Duration::from_secs(15);
/// The longest pause, when AWS throttles or does not answer.
const SLOWEST: Duration = Duration::from_secs(30);

/// Runs `gameday logs`.
pub async fn run(global: &Global, out: Printer, args: LogsArgs) -> Outcome {
    let loaded = session::load(global, &out)?;
    if args.service.service.is_some() {
        session::one(&loaded.config, &args.service)?;
    }
    let (target, _) = session::target(global, &loaded.config, &out).await?;
    let aws = session::reach(&target).await?;
    let follow = args.follow;
    tokio::select! {
        done = read(&aws, &loaded.config, &out, args) => done,
        // Ctrl-C is the only way to end `--follow`.
        _ = tokio::signal::ctrl_c() => Ok(if follow { DONE } else { interrupted() }),
    }
}

async fn read(aws: &Aws, config: &Config, out: &Printer, args: LogsArgs) -> Outcome {
    let mut lines = Lines::new(out, args.grep.clone());
    let config = &facts::in_account(aws, config).await;
    let is_shown = |name: &str| args.service.service.as_deref().is_none_or(|only| only == name);
    let written = config.has_logs();
    if args.console || !written {
        if !args.console {
            out.note(format!(
                "{DIM}this stack writes no log groups (monitoring or iam is off): the consoles instead{RESET}"
            ));
        }
        return consoles(aws, config, out, &args, &mut lines).await;
    }
    let now = Timestamp::now();
    let since = now.checked_sub(args.since).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut tails: Vec<_> =
        LogGroup::all(config, is_shown).into_iter().map(|group| (group, Tail::new(since))).collect();
    let mut pause = Pause::new(EVERY);
    loop {
        let looks = tails.iter().map(|(group, tail)| source::look(aws, group, args.instance.as_deref(), tail.from()));
        let now = Timestamp::now();
        let looks = futures::future::join_all(looks).await;
        if !args.follow && looks.iter().all(|l| matches!(l, Ok(None))) {
            out.note(format!("{DIM}there are no log groups /gameday/{}/… : the consoles instead{RESET}", config.name));
            return consoles(aws, config, out, &args, &mut lines).await;
        }
        let (mut new, mut trouble) = (vec![], None);
        for ((_, tail), look) in tails.iter_mut().zip(looks) {
            match look {
                // A look that failed halfway counts as none, so the next one begins at the same place.
                Err(e) => trouble = Some(e),
                Ok(events) => new.push(tail.take(events.unwrap_or_default(), now)),
            }
        }
        if !lines.print(&interleave(new)) {
            return Ok(DONE);
        }
        if !args.follow {
            if let Some(e) = trouble {
                return Err(e.into());
            }
            if lines.count == 0 {
                nothing(out, &args);
            }
            return Ok(DONE);
        }
        pause.after(trouble, out)?;
        tokio::time::sleep(pause.now).await;
    }
}

fn nothing(out: &Printer, args: &LogsArgs) {
    let what = if args.grep.is_some() { "no log line matches" } else { "no log lines" };
    let minutes = args.since.as_secs() / 60;
    let since = match minutes {
        0 => count(args.since.as_secs() as usize, "second"),
        1..120 => count(minutes as usize, "minute"),
        _ => count(minutes as usize / 60, "hour"),
    };
    out.note(format!(
        "{DIM}{what} in the last {since}; --since looks further back, --console shows what the system says{RESET}"
    ));
}

/// The pause between two looks: longer while AWS throttles or does not answer.
struct Pause {
    usual: Duration,
    now: Duration,
    said: bool,
}

impl Pause {
    fn new(usual: Duration) -> Self {
        Self { usual, now: usual, said: false }
    }

    /// Sets the next pause, or fails with an error that does not pass.
    ///
    /// With `--follow` the looks go on until the network or the credentials are back.
    fn after(&mut self, trouble: Option<Error>, out: &Printer) -> Result<(), Failure> {
        let Some(e) = trouble else {
            if self.said {
                out.note(format!("{DIM}it answers again{RESET}"));
            }
            *self = Self::new(self.usual);
            return Ok(());
        };
        if !e.class().is_some_and(|c| c.passes() || c == Class::Credentials) {
            return Err(e.into());
        }
        self.now = (self.now * 2).min(SLOWEST);
        // Throttling alone is not reported, since the longer pause answers it.
        if !self.said && e.class() != Some(Class::Throttled) {
            out.note(format!("{WARN}{e}{RESET}; updates resume when that has ended"));
            self.said = true;
        }
        Ok(())
    }
}

/// Prints the consoles, instance by instance. They keep no time by which they could be interleaved.
async fn consoles(aws: &Aws, config: &Config, out: &Printer, args: &LogsArgs, lines: &mut Lines) -> Outcome {
    let is_shown = |service: &ServiceScope<'_>| args.service.service.as_deref().is_none_or(|only| only == service.name);
    let fleets: Vec<String> =
        config.services().filter(is_shown).map(|service| config.name_of(&service.key("auto-scaling-group"))).collect();
    let fleet = &fleets.join(", ");
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    let mut pause = Pause::new(CONSOLE_EVERY);
    let mut first = true;
    loop {
        let mut trouble = None;
        match round(aws, &fleets, args.instance.as_deref(), &mut said).await {
            Ok((events, runs)) => {
                if !runs && !said.is_empty() && first {
                    out.note(format!(
                        "{DIM}no instance of {fleet} runs: the last words of those that have ended{RESET}"
                    ));
                }
                first = false;
                if !lines.print(&events) {
                    return Ok(DONE);
                }
            }
            Err(e) => trouble = Some(e),
        }
        if !args.follow {
            if let Some(e) = trouble {
                return Err(e.into());
            }
            if said.is_empty() {
                out.note(format!("{DIM}{fleet} has no instances{RESET}"));
            } else if said.values().all(String::is_empty) {
                out.note(format!("{DIM}the consoles are empty: AWS shows them minutes after the boot{RESET}"));
            }
            return Ok(DONE);
        }
        pause.after(trouble, out)?;
        tokio::time::sleep(pause.now).await;
    }
}

/// Returns what is new on the consoles, and whether any of the instances runs.
async fn round(
    aws: &Aws,
    fleets: &[String],
    only: Option<&str>,
    said: &mut BTreeMap<String, String>,
) -> Result<(Vec<Event>, bool), Error> {
    let (mut events, mut any) = (vec![], false);
    for (instance, runs) in source::instances(aws, fleets).await? {
        if only.is_some_and(|only| !instance.starts_with(only)) {
            continue;
        }
        any |= runs;
        let now = source::console(aws, &instance).await?;
        let before = said.entry(instance.clone()).or_default();
        let event = |line: &str| Event {
            at: None,
            log: Log::Console,
            service: None,
            instance: instance.clone(),
            message: line.trim_end().to_owned(),
            id: String::new(),
        };
        events.extend(beyond(before, &now).lines().filter(|l| !l.trim().is_empty()).map(event));
        *before = now;
    }
    Ok((events, any))
}
