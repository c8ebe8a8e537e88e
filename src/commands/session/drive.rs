//! How a verb changes things: under a lease, with a live view, and listening for Ctrl-C.
use super::{super::Failure, Session};
use crate::{
    aws::reads::Mode,
    cli,
    lease::{self, Holder, Lease, OnConflict},
};

impl Session {
    /// Switches from looking to changing: answers are shared only for a moment, and Ctrl-C is listened for.
    pub(crate) fn building(&self) {
        let keep = Mode::BUILDING.min(self.env.pace.of(Mode::BUILDING * 4));
        self.aws.reads.set_mode(Mode::Building { keep });
        self.listen();
    }

    /// Takes the stack's lease, or fails with the name of its holder.
    ///
    /// Returns true if somebody else held it until now, since earlier plans may then be done, or undone.
    /// [`Session::holding`] gives the lease back.
    pub(crate) async fn lease(&self, verb: &str, args: cli::LeaseArgs) -> Result<bool, Failure> {
        let taken = match args {
            cli::LeaseArgs { wait: true, .. } => OnConflict::Wait,
            cli::LeaseArgs { steal: true, .. } => OnConflict::Steal,
            cli::LeaseArgs { no_lease: true, .. } => {
                self.out
                    .note("without a lease: other runs on this stack are not looked for, and they do not see this one");
                self.env.ownership.set_alone(false);
                self.lease.set(Some(Lease::none(&self.aws, Holder::me(verb))));
                return Ok(false);
            }
            _ => OnConflict::Refuse,
        };
        let say = |whom: &str| self.out.note(whom);
        let lease = Lease::take(&self.aws, &self.env.stack, Holder::me(verb), taken, say).await?;
        self.env.ownership.set_alone(lease.is_alone());
        let has_waited = lease.has_waited();
        self.lease.set(Some(lease));
        Ok(has_waited)
    }

    /// Gives the lease back, if it is held.
    pub(crate) async fn release(&self) {
        if let Some(lease) = self.lease.take() {
            lease.release(&self.env.stack).await;
        }
    }

    /// Runs a part of a verb, and gives back the lease that the part took and still holds, however the part ended.
    pub(crate) async fn holding<T>(&mut self, work: impl AsyncFnOnce(&mut Self) -> T) -> T {
        let result = work(self).await;
        self.release().await;
        result
    }

    /// Runs a walk that changes things, and keeps the lease and the view alive meanwhile.
    pub(crate) async fn drive<T>(&self, walk: impl Future<Output = T>) -> T {
        let lease = self.lease.take().unwrap_or_else(|| Lease::none(&self.aws, Holder::me("")));
        let taken_over = |other: &Holder| self.view.note(&format!("taken over: {other}"));
        let result = tokio::select! {
            result = walk => result,
            never = self.view.tick() => match never {},
            never = lease.keep(&self.env.stack, &self.env.stop, || self.view.progress(), taken_over) => match never {},
        };
        self.lease.set(Some(lease));
        result
    }

    /// Returns who is at work on the stack.
    pub(crate) async fn at_work(&self) -> Option<Holder> {
        lease::at_work(&self.aws, &self.env.stack).await
    }
}
