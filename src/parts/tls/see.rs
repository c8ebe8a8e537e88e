//! The look at the certificate that the HTTPS listener shows.
use crate::{
    aws::{Aws, error::AwsResult, listing, tags},
    error::Result,
    parts::access::HTTPS,
    snapshot::{Expected, Look, Part},
};
use aws_sdk_acm::types::{CertificateDetail, CertificateSummary, CertificateType};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The certificate of the HTTPS listener.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Certificate {
    pub arn: String,
    /// The names that it is for, with wildcards.
    pub names: Vec<String>,
    /// ACM's word: `ISSUED`, `EXPIRED`…
    pub status: String,
    /// The end of its validity.
    pub expires: Option<Timestamp>,
    /// ACM's word for why it was not issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Reads the certificate of the HTTPS listener, if the stack file asks for HTTPS.
pub(crate) async fn follow(look: &Look<'_>) {
    let Some(balancer) = look.seen(|s| Some(s.balancer.as_ref()?.arn.clone())) else { return };
    if !look.expected.https() {
        return;
    }
    let found = look.ask(Part::Certificate, "DescribeCertificate", async {
        let arn = match (shown(look.aws, &balancer).await?, look.expected.domain()) {
            (Some(arn), _) => arn,
            // The listener waits for it.
            (None, Some(domain)) => match requested(look.aws, domain).await? {
                Some(arn) => arn,
                None => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        Ok(listing::certificate(look.aws, &arn).await?.map(certificate))
    });
    let found = found.await;
    look.keep(|s| s.certificate = found);
}

/// Returns the ARN of the certificate that the HTTPS listener shows.
async fn shown(aws: &Aws, balancer: &str) -> Result<Option<String>> {
    // The listing is shared with the look at the listeners.
    let listeners = listing::listeners(aws, balancer).await?;
    let https = listeners.iter().find(|l| l.port() == Some(HTTPS.into()));
    Ok(https.and_then(|l| l.certificates().first()?.certificate_arn.clone()))
}

/// Returns the ARN of a certificate that was requested for the domain, if there is exactly one.
async fn requested(aws: &Aws, domain: &str) -> Result<Option<String>> {
    let all = listing::certificates(aws).await?;
    let is_it =
        |c: &&CertificateSummary| c.r#type() == Some(&CertificateType::AmazonIssued) && c.domain_name() == Some(domain);
    let found: Vec<_> = all.iter().filter(is_it).collect();
    Ok(if let [one] = found[..] { one.certificate_arn.clone() } else { None })
}

fn certificate(c: CertificateDetail) -> Certificate {
    Certificate {
        expires: c.not_after().and_then(|end| Timestamp::from_second(end.secs()).ok()),
        status: c.status().map_or(String::new(), |s| s.as_str().into()),
        reason: c.failure_reason().map(|reason| reason.as_str().into()),
        arn: c.certificate_arn.unwrap_or_default(),
        names: c.subject_alternative_names.unwrap_or_default(),
    }
}

/// Makes requests to the balancer trust the stack's own certificate, and no other one, if gameday has made it.
///
/// Without it, or if the certificate is somebody else's, such requests fail like those of any client that checks.
pub(crate) async fn trust(aws: &Aws, balancer: &str, host: &str, expected: &Expected) {
    if expected.tls.as_deref() != Some(Expected::SELF_SIGNED) || aws.network.trusts_own() {
        return;
    }
    let own = async {
        let Some(arn) = shown(aws, balancer).await? else { return Ok(None) };
        let tags = aws.acm.list_tags_for_certificate().certificate_arn(&arn).send();
        let body = aws.acm.get_certificate().certificate_arn(&arn).send();
        let (tags, body) = futures::join!(tags, body);
        let tags = tags::acm::from(tags.during("ListTagsForCertificate")?.tags());
        let is_ours = tags.get(aws.keys.step()).is_some_and(|step| step.starts_with("certificate/"));
        Ok::<_, crate::error::Error>(body.during("GetCertificate")?.certificate.filter(|_| is_ours))
    };
    if let Ok(Some(pem)) = own.await {
        aws.network.trust_own(host, &pem);
    }
}

#[cfg(test)]
mod tests {
    use crate::{aws::network::Network, resources::certificate::make, snapshot::ask_address};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        sync::Arc,
    };

    /// Starts a server that shows a new certificate and answers 200. Returns its URL and the certificate.
    fn server() -> (String, String) {
        let (certificate, key) = make(&["billing.gameday.internal".into()]).expect("a certificate");
        let pem = String::from_utf8(certificate.into_inner()).expect("PEM");
        let chain = vec![CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_slice(key.as_ref()).expect("a key");
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a key that fits");
        let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").expect("a port"));
        let url = format!("https://billing.example.com:{}/", listener.local_addr().expect("an address").port());
        // The thread ends with the test.
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut tls = rustls::ServerConnection::new(config.clone()).expect("a connection");
                let mut tls = rustls::Stream::new(&mut tls, &mut stream);
                if tls.read(&mut [0; 1024]).is_ok() {
                    _ = tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                }
            }
        });
        (url, pem)
    }

    #[tokio::test]
    async fn only_the_stack_s_own_certificate_is_trusted_and_only_at_its_balancer() {
        let ((url, own), (other_url, _)) = (server(), server());
        let ask =
            async |network: &Network, url: &str| ask_address(network, url, Some("127.0.0.1")).await.expect("an answer");
        let network = Network::default();
        let unknown = ask(&network, &url).await;
        assert!(unknown.status.is_none() && unknown.error.is_some(), "{unknown:?}");
        network.trust_own("billing.example.com", &own);
        assert_eq!(ask(&network, &url).await.status, Some(200));
        let other = ask(&network, &other_url).await;
        assert!(other.status.is_none(), "the certificate is another one: {other:?}");
        let elsewhere = ask(&network, &url.replace("billing.", "www.")).await;
        assert!(elsewhere.status.is_none(), "the host is another one: {elsewhere:?}");
    }
}
