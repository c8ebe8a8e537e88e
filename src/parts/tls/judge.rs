//! The findings about the certificate, at the hop of the listener.
use crate::{
    diagnose::{Draft, Drafts, Fix, UP, View, names},
    shell::command,
    snapshot::{Expected, Part},
};
use jiff::SignedDuration;

/// How long before its end a certificate is worth a finding.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Adds the findings about the certificate that the HTTPS listener shows.
pub(crate) fn certificate(view: &View<'_>, hop: &mut Drafts) {
    let s = view.s;
    let Some(wanted) = s.expected.tls.as_deref().filter(|_| s.saw(Part::Certificate)) else { return };
    let Some(c) = &s.certificate else { return };
    let is_own = wanted == Expected::SELF_SIGNED;
    if !is_own && c.arn != wanted {
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
        match is_own {
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
