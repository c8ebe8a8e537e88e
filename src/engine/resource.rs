//! The one trait to implement for a new kind of AWS object.
use crate::{Diff, Error, Events, Inputs, Key, Known, Proofs, Record, Ref, Result, Stop, wait::Pace};
use futures::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

pub type Tags = BTreeMap<String, String>;

/// One AWS object that gameday keeps as the stack file describes it.
///
/// `find` must not create anything and must see every object that an earlier, interrupted run may have made.
/// `create`, `update` and `delete` return as soon as AWS has accepted the call: waiting is the engine's work.
#[allow(async_fn_in_trait, reason = "everything runs on one thread: nothing asks for `Send`")]
pub trait Resource: Sized + 'static {
    /// The first half of the step's key: `database` in `database/main`.
    const KIND: &'static str;
    /// What gameday manages, in one shape for both what is wanted and what is found. Compared as it serialises:
    /// `find` puts an equal value in the wanted form (`8.4.6` as `8.4`, if that is what is wanted).
    type Spec: Serialize;
    /// What other resources may read once this one exists.
    type Output: Clone + Serialize;
    /// Spec fields AWS cannot change in place.
    const FIXED: &'static [&'static str] = &[];
    /// What is lost when it is deleted, for those who insist on that: `the data in it`.
    const LOSES: Option<&'static str> = None;
    /// True if it holds data of the service that nothing brings back once it is deleted.
    const HOLDS_DATA: bool = false;
    /// Whether it may be deleted and made again for a change of a fixed field: no data and no address is lost.
    const DISPOSABLE: bool = false;
    /// True if everything of the stack stands in it: then it is never deleted and made again, whoever insists.
    const CARRIES_ALL: bool = false;
    /// Whether an update gives new outputs (a launch template mints a version).
    const MINTS: bool = false;
    /// Whether an update goes by stages: `update` does the next one, `find` says `Busy` until the one after it may come.
    /// `PATIENCE` is for all of them.
    const STAGED: bool = false;
    /// True if AWS keeps it only within another object, which `find` looks for it in: whose that is says whose it is.
    const OF_PARENT: bool = false;
    /// Whether two who create it at the same moment make two: it has neither a token nor a name that AWS keeps unique.
    const TWINS: bool = false;
    /// The IAM actions that its verbs need, for `gameday policy`; those of [`Resource::tag`] too.
    const ACTIONS: &'static [&'static str] = &[];
    /// How long to wait for AWS to finish.
    const PATIENCE: Duration = Duration::from_secs(600);

    /// For a kind that the service is served without: what to say where the account denies it. Nothing may need it.
    const EXTRA: Option<&'static str> = None;

    /// What is wanted. Pure; the references it reads are the step's dependencies.
    fn spec(&self, inputs: &Inputs) -> Self::Spec;
    /// Fields that AWS changes in place, but not from what is found to what is wanted: storage cannot shrink.
    fn one_way(&self, _found: &Self::Spec, _want: &Self::Spec) -> &'static [&'static str] {
        &[]
    }
    /// True if AWS keeps this one from being deleted until somebody takes that off.
    fn is_protected(&self, _found: &Found<Self>) -> bool {
        false
    }
    /// What repairs one that is broken in this way and keeps what is in it, where something does.
    fn repair(&self, _cx: &Cx<'_>, _why: &str) -> Option<String> {
        None
    }
    /// How long AWS usually takes; for progress, ETA and the polling schedule.
    fn typical(&self) -> Typical {
        Typical::default()
    }
    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>>;
    async fn create(&self, cx: &Cx<'_>, want: &Self::Spec) -> Result<()>;
    async fn update(&self, cx: &Cx<'_>, want: &Self::Spec, found: &Found<Self>, diff: &Diff) -> Result<()>;
    async fn delete(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<()>;
    /// What to be content with until what remains from an earlier file is gone: what that still needs is not taken
    /// away under it. [`Env::last`] says that it is gone.
    fn meanwhile(&self, _cx: &Cx<'_>, _found: &Found<Self>, want: Self::Spec) -> Self::Spec {
        want
    }
    /// Deletes one of several that stand for this step. AWS must refuse it for one that is in use.
    async fn delete_twin(&self, cx: &Cx<'_>, id: &str) -> Result<()> {
        Err(Error::Ambiguous { key: cx.key.clone(), ids: vec![id.to_owned()] })
    }
    /// Puts tags on an object that exists. Not called for what has none ([`Cx::inherited`]).
    async fn tag(&self, _cx: &Cx<'_>, _found: &Found<Self>, _tags: &Tags) -> Result<()> {
        Ok(())
    }
    /// What still holds it when AWS will not delete it.
    async fn holders(&self, _cx: &Cx<'_>, _found: &Found<Self>) -> Result<Vec<Holder>> {
        Ok(vec![])
    }
}

/// What `find` saw.
pub struct Found<R: Resource> {
    /// AWS's own id or name of it, for people.
    pub id: String,
    pub spec: R::Spec,
    /// What others may read; `None` while AWS does not know it yet.
    pub output: Option<R::Output>,
    pub phase: Phase,
    /// Its tags; [`Cx::inherited`] for what cannot carry any and belongs to a parent that is ours.
    pub tags: Tags,
}

/// Something that keeps an object from being deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    /// Its id, its owner and what to do.
    pub what: String,
    /// Whether it goes away by itself: AWS is still cleaning up.
    pub passes: bool,
}

/// Where an object is in its life.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Ready,
    /// AWS is at work on it; in AWS's own word.
    Busy(String),
    Deleting,
    /// It will not become ready by itself.
    Broken(String),
}

/// How long AWS usually takes for each verb (aws-facts 11).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Typical {
    pub create: Duration,
    pub update: Duration,
    pub delete: Duration,
}
impl Typical {
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

/// Reads the record of the stack as it is now; `None` where it cannot be read.
pub type Reread = Box<dyn Fn() -> LocalBoxFuture<'static, Option<Record>>>;

/// The snapshot that a database leaves when it is deleted.
#[derive(Clone, Debug, Default)]
pub struct FinalSnapshot {
    pub name: String,
    /// Whether one is made: it was asked for, or a database was valued higher than the stack file does.
    pub wanted: Cell<bool>,
}

/// What the whole run shares.
pub struct Env {
    pub stack: String,
    /// The keys of the tags that say so.
    pub keys: TagKeys,
    /// The user's tags, put on everything.
    pub tags: Tags,
    /// Exact names by step key, where the user prescribes them.
    pub names: BTreeMap<String, String>,
    /// Steps that stand under a name (in `names`) that is no longer the wanted one, with that.
    pub renamed: BTreeMap<String, String>,
    /// Those of them of which nothing stands under the old name any more.
    pub moved: RefCell<BTreeSet<Key>>,
    /// Steps that may be deleted and made again although something is lost.
    pub replace: BTreeSet<String>,
    /// What proves whose an object is.
    pub proofs: RefCell<Proofs>,
    /// Reads the record again, where another run may have written it since.
    pub reread: Option<Reread>,
    /// The snapshot that a database leaves when it is deleted.
    pub final_snapshot: FinalSnapshot,
    pub pace: Pace,
    /// How long the creation of a step has taken here before, where that is known.
    pub shown: BTreeMap<Key, Duration>,
    pub events: Events,
    pub stop: Stop,
    /// How much slower to poll because AWS throttles; 1 when it does not.
    pub strain: Cell<f64>,
    /// Whether nobody else is at work on the stack, as far as one can know. Who is not alone looks twice.
    pub alone: Cell<bool>,
    /// Whether nothing remains from an earlier file: the last walk takes away what the first one left.
    pub last: Cell<bool>,
    /// The steps that were content with less, for the last walk ([`Resource::meanwhile`]).
    pub unfinished: RefCell<BTreeSet<Key>>,
    /// How long a look that changes nothing goes on about one step, when its calls fail or get no answer.
    pub patience: Duration,
}

impl Env {
    pub fn new(stack: impl Into<String>, events: Events) -> Self {
        Self {
            stack: stack.into(),
            keys: TagKeys::default(),
            tags: Tags::new(),
            names: BTreeMap::new(),
            renamed: BTreeMap::new(),
            moved: RefCell::default(),
            replace: BTreeSet::new(),
            proofs: RefCell::default(),
            reread: None,
            final_snapshot: FinalSnapshot::default(),
            pace: Pace::default(),
            shown: BTreeMap::new(),
            events,
            stop: Stop::default(),
            strain: Cell::new(1.0),
            alone: Cell::new(true),
            last: Cell::new(false),
            unfinished: RefCell::default(),
            patience: Duration::from_secs(10),
        }
    }

    /// Waits so long (of AWS's time), unless the run is to stop.
    pub async fn rest(&self, d: Duration) -> Result<()> {
        crate::wait::sleep(self, self.pace.of(d)).await
    }

    /// The name that a step should have, while it stands under another.
    pub(crate) fn renames(&self, key: &Key) -> Option<&String> {
        self.renamed.get(key.as_str()).filter(|_| !self.moved.borrow().contains(key))
    }

    /// From now on the step goes by the name it should have; whether that is another one.
    pub(crate) fn moves(&self, key: &Key) -> bool {
        let other = self.renames(key).is_some();
        if other {
            self.moved.borrow_mut().insert(key.clone());
        }
        other
    }

    /// How long a step takes: as it was shown here, else as is usual.
    pub fn expect(&self, key: &Key, usual: Typical) -> Typical {
        self.shown.get(key).map_or(usual, |d| Typical { create: *d, ..usual })
    }
}

/// The keys of the tags by which a stack finds what is its own. They share a prefix, which the user may choose.
///
/// It serialises as its prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct TagKeys {
    prefix: String,
    stack: String,
    step: String,
}

impl TagKeys {
    /// The prefix where none is chosen.
    pub const USUAL: &str = "gameday:";

    pub fn new(prefix: &str) -> Self {
        let key = |of: &str| format!("{prefix}{of}");
        Self { prefix: prefix.into(), stack: key("stack"), step: key("step") }
    }
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
    /// The tag that says whose an object is.
    pub fn stack(&self) -> &str {
        &self.stack
    }
    /// The tag that says which step an object is.
    pub fn step(&self) -> &str {
        &self.step
    }
    /// Another tag of ours.
    pub fn other(&self, of: &str) -> String {
        format!("{}{of}", self.prefix)
    }
    pub fn is_usual(&self) -> bool {
        self.prefix == Self::USUAL
    }

    /// The prefix under which these tags say that an object is this step of this stack, if it is another one than ours.
    pub(crate) fn elsewhere(&self, tags: &Tags, stack: &str, key: &Key) -> Option<String> {
        let mut prefixes = tags.iter().filter(|(_, v)| *v == stack).filter_map(|(k, _)| k.strip_suffix("stack"));
        let is_step = |prefix: &&str| tags.get(&format!("{prefix}step")).is_some_and(|step| step == key.as_str());
        prefixes.find(|prefix| *prefix != self.prefix && is_step(prefix)).map(Into::into)
    }
}

impl Default for TagKeys {
    fn default() -> Self {
        Self::new(Self::USUAL)
    }
}
impl From<String> for TagKeys {
    fn from(prefix: String) -> Self {
        Self::new(&prefix)
    }
}
impl From<TagKeys> for String {
    fn from(keys: TagKeys) -> Self {
        keys.prefix
    }
}

/// What one step is given.
pub struct Cx<'a> {
    pub env: &'a Env,
    pub key: &'a Key,
    pub(crate) needs: &'a [Key],
}

impl Cx<'_> {
    /// The object's AWS name: prescribed in `[names]`, or `stack-name`. What stands under another name keeps that.
    pub fn name(&self) -> String {
        let moved = self.env.moved.borrow().contains(self.key);
        let names = if moved { &self.env.renamed } else { &self.env.names };
        names.get(self.key.as_str()).cloned().unwrap_or_else(|| format!("{}-{}", self.env.stack, self.key.name()))
    }
    /// The tags every object of ours carries.
    pub fn tags(&self) -> Tags {
        let mut tags = self.env.tags.clone();
        tags.insert(self.env.keys.stack().into(), self.env.stack.clone());
        tags.insert(self.env.keys.step().into(), self.key.to_string());
        tags.insert("Name".into(), self.name());
        tags
    }
    /// Those of several objects with the tags of this step that are proven to be the stack's, by id.
    pub fn own(&self, ids: &[&str]) -> BTreeSet<String> {
        self.env.proofs.borrow_mut().own(self.key, ids)
    }
    /// Notes the id that a create has answered: of several objects with the tags of this step that one is it. Where others
    /// are at work as well, they all keep the same one.
    pub fn made(&self, id: &str) {
        if !id.is_empty() {
            self.env.proofs.borrow_mut().answers(self.key, id, self.env.alone.get());
        }
    }
    /// True if the stack has made this object as another step, as far as anything says so.
    pub fn has_made(&self, step: &str, id: &str) -> bool {
        self.env.proofs.borrow().record.as_ref().is_none_or(|r| r.may_have_made(step, id))
    }
    /// For an object that cannot carry tags and belongs to a parent that is ours.
    pub fn inherited(&self) -> Tags {
        self.tags()
    }
    /// A value of another step, for `find` and the verbs.
    pub fn read<R: Resource, T>(&self, from: &Ref<R>, pick: impl FnOnce(&R::Output) -> T) -> Known<T> {
        debug_assert!(self.needs.contains(from.key()), "{} reads {} but its spec does not", self.key, from.key());
        Inputs::default().read(from, pick)
    }
}
