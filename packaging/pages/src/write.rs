//! From a command line to the files about it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

/// Shells, each with the folder that its completions go to.
pub(crate) const SHELLS: [(Shell, &str); 3] = [
    (Shell::Bash, "completions/bash"),
    (Shell::Zsh, "completions/zsh"),
    (Shell::Fish, "completions/fish"),
];

/// Where manual pages go.
pub(crate) const PAGES: &str = "man/man1";

/// The command lines of the programs.
pub(crate) fn programs() -> [Command; 3] {
    let programs = [
        socketd::config::Cli::command(),
        bridge::config::Cli::command(),
        fleet::cli::Cli::command(),
    ];
    programs.map(|program| {
        // `help` says what `--help` says, and would be a page for each command again.
        let mut program = program.disable_help_subcommand(true);
        program.build();
        program
    })
}

/// Writes every file of the programs below `folder`.
pub(crate) fn write(folder: &Path) -> io::Result<()> {
    let pages = folder.join(PAGES);
    fs::create_dir_all(&pages)?;
    for mut program in programs() {
        let name = program.get_name().to_owned();
        let source = format!("{name} {}", program.get_version().unwrap_or_default());
        write_pages(&program, &source, &pages)?;
        for (shell, place) in SHELLS {
            let place = folder.join(place);
            fs::create_dir_all(&place)?;
            clap_complete::generate_to(shell, &mut program, &name, &place)?;
        }
    }
    Ok(())
}

/// The page of a command, and those of the commands below it.
fn write_pages(command: &Command, source: &str, pages: &Path) -> io::Result<()> {
    for below in command.get_subcommands() {
        write_pages(below, source, pages)?;
    }
    let page = Man::new(command.clone()).source(source).manual("socketd");
    let mut file = File::create(pages.join(page.get_filename()))?;
    page.render(&mut file)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process;

    use clap_complete::Generator;

    use super::*;

    /// A folder with everything that is written, gone when dropped.
    struct Written(PathBuf);

    impl Written {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("socketd-pages-{}-{name}", process::id()));
            write(&folder).unwrap();
            Self(folder)
        }

        fn text(&self, file: &str) -> String {
            let path = self.0.join(file);
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        }
    }

    impl Drop for Written {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// Every command, the programs themselves among them.
    fn each(command: &Command, look: &mut impl FnMut(&Command)) {
        look(command);
        command.get_subcommands().for_each(|below| each(below, look));
    }

    /// Completions would offer what is hidden all the same: what nobody calls is read before the command line is.
    #[test]
    fn no_command_is_hidden() {
        for program in programs() {
            each(&program, &mut |command| {
                assert!(!command.is_hide_set(), "{}", command.get_name());
            });
        }
    }

    fn long_options(command: &Command) -> Vec<String> {
        let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
        shown
            .filter_map(|argument| argument.get_long().map(str::to_owned))
            .collect()
    }

    #[test]
    fn every_command_has_a_page_with_all_of_its_options() {
        let written = Written::new("pages");
        let mut pages = 0;
        for program in programs() {
            each(&program, &mut |command| {
                let name = command.get_display_name().unwrap_or_else(|| command.get_name());
                let page = written.text(&format!("{PAGES}/{name}.1")).replace("\\-", "-");
                pages += 1;
                for option in long_options(command) {
                    assert!(page.contains(&format!("--{option}")), "{name} --{option}");
                }
                for below in command.get_subcommands() {
                    let reference = format!("{name}-{}(1)", below.get_name());
                    assert!(page.contains(&reference), "{reference} in {name}");
                }
            });
        }
        let there = fs::read_dir(written.0.join(PAGES)).unwrap().count();
        assert_eq!(there, pages, "pages about nothing");
    }

    #[test]
    fn every_shell_completes_every_command_and_option() {
        let written = Written::new("shells");
        for program in programs() {
            for (shell, folder) in SHELLS {
                let file = format!("{folder}/{}", shell.file_name(program.get_name()));
                let text = written.text(&file);
                each(&program, &mut |command| {
                    assert!(
                        text.contains(command.get_name()),
                        "{} in {file}",
                        command.get_name()
                    );
                    // Those for fish know no options of what is below two commands: so clap_complete has it.
                    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
                    if shell == Shell::Fish && name.split(' ').count() > 3 {
                        return;
                    }
                    for option in long_options(command) {
                        let word = if shell == Shell::Fish {
                            format!("-l {option}")
                        } else {
                            format!("--{option}")
                        };
                        assert!(text.contains(&word), "{word} in {file}");
                    }
                });
            }
        }
    }

    #[test]
    fn bash_reads_its_completions() {
        let written = Written::new("bash");
        for program in ["socketd", "socketd-bridge", "socketd-fleet"] {
            let file = written.0.join(format!("completions/bash/{program}.bash"));
            let output = process::Command::new("bash")
                .arg("-n")
                .arg(&file)
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
        }
    }
}
