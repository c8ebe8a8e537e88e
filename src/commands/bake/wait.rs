//! Waiting for a baking instance, and for its image.
use super::{super::Session, clock, say};
use crate::{
    bake::{
        self, Launch,
        console::{Console, Stage},
    },
    error::{Class, Error, Result},
    logs::source,
    output::style::*,
    shell::command,
};
use std::time::{Duration, Instant};

/// The pause between two looks at the console of a booting instance.
const CONSOLE: Duration = Duration::from_secs(15);
/// How long AWS can take to show the end of the console after the instance is off.
const SHOWN: Duration = Duration::from_secs(300);
/// How long an image can take.
const IMAGE: Duration = Duration::from_secs(1800);

/// Waits until the instance has switched itself off, and makes an image of it.
///
/// Returns the image, and the stages that instances launched from it do not repeat. If this fails, there is no image.
pub(super) async fn image(
    session: &Session,
    of: &Launch<'_>,
    instance: &str,
    patience: Duration,
) -> Result<(String, Vec<Stage>)> {
    let (aws, env) = (&session.aws, &session.env);
    let began = Instant::now();
    let stages = off(session, instance, patience).await?;
    say(session, &format!("{instance} is complete and off after {}; its image is made", clock(began)));
    let image = bake::create(aws, env, of, instance).await?;
    match available(session, &image).await {
        Ok(()) => Ok((image, stages)),
        Err(e) => {
            if let Err(kept) = bake::delete(aws, &image).await {
                let command = command!(
                    "aws ec2 deregister-image --image-id {} --delete-associated-snapshots --region {}",
                    image,
                    aws.region
                );
                session.view.note(&format!("{WARN}{image} could not be deleted{RESET}: {kept}; `{command}`"));
            }
            Err(e)
        }
    }
}

/// Waits until the instance has switched itself off, and said that it is complete.
async fn off(session: &Session, instance: &str, patience: Duration) -> Result<Vec<Stage>> {
    let (aws, pace) = (&session.aws, &session.env.pace);
    let began = Instant::now();
    let patience = pace.of(patience).max(Duration::from_secs(30));
    let (mut looked, mut console) = (began, Console::default());
    loop {
        match passing(bake::state(aws, instance).await)?.flatten() {
            Some((state, why)) if state == "stopped" && why == bake::BY_ITSELF => break,
            Some((state, why)) if ["stopped", "shutting-down", "terminated"].contains(&state.as_str()) => {
                return Err(failed(&format!("{instance} is {state} ({why}), and did not switch itself off"), &console));
            }
            _ => {}
        }
        if looked.elapsed() >= pace.of(CONSOLE) {
            looked = Instant::now();
            let now = read(session, instance).await?;
            for stage in now.stages.iter().skip(console.stages.len()) {
                say(session, &format!("  {DIM}{} done after {} s{RESET}", stage.name, stage.seconds));
            }
            console = now;
        }
        if let Some(why) = &console.failed {
            return Err(failed(why, &Console::default()));
        }
        if began.elapsed() > patience {
            return Err(failed(&format!("{instance} was not complete within {}", clock(began)), &console));
        }
        pause(session, began, Duration::from_secs(90)).await?;
    }
    let off = Instant::now();
    loop {
        let console = read(session, instance).await?;
        if console.is_complete {
            return Ok(console.stages.into_iter().filter(|stage| stage.name != "clean").collect());
        }
        if let Some(why) = &console.failed {
            return Err(failed(why, &Console::default()));
        }
        if off.elapsed() > pace.of(SHOWN).max(Duration::from_secs(5)) {
            return Err(failed(
                &format!("{instance} is off, but its console does not say that it is complete"),
                &console,
            ));
        }
        pause(session, off, Duration::ZERO).await?;
    }
}

/// Waits until the image can be launched.
async fn available(session: &Session, image: &str) -> Result<()> {
    let (pace, began) = (&session.env.pace, Instant::now());
    loop {
        if passing(bake::is_available(&session.aws, image).await)? == Some(true) {
            return Ok(());
        }
        if began.elapsed() > pace.of(IMAGE).max(Duration::from_secs(30)) {
            return Err(failed(&format!("{image} was not available within {}", clock(began)), &Console::default()));
        }
        pause(session, began, bake::AVAILABLE).await?;
    }
}

/// Reads the console of an instance, which says nothing while AWS does not answer.
async fn read(session: &Session, instance: &str) -> Result<Console> {
    let text = passing(source::console(&session.aws, instance).await)?;
    Ok(Console::read(&text.unwrap_or_default()))
}

/// Returns `None` for a failure that passes.
fn passing<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(e) if e.class().is_some_and(Class::passes) => Ok(None),
        other => other.map(Some),
    }
}

/// Pauses before the next look, and ends at Ctrl-C.
async fn pause(session: &Session, since: Instant, typical: Duration) -> Result<()> {
    let pause = session.env.pace.pause(since.elapsed(), typical, 1.0);
    tokio::select! {
        () = tokio::time::sleep(pause) => Ok(()),
        () = session.env.stop.requested() => Err(Error::Interrupted),
    }
}

/// Returns the error of a bake that has made no image, with the last lines of the boot.
fn failed(why: &str, console: &Console) -> Error {
    let last = match &console.last[..] {
        [] => String::new(),
        lines => format!("; the console says last: {}", lines.join(" / ")),
    };
    Error::other(
        format!("no image was made: {why}{last}"),
        "correct that in the stack file or on the other side, then run the same command again",
    )
}
