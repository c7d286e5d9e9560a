//! The argument vector by which the runtime is asked for a further process.
//!
//! The runtime's own command has no option for a working directory or for variables, and gives a command
//! of one word with a space in it to a shell. So a command is wrapped where one of these is asked, and
//! nowhere else: it is executed with exactly the argument vector that was asked for, and no word of it is
//! ever read by a shell.

use wire::ExecSpec;

use crate::runtime::RuntimeError;

/// What wraps a command that needs a working directory, which is `$0`.
const IN_DIRECTORY: &str = "cd -- \"$0\" && exec \"$@\"";
/// What wraps a command that needs variables: `env`, wherever the container has it.
const WITH_VARIABLES: &str = "exec env \"$@\"";
/// What wraps one whose first word would be taken for something else; `$0` is a name for messages.
const AS_IT_IS: &str = "exec \"$@\"";

/// What the runtime's command is called with, less its own name.
///
/// # Errors
/// [`RuntimeError::Unsupported`] for what it cannot be asked for, [`RuntimeError::InvalidSpec`] for what
/// would mean something else to it.
pub(super) fn arguments(name: &str, spec: &ExecSpec) -> Result<Vec<String>, RuntimeError> {
    if spec.privileged {
        return Err(RuntimeError::Unsupported(
            "this runtime has no privileged further processes".to_owned(),
        ));
    }
    let invalid = |sentence: String| Err(RuntimeError::InvalidSpec(sentence));
    let texts = spec.arguments.iter().chain(&spec.env);
    if texts
        .chain([&spec.working_dir, &spec.user])
        .any(|text| text.contains('\0'))
    {
        return invalid("a further process was asked for with a text that holds a NUL".to_owned());
    }
    let mut asked = vec![format!("--name={name}"), "run".to_owned()];
    match spec.user.as_str() {
        "" => {}
        group if group.contains(':') => {
            return Err(RuntimeError::Unsupported(format!(
                "this runtime takes a user alone, not '{group}'"
            )));
        }
        option if option.starts_with('-') => return invalid(format!("no such user: '{option}'")),
        user => asked.extend(["-u".to_owned(), user.to_owned()]),
    }
    let command = command(spec)?;
    match command.first() {
        None => return invalid("no command".to_owned()),
        Some(word) if word.is_empty() => return invalid("the command is empty".to_owned()),
        // The runtime would read it as an option of its own.
        Some(word) if word.starts_with('-') => {
            return Err(RuntimeError::Unsupported(format!(
                "this runtime has no commands that begin with a dash: '{word}'"
            )));
        }
        Some(_) => asked.extend(command),
    }
    Ok(asked)
}

fn command(spec: &ExecSpec) -> Result<Vec<String>, RuntimeError> {
    // As for a first process: what has no value is left out.
    let variables: Vec<&String> = spec.env.iter().filter(|variable| is_variable(variable)).collect();
    let Some(first) = spec.arguments.first() else {
        return Ok(Vec::new());
    };
    let shell = ["/bin/sh", "-c"].map(str::to_owned);
    let mut wrapped = Vec::new();
    if !variables.is_empty() {
        wrapped.extend(shell.clone());
        wrapped.extend([WITH_VARIABLES.to_owned(), "sh".to_owned()]);
        wrapped.extend(variables.iter().map(|variable| (*variable).clone()));
    }
    if !spec.working_dir.is_empty() {
        if !spec.working_dir.starts_with('/') {
            return Err(RuntimeError::InvalidSpec(format!(
                "the working directory '{}' is invalid, it needs to be an absolute path",
                spec.working_dir
            )));
        }
        wrapped.extend(shell);
        wrapped.extend([IN_DIRECTORY.to_owned(), spec.working_dir.clone()]);
    } else if would_be_read_otherwise(first, spec.arguments.len(), !variables.is_empty()) {
        wrapped.extend(shell);
        wrapped.extend([AS_IT_IS.to_owned(), "sh".to_owned()]);
    }
    wrapped.extend(spec.arguments.iter().cloned());
    Ok(wrapped)
}

/// By `env` as one more variable, or by the runtime as a line for a shell.
fn would_be_read_otherwise(first: &str, words: usize, after_variables: bool) -> bool {
    if after_variables {
        first.contains('=') || first.starts_with('-')
    } else {
        words == 1 && first.contains(' ')
    }
}

/// One that begins with a dash would be an option of `env`.
fn is_variable(text: &str) -> bool {
    text.find('=').is_some_and(|at| at > 0) && !text.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(arguments: &[&str], env: &[&str], working_dir: &str, user: &str) -> ExecSpec {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        ExecSpec {
            arguments: texts(arguments),
            env: texts(env),
            working_dir: working_dir.to_owned(),
            user: user.to_owned(),
            ..ExecSpec::default()
        }
    }

    #[test]
    fn commands() {
        fn check(spec: &ExecSpec, expected: &[&str]) {
            let found = arguments("a b", spec).expect("it can be asked for");
            assert_eq!(found[..2], ["--name=a b", "run"]);
            assert_eq!(found[2..], *expected);
        }
        check(&spec(&["ls"], &[], "", ""), &["ls"]);
        check(
            &spec(&["ls", "-l", "a b", ""], &[], "", ""),
            &["ls", "-l", "a b", ""],
        );
        check(&spec(&["ls"], &[], "", "ana"), &["-u", "ana", "ls"]);
        check(
            &spec(&["a b"], &[], "", ""),
            &["/bin/sh", "-c", AS_IT_IS, "sh", "a b"],
        );
        check(&spec(&["a b", "c"], &[], "", ""), &["a b", "c"]);
        check(&spec(&["a=b"], &[], "", ""), &["a=b"]);
        check(
            &spec(&["ls"], &["A=b c", "D="], "", ""),
            &["/bin/sh", "-c", WITH_VARIABLES, "sh", "A=b c", "D=", "ls"],
        );
        check(&spec(&["ls"], &["A", "=b", "-i=c", ""], "", ""), &["ls"]);
        check(
            &spec(&["a b"], &["A=b"], "", ""),
            &["/bin/sh", "-c", WITH_VARIABLES, "sh", "A=b", "a b"],
        );
        check(
            &spec(&["x=y"], &["A=b"], "", ""),
            &[
                "/bin/sh",
                "-c",
                WITH_VARIABLES,
                "sh",
                "A=b",
                "/bin/sh",
                "-c",
                AS_IT_IS,
                "sh",
                "x=y",
            ],
        );
        check(
            &spec(&["ls", "$HOME"], &[], "/a b", ""),
            &["/bin/sh", "-c", IN_DIRECTORY, "/a b", "ls", "$HOME"],
        );
        check(
            &spec(&["x=y"], &["A=b"], "/d", "ana"),
            &[
                "-u",
                "ana",
                "/bin/sh",
                "-c",
                WITH_VARIABLES,
                "sh",
                "A=b",
                "/bin/sh",
                "-c",
                IN_DIRECTORY,
                "/d",
                "x=y",
            ],
        );
    }

    #[test]
    fn what_cannot_be_asked_for() {
        fn check(spec: &ExecSpec, is_invalid: bool) {
            let refused = arguments("a", spec).expect_err("it cannot be asked for");
            assert_eq!(
                matches!(refused, RuntimeError::InvalidSpec(_)),
                is_invalid,
                "{spec:?}"
            );
            assert_eq!(
                matches!(refused, RuntimeError::Unsupported(_)),
                !is_invalid,
                "{spec:?}"
            );
        }
        check(&spec(&[], &[], "", ""), true);
        check(&spec(&[], &["A=b"], "/", ""), true);
        check(&spec(&[""], &[], "", ""), true);
        check(&spec(&["ls"], &[], "relative", ""), true);
        check(&spec(&["ls"], &[], "", "-x"), true);
        check(&spec(&["l\0s"], &[], "", ""), true);
        check(&spec(&["ls"], &["A=\0"], "", ""), true);
        check(&spec(&["ls"], &[], "", "ana:wheel"), false);
        check(&spec(&["-ls"], &[], "", ""), false);
        let privileged = ExecSpec {
            privileged: true,
            ..spec(&["ls"], &[], "", "")
        };
        check(&privileged, false);
    }

    #[test]
    fn a_shell_reads_no_word_of_it() {
        let directory = std::env::temp_dir();
        let words = ["printf", "%s|", "a b", "$HOME", "`id`", "'", "\"", "*", "-n", ""];
        let asked = spec(
            &words,
            &["X=$(id) y"],
            directory.to_str().expect("it is text"),
            "",
        );
        let found = arguments("c", &asked).expect("it can be asked for");
        let output = std::process::Command::new(&found[2])
            .args(&found[3..])
            .output()
            .expect("it runs");
        assert_eq!(output.stdout, b"a b|$HOME|`id`|'|\"|*|-n||");
    }
}
