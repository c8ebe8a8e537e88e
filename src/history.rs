//! How long the steps of a stack took in this account, which beats all documented durations.
//!
//! The durations are kept as an SSM parameter beside the lease, so that forecasts improve on every laptop. An account
//! that forbids SSM has no history, and typical durations apply.
use crate::{
    aws::{
        Aws,
        note::{self, DURATIONS as NOTE},
    },
    engine::{Change, Event, Events, Key},
    error::Result,
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};
use tokio::time::Instant;

/// The shortest duration that is recorded.
const WORTH: Duration = Duration::from_secs(10);
/// The longest plausible duration of a step. Notes that say more are ignored.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// The limit of entries: a standard parameter holds 4 KB (AWS Systems Manager quotas), and a stack has a dozen slow
/// steps at most.
const MOST: usize = 60;

/// The measured durations of one stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History(Known);

/// The content of the note.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Known {
    /// Seconds from the first call to the last look, of each created step.
    created: BTreeMap<String, u64>,
    /// When AWS began to create the objects that the last run did not finish.
    begun: BTreeMap<String, Timestamp>,
}

impl Known {
    /// Parses a note and keeps each plausible value, since others in the account can write it.
    fn parse(text: &str, now: Timestamp) -> Self {
        let Some(Value::Object(mut said)) = note::json(text) else { return Self::default() };
        let mut entries = |what: &str| match said.remove(what) {
            Some(Value::Object(entries)) => {
                entries.into_iter().filter(|(key, _)| Key::is_one(key)).take(MOST).collect()
            }
            _ => vec![],
        };
        let seconds = |v: Value| v.as_u64().filter(|s| (1..=LONGEST.as_secs()).contains(s));
        let lately = |v: Value| {
            let at: Timestamp = v.as_str()?.parse().ok()?;
            let ago = Duration::try_from(now.duration_since(at)).ok()?;
            (ago <= LONGEST).then_some(at)
        };
        Self {
            created: entries("created").into_iter().filter_map(|(key, v)| Some((key, seconds(v)?))).collect(),
            begun: entries("begun").into_iter().filter_map(|(key, v)| Some((key, lately(v)?))).collect(),
        }
    }
}

impl History {
    /// Loads the history. It is empty if there is none, or if it cannot be read or parsed.
    pub async fn load(aws: &Aws, stack: &str) -> Self {
        let notes = note::all(aws, stack).await.unwrap_or_default();
        let note = notes.get(NOTE);
        let known = note.map(|n| Known::parse(&n.text, Timestamp::now())).unwrap_or_default();
        Self(known)
    }

    /// Parses a note.
    #[cfg(test)]
    pub(crate) fn said(text: &str) -> Self {
        Self(Known::parse(text, Timestamp::now()))
    }

    /// Returns how long each of these steps took to create, as far as known.
    pub fn of<'a>(&self, keys: impl Iterator<Item = &'a Key>) -> BTreeMap<Key, Duration> {
        let took = |key: &Key| Some((key.clone(), Duration::from_secs(*self.0.created.get(key.as_str())?)));
        keys.filter_map(took).collect()
    }

    /// Returns when AWS began to create this step, if a run ended before it was done.
    pub fn begun(&self, key: &Key) -> Option<Timestamp> {
        self.0.begun.get(key.as_str()).copied()
    }

    /// Adds measurements and stores them in the account. A failure to store is harmless.
    pub async fn learn(mut self, aws: &Aws, stack: &str, measured: &Stopwatch) {
        let before = self.0.clone();
        let taken = measured.taken();
        // New measurements replace stored values.
        let room = MOST.saturating_sub(taken.len());
        while self.0.created.len() > room {
            self.0.created.pop_last();
        }
        self.0.created.extend(taken);
        // Steps that this run did not finish either keep their start time.
        self.0.begun.retain(|key, _| !measured.has_ended(key));
        self.0.begun.extend(measured.unfinished());
        if self.0 == before {
            return;
        }
        let text = serde_json::to_string(&self.0).expect("a history serialises");
        _ = note::write(aws, stack, NOTE, text).await;
    }

    /// Deletes the history, if there is one.
    pub async fn forget(aws: &Aws, stack: &str) -> Result<()> {
        match note::read(aws, stack, NOTE).await? {
            Some(_) => note::delete(aws, stack, NOTE).await,
            None => Ok(()),
        }
    }
}

/// Measures creations by the events of a walk. Clones share the measurements.
#[derive(Clone, Default)]
pub struct Stopwatch(Rc<RefCell<Times>>);

#[derive(Default)]
struct Times {
    /// The scale of AWS's durations in this world; zero if nothing takes time.
    scale: f64,
    /// The start and the usual duration.
    begun: BTreeMap<Key, (Instant, Duration)>,
    taken: BTreeMap<String, u64>,
    /// Steps that succeeded or failed.
    ended: BTreeSet<String>,
}

impl Stopwatch {
    /// Makes a stopwatch for a world in which AWS's durations are multiplied by `scale` (1 on AWS).
    pub fn new(scale: f64) -> Self {
        Self(Rc::new(RefCell::new(Times { scale, ..Times::default() })))
    }

    /// Returns a listener that measures and passes all events on to `next`.
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

    /// Returns the steps that are still being created, with the start of each.
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
                self.begun
                    .insert(key.clone(), (Instant::now(), Duration::try_from_secs_f64(*usually).unwrap_or_default()));
            }
            Event::Done { key, .. } => {
                let Some((begun, usually)) = self.begun.remove(key) else { return };
                if self.scale > 0.0 {
                    let took = begun.elapsed().div_f64(self.scale);
                    // At other time scales our own overhead is scaled too, so ignore steps that are not slow in
                    // themselves.
                    if took >= WORTH && (self.scale >= 1.0 || usually >= WORTH) {
                        self.taken.insert(key.to_string(), took.as_secs());
                    }
                }
            }
            // A failed step has no duration.
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
        let history = History(known);
        let keys = ["database/main", "cache/main"].map(key);
        assert_eq!(history.of(keys.iter()), BTreeMap::from([(key("database/main"), Duration::from_secs(400))]));
    }

    #[test]
    fn what_makes_no_sense_is_not_known() {
        let now: Timestamp = "2026-10-01T12:00:00Z".parse().unwrap();
        let said = r#"{"created":{"database/main":400,"cache/main":18446744073709551615,"vpc/main":-1,"subnet/a":86401,
            "subnet/b":"9","subnet/c":1e300,"subnet/d":0,"nonsense":5,"x/\u001b[2J":5},
            "begun":{"database/main":"2026-10-01T11:00:00Z","cache/main":"9999-01-01T00:00:00Z","vpc/main":"0001-01-01T00:00:00Z",
            "subnet/a":"soon","subnet/b":7}}"#;
        let known = Known::parse(said, now);
        assert_eq!(known.created, BTreeMap::from([("database/main".to_owned(), 400)]));
        assert_eq!(known.begun.keys().collect::<Vec<_>>(), ["database/main"]);
        let nested = "[".repeat(4000);
        for said in ["", "7", "null", "{", r#"{"created":[1],"begun":"x"}"#, &nested, &" ".repeat(100_000)] {
            assert_eq!(Known::parse(said, now), Known::default());
        }
        let many: String = (0..200).map(|n| format!(r#""subnet/{n}":9,"#)).collect();
        let known = Known::parse(&format!(r#"{{"created":{{{many}"z/z":9}}}}"#), now);
        assert_eq!(known.created.len(), MOST);
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
