//! The one line a list shows of an argument vector.

/// Words joined by blanks; words that hold a blank get quotes, the first never does.
#[must_use]
pub(super) fn command_line(arguments: &[String]) -> String {
    let mut line = String::new();
    for (at, argument) in arguments.iter().enumerate() {
        if at > 0 {
            line.push(' ');
        }
        if at > 0 && argument.contains(' ') {
            line.push('\'');
            line.push_str(argument);
            line.push('\'');
        } else {
            line.push_str(argument);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_blanks_get_quotes() {
        #[track_caller]
        fn check(words: &[&str], expected: &str) {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(command_line(&words), expected);
        }
        check(&[], "");
        check(&["true"], "true");
        check(
            &["sh", "-c", "echo hello; sleep 600"],
            "sh -c 'echo hello; sleep 600'",
        );
        check(&["/a b", "c"], "/a b c");
    }
}
