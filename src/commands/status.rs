//! `gameday status`: the verdict, the request path, then every step.
use super::{DONE, Outcome, Session, failed};
use crate::{
    cli::{Consent, Global, StatusArgs},
    diagnose,
    output::{Printer, status},
    verdict::{Build, Verdict},
};
use jiff::Timestamp;

/// Runs `gameday status`.
pub async fn run(global: &Global, out: Printer, args: StatusArgs) -> Outcome {
    if args.watch {
        return super::live::run(Session::open(global, out, &Consent::default()).await?, args).await;
    }
    let (mut session, snapshot) = Session::open_and_see(global, out, &args.probe).await?;
    let verdict = Verdict::of(&snapshot);
    let report = session.look().await;
    let chain = diagnose::chain(&snapshot);
    let mut times = session.times();
    times.see(snapshot.at, session.progress(&report));
    if times.building() {
        // Durations measured in this account make a better forecast.
        session.remember().await;
        times.see(snapshot.at, session.progress(&report));
    }
    let mut clock = times.clock(Timestamp::now(), verdict.serving());
    // Who is at work matters only if nothing is served, so only then is the call made.
    let is_down = verdict.measured() == Some(false);
    let at_work = if is_down { session.at_work().await } else { None };
    if let Some(holder) = &at_work {
        clock.follow(holder);
    }
    let verdict = match is_down {
        true => verdict.with(Build::of(&session.progress(&report), &clock, at_work.as_ref())),
        false => verdict,
    };
    let path = Some((&chain, snapshot.gaps.as_slice()));
    let view = status::Overview::new(&session.env.stack, path, &verdict, clock, &report);
    status::show(&out, &status::Overview { asked: args.probe.probe.as_deref(), ..view });
    session.say_calls();
    Ok(if verdict.serving() { DONE } else { failed() })
}
