//! The findings about the certificate, at the hop of the listener.
use crate::{
    diagnose::{Draft, Drafts, Fix, UP, View, names},
    shell::command,
    snapshot::{Certificate, Expected, Part},
};
use jiff::SignedDuration;

/// True if a requested certificate is not issued.
pub(crate) fn waits(view: &View<'_>) -> bool {
    view.s.expected.domain().is_some() && view.s.certificate.as_ref().is_some_and(|c| c.status != "ISSUED")
}

/// Returns the finding about a requested certificate that is not issued.
fn not_issued(c: &Certificate, domain: &str) -> Draft {
    let look = "no CAA record may forbid amazon.com, and the domain has to be delegated to the hosted zone";
    if c.status == "PENDING_VALIDATION" {
        return Draft::new(
            "certificate-pending",
            format!("ACM waits for the proof that {domain} is the account's"),
            format!("{} is PENDING_VALIDATION", c.arn),
            (UP, format!("writes the record and waits; ACM needs a minute, at worst half an hour. {look}")),
        )
        .trying();
    }
    let reason = c.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let key = format!("certificate/{}", domain.replace('*', "_"));
    Draft::new(
        "certificate-failed",
        format!("ACM has not issued the certificate for {domain}"),
        format!("{} is {}{reason}", c.arn, c.status),
        (command!("gameday up --replace {}", key), look),
    )
}

/// How long before its end a certificate is worth a finding.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Adds the findings about the certificate that the HTTPS listener shows.
pub(crate) fn certificate(view: &View<'_>, hop: &mut Drafts) {
    let s = view.s;
    let Some(wanted) = s.expected.tls.as_deref().filter(|_| s.saw(Part::Certificate)) else { return };
    let Some(c) = &s.certificate else { return };
    let is_own = wanted == Expected::SELF_SIGNED;
    let domain = s.expected.domain();
    let is_for = |domain: &str| c.names.iter().any(|name| name == domain);
    if !is_own && domain.map_or(c.arn != wanted, |domain| !is_for(domain)) {
        hop.push(Draft::new(
            "certificate-other",
            "the listener shows another certificate than the stack file names",
            format!("it shows {}, the stack file names {wanted}", c.arn),
            UP,
        ));
        return;
    }
    let end = c.expires.map_or("unknown".into(), |end| end.strftime("%F").to_string());
    let renew = || -> Fix {
        match is_own || domain.is_some() {
            true => UP.into(),
            false => (
                command!("aws acm describe-certificate --certificate-arn {}", c.arn),
                "renew it under the same ARN, or name another one under [balancer.tls]",
            )
                .into(),
        }
    };
    if c.expires.is_some_and(|end| end <= s.at) || c.status == "EXPIRED" {
        let draft = Draft::new(
            "certificate-expired",
            "the certificate has expired: clients that check it refuse the connection",
            format!("{} was valid until {end}", c.arn),
            renew(),
        );
        hop.push(draft);
    } else if let Some(domain) = domain.filter(|_| c.status != "ISSUED") {
        hop.push(not_issued(c, domain));
    } else if c.status != "ISSUED" {
        hop.push(Draft::new(
            "certificate-not-issued",
            format!("the certificate is {}", c.status),
            format!("{} for {}", c.arn, names(&c.names)),
            renew(),
        ));
    } else if c.expires.is_some_and(|end| end < s.at + SOON) {
        hop.push(
            Draft::new(
                "certificate-expires",
                "the certificate expires within 30 days",
                format!("{} is valid until {end}", c.arn),
                renew(),
            )
            .weak(),
        );
    }
}
