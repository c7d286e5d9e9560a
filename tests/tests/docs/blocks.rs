//! Fenced blocks of a document.

/// A block between two fences.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Where it begins, as `file:line`.
    pub(crate) place: String,
    /// What stands behind the first fence.
    pub(crate) language: String,
    /// What stands between them.
    pub(crate) text: String,
    /// What is said of where it belongs: the line before the first fence that is not empty, and its own first line.
    pub(crate) said: String,
}

/// A command of a transcript, and the first line that is shown of what it prints.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) command: String,
    pub(crate) shown: Option<String>,
}

/// All blocks of a document, in their order.
pub(crate) fn blocks(document: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    let mut before = "";
    for (number, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                open = Some(Block {
                    place: format!("{document}:{}", number + 1),
                    language: language.to_owned(),
                    text: String::new(),
                    said: before.to_owned(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                if block.text.is_empty() {
                    block.said.push_str(line);
                }
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) if line.trim().is_empty() => {}
            (None, None) => before = line,
        }
    }
    assert_eq!(open, None, "{document}: a fence is left open");
    blocks
}

impl Block {
    /// The commands of a block that is run, each on one line: comments alone are none, a backslash goes on.
    pub(crate) fn commands(&self) -> Vec<String> {
        match self.language.as_str() {
            "sh" => lines(&self.text),
            "console" => self
                .exchanges()
                .into_iter()
                .map(|exchange| exchange.command)
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Commands and answers of a transcript.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        let mut exchanges: Vec<Exchange> = Vec::new();
        for line in self.text.lines() {
            match (line.strip_prefix("$ "), exchanges.last_mut()) {
                (Some(command), _) => exchanges.push(Exchange {
                    command: command.to_owned(),
                    shown: None,
                }),
                (None, Some(last)) if last.shown.is_none() => last.shown = Some(line.to_owned()),
                (None, Some(_)) => {}
                (None, None) => panic!("{}: a transcript begins with a command", self.place),
            }
        }
        exchanges
    }
}

fn lines(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", "");
    let lines = joined.lines().map(str::trim_end);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn documents_are_taken_apart() {
    let text = "a\n\n```sh\nb \\\n  c # d\n\n# e\nf\n```\n```console\n$ g\nh\ni\n$ j\n```\n";
    let found = blocks("x.md", text);
    let places: Vec<_> = found.iter().map(|block| block.place.as_str()).collect();
    assert_eq!(places, ["x.md:3", "x.md:10"]);
    assert_eq!(found[0].said, "ab \\");
    assert_eq!(found[0].commands(), ["b   c # d", "f"]);
    assert_eq!(found[1].commands(), ["g", "j"]);
    assert_eq!(found[1].exchanges()[0].shown.as_deref(), Some("h"));
    assert_eq!(found[1].exchanges()[1].shown, None);
}
