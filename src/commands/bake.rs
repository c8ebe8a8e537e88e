//! `gameday bake`: makes an image of what the instances of a service install, and removes images that are not used.
mod prune;
mod stack_file;
mod wait;

use super::{DONE, Failure, Outcome, Session, failed, interrupted, session};
use crate::{
    bake::{self, Launch},
    cli::{BakeArgs, Consent, Global},
    config::{Config, Group, ServiceScope},
    error::{Error, Result},
    facts,
    logs::{
        Log,
        source::{self, LogGroup},
    },
    output::{
        self, Printer,
        bake::Baked,
        style::{self, *},
    },
    shell::command,
};
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// How far back to look for the last boot of an instance.
const LATELY: Duration = Duration::from_secs(24 * 3600);

/// Runs `gameday bake`.
pub async fn run(global: &Global, out: Printer, args: BakeArgs) -> Outcome {
    let mut session = Session::open_to_look(global, out, &Consent::default()).await?;
    if args.prune {
        return session.holding(async |session| prune::run(session, &args).await).await;
    }
    let service = which(&session.loaded.config, args.service.as_deref())?;
    if let Some(script) = &service.user_data {
        let what = format!("{} has a boot script of its own ({script}), which has no mode for images", service.name);
        let help = "make the image by hand, and write `image` into the service's table";
        return Err(Error::other(what, help).into());
    }
    let service = service.name.to_owned();
    if args.set {
        // Not found out after minutes.
        stack_file::check(&global.config, &service)?;
    }
    session.narrow(&[Group::Network, Group::Launch]);
    let made = session.holding(async |session| bake(session, &service, &args).await).await?;
    let (mut baked, before) = match made {
        Ended::Made(baked, before) => (baked, before),
        Ended::Early(code) => return Ok(code),
    };
    baked.last_boot_seconds = before;
    if args.set {
        match stack_file::set(&global.config, &service, &baked.image) {
            Ok(()) => baked.written = Some(global.config.display().to_string()),
            Err(e) => {
                output::bake::show(&session.out, &baked);
                return Err(e.into());
            }
        }
    }
    output::bake::show(&session.out, &baked);
    Ok(DONE)
}

/// How a bake ended.
enum Ended {
    /// The image, and how long an instance took to answer until now.
    Made(Box<Baked>, Option<u64>),
    /// The verb ends here. The reason has been reported.
    Early(std::process::ExitCode),
}

/// Returns the service to bake: the named one, or the only one.
fn which<'a>(config: &'a Config, named: Option<&str>) -> std::result::Result<ServiceScope<'a>, Failure> {
    match (named, config.services().count()) {
        (Some(name), _) => session::named(config, name),
        (None, 1) => Ok(config.services().next().expect("it has one")),
        (None, _) => {
            let names: Vec<&str> = config.services().map(|service| service.name).collect();
            let help = format!("name one of {}: `{}`", names.join(", "), command!("gameday bake {}", names[0]));
            Err(Failure::usage("which_service", "the stack has several services", help))
        }
    }
}

/// What an image is made from.
struct Source {
    service: String,
    template: (String, String, i64),
    /// The image that the instance boots from.
    image: String,
    user_data: String,
    subnets: Vec<String>,
    instance_type: String,
}

/// Shows what an image is made from, asks, and makes it.
async fn bake(session: &mut Session, service: &str, args: &BakeArgs) -> std::result::Result<Ended, Failure> {
    let mut has_lease = false;
    let source = loop {
        session.reread().await?;
        let source = look(session, service).await?;
        if has_lease {
            break source;
        }
        if !session.out.json() {
            session.out.note(format!(
                "{service}: an instance ({}) boots from {}, installs what its user data names, and becomes an image; \
                 it is terminated then",
                source.instance_type, source.image
            ));
        }
        if !args.yes && !output::agree(&session.out, &format!("Go ahead in {}? [y/N] ", session.place())) {
            return Ok(Ended::Early(failed()));
        }
        has_lease = true;
        if !session.lease("bake", args.lease).await? {
            break source;
        }
        *session = session.reopen().await?;
        session.narrow(&[Group::Network, Group::Launch]);
    };
    let before = last_boot(session, service).await;
    session.building();
    let made = session.drive(make(session, &source, args)).await;
    session.release().await;
    match made {
        Ok(baked) => Ok(Ended::Made(Box::new(baked), before)),
        Err(Error::Interrupted) => {
            let help = "run the same command again: it begins anew";
            session.out.error("stopped: no image was made", Some(help));
            Ok(Ended::Early(interrupted()))
        }
        Err(e) => Err(e.into()),
    }
}

/// Looks at the steps that a baking instance needs.
async fn look(session: &Session, service: &str) -> std::result::Result<Source, Failure> {
    let report = session.look().await;
    let wired = session.stack.services.iter().find(|wired| wired.name == service).expect("each service is wired");
    let subnets: Option<Vec<String>> = session.stack.subnets.iter().map(|s| Some(s.output()?.id)).collect();
    let (Some(template), Some(subnets)) = (wired.template.output(), subnets) else {
        // A step that could not be seen can exist.
        return Err(match report.failed().next() {
            Some((_, e)) => e.clone().into(),
            None => {
                let what = format!("{service} has no launch template yet: an image is made of what is built");
                Error::other(what, "`gameday up` builds the stack").into()
            }
        });
    };
    let config = &session.loaded.config;
    let scope = session::named(config, service)?;
    let user_data = wired.user_data.baking().map_err(session::template)?;
    Ok(Source {
        service: service.into(),
        template: (session.name_of(wired.template.key().as_str()), template.id, template.version),
        image: base(session, &session.facts.image(service)).await?,
        user_data: user_data.encoded,
        subnets,
        instance_type: scope.instance_type.clone(),
    })
}

/// Returns the image to begin with: of a baked image the one on which it is based, if that can still be launched.
///
/// So an image that is baked again has no more layers than the first, and nothing of an earlier program.
async fn base(session: &Session, image: &str) -> Result<String> {
    if !image.starts_with("ami-") {
        let what = "the account does not show which image the service's instances boot from";
        return Err(Error::other(what, "write `image` into the service's table"));
    }
    let (aws, stack) = (&session.aws, &session.env.stack);
    let baked = bake::images(aws, stack).await?;
    let base = baked.iter().find(|baked| baked.id == image).and_then(|baked| baked.base.clone());
    Ok(match base {
        // The tag can be anybody's, and what boots has the rights of the service.
        Some(base)
            if facts::is_trusted(aws, &session.loaded.config, &base).await? && bake::exists(aws, &base).await =>
        {
            base
        }
        _ => image.to_owned(),
    })
}

/// Launches an instance, waits until it is complete, and makes an image of it. The instance is always terminated.
async fn make(session: &Session, source: &Source, args: &BakeArgs) -> Result<Baked> {
    let (aws, env) = (&session.aws, &session.env);
    let began = Instant::now();
    for left in bake::instances(aws, &env.stack, &[&source.template.1]).await? {
        say(session, &format!("{left} is left from a run that was killed: it is terminated"));
        bake::terminate(aws, &left).await?;
    }
    // The name is unique, and sorts by time: two people can bake in the same second.
    let name = format!("{}-{}-{}", env.stack, source.service, Timestamp::now().strftime("%Y%m%d-%H%M%S-%3f"));
    // Before the image exists, since a run can end at any moment.
    env.ownership.note_used(bake::RECORD, &name);
    session.record_end(std::iter::empty()).await;
    let launch = Launch {
        service: &source.service,
        template: (&source.template.0, &source.template.1, source.template.2),
        image: &source.image,
        name: &name,
        user_data: &source.user_data,
        subnets: &source.subnets,
    };
    if env.stop.is_requested() {
        return Err(Error::Interrupted);
    }
    let instance = bake::launch(aws, env, &launch).await?;
    say(session, &format!("{instance} boots and installs"));
    let made = wait::image(session, &launch, &instance, Duration::from_secs(args.patience)).await;
    if let Err(e) = bake::terminate(aws, &instance).await {
        let command = command!("aws ec2 terminate-instances --instance-ids {} --region {}", instance, aws.region);
        session.view.note(&format!("{WARN}{instance} could not be terminated{RESET}: {e}; `{command}`"));
    }
    let (image, skipped) = made?;
    Ok(Baked {
        service: source.service.clone(),
        image,
        name,
        base: source.image.clone(),
        seconds: began.elapsed().as_secs(),
        skipped,
        last_boot_seconds: None,
        written: None,
    })
}

/// Returns after how many seconds of its boot the service answered on the instance that booted last, if a log says so.
async fn last_boot(session: &Session, service: &str) -> Option<u64> {
    let from = Timestamp::now().checked_sub(LATELY).ok()?;
    let mut last = None;
    for group in LogGroup::all(&session.loaded.config, |name| name == service) {
        if group.log() == Log::Boot {
            let events = source::look(&session.aws, &group, None, from).await.ok()??;
            last = events.iter().rev().find_map(|e| bake::console::answered_after(&e.message));
        }
    }
    last
}

/// Prints what happens, for people.
fn say(session: &Session, text: &str) {
    if !session.out.json() {
        session.view.note(text);
    }
}

/// Returns a duration of this world as people read it.
fn clock(since: Instant) -> String {
    style::clock(since.elapsed())
}
