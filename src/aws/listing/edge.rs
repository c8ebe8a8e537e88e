//! The listings of what is before the load balancer: distributions and certificates.
use crate::{
    aws::{Aws, error::AwsResult},
    error::Result,
};
use aws_sdk_acm::types::{CertificateDetail, CertificateSummary, Filters, KeyAlgorithm};
use aws_sdk_cloudfront::types::DistributionSummary;
use std::rc::Rc;

/// Returns all distributions of the account.
pub async fn distributions(aws: &Aws) -> Result<Rc<Vec<DistributionSummary>>> {
    let call = async || {
        let pages = aws.cloudfront.list_distributions().into_paginator().send();
        let pages: Vec<_> = pages.try_collect().await.during("ListDistributions")?;
        let items = pages.into_iter().filter_map(|p| p.distribution_list?.items);
        Ok(items.flatten().collect::<Vec<_>>())
    };
    aws.reads.get("distributions", call).await
}

/// Returns all certificates of the region that a load balancer can use.
pub async fn certificates(aws: &Aws) -> Result<Rc<Vec<CertificateSummary>>> {
    let call = async || {
        // Without a list of key types ACM leaves out those with elliptic curves.
        let keys = [KeyAlgorithm::Rsa2048, KeyAlgorithm::EcPrime256v1, KeyAlgorithm::EcSecp384r1];
        let keys = Filters::builder().set_key_types(Some(keys.to_vec())).build();
        let pages = aws.acm.list_certificates().includes(keys).into_paginator().items().send();
        pages.try_collect().await.during("ListCertificates")
    };
    aws.reads.get("certificates", call).await
}

/// Returns a certificate, or `None` if it is gone.
pub async fn certificate(aws: &Aws, arn: &str) -> Result<Option<CertificateDetail>> {
    let call = async || {
        let answer = aws.acm.describe_certificate().certificate_arn(arn).send().await;
        Ok(answer.or_absent("DescribeCertificate")?.and_then(|a| a.certificate))
    };
    Ok((*aws.reads.get(format!("certificate {arn}"), call).await?).clone())
}
