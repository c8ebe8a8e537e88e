//! The target of calls: AWS, or the sandbox.
use super::{super::Failure, said};
use crate::{
    aws::{self, Aws, Target},
    cli::Global,
    config::Config,
    engine::TagKeys,
    output::{self, Printer, sandbox::Preparing},
    sandbox::{self, Pace},
};

/// Returns the target of calls, and the time scale there. Starts the sandbox if necessary.
pub(crate) async fn target(global: &Global, config: &Config, out: &Printer) -> Result<(Target, f64), Failure> {
    let ask: aws::Ask = output::ask;
    let mut target = Target {
        region: config.region.clone(),
        profile: global.profile.clone(),
        endpoint: None,
        ask: out.interactive.then_some(ask),
        keys: TagKeys::new(&config.tag_prefix),
        tags: config.tags.clone(),
        observer: (out.verbose > 1).then_some(output::calls::show),
    };
    if !global.sandbox {
        return Ok((target, 1.0));
    }
    let preparing = Preparing::new(*out);
    let running = sandbox::ensure(pace(global, out), |doing| preparing.say(doing)).await.map_err(said)?;
    drop(preparing);
    target.endpoint = Some(running.lead());
    Ok((target, running.pace.scale()))
}

/// Makes the clients and waits for credentials.
pub(crate) async fn reach(target: &Target) -> Result<Aws, Failure> {
    let aws = Aws::connect(target).await;
    aws.ready().await?;
    Ok(aws)
}

/// Returns the pace asked for. On a terminal the default is slow enough for people to see what happens.
pub(crate) fn pace(global: &Global, out: &Printer) -> Option<Pace> {
    global.pace.or(out.live.then_some(Pace::Fast))
}
