//! The end of `gameday up`: waits until the service answers, and reports how that ended.
use super::super::{
    DONE, Failure, Outcome, Session, failed, interrupted,
    session::{Awaited, Paths},
};
use crate::{
    cli::UpArgs,
    config::Need,
    diagnose::{self, Finding},
    engine::{Change, Direction, Node, Ref, walk},
    error::Error,
    leftovers::database_snapshot::DATABASE,
    output::{
        self, Printer,
        line::Ended,
        style::{self, *},
    },
    resources::load_balancer,
    snapshot::{self, Asking, Depth},
    verdict::{self, Build, Look, Verdict, Word},
};
use futures::future::join_all;
use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

/// Waits until the service answers; the verdict is the last line.
///
/// `built` is true if this run has changed something.
pub(super) async fn until_serving(session: &mut Session, args: &UpArgs, began: Instant, built: bool) -> Outcome {
    let Some(balancer) = session.stack.balancer.output() else {
        return Err(Error::other("the stack has no load balancer", "run `gameday up`").into());
    };
    let Some(Look { verdict, wrong }) = wait(session, args, balancer, built).await? else {
        return Ok(interrupted());
    };
    let is_serving = verdict.serving();
    if is_serving {
        session.holding(async |session| revoke_master_password(session, args).await).await?;
    }
    tell(&session.out, &verdict, wrong.as_ref(), began);
    Ok(if is_serving { DONE } else { failed() })
}

/// Looks until each service answers, or until waiting makes no sense any more. Returns the look at the worst one.
///
/// Returns `None` after Ctrl-C, which is reported.
async fn wait(
    session: &Session,
    args: &UpArgs,
    balancer: load_balancer::Output,
    built: bool,
) -> Result<Option<Look>, Failure> {
    let services = session.awaited(&Paths::all(&args.probe));
    let balancer = snapshot::Balancer { arn: balancer.arn, dns_name: balancer.dns_name, ..Default::default() };
    let cdn = session.stack.cdn.as_ref().and_then(Ref::output);
    let cdn = cdn.map(|d| snapshot::Distribution { id: d.id, domain: d.domain, ..Default::default() });
    let out = session.out;
    // If nothing is asked from outside, AWS's own view of the whole request path has to do.
    let asked = |service: &Awaited<'_>| !matches!(service.asking, Asking::Nothing { .. });
    let (mut first, mut well) = (true, services.iter().all(asked));
    let look = async || {
        if well {
            let looks = services.iter().filter_map(|s| Some((s, s.target.output()?.arn))).map(async |(s, target)| {
                let (whose, expected) = (s.whose.clone(), s.expected.clone());
                snapshot::verdict(&session.aws, whose, balancer.clone(), cdn.clone(), &target, expected, &s.asking)
                    .await
            });
            let seen: Vec<Look> =
                join_all(looks).await.iter().map(|s| Look { verdict: Verdict::of(s), wrong: None }).collect();
            let is_whole = seen.len() == services.len();
            let worst = Look::worst(seen);
            if is_whole && worst.verdict.word() == Word::Serving {
                return Ok(worst);
            }
        }
        if !std::mem::take(&mut first) {
            session.aws.reads.renew();
        }
        let looks = services.iter().map(async |s| {
            let seen =
                snapshot::gather(&session.aws, s.whose.clone(), s.expected.clone(), &s.asking, Depth::Path).await;
            let verdict = Verdict::of(&seen);
            let chain = (verdict.word() != Word::Serving).then(|| diagnose::chain(&seen));
            Look { verdict, wrong: chain.and_then(|c| c.findings().first().copied().cloned()) }
        });
        let worst = Look::worst(join_all(looks).await);
        well = services.iter().all(asked) && worst.verdict.serving();
        Ok(worst)
    };
    let last = RefCell::new(Look::default());
    // New instances need time to boot, so the wait after a build reports no fault.
    let all = session.stack.graph.nodes().count();
    let waiting = |seen: Look| {
        let who = "waiting until it answers";
        match seen.wrong {
            _ if built => {
                let build = Build { done: all, all, who: Some(who.into()), ..Build::default() };
                seen.verdict.with(build).headline().to_string()
            }
            // The cause is printed with its repair.
            Some(f) if f.stays() => format!("{} · {who}", seen.verdict.word().as_str()),
            _ => format!("{} · {who}", seen.verdict.headline()),
        }
    };
    // A change of response times alone is no news.
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
    tokio::select! {
        seen = verdict::until_serving(look, patience, every, say) => Ok(Some(seen?)),
        () = session.interrupted() => {
            out.error(
                &format!("stopped waiting: everything is built; {}", last.borrow().verdict),
                Some(&format!(
                    "`{}` shows when it answers, `{}` what keeps it from it; `{}` goes on waiting",
                    out.typed("gameday status --watch"), out.typed("gameday why"), out.typed("gameday up"),
                )),
            );
            Ok(None)
        }
    }
}

/// Prints the verdict, and what to type next.
fn tell(out: &Printer, verdict: &Verdict, wrong: Option<&Finding>, began: Instant) {
    let (word, is_serving) = (verdict.word(), verdict.serving());
    if out.json() {
        let (text, seconds) = (verdict.to_string(), began.elapsed().as_secs());
        let endpoint = verdict.url.as_deref();
        let ended = Ended { word, verdict: text, endpoint, seen: verdict, finding: wrong, seconds };
        out.event(ended.event());
        return;
    }
    out.data(format!("{}{}{RESET}", style::verdict(word), verdict.headline()));
    if let Some(url) = &verdict.url {
        out.data(url);
    }
    match word {
        _ if is_serving => {
            if let Some(f) = wrong {
                output::why::event(out, f);
            }
            let (watch, why) = (out.typed("gameday status --watch"), out.typed("gameday why"));
            let after = clock(began.elapsed());
            out.note(format!("{DIM}serving after {after} · watch it: `{watch}` · when it breaks: `{why}`{RESET}"));
        }
        Word::Unknown => not_seen(out, verdict),
        _ => does_not_serve(out, verdict, wrong),
    }
}

/// Takes the right to read the master password from the instances' role. Only an empty database needs it.
async fn revoke_master_password(session: &Session, args: &UpArgs) -> Result<(), Failure> {
    let Some((master, app)) = session.stack.master.as_ref().and_then(|m| Some((m, m.app.output()?))) else {
        return Ok(());
    };
    let wanted = master.wanted(&app);
    if master.done.borrow().as_ref() == Some(&wanted) {
        return Ok(());
    }
    session.aws.reads.renew();
    let (graph, env, config) = (&session.stack.graph, &session.env, &session.loaded.config);
    // The instances of any service that uses the database set it up.
    let users = config.services().filter(|service| service.needs(Need::Database));
    let targets: Vec<String> = users.filter_map(|s| Some(session.target_group(s.name).output()?.arn)).collect();
    let name = session.name_of(DATABASE);
    // Another run that is at work does the same at its end.
    if session.lease("up", args.change.lease).await.is_err() {
        return Ok(());
    }
    session.building();
    let closed = async {
        if !session.facts.set_up.learn(&session.aws, config, &name, &targets, wanted.clone()).await? {
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
    session.release().await;
    match closed {
        Ok(true) if !session.out.json() => {
            session.out.note(format!(
                "{DIM}the database is set up: the instances can no longer read its master password{RESET}"
            ));
        }
        Ok(_) => {}
        // The service answers nevertheless, and the next run tries again.
        Err(e) if !session.out.json() => session
            .out
            .note(format!("{WARN}warning{RESET}: the instances can still read the database's master password: {e}")),
        Err(_) => {}
    }
    Ok(())
}

/// Reports what is missing for a verdict, and how to get one.
fn not_seen(out: &Printer, verdict: &Verdict) {
    let what = format!("whether the service answers could not be seen ({})", verdict.unseen.join(", "));
    let help = match verdict.is_blind() {
        true => format!("`{}` is what the account has to allow", out.typed("gameday policy")),
        false => format!("`{}` looks again", out.typed("gameday status")),
    };
    out.error(&what, Some(&help));
}

/// Reports why the wait ends, and what to type.
fn does_not_serve(out: &Printer, verdict: &Verdict, wrong: Option<&Finding>) {
    let (why, up) = (out.typed("gameday why"), out.typed("gameday up"));
    let bad = match verdict.answer.as_ref().and_then(|a| a.status) {
        Some(status) => format!("the service answers with HTTP {status}"),
        None => "the service does not answer".into(),
    };
    match wrong {
        // The cause and its command were printed when they were seen.
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
