//! The look at a service: its target group, its fleet, and the launch template and profile of the fleet.
mod fleet;
mod target;
mod template;

pub use fleet::{Activity, AutoScalingGroup, Instance, Member};
pub use target::{HealthCheck, Target, TargetGroup, targets};
pub use template::{Profile, Template, TemplateVersion};

use crate::snapshot::Look;
use futures::FutureExt as _;

/// Finds the target group, the Auto Scaling group, the launch template and the instance profile by their names.
pub(crate) async fn find(look: &Look<'_>) {
    futures::join!(
        target::find(look).boxed_local(),
        fleet::find(look).boxed_local(),
        template::find(look).boxed_local(),
        template::profile(look).boxed_local(),
    );
    template::find_used(look).await;
}

/// Reads the targets, the activities of the Auto Scaling group, and the instances.
pub(crate) async fn follow(look: &Look<'_>) {
    let ((), (), (), instances) = futures::join!(
        target::health(look).boxed_local(),
        target::attributes(look).boxed_local(),
        fleet::activities(look).boxed_local(),
        fleet::instances(look).boxed_local(),
    );
    // The targets have to be known to select the instances of the service.
    look.keep(|s| s.instances = fleet::of_service(instances, s));
}
