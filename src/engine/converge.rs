//! Making a step as wanted.
use crate::{
    Change, Class, Cx, Diff, Error, Event, Found, Phase, Resource, Result,
    decide::TAGS,
    node::Managed,
    wait::{Backoff, Goal, broken, pause_between_stages, until, until_within},
};
use tokio::time::Instant;

/// The attempts of one run to make a step as wanted.
#[derive(Default)]
pub(crate) struct Attempts {
    /// The first change.
    change: Option<Change>,
    /// True if a create was sent that can have taken effect.
    pub is_sent: bool,
    /// How often there were duplicates.
    duplicates: u32,
    /// When the first stage of its update began.
    first_stage: Option<Instant>,
}

/// The next thing to do about a step.
enum Next {
    Stage,
    Nothing,
}

impl<R: Resource> Managed<R> {
    /// Attempts until the step is as wanted. After a failure that passes, the next attempt begins with a look.
    pub(crate) async fn converge(&self, cx: &Cx<'_>) -> Result<Change> {
        let mut attempts = Attempts::default();
        let mut backoff = Backoff::default();
        loop {
            match self.attempt(cx, &mut attempts).await {
                Ok(Next::Nothing) => return Ok(attempts.change.unwrap_or(Change::None)),
                Ok(Next::Stage) => {}
                Err(Error::Ambiguous { .. }) if R::TWINS && attempts.duplicates < 3 => {
                    attempts.duplicates += 1;
                    self.keep_one(cx).await?;
                }
                Err(e) => backoff.next_try(cx, R::PATIENCE, e).await?,
            }
        }
    }

    async fn attempt(&self, cx: &Cx<'_>, attempts: &mut Attempts) -> Result<Next> {
        let typical = self.expected(cx.env);
        let found = if attempts.is_sent { self.look_until_settled(cx).await? } else { self.look(cx).await? };
        let found = match found {
            Some(Found { id, phase: Phase::Deleting, .. }) => {
                until(&self.resource, cx, Goal::Gone(&id), typical.delete).await?
            }
            Some(Found { phase: Phase::Busy(_), .. }) if R::STAGED => {
                let since = *attempts.first_stage.get_or_insert_with(Instant::now);
                until_within(&self.resource, cx, Goal::Settled, typical.update, since).await?
            }
            Some(Found { phase: Phase::Busy(_), .. }) => {
                until(&self.resource, cx, Goal::Settled, typical.create).await?
            }
            found => found,
        };
        let want = self.want_in_this_walk(cx, found.as_ref());
        let change = self.change(cx, &found, &want)?;
        let usually = self.usual_duration(cx.env, &change);
        if attempts.change.is_none() || !change.is_none() {
            cx.env.events.say(Event::planned(cx.key, &change, usually));
        }
        // Report the first change: after a lost answer the second attempt usually finds nothing to do.
        if attempts.change.as_ref().is_none_or(Change::is_none) {
            attempts.change = Some(change.clone());
        }
        match (&change, found) {
            (Change::None, found) => {
                if let Some(Phase::Broken(why)) = found.as_ref().map(|f| &f.phase) {
                    return Err(broken(&self.resource, cx, why));
                }
                self.note_owned(cx, found.as_ref());
                self.publish(&found);
                return Ok(Next::Nothing);
            }
            (Change::Create { .. }, _) => self.create(cx, attempts).await?,
            (Change::Update { diff }, Some(found)) => {
                // The object was there a moment ago.
                let not_found_yet = |e: Error| e.reclassify(|c| c == Class::NotFound, Class::NotYetVisible);
                self.update(cx, &found, diff, &want).await.map_err(not_found_yet)?;
                if R::STAGED {
                    let since = *attempts.first_stage.get_or_insert_with(Instant::now);
                    pause_between_stages(cx, R::PATIENCE, since).await?;
                    return Ok(Next::Stage);
                }
            }
            (Change::Replace { .. }, Some(found)) => {
                self.delete(cx, found).await?;
                cx.env.names.move_to_wanted(cx.key);
                self.create(cx, attempts).await?
            }
            (Change::Refuse { diff, .. }, Some(found)) => {
                return Err(self.refusal(cx, &found, &want, diff));
            }
            (Change::Update { .. } | Change::Replace { .. } | Change::Refuse { .. }, None)
            | (Change::Delete { .. }, _) => {
                unreachable!("only what exists is updated, and nothing wanted is deleted")
            }
        }
        let made = until(&self.resource, cx, Goal::Matching(&want), usually).await?;
        self.note_owned(cx, made.as_ref());
        self.publish(&made);
        Ok(Next::Nothing)
    }

    async fn update(&self, cx: &Cx<'_>, found: &Found<R>, diff: &Diff, want: &R::Spec) -> Result<()> {
        if diff.touches(TAGS) {
            let all = cx.tags();
            let missing = all.into_iter().filter(|(k, v)| found.tags.get(k) != Some(v)).collect();
            self.resource.tag(cx, found, &missing).await?;
        }
        if diff.only(&[TAGS]) { Ok(()) } else { self.resource.update(cx, want, found, diff).await }
    }
}
