//! The machines behind a balancer, and the effects of adding or removing one.
use super::{Printer, style::*};
use crate::{shell::command, targets::Machine};
use serde::Serialize;

/// The answer of the API in every case, and of `targets … -o json`.
#[derive(Serialize, schemars::JsonSchema)]
pub struct Message<T> {
    pub message: T,
}

pub fn list(out: &Printer, balancer: &str, machines: &[Machine]) {
    if out.json() {
        return out.line(&Message { message: machines });
    }
    if machines.is_empty() {
        return out.data(format!("{WARN}no machine is behind {balancer}{RESET}"));
    }
    let head = ["instance", "type", "launched", "zone"];
    let rows: Vec<[&str; 4]> = vec![head];
    let launched: Vec<String> = machines.iter().map(launched).collect();
    let cells = machines.iter().zip(&launched).map(|(m, at)| {
        [&m.instance_id, m.instance_type.as_deref().unwrap_or("?"), at, m.zone.as_deref().unwrap_or("?")]
    });
    let rows: Vec<[&str; 4]> = rows.into_iter().chain(cells).collect();
    let width = |at: usize| rows.iter().map(|r| r[at].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3].map(width);
    let line = |r: &[&str; 4]| {
        let cells = r.iter().zip(widths).map(|(cell, w)| format!("{cell:<w$}"));
        cells.collect::<Vec<_>>().join("  ")
    };
    out.data(format!("{DIM}{}  health{RESET}", line(&rows[0])));
    for (m, row) in machines.iter().zip(&rows[1..]) {
        let health = m.health.as_deref().unwrap_or("?");
        let style = match health {
            "healthy" => GOOD,
            "unhealthy" => BAD,
            _ => WARN,
        };
        out.data(format!("{}  {style}{health}{RESET}", line(row)));
    }
}

fn launched(m: &Machine) -> String {
    m.launch_date.map_or("?".into(), |t| t.strftime("%FT%TZ").to_string())
}

pub fn attached(out: &Printer, balancer: &str, m: &Machine) {
    if out.json() {
        return out.line(&Message { message: m });
    }
    out.data(format!("{GOOD}attached{RESET} {} to {balancer}", m.instance_id));
    out.note(format!(
        "{DIM}it gets requests once its health checks succeed: the security groups of both must let them through, and the \
         service must listen on the target group's port; `gameday up` leaves it where it is{RESET}"
    ));
}

pub fn detached(out: &Printer, balancer: &str, m: &Machine) {
    if out.json() {
        return out.line(&Message { message: m });
    }
    out.data(format!("{GOOD}detached{RESET} {} from {balancer}", m.instance_id));
    out.note(format!("{DIM}it gets no new requests; those under way are finished{RESET}"));
    if let Some(fleet) = &m.fleet {
        out.note(format!(
            "{WARN}it belongs to the Auto Scaling group {fleet}{RESET}, which may replace it, because the balancer does not \
             report it as healthy; `gameday up` does not put it back, `{}` does",
            command!("gameday targets attach {}", m.instance_id)
        ));
    }
}
