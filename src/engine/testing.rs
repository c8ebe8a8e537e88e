//! A cloud that lives in memory, for the laws and the benchmarks: slow, eventually consistent and unreliable.
use crate::*;
use serde::Serialize;
use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};
use tokio::time::Instant;

/// The account: its objects, and every mutating call that took effect.
#[derive(Clone, Default)]
pub struct World(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    objects: Vec<Object>,
    log: Vec<String>,
    calls: usize,
    faults: BTreeMap<usize, Fault>,
    next_id: usize,
    hidden_for: Duration,
    in_use_until: Option<Instant>,
}

#[derive(Clone)]
pub struct Object {
    pub id: String,
    pub name: String,
    pub size: u32,
    pub links: Vec<String>,
    pub tags: Tags,
    born: Instant,
    busy_until: Instant,
    dying: bool,
}

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    Throttled,
    /// The call does not take effect, and the caller cannot know.
    LostBefore,
    /// The call takes effect, and the caller cannot know.
    LostAfter,
    Denied,
    Expired,
}

impl World {
    /// The calls that took effect since the last look at them.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.0.borrow_mut().log)
    }
    /// Calls so far, reads too.
    pub fn calls(&self) -> usize {
        self.0.borrow().calls
    }
    /// Makes the n-th call from now (0 is the next) fail.
    pub fn fail(&self, n: usize, fault: Fault) {
        let mut w = self.0.borrow_mut();
        let at = w.calls + n;
        w.faults.insert(at, fault);
    }
    /// No more faults.
    pub fn heal(&self) {
        self.0.borrow_mut().faults.clear();
    }
    /// How long a fresh object is not to be seen.
    pub fn hide_fresh(&self, d: Duration) {
        self.0.borrow_mut().hidden_for = d;
    }
    /// For how long nothing can be changed, since it is in use.
    pub fn in_use_for(&self, d: Duration) {
        self.0.borrow_mut().in_use_until = Some(Instant::now() + d);
    }
    /// Somebody deletes an object, which takes this long.
    pub fn on_its_way_out(&self, name: &str, d: Duration) {
        self.meddle(name, |o| (o.dying, o.busy_until) = (true, Instant::now() + d))
    }
    pub fn names(&self) -> Vec<String> {
        self.0.borrow().objects.iter().map(|o| o.name.clone()).collect()
    }
    /// The ids of the objects of that name.
    pub fn objects(&self, name: &str) -> Vec<String> {
        self.0.borrow().objects.iter().filter(|o| o.name == name).map(|o| o.id.clone()).collect()
    }
    /// Changes an object behind gameday's back.
    pub fn meddle(&self, name: &str, f: impl FnOnce(&mut Object)) {
        f(self.0.borrow_mut().objects.iter_mut().find(|o| o.name == name).expect("there is such an object"))
    }
    pub fn lose(&self, name: &str) {
        self.0.borrow_mut().objects.retain(|o| o.name != name)
    }

    /// One call: its fault before and after, and what it does.
    async fn call<T>(&self, name: &'static str, act: impl FnOnce(&mut Inner) -> Result<T>) -> Result<T> {
        let fault = {
            let mut w = self.0.borrow_mut();
            w.calls += 1;
            let n = w.calls - 1;
            w.faults.remove(&n)
        };
        tokio::time::sleep(Duration::from_millis(50)).await;
        let fail = |class| {
            Error::Aws(Box::new(AwsError {
                call: name,
                class,
                code: None,
                message: format!("{class:?}"),
                request_id: None,
                help: None,
            }))
        };
        match fault {
            Some(Fault::Throttled) => return Err(fail(Class::Throttled)),
            Some(Fault::LostBefore) => return Err(fail(Class::Lost)),
            Some(Fault::Expired) => return Err(fail(Class::Credentials)),
            Some(Fault::Denied) => return Err(fail(Class::Denied)),
            Some(Fault::LostAfter) | None => {}
        }
        let done = act(&mut self.0.borrow_mut())?;
        if fault == Some(Fault::LostAfter) { Err(fail(Class::Lost)) } else { Ok(done) }
    }
}

/// A kind of that cloud: takes some time to build, refers to others, and has no client token.
pub struct Thing {
    pub world: World,
    pub size: u32,
    pub links: Vec<Ref<Thing>>,
    /// How long it takes.
    pub slow: Typical,
}

#[derive(Serialize)]
pub struct Spec {
    size: u32,
    links: Vec<Known<String>>,
}
#[derive(Clone, Serialize)]
pub struct Output {
    pub id: String,
}

impl Resource for Thing {
    const KIND: &'static str = "thing";
    const FIXED: &'static [&'static str] = &["links"];
    const TWINS: bool = true;
    const PATIENCE: Duration = Duration::from_secs(7200);
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec { size: self.size, links: self.links.iter().map(|l| inputs.read(l, |o| o.id.clone())).collect() }
    }
    fn typical(&self) -> Typical {
        self.slow
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let name = cx.name();
        let all: Vec<Object> = self
            .world
            .call("DescribeThings", |w| {
                let now = Instant::now();
                w.objects.retain(|o| !(o.dying && o.busy_until <= now));
                let hidden = w.hidden_for;
                Ok(w.objects.iter().filter(|o| o.name == name && now - o.born >= hidden).cloned().collect())
            })
            .await?;
        // One that is on its way out is listed for a while, beside its successor.
        let lives = all.iter().any(|o| !o.dying);
        let all: Vec<Object> = all.into_iter().filter(|o| !(lives && o.dying)).collect();
        if all.len() > 1 {
            return Err(Error::Ambiguous { key: cx.key.clone(), ids: all.into_iter().map(|o| o.id).collect() });
        }
        Ok(all.into_iter().next().map(|o| Found {
            phase: match (Instant::now() < o.busy_until, o.dying) {
                (_, true) => Phase::Deleting,
                (true, false) => Phase::Busy("creating".into()),
                (false, false) => Phase::Ready,
            },
            spec: Spec { size: o.size, links: o.links.into_iter().map(Known::Now).collect() },
            output: Some(Output { id: o.id.clone() }),
            tags: o.tags,
            id: o.id,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        let links = want.links.iter().map(|l| l.get().cloned()).collect::<Result<Vec<_>>>()?;
        self.world
            .call("CreateThing", |w| {
                w.log.push(format!("create {}", cx.key.name()));
                w.next_id += 1;
                w.objects.push(Object {
                    id: format!("thing-{}", w.next_id),
                    name: cx.name(),
                    size: want.size,
                    links,
                    tags: cx.tags(),
                    born: Instant::now(),
                    busy_until: Instant::now() + self.slow.create,
                    dying: false,
                });
                Ok(())
            })
            .await
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        self.world
            .call("ModifyThing", |w| {
                if w.in_use_until.is_some_and(|until| Instant::now() < until) {
                    return Err(in_use("ModifyThing", "ScalingActivityInProgress", "in the middle of another change"));
                }
                w.log.push(format!("update {}", cx.key.name()));
                if let Some(o) = w.objects.iter_mut().find(|o| o.id == found.id) {
                    o.size = want.size;
                }
                Ok(())
            })
            .await
    }

    async fn delete(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        self.delete_twin(cx, &found.id).await
    }

    async fn delete_twin(&self, cx: &Cx<'_>, id: &str) -> Result<()> {
        self.world
            .call("DeleteThing", |w| {
                let user = w.objects.iter().find(|o| o.links.iter().any(|l| l == id));
                if let Some(user) = user {
                    return Err(in_use("DeleteThing", "DependencyViolation", &format!("in use by {}", user.id)));
                }
                w.log.push(format!("delete {}", cx.key.name()));
                if let Some(o) = w.objects.iter_mut().find(|o| o.id == id) {
                    o.dying = true;
                    o.busy_until = Instant::now() + self.slow.delete;
                }
                Ok(())
            })
            .await
    }

    async fn tag(&self, cx: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        self.world
            .call("TagThing", |w| {
                w.log.push(format!("tag {}", cx.key.name()));
                if let Some(o) = w.objects.iter_mut().find(|o| o.id == found.id) {
                    o.tags.extend(tags.clone());
                }
                Ok(())
            })
            .await
    }

    async fn holders(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<Vec<Holder>> {
        let w = self.world.0.borrow();
        let ours = |o: &&Object| o.links.contains(&found.id);
        Ok(w.objects.iter().filter(ours).map(|o| Holder { what: o.id.clone(), passes: o.dying }).collect())
    }
}

fn in_use(call: &'static str, code: &str, message: &str) -> Error {
    let (code, message) = (Some(code.into()), message.into());
    Error::Aws(Box::new(AwsError { call, class: Class::InUse, code, message, request_id: None, help: None }))
}

/// What `plan`, `up` and `teardown` do, without the talk.
pub async fn plan(g: &Graph, env: &Env) -> Report<Change> {
    walk(g, Direction::Forward, env, async |n: &dyn Node| n.preview(env).await).await
}
pub async fn up(g: &Graph, env: &Env) -> Report<Change> {
    walk(g, Direction::Forward, env, async |n: &dyn Node| n.reconcile(env).await).await
}
pub async fn status(g: &Graph, env: &Env) -> Report<Status> {
    walk(g, Direction::Forward, env, async |n: &dyn Node| n.observe(env).await).await
}
pub async fn teardown(g: &Graph, env: &Env) -> Report<bool> {
    // The first look fills what later steps read.
    status(g, env).await;
    walk(g, Direction::Reverse, env, async |n: &dyn Node| n.remove(env).await).await
}
