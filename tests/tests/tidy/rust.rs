//! Rust source, taken apart just enough: code, comments and the text of literals.

/// One line of source, with what is on it.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Line {
    /// Code, with literals emptied and comments gone.
    pub(crate) code: String,
    /// What stands in string literals.
    pub(crate) literals: String,
    /// What stands in comments.
    pub(crate) comments: String,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Code,
    LineComment,
    BlockComment { depth: usize },
    Text { hashes: Option<usize> },
}

/// Takes source apart, line by line.
pub(crate) fn lines(source: &str) -> Vec<Line> {
    let letters: Vec<char> = source.chars().collect();
    let (mut lines, mut line, mut state, mut at) = (Vec::new(), Line::default(), State::Code, 0);
    while let Some(&letter) = letters.get(at) {
        let rest = &letters[at..];
        let next = rest.get(1).copied().unwrap_or_default();
        let mut taken = 1;
        if letter == '\n' {
            if state == State::LineComment {
                state = State::Code;
            }
            lines.push(std::mem::take(&mut line));
        } else {
            match state {
                State::Code if letter == '/' && next == '/' => state = State::LineComment,
                State::Code if letter == '/' && next == '*' => {
                    (state, taken) = (State::BlockComment { depth: 1 }, 2);
                }
                State::Code => {
                    let before = at.checked_sub(1).map_or(' ', |before| letters[before]);
                    (state, taken) = literal(rest, before).unwrap_or((State::Code, 1));
                    line.code.extend(&rest[..taken]);
                }
                State::LineComment => line.comments.push(letter),
                State::BlockComment { depth } => (state, taken) = block_comment(depth, letter, next),
                State::Text { hashes } => {
                    (state, taken) = inside(rest, hashes);
                    match state {
                        State::Code => line.code.push('"'),
                        _ => line.literals.extend(&rest[..taken.min(rest.len())]),
                    }
                }
            }
        }
        at += taken;
    }
    lines.push(line);
    lines
}

fn block_comment(depth: usize, letter: char, next: char) -> (State, usize) {
    match (letter, next, depth) {
        ('/', '*', _) => (State::BlockComment { depth: depth + 1 }, 2),
        ('*', '/', 1) => (State::Code, 2),
        ('*', '/', _) => (State::BlockComment { depth: depth - 1 }, 2),
        _ => (State::BlockComment { depth }, 1),
    }
}

/// A literal that begins here, and how much of it is to be taken as code.
fn literal(rest: &[char], before: char) -> Option<(State, usize)> {
    match rest {
        ['"', ..] => Some((State::Text { hashes: None }, 1)),
        ['r', after @ ..] if !before.is_alphanumeric() && before != '_' || before == 'b' => {
            let hashes = after.iter().take_while(|letter| **letter == '#').count();
            (after.get(hashes) == Some(&'"')).then_some((State::Text { hashes: Some(hashes) }, hashes + 2))
        }
        // A character, unless it is the name of a lifetime.
        ['\'', '\\', ..] => {
            let end = rest.iter().skip(3).position(|letter| *letter == '\'')?;
            Some((State::Code, end + 4))
        }
        ['\'', _, '\'', ..] => Some((State::Code, 3)),
        _ => None,
    }
}

/// Inside a string: whether it ends here, and how much is taken.
fn inside(rest: &[char], hashes: Option<usize>) -> (State, usize) {
    let state = State::Text { hashes };
    match (rest, hashes) {
        // The end of a line is counted outside.
        (['\\', next, ..], None) if *next != '\n' => (state, 2),
        (['"', ..], None) => (State::Code, 1),
        (['"', after @ ..], Some(hashes))
            if after.iter().take(hashes).filter(|l| **l == '#').count() == hashes =>
        {
            (State::Code, 1 + hashes)
        }
        _ => (state, 1),
    }
}

/// The words of a piece of source, in lower case: `NativeRuntime::open_at` is native, runtime, open, at.
pub(crate) fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut was_lower) = (Vec::new(), String::new(), false);
    for letter in text.chars().chain([' ']) {
        let ends = !letter.is_alphanumeric() || (letter.is_uppercase() && was_lower);
        if ends && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if letter.is_alphanumeric() {
            word.extend(letter.to_lowercase());
        }
        was_lower = letter.is_lowercase();
    }
    words
}

#[test]
fn source_is_taken_apart() {
    fn check(source: &str, code: &str, literals: &str, comments: &str) {
        let all = lines(source);
        let join = |part: fn(&Line) -> &str| all.iter().map(part).collect::<Vec<_>>().join("|");
        assert_eq!(join(|line| &line.code), code, "{source}");
        assert_eq!(join(|line| &line.literals), literals, "{source}");
        assert_eq!(
            join(|line| line.comments.trim_start_matches('/')),
            comments,
            "{source}"
        );
    }
    check("let a = 1; // unsafe\nb", "let a = 1; |b", "|", " unsafe|");
    check("/// doc \"x\"\nfn f() {}", "|fn f() {}", "|", " doc \"x\"|");
    check("f(\"a // b\\\" c\", 'd')", "f(\"\", 'd')", "a // b\\\" c", "");
    check("r#\"x\"y\"# + br\"z\"", "r#\"\" + br\"\"", "x\"yz", "");
    check("a /* b /* c */ d */ e", "a  e", "", "");
    check(
        "fn f<'a>(x: &'a str) { '\"' }",
        "fn f<'a>(x: &'a str) { '\"' }",
        "",
        "",
    );
    check("'\\'' + '\\u{1f}' + \"x\"", "'\\'' + '\\u{1f}' + \"\"", "x", "");
    check("\"one\\\n two\"", "\"|\"", "one\\| two", "|");
}

#[test]
fn names_are_taken_apart() {
    assert_eq!(
        words("NativeRuntime::open_at(alternative)"),
        ["native", "runtime", "open", "at", "alternative"]
    );
}
