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

/// An object of that cloud.
#[derive(Clone)]
pub struct Object {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// A property that can be changed.
    pub size: u32,
    /// The ids of the objects to which it refers. They cannot be changed.
    pub links: Vec<String>,
    /// Its tags.
    pub tags: Tags,
    born: Instant,
    busy_until: Instant,
    dying: bool,
}

/// The fate of one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// There were too many calls.
    Throttled,
    /// The call does not take effect, and the caller cannot know.
    LostBefore,
    /// The call takes effect, and the caller cannot know.
    LostAfter,
    /// The account does not allow it.
    Denied,
    /// The credentials are expired.
    Expired,
}

impl World {
    /// Returns the calls that have taken effect since this was last asked.
    pub fn log(&self) -> Vec<String> {
        std::mem::take(&mut self.0.borrow_mut().log)
    }

    /// Returns the number of calls so far, reads included.
    pub fn calls(&self) -> usize {
        self.0.borrow().calls
    }

    /// Makes the n-th call from now (0 is the next) fail.
    pub fn fail(&self, n: usize, fault: Fault) {
        let mut w = self.0.borrow_mut();
        let at = w.calls + n;
        w.faults.insert(at, fault);
    }

    /// Takes back all faults that are still to come.
    pub fn heal(&self) {
        self.0.borrow_mut().faults.clear();
    }

    /// Hides each created object for this long.
    pub fn hide_fresh(&self, d: Duration) {
        self.0.borrow_mut().hidden_for = d;
    }

    /// Refuses all changes for this long, because the objects are in use.
    pub fn in_use_for(&self, d: Duration) {
        self.0.borrow_mut().in_use_until = Some(Instant::now() + d);
    }

    /// Deletes an object behind the engine's back, which takes this long.
    pub fn delete_slowly(&self, name: &str, d: Duration) {
        self.meddle(name, |o| (o.dying, o.busy_until) = (true, Instant::now() + d))
    }

    /// Returns the names of all objects.
    pub fn names(&self) -> Vec<String> {
        self.0.borrow().objects.iter().map(|o| o.name.clone()).collect()
    }

    /// Returns the ids of the objects with this name.
    pub fn objects(&self, name: &str) -> Vec<String> {
        self.0.borrow().objects.iter().filter(|o| o.name == name).map(|o| o.id.clone()).collect()
    }

    /// Changes an object behind the engine's back.
    pub fn meddle(&self, name: &str, f: impl FnOnce(&mut Object)) {
        f(self.0.borrow_mut().objects.iter_mut().find(|o| o.name == name).expect("there is such an object"))
    }

    /// Removes an object at once, behind the engine's back.
    pub fn lose(&self, name: &str) {
        self.0.borrow_mut().objects.retain(|o| o.name != name)
    }

    /// Makes one call: its fault before and after, and what it does.
    async fn call<T>(&self, name: &'static str, act: impl FnOnce(&mut Inner) -> Result<T>) -> Result<T> {
        let fault = {
            let mut w = self.0.borrow_mut();
            w.calls += 1;
            let n = w.calls - 1;
            w.faults.remove(&n)
        };
        tokio::time::sleep(Duration::from_millis(50)).await;
        let fail = |class| Error::Aws(Box::new(AwsError::new(name, class, format!("{class:?}"))));
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

/// A kind of that cloud: it takes some time to create, refers to others, and has no client token.
pub struct Thing {
    /// The account.
    pub world: World,
    /// A property that can be changed.
    pub size: u32,
    /// The things to which it refers.
    pub links: Vec<Ref<Thing>>,
    /// How long its verbs take.
    pub slow: Typical,
}

/// The managed properties of a thing.
#[derive(Serialize)]
pub struct Spec {
    size: u32,
    links: Vec<Known<String>>,
}

/// The outputs of a thing.
#[derive(Clone, Serialize)]
pub struct Output {
    /// Its id.
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
        // An object that is being deleted is listed for a while, beside its successor.
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
                    return Err(in_use("ModifyThing", "in the middle of another change"));
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
                    return Err(in_use("DeleteThing", &format!("in use by {}", user.id)));
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

fn in_use(call: &'static str, message: &str) -> Error {
    Error::Aws(Box::new(AwsError::new(call, Class::InUse, message)))
}

/// Previews all steps.
pub async fn plan(g: &Graph, env: &Env) -> Report<Change> {
    walk(g, Direction::Forward, env, async |n: &dyn Node| n.preview(env).await).await
}

/// Makes all steps as wanted.
pub async fn up(g: &Graph, env: &Env) -> Report<Change> {
    walk(g, Direction::Forward, env, async |n: &dyn Node| n.reconcile(env).await).await
}

/// Looks at all steps.
pub async fn status(g: &Graph, env: &Env) -> Report<Status> {
    walk(g, Direction::Forward, env, async |n: &dyn Node| n.observe(env).await).await
}

/// Deletes all steps.
pub async fn teardown(g: &Graph, env: &Env) -> Report<bool> {
    // The first look fills what later steps read.
    status(g, env).await;
    walk(g, Direction::Reverse, env, async |n: &dyn Node| n.remove(env).await).await
}

/// Returns a graph of the same shape whose objects live in this cloud, each as slow as those of its kind usually are.
pub fn shadow(of: &Graph, world: &World) -> Graph {
    let (mut g, mut refs) = (Graph::default(), BTreeMap::<Key, Ref<Thing>>::new());
    for node in of.nodes() {
        let links = node.needs().iter().map(|key| refs[key].clone()).collect();
        let name = node.key().as_str().replace('/', "-");
        let thing = Thing { world: world.clone(), size: 1, links, slow: node.typical() };
        refs.insert(node.key().clone(), g.add(&name, thing));
    }
    g
}

/// Returns the critical path of a walk through everything, with its length.
pub fn critical_path(g: &Graph, direction: Direction) -> (Duration, Vec<Key>) {
    let cost = |node: &dyn Node| match direction {
        Direction::Forward => node.typical().create,
        Direction::Reverse => node.typical().delete,
    };
    let ahead = g.nodes().map(|node| (node.key().clone(), Progress::Pending(cost(node)))).collect();
    Forecast::new(g, direction).longest_path(&ahead)
}
