//! What AWS means when it rejects credentials: a clock that is off, a region that is not enabled, or invalid keys.
use super::{network::Destination, partition};
use aws_smithy_types::{DateTime, date_time::Format};
use std::time::SystemTime;

/// Regions that are enabled in every account. The others of the partition are enabled by hand.
const ALWAYS_ENABLED: &[&str] = &[
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// AWS accepts signatures up to five minutes from its own time.
const TOLERATED: u64 = 5 * 60;

/// An answer that rejects credentials.
pub(super) struct Refusal<'a> {
    pub code: &'a str,
    pub message: &'a str,
    pub asked: Option<&'a Destination>,
    /// The header `Date` of the answer.
    pub date: Option<&'a str>,
    pub now: SystemTime,
}

impl Refusal<'_> {
    /// Returns what helps, `None` for the usual advice.
    pub(super) fn help(&self) -> Option<String> {
        let code = self.code.strip_suffix("Exception").unwrap_or(self.code);
        let about_credentials = matches!(
            code,
            "SignatureDoesNotMatch"
                | "InvalidSignature"
                | "RequestExpired"
                | "RequestTimeTooSkewed"
                | "AuthFailure"
                | "UnrecognizedClient"
                | "InvalidClientTokenId"
                | "InvalidAccessKeyId"
                | "IncompleteSignature"
                | "OptInRequired"
        );
        if !about_credentials {
            return None;
        }
        let again = "then run the same command again: it resumes where it stopped";
        if let Some(clock) = self.clock(code) {
            let how = "`sudo timedatectl set-ntp true` on Linux, `sudo hwclock -s` in WSL, `sudo sntp -sS time.apple.com` \
                       on macOS";
            return Some(format!("{clock}: set it ({how}), {again}. The keys are not the cause"));
        }
        match code {
            "SignatureDoesNotMatch" | "InvalidSignature" => Some(format!(
                "the secret key does not belong to the access key: copy both again (AWS_SECRET_ACCESS_KEY, or \
                 aws_secret_access_key of the profile), {again}"
            )),
            "AuthFailure" | "UnrecognizedClient" | "InvalidClientTokenId" | "OptInRequired" => Some(self.closed(again)),
            _ => None,
        }
    }

    /// Returns advice about this machine's clock if it is the cause.
    fn clock(&self, code: &str) -> Option<String> {
        let (ours, theirs) = match times(self.message)[..] {
            [ours, .., theirs] if self.message.contains("xpired") || self.message.contains("not yet current") => {
                (ours, theirs)
            }
            _ => (seconds(self.now), self.date.and_then(date).unwrap_or(seconds(self.now))),
        };
        let off = ours.abs_diff(theirs);
        let which = if ours < theirs { "behind" } else { "ahead of" };
        // A signature that expired in transit exceeds the tolerance only slightly.
        if off > TOLERATED {
            return Some(format!("this machine's clock is {} {which} AWS's", span(off)));
        }
        // EC2 also says RequestExpired of an ended session, so the clock is blamed only if it is seen to be off.
        let says_so = code == "RequestTimeTooSkewed"
            || self.message.contains("Signature expired")
            || self.message.contains("not yet current");
        says_so.then(|| "AWS takes this machine's clock to be wrong".into())
    }

    /// Returns advice for a region that may not be enabled: it answers as if the keys were wrong, each service in its
    /// own words.
    fn closed(&self, again: &str) -> String {
        let region = self.asked.and_then(|a| a.region.as_deref()).unwrap_or_default();
        let tells = "`aws sts get-caller-identity --region us-east-1` tells which";
        match partition(region) {
            "aws" if region.is_empty() || ALWAYS_ENABLED.contains(&region) => format!(
                "either the keys are wrong (environment variables, `aws sso login`, --profile), or this account has not \
                 enabled the region (--region, `region` in gameday.toml): {tells}; {again}"
            ),
            "aws" => format!(
                "either this account has not enabled the region {region}, which each account has to do by itself: `aws \
                 account enable-region --region-name {region}` (some minutes); or the keys are wrong: {tells}; {again}"
            ),
            part => format!(
                "{region} belongs to {part}, which has accounts of its own: take keys of such an account, or another \
                 region (--region, `region` in gameday.toml); {again}"
            ),
        }
    }
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// `Sun, 29 Nov 2026 13:30:00 GMT`
fn date(text: &str) -> Option<u64> {
    u64::try_from(DateTime::from_str(text, Format::HttpDate).ok()?.secs()).ok()
}

/// The times in `20261129T100000Z is now earlier than 20261129T131500Z (20261129T133000Z - 15 min.)`.
fn times(text: &str) -> Vec<u64> {
    let time = |word| {
        let utc = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", word).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
        utc.ok()?.timestamp().as_second().try_into().ok()
    };
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(time).collect()
}

/// `3 h 30 min`
fn span(seconds: u64) -> String {
    let minutes = seconds.div_ceil(60);
    match (minutes / 60 / 24, minutes / 60 % 24, minutes % 60) {
        (0, 0, m) => format!("{m} min"),
        (0, h, 0) => format!("{h} h"),
        (0, h, m) => format!("{h} h {m} min"),
        (1, _, _) => "a day".into(),
        (d, ..) => format!("{d} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn help(code: &str, message: &str, region: &str, date: Option<&str>) -> String {
        let asked = Destination { host: String::new(), region: Some(region.into()) };
        // 2026-11-29T13:30:00Z
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_959_000);
        Refusal { code, message, asked: Some(&asked), date, now }.help().unwrap_or_default()
    }

    #[test]
    fn a_clock_that_is_off_is_said_with_the_offset() {
        let behind =
            "Signature expired: 20261129T100000Z is now earlier than 20261129T131500Z (20261129T133000Z - 15 min.)";
        let ahead = "Signature not yet current: 20261129T160000Z is still later than 20261129T134500Z (20261129T133000Z + 15 min.)";
        for (code, message, date, said) in [
            ("SignatureDoesNotMatch", behind, None, "3 h 30 min behind AWS's"),
            ("InvalidSignatureException", behind, None, "3 h 30 min behind AWS's"),
            ("InvalidSignatureException", ahead, None, "2 h 30 min ahead of AWS's"),
            (
                "RequestTimeTooSkewed",
                "The difference … is too large.",
                Some("Sun, 29 Nov 2026 12:00:00 GMT"),
                "1 h 30 min ahead of AWS's",
            ),
            ("AuthFailure", "not able to validate", Some("Sun, 29 Nov 2026 13:55:00 GMT"), "25 min behind AWS's"),
            ("RequestExpired", "Request has expired.", Some("Wed, 02 Dec 2026 13:30:00 GMT"), "3 days behind AWS's"),
            (
                "RequestTimeTooSkewed",
                "The difference … is too large.",
                None,
                "AWS takes this machine's clock to be wrong",
            ),
        ] {
            let help = help(code, message, "us-east-1", date);
            assert!(help.contains(said) && help.contains("timedatectl"), "{code} {message}: {help}");
        }
    }

    #[test]
    fn wrong_keys_are_not_taken_for_a_wrong_clock() {
        let on_time = Some("Sun, 29 Nov 2026 13:31:10 GMT");
        for code in ["SignatureDoesNotMatch", "InvalidSignatureException"] {
            let help = help(code, "The request signature we calculated does not match", "us-east-1", on_time);
            assert!(help.contains("secret key") && !help.contains("clock"), "{help}");
        }
        assert!(help("AuthFailure", "x", "us-east-1", on_time).contains("keys are wrong"));
        assert_eq!(
            help("ExpiredToken", "The security token included in the request is expired", "us-east-1", on_time),
            ""
        );
        assert_eq!(help("AccessDenied", "no", "ap-east-1", on_time), "");
    }

    #[test]
    fn a_region_that_is_not_enabled_is_named() {
        for region in ["ap-east-1", "eu-south-1", "mx-central-1", "me-central-1"] {
            for code in ["AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "OptInRequired"] {
                let help = help(code, "x", region, None);
                assert!(help.contains(&format!("aws account enable-region --region-name {region}`")), "{help}");
            }
        }
        assert!(!help("InvalidClientTokenId", "x", "eu-west-1", None).contains("enable-region"));
        assert!(help("InvalidClientTokenId", "x", "cn-north-1", None).contains("aws-cn"));
    }
}
