//! How long the steps of a stack have taken in this account: one measurement is worth more than all documents.
//!
//! Kept as an SSM parameter beside the lease, so that whoever asks next, from any laptop, gets a better forecast. An
//! account that forbids SSM has no history, and the usual durations hold.
use crate::{
    aws::{
        Aws,
        note::{self, DURATIONS as NOTE},
    },
    engine::{Change, Event, Events, Key},
    error::Result,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};
use tokio::time::Instant;

/// What takes less than this is not worth remembering.
const WORTH: Duration = Duration::from_secs(10);
/// A standard parameter holds 4 KB (AWS Systems Manager quotas); a stack has a dozen slow steps at most.
const MOST: usize = 60;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    known: Known,
    /// Whether the account has one already.
    stored: bool,
}

/// What the account remembers of a stack's steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Known {
    /// Seconds from the first call to the last look, for each step that was created.
    created: BTreeMap<String, u64>,
    /// When AWS began to make what was not done when the last run ended.
    begun: BTreeMap<String, Timestamp>,
}

impl History {
    /// What the account knows; nothing when there is none, when it may not be read, or makes no sense.
    pub async fn load(aws: &Aws, stack: &str) -> Self {
        let notes = note::all(aws, stack).await.unwrap_or_default();
        let note = notes.get(NOTE);
        let known = note.and_then(|n| serde_json::from_str(&n.text).ok()).unwrap_or_default();
        Self { known, stored: note.is_some() }
    }

    /// How long each of these steps took to create, where it is known.
    pub fn of<'a>(&self, keys: impl Iterator<Item = &'a Key>) -> BTreeMap<Key, Duration> {
        let took = |key: &Key| Some((key.clone(), Duration::from_secs(*self.known.created.get(key.as_str())?)));
        keys.filter_map(took).collect()
    }

    /// When AWS began to make this step, if a run ended before it was done.
    pub fn begun(&self, key: &Key) -> Option<Timestamp> {
        self.known.begun.get(key.as_str()).copied()
    }

    /// Adds what was measured, and keeps it in the account; that this fails harms nobody.
    pub async fn learn(mut self, aws: &Aws, stack: &str, measured: &Stopwatch) {
        let before = self.known.clone();
        self.known.created.extend(measured.taken());
        while self.known.created.len() > MOST {
            self.known.created.pop_last();
        }
        // What this run has not finished either goes on since then.
        self.known.begun.retain(|key, _| !measured.has_ended(key));
        self.known.begun.extend(measured.unfinished());
        if self.known == before {
            return;
        }
        let text = serde_json::to_string(&self.known).expect("a history serialises");
        _ = note::write(aws, stack, NOTE, text, !self.stored).await;
    }

    /// Deletes it, if there is one: nothing of a stack stays behind.
    pub async fn forget(aws: &Aws, stack: &str) -> Result<()> {
        match note::read(aws, stack, NOTE).await? {
            Some(_) => note::delete(aws, stack, NOTE).await,
            None => Ok(()),
        }
    }
}

/// Measures the creations of a walk by its events. Clones share it.
#[derive(Clone, Default)]
pub struct Stopwatch(Rc<RefCell<Times>>);

#[derive(Default)]
struct Times {
    /// How much of AWS's time passes in one second here; zero where nothing takes time.
    scale: f64,
    /// With what they usually take.
    begun: BTreeMap<Key, (Instant, Duration)>,
    taken: BTreeMap<String, u64>,
    /// Steps that are done, or have failed.
    ended: BTreeSet<String>,
}

impl Stopwatch {
    /// For a world in which AWS's durations are multiplied by `scale` (1 on AWS).
    pub fn new(scale: f64) -> Self {
        Self(Rc::new(RefCell::new(Times { scale, ..Times::default() })))
    }

    /// Hears all that the next listener hears.
    pub fn before(&self, next: Events) -> Events {
        let me = self.clone();
        Events::new(move |e| {
            me.0.borrow_mut().on(&e);
            next.say(e);
        })
    }

    fn taken(&self) -> BTreeMap<String, u64> {
        self.0.borrow().taken.clone()
    }

    fn has_ended(&self, key: &str) -> bool {
        self.0.borrow().ended.contains(key)
    }

    /// What is being made still, and since when.
    fn unfinished(&self) -> BTreeMap<String, Timestamp> {
        let times = self.0.borrow();
        let slow = times.begun.iter().filter(|(_, (_, usually))| *usually >= WORTH);
        let since = |begun: Instant| Timestamp::now().checked_sub(SignedDuration::try_from(begun.elapsed()).ok()?).ok();
        slow.filter_map(|(key, (begun, _))| Some((key.to_string(), since(*begun)?))).collect()
    }
}

impl Times {
    fn on(&mut self, e: &Event) {
        if matches!(e, Event::Done { .. } | Event::Failed { .. } | Event::Deleted { .. }) {
            self.ended.insert(e.key().to_string());
        }
        match e {
            Event::Planned { key, change: Change::Create { .. }, usually } => {
                self.begun.insert(key.clone(), (Instant::now(), Duration::from_secs_f64(*usually)));
            }
            Event::Done { key, .. } => {
                let Some((begun, usually)) = self.begun.remove(key) else { return };
                if self.scale > 0.0 {
                    let took = begun.elapsed().div_f64(self.scale);
                    // A world of another scale blows up our own time with AWS's: only what is slow by itself counts.
                    if took >= WORTH && (self.scale >= 1.0 || usually >= WORTH) {
                        self.taken.insert(key.to_string(), took.as_secs());
                    }
                }
            }
            // A step that failed has not shown how long it takes.
            Event::Failed { key, .. } | Event::Without { key, .. } => _ = self.begun.remove(key),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create() -> Change {
        Change::Create { spec: serde_json::Value::Null }
    }

    #[tokio::test(start_paused = true)]
    async fn what_took_long_is_remembered_in_awss_time() {
        let watch = Stopwatch::new(0.05);
        let events = watch.before(Events::silent());
        let key = |k: &str| {
            let (kind, name) = k.split_once('/').unwrap();
            Key::new(kind, name)
        };
        let planned = |k: &str| Event::Planned { key: key(k), change: create(), usually: 60.0 };
        for k in ["database/main", "vpc/main", "cache/main"] {
            events.say(planned(k));
        }
        events.say(Event::Done { key: key("vpc/main"), change: "created" });
        tokio::time::advance(Duration::from_secs(20)).await;
        events.say(Event::Done { key: key("database/main"), change: "created" });
        events.say(Event::Planned { key: key("subnet/a"), change: create(), usually: 1.0 });
        tokio::time::advance(Duration::from_secs(1)).await;
        events.say(Event::Done { key: key("subnet/a"), change: "created" });
        events.say(Event::Failed { key: key("cache/main"), code: "other", error: "no".into(), help: None });
        events.say(Event::Done { key: key("cache/main"), change: "created" });
        assert_eq!(watch.taken(), BTreeMap::from([("database/main".to_owned(), 400)]));
        let known = Known { created: watch.taken(), begun: BTreeMap::new() };
        let history = History { known, stored: true };
        let keys = ["database/main", "cache/main"].map(key);
        assert_eq!(history.of(keys.iter()), BTreeMap::from([(key("database/main"), Duration::from_secs(400))]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_world_without_time_teaches_nothing() {
        let watch = Stopwatch::new(0.0);
        let events = watch.before(Events::silent());
        let key = Key::new("database", "main");
        events.say(Event::Planned { key: key.clone(), change: create(), usually: 60.0 });
        tokio::time::advance(Duration::from_secs(20)).await;
        events.say(Event::Done { key, change: "created" });
        assert!(watch.taken().is_empty());
    }
}
