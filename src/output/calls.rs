//! `-vv`: each call to AWS, as it ends.
use super::{plain, style::*};
use crate::aws::Call;
use std::io::Write;

/// Prints a call on stderr: `  ec2 DescribeVpcs 43 ms 200 59dbff89-35bd-4eac-99ed-be587EXAMPLE`.
pub fn show(call: &Call<'_>) {
    let outcome = match (call.status, &call.code) {
        (Some(status), Some(code)) => format!("{BAD}{status} {code}{RESET}{DIM}"),
        (Some(status), None) => status.to_string(),
        (None, _) => format!("{BAD}no answer{RESET}{DIM}"),
    };
    let id = call.request_id.unwrap_or_default();
    let line = format!(
        "{DIM}  {} {} {} ms {outcome} {id}{RESET}",
        call.service.to_lowercase(),
        call.operation,
        call.took.as_millis()
    );
    // If stderr is gone, nobody can be informed.
    _ = writeln!(anstream::stderr().lock(), "{}", plain::shown(line.trim_end()));
}
