//! When to ask what: within a budget of AWS calls that may be kept up for five hours.
use std::{collections::VecDeque, time::Duration};

/// AWS calls a minute in steady state.
const BUDGET: f64 = 20.0;
/// What is kept back for calls that come now and then: cost, steps, a retry.
const RESERVE: f64 = 3.0;
const HEALTH: Duration = Duration::from_secs(10);
const METRICS: Duration = Duration::from_secs(60);
const COST: Duration = Duration::from_secs(1800);
const STEPS: Duration = Duration::from_secs(1800);
const PROBE: Duration = Duration::from_secs(1);
/// While somebody is at work: as often as they tell how far they are.
const WORK: Duration = Duration::from_secs(5);
/// While something changes, a look is worth its calls.
const CHANGING: Duration = Duration::from_secs(20);
/// How long after a change things still count as changing.
const RESTLESS: Duration = Duration::from_secs(90);
/// What is being built is worth its calls for so long after the last change: what stays broken is not.
const LIVELY: Duration = Duration::from_secs(600);
const MINUTE: Duration = Duration::from_secs(60);
/// What a look is taken to cost before the first one.
const LOOK_CALLS: u64 = 26;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// A request from outside; no AWS call.
    Probe,
    Health,
    Look,
    Metrics,
    Cost,
    Steps,
    /// Who is at work on the stack, and how far: one call.
    Work,
}

const JOBS: [Job; 7] = [Job::Probe, Job::Health, Job::Look, Job::Metrics, Job::Cost, Job::Steps, Job::Work];

/// Times are since the start.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// When each was last begun, and whether it is under way.
    last: [Option<Duration>; JOBS.len()],
    busy: [bool; JOBS.len()],
    changed: Option<Duration>,
    /// Something is being built or repaired: the steps are worth looking at.
    pub building: bool,
    /// Then nobody asks who is at work.
    pub serving: bool,
    /// Somebody is.
    pub at_work: bool,
    look_calls: u64,
    /// Grows while AWS throttles or cannot be reached.
    slower: f64,
    asked_for: bool,
    /// Calls made so far, at several moments of the last minute.
    seen: VecDeque<(Duration, u64)>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            last: Default::default(),
            busy: Default::default(),
            changed: None,
            building: false,
            serving: false,
            at_work: false,
            look_calls: LOOK_CALLS,
            slower: 1.0,
            asked_for: false,
            seen: VecDeque::new(),
        }
    }
}

impl Schedule {
    /// What to begin now. What is under way is not begun again.
    pub fn due(&mut self, now: Duration) -> Vec<Job> {
        let mut due = vec![];
        for job in JOBS {
            let at = job as usize;
            let late = self.last[at].is_none_or(|last| now.saturating_sub(last) >= self.every(job, now));
            let wanted = self.asked_for && job == Job::Look;
            if (late || wanted) && !self.busy[at] {
                self.last[at] = Some(now);
                self.busy[at] = true;
                due.push(job);
            }
        }
        if due.contains(&Job::Look) {
            self.asked_for = false;
            // A look brings the health with it.
            if let Some(i) = due.iter().position(|j| *j == Job::Health) {
                due.remove(i);
                self.busy[Job::Health as usize] = false;
            }
        }
        due
    }

    /// How long it is between two.
    fn every(&self, job: Job, now: Duration) -> Duration {
        let steady = match job {
            Job::Probe => return PROBE,
            Job::Work if self.serving && !self.at_work => return Duration::MAX,
            Job::Work if self.at_work => WORK,
            Job::Work if self.lively(now) => WORK * 3,
            Job::Work => CHANGING * 3,
            Job::Health => HEALTH,
            Job::Metrics => METRICS,
            Job::Cost => COST,
            Job::Steps if self.building && self.lively(now) => CHANGING * 3,
            Job::Steps if self.building => STEPS / 3,
            Job::Steps => STEPS,
            Job::Look => {
                let restless = self.changed.is_some_and(|c| now.saturating_sub(c) < RESTLESS);
                match restless {
                    true => CHANGING,
                    false if self.building && self.lively(now) => CHANGING * 3 / 2,
                    false => self.steady_look(),
                }
            }
        };
        steady.mul_f64(self.slower)
    }

    /// Whether something changed not long ago; the start counts, too.
    fn lively(&self, now: Duration) -> bool {
        now.saturating_sub(self.changed.unwrap_or_default()) < LIVELY
    }

    /// What the budget leaves after health and metrics goes into looks.
    fn steady_look(&self) -> Duration {
        let fixed = MINUTE.div_duration_f64(HEALTH) + MINUTE.div_duration_f64(METRICS) + RESERVE;
        MINUTE.mul_f64(self.look_calls as f64 / (BUDGET - fixed)).max(MINUTE)
    }

    pub fn done(&mut self, job: Job) {
        self.busy[job as usize] = false;
    }

    /// A look took so many calls.
    pub fn looked(&mut self, calls: u64) {
        // Whatever failed early would make the next one seem cheap.
        self.look_calls = calls.max(LOOK_CALLS / 2);
    }

    /// Somebody wants to see everything now.
    pub fn look_now(&mut self) {
        self.asked_for = true;
    }

    /// Much is different now: everything is due.
    pub fn all_now(&mut self) {
        for job in [Job::Look, Job::Steps, Job::Cost] {
            self.last[job as usize] = None;
        }
        self.again();
    }

    /// What runs costs something else now.
    pub fn cost_now(&mut self) {
        self.last[Job::Cost as usize] = None;
    }

    /// Everything but the looks and steps is due at once: what they wait for is known now.
    pub fn again(&mut self) {
        for job in [Job::Probe, Job::Health, Job::Metrics] {
            self.last[job as usize] = None;
        }
    }

    /// Something is different from the last time.
    pub fn changed(&mut self, now: Duration) {
        if self.changed.is_none_or(|c| now.saturating_sub(c) > CHANGING / 2) {
            self.asked_for |= self.last[Job::Look as usize].is_none_or(|l| now.saturating_sub(l) >= CHANGING / 2);
        }
        self.changed = Some(now);
    }

    /// AWS asked to be left alone, or cannot be reached.
    pub fn strained(&mut self) {
        self.slower = (self.slower * 2.0).min(8.0);
    }
    /// It answers again.
    pub fn relieved(&mut self) {
        self.slower = (self.slower * 0.75).max(1.0);
    }

    /// Takes note of the calls made so far.
    pub fn count(&mut self, now: Duration, calls: u64) {
        self.seen.push_back((now, calls));
        while self.seen.len() > 2 && now.saturating_sub(self.seen[1].0) >= MINUTE {
            self.seen.pop_front();
        }
    }

    /// AWS calls in the last minute.
    pub fn rate(&self) -> u64 {
        let (Some((_, first)), Some((_, last))) = (self.seen.front(), self.seen.back()) else { return 0 };
        last - first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five hours, one second at a time; what each job costs in calls.
    fn live(s: &mut Schedule, seconds: u64, mut each: impl FnMut(&mut Schedule, u64)) -> Vec<u64> {
        let (mut calls, mut rates) = (0, vec![]);
        for second in 0..seconds {
            let now = Duration::from_secs(second);
            for job in s.due(now) {
                calls += match job {
                    Job::Probe => 0,
                    Job::Health | Job::Metrics | Job::Work => 1,
                    Job::Look => 26,
                    Job::Cost => 12,
                    Job::Steps => 40,
                };
                if job == Job::Look {
                    s.looked(26);
                }
                s.done(job);
            }
            s.count(now, calls);
            rates.push(calls);
            each(s, second);
        }
        rates
    }

    #[test]
    fn five_quiet_hours_stay_within_the_budget() {
        let mut s = Schedule { serving: true, ..Schedule::default() };
        let calls = live(&mut s, 5 * 3600, |_, _| {});
        let steady = calls[5 * 3600 - 1] - calls[600];
        assert!(steady as f64 / 290.0 <= 20.0, "{steady} calls in 290 minutes");
        assert!(steady as f64 / 290.0 > 12.0, "and they are used: {steady}");
    }

    #[test]
    fn what_stays_half_built_does_not_cost_calls_for_hours() {
        let mut s = Schedule { building: true, ..Schedule::default() };
        let calls = live(&mut s, 2 * 3600, |_, _| {});
        assert!(calls[599] > 600, "at first it is looked at often: {}", calls[599]);
        assert!(calls[7199] - calls[3600] <= 60 * 24, "{}", calls[7199] - calls[3600]);
    }

    #[test]
    fn a_change_is_looked_at_and_then_it_is_quiet_again() {
        let mut s = Schedule::default();
        let mut looks = vec![];
        live(&mut s, 900, |s, second| {
            if second == 300 {
                s.changed(Duration::from_secs(300));
            }
            looks.push(s.last[Job::Look as usize].unwrap().as_secs());
        });
        looks.dedup();
        let near = looks.iter().filter(|l| (300..420).contains(*l)).count();
        assert!((4..=7).contains(&near), "{looks:?}");
        assert!(looks.iter().filter(|l| **l >= 480).count() <= 4, "{looks:?}");
    }

    #[test]
    fn throttled_it_asks_less_and_recovers() {
        let mut s = Schedule::default();
        let before = s.every(Job::Health, Duration::ZERO);
        s.strained();
        s.strained();
        assert_eq!(s.every(Job::Health, Duration::ZERO), before * 4);
        assert_eq!(s.every(Job::Probe, Duration::ZERO), PROBE);
        (0..10).for_each(|_| s.relieved());
        assert_eq!(s.every(Job::Health, Duration::ZERO), before);
    }

    #[test]
    fn what_is_under_way_is_not_begun_again() {
        let mut s = Schedule::default();
        assert!(s.due(Duration::ZERO).contains(&Job::Look));
        assert!(!s.due(Duration::from_secs(9999)).contains(&Job::Look));
        s.done(Job::Look);
        assert!(s.due(Duration::from_secs(9999)).contains(&Job::Look));
    }

    #[test]
    fn the_rate_is_of_the_last_minute() {
        let mut s = Schedule::default();
        (0..300).for_each(|n| s.count(Duration::from_secs(n), n));
        assert!((59..=61).contains(&s.rate()), "{}", s.rate());
    }
}
