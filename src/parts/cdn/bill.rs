//! What the distribution saves and costs. No sum counts it, because nobody knows the traffic before.
use crate::{
    config::{Config, Switch},
    cost::Prices,
};
use serde::Serialize;

/// What a distribution is expected to change, by an assumption of the stack file.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Saving {
    /// The requests in a hundred that are expected to repeat an earlier one, so that CloudFront answers them.
    pub repeated_percent: u32,
    /// The price of each GB after the free ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_gb: Option<f64>,
    /// The price of 10,000 requests after the free ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_10k_requests: Option<f64>,
    /// The GB of a month that are free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_gb: Option<f64>,
    /// The requests of a month that are free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_requests: Option<f64>,
}

/// Returns what the distribution of the stack file changes, or `None` if there is none.
pub fn saving(config: &Config, prices: &Prices) -> Option<Saving> {
    let cdn = &prices.cdn;
    // A game charges for instances alone.
    let price = |amount: Option<crate::cost::Amount>| amount.map(|a| a.0).filter(|_| prices.economy.is_none());
    (config.cdn.mode == Switch::Create).then(|| Saving {
        repeated_percent: config.cdn.repeated_percent,
        per_gb: price(cdn.gb),
        per_10k_requests: price(cdn.requests_10k),
        free_gb: price(cdn.free_gb),
        free_requests: price(cdn.free_requests),
    })
}
