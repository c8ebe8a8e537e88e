//! The life of a step, written once for every kind of resource.
use crate::{
    change::*,
    error::*,
    event::Event,
    refs::*,
    resource::*,
    wait::{Goal, Tries, broken, next_stage, sleep, until, until_within},
};
use futures::future::LocalBoxFuture;
use serde::Serialize;
use serde_json::{Value, to_value};
use std::time::Duration;
use tokio::time::Instant;

/// A step as the engine sees it: a key, its needs and four verbs.
pub trait Node {
    fn key(&self) -> &Key;
    fn needs(&self) -> &[Key];
    fn typical(&self) -> Typical;
    /// The IAM actions it needs.
    fn actions(&self) -> &'static [&'static str];
    /// Whether it is only used: never changed, never deleted.
    fn is_used(&self) -> bool;
    /// What is lost for ever when it is deleted, if it holds data.
    fn data(&self) -> Option<&'static str>;
    /// What to say where the account denies a step that the service is served without.
    fn extra(&self) -> Option<&'static str>;
    /// Looks at it. Changes nothing.
    fn observe<'a>(&'a self, env: &'a Env) -> LocalBoxFuture<'a, Result<Status>>;
    /// Says what [`Node::reconcile`] would do. Changes nothing.
    fn preview<'a>(&'a self, env: &'a Env) -> LocalBoxFuture<'a, Result<Change>>;
    /// Makes it as wanted and waits until it is.
    fn reconcile<'a>(&'a self, env: &'a Env) -> LocalBoxFuture<'a, Result<Change>>;
    /// Deletes it and waits until it is gone; whether there was anything to delete.
    fn remove<'a>(&'a self, env: &'a Env) -> LocalBoxFuture<'a, Result<bool>>;
}

/// What a look at one step saw.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    pub key: Key,
    /// `None`: it does not exist.
    pub phase: Option<Phase>,
    pub id: Option<String>,
    pub output: Option<Value>,
    pub drift: Diff,
    /// It exists already and is only used.
    pub used: bool,
}

/// Whose an object is.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Role {
    Ours,
    Used,
}

pub(crate) struct Managed<R: Resource> {
    pub resource: R,
    pub me: Ref<R>,
    pub needs: Vec<Key>,
    pub role: Role,
}

/// What one run has done about a step so far.
#[derive(Default)]
struct SoFar {
    did: Option<Change>,
    /// A create was sent that may have taken effect.
    sent: bool,
    /// How often there were several of it.
    twins: u32,
    /// When the first stage of its update began.
    staged: Option<Instant>,
}

/// Whether there is more to do about a step.
enum Stage {
    Next,
    Last,
}

/// The field that says that a step stands under another name than the wanted one.
const NAME: &str = "name";
/// How long what was created may take to show up before the create is sent again.
const SETTLE: Duration = Duration::from_secs(15);
/// How long somebody else's create, begun before ours was to be seen, may take to show up.
const TWIN: Duration = Duration::from_secs(3);
/// Between two tries to delete what is held: nothing of AWS lets go sooner, and a burst of deletions is throttled for
/// everybody in the account (aws-facts 4.6).
const HELD: Duration = Duration::from_millis(2500);
/// How long a deletion may wait for what AWS itself still has to let go of (an ALB's interfaces: up to 5 min).
const HOLD_FOR: Duration = Duration::from_secs(900);

impl<R: Resource> Managed<R> {
    fn cx<'a>(&'a self, env: &'a Env) -> Cx<'a> {
        Cx { env, key: self.me.key(), needs: &self.needs }
    }

    fn want(&self) -> R::Spec {
        self.resource.spec(&Inputs::default())
    }

    /// Finds the object, checks that it is ours, and lets the others read its outputs.
    async fn look(&self, cx: &Cx<'_>) -> Result<Option<Found<R>>> {
        let mut found = self.resource.find(cx).await?;
        if found.is_none() && cx.env.moves(cx.key) {
            found = self.resource.find(cx).await?;
        }
        if let Some(f) = found.as_ref().filter(|_| self.role == Role::Ours) {
            self.check_whose(cx, f).await?;
        }
        self.publish(&found);
        Ok(found)
    }

    /// Checks that what was found is the stack's: its tags say so, and something that not everybody can set.
    async fn check_whose(&self, cx: &Cx<'_>, found: &Found<R>) -> Result<()> {
        let (key, id, stack, keys) = (cx.key, &found.id, &cx.env.stack, &cx.env.keys);
        if cx.env.proofs.borrow_mut().finds_given(key, id) {
            return Ok(());
        }
        if found.tags.get(keys.stack()) != Some(stack) {
            let (key, id, stack) = (key.clone(), id.clone(), stack.clone());
            if let Some(prefix) = keys.elsewhere(&found.tags, &stack, &key) {
                return Err(Error::OtherPrefix { key, id, stack, prefix, ours: keys.prefix().into() });
            }
            return Err(Error::NotOurs { of: found.tags.get(keys.stack()).cloned(), key, id, stack });
        }
        if R::OF_PARENT || cx.env.proofs.borrow().is_proven(key, id) {
            return Ok(());
        }
        // Another run may have made it since the record was read.
        if let Some(reread) = &cx.env.reread
            && let Some(record) = reread().await
        {
            let mut proofs = cx.env.proofs.borrow_mut();
            proofs.learn(record, cx.env.alone.get());
            if proofs.is_proven(key, id) {
                return Ok(());
            }
        }
        Err(Error::Unproven { key: key.clone(), id: id.clone(), stack: stack.clone() })
    }

    /// Keeps in mind that this object is what the step has made.
    fn note_made(&self, cx: &Cx<'_>, found: Option<&Found<R>>) {
        if let Some(found) = found.filter(|f| self.role == Role::Ours && f.phase != Phase::Deleting) {
            cx.env.proofs.borrow_mut().has(cx.key, &found.id);
        }
    }

    fn publish(&self, found: &Option<Found<R>>) {
        self.me.set(found.as_ref().and_then(|f| f.output.clone()));
    }

    /// What is wanted for now, which may be less than what is wanted in the end.
    fn want_for_now(&self, cx: &Cx<'_>, found: Option<&Found<R>>) -> R::Spec {
        let Some(found) = found.filter(|_| !cx.env.last.get()) else { return self.want() };
        let now = self.resource.meanwhile(cx, found, self.want());
        if !Diff::between(&now, &self.want()).is_empty() {
            cx.env.unfinished.borrow_mut().insert(cx.key.clone());
        }
        now
    }

    /// What differs: the spec's fields, and the tags that every object of ours carries.
    fn diff(&self, cx: &Cx<'_>, found: &Found<R>, want: &R::Spec) -> Diff {
        let mut diff = Diff::between(&found.spec, want);
        diff.0.extend(cx.env.renames(cx.key).map(|name| Field {
            path: NAME.into(),
            found: Some(cx.name().into()),
            want: Some(name.as_str().into()),
        }));
        let tags = cx.tags().into_iter().filter(|(k, v)| found.tags.get(k) != Some(v));
        diff.0.extend(tags.map(|(k, v)| Field {
            found: found.tags.get(&k).map(|v| Value::from(v.as_str())),
            path: format!("{TAGS}.{k}"),
            want: Some(v.into()),
        }));
        diff
    }

    fn change(&self, cx: &Cx<'_>, found: &Option<Found<R>>, want: &R::Spec) -> Result<Change> {
        let Some(found) = found.as_ref().filter(|f| f.phase != Phase::Deleting) else {
            cx.env.moves(cx.key);
            return match self.role {
                Role::Ours => Ok(Change::Create { spec: to_value(want).expect("specs serialise") }),
                Role::Used => Err(Error::Missing { key: cx.key.clone(), what: format!("{} (to be used)", cx.key) }),
            };
        };
        if self.role == Role::Used {
            return Ok(Change::None);
        }
        let diff = self.diff(cx, found, want);
        let may_replace = !R::CARRIES_ALL && (R::DISPOSABLE || cx.env.replace.contains(cx.key.as_str()));
        Ok(if may_replace && matches!(found.phase, Phase::Broken(_)) {
            Change::Replace { diff, loses: R::LOSES }
        } else if diff.is_empty() {
            Change::None
        } else if self.fixed(found, want, &diff).is_empty() {
            Change::Update { diff }
        } else if may_replace {
            Change::Replace { diff, loses: R::LOSES }
        } else {
            let error = self.refused(cx, self.fixed(found, want, &diff));
            Change::Refuse { diff, help: (cx.env.advice)(&error).unwrap_or_default() }
        })
    }

    /// What differs and cannot be changed in place.
    fn fixed<'d>(&self, found: &Found<R>, want: &R::Spec, diff: &'d Diff) -> Vec<&'d Field> {
        let one_way = self.resource.one_way(&found.spec, want);
        let is_fixed = |f: &&Field| f.path == NAME || R::FIXED.iter().chain(one_way).any(|name| f.is(name));
        diff.0.iter().filter(is_fixed).collect()
    }

    fn refused(&self, cx: &Cx<'_>, fields: Vec<&Field>) -> Error {
        let was = |f: &&Field| match f.found.as_ref()? {
            Value::String(s) if s.len() < 40 => Some(format!("{} = {s:?}", f.path)),
            short @ (Value::Number(_) | Value::Bool(_)) => Some(format!("{} = {short}", f.path)),
            _ => None,
        };
        Error::Fixed {
            key: cx.key.clone(),
            was: fields.iter().filter_map(was).collect(),
            fields: fields.iter().map(|f| f.path.clone()).collect(),
            carries_all: R::CARRIES_ALL,
            loses: R::LOSES,
        }
    }

    fn expect(&self, env: &Env) -> Typical {
        env.expect(self.me.key(), self.resource.typical())
    }

    fn usually(&self, env: &Env, change: &Change) -> Duration {
        let t = self.expect(env);
        match change {
            Change::None | Change::Refuse { .. } => Duration::ZERO,
            Change::Delete { .. } => t.delete,
            Change::Create { .. } => t.create,
            Change::Update { .. } => t.update,
            Change::Replace { .. } => t.delete + t.create,
        }
    }

    /// Tries until the step is as wanted: whatever fails in a way that passes is begun again from the first look.
    async fn converge(&self, cx: &Cx<'_>) -> Result<Change> {
        let mut so_far = SoFar::default();
        let mut tries = Tries::default();
        loop {
            match self.attempt(cx, &mut so_far).await {
                Ok(Stage::Last) => return Ok(so_far.did.unwrap_or(Change::None)),
                Ok(Stage::Next) => {}
                Err(Error::Ambiguous { .. }) if R::TWINS && so_far.twins < 3 => {
                    so_far.twins += 1;
                    self.keep_one(cx).await?;
                }
                Err(e) => tries.again(&self.resource, cx, e).await?,
            }
        }
    }

    async fn attempt(&self, cx: &Cx<'_>, so_far: &mut SoFar) -> Result<Stage> {
        let typical = self.expect(cx.env);
        let mut found = if so_far.sent { self.look_long(cx).await? } else { self.look(cx).await? };
        let gone = found.as_ref().map(|f| f.id.clone()).unwrap_or_default();
        match found.as_ref().map(|f| &f.phase) {
            Some(Phase::Deleting) => found = until(&self.resource, cx, Goal::Gone(&gone), typical.delete).await?,
            Some(Phase::Busy(_)) if R::STAGED => {
                let since = *so_far.staged.get_or_insert_with(Instant::now);
                found = until_within(&self.resource, cx, Goal::Settled, typical.update, since).await?
            }
            Some(Phase::Busy(_)) => found = until(&self.resource, cx, Goal::Settled, typical.create).await?,
            _ => {}
        }
        let want = self.want_for_now(cx, found.as_ref());
        let change = self.change(cx, &found, &want)?;
        let usually = self.usually(cx.env, &change);
        if so_far.did.is_none() || !change.is_none() {
            cx.env.events.say(Event::planned(cx.key, &change, usually));
        }
        // What counts is what was done first: a second round after a lost answer often finds nothing left to do.
        if so_far.did.as_ref().is_none_or(Change::is_none) {
            so_far.did = Some(change.clone());
        }
        match (&change, found) {
            (Change::None, found) => {
                if let Some(Phase::Broken(why)) = found.as_ref().map(|f| &f.phase) {
                    return Err(broken(&self.resource, cx, why));
                }
                self.note_made(cx, found.as_ref());
                self.publish(&found);
                return Ok(Stage::Last);
            }
            (Change::Create { .. }, _) => self.create(cx, so_far).await?,
            (Change::Update { diff }, Some(found)) => {
                self.update(cx, &found, diff, &want).await.map_err(not_visible)?;
                if R::STAGED {
                    let since = *so_far.staged.get_or_insert_with(Instant::now);
                    next_stage(&self.resource, cx, since).await?;
                    return Ok(Stage::Next);
                }
            }
            (Change::Replace { .. }, Some(found)) => {
                self.delete(cx, found).await?;
                cx.env.moves(cx.key);
                self.create(cx, so_far).await?
            }
            (Change::Refuse { diff, .. }, Some(found)) => {
                return Err(self.refused(cx, self.fixed(&found, &want, diff)));
            }
            (Change::Update { .. } | Change::Replace { .. } | Change::Refuse { .. }, None)
            | (Change::Delete { .. }, _) => {
                unreachable!("only what exists is updated, and nothing wanted is deleted")
            }
        }
        let made = until(&self.resource, cx, Goal::Matching(&want), usually).await?;
        self.note_made(cx, made.as_ref());
        self.publish(&made);
        Ok(Stage::Last)
    }

    /// Creates it. Some creates have no client token: what was sent must have had the time to show up before it
    /// is sent again, or there are two.
    async fn create(&self, cx: &Cx<'_>, so_far: &mut SoFar) -> Result<()> {
        so_far.sent = true;
        cx.env.proofs.borrow_mut().sends(cx.key);
        match self.resource.create(cx, &self.want()).await {
            // Whoever is not alone waits until both see both: then both keep the same one.
            Ok(()) if R::TWINS && !cx.env.alone.get() => sleep(cx.env, twin(cx.env)).await,
            Ok(()) => Ok(()),
            Err(e) if e.class() == Some(Class::Lost) => {
                cx.env.proofs.borrow_mut().misses(cx.key);
                Err(e)
            }
            Err(e) if e.class() == Some(Class::AlreadyExists) => {
                // Nobody of ours is at work, and every answer came: whoever made it is none of ours.
                if cx.env.alone.get() {
                    cx.env.proofs.borrow_mut().stands_foreign(cx.key);
                }
                // Made by a call whose answer was lost, or by somebody else, perhaps not to the end: begun again.
                Err(if self.look_long(cx).await?.is_some() { lost(e) } else { e })
            }
            Err(e) => {
                so_far.sent = false;
                if cx.env.alone.get() {
                    cx.env.proofs.borrow_mut().refused(cx.key);
                }
                Err(not_visible(e))
            }
        }
    }

    /// There are several: two runs made one each at the same moment, or one was cut before it knew. The one that is in
    /// use stays, or else the first by id; that is the same for all who look.
    async fn keep_one(&self, cx: &Cx<'_>) -> Result<()> {
        sleep(cx.env, twin(cx.env)).await?;
        let Err(Error::Ambiguous { mut ids, .. }) = self.look(cx).await else { return Ok(()) };
        // Where tags have to do, one of them may be anybody's.
        if !cx.env.proofs.borrow().can_tell(cx.key) {
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

    /// Looks until what was sent for has had the time to show up.
    async fn look_long(&self, cx: &Cx<'_>) -> Result<Option<Found<R>>> {
        let start = Instant::now();
        loop {
            let found = self.look(cx).await?;
            if found.is_some() || start.elapsed() > cx.env.pace.of(SETTLE).max(Duration::from_secs(2)) {
                return Ok(found);
            }
            sleep(cx.env, cx.env.pace.pause(start.elapsed(), Duration::ZERO, cx.env.strain.get())).await?;
        }
    }

    async fn update(&self, cx: &Cx<'_>, found: &Found<R>, diff: &Diff, want: &R::Spec) -> Result<()> {
        if diff.touches(TAGS) {
            let all = cx.tags();
            let missing = all.into_iter().filter(|(k, v)| found.tags.get(k) != Some(v)).collect();
            self.resource.tag(cx, found, &missing).await?;
        }
        if diff.only(&[TAGS]) { Ok(()) } else { self.resource.update(cx, want, found, diff).await }
    }

    /// Checks that this one may be deleted: what holds data is as the stack file describes it in what cannot be changed,
    /// and nobody protects it.
    fn check_deletion(&self, cx: &Cx<'_>, found: &Found<R>) -> Result<()> {
        let (key, id) = (cx.key, &found.id);
        if cx.env.proofs.borrow().is_to_delete(id) || found.phase == Phase::Deleting {
            return Ok(());
        }
        // One that is to be replaced is named, and differs.
        if R::HOLDS_DATA && !cx.env.replace.contains(key.as_str()) {
            let diff = Diff::between(&found.spec, &self.want());
            let unlike = diff.0.into_iter().filter(|f| R::FIXED.iter().any(|name| f.is(name)) && !is_to_come(f));
            let fields: Vec<String> = unlike.map(|f| f.path).collect();
            if !fields.is_empty() {
                return Err(Error::Unlike { key: key.clone(), id: id.clone(), fields });
            }
        }
        if self.resource.is_protected(found) {
            return Err(Error::Protected { key: key.clone(), id: id.clone() });
        }
        Ok(())
    }

    /// Deletes it and waits until it is gone, for as long as what holds it is going to let go by itself.
    async fn delete(&self, cx: &Cx<'_>, found: Found<R>) -> Result<()> {
        let start = Instant::now();
        let mut tries = Tries::default();
        let mut found = Some(found);
        while let Some(f) = found {
            let asked = match &f.phase {
                Phase::Deleting => Ok(()),
                _ => match self.check_deletion(cx, &f) {
                    Ok(()) => self.resource.delete(cx, &f).await,
                    Err(e) => return Err(e),
                },
            };
            match asked {
                Err(e) if e.class() == Some(Class::InUse) => self.held(cx, &f, start).await?,
                // It is still being made or changed, which may take longer than trying would.
                Err(e) if e.class() == Some(Class::WrongState) && matches!(f.phase, Phase::Busy(_)) => {
                    until(&self.resource, cx, Goal::Settled, self.expect(cx.env).create).await?;
                }
                Err(e) if e.class() != Some(Class::NotFound) => tries.again(&self.resource, cx, e).await?,
                _ => {
                    until(&self.resource, cx, Goal::Gone(&f.id), self.resource.typical().delete).await?;
                    cx.env.proofs.borrow_mut().lost(cx.key, &f.id);
                    return Ok(());
                }
            }
            found = self.look(cx).await?;
        }
        Ok(())
    }

    async fn held(&self, cx: &Cx<'_>, found: &Found<R>, start: Instant) -> Result<()> {
        let holders = self.resource.holders(cx, found).await.unwrap_or_default();
        let (waited, by) = (start.elapsed(), holders.iter().map(|h| h.what.clone()).collect::<Vec<_>>());
        if waited > HOLD_FOR || holders.iter().any(|h| !h.passes) {
            return Err(Error::Blocked { key: cx.key.clone(), by, waited });
        }
        let phase = if by.is_empty() { "in use".into() } else { format!("in use by {}", by.join(", ")) };
        cx.env.events.say(Event::Waiting { key: cx.key.clone(), phase });
        let pace = &cx.env.pace;
        let pause = pace.pause(waited, Duration::ZERO, cx.env.strain.get());
        sleep(cx.env, pause.max(pace.jittered(pace.of(HELD)))).await
    }

    /// A look of those who change nothing: they would rather hear what could not be seen than wait for it.
    async fn look_for_a_while(&self, cx: &Cx<'_>) -> Result<Option<Found<R>>> {
        let mut failed = None;
        let look = async {
            let mut tries = Tries::default();
            loop {
                match self.look(cx).await {
                    Err(e) => {
                        failed = Some(e.clone());
                        tries.again(&self.resource, cx, e).await?
                    }
                    found => return found,
                }
            }
        };
        let ended = tokio::time::timeout(cx.env.patience, look).await;
        ended.unwrap_or_else(|_| Err(failed.unwrap_or(Error::NoAnswer { waited: cx.env.patience })))
    }

    /// A look that tries again what fails in a way that passes.
    async fn look_patiently(&self, cx: &Cx<'_>) -> Result<Option<Found<R>>> {
        let mut tries = Tries::default();
        loop {
            match self.look(cx).await {
                Err(e) => tries.again(&self.resource, cx, e).await?,
                found => return found,
            }
        }
    }
}

/// Whether what is wanted comes of another step, which has not been seen.
fn is_to_come(field: &Field) -> bool {
    field.want.as_ref().and_then(Value::as_str).is_some_and(|text| text.starts_with("(known after "))
}

fn lost(e: Error) -> Error {
    match e {
        Error::Aws(mut a) => {
            a.class = Class::Lost;
            Error::Aws(a)
        }
        e => e,
    }
}

fn twin(env: &Env) -> Duration {
    env.pace.of(TWIN).max(Duration::from_secs(2))
}

/// What a create or update does not find was there a moment ago: it is not visible everywhere yet.
fn not_visible(e: Error) -> Error {
    match e {
        Error::Aws(mut a) if a.class == Class::NotFound => {
            a.class = Class::NotYetVisible;
            Error::Aws(a)
        }
        e => e,
    }
}

/// Where tags stand in a diff.
const TAGS: &str = "tags";

impl<R: Resource> Node for Managed<R> {
    fn key(&self) -> &Key {
        self.me.key()
    }
    fn needs(&self) -> &[Key] {
        &self.needs
    }
    fn typical(&self) -> Typical {
        self.resource.typical()
    }
    fn actions(&self) -> &'static [&'static str] {
        R::ACTIONS
    }
    fn is_used(&self) -> bool {
        self.role == Role::Used
    }
    fn data(&self) -> Option<&'static str> {
        R::LOSES.filter(|_| R::HOLDS_DATA)
    }
    fn extra(&self) -> Option<&'static str> {
        R::EXTRA
    }

    fn observe<'a>(&'a self, env: &'a Env) -> LocalBoxFuture<'a, Result<Status>> {
        Box::pin(async move {
            let cx = self.cx(env);
            let found = self.look_for_a_while(&cx).await?;
            let found = found.as_ref();
            Ok(Status {
                key: cx.key.clone(),
                phase: found.map(|f| f.phase.clone()),
                id: found.map(|f| f.id.clone()),
                output: found.and_then(|f| f.output.as_ref()).map(|o| to_value(o).expect("outputs serialise")),
                drift: found
                    .filter(|_| self.role == Role::Ours)
                    .map(|f| self.diff(&cx, f, &self.want()))
                    .unwrap_or_default(),
                used: self.role == Role::Used,
            })
        })
    }

    fn preview<'a>(&'a self, env: &'a Env) -> LocalBoxFuture<'a, Result<Change>> {
        Box::pin(async move {
            let cx = self.cx(env);
            let found = self.look_for_a_while(&cx).await?;
            let change = self.change(&cx, &found, &self.want())?;
            // Said before anything is begun.
            if let (Change::Replace { .. }, Some(found)) = (&change, &found) {
                self.check_deletion(&cx, found)?;
            }
            // Nothing to change about it, and still it is not well.
            if let (Change::None, Some(Phase::Broken(why))) = (&change, found.as_ref().map(|f| &f.phase)) {
                return Err(broken(&self.resource, &cx, why));
            }
            // What comes out of this is not known before it is done.
            if matches!(change, Change::Replace { .. }) || R::MINTS && matches!(change, Change::Update { .. }) {
                self.me.set(None)
            }
            env.events.say(Event::planned(cx.key, &change, self.usually(env, &change)));
            Ok(change)
        })
    }

    fn reconcile<'a>(&'a self, env: &'a Env) -> LocalBoxFuture<'a, Result<Change>> {
        Box::pin(async move {
            let cx = self.cx(env);
            let change = self.converge(&cx).await?;
            env.events.say(Event::Done { key: cx.key.clone(), change: change.word() });
            Ok(change)
        })
    }

    fn remove<'a>(&'a self, env: &'a Env) -> LocalBoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let cx = self.cx(env);
            if self.role == Role::Used {
                return Ok(false);
            }
            let found = match self.look_patiently(&cx).await {
                // A stranger's object stands where ours would: there is nothing of ours to delete.
                Err(Error::NotOurs { .. }) => None,
                Err(Error::Ambiguous { .. }) if R::TWINS => {
                    self.keep_one(&cx).await?;
                    self.look_patiently(&cx).await?
                }
                found => found?,
            };
            let Some(found) = found else { return Ok(false) };
            self.delete(&cx, found).await?;
            self.me.set(None);
            env.events.say(Event::Deleted { key: cx.key.clone() });
            Ok(true)
        })
    }
}
