//! Creating a step's object, exactly once.
use crate::{Class, Cx, Env, Error, Event, Resource, Result, converge::Attempts, node::Managed, wait::sleep};
use std::time::Duration;

/// How long to wait for a concurrent create that started before ours became visible.
const CONCURRENT: Duration = Duration::from_secs(3);

impl<R: Resource> Managed<R> {
    /// Sends the create.
    ///
    /// Some creates have no client token: an object that was perhaps created must have had the time to show up before
    /// the create is sent again, or there are two.
    pub(crate) async fn create(&self, cx: &Cx<'_>, attempts: &mut Attempts) -> Result<()> {
        let ownership = &cx.env.ownership;
        attempts.is_sent = true;
        ownership.note_sent(cx.key);
        match self.resource.create(cx, &self.want()).await {
            // Two runs wait until each sees both objects: then both keep the same one.
            Ok(()) if R::TWINS && !ownership.is_alone() => sleep(cx.env, visible_to_all(cx.env)).await,
            Ok(()) => Ok(()),
            Err(e) if e.class() == Some(Class::Lost) => {
                ownership.note_unanswered(cx.key);
                Err(e)
            }
            Err(e) if e.class() == Some(Class::AlreadyExists) => {
                ownership.note_already_there(cx.key);
                // A call whose answer was lost created the object, or somebody else did, perhaps not completely. If it
                // is visible, the next attempt goes on with it.
                let is_visible = self.look_until_settled(cx).await?.is_some();
                Err(if is_visible { e.reclassify(|_| true, Class::Lost) } else { e })
            }
            Err(e) => {
                attempts.is_sent = false;
                ownership.note_refused(cx.key);
                // The object that the create refers to was there a moment ago.
                Err(e.reclassify(|c| c == Class::NotFound, Class::NotYetVisible))
            }
        }
    }

    /// Deletes all duplicates but one.
    ///
    /// There are duplicates if two runs created one each at the same moment, or if a run was cut before it knew of the
    /// first. The one that is in use stays, or else the first by id, which is the same for all who look.
    pub(crate) async fn keep_one(&self, cx: &Cx<'_>) -> Result<()> {
        sleep(cx.env, visible_to_all(cx.env)).await?;
        let Err(Error::Ambiguous { mut ids, .. }) = self.look(cx).await else { return Ok(()) };
        // If only tags tell, one of the objects can be anybody's.
        if !cx.env.ownership.can_tell(cx.key) {
            return Err(Error::Ambiguous { key: cx.key.clone(), ids });
        }
        ids.sort();
        let mut left = ids.len();
        for id in ids.iter().rev() {
            if left == 1 {
                break;
            }
            match self.resource.delete_twin(cx, id).await {
                Ok(()) => {
                    left -= 1;
                    cx.env.events.say(Event::Waiting { key: cx.key.clone(), phase: format!("twin {id} deleted") });
                }
                Err(e) if e.class() == Some(Class::InUse) => {}
                Err(e) => return Err(e),
            }
        }
        if left == 1 { Ok(()) } else { Err(Error::Ambiguous { key: cx.key.clone(), ids }) }
    }
}

fn visible_to_all(env: &Env) -> Duration {
    env.pace.of(CONCURRENT).max(Duration::from_secs(2))
}
