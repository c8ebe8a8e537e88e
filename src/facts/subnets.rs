//! Chooses the subnets of an existing network that the stack uses. The module is pure.
use super::network::Subnet;
use crate::config::{Config, Mode};
use std::{cmp::Reverse, collections::BTreeSet, fmt};

/// The use of a subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The load balancer, and the instances where they have public addresses.
    Balancer,
    /// Instances without public addresses.
    Instances,
    /// Instances without public addresses, and an internal load balancer beside them.
    Inside,
    /// Database, cache and mount targets.
    Data,
}

impl Role {
    /// Returns what is looked for, in words.
    pub(super) fn wanted(self) -> &'static str {
        match self {
            Role::Balancer => "public subnet",
            Role::Instances => "subnet with a way out for instances without public addresses",
            Role::Inside => {
                "subnet with a way out for instances without public addresses and room for the load balancer"
            }
            Role::Data => "subnet with room for the data",
        }
    }
}

/// A subnet, with everything that decides what it can be used for.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub subnet: Subnet,
    /// The id of its route table; empty if none was seen.
    pub table: String,
    /// The target of its default route.
    pub way: Way,
    /// How many addresses are free.
    pub free: usize,
    /// Why no part of a stack can use it, if so.
    pub flaw: Option<Flaw>,
    /// The mode in which VPC Block Public Access stops it, if it does.
    pub blocked: Option<String>,
}

/// The target of a subnet's default route.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Way {
    /// An internet gateway that is attached.
    Internet,
    /// A NAT or transit gateway, a VPN, a firewall or an instance.
    Through(String),
    /// No target but an endpoint for S3.
    Endpoint,
    /// A target that carries nothing to the internet.
    DeadEnd(String),
    /// A target that is gone.
    Blackhole(String),
    /// An internet gateway that is not attached.
    Detached(String),
    /// No default route.
    None,
}

/// Why a subnet is not used.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Flaw {
    State(String),
    Ipv6Only,
    Outpost,
    /// The subnet is in a Local or Wavelength Zone.
    Elsewhere,
    Small(u8),
    Full {
        free: usize,
        need: usize,
    },
    Leads(Way),
    Blocked(String),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::State(word) => write!(f, "it is {word}"),
            Flaw::Ipv6Only => f.write_str("it has IPv6 addresses only"),
            Flaw::Outpost => f.write_str("it is on an Outpost"),
            Flaw::Elsewhere => f.write_str("it is in a Local or Wavelength Zone"),
            Flaw::Small(prefix) => write!(f, "a /{prefix} is too small for a load balancer"),
            Flaw::Full { free, need } => write!(f, "{free} free addresses, {need} needed"),
            Flaw::Leads(Way::Internet) => {
                f.write_str("its way out is an internet gateway, which needs public addresses")
            }
            Flaw::Leads(Way::Through(via)) => {
                write!(f, "its default route points at {via}, not to an internet gateway")
            }
            Flaw::Leads(Way::DeadEnd(via)) => {
                write!(f, "its default route points at {via}, which does not reach the internet")
            }
            Flaw::Leads(Way::Blackhole(via)) => write!(f, "its default route points at {via}, which is gone"),
            Flaw::Leads(Way::Detached(via)) => {
                write!(f, "its default route points at {via}, which is not attached to the VPC")
            }
            Flaw::Leads(Way::Endpoint | Way::None) => f.write_str("it has no default route"),
            Flaw::Blocked(mode) => write!(f, "VPC Block Public Access stops it ({mode})"),
        }
    }
}

/// How many addresses a zone's subnets need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    pub balancer: usize,
    pub instances: usize,
    pub data: usize,
    /// True if the instances are in subnets of their own.
    pub apart: bool,
    /// True if the load balancer is internal.
    pub internal: bool,
}

/// How many free addresses a load balancer needs in each subnet [AWS 4.8].
const BALANCER: usize = 8;
/// The prefix length of the smallest subnet that a load balancer takes [AWS 4.8].
const SMALLEST: u8 = 27;

impl Needs {
    /// Returns the needs of the stack file in each of this many zones.
    pub(super) fn of(config: &Config, zones: usize) -> Self {
        // One more for the database, since its replacement exists beside it for a while.
        let of = |mode, n| if mode == Mode::Create { n } else { 0 };
        let data = of(config.database.mode, 2) + of(config.cache.mode, 1) + of(config.files.mode, 1);
        let instances = config.services().map(|service| (service.max as usize).div_ceil(zones.max(1))).sum();
        let (apart, internal) = (config.has_private_instances(), config.has_internal_balancer());
        Self { balancer: BALANCER, instances, data, apart, internal }
    }

    /// True if nothing has to be in a public subnet.
    fn is_inside(&self) -> bool {
        self.apart && self.internal
    }
}

/// The subnets that the stack is in already. They stay, however full they are.
#[derive(Clone, Debug, Default)]
pub(super) struct InUse {
    pub balancer: BTreeSet<String>,
    pub fleet: BTreeSet<String>,
    pub data: BTreeSet<String>,
}

impl InUse {
    fn of(&self, role: Role, apart: bool) -> BTreeSet<&String> {
        match role {
            Role::Balancer if apart => self.balancer.iter().collect(),
            Role::Balancer | Role::Inside => self.balancer.iter().chain(&self.fleet).collect(),
            Role::Instances => self.fleet.iter().collect(),
            Role::Data => self.data.iter().collect(),
        }
    }
}

/// The subnets that the stack uses in one zone.
#[derive(Clone, Debug)]
pub(super) struct Home {
    /// The load balancer's: a public one, unless nothing has to be in one.
    pub public: Subnet,
    pub instances: Subnet,
    pub private: Subnet,
}

/// A role that no subnet of a zone can play, with the reason of each.
pub(super) type Lack = (Role, Vec<(String, Flaw)>);

/// Returns one subnet of this zone for each role, or the first role without one.
pub(super) fn home(all: &[Candidate], zone: &str, needs: Needs, used: &InUse) -> Result<Home, Lack> {
    let here: Vec<&Candidate> = all.iter().filter(|c| c.subnet.zone == zone).collect();
    let pick = |role: Role, need: &dyn Fn(&Candidate) -> usize| -> Result<Subnet, Lack> {
        let stands = used.of(role, needs.apart);
        let standing: Vec<&Candidate> = here.iter().copied().filter(|c| stands.contains(&c.subnet.id)).collect();
        let (among, stands) = if standing.is_empty() { (&here, false) } else { (&standing, true) };
        let judged = among.iter().map(|c| (*c, c.flaw_for(role, need(c), stands)));
        let (good, bad): (Vec<_>, Vec<_>) = judged.partition(|(_, flaw)| flaw.is_none());
        let best = good.into_iter().map(|(c, _)| c).min_by_key(|c| c.order(role));
        best.map(|c| c.subnet.clone())
            .ok_or_else(|| (role, bad.into_iter().filter_map(|(c, flaw)| Some((c.subnet.id.clone(), flaw?))).collect()))
    };
    let also =
        |c: &Candidate, need: usize, taken: &Subnet, by: usize| if c.subnet.id == taken.id { need + by } else { need };
    if needs.is_inside() {
        let room = needs.balancer + needs.instances;
        let inside = pick(Role::Inside, &|_| room)?;
        let private = pick(Role::Data, &|c| also(c, needs.data, &inside, room))?;
        return Ok(Home { public: inside.clone(), instances: inside, private });
    }
    let at_balancer = needs.balancer + if needs.apart { 0 } else { needs.instances };
    let public = pick(Role::Balancer, &|_| at_balancer)?;
    let instances = match needs.apart {
        true => pick(Role::Instances, &|c| also(c, needs.instances, &public, at_balancer))?,
        false => public.clone(),
    };
    let private = pick(Role::Data, &|c| {
        let need = also(c, needs.data, &public, at_balancer);
        if needs.apart { also(c, need, &instances, needs.instances) } else { need }
    })?;
    Ok(Home { public, instances, private })
}

/// Returns any subnet of this zone for each role, where nothing can be built.
///
/// Existing objects can then still be looked at and deleted.
pub(super) fn any_home(all: &[Candidate], zone: &str, needs: Needs, used: &InUse) -> Option<Home> {
    let here: Vec<&Candidate> = all.iter().filter(|c| c.subnet.zone == zone).collect();
    let pick = |role: Role| {
        let stands = used.of(role, needs.apart);
        here.iter().min_by_key(|c| (!stands.contains(&c.subnet.id), c.order(role))).map(|c| c.subnet.clone())
    };
    let public = pick(if needs.is_inside() { Role::Inside } else { Role::Balancer })?;
    let instances = if needs.is_inside() || !needs.apart { public.clone() } else { pick(Role::Instances)? };
    Some(Home { public, instances, private: pick(Role::Data)? })
}

impl Candidate {
    /// Returns why the subnet cannot play this role. A subnet that does so already needs no room.
    fn flaw_for(&self, role: Role, need: usize, stands: bool) -> Option<Flaw> {
        if let Some(flaw) = &self.flaw {
            return Some(flaw.clone());
        }
        let leads = match (role, &self.way) {
            (Role::Balancer, Way::Internet)
            | (Role::Instances | Role::Inside, Way::Through(_) | Way::Endpoint)
            | (Role::Data, _) => None,
            (_, way) => Some(Flaw::Leads(way.clone())),
        };
        if leads.is_some() || stands {
            return leads;
        }
        let prefix = self.subnet.cidr.rsplit_once('/').and_then(|(_, n)| n.parse().ok()).unwrap_or(0);
        match &self.blocked {
            Some(mode) if role == Role::Balancer => return Some(Flaw::Blocked(mode.clone())),
            _ if matches!(role, Role::Balancer | Role::Inside) && prefix > SMALLEST => {
                return Some(Flaw::Small(prefix));
            }
            _ => {}
        }
        (self.free < need).then_some(Flaw::Full { free: self.free, need })
    }

    /// Returns the sort order of the subnet for this role, the best first.
    ///
    /// What suits the role comes first, then the most free addresses, then the lowest id, so that all runs choose
    /// alike.
    fn order(&self, role: Role) -> (u8, Reverse<usize>, String) {
        let rank = match (role, &self.way) {
            // Data have no use for a way out.
            (Role::Data, Way::None | Way::Endpoint) => 0,
            (Role::Data, Way::Internet) => 2,
            (Role::Data, _) => 1,
            (Role::Balancer, Way::Internet) | (Role::Instances | Role::Inside, Way::Through(_)) => 0,
            (Role::Balancer, Way::Blackhole(_) | Way::Detached(_))
            | (Role::Instances | Role::Inside, Way::Endpoint) => 1,
            _ => 2,
        };
        (rank, Reverse(self.free), self.subnet.id.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: Needs = Needs { balancer: BALANCER, instances: 2, data: 4, apart: false, internal: false };
    const APART: Needs = Needs { apart: true, ..NEEDS };

    fn candidate(id: &str, way: Way, free: usize) -> Candidate {
        let subnet = Subnet { id: id.into(), zone: "eu-west-1a".into(), cidr: "10.0.0.0/24".into() };
        Candidate { subnet, table: "rtb-1".into(), way, free, flaw: None, blocked: None }
    }

    fn chosen(all: &[Candidate], needs: Needs, used: &InUse) -> Result<[String; 3], Vec<String>> {
        let found = home(all, "eu-west-1a", needs, used);
        let ids = |h: Home| [h.public.id, h.instances.id, h.private.id];
        found.map(ids).map_err(|(_, flaws)| flaws.into_iter().map(|(id, flaw)| format!("{id}: {flaw}")).collect())
    }

    fn nat() -> Way {
        Way::Through("nat-1".into())
    }

    #[test]
    fn each_role_gets_what_suits_it() {
        let all = [
            candidate("s-1", Way::Internet, 100),
            candidate("s-2", Way::Internet, 200),
            candidate("s-3", nat(), 50),
            candidate("s-4", Way::None, 9),
        ];
        let none = InUse::default();
        assert_eq!(chosen(&all, NEEDS, &none), Ok(["s-2", "s-2", "s-4"].map(Into::into)));
        assert_eq!(chosen(&all, APART, &none), Ok(["s-2", "s-3", "s-4"].map(Into::into)));
        // A default VPC has public ones only: then there has to be room for everything.
        assert_eq!(chosen(&all[..2], NEEDS, &none), Ok(["s-2", "s-2", "s-2"].map(Into::into)));
        assert_eq!(
            chosen(&[candidate("s-1", Way::Internet, 14)], NEEDS, &none),
            Ok(["s-1", "s-1", "s-1"].map(Into::into))
        );
        let narrow = chosen(&[candidate("s-1", Way::Internet, 13)], NEEDS, &none);
        assert_eq!(narrow, Err(vec!["s-1: 13 free addresses, 14 needed".to_owned()]));
        // Alike ones: the same for everybody.
        let twins = [candidate("s-9", Way::Internet, 90), candidate("s-8", Way::Internet, 90)];
        assert_eq!(chosen(&twins, NEEDS, &none).unwrap()[0], "s-8");
    }

    #[test]
    fn an_internal_balancer_is_beside_private_instances_and_needs_no_public_subnet() {
        let inside = Needs { internal: true, ..APART };
        let all = [candidate("s-1", Way::Internet, 200), candidate("s-2", nat(), 30), candidate("s-3", Way::None, 9)];
        assert_eq!(chosen(&all, inside, &InUse::default()), Ok(["s-2", "s-2", "s-3"].map(Into::into)));
        assert_eq!(chosen(&all[1..], inside, &InUse::default()), Ok(["s-2", "s-2", "s-3"].map(Into::into)));
        assert!(any_home(&all[1..], "eu-west-1a", inside, &InUse::default()).is_some());
        // Instances with public addresses still need one.
        let public = Needs { internal: true, ..NEEDS };
        assert!(chosen(&all[1..], public, &InUse::default()).is_err());
        let narrow = chosen(&[candidate("s-2", nat(), 9)], inside, &InUse::default());
        assert_eq!(narrow, Err(vec!["s-2: 9 free addresses, 10 needed".to_owned()]));
        let mut small = candidate("s-2", nat(), 11);
        small.subnet.cidr = "10.0.0.0/28".into();
        let small = chosen(&[small], inside, &InUse::default());
        assert_eq!(small, Err(vec!["s-2: a /28 is too small for a load balancer".to_owned()]));
    }

    #[test]
    fn what_stands_keeps_its_subnets() {
        let all = [
            candidate("s-1", Way::Internet, 0),
            candidate("s-2", Way::Internet, 200),
            candidate("s-3", Way::None, 1),
            candidate("s-4", Way::None, 90),
        ];
        let ids = |id: &str| BTreeSet::from([id.to_owned()]);
        let used = InUse { balancer: ids("s-1"), fleet: ids("s-1"), data: ids("s-3") };
        assert_eq!(chosen(&all, NEEDS, &used), Ok(["s-1", "s-1", "s-3"].map(Into::into)));
        // But not when its route is gone: that is to be mended, not moved away from.
        let mut all = all;
        all[0].way = Way::Blackhole("igw-9".into());
        let lost = chosen(&all, NEEDS, &used);
        assert_eq!(lost, Err(vec!["s-1: its default route points at igw-9, which is gone".to_owned()]));
        assert_eq!(any_home(&all, "eu-west-1a", NEEDS, &used).map(|h| h.public.id), Some("s-1".into()));
    }

    #[test]
    fn each_that_is_not_taken_says_why() {
        let with = |f: &dyn Fn(&mut Candidate)| {
            let mut c = candidate("s-1", Way::Internet, 200);
            f(&mut c);
            c
        };
        for (seen, says) in [
            (with(&|c| c.flaw = Some(Flaw::Ipv6Only)), "it has IPv6 addresses only"),
            (with(&|c| c.flaw = Some(Flaw::Outpost)), "it is on an Outpost"),
            (with(&|c| c.flaw = Some(Flaw::Elsewhere)), "it is in a Local or Wavelength Zone"),
            (with(&|c| c.flaw = Some(Flaw::State("pending".into()))), "it is pending"),
            (with(&|c| c.free = 9), "9 free addresses, 10 needed"),
            (with(&|c| c.subnet.cidr = "10.0.0.0/28".into()), "a /28 is too small for a load balancer"),
            (with(&|c| c.way = Way::None), "it has no default route"),
            (with(&|c| c.way = Way::Detached("igw-1".into())), "points at igw-1, which is not attached to the VPC"),
            (with(&|c| c.way = Way::Blackhole("igw-1".into())), "points at igw-1, which is gone"),
            (with(&|c| c.way = nat()), "points at nat-1, not to an internet gateway"),
            (with(&|c| c.way = Way::DeadEnd("pcx-1".into())), "points at pcx-1, which does not reach the internet"),
            (with(&|c| c.blocked = Some("block-ingress".into())), "VPC Block Public Access stops it (block-ingress)"),
        ] {
            let said = chosen(&[seen], NEEDS, &InUse::default()).unwrap_err();
            assert!(said[0].ends_with(says), "{said:?} does not say {says:?}");
        }
        // Instances without public addresses have no use for an internet gateway.
        let public = [candidate("s-1", Way::Internet, 200)];
        let said = chosen(&public, APART, &InUse::default()).unwrap_err();
        assert_eq!(said, ["s-1: its way out is an internet gateway, which needs public addresses"]);
        for way in [Way::None, Way::Blackhole("nat-1".into()), Way::DeadEnd("pcx-1".into())] {
            let all = [candidate("s-1", Way::Internet, 200), candidate("s-2", way.clone(), 200)];
            assert!(chosen(&all, APART, &InUse::default()).is_err(), "{way:?}");
        }
        for way in ["tgw-1", "vgw-1", "vpce-1", "eni-1"] {
            let all = [candidate("s-1", Way::Internet, 200), candidate("s-2", Way::Through(way.into()), 200)];
            assert_eq!(chosen(&all, APART, &InUse::default()).unwrap()[1], "s-2", "{way}");
        }
    }
}
