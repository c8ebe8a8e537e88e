//! `gameday status`: the verdict, the request path, then every step.
use super::{DONE, Outcome, Session, failed};
use crate::{
    cli::{Consent, Global, Status},
    diagnose,
    output::{Printer, status},
    serving::Verdict,
};
use jiff::Timestamp;

pub async fn run(global: &Global, out: Printer, args: Status) -> Outcome {
    if args.watch {
        return super::watch::run(Session::open(global, out, &Consent::default()).await?, args).await;
    }
    let (mut session, snapshot) = Session::open_and_see(global, out, &args.probe).await?;
    let report = session.look().await;
    let verdict = Verdict::of(&snapshot);
    let chain = diagnose::chain(&snapshot);
    let mut times = session.times();
    times.see(snapshot.at, session.progress(&report));
    if times.building() {
        // What this account has shown makes a better forecast.
        session.remember().await;
        times.see(snapshot.at, session.progress(&report));
    }
    let clock = times.clock(Timestamp::now(), verdict.serving());
    let verdict = match verdict.measured() {
        Some(false) => verdict.with(session.build(&report, &clock).await),
        _ => verdict,
    };
    let path = Some((&chain, snapshot.gaps.as_slice()));
    status::show(&out, &status::Overview::new(&session.env.stack, path, &verdict, clock, &report));
    session.say_calls();
    Ok(if verdict.serving() { DONE } else { failed() })
}
