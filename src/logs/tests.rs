use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

fn event(at: i64, id: usize) -> Event {
    Event {
        at: Some(Timestamp::from_millisecond(at).unwrap()),
        log: if id.is_multiple_of(2) { Log::App } else { Log::Boot },
        service: None,
        instance: format!("i-{}", id % 3),
        message: format!("event {id}"),
        id: id.to_string(),
    }
}

fn now(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap()
}

/// Cuts a look into pages, as AWS could, with empty ones in between.
async fn cut(events: Vec<Event>, sizes: &[usize]) -> Vec<Event> {
    let mut rest = events;
    let mut sizes = sizes.iter().copied().cycle();
    let mut pages: Vec<Vec<Event>> = vec![];
    while !rest.is_empty() {
        let n = sizes.next().unwrap_or(1).min(rest.len());
        pages.push(rest.drain(..n).collect());
        if pages.len() > 200 {
            pages.push(std::mem::take(&mut rest));
        }
    }
    let last = pages.len().saturating_sub(1);
    super::pages(async |token| {
        let n: usize = token.map_or(0, |t| t.parse().unwrap());
        let events = pages.get(n).cloned().unwrap_or_default();
        Ok(Page { events, next: (n < last).then(|| (n + 1).to_string()) })
    })
    .await
    .unwrap()
}

fn block_on<T>(f: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(f)
}

proptest! {
    /// Every event of both groups is printed exactly once, in order of time, no matter how a look is cut into pages.
    #[test]
    fn every_event_once_in_order_however_it_is_paged(
        times in prop::collection::vec(0i64..5_000, 0..60),
        sizes in prop::collection::vec(0usize..7, 1..6),
    ) {
        let all: Vec<Event> = times.iter().enumerate().map(|(id, at)| event(*at, id)).collect();
        let printed = block_on(async {
            let mut looks = vec![];
            for log in [Log::App, Log::Boot] {
                // AWS sorts within a group.
                let mut group: Vec<Event> = all.iter().filter(|e| e.log == log).cloned().collect();
                group.sort_by_key(|e| e.at);
                looks.push(Tail::new(now(0)).take(cut(group, &sizes).await, now(9_000)));
            }
            interleave(looks)
        });
        prop_assert!(printed.is_sorted_by_key(|e| e.at));
        prop_assert_eq!(counts(&printed), counts(&all));
    }

    /// No event is printed twice or lost if it is followed in overlapping looks, while events come late, out of order
    /// and in any pages.
    ///
    /// The two clocks can differ, and one instance's can be far ahead.
    #[test]
    fn following_prints_every_event_once(
        events in prop::collection::vec((0i64..1_200_000, 0i64..100_000, prop::bool::weighted(0.1)), 0..60),
        pauses in prop::collection::vec(500i64..400_000, 1..30),
        sizes in prop::collection::vec(0usize..7, 1..6),
        our_clock in -600_000i64..19_000,
    ) {
        // The event with the time of its own clock, and the time at which it can be seen. Some clocks are an hour
        // ahead.
        let all: Vec<(Event, i64)> = events
            .iter()
            .enumerate()
            .map(|(id, (at, late, ahead))| (event(at + i64::from(*ahead) * 3_600_000, id), at + late))
            .collect();
        let (printed, rounds) = block_on(async {
            let mut tail = Tail::new(now(0));
            let (mut printed, mut rounds, mut clock) = (vec![], vec![], 0);
            for pause in pauses.iter().copied().chain([10_000_000]) {
                clock += pause;
                let mut visible: Vec<Event> = all
                    .iter()
                    .filter(|(e, seen)| *seen <= clock && e.at >= Some(tail.from()))
                    .map(|(e, _)| e.clone())
                    .collect();
                visible.sort_by_key(|e| e.at);
                let asked_at = now((clock + our_clock).max(0));
                let new = interleave([tail.take(cut(visible, &sizes).await, asked_at)]);
                rounds.push(new.clone());
                printed.extend(new);
            }
            (printed, rounds)
        });
        prop_assert!(rounds.iter().all(|r| r.is_sorted_by_key(|e| e.at)));
        let all: Vec<Event> = all.into_iter().map(|(e, _)| e).collect();
        prop_assert_eq!(counts(&printed), counts(&all));
    }

    /// The console's new output is printed once, no matter how its window moves.
    #[test]
    fn a_console_is_printed_once(lines in 1usize..80, first in 1usize..80, window in 500usize..4_000) {
        let line = |n: usize| format!("[{n:>6}] line {n}\n");
        let all: String = (0..lines + first).map(line).collect();
        let before: String = (0..first).map(line).collect();
        let shown = |text: &str| text[text.len().saturating_sub(window)..].to_owned();
        let (old, new) = (shown(&before), shown(&all));
        // Output that has passed through the window between two looks is lost.
        prop_assume!(all.len() - before.len() + 400 <= window);
        prop_assert_eq!(beyond(&old, &new), &all[before.len()..]);
    }
}

fn counts(events: &[Event]) -> HashMap<String, usize> {
    let mut n = HashMap::new();
    for e in events {
        *n.entry(e.id.clone()).or_default() += 1;
    }
    n
}

#[test]
fn what_was_seen_is_forgotten_when_no_look_can_give_it_again() {
    let mut tail = Tail::new(now(0));
    for n in 0..10_000i64 {
        tail.take(vec![event(n * 1_000, n as usize)], now(n * 1_000));
    }
    assert!(tail.seen.len() <= OVERLAP.as_secs() as usize + 1, "{}", tail.seen.len());
    assert_eq!(tail.from(), now(9_999_000 - 120_000));
}

#[test]
fn a_clock_of_ours_that_is_ahead_skips_nothing() {
    let (mut tail, hour) = (Tail::new(now(0)), 3_600_000);
    tail.take(vec![event(1_000, 1)], now(1_000 + hour));
    assert!(tail.from() <= now(1_000), "the next event is at 1.5 s, not in an hour");
    assert_eq!(tail.take(vec![event(1_500, 2)], now(1_500 + hour)).len(), 1);
}

#[test]
fn an_event_of_the_very_moment_a_look_begins_at_is_not_new_again() {
    let mut tail = Tail::new(now(0));
    let (old, new) = (event(1_000, 1), event(121_000, 2));
    assert_eq!(tail.take(vec![old.clone(), new.clone()], now(121_000)).len(), 2);
    assert_eq!(tail.from(), now(1_000));
    assert_eq!(tail.take(vec![old, new], now(122_000)), []);
}

#[test]
fn a_token_that_never_ends_ends() {
    let page = || Page { events: vec![event(1, 1)], next: Some("same".into()) };
    assert_eq!(block_on(pages(async |_| Ok(page()))).unwrap().len(), 2);
    let turns = async |token: Option<String>| {
        let next = if token.as_deref() == Some("a") { "b" } else { "a" };
        Ok(Page { events: vec![event(1, 1)], next: Some(next.into()) })
    };
    assert_eq!(block_on(pages(turns)).unwrap().len(), 3);
}

#[test]
fn a_page_that_fails_fails_the_look() {
    let failed = block_on(pages(async |token| match token {
        None => Ok(Page { events: vec![event(1, 1)], next: Some("2".into()) }),
        Some(_) => Err(crate::error::Error::Interrupted),
    }));
    assert_eq!(failed, Err(crate::error::Error::Interrupted));
}

#[test]
fn times_are_said_as_people_say_them() {
    let secs = |text: &str| since(text).map(|d| d.as_secs());
    assert_eq!(secs("90s"), Ok(90));
    assert_eq!(secs("10m"), Ok(600));
    assert_eq!(secs("1h30m"), Ok(5400));
    assert_eq!(secs("1d"), Ok(86_400));
    for wrong in ["", "10", "-5m", "0s", "soon", "2mo"] {
        assert!(since(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_console_comes_packed_in_lines() {
    assert_eq!(source::decode("SGVsbG8N\nCndvcmxk\n"), "Hello\nworld");
    assert_eq!(source::decode(""), "");
}
