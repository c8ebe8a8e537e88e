//! Deleting a step's object.
use crate::{
    Class, Cx, Error, Event, Found, Phase, Resource, Result,
    node::Managed,
    wait::{Backoff, Goal, sleep, until},
};
use std::time::Duration;
use tokio::time::Instant;

/// The pause between two tries to delete an object that is in use: nothing of AWS lets go sooner, and a burst of
/// deletions is throttled for everybody in the account [AWS 4.6].
const HELD: Duration = Duration::from_millis(2500);

/// How long a deletion can wait for what AWS itself still has to let go of (an ALB's interfaces: up to 5 min).
const HOLD_FOR: Duration = Duration::from_secs(900);

impl<R: Resource> Managed<R> {
    /// Deletes the object and waits until it is gone, for as long as its holders are going to let go without help.
    pub(crate) async fn delete(&self, cx: &Cx<'_>, found: Found<R>) -> Result<()> {
        let start = Instant::now();
        let mut backoff = Backoff::default();
        let mut found = Some(found);
        while let Some(f) = found {
            let answer = match &f.phase {
                Phase::Deleting => Ok(()),
                _ => {
                    self.check_deletion(cx, &f)?;
                    self.resource.delete(cx, &f).await
                }
            };
            match answer {
                Err(e) if e.class() == Some(Class::InUse) => self.wait_for_holders(cx, &f, start).await?,
                // It is being created or changed, which can take longer than the budget for tries.
                Err(e) if e.class() == Some(Class::WrongState) && matches!(f.phase, Phase::Busy(_)) => {
                    until(&self.resource, cx, Goal::Settled, self.expected(cx.env).create).await?;
                }
                Err(e) if e.class() != Some(Class::NotFound) => backoff.next_try(cx, R::PATIENCE, e).await?,
                _ => {
                    until(&self.resource, cx, Goal::Gone(&f.id), self.resource.typical().delete).await?;
                    cx.env.ownership.note_deleted(cx.key, &f.id);
                    return Ok(());
                }
            }
            found = self.look(cx).await?;
        }
        Ok(())
    }

    /// Waits a moment for the holders of an object. Fails if one of them does not let go without help.
    async fn wait_for_holders(&self, cx: &Cx<'_>, found: &Found<R>, start: Instant) -> Result<()> {
        let holders = self.resource.holders(cx, found).await.unwrap_or_default();
        let (waited, by) = (start.elapsed(), holders.iter().map(|h| h.what.clone()).collect::<Vec<_>>());
        if waited > HOLD_FOR || holders.iter().any(|h| !h.passes) {
            return Err(Error::Blocked { key: cx.key.clone(), by, waited });
        }
        let phase = if by.is_empty() { "in use".into() } else { format!("in use by {}", by.join(", ")) };
        cx.env.events.say(Event::Waiting { key: cx.key.clone(), phase });
        let pace = &cx.env.pace;
        let pause = pace.pause(waited, Duration::ZERO, cx.env.run.strain());
        sleep(cx.env, pause.max(pace.jittered(pace.of(HELD)))).await
    }
}
