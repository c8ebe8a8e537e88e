//! The contract of a certificate: imported once, read back, renewed under its ARN, adopted, deleted.
use super::network_support::{self as support, *};
use gameday::{
    aws::Aws,
    engine::*,
    resources::certificate::{Certificate, Source},
};

fn stack(aws: &Aws, names: &[&str]) -> Graph {
    let mut g = Graph::default();
    let names = names.iter().map(|&name| name.into()).collect();
    g.add("self-signed", Certificate { aws: aws.clone(), source: Source::SelfSigned(names) });
    g
}

const KEY: &str = "certificate/self-signed";

async fn all(aws: &Aws) -> Vec<String> {
    let keys = aws_sdk_acm::types::Filters::builder().key_types(aws_sdk_acm::types::KeyAlgorithm::EcPrime256v1).build();
    let listed = aws.acm.list_certificates().includes(keys).send().await.unwrap();
    listed.certificate_summary_list().iter().map(|c| c.certificate_arn().unwrap().to_owned()).collect()
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_certificate_is_made_once_and_renewed_under_its_arn() {
    let sandbox = Sandbox::start();
    let (aws, env) = (sandbox.aws().await, env("tls"));
    let g = || stack(&aws, &["tls.gameday.internal"]);
    assert_eq!(plan(&g(), &env).await, [format!("{KEY} create")]);
    assert_eq!(up(&g(), &env).await, [format!("{KEY} create")]);
    let [arn] = &all(&aws).await[..] else { panic!("one certificate") };
    let body = async || aws.acm.get_certificate().certificate_arn(arn).send().await.unwrap().certificate.unwrap();
    let first = body().await;
    assert_eq!(up(&g(), &env).await, Vec::<String>::new());
    assert_eq!(body().await, first, "twice is once");

    // Another name: a new certificate under the same ARN, with the same tags.
    let other = || stack(&aws, &["other.gameday.internal"]);
    assert_eq!(plan(&other(), &env).await, [format!("{KEY} update: names")]);
    assert_eq!(up(&other(), &env).await, [format!("{KEY} update: names")]);
    assert_eq!(all(&aws).await, std::slice::from_ref(arn));
    assert_ne!(body().await, first);
    assert_eq!(plan(&other(), &env).await, Vec::<String>::new());

    // One that lost its tags is not touched until it is named.
    let tags = aws.acm.list_tags_for_certificate().certificate_arn(arn).send().await.unwrap().tags.unwrap();
    aws.acm.remove_tags_from_certificate().certificate_arn(arn).set_tags(Some(tags)).send().await.unwrap();
    let refused = up(&other(), &env).await;
    assert!(refused.len() == 1 && refused[0].contains("failed"), "{refused:?}");
    let mut adopting = support::env("tls");
    adopting.consent.adopt.insert(KEY.into(), arn.clone());
    let adopted = up(&other(), &adopting).await;
    assert!(adopted.len() == 1 && adopted[0].starts_with("certificate/self-signed update: tags."), "{adopted:?}");
    assert_eq!(all(&aws).await, std::slice::from_ref(arn));

    assert_eq!(teardown(&other(), &env).await, [KEY]);
    assert_eq!(all(&aws).await, Vec::<String>::new());
}
