//! A record in a hosted zone of the account: the service's name, or the proof of a certificate's domain.
//!
//! Records carry no tags. The alias is the stack's if the stack's record of its objects lists it, or, where the account
//! keeps none, if it points at the stack's balancer. The proof belongs to the certificate: its name and value are ACM's,
//! and the same for every certificate of the account for that domain.
//!
//! If the name gets another hosted zone, the record moves there. The one in the earlier zone is found by the stack's
//! record of its objects, so that it stays where the account keeps none.
use super::{certificate::Certificate, hosted_zone::HostedZone, load_balancer::LoadBalancer, prelude::*};
use crate::aws::{listing::Zone, words::dns};
use aws_sdk_route53::types::{
    AliasTarget, Change as AwsChange, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType,
};
use std::{cell::Cell, collections::BTreeMap};

/// The wanted record.
pub struct DnsRecord {
    pub aws: Aws,
    pub zone: Ref<HostedZone>,
    pub says: Says,
    /// True after a delete that left the record, because it is not the stack's alone.
    pub left: Cell<bool>,
}

/// What a record says.
pub enum Says {
    /// The name is an alias of the balancer, which has this name on AWS.
    Alias { name: String, balancer: Ref<LoadBalancer>, called: String },
    /// The domain of the certificate is the account's.
    Proof(Ref<Certificate>),
}

/// The managed fields of a record.
#[derive(Serialize)]
pub struct Spec {
    name: Known<String>,
    r#type: String,
    target: Known<String>,
    zone: Known<String>,
    /// The zone of an alias's target.
    #[serde(skip)]
    of_target: Option<Known<String>>,
    /// The records as they are, with the ids of their zones.
    #[serde(skip)]
    there: Vec<(String, ResourceRecordSet)>,
}

/// The output, which is empty because no other step refers to a record.
#[derive(Clone, Serialize)]
pub struct Output {}

/// Returns the id of a record, by which the stack's record of its objects lists it.
fn id(zone: &str, name: &str, r#type: &RrType) -> String {
    format!("{zone}/{name}/{}", r#type.as_str())
}

/// How many seconds resolvers may keep a proof. Only ACM asks for it.
const TTL: i64 = 300;

impl Resource for DnsRecord {
    const KIND: &'static str = "dns-record";
    const OF_PARENT: bool = true;
    const TAGLESS: bool = true;
    const ACTIONS: &'static [&'static str] = &[
        "acm:ListCertificates",
        "route53:ChangeResourceRecordSets",
        "route53:ListHostedZones",
        "route53:ListResourceRecordSets",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        let (name, target, of_target) = match &self.says {
            Says::Alias { name, balancer, .. } => (
                Known::Now(name.clone()),
                inputs.read(balancer, |b| dns::plain(&b.dns_name)),
                Some(inputs.read(balancer, |b| b.zone_id.clone().unwrap_or_default())),
            ),
            Says::Proof(certificate) => (
                inputs.read(certificate, |c| c.proof.name.clone()),
                inputs.read(certificate, |c| c.proof.value.clone()),
                None,
            ),
        };
        let zone = inputs.read(&self.zone, |z| z.id.clone());
        Spec { name, r#type: self.r#type().as_str().into(), target, zone, of_target, there: vec![] }
    }
    // All name servers know a change after 38 seconds [AWS C3], but the zone has it at once.
    fn typical(&self) -> Typical {
        Typical::secs(1, 1, 1)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let want = self.spec(&Inputs::default());
        let (Some(zone), Some(name)) = (want.zone.clone().now(), want.name.clone().now()) else { return Ok(None) };
        if self.left.get() {
            return Ok(None);
        }
        let all = listing::records(&self.aws, &zone, &name).await?;
        let here = all.iter().filter(|r| dns::is_in_place(r, &self.r#type())).map(|r| (zone.clone(), r.clone()));
        let earlier = self.earlier(cx, &zone, &name).await?;
        let mut there: Vec<_> = here.collect();
        for zone in &earlier {
            let all = listing::records(&self.aws, zone, &name).await?;
            let ours = all.iter().filter(|r| *r.r#type() == self.r#type() && self.is_right(&want, &dns::target(r)));
            there.extend(ours.map(|r| (zone.clone(), r.clone())));
        }
        let Some((first_zone, first)) = there.first() else { return Ok(None) };
        let id = id(first_zone, &name, first.r#type());
        // Records of a routing policy share their name and type.
        let targets = there.iter().filter(|(zone, _)| zone == first_zone).map(|(_, r)| dns::target(r));
        let target = targets.collect::<Vec<_>>().join(", ");
        let mut zones: Vec<&str> = there.iter().map(|(zone, _)| zone.as_str()).collect();
        zones.dedup();
        let is_ours = match &self.says {
            // A run that was cut has not recorded the record that it has moved.
            Says::Alias { .. } if !earlier.is_empty() && self.is_right(&want, &target) => true,
            Says::Alias { .. } => cx.is_proven(&id) && (cx.env.ownership.has_record() || self.is_right(&want, &target)),
            Says::Proof(_) => want.target.now().is_some_and(|wanted| wanted == target),
        };
        Ok(Some(Found {
            spec: Spec {
                name: Known::Now(name),
                r#type: first.r#type().as_str().into(),
                target: Known::Now(target),
                zone: Known::Now(zones.join(", ")),
                of_target: None,
                there,
            },
            output: Some(Output {}),
            phase: Phase::Ready,
            tags: if is_ours { cx.inherited() } else { Tags::default() },
            id,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        self.left.set(false);
        let (zone, name) = (want.zone.get()?, want.name.get()?);
        self.change(zone, vec![(ChangeAction::Create, self.wanted(want)?)]).await?;
        cx.note_created(&id(zone, name, &self.r#type()));
        Ok(())
    }

    /// Puts the record in the place of what is there, in one batch: it is done whole or not at all [AWS C3]. Only then it
    /// goes from an earlier zone.
    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        let (zone, name) = (want.zone.get()?, want.name.get()?);
        let (here, earlier): (Vec<_>, Vec<_>) = found.spec.there.iter().cloned().partition(|(at, _)| at == zone);
        let changes = here.into_iter().map(|(_, record)| (ChangeAction::Delete, record));
        self.change(zone, changes.chain([(ChangeAction::Create, self.wanted(want)?)]).collect()).await?;
        for (at, record) in earlier {
            self.remove(&at, vec![record]).await?;
            cx.note_deleted(&id(&at, name, &self.r#type()));
        }
        Ok(())
    }

    /// Leaves a name that somebody has pointed elsewhere, and a proof that another certificate needs.
    async fn delete(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        let is_needed = match (&self.says, found.spec.target.clone().now()) {
            (Says::Alias { called, .. }, target) => !target.is_some_and(|target| dns::is_of_balancer(&target, called)),
            (Says::Proof(certificate), _) => self.is_proof_of_others(cx, certificate).await?,
        };
        if is_needed {
            self.left.set(true);
            return Ok(());
        }
        let mut by_zone: BTreeMap<&str, Vec<ResourceRecordSet>> = BTreeMap::new();
        for (zone, record) in &found.spec.there {
            by_zone.entry(zone).or_default().push(record.clone());
        }
        for (zone, records) in by_zone {
            self.remove(zone, records).await?;
        }
        Ok(())
    }
}

impl DnsRecord {
    fn r#type(&self) -> RrType {
        match self.says {
            Says::Alias { .. } => RrType::A,
            Says::Proof(_) => RrType::Cname,
        }
    }

    /// True if a record with this target says what the stack's own records say.
    fn is_right(&self, want: &Spec, target: &str) -> bool {
        match &self.says {
            Says::Alias { called, .. } => dns::is_of_balancer(target, called),
            Says::Proof(_) => want.target.clone().now().is_some_and(|wanted| wanted == target),
        }
    }

    /// Returns the other hosted zones of the account in which the stack has made this record.
    async fn earlier(&self, cx: &Cx<'_>, zone: &str, name: &str) -> Result<Vec<String>> {
        let all = listing::hosted_zones(&self.aws).await?;
        let is_earlier =
            |z: &&Zone| z.id != zone && dns::is_in(name, &z.name) && cx.is_recorded(&id(&z.id, name, &self.r#type()));
        let earlier: Vec<String> = all.iter().filter(is_earlier).map(|z| z.id.clone()).collect();
        match &self.says {
            Says::Proof(certificate) if !earlier.is_empty() && self.is_proof_of_others(cx, certificate).await? => {
                Ok(vec![])
            }
            _ => Ok(earlier),
        }
    }

    /// Deletes records of one zone.
    async fn remove(&self, zone: &str, records: Vec<ResourceRecordSet>) -> Result<()> {
        let changes = records.into_iter().map(|record| (ChangeAction::Delete, record));
        match self.change(zone, changes.collect()).await {
            Err(e) if e.class() == Some(Class::NotFound) => Ok(()),
            other => other,
        }
    }

    /// Returns the record in AWS's form.
    fn wanted(&self, want: &Spec) -> Result<ResourceRecordSet> {
        let wrong = |e| Error::other(format!("cannot write the record: {e}"), "report it as a bug");
        let record = ResourceRecordSet::builder().name(want.name.get()?).r#type(self.r#type());
        let target = want.target.get()?;
        let record = match &want.of_target {
            Some(zone) => {
                let alias = AliasTarget::builder().dns_name(target).hosted_zone_id(zone.get()?);
                record.alias_target(alias.evaluate_target_health(false).build().map_err(wrong)?)
            }
            None => {
                // ACM shows the value with its last dot.
                let value = ResourceRecord::builder().value(format!("{target}."));
                record.ttl(TTL).resource_records(value.build().map_err(wrong)?)
            }
        };
        record.build().map_err(wrong)
    }

    async fn change(&self, zone: &str, changes: Vec<(ChangeAction, ResourceRecordSet)>) -> Result<()> {
        let wrong = |e| Error::other(format!("cannot write the change: {e}"), "report it as a bug");
        let change =
            |(action, record)| AwsChange::builder().action(action).resource_record_set(record).build().map_err(wrong);
        let changes = changes.into_iter().map(change).collect::<Result<Vec<_>>>()?;
        let batch = ChangeBatch::builder().set_changes(Some(changes)).build().map_err(wrong)?;
        let call = self.aws.route53.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch);
        call.send().await.during("ChangeResourceRecordSets").map(drop)
    }

    /// True if another certificate of the region is for the same domain, and so has the same proof.
    async fn is_proof_of_others(&self, cx: &Cx<'_>, certificate: &Ref<Certificate>) -> Result<bool> {
        let Some(ours) = cx.read(certificate, |c| (c.arn.clone(), c.proof.domain.clone())).now() else {
            return Ok(false);
        };
        let all = listing::certificates(&self.aws).await?;
        let names = |c: &aws_sdk_acm::types::CertificateSummary| {
            let others = c.subject_alternative_name_summaries().iter().map(String::as_str);
            others.chain(c.domain_name()).any(|name| proves(name) == proves(&ours.1))
        };
        let is_requested = |c: &aws_sdk_acm::types::CertificateSummary| {
            c.r#type() == Some(&aws_sdk_acm::types::CertificateType::AmazonIssued)
        };
        Ok(all.iter().any(|c| c.certificate_arn() != Some(&ours.0) && is_requested(c) && names(c)))
    }
}

/// Returns the domain that is proven for a name: a wildcard and its parent have the same proof.
fn proves(name: &str) -> &str {
    name.strip_prefix("*.").unwrap_or(name)
}
