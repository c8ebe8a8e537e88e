//! A hosted zone of the account. It is only used: gameday never creates, changes or deletes one.
use super::{prelude::*, vpc::Vpc};
use crate::aws::{listing::Zone, words::dns};

/// The hosted zone that has a name.
pub struct HostedZone {
    pub aws: Aws,
    /// The name for which a record is wanted.
    pub name: String,
    /// The zone's id, if the stack file gives it.
    pub id: Option<String>,
    /// The VPC whose private zones come first. `None`: only public zones.
    pub vpc: Option<Ref<Vpc>>,
}

/// The managed fields of a hosted zone, none of which the stack changes.
#[derive(Serialize)]
pub struct Spec {
    name: String,
    vpc: Option<Known<String>>,
}

/// The values of a hosted zone that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub id: String,
}

impl Resource for HostedZone {
    const KIND: &'static str = "hosted-zone";
    const ACTIONS: &'static [&'static str] =
        &["ec2:DescribeVpcs", "route53:ListHostedZones", "route53:ListHostedZonesByVPC"];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec { name: self.name.clone(), vpc: self.vpc.as_ref().map(|vpc| inputs.read(vpc, |v| v.id.clone())) }
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let vpc = self.vpc.as_ref().and_then(|vpc| cx.read(vpc, |v| v.id.clone()).now());
        let Some(zone) = of_name(&self.aws, &self.name, self.id.as_deref(), vpc.as_deref()).await? else {
            return Ok(None);
        };
        Ok(Some(Found {
            spec: Spec { name: self.name.clone(), vpc: vpc.map(Known::Now).map(Some).unwrap_or_default() },
            output: Some(Output { id: zone.id.clone() }),
            phase: Phase::Ready,
            tags: cx.inherited(),
            id: zone.id,
        }))
    }

    async fn create(&self, _: &Cx<'_>, _: &Spec) -> Result<()> {
        Ok(())
    }

    async fn update(&self, _: &Cx<'_>, _: &Spec, _: &Found<Self>, _: &Diff) -> Result<()> {
        Ok(())
    }

    async fn delete(&self, _: &Cx<'_>, _: &Found<Self>) -> Result<()> {
        Ok(())
    }
}

/// Returns the hosted zone for a record of this name: the given one, else a private one of the VPC, else a public one.
/// Of several the nearest, which is the one with the longest name.
pub(crate) async fn of_name(aws: &Aws, name: &str, id: Option<&str>, vpc: Option<&str>) -> Result<Option<Zone>> {
    if let Some(vpc) = vpc {
        let private = listing::hosted_zones_of_vpc(aws, vpc).await?;
        if let Some(zone) = nearest(&private, name, id)? {
            return Ok(Some(zone));
        }
    }
    let all = listing::hosted_zones(aws).await?;
    let open: Vec<Zone> = all.iter().filter(|zone| id.is_some() || !zone.private).cloned().collect();
    nearest(&open, name, id)
}

/// Returns the zone with the longest name that has `name` in it.
fn nearest(all: &[Zone], name: &str, id: Option<&str>) -> Result<Option<Zone>> {
    let fitting = all.iter().filter(|zone| dns::is_in(name, &zone.name) && id.is_none_or(|id| zone.id == id));
    let longest = fitting.clone().map(|zone| zone.name.len()).max();
    let found: Vec<&Zone> = fitting.filter(|zone| Some(zone.name.len()) == longest).collect();
    match found[..] {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        [first, ..] => {
            let ids: Vec<&str> = found.iter().map(|zone| zone.id.as_str()).collect();
            // Names of zones are not unique in an account [AWS C3].
            Err(Error::other(
                format!("the hosted zones {} are all called {}", ids.join(", "), first.name),
                format!(
                    "write zone = \"{}\" beside the name in gameday.toml: the one to which the domain is delegated",
                    first.id
                ),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_zone_has_the_name() {
        let zone = |id: &str, name: &str| Zone { id: id.into(), name: name.into(), private: false };
        let all = [zone("Z1", "example.com"), zone("Z2", "app.example.com"), zone("Z3", "ample.com")];
        let of = |name: &str, id: Option<&str>| nearest(&all, name, id).unwrap().map(|zone| zone.id);
        assert_eq!(of("app.example.com", None).as_deref(), Some("Z2"));
        assert_eq!(of("x.app.example.com", None).as_deref(), Some("Z2"));
        assert_eq!(of("web.example.com", None).as_deref(), Some("Z1"));
        assert_eq!(of("app.example.com", Some("Z1")).as_deref(), Some("Z1"));
        assert_eq!(of("example.org", None), None);
        assert_eq!(of("app.example.com", Some("Z3")), None);
        let twice = [zone("Z1", "example.com"), zone("Z2", "example.com")];
        let said = nearest(&twice, "app.example.com", None).unwrap_err().to_string();
        assert_eq!(said, "the hosted zones Z1, Z2 are all called example.com");
    }
}
