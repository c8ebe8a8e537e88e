//! The findings about alarms that fire.
use crate::{
    aws::GLOBAL,
    diagnose::{Draft, Hop, HopName, View, is_unbuilt, names},
    snapshot::Part,
};

/// Returns the hop of the alarms, or `None` if the stack has none.
pub(crate) fn hop(view: &View<'_>) -> Option<Hop> {
    let s = view.s;
    if s.expected.alarms.is_empty() {
        return None;
    }
    let mut hop = Draft::hop();
    for a in &s.alarms {
        let what = a.description.clone().unwrap_or_else(|| "it is in ALARM".into());
        let reason = a.reason.clone().unwrap_or_else(|| "CloudWatch gives no reason".into());
        hop.push(Draft::new("alarm", format!("alarm {}: {what}", a.name), reason, "gameday status").weak().symptom());
    }
    let evidence = match s.alarms.len() {
        _ if !s.saw(Part::Alarms) => "could not be looked at".to_owned(),
        _ if is_unbuilt(s) => "not built yet".to_owned(),
        0 => format!("none of {} in ALARM", s.expected.alarms.len()),
        n => format!("{n} of {} in ALARM: {}", s.expected.alarms.len(), names(s.alarms.iter().map(|a| &a.name))),
    };
    // An alarm has to be where its metric is.
    let unwatched = s.expected.cdn.is_some() && s.whose.region != GLOBAL;
    let evidence = match unwatched {
        true => format!("{evidence}; none watches CloudFront, which is measured in {GLOBAL}"),
        false => evidence,
    };
    Some(hop.done(HopName::Alarms, s.saw(Part::Alarms) && !is_unbuilt(s), evidence))
}
