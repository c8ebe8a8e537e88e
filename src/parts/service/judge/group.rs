//! The findings about the settings of the Auto Scaling group.
use crate::{
    diagnose::{Draft, Drafts, UP, View, names},
    snapshot::AutoScalingGroup,
};

/// Adds the findings about the settings.
pub(super) fn settings(view: &View<'_>, g: &AutoScalingGroup, hop: &mut Drafts) {
    let s = view.s;
    let want = &s.expected;
    if let Some(status) = &g.status {
        hop.push(Draft::new(
            "fleet-deleting",
            "the Auto Scaling group is being deleted",
            format!("{}: {status}", g.name),
            (UP, "waits until it is gone, then creates it again"),
        ));
    }
    if g.desired == 0 || g.max == 0 {
        hop.push(Draft::new(
            "fleet-zero",
            "the Auto Scaling group has a desired or maximum size of 0",
            format!(
                "min {}, desired {}, max {}; the stack file says {}, {}, {}",
                g.min, g.desired, g.max, want.min, want.desired, want.max
            ),
            UP,
        ));
    } else if g.min != want.min || g.max != want.max || g.desired < want.min {
        hop.push(
            Draft::new(
                "fleet-sizes",
                "the Auto Scaling group has other sizes than the stack file says",
                format!(
                    "min {}, desired {}, max {}, not min {min}, desired {min} to {max}, max {max}",
                    g.min,
                    g.desired,
                    g.max,
                    min = want.min,
                    max = want.max
                ),
                UP,
            )
            .weak(),
        );
    }
    if s.target_group.as_ref().is_some_and(|t| !g.target_groups.contains(&t.arn)) {
        hop.push(Draft::new(
            "fleet-unattached",
            "the Auto Scaling group is not attached to the target group: its instances are not registered as targets",
            format!(
                "{} has {}",
                g.name,
                if g.target_groups.is_empty() {
                    "no target group".to_owned()
                } else {
                    format!("{} others", g.target_groups.len())
                }
            ),
            UP,
        ));
    }
    let missing = (view.members().len() as i32) < g.desired;
    for process in &g.suspended {
        let (what, grave) = match process.as_str() {
            "Launch" => ("no instance is launched", missing),
            "Terminate" => ("no instance is terminated, not even a broken one", false),
            "AddToLoadBalancer" => ("new instances are not registered as targets", !view.serves()),
            "HealthCheck" => ("no instance is marked unhealthy", false),
            "ReplaceUnhealthy" => ("no unhealthy instance is replaced", false),
            "AlarmNotification" => ("it does not scale", false),
            "AZRebalance" => ("instances are not rebalanced over the zones", false),
            _ => ("part of it does not work", false),
        };
        let cause = format!("the process {process} of the Auto Scaling group is suspended: {what}");
        let evidence = format!("SuspendedProcesses of {}: {}", g.name, names(&g.suspended));
        hop.push(Draft::new("fleet-suspended", cause, evidence, UP).weak_if(!grave));
    }
    if g.health_check_type != "ELB" {
        hop.push(
            Draft::new(
                "fleet-health-type",
                "an instance that does not answer is not replaced",
                format!("health check type {}, not ELB", g.health_check_type),
                UP,
            )
            .weak(),
        );
    }
    if g.grace_seconds < want.grace_seconds {
        hop.push(
            Draft::new(
                "fleet-grace",
                "instances get less time to boot than the stack file says: they may be replaced in an endless loop",
                format!("{} s of grace, not {}", g.grace_seconds, want.grace_seconds),
                UP,
            )
            .weak_if(view.serves() || g.grace_seconds > 60),
        );
    }
}
