//! The contract of a name: its hosted zone is only used, and the certificate for it is issued once its proof is there.
use super::data_support::World;
use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecordSet, RrType};
use gameday::{
    engine::*,
    resources::{
        certificate::{Certificate, Source},
        certificate_issued::IssuedCertificate,
        dns_record::{DnsRecord, Says},
        hosted_zone::HostedZone,
    },
};
use std::cell::Cell;

const NAME: &str = "app.contract.example";

fn names(w: &World) -> Graph {
    let mut g = Graph::default();
    let aws = || w.aws.clone();
    let certificate = g.add(NAME, Certificate { aws: aws(), source: Source::Requested(NAME.into()) });
    let zone = g.add_used(NAME, HostedZone { aws: aws(), name: NAME.into(), id: None, vpc: None });
    let record = DnsRecord { aws: aws(), zone, says: Says::Proof(certificate.clone()), left: Cell::default() };
    let record = g.add(NAME, record);
    g.add_after(NAME, IssuedCertificate { aws: aws(), certificate, dropped: Cell::default() }, &[record.key()]);
    g
}

/// Returns the aliases of the zone.
async fn aliases(w: &World, zone: &str) -> Vec<ResourceRecordSet> {
    let all = w.aws.route53.list_resource_record_sets().hosted_zone_id(zone).send().await.unwrap();
    all.resource_record_sets.into_iter().filter(|record| *record.r#type() == RrType::Cname).collect()
}

async fn change(w: &World, zone: &str, action: ChangeAction, record: ResourceRecordSet) {
    let change = Change::builder().action(action).resource_record_set(record).build().unwrap();
    let batch = ChangeBatch::builder().changes(change).build().unwrap();
    let call = w.aws.route53.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch);
    call.send().await.unwrap();
}

#[tokio::test]
#[ignore = "needs the sandbox: cargo test -- --include-ignored"]
async fn a_certificate_is_issued_once_its_proof_is_in_the_zone() {
    let mut w = World::new("nm").await;
    let g = names(&w);
    let plan = w.plan(&g).await;
    assert!(plan[1].contains("does not exist"), "{plan:?}");
    let made = w.aws.route53.create_hosted_zone().name("contract.example").caller_reference("nm").send().await.unwrap();
    let zone = made.hosted_zone().unwrap().id().rsplit('/').next().unwrap();
    let [certificate, used, record, issued] =
        ["certificate", "hosted-zone", "dns-record", "certificate-issued"].map(|kind| format!("{kind}/{NAME}"));
    let create = |key: &str| format!("{key} create");
    assert_eq!(w.plan(&g).await, [create(&certificate), format!("{used} none"), create(&record), create(&issued)]);
    w.settle(&g).await;
    assert_eq!(w.output(&g, &used).await["id"], zone);
    assert_eq!(w.output(&g, &issued).await, serde_json::json!({"arn": w.output(&g, &certificate).await["arn"]}));

    // Somebody deletes the proof.
    let [proof] = &aliases(&w, zone).await[..] else { panic!("one record") };
    change(&w, zone, ChangeAction::Delete, proof.clone()).await;
    assert_eq!(w.diff(&g).await, [create(&record)]);
    w.settle(&g).await;

    // A record of somebody else is refused, and replaced once it is named.
    let mut other = proof.clone();
    other.resource_records.as_mut().unwrap()[0].value = "elsewhere.example.".into();
    change(&w, zone, ChangeAction::Upsert, other).await;
    let refused = w.diff(&g).await;
    assert!(refused.len() == 1 && refused[0].contains("nothing says that it is of stack `nm`"), "{refused:?}");
    let id = format!("{zone}/{}/CNAME", proof.name().trim_end_matches('.'));
    w.env.consent.adopt.insert(record.clone(), id);
    let named = w.diff(&g).await;
    assert!(named.len() == 1 && named[0].starts_with(&format!("{record} update target")), "{named:?}");
    w.settle(&g).await;
    w.env.consent.adopt.clear();

    assert_eq!(w.down(&g).await, [true, true, false, true]);
    assert_eq!(w.down(&g).await, [false; 4]);
    assert!(aliases(&w, zone).await.is_empty());
    assert_eq!(w.plan(&g).await[1], format!("{used} none"), "the zone stays");
}
