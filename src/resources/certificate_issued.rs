//! The wait until ACM has issued a requested certificate. It has no AWS object of its own.
use super::{
    certificate::{Certificate, phase, request_again},
    prelude::*,
};
use std::cell::Cell;

/// The wait for a certificate.
pub struct IssuedCertificate {
    pub aws: Aws,
    pub certificate: Ref<Certificate>,
    /// True after a delete: the certificate disappears later.
    pub dropped: Cell<bool>,
}

/// The managed fields of the wait.
#[derive(Serialize)]
pub struct Spec {
    certificate: Known<String>,
}

/// The values of an issued certificate that other steps can read.
#[derive(Clone, Serialize)]
pub struct Output {
    pub arn: String,
}

impl Resource for IssuedCertificate {
    const KIND: &'static str = "certificate-issued";
    const OF_PARENT: bool = true;
    // ACM asks for the record again and again, at first often.
    const PATIENCE: Duration = Duration::from_secs(1800);
    const ACTIONS: &'static [&'static str] = &["acm:DescribeCertificate"];
    type Spec = Spec;
    type Output = Output;

    fn spec(&self, inputs: &Inputs) -> Spec {
        Spec { certificate: inputs.read(&self.certificate, |c| c.arn.clone()) }
    }
    fn repair(&self, cx: &Cx<'_>, _: &str) -> Option<String> {
        Some(request_again(cx.key.name()))
    }
    fn typical(&self) -> Typical {
        // 2 and 61 seconds were seen [AWS C2].
        Typical::secs(60, 1, 0)
    }

    async fn find(&self, cx: &Cx<'_>) -> Result<Option<Found<Self>>> {
        let Some(arn) = cx.read(&self.certificate, |c| c.arn.clone()).now() else { return Ok(None) };
        if self.dropped.get() {
            return Ok(None);
        }
        let Some(certificate) = listing::certificate(&self.aws, &arn).await? else { return Ok(None) };
        Ok(Some(Found {
            spec: Spec { certificate: Known::Now(arn.clone()) },
            output: Some(Output { arn: arn.clone() }),
            phase: phase(&certificate, false),
            tags: cx.inherited(),
            id: arn,
        }))
    }

    async fn create(&self, _: &Cx<'_>, _: &Spec) -> Result<()> {
        self.dropped.set(false);
        Ok(())
    }

    async fn update(&self, _: &Cx<'_>, _: &Spec, _: &Found<Self>, _: &Diff) -> Result<()> {
        Ok(())
    }

    async fn delete(&self, _: &Cx<'_>, _: &Found<Self>) -> Result<()> {
        self.dropped.set(true);
        Ok(())
    }
}
