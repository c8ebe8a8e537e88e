//! How AWS's answers are read where a kind's `find` and the snapshot both read them: pure, one file a service.
pub(crate) mod autoscaling;
pub(crate) mod dns;
pub(crate) mod ec2;
pub(crate) mod elb;
pub(crate) mod rds;

/// True if a status is one of these words. A word that ends in `-` stands for all that begin so.
pub(crate) fn is(status: &str, words: &[&str]) -> bool {
    words.iter().any(|word| *word == status || word.ends_with('-') && status.starts_with(word))
}
