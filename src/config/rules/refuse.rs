//! Texts that the database refuses.
use super::Rules;
use crate::check::Issue;
use crate::derived::TRIGGERS;
use crate::place::at;
use crate::{Database, DatabaseEngine, Mode};

/// The most texts. Each is looked for in every column of every row that is written.
const TEXTS: usize = 16;
/// The most characters of a text.
const LONGEST: usize = 200;

pub(super) fn check(rules: &mut Rules<'_>, database: &Database) {
    let refuse = at("database.refuse");
    if database.refuse.len() > TEXTS {
        rules.found.error(
            "refuse_many",
            refuse,
            format!("`database.refuse` has {} texts", database.refuse.len()),
            format!("{TEXTS} at most: each is looked for in every row that is written"),
            "shorten the list to what the texts have in common",
        );
        return;
    }
    for (i, text) in database.refuse.iter().enumerate() {
        let length = text.chars().count();
        let why = if length == 0 {
            "an empty text is in every row: no row could be written".into()
        } else if length > LONGEST {
            format!("{length} characters; 1 to {LONGEST} are allowed")
        } else if text.contains('\n') {
            "it has a line break".into()
        } else {
            continue;
        };
        let fix = "give the text as it is in the rows, such as \"H@XX0RR333DDD\"";
        rules.found.error("refuse_text", refuse.item(i), "this text cannot be refused", why, fix);
    }
    if database.refuse.is_empty() || database.engine != DatabaseEngine::Mysql {
        return;
    }
    let off = database.parameters.get(TRIGGERS).is_some_and(|value| value != "1" && !value.eq_ignore_ascii_case("on"));
    if database.mode == Mode::Create && off {
        let issue = Issue::error(
            "refuse_parameter",
            at("database.parameters").key(TRIGGERS),
            format!("`refuse` needs triggers, which `{TRIGGERS}` forbids"),
            "with automated backups, MySQL takes triggers of the master user only if it is 1",
            "delete the line: gameday sets it to 1 with `refuse`",
        );
        rules.found.push(issue.with(refuse, "asked for here"));
    } else if database.mode == Mode::Use {
        rules.found.warn(
            "refuse_used",
            refuse,
            "the existing database has to allow triggers",
            format!("with a binary log, MySQL refuses them (ERROR 1419) unless `{TRIGGERS}` is 1"),
            "see that its parameter group has it, and that the master user owns the tables",
        );
    }
}
