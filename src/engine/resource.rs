//! The one trait to implement for a new kind of AWS object.
use crate::{Cx, Diff, Error, Inputs, Result, Tags};
use serde::Serialize;
use std::time::Duration;

/// One kind of AWS object that is kept as the stack file describes it.
///
/// `find` must not create anything, and must see every object that an earlier, interrupted run may have created.
/// `create`, `update` and `delete` return as soon as AWS has accepted the call: waiting is the engine's work.
#[allow(async_fn_in_trait, reason = "everything runs on one thread: nothing asks for `Send`")]
pub trait Resource: Sized + 'static {
    /// The first half of the step's key: `database` in `database/main`.
    const KIND: &'static str;

    /// The managed properties, in one shape for both what is wanted and what is found.
    ///
    /// Two specs are compared as they serialise, so `find` has to put an equal value in the wanted form (`8.4.6` as
    /// `8.4`, if that is what is wanted).
    type Spec: Serialize;

    /// The outputs that other steps can read once the object exists.
    type Output: Clone + Serialize;

    /// Fields of the spec that AWS cannot change in place.
    const FIXED: &'static [&'static str] = &[];

    /// The loss if the object is replaced, for example `the data in it`.
    const LOSES: Option<&'static str> = None;

    /// True if the object holds data of the service that nothing restores once it is deleted.
    const HOLDS_DATA: bool = false;

    /// True if the object can be replaced for a change of a fixed field without a question: no data and no address is
    /// lost.
    const DISPOSABLE: bool = false;

    /// True if the whole stack is inside the object. It is never replaced then, not even on request.
    const CARRIES_ALL: bool = false;

    /// True if an update gives new outputs (a launch template mints a version).
    const MINTS: bool = false;

    /// True if an update goes in stages, which share one `PATIENCE`. See [`handover`](crate::handover).
    const STAGED: bool = false;

    /// True if AWS keeps the object only within another one, where `find` looks for it. The owner of the parent is its
    /// owner.
    const OF_PARENT: bool = false;

    /// True if AWS keeps no tags for the object, and its parent is not the stack's. Something else says whose it is.
    const TAGLESS: bool = false;

    /// True if the objects that this one needs can be deleted before it is gone. It is then deleted beside them, because
    /// its own deletion takes long.
    const OUTLIVES_NEEDS: bool = false;

    /// True if concurrent creates can yield duplicates, because the API offers neither a client token nor a unique
    /// name.
    const TWINS: bool = false;

    /// The IAM actions that the verbs need, those of [`Resource::tag`] included.
    const ACTIONS: &'static [&'static str] = &[];

    /// The longest time to wait for AWS to finish.
    const PATIENCE: Duration = Duration::from_secs(600);

    /// For a kind that the service can do without: the help text if the account denies it. No other step may need it.
    const EXTRA: Option<&'static str> = None;

    /// Returns the wanted spec. Pure; the references that it reads are the step's needs.
    fn spec(&self, inputs: &Inputs) -> Self::Spec;

    /// Returns the outputs of an object that the stack only uses, if the stack file gives them. Others can read them
    /// before anybody has looked.
    fn given(&self) -> Option<Self::Output> {
        None
    }

    /// Returns the fields that AWS changes in place, but not from `found` to `want`: storage cannot shrink.
    fn one_way(&self, _found: &Self::Spec, _want: &Self::Spec) -> &'static [&'static str] {
        &[]
    }

    /// True if AWS refuses to delete the object until somebody takes the protection off.
    fn is_protected(&self, _found: &Found<Self>) -> bool {
        false
    }

    /// Returns further names by which a stack file can refer to the object, beside [`Found::id`]: an endpoint, an
    /// identifier.
    fn aliases(_output: &Self::Output) -> Vec<String> {
        vec![]
    }

    /// Returns the repair of an object that is broken in this way, if there is one that does not lose its data.
    fn repair(&self, _cx: &Cx<'_>, _why: &str) -> Option<String> {
        None
    }

    /// Returns the usual durations of the verbs, for progress, forecasts and the polling schedule.
    fn typical(&self) -> Typical {
        Typical::default()
    }

    /// Looks for the object; `None` if it does not exist.
    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>>;

    /// Creates the object, with the tags of [`Cx::tags`].
    async fn create(&self, cx: &Cx<'_>, want: &Self::Spec) -> Result<()>;

    /// Changes the fields of `diff`, all of which can be changed in place.
    async fn update(&self, cx: &Cx<'_>, want: &Self::Spec, found: &Found<Self>, diff: &Diff) -> Result<()>;

    /// Deletes the object.
    async fn delete(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<()>;

    /// Returns the spec to converge on while objects of an earlier stack file still exist. It keeps whatever those
    /// objects still use. See [`handover`](crate::handover).
    fn interim(&self, _cx: &Cx<'_>, _found: &Found<Self>, want: Self::Spec) -> Self::Spec {
        want
    }

    /// Deletes one of several duplicates of this step. AWS must refuse that for one that is in use.
    async fn delete_twin(&self, cx: &Cx<'_>, id: &str) -> Result<()> {
        Err(Error::Ambiguous { key: cx.key.clone(), ids: vec![id.to_owned()] })
    }

    /// Puts tags on an existing object. Not called for objects that have none ([`Cx::inherited`]).
    async fn tag(&self, _cx: &Cx<'_>, _found: &Found<Self>, _tags: &Tags) -> Result<()> {
        Ok(())
    }

    /// Returns the objects that still use this one if AWS refuses to delete it.
    async fn holders(&self, _cx: &Cx<'_>, _found: &Found<Self>) -> Result<Vec<Holder>> {
        Ok(vec![])
    }
}

/// An object that `find` saw.
pub struct Found<R: Resource> {
    /// AWS's own id or name, for people.
    pub id: String,
    /// The managed properties.
    pub spec: R::Spec,
    /// The outputs that others can read; `None` while AWS does not know them yet.
    pub output: Option<R::Output>,
    /// The object's phase.
    pub phase: Phase,
    /// The object's tags; [`Cx::inherited`] for an object that cannot carry any and belongs to a parent of the stack.
    pub tags: Tags,
}

/// Something that keeps an object from being deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    /// Its id, its owner and what to do.
    pub what: String,
    /// True if it goes away without anybody's doing: AWS is still cleaning up.
    pub passes: bool,
}

/// The phase of an object's life.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It works.
    Ready,
    /// AWS is at work on it; with AWS's own word for that.
    Busy(String),
    /// AWS is deleting it.
    Deleting,
    /// It will not become ready without an intervention; with the reason.
    Broken(String),
}

/// The usual duration of each verb on AWS [AWS 11].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Typical {
    /// From the create until the object is ready.
    pub create: Duration,
    /// From the update until the object is ready again.
    pub update: Duration,
    /// From the deletion until the object is gone.
    pub delete: Duration,
}

impl Typical {
    /// Makes durations from seconds.
    pub const fn secs(create: u64, update: u64, delete: u64) -> Self {
        Self {
            create: Duration::from_secs(create),
            update: Duration::from_secs(update),
            delete: Duration::from_secs(delete),
        }
    }
}

impl Default for Typical {
    fn default() -> Self {
        Self::secs(1, 1, 1)
    }
}
