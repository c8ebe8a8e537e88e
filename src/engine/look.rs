//! Looking at a step: find the object, check whose it is, let other steps read its outputs.
use crate::{
    Cx, Error, Found, Phase, Resource, Result,
    node::{Managed, Role},
    wait::{Backoff, sleep},
};
use std::time::Duration;
use tokio::time::Instant;

/// How long a created object can take to show up before the create is sent again.
const SETTLE: Duration = Duration::from_secs(15);

impl<R: Resource> Managed<R> {
    /// Finds the object, checks that it is the stack's, and publishes its outputs.
    pub(crate) async fn look(&self, cx: &Cx<'_>) -> Result<Option<Found<R>>> {
        let mut found = self.resource.find(cx).await?;
        if found.is_none() && cx.env.names.move_to_wanted(cx.key) {
            found = self.resource.find(cx).await?;
        }
        if let Some(f) = found.as_ref().filter(|_| self.role == Role::Ours) {
            self.check_owner(cx, f).await?;
        }
        self.publish(&found);
        Ok(found)
    }

    /// Looks again and again until a call gets through, with no limit but the budget of a step.
    pub(crate) async fn look_until_answered(&self, cx: &Cx<'_>) -> Result<Option<Found<R>>> {
        let mut backoff = Backoff::default();
        loop {
            match self.look(cx).await {
                Err(e) => backoff.next_try(cx, R::PATIENCE, e).await?,
                found => return found,
            }
        }
    }

    /// Looks again and again until a call gets through or [`Env::patience`](crate::Env::patience) is over.
    ///
    /// For verbs that change nothing: their user wants to know what cannot be seen, and not to wait for it.
    pub(crate) async fn look_with_patience(&self, cx: &Cx<'_>) -> Result<Option<Found<R>>> {
        let mut failure = None;
        let look = async {
            let mut backoff = Backoff::default();
            loop {
                match self.look(cx).await {
                    Err(e) => {
                        failure = Some(e.clone());
                        backoff.next_try(cx, R::PATIENCE, e).await?
                    }
                    found => return found,
                }
            }
        };
        let ended = tokio::time::timeout(cx.env.patience, look).await;
        ended.unwrap_or_else(|_| Err(failure.unwrap_or(Error::NoAnswer { waited: cx.env.patience })))
    }

    /// Looks until a created object has had the time to show up.
    pub(crate) async fn look_until_settled(&self, cx: &Cx<'_>) -> Result<Option<Found<R>>> {
        let start = Instant::now();
        loop {
            let found = self.look(cx).await?;
            if found.is_some() || start.elapsed() > cx.env.pace.of(SETTLE).max(Duration::from_secs(2)) {
                return Ok(found);
            }
            sleep(cx.env, cx.env.pace.pause(start.elapsed(), Duration::ZERO, cx.env.run.strain())).await?;
        }
    }

    /// Checks that the object is the stack's: its tags say so, and so does something that not everybody can write.
    async fn check_owner(&self, cx: &Cx<'_>, found: &Found<R>) -> Result<()> {
        let (env, key, id) = (cx.env, cx.key, &found.id);
        if env.ownership.finds_named(&env.consent, key, id) {
            return Ok(());
        }
        let owner = found.tags.get(env.keys.stack());
        if owner != Some(&env.stack) {
            let (key, id, stack) = (key.clone(), id.clone(), env.stack.clone());
            return Err(match env.keys.other_prefix(&found.tags, &stack, &key) {
                Some(prefix) => Error::OtherPrefix { key, id, stack, prefix, ours: env.keys.prefix().into() },
                None => Error::NotOurs { key, id, stack, of: owner.cloned(), tagless: R::TAGLESS },
            });
        }
        let is_proven = || env.ownership.is_proven(&env.consent, key, id);
        // Another run can have created the object since the record was read.
        if R::OF_PARENT || is_proven() || env.ownership.refresh().await && is_proven() {
            return Ok(());
        }
        Err(Error::Unproven { key: key.clone(), id: id.clone(), stack: env.stack.clone() })
    }

    /// Notes that this object is the step, unless it is only used or on its way out.
    pub(crate) fn note_owned(&self, cx: &Cx<'_>, found: Option<&Found<R>>) {
        if let Some(found) = found.filter(|f| self.role == Role::Ours && f.phase != Phase::Deleting) {
            cx.env.ownership.note_owned(cx.key, &found.id);
        }
    }

    /// Lets other steps read the object's outputs.
    pub(crate) fn publish(&self, found: &Option<Found<R>>) {
        self.me.set(found.as_ref().and_then(|f| f.output.clone()));
    }
}
