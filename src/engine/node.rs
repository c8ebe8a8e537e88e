//! The life of a step, written once for every kind of resource.
//!
//! [`Node`] is what a walk sees of a step. Its one implementation looks (`look.rs`), decides (`decide.rs`) and acts
//! (`converge.rs`, `create.rs`, `remove.rs`).
use crate::{Change, Cx, Diff, Env, Error, Event, Inputs, Key, Phase, Ref, Resource, Result, Typical, wait::broken};
use futures::future::LocalBoxFuture;
use serde::Serialize;
use serde_json::{Value, to_value};

/// A step as a walk sees it: a key, its needs and four verbs.
pub trait Node {
    /// Returns the step's key.
    fn key(&self) -> &Key;
    /// Returns the keys of the steps that it needs.
    fn needs(&self) -> &[Key];
    /// Returns how long AWS usually takes for it.
    fn typical(&self) -> Typical;
    /// Returns the IAM actions that it needs.
    fn actions(&self) -> &'static [&'static str];
    /// True if the object is only used: never changed, never deleted.
    fn is_used(&self) -> bool;
    /// Returns the loss when the object is deleted, if it holds data.
    fn data(&self) -> Option<&'static str>;
    /// Returns the help text for an account that denies the step, if the service can do without it.
    fn extra(&self) -> Option<&'static str>;
    /// True if the objects that this one needs can be deleted before it is gone.
    fn outlives_needs(&self) -> bool;
    /// Looks at the object. Changes nothing.
    fn observe<'a>(&'a self, env: &'a Env) -> LocalBoxFuture<'a, Result<Status>>;
    /// Returns what [`Node::reconcile`] would do. Changes nothing.
    fn preview<'a>(&'a self, env: &'a Env) -> LocalBoxFuture<'a, Result<Change>>;
    /// Makes the object as wanted and waits until it is.
    fn reconcile<'a>(&'a self, env: &'a Env) -> LocalBoxFuture<'a, Result<Change>>;
    /// Deletes the object and waits until it is gone. True if there was anything to delete.
    fn remove<'a>(&'a self, env: &'a Env) -> LocalBoxFuture<'a, Result<bool>>;
}

/// The result of a look at one step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The step.
    pub key: Key,
    /// The object's phase; `None` if it does not exist.
    pub phase: Option<Phase>,
    /// AWS's own id or name of the object.
    pub id: Option<String>,
    /// The step that the object's tags name, if they name another step of the stack.
    #[serde(skip)]
    pub other_step: Option<String>,
    /// The outputs that other steps can read.
    pub output: Option<Value>,
    /// Further names by which a stack file can refer to the object ([`Resource::aliases`]).
    #[serde(skip)]
    pub aliases: Vec<String>,
    /// The fields in which the object differs from what is wanted.
    pub drift: Diff,
    /// True if the object is only used, and was not created by the stack.
    pub used: bool,
}

/// The part that the stack plays for an object.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Role {
    /// The stack creates, changes and deletes the object.
    Ours,
    /// The stack reads the object only. Somebody else looks after it.
    Used,
}

/// A step of one kind of resource.
pub(crate) struct Managed<R: Resource> {
    pub resource: R,
    pub me: Ref<R>,
    pub needs: Vec<Key>,
    pub role: Role,
}

impl<R: Resource> Managed<R> {
    fn cx<'a>(&'a self, env: &'a Env) -> Cx<'a> {
        Cx { env, key: self.me.key(), needs: &self.needs }
    }

    pub(crate) fn want(&self) -> R::Spec {
        self.resource.spec(&Inputs::default())
    }

    pub(crate) fn expected(&self, env: &Env) -> Typical {
        env.expected(self.me.key(), self.resource.typical())
    }
}

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
    fn outlives_needs(&self) -> bool {
        R::OUTLIVES_NEEDS
    }

    fn observe<'a>(&'a self, env: &'a Env) -> LocalBoxFuture<'a, Result<Status>> {
        Box::pin(async move {
            let cx = self.cx(env);
            let found = self.look_with_patience(&cx).await?;
            let found = found.as_ref();
            Ok(Status {
                key: cx.key.clone(),
                phase: found.map(|f| f.phase.clone()),
                id: found.map(|f| f.id.clone()),
                other_step: found
                    .and_then(|f| cx.step_of(&f.tags))
                    .filter(|step| *step != cx.key.as_str())
                    .map(Into::into),
                output: found.and_then(|f| f.output.as_ref()).map(|o| to_value(o).expect("outputs serialise")),
                aliases: found.and_then(|f| f.output.as_ref()).map(R::aliases).unwrap_or_default(),
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
            let found = self.look_with_patience(&cx).await?;
            let change = self.change(&cx, &found, &self.want())?;
            // An error of a deletion is reported before anything is begun.
            if let (Change::Replace { .. }, Some(found)) = (&change, &found) {
                self.check_deletion(&cx, found)?;
            }
            // An object can be as wanted in all its fields, and broken all the same.
            if let (Change::None, Some(Phase::Broken(why))) = (&change, found.as_ref().map(|f| &f.phase)) {
                return Err(broken(&self.resource, &cx, why));
            }
            // The outputs of this change are not known before it is done.
            if matches!(change, Change::Replace { .. }) || R::MINTS && matches!(change, Change::Update { .. }) {
                self.me.set(None)
            }
            env.events.say(Event::planned(cx.key, &change, self.usual_duration(env, &change)));
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
            let found = match self.look_until_answered(&cx).await {
                // Somebody else's object is in the place of ours: there is nothing of ours to delete.
                Err(Error::NotOurs { .. }) => None,
                Err(Error::Ambiguous { .. }) if R::TWINS => {
                    self.keep_one(&cx).await?;
                    self.look_until_answered(&cx).await?
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
