//! The common judgement of the parts that keep data: servers that the instances connect to.
//!
//! Each of them is described by a [`Store`]: its words, its port, and the meaning of its statuses.
use crate::{
    aws::words::is,
    diagnose::{Draft, Drafts, Fix, Hop, HopName, Severity, State, UP, View, names},
    parts::{
        access::judge::{Peer, anywhere, no_group},
        service::judge::boot,
    },
    resources::sorted,
    snapshot::{Beacon, Expected},
};

/// One sort of store: database, cache or file system.
pub(crate) struct Store {
    pub hop: HopName,
    /// The noun in messages: `the database`.
    pub what: &'static str,
    /// The protocol on the port: `MySQL`.
    pub speaks: &'static str,
    pub port: u16,
    /// The name of the step that is its security group.
    pub group: &'static str,
    /// The boot stage that connects to the store.
    pub stage: &'static str,
    pub rules: Rules,
    /// The rows for AWS's statuses. The first match counts. Without a match, the store accepts connections.
    pub statuses: &'static [Status],
    /// Returns the meaning of an error in its boot stage. `None` means that the store cannot be reached.
    pub refusal: fn(&View<'_>, &str) -> Option<Refusal>,
}

impl Store {
    /// True unless the stack's store of this sort has another protocol.
    pub(crate) fn is_of(&self, expected: &Expected) -> bool {
        match self.hop {
            HopName::Database => self.port == expected.database_engine.port(),
            HopName::Cache => self.port == expected.cache_engine.port(),
            _ => true,
        }
    }
}

/// The names of the finding rules that all stores share.
pub(crate) struct Rules {
    pub wrong_group: &'static str,
    pub ingress: &'static str,
    pub egress: &'static str,
    pub acl: &'static str,
    pub beacon: &'static str,
}

/// Builds the names of the rules from the name of the hop.
macro_rules! rules {
    ($hop:literal) => {
        $crate::parts::store::Rules {
            wrong_group: concat!($hop, "-groups"),
            ingress: concat!($hop, "-ingress"),
            egress: concat!($hop, "-egress"),
            acl: concat!("acl-", $hop),
            beacon: concat!("boot-", $hop),
        }
    };
}
pub(crate) use rules;

/// The reason that an instance reports: rule, cause and fix.
pub(crate) type Refusal = (&'static str, &'static str, Fix);

/// The meaning of some statuses for clients.
pub(crate) struct Status {
    /// AWS's statuses. One that ends in `-` is a prefix. An empty list matches every status.
    words: &'static [&'static str],
    /// True if the row matches only after AWS has returned an endpoint.
    at_endpoint: bool,
    /// The problem that the status means. `None`: the store accepts connections.
    trouble: Option<Trouble>,
}

/// The problem that a status means.
struct Trouble {
    rule: &'static str,
    cause: &'static str,
    command: &'static str,
    note: Option<&'static str>,
    /// True if AWS ends the status by itself.
    waits: bool,
}

impl Status {
    /// Matches every status that no earlier row matches.
    pub(crate) const OTHER: &[&str] = &[];

    /// Returns a row for statuses in which the store accepts connections.
    pub(crate) const fn serves(words: &'static [&'static str]) -> Self {
        Self { words, at_endpoint: false, trouble: None }
    }

    /// Returns a row for statuses in which the store accepts connections as soon as it has an endpoint.
    pub(crate) const fn serves_at_endpoint(words: &'static [&'static str]) -> Self {
        Self { words, at_endpoint: true, trouble: None }
    }

    /// Returns a row for statuses that AWS ends by itself.
    pub(crate) const fn busy(words: &'static [&'static str], rule: &'static str, cause: &'static str) -> Self {
        let trouble = Trouble { rule, cause, command: UP, note: Some("waits for it"), waits: true };
        Self { words, at_endpoint: false, trouble: Some(trouble) }
    }

    /// Returns a row for statuses that somebody has to end.
    pub(crate) const fn broken(
        words: &'static [&'static str],
        rule: &'static str,
        cause: &'static str,
        command: &'static str,
        note: Option<&'static str>,
    ) -> Self {
        let trouble = Trouble { rule, cause, command, note, waits: false };
        Self { words, at_endpoint: false, trouble: Some(trouble) }
    }

    /// True if the row applies to this status.
    fn fits(&self, status: &str, has_endpoint: bool) -> bool {
        (self.words.is_empty() || is(status, self.words)) && (has_endpoint || !self.at_endpoint)
    }
}

/// The place of a store that the stack has created: port, security groups and subnets.
#[derive(Default)]
pub(crate) struct Place<'a> {
    pub port: Option<u16>,
    /// The security groups of each of its nodes or mount targets.
    pub groups: Vec<&'a [String]>,
    pub subnets: Vec<&'a str>,
}

impl Store {
    /// Returns the finding for a store with this status, if any.
    pub(crate) fn status(&self, id: &str, status: &str, has_endpoint: bool) -> Option<Draft> {
        let row = self.statuses.iter().find(|row| row.fits(status, has_endpoint))?;
        let t = row.trouble.as_ref()?;
        let fix = Fix { command: t.command.into(), note: t.note.map(Into::into) };
        let draft = Draft::new(t.rule, t.cause, format!("{id} is {status}"), fix);
        Some(if t.waits { draft.waiting() } else { draft })
    }

    /// Judges a store that the stack only uses.
    ///
    /// Only the side of the instances can be judged.
    pub(crate) fn used(&self, view: &View<'_>, endpoint: Option<&str>) -> Hop {
        let mut hop = Draft::hop();
        let endpoint = endpoint.unwrap_or("?");
        let port = endpoint.rsplit_once(':').and_then(|(_, p)| p.parse().ok()).unwrap_or(self.port);
        let app = view.group_id(view.instances_group()).to_owned();
        if view.saw_groups() && !app.is_empty() && !view.lets_out_to_all(std::slice::from_ref(&app), port) {
            hop.push(Draft::new(
                self.rules.egress,
                format!("the instances' security group lets nothing out to {}", self.what),
                format!("{app} has no egress rule for TCP {port}"),
                UP,
            ));
        }
        self.beacons(view, &mut hop);
        let mut hop = hop.done(self.hop, true, format!("{endpoint}, not the stack's own"));
        if hop.state == State::Good && !view.serves() {
            hop.state = State::Unknown;
        }
        hop
    }

    /// Judges the security groups and network ACLs between the instances and the store.
    pub(crate) fn reach(&self, view: &View<'_>, place: &Place<'_>, hop: &mut Drafts) {
        if !view.saw_groups() {
            return;
        }
        let (what, port) = (self.what, place.port.unwrap_or(self.port));
        let ours = view.group_id(self.group);
        let app = view.app();
        let wrong = place.groups.iter().find(|carried| !carried.iter().any(|g| g == ours));
        if let Some(carried) = wrong {
            let evidence = if ours.is_empty() {
                no_group(view, self.group)
            } else {
                format!("it carries {}, not {ours}", names(carried.iter()))
            };
            let open = place.groups.iter().all(|c| view.lets_in(c, port, &app) || view.lets_in(c, port, &anywhere()));
            hop.push(
                Draft::new(self.rules.wrong_group, format!("{what} does not carry its security group"), evidence, UP)
                    .weak_if(open),
            );
        } else if place.groups.iter().any(|carried| !view.lets_in(carried, port, &app)) {
            hop.push(Draft::new(
                self.rules.ingress,
                format!("the security group of {what} does not let the instances in"),
                format!("{ours} has no ingress rule for TCP {port} from {}", names(&app.groups)),
                UP,
            ));
        }
        let carried = view.group(view.instances_group()).map(|g| g.id.clone()).into_iter().collect::<Vec<_>>();
        let mut groups = sorted(place.groups.iter().flat_map(|g| g.iter().cloned()).collect());
        groups.dedup();
        let to = Peer { groups, ..Default::default() };
        if !carried.is_empty()
            && !to.groups.is_empty()
            && !view.lets_out(&carried, port, &to)
            && !view.lets_out_to_all(&carried, port)
        {
            hop.push(
                Draft::new(
                    self.rules.egress,
                    format!("the instances' security group lets nothing out to {what}"),
                    format!(
                        "{} has no egress rule for TCP {port} to {}: connections time out silently",
                        names(&carried),
                        names(&to.groups)
                    ),
                    UP,
                )
                .symptom_if(wrong.is_some()),
            );
        }
        let inside = app.nets.first().map(|n| n.addr());
        if let Some(stop) = inside.and_then(|from| view.acl_stops(&place.subnets, from, port)) {
            hop.push(stop.finding(view, self.rules.acl, &format!("connections of the instances to {what}")));
        }
    }

    /// Adds what booting instances report about the store.
    ///
    /// If an earlier finding explains the report, the report is only a symptom.
    pub(crate) fn beacons(&self, view: &View<'_>, hop: &mut Drafts) {
        let explained = hop.0.iter().any(|d| d.severity != Severity::Weak);
        for beacon in view.beacons().into_iter().filter(|b| b.stage == self.stage) {
            let draft = boot::stage(view, beacon, self.rules.beacon);
            if beacon.error.is_none() {
                let fails = matches!(beacon.status.as_deref(), Some("failed" | "retrying"));
                hop.push(draft.symptom_if(explained && fails));
                continue;
            }
            let (rule, cause, fix) = self.explanation(view, beacon);
            hop.push(Draft { rule, cause, fix, ..draft }.symptom_if(explained));
        }
    }

    /// Returns rule, cause and fix for an error that an instance reports.
    fn explanation(&self, view: &View<'_>, beacon: &Beacon) -> (&'static str, String, Fix) {
        match (self.refusal)(view, beacon.error.as_deref().unwrap_or_default()) {
            Some((rule, cause, fix)) => (rule, cause.into(), fix),
            None => (self.rules.beacon, format!("the instances cannot reach {}", self.what), UP.into()),
        }
    }
}
