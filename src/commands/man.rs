//! `gameday man`: one page for the tool, and one part for every verb.
use super::{DONE, Failure, Outcome};
use crate::{cli::Cli, error::Error, output::Printer};
use clap::CommandFactory;
use clap_mangen::Man;

pub fn run(out: Printer) -> Outcome {
    let mut page = vec![];
    let write = |page: &mut Vec<u8>| -> std::io::Result<()> {
        let mut command = Cli::command();
        command.build();
        Man::new(command.clone()).render(page)?;
        for verb in command.get_subcommands().filter(|c| c.get_name() != "help") {
            page.extend_from_slice(format!("\n.SH \"GAMEDAY {}\"\n", verb.get_name().to_uppercase()).as_bytes());
            let man = Man::new(verb.clone());
            man.render_description_section(page)?;
            man.render_options_section(page)?;
        }
        Ok(())
    };
    write(&mut page).map_err(|e| Failure::Error(Error::other(format!("the man page: {e}"), "")))?;
    out.verbatim(String::from_utf8_lossy(&page));
    Ok(DONE)
}
