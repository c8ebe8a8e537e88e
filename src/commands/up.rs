//! `gameday up`, and one verb a group: builds or repairs, and ends when the service answers.
use super::{DONE, Failure, Outcome, Session, cost, failed, interrupted, plan};
use crate::{
    aws::listing,
    cli::{Global, UpArgs},
    config::Group,
    diagnose::{self, Finding},
    engine::{Change, Direction, Key, Node, Report, Visit, handover, walk},
    error::Error,
    lease::Lease,
    output::{
        self, Printer,
        line::{Ended, Event},
        progress::Course,
        style::{self, *},
    },
    serving::{self, Build, Look, Verdict, Word},
    shell::{self, command},
    snapshot::{self, Asking, Depth},
};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    process::ExitCode,
    time::{Duration, Instant},
};

pub async fn run(global: &Global, out: Printer, args: UpArgs) -> Outcome {
    let prices = cost::prices(&args.prices, &out)?;
    let mut session = Session::open_to_look(global, out, &args.change.consent).await?;
    session.narrow(&args.groups);
    if session.loaded.config.passwords_in_user_data() && !out.json() {
        out.note(format!(
            "{WARN}warning{RESET}: without an instance profile the database passwords stand in the user data, where \
             everybody who may describe launch templates can read them"
        ));
    }
    let whole_stack = args.groups.is_empty();
    let whole = whole_stack || args.groups.contains(&Group::Fleet);
    let began = Instant::now();
    let mut lease: Option<Lease> = None;
    let preview = loop {
        let preview = plan::preview(&mut session, whole_stack).await?;
        let view = preview.view(&session, &prices);
        output::plan::show(&out, &view, &preview.report, preview.forecast(&session).0, false);
        // Nothing is built beside what may be the stack's, or on it.
        if let Some(code) = unproven(&session, &preview.report) {
            if let Some(lease) = lease.take() {
                lease.release(&session.env.stack).await;
            }
            return Ok(code);
        }
        if view.is_empty() || lease.is_some() {
            break preview;
        }
        if let Err(code) = consent(&session, args.change.yes) {
            return Ok(code);
        }
        let taken = session.lease("up", args.change.lease).await?;
        let waited = taken.has_waited();
        lease = Some(taken);
        if !waited {
            break preview;
        }
        // What a teammate has done until now is no more to be done, or to be done again.
        session = session.now().await?;
        session.narrow(&args.groups);
    };
    let (view, expected) = (preview.view(&session, &prices), preview.forecast(&session).1);
    let changes = !view.is_empty();
    if let Some(lease) = lease.take_if(|_| changes) {
        let comes = |change: &Change| matches!(change, Change::Create { .. } | Change::Replace { .. });
        if let Err(e) = session.write_down(preview.report.done().filter(|(_, c)| comes(c)).map(|(key, _)| key)).await {
            lease.release(&session.env.stack).await;
            return Err(e);
        }
        session.building();
        let (graph, env) = (&session.stack.graph, &session.env);
        session.view.begin(Course {
            graph,
            direction: Direction::Forward,
            expected,
            comes: view.changes.iter().filter(|c| c.change.word() == "create").map(|c| c.key.clone()).collect(),
            under_way: session.under_way(preview.busy.iter()),
            boot: preview.boot(&session),
            deadline: session.traffic_at(),
            scale: env.pace.scale,
        });
        let build = async {
            let mut report = walk(graph, Direction::Forward, env, async |n: &dyn Node| n.reconcile(env).await).await;
            plan::do_without(graph, &mut report);
            // What is no longer wanted goes last: until then others may still refer to it.
            if report.all_done() && !preview.remains.is_empty() {
                let deleted = preview.remains.remove(env).await;
                report.0.extend(deleted.0.into_iter().map(|(k, v)| (k, as_change(v))));
            }
            if report.all_done() && whole_stack {
                handover::finish(graph, env, &mut report).await;
            }
            report
        };
        let report = session.drive(&lease, build).await;
        let took = session.view.elapsed();
        session.view.end();
        session.wrote(report.done().map(|(key, _)| key)).await;
        session.learn().await;
        lease.release(&session.env.stack).await;
        session.say_calls();
        let ended = ended_badly(&out, &report);
        if ended.is_none() && !out.json() {
            // The same numbers as in the plan: some changes come with what another step has made.
            let planned = |key: &Key| view.changes.iter().find(|c| c.key == key).map(|c| c.change.word());
            let is_made = |(key, c): &(&Key, &Change)| !c.is_none() || planned(key) == Some("create");
            let made = report.done().filter(is_made).count();
            let spared = report.done().filter(|(key, c)| c.is_none() && planned(key) == Some("update")).count();
            let spared = if spared > 0 { format!(", {spared} not needed after all") } else { String::new() };
            out.note(format!("{GOOD}built{RESET}: {}{spared} in {}", count(made, "change"), clock(took)));
        }
        if is_moved(&report)
            && let Some(balancer) = session.stack.balancer.output()
        {
            output::plan::moved(&out, &format!("http://{}", balancer.dns_name));
        }
        if let Some(code) = ended {
            return Ok(code);
        }
    } else {
        if !args.change.consent.adopt.is_empty() {
            session.take_in().await;
        }
        // A run that was killed after its last change has left its lease.
        match lease {
            Some(lease) => lease.release(&session.env.stack).await,
            None if args.change.lease.steal => {
                session.lease("up", args.change.lease).await?.release(&session.env.stack).await;
            }
            None => {}
        }
        session.say_calls();
    }
    if whole_stack || args.groups.contains(&Group::Database) {
        say_reboot(&session).await;
    }
    if !whole {
        return Ok(DONE);
    }
    serve(&session, &args, began, changes).await
}

/// An object to take over, as an option of a command.
struct Adopt(String);

impl shell::Word for Adopt {
    fn typed(&self) -> Option<String> {
        Some(format!("--adopt {}", shell::Word::typed(&self.0)?))
    }
}

/// Says which objects carry the stack's tags in the place of its own, and are not known to be.
fn unproven(session: &Session, report: &Report<Change>) -> Option<ExitCode> {
    let out = &session.out;
    let in_place = report.failed().filter_map(|(_, e)| match e {
        Error::Unproven { key, id, .. } => Some((key.to_string(), id.clone())),
        _ => None,
    });
    let in_place: BTreeMap<String, String> = in_place.collect();
    if in_place.is_empty() {
        return not_there(session, report);
    }
    let what = match in_place.len() {
        1 => "an object stands in the place of the stack's own, and only its tags say that it is".to_owned(),
        n => format!("{n} objects stand in the place of the stack's own, and only their tags say that they are"),
    };
    // What was named before, what stands in a place, and what alone claims another.
    let claims = session.env.ownership.claims();
    let is_alone = |key: &Key| claims.iter().filter(|(k, _)| k == key).count() == 1;
    let claims = claims.iter().filter(|(key, _)| is_alone(key)).map(|(key, id)| (key.to_string(), id.clone()));
    let given = session.loaded.config.given.adopt.clone();
    let all: BTreeMap<String, String> = claims.chain(given).chain(in_place).collect();
    let options: Vec<Adopt> = all.iter().map(|(key, id)| Adopt(format!("{key}={id}"))).collect();
    let take = out.typed(&command!("gameday up {}", options));
    out.error(
        &format!("nothing was changed: {what}"),
        Some(&format!("look at what the errors above name; if all of that is the stack's: `{take}`")),
    );
    Some(failed())
}

/// Refuses to go on where something is to be taken over that is not what stands in the place of the step.
fn not_there(session: &Session, report: &Report<Change>) -> Option<ExitCode> {
    let was_seen = |key: &str| report.done().any(|(seen, _)| seen.as_str() == key);
    let mut given = session.loaded.config.given.adopt.iter();
    let (key, id) = given.find(|(key, _)| was_seen(key) && !session.env.ownership.has_found(key))?;
    let plan = session.out.typed("gameday plan");
    session.out.error(
        &format!("nothing was changed: --adopt {key}={id}: there is no such object that could be {key}"),
        Some(&format!("`{plan}` shows by id what stands in the place of {key}; if nothing does, leave --adopt away")),
    );
    Some(failed())
}

/// Some parameters are in force only after a reboot, and its moment is the user's to choose.
async fn say_reboot(session: &Session) {
    let key = Key::new("database", "main");
    let Some(node) = session.stack.graph.get(key.as_str()).filter(|n| !n.is_used()) else { return };
    let name = session.env.names.get(node.key().as_str()).cloned();
    let name = name.unwrap_or_else(|| session.loaded.config.name_of(node.key().as_str()));
    // Who may not look is told elsewhere.
    let Ok(Some(found)) = listing::database(&session.aws, &name).await else { return };
    if !found.db_parameter_groups().iter().any(|g| g.parameter_apply_status() == Some("pending-reboot")) {
        return;
    }
    let region = session.aws.region.as_str();
    let command = command!("aws rds reboot-db-instance --db-instance-identifier {} --region {}", name, region);
    match session.out.json() {
        true => session.out.event(Event::PendingReboot { key: &key, command: &command }),
        false => session.out.note(format!(
            "{WARN}warning{RESET}: parameters of {name} are not in force until it reboots, which takes it away for a \
             minute or two: `{command}`"
        )),
    }
}

/// Whether a stack that stood has another balancer now: a balancer's address goes with it. That it stood shows in its
/// fleet, which is never made before the first balancer.
fn is_moved(report: &Report<Change>) -> bool {
    let new = |c: &Change| matches!(c, Change::Create { .. } | Change::Replace { .. });
    let is_new = |kind: &str| report.done().find(|(k, _)| k.kind() == kind).map(|(_, c)| new(c));
    is_new("load-balancer") == Some(true) && is_new("auto-scaling-group") == Some(false)
}

fn as_change(v: Visit<bool>) -> Visit<Change> {
    match v {
        Visit::Done(_) => Visit::Done(Change::Delete { id: String::new() }),
        Visit::Failed(e) => Visit::Failed(e),
        Visit::Skipped(k) => Visit::Skipped(k),
        Visit::NotStarted => Visit::NotStarted,
    }
}

/// Asks, unless told not to. Without a person to ask, nothing is changed.
fn consent(session: &Session, yes: bool) -> Result<(), ExitCode> {
    let out = &session.out;
    if yes {
        return Ok(());
    }
    if !out.interactive {
        out.error("nothing was changed: there is no terminal to ask on", Some("say --yes to go ahead without asking"));
        return Err(failed());
    }
    let question = format!("Go ahead in {}? [y/N] ", session.place());
    if output::ask(&question).is_some_and(|a| matches!(a.trim(), "y" | "Y" | "yes")) {
        return Ok(());
    }
    out.note("nothing was changed");
    Err(failed())
}

/// Says what failed, what was skipped because of it, and what to type next.
fn ended_badly(out: &Printer, report: &Report<Change>) -> Option<ExitCode> {
    if report.all_done() {
        return None;
    }
    let stand = report.done().count();
    if report.interrupted() {
        out.error(
            &format!("stopped: {stand} of {} are done", count(report.0.len(), "step")),
            Some("run the same command again: it resumes where it stopped"),
        );
        return Some(interrupted());
    }
    let failures = report.failed().count();
    let skipped = report.0.len() - stand - failures;
    let skipped = if skipped > 0 { format!(", {skipped} skipped because of that") } else { String::new() };
    let what =
        format!("{} failed{skipped}; {stand} of {} are done", count(failures, "step"), count(report.0.len(), "step"));
    out.error(&what, Some("mend what the errors above name, then run the same command again: it resumes there"));
    Some(failed())
}

/// Waits until the service answers; the verdict is the last line. `built` says whether this run has changed something.
async fn serve(session: &Session, args: &UpArgs, began: Instant, built: bool) -> Outcome {
    let (Some(balancer), Some(target)) = (session.stack.balancer.output(), session.target().output()) else {
        return Err(Failure::Error(Error::other("the stack has no load balancer", "run `gameday up`")));
    };
    let (asking, expected) = (session.asking(args.probe.probe.clone(), args.probe.no_probe), session.expected());
    let whose = session.whose();
    let balancer = snapshot::Balancer { arn: balancer.arn, dns_name: balancer.dns_name, ..Default::default() };
    let out = session.out;
    // Where nobody asks from outside, AWS's word on the whole way has to do.
    let asked = !matches!(asking, Asking::Nothing { .. });
    let (mut first, mut well) = (true, asked);
    let look = async || {
        if well {
            let seen = snapshot::verdict(&session.aws, balancer.clone(), &target.arn, expected.clone(), &asking).await;
            let verdict = Verdict::of(&seen);
            if verdict.word() == Word::Serving {
                return Ok(Look { verdict, wrong: None });
            }
        }
        if !std::mem::take(&mut first) {
            session.aws.reads.renew();
        }
        let seen = snapshot::gather(&session.aws, whose.clone(), expected.clone(), &asking, Depth::Path).await;
        let verdict = Verdict::of(&seen);
        well = asked && verdict.serving();
        let chain = (verdict.word() != Word::Serving).then(|| diagnose::chain(&seen));
        let wrong = chain.and_then(|c| c.findings().first().copied().cloned());
        Ok(Look { verdict, wrong })
    };
    let last = RefCell::new(Look::default());
    // What was built just now has a right to boot: nobody calls that a fault while it is waited for.
    let all = session.stack.graph.nodes().count();
    let waiting = |seen: Look| {
        let who = "waiting until it answers";
        match seen.wrong {
            _ if built => {
                let build = Build { done: all, all, who: Some(who.into()), ..Build::default() };
                seen.verdict.with(build).headline().to_string()
            }
            // The cause is told with what repairs it.
            Some(f) if f.stays() => format!("{} · {who}", seen.verdict.word().as_str()),
            _ => format!("{} · {who}", seen.verdict.headline()),
        }
    };
    // How long each answer takes is no news.
    let timeless = |mut seen: Look| {
        seen.verdict.answer.iter_mut().for_each(|a| a.millis = 0);
        waiting(seen)
    };
    let say = |seen: &Look| {
        let before = last.replace(seen.clone());
        if timeless(seen.clone()) != timeless(before.clone()) && !out.json() {
            out.note(format!("{DIM}{}{RESET}", waiting(seen.clone())));
        }
        if let Some(f) = seen.wrong.as_ref().filter(|f| f.stays() && before.wrong.is_none_or(|b| b.rule != f.rule)) {
            output::why::event(&out, f);
        }
    };
    let every = session.env.pace.of(Duration::from_secs(5)).max(Duration::from_millis(200));
    let patience = session.env.pace.of(Duration::from_secs(args.patience)).max(Duration::from_secs(20));
    let seen = tokio::select! {
        seen = serving::until_serving(look, patience, every, say) => seen?,
        _ = tokio::signal::ctrl_c() => {
            out.error(
                &format!("stopped waiting: what was to be built stands; {}", last.borrow().verdict),
                Some(&format!(
                    "`{}` shows when it answers, `{}` what keeps it from it; `{}` goes on waiting",
                    out.typed("gameday status --watch"), out.typed("gameday why"), out.typed("gameday up"),
                )),
            );
            return Ok(interrupted());
        }
    };
    let Look { verdict, wrong } = seen;
    let (word, serving) = (verdict.word(), verdict.serving());
    if serving {
        close(session, args, &target.arn).await?;
    }
    if out.json() {
        let (text, seconds) = (verdict.to_string(), began.elapsed().as_secs());
        let (endpoint, finding) = (verdict.url.as_deref(), wrong.as_ref());
        let ended = Ended { word, verdict: text, endpoint, seen: &verdict, finding, seconds };
        out.event(ended.event());
    } else {
        out.data(format!("{}{}{RESET}", style::verdict(word), verdict.headline()));
        if let Some(url) = &verdict.url {
            out.data(url);
        }
        match word {
            _ if serving => {
                if let Some(f) = wrong.as_ref() {
                    output::why::event(&out, f);
                }
                let (watch, why) = (out.typed("gameday status --watch"), out.typed("gameday why"));
                let after = clock(began.elapsed());
                out.note(format!("{DIM}serving after {after} · watch it: `{watch}` · when it breaks: `{why}`{RESET}"));
            }
            Word::Unknown => not_seen(&out, &verdict),
            _ => does_not_serve(&out, &verdict, wrong.as_ref()),
        }
    }
    Ok(if serving { DONE } else { failed() })
}

/// Takes from the instances' role what only an empty database needs: the right to read the master password.
async fn close(session: &Session, args: &UpArgs, target: &str) -> Result<(), Failure> {
    let Some((master, app)) = session.stack.master.as_ref().and_then(|m| Some((m, m.app.output()?))) else {
        return Ok(());
    };
    let wanted = master.wanted(&app);
    if master.done.borrow().as_ref() == Some(&wanted) {
        return Ok(());
    }
    session.aws.reads.renew();
    let (graph, env, config) = (&session.stack.graph, &session.env, &session.loaded.config);
    let name = env.names.get("database/main").cloned().unwrap_or_else(|| config.name_of("database/main"));
    // Whoever is at work has the same to do at the end.
    let Ok(lease) = session.lease("up", args.change.lease).await else { return Ok(()) };
    let closed = async {
        if !session.facts.set_up.learn(&session.aws, config, &name, target, wanted.clone()).await? {
            return Ok(false);
        }
        master.done.replace(Some(wanted));
        let report = walk(graph, Direction::Forward, env, async |n: &dyn Node| match n.key().kind() {
            "role" => n.reconcile(env).await,
            _ => Ok(Change::None),
        });
        match report.await.failed().next() {
            Some((_, e)) => Err(Error::other(e.to_string(), "run `gameday up` again")),
            None => Ok(true),
        }
    }
    .await;
    lease.release(&env.stack).await;
    match closed {
        Ok(true) if !session.out.json() => {
            session.out.note(format!(
                "{DIM}the database is set up: the instances may not read its master password any more{RESET}"
            ));
        }
        Ok(_) => {}
        // It serves all the same; the next run tries again.
        Err(e) if !session.out.json() => session
            .out
            .note(format!("{WARN}warning{RESET}: the instances may still read the database's master password: {e}")),
        Err(_) => {}
    }
    Ok(())
}

/// What is missing for a verdict, and how to get one.
fn not_seen(out: &Printer, verdict: &Verdict) {
    let what = format!("whether the service answers could not be seen ({})", verdict.unseen.join(", "));
    let help = match verdict.is_blind() {
        true => format!("`{}` is what the account has to allow", out.typed("gameday policy")),
        false => format!("`{}` looks again", out.typed("gameday status")),
    };
    out.error(&what, Some(&help));
}

/// Why nobody waits any longer, and what to type.
fn does_not_serve(out: &Printer, verdict: &Verdict, wrong: Option<&Finding>) {
    let (why, up) = (out.typed("gameday why"), out.typed("gameday up"));
    let bad = match verdict.answer.as_ref().and_then(|a| a.status) {
        Some(status) => format!("the service answers with HTTP {status}"),
        None => "the service does not answer".into(),
    };
    match wrong {
        // The cause and its command were told when they were seen.
        Some(f) if f.stays() => out.error(
            &format!("{bad}, and waiting does not help"),
            Some(&format!("run the command after \"type\" above, then `{up}`; `{why}` shows the whole way")),
        ),
        wrong => {
            let help = format!("`{why}` shows the whole way; run `{up}` again to go on waiting");
            out.error(&format!("{bad}, still"), Some(&help));
            if let Some(f) = wrong {
                output::why::event(out, f);
            }
        }
    }
}
