//! A certificate in ACM: an existing one, one that gameday requests for a domain, or one that it makes and imports.
//!
//! The private key of an imported one exists only in memory and in ACM.
use super::prelude::*;
use crate::{aws::words::dns, shell::command};
use aws_sdk_acm::{
    primitives::Blob,
    types::{CertificateDetail, CertificateStatus, CertificateType, ValidationMethod},
};
use futures::future::try_join_all;
use jiff::{Timestamp, ToSpan};

/// The wanted certificate.
pub struct Certificate {
    pub aws: Aws,
    pub source: Source,
}

/// The origin of a certificate.
pub enum Source {
    /// The certificate with this ARN exists. It is only used.
    Existing(String),
    /// ACM makes it, for this domain, once a record proves that the domain is the account's. ACM renews it.
    Requested(String),
    /// gameday makes it, for these names.
    SelfSigned(Vec<String>),
}

/// The managed fields of a certificate.
#[derive(Serialize)]
pub struct Spec {
    names: Vec<String>,
    expires: String,
}

/// The values of a certificate that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub arn: String,
    /// The record that proves the domain of a requested certificate.
    pub proof: Proof,
}

/// The record by which ACM knows that a domain is the account's.
#[derive(Clone, Default, Serialize)]
pub struct Proof {
    pub domain: String,
    pub name: String,
    pub value: String,
}

/// How many days a new certificate is valid: as long as browsers accept.
const VALID: i64 = 397;
/// How many days before its end a certificate is renewed.
const RENEWED: i64 = 30;
/// The value of `expires` of a certificate that needs no renewal.
const LATER: &str = "not within 30 days";

impl Resource for Certificate {
    const KIND: &'static str = "certificate";
    const TWINS: bool = true;
    const ACTIONS: &'static [&'static str] = &[
        "acm:AddTagsToCertificate",
        "acm:DeleteCertificate",
        "acm:DescribeCertificate",
        "acm:GetCertificate",
        "acm:ImportCertificate",
        "acm:ListCertificates",
        "acm:ListTagsForCertificate",
        "acm:RequestCertificate",
    ];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, _: &Inputs) -> Spec {
        let names = match &self.source {
            Source::Existing(_) => vec![],
            Source::Requested(domain) => vec![domain.clone()],
            Source::SelfSigned(names) => sorted(names.clone()),
        };
        Spec { names, expires: LATER.into() }
    }
    /// ACM gives no other names to a certificate.
    fn one_way(&self, _: &Spec, _: &Spec) -> &'static [&'static str] {
        if matches!(self.source, Source::Requested(_)) { &["names"] } else { &[] }
    }
    fn repair(&self, cx: &Cx<'_>, _: &str) -> Option<String> {
        matches!(self.source, Source::Requested(_)).then(|| request_again(cx.key.name()))
    }
    fn typical(&self) -> Typical {
        // A request shows its record some seconds later [AWS C2].
        if matches!(self.source, Source::Requested(_)) { Typical::secs(5, 2, 2) } else { Typical::secs(2, 2, 2) }
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let arn = match &self.source {
            Source::Existing(arn) => Some(arn.clone()),
            Source::Requested(domain) => self.own(cx, std::slice::from_ref(domain)).await?,
            Source::SelfSigned(names) => self.own(cx, names).await?,
        };
        let Some(arn) = arn else { return Ok(None) };
        let Some(certificate) = listing::certificate(&self.aws, &arn).await? else { return Ok(None) };
        let tags = match &self.source {
            Source::Existing(_) => cx.inherited(),
            Source::Requested(_) | Source::SelfSigned(_) => match tags_of(&self.aws, cx, &arn).await? {
                Some(tags) => tags,
                None => return Ok(None),
            },
        };
        let renews = matches!(self.source, Source::SelfSigned(_));
        let proof = match self.source {
            Source::Requested(_) => proof_of(&certificate),
            _ => Some(Proof::default()),
        };
        Ok(Some(Found {
            spec: match &self.source {
                Source::Existing(_) => self.spec(&Inputs::default()),
                Source::Requested(_) => {
                    Spec { names: sorted(certificate.subject_alternative_names().to_vec()), expires: LATER.into() }
                }
                Source::SelfSigned(_) => Spec {
                    names: sorted(certificate.subject_alternative_names().to_vec()),
                    expires: expires(&certificate),
                },
            },
            phase: match phase(&certificate, renews) {
                // The rest is the wait for the proof, a step of its own.
                Phase::Busy(_) if proof.as_ref().is_some_and(|proof| !proof.name.is_empty()) => Phase::Ready,
                phase => phase,
            },
            output: proof.map(|proof| Output { arn: arn.clone(), proof }),
            tags,
            id: arn,
        }))
    }

    async fn create(&self, cx: &Cx<'_>, want: &Spec) -> Result<()> {
        if let Source::Requested(domain) = &self.source {
            let call = self.aws.acm.request_certificate().domain_name(domain).validation_method(ValidationMethod::Dns);
            let made = call.set_tags(Some(tags::acm::to(&cx.tags()))).send().await.during("RequestCertificate")?;
            cx.note_created(expect_id(made.certificate_arn(), "RequestCertificate")?);
            return Ok(());
        }
        let (certificate, key) = make(&want.names)?;
        let call = self.aws.acm.import_certificate().certificate(certificate).private_key(key);
        let made = call.set_tags(Some(tags::acm::to(&cx.tags()))).send().await.during("ImportCertificate")?;
        cx.note_created(expect_id(made.certificate_arn(), "ImportCertificate")?);
        Ok(())
    }

    /// Imports a new certificate under the same ARN, so that the listener need not change.
    async fn update(&self, _: &Cx<'_>, want: &Spec, found: &Found<Self>, _: &Diff) -> Result<()> {
        if matches!(self.source, Source::Requested(_)) {
            return Ok(());
        }
        let (certificate, key) = make(&want.names)?;
        let call = self.aws.acm.import_certificate().certificate_arn(&found.id);
        call.certificate(certificate).private_key(key).send().await.during("ImportCertificate").map(drop)
    }

    /// Fails with `ResourceInUseException` until the listener is gone [AWS 6].
    async fn delete(&self, cx: &Cx<'_>, found: &Found<Self>) -> Result<()> {
        self.delete_twin(cx, &found.id).await
    }

    async fn delete_twin(&self, _: &Cx<'_>, id: &str) -> Result<()> {
        self.aws.acm.delete_certificate().certificate_arn(id).send().await.or_gone("DeleteCertificate")
    }

    async fn tag(&self, _: &Cx<'_>, found: &Found<Self>, tags: &Tags) -> Result<()> {
        let call = self.aws.acm.add_tags_to_certificate().certificate_arn(&found.id);
        call.set_tags(Some(tags::acm::to(tags))).send().await.during("AddTagsToCertificate").map(drop)
    }

    async fn holders(&self, _: &Cx<'_>, found: &Found<Self>) -> Result<Vec<Holder>> {
        let found = listing::certificate(&self.aws, &found.id).await?;
        let users = found.as_ref().map(|c| c.in_use_by()).unwrap_or_default();
        // ACM learns some seconds later that a listener is gone.
        Ok(users.iter().map(|arn| Holder { what: arn.clone(), passes: true }).collect())
    }
}

impl Certificate {
    /// Returns the ARN of the certificate with the tags of this step, or else of one for its name that lost them. The engine does not touch that until `--adopt` is given.
    async fn own(&self, cx: &Cx<'_>, names: &[String]) -> Result<Option<String>> {
        let all = listing::certificates(&self.aws).await?;
        let sort = match self.source {
            Source::Requested(_) => CertificateType::AmazonIssued,
            _ => CertificateType::Imported,
        };
        let of_sort = all.iter().filter(|c| c.r#type() == Some(&sort));
        let tagged =
            try_join_all(of_sort.filter_map(|c| Some((c, c.certificate_arn()?))).map(async |(c, arn)| {
                Ok::<_, Error>((c, arn, tags_of(&self.aws, cx, arn).await?.unwrap_or_default()))
            }));
        let (stack, step) = (cx.env.keys.stack(), cx.env.keys.step());
        let is = |tags: &Tags, key: &str, value: &str| tags.get(key).map(|found| found == value);
        let (mut claims, mut like) = (vec![], vec![]);
        for (certificate, arn, tags) in tagged.await? {
            match (is(&tags, stack, &cx.env.stack), is(&tags, step, cx.key.as_str())) {
                (Some(true), Some(true)) => claims.push(arn),
                (Some(false), _) | (_, Some(false)) => {}
                _ if certificate.domain_name() == names.first().map(String::as_str) => like.push(arn),
                _ => {}
            }
        }
        let own = cx.proven_ids(&claims);
        let mine: Vec<&str> = claims.into_iter().filter(|arn| own.contains(*arn)).collect();
        match if mine.is_empty() { &like } else { &mine }[..] {
            [] => Ok(None),
            [one] => Ok(Some(one.into())),
            ref several => {
                let ids = several.iter().map(|arn| (*arn).to_owned()).collect();
                Err(Error::Ambiguous { key: cx.key.clone(), ids })
            }
        }
    }
}

/// Returns the tags of a certificate, or `None` if it is gone.
async fn tags_of(aws: &Aws, cx: &Cx<'_>, arn: &str) -> Result<Option<Tags>> {
    if let Some(tags) = tags::at_a_look(aws, cx, arn).await? {
        return Ok(Some(tags));
    }
    let call = async || {
        let answer = aws.acm.list_tags_for_certificate().certificate_arn(arn).send().await;
        Ok(answer.or_absent("ListTagsForCertificate")?.map(|a| tags::acm::from(a.tags())))
    };
    Ok((*aws.reads.get(format!("tags of {arn}"), call).await?).clone())
}

/// Returns the way out if ACM does not issue the certificate of the step with this name.
pub(super) fn request_again(name: &str) -> String {
    let replace = command!("gameday up --replace {}", format!("certificate/{name}"));
    format!(
        "no CAA record of the domain may forbid amazon.com, and the domain has to be delegated to its hosted zone; then \
         `{replace}` requests the certificate again"
    )
}

pub(super) fn phase(certificate: &CertificateDetail, renews: bool) -> Phase {
    match certificate.status() {
        Some(CertificateStatus::Issued) | None => Phase::Ready,
        Some(CertificateStatus::PendingValidation) => Phase::Busy("PENDING_VALIDATION".into()),
        Some(CertificateStatus::Expired) if renews => Phase::Ready,
        Some(status) => Phase::Broken(match certificate.failure_reason() {
            Some(reason) => format!("the certificate is {status}: {reason}"),
            None => format!("the certificate is {status}"),
        }),
    }
}

/// Returns the record that proves the domain, once ACM shows it.
fn proof_of(certificate: &CertificateDetail) -> Option<Proof> {
    let option = certificate.domain_validation_options().first()?;
    let record = option.resource_record();
    // One that is issued or has failed needs none any more.
    if record.is_none() && certificate.status() == Some(&CertificateStatus::PendingValidation) {
        return None;
    }
    let (name, value) = record.map(|r| (dns::plain(r.name()), dns::plain(r.value()))).unwrap_or_default();
    Some(Proof { domain: option.domain_name().into(), name, value })
}

/// Describes the end of a certificate: the date if it comes soon.
fn expires(certificate: &CertificateDetail) -> String {
    let end = certificate.not_after().and_then(|end| Timestamp::from_second(end.secs()).ok());
    let soon = Timestamp::now() + (24 * RENEWED).hours();
    end.filter(|end| *end < soon).map_or(LATER.into(), |end| end.strftime("%F").to_string())
}

/// Makes a certificate and its private key, both as PEM.
pub(crate) fn make(names: &[String]) -> Result<(Blob, Blob)> {
    let wrong = |e: rcgen::Error| Error::other(format!("cannot make a certificate: {e}"), "report it as a bug");
    let day = |days: i64| {
        let date = (Timestamp::now() + (24 * days).hours()).to_zoned(jiff::tz::TimeZone::UTC).date();
        rcgen::date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8)
    };
    let key = rcgen::KeyPair::generate().map_err(wrong)?;
    let mut certificate = rcgen::CertificateParams::new(names.to_vec()).map_err(wrong)?;
    let mut subject = rcgen::DistinguishedName::new();
    subject.push(rcgen::DnType::CommonName, names.first().map_or("gameday", String::as_str));
    certificate.distinguished_name = subject;
    certificate.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    // Clocks of clients can be behind.
    (certificate.not_before, certificate.not_after) = (day(-1), day(VALID - 1));
    let pem = certificate.self_signed(&key).map_err(wrong)?.pem();
    Ok((Blob::new(pem), Blob::new(key.serialize_pem())))
}
