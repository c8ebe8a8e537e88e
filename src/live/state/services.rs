//! Which of several services is shown, and what is kept of the others.
use super::{LAST, LiveState, SECONDS};
use crate::{
    live::{Event, Ring, event},
    verdict::{Judged, Verdict},
};
use jiff::Timestamp;

impl LiveState {
    /// Keeps a look at all services: the one that is shown, and the judgement of the others.
    ///
    /// The worst is shown, and stays until another one is worse.
    pub(super) fn look_at_services(&mut self, at: Timestamp, mut services: Vec<Judged>, news: &mut Vec<Event>) {
        let worst = services[0].verdict.word();
        let stays =
            |one: &Judged| one.service() == self.verdict.service && (self.is_chosen || one.verdict.word() == worst);
        let shown = services.remove(services.iter().position(stays).unwrap_or_default());
        if let Some(place) = self.others.iter().position(|one| one.service() == shown.service()) {
            self.show(place);
        }
        self.judge_others(at, services, news);
        self.look(at, shown.snapshot, news);
    }

    /// Keeps the judgement of the services that are not shown. A new verdict is an event.
    pub(super) fn judge_others(&mut self, at: Timestamp, mut others: Vec<Judged>, news: &mut Vec<Event>) {
        let build = self.build();
        for one in &mut others {
            one.verdict.build.clone_from(&build);
            let old = self.others.iter().find(|old| old.service() == one.service());
            let change = old.and_then(|old| event::of_verdict(at, &old.verdict, &one.verdict));
            if old.is_none() || change.is_some() {
                self.since.insert(one.service().to_owned(), at);
            }
            news.extend(change);
        }
        Judged::sort(&mut others);
        self.others = others;
    }

    /// Shows another service, by its place in `others`. The one that was shown joins them.
    pub(super) fn show(&mut self, place: usize) {
        let Some(look) = self.snapshot.take() else { return };
        let next = self.others.remove(place);
        let since = self.since.remove(next.service());
        let was = std::mem::replace(&mut self.verdict_since, since);
        self.since.extend(was.map(|at| (self.verdict.service.clone(), at)));
        self.others.push(Judged {
            snapshot: *look,
            chain: std::mem::replace(&mut self.chain, next.chain),
            verdict: std::mem::replace(&mut self.verdict, next.verdict),
        });
        Judged::sort(&mut self.others);
        self.snapshot = Some(Box::new(next.snapshot));
        // The answers are those of the service that was shown.
        (self.last, self.seconds, self.is_chosen) = (Ring::new(LAST), Ring::new(SECONDS), false);
    }

    /// Shows the next service in the order of names. One that is better than the worst stays until the user goes on.
    pub fn show_next(&mut self) {
        let order = |place: &usize| {
            let name = self.others[*place].service();
            (name < self.verdict.service.as_str(), name)
        };
        let Some(next) = (0..self.others.len()).min_by_key(order) else { return };
        self.show(next);
        self.is_chosen = self.worst().word() > self.verdict.word();
    }

    /// Returns the verdict of the stack: that of its worst service.
    pub fn worst(&self) -> &Verdict {
        let others = self.others.iter().map(|one| &one.verdict).filter(|v| v.word() > self.verdict.word());
        others.max_by_key(|v| v.word()).unwrap_or(&self.verdict)
    }
}
