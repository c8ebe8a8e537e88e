//! `gameday status`: the verdict, the request path where something is wrong with it, then every step.
use super::{DONE, Outcome, Session, failed, up};
use crate::{
    cli::{Consent, Global, Status},
    diagnose,
    output::{Printer, status},
    serving::{self, Prober, Verdict},
};

pub async fn run(global: &Global, out: Printer, args: Status) -> Outcome {
    let session = Session::open(global, out, &Consent::default()).await?;
    if args.watch {
        return super::watch::run(session, args).await;
    }
    let report = session.look().await;
    let mut verdict = match (session.stack.balancer.output(), session.stack.target.output()) {
        (Some(balancer), Some(target)) => {
            let url = up::url(&session, &balancer.dns_name);
            let ask = up::ask(&session, &args.probe, &url);
            serving::look(&session.aws, &Prober::default(), &url, &target.arn, &ask).await?
        }
        _ => Verdict::default(),
    };
    // The request path costs two dozen calls more: it is walked when something is wrong, or when asked for.
    let path = if verdict.serving() && out.verbose == 0 {
        None
    } else {
        let snapshot = session.snapshot(&session.asking(args.probe.probe, args.probe.no_probe)).await;
        verdict = Verdict::of(&snapshot);
        Some((diagnose::chain(&snapshot), snapshot.gaps))
    };
    let path = path.as_ref().map(|(chain, gaps)| (chain, gaps.as_slice()));
    status::show(&out, &status::Overview::new(&session.env.stack, path, &verdict, &report));
    session.say_calls();
    Ok(if verdict.serving() { DONE } else { failed() })
}
