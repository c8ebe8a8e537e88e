//! The schedule of the live screen: when to ask for what, within a budget of AWS calls that can be kept up for five
//! hours.
use std::{collections::VecDeque, time::Duration};

/// AWS calls a minute, in steady state.
const BUDGET: f64 = 20.0;
/// Calls a minute that are reserved for rare jobs: cost, steps, a retry.
const RESERVE: f64 = 3.0;
const HEALTH: Duration = Duration::from_secs(10);
const METRICS: Duration = Duration::from_secs(60);
const COST: Duration = Duration::from_secs(1800);
const STEPS: Duration = Duration::from_secs(1800);
const PROBE: Duration = Duration::from_secs(1);
/// How often to read the progress of a run at work: as often as the run publishes it.
const WORK: Duration = Duration::from_secs(5);
/// How often to look while something changes.
const CHANGING: Duration = Duration::from_secs(20);
/// How long after a change the stack still counts as changing.
const RESTLESS: Duration = Duration::from_secs(90);
/// How long after the last change a stack under construction gets frequent looks. A stack that merely stays broken does
/// not.
const LIVELY: Duration = Duration::from_secs(600);
const MINUTE: Duration = Duration::from_secs(60);
/// The number of calls that the first look is assumed to make.
const LOOK_CALLS: u64 = 26;

/// Something to ask for, at a pace of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// A request from outside. It is no AWS call.
    Probe,
    Health,
    Look,
    Metrics,
    Cost,
    Steps,
    /// Who works on the stack and how far they are: one call.
    Work,
}

const JOBS: [Job; 7] = [Job::Probe, Job::Health, Job::Look, Job::Metrics, Job::Cost, Job::Steps, Job::Work];

/// When each job is due. Times are since the start.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// When each job last began.
    last: [Option<Duration>; JOBS.len()],
    /// The jobs in progress.
    busy: [bool; JOBS.len()],
    changed: Option<Duration>,
    /// True if something is being built or repaired, so that the steps are worth a look.
    pub building: bool,
    /// True if the stack serves. The holder of the lease is then not read, unless somebody is at work.
    pub serving: bool,
    /// True if somebody works on the stack.
    pub at_work: bool,
    /// The number of calls that the last look made.
    look_calls: u64,
    /// A factor on all pauses. It grows while AWS throttles or cannot be reached.
    slower: f64,
    /// True if a look is due at once.
    asked_for: bool,
    /// The number of calls made so far, at several moments of the last minute.
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
    /// Returns the jobs to begin now. A job in progress does not begin again.
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
            // A look includes the health.
            if let Some(i) = due.iter().position(|j| *j == Job::Health) {
                due.remove(i);
                self.busy[Job::Health as usize] = false;
            }
        }
        due
    }

    /// Returns the pause between two runs of a job.
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

    /// True if something changed within `LIVELY`. The start counts as a change.
    fn lively(&self, now: Duration) -> bool {
        now.saturating_sub(self.changed.unwrap_or_default()) < LIVELY
    }

    /// Returns the pause between looks: what the budget leaves after health and metrics goes into looks.
    fn steady_look(&self) -> Duration {
        let fixed = MINUTE.div_duration_f64(HEALTH) + MINUTE.div_duration_f64(METRICS) + RESERVE;
        MINUTE.mul_f64(self.look_calls as f64 / (BUDGET - fixed)).max(MINUTE)
    }

    /// Notes that a job has ended.
    pub fn done(&mut self, job: Job) {
        self.busy[job as usize] = false;
    }

    /// Notes how many calls a look made.
    pub fn looked(&mut self, calls: u64) {
        // A look that failed early made few calls, and would make the next one seem cheap.
        self.look_calls = calls.max(LOOK_CALLS / 2);
    }

    /// Makes a look due, because somebody wants to see everything now.
    pub fn look_now(&mut self) {
        self.asked_for = true;
    }

    /// Makes all jobs but `Job::Work` due, because much is different now.
    pub fn all_now(&mut self) {
        for job in [Job::Look, Job::Steps, Job::Cost] {
            self.last[job as usize] = None;
        }
        self.again();
    }

    /// Makes the cost due, because something else is running now.
    pub fn cost_now(&mut self) {
        self.last[Job::Cost as usize] = None;
    }

    /// Makes probe, health and metrics due, because what they depend on is known now.
    pub fn again(&mut self) {
        for job in [Job::Probe, Job::Health, Job::Metrics] {
            self.last[job as usize] = None;
        }
    }

    /// Notes that something is different from the last look, and makes a look due if the last one is not too recent.
    pub fn changed(&mut self, now: Duration) {
        if self.changed.is_none_or(|c| now.saturating_sub(c) > CHANGING / 2) {
            self.asked_for |= self.last[Job::Look as usize].is_none_or(|l| now.saturating_sub(l) >= CHANGING / 2);
        }
        self.changed = Some(now);
    }

    /// Doubles the pauses, up to eightfold, because AWS throttles or cannot be reached.
    pub fn strained(&mut self) {
        self.slower = (self.slower * 2.0).min(8.0);
    }
    /// Shortens the pauses again, because AWS answers.
    pub fn relieved(&mut self) {
        self.slower = (self.slower * 0.75).max(1.0);
    }

    /// Notes the number of calls made so far.
    pub fn count(&mut self, now: Duration, calls: u64) {
        self.seen.push_back((now, calls));
        while self.seen.len() > 2 && now.saturating_sub(self.seen[1].0) >= MINUTE {
            self.seen.pop_front();
        }
    }

    /// Returns the number of AWS calls in the last minute.
    pub fn rate(&self) -> u64 {
        let (Some((_, first)), Some((_, last))) = (self.seen.front(), self.seen.back()) else { return 0 };
        last - first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the schedule, one second at a time. Returns the number of calls made up to each second.
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
