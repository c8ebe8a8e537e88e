//! `gameday status`: the verdict, the request path, then every step.
use super::{DONE, Outcome, Session, failed, session::Paths};
use crate::{
    cli::{Consent, Global, StatusArgs},
    output::{Printer, status},
    verdict::{Build, Judged},
};
use jiff::Timestamp;

/// Runs `gameday status`.
pub async fn run(global: &Global, out: Printer, args: StatusArgs) -> Outcome {
    if args.watch {
        return super::live::run(Session::open(global, out, &Consent::default()).await?, args).await;
    }
    let paths = Paths::new(&args.service, args.probe.probe.clone(), args.probe.no_probe);
    let (mut session, snapshots) = Session::open_and_see(global, out, &paths).await?;
    let mut judged = Judged::all(snapshots);
    let (at, verdict) = (judged[0].snapshot.at, judged[0].verdict.clone());
    let report = session.look().await;
    let mut times = session.times();
    times.see(at, session.progress(&report));
    if times.building() {
        // Durations measured in this account make a better forecast.
        session.remember().await;
        times.see(at, session.progress(&report));
    }
    let mut clock = times.clock(Timestamp::now(), verdict.serving());
    // Who is at work matters only if nothing is served, so only then is the call made.
    let is_down = verdict.measured() == Some(false);
    let at_work = if is_down { session.at_work().await } else { None };
    if let Some(holder) = &at_work {
        clock.follow(holder);
    }
    if is_down {
        let build = Build::of(&session.progress(&report), &clock, at_work.as_ref());
        for one in judged.iter_mut().filter(|one| one.verdict.measured() == Some(false)) {
            one.verdict.build = Some(build.clone());
        }
    }
    let verdict = judged[0].verdict.clone();
    let services = judged.iter().map(Into::into).collect();
    let gaps = status::all_gaps(judged.iter().map(|one| &one.snapshot));
    let view = status::Overview::new(&session.env.stack, services, gaps, clock, &report);
    status::show(&out, &status::Overview { asked: args.probe.probe.as_deref(), ..view });
    session.say_calls();
    Ok(if verdict.serving() { DONE } else { failed() })
}
