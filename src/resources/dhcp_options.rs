//! The DHCP options of a VPC.
//!
//! They are AWS's defaults with Amazon's DNS server.
use super::{prelude::*, vpc::Vpc};
use aws_sdk_ec2::types::{DhcpOptions as AwsOptions, NewDhcpConfiguration, ResourceType};
use std::{cell::Cell, collections::BTreeMap};

/// The association of a VPC with a set of DHCP options.
///
/// A set belongs to the region and cannot be changed, so the VPC gets another set instead.
pub struct DhcpOptions {
    aws: Aws,
    vpc: Ref<Vpc>,
    /// True after a delete: the object disappears with the VPC.
    dropped: Cell<bool>,
}

impl DhcpOptions {
    pub fn new(aws: Aws, vpc: Ref<Vpc>) -> Self {
        Self { aws, vpc, dropped: Cell::new(false) }
    }
}

/// The values of DHCP options by name.
pub(crate) type Options = BTreeMap<String, Vec<String>>;

/// The managed fields of the DHCP options.
#[derive(Serialize)]
pub struct Spec {
    /// The options under AWS's names.
    options: Options,
}

/// The output, which is empty because no other step refers to the object.
#[derive(Clone, Serialize)]
pub struct Output {}

impl Resource for DhcpOptions {
    const KIND: &'static str = "dhcp-options";
    const OF_PARENT: bool = true;
    const PATIENCE: Duration = Duration::from_secs(120);
    const ACTIONS: &'static [&'static str] = &[
        "ec2:AssociateDhcpOptions",
        "ec2:CreateDhcpOptions",
        "ec2:CreateTags",
        "ec2:DeleteDhcpOptions",
        "ec2:DescribeDhcpOptions",
        "ec2:DescribeVpcs",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        let _ = inputs.read(&self.vpc, |_| ());
        Spec { options: usual(&self.aws.region) }
    }
    fn typical(&self) -> Typical {
        Typical::secs(1, 1, 0)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Some(id) = cx.read(&self.vpc, |v| v.id.clone()).now().filter(|_| !self.dropped.get()) else {
            return Ok(None);
        };
        let (vpcs, sets) = futures::try_join!(listing::vpcs(&self.aws), listing::dhcp_options(&self.aws))?;
        let Some(vpc) = vpcs.iter().find(|v| v.vpc_id() == Some(&id)) else { return Ok(None) };
        // A VPC without options has the id `default`, which no listing contains.
        let set = sets.iter().find(|s| s.dhcp_options_id().is_some() && s.dhcp_options_id() == vpc.dhcp_options_id());
        Ok(Some(Found {
            spec: Spec { options: set.map(options_of).unwrap_or_default() },
            output: Some(Output {}),
            phase: Phase::Ready,
            tags: cx.inherited(),
            id,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        self.dropped.set(false);
        let vpc = cx.read(&self.vpc, |v| v.id.clone());
        self.associate(cx, vpc.get()?, &want.options).await
    }

    async fn update(&self, cx: &Cx<'_>, want: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        self.associate(cx, &found.id, &want.options).await
    }

    /// Deletes the set if the stack created it. A set that AWS created stays for other VPCs.
    async fn delete(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        let ours = self.ours(cx).await?;
        if !ours.is_empty() {
            let call = self.aws.ec2.associate_dhcp_options().vpc_id(&found.id).dhcp_options_id("default");
            call.send().await.or_gone("AssociateDhcpOptions")?;
        }
        for set in ours {
            let call = self.aws.ec2.delete_dhcp_options().dhcp_options_id(set).send().await;
            call.or_gone("DeleteDhcpOptions")?;
        }
        self.dropped.set(true);
        Ok(())
    }
}

impl DhcpOptions {
    /// Associates the VPC with a set of these options.
    ///
    /// The set is AWS's own, or one of the stack if AWS's was deleted.
    async fn associate(&self, cx: &Cx<'_>, vpc: &str, want: &Options) -> Result<()> {
        let ec2 = &self.aws.ec2;
        let sets = listing::dhcp_options(&self.aws).await?;
        // A set of another stack is not used, because that stack will delete it.
        let usable = |s: &&AwsOptions| {
            let of = tags::ec2::from(s.tags()).remove(cx.env.keys.stack());
            options_of(s) == *want && of.is_none_or(|of| of == cx.env.stack)
        };
        // AWS's own set has no tags, unless somebody tags everything.
        let known = sets.iter().filter(usable).min_by_key(|s| (s.tags().len(), s.dhcp_options_id().map(str::to_owned)));
        let id = match known.and_then(|s| s.dhcp_options_id()) {
            Some(id) => id.to_owned(),
            None => {
                let one = |(key, values): (&String, &Vec<String>)| {
                    NewDhcpConfiguration::builder().key(key).set_values(Some(values.clone())).build()
                };
                let call = ec2.create_dhcp_options().set_dhcp_configurations(Some(want.iter().map(one).collect()));
                let call = call.tag_specifications(tags::on_create(ResourceType::DhcpOptions, &cx.tags()));
                let made = call.send().await.during("CreateDhcpOptions")?;
                expect_id(made.dhcp_options().and_then(|s| s.dhcp_options_id()), "CreateDhcpOptions")?.to_owned()
            }
        };
        let call = ec2.associate_dhcp_options().vpc_id(vpc).dhcp_options_id(id).send().await;
        call.during("AssociateDhcpOptions").map(drop).map_err(look_again)
    }

    /// Returns the ids of the sets that the stack created: two if an answer was lost.
    async fn ours(&self, cx: &Cx<'_>) -> Result<Vec<String>> {
        let all = ec2_list!(self.aws, cx, dhcp_options);
        // The tag alone is no proof. The options are, because they cannot be changed.
        let made = all.into_iter().filter(|s| options_of(s) == usual(&self.aws.region));
        Ok(made.filter_map(|s| s.dhcp_options_id).collect())
    }
}

/// Returns the options of AWS's own set in a region.
pub(crate) fn usual(region: &str) -> Options {
    let domain = if region == "us-east-1" { "ec2.internal".into() } else { format!("{region}.compute.internal") };
    [("domain-name", domain), ("domain-name-servers", AMAZON_DNS.into())].map(|(k, v)| (k.into(), vec![v])).into()
}

/// Amazon's DNS server, at the VPC's base address plus two.
pub(crate) const AMAZON_DNS: &str = "AmazonProvidedDNS";

/// Reads the options of a set.
pub(crate) fn options_of(set: &AwsOptions) -> Options {
    let values = |c: &aws_sdk_ec2::types::DhcpConfiguration| {
        c.values().iter().filter_map(|v| v.value().map(Into::into)).collect::<Vec<String>>()
    };
    let one = |c: &aws_sdk_ec2::types::DhcpConfiguration| Some((c.key()?.to_owned(), values(c)));
    set.dhcp_configurations().iter().filter_map(one).collect()
}
