//! `GET /containers/{id}/top`: what `ps` would print, from what the bridge tells of the processes.

mod column;

use serde::Serialize;
use wire::Time;
use wire::stats::ProcessInfo;

use self::column::Column;
use crate::docker::error::ApiError;
use crate::docker::query::Query;

/// Most columns. Stops a short request from asking for a long answer.
const COLUMNS_MAX: usize = 64;

/// The heading without which nothing can be shown, as Docker has it.
const PID: &str = "PID";

/// What is printed of each process.
#[derive(Debug, PartialEq, Eq)]
pub struct Format {
    columns: Vec<(Column, String)>,
}

/// The machine, as far as percentages and times of day need it.
#[derive(Debug, Clone, Copy)]
pub struct Around {
    /// The present.
    pub now: Time,
    /// Memory of the machine, in bytes.
    pub memory_bytes: u64,
}

/// The answer.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Top {
    processes: Vec<Vec<String>>,
    titles: Vec<String>,
}

/// Which of `ps`' ready formats is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ready {
    /// None: few columns.
    Short,
    /// The same with letters of the older family (`ax`): a state besides.
    ShortState,
    /// `-f`.
    Full,
    /// `-j`.
    Jobs,
    /// `u`.
    User,
}

impl Ready {
    fn columns(self) -> &'static str {
        match self {
            Self::Short => "pid,tname,time,ucmd",
            Self::ShortState => "pid,tname,stat,bsdtime,args",
            Self::Full => "uid=UID,pid,ppid,c,stime,tname,time,cmd",
            Self::Jobs => "pid,pgid,sid,tname,time,ucmd",
            Self::User => "user,pid,pcpu,pmem,vsz,rss,tname,stat,start_time,bsdtime,args",
        }
    }
}

/// Reads `ps_args`; none means `-ef`. Which processes are shown is not for the client to choose: a
/// container's, all of them.
///
/// # Errors
/// 400 with the sentence of `ps` or of Docker for what it cannot be, or is not here.
pub fn parse_format(query: &Query) -> Result<Format, ApiError> {
    let text = query.text("ps_args").filter(|text| !text.trim().is_empty());
    let mut asked = Asked::default();
    let mut words = text.unwrap_or("-ef").split_ascii_whitespace();
    while let Some(word) = words.next() {
        asked.read(word, &mut words)?;
    }
    asked.format()
}

/// What the words read so far ask for.
#[derive(Debug, Default)]
struct Asked {
    ready: Option<Ready>,
    own: Vec<(Column, String)>,
}

fn refuse<T>(message: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError::bad_request(message))
}

impl Asked {
    fn read<'a>(&mut self, word: &'a str, rest: &mut impl Iterator<Item = &'a str>) -> Result<(), ApiError> {
        if let Some(long) = word.strip_prefix("--") {
            return self.read_long(long, rest);
        }
        let newer = word.strip_prefix('-');
        let mut letters = newer.unwrap_or(word).chars();
        while let Some(letter) = letters.next() {
            match (letter, newer.is_some()) {
                ('o', _) => {
                    let attached = letters.as_str();
                    let list = if attached.is_empty() {
                        rest.next().unwrap_or_default()
                    } else {
                        attached
                    };
                    return self.read_list(list.strip_prefix('=').unwrap_or(list));
                }
                ('f', true) => self.choose(Ready::Full)?,
                ('j', true) => self.choose(Ready::Jobs)?,
                ('u', false) => self.choose(Ready::User)?,
                ('a' | 'x', false) => {
                    self.ready.get_or_insert(Ready::ShortState);
                }
                // Which ones: all. How wide: as wide as need be. In trees: no.
                ('e' | 'A' | 'a' | 'd' | 'w' | 'H', true) | ('w' | 'f', false) => {}
                (_, true) => return refuse("error: unsupported SysV option"),
                (_, false) => return refuse("error: unsupported option (BSD syntax)"),
            }
        }
        Ok(())
    }

    fn read_long<'a>(
        &mut self,
        word: &'a str,
        rest: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), ApiError> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        match name {
            "format" => self.read_list(value.or_else(|| rest.next()).unwrap_or_default()),
            "forest" => Ok(()),
            _ => refuse("error: unknown gnu long option"),
        }
    }

    fn choose(&mut self, ready: Ready) -> Result<(), ApiError> {
        match self.ready {
            Some(other) if other != ready && other != Ready::ShortState => {
                refuse("error: conflicting format options")
            }
            _ => {
                self.ready = Some(ready);
                Ok(())
            }
        }
    }

    /// `pid,user=WHO`: a heading of one's own goes to the end of the word.
    fn read_list(&mut self, list: &str) -> Result<(), ApiError> {
        let mut rest = list;
        while !rest.is_empty() {
            let end = rest.find([',', '=']).unwrap_or(rest.len());
            let (name, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let Some((column, heading)) = Column::parse(name) else {
                return refuse(format!("error: unknown user-defined format specifier {name:?}"));
            };
            let (heading, next) = match after.strip_prefix('=') {
                Some(own) if own.contains(PID) && column != Column::Pid => {
                    return refuse(format!("specifying \"{name}={own}\" is not allowed"));
                }
                Some(own) => (own, ""),
                None => (heading, after.strip_prefix(',').unwrap_or_default()),
            };
            self.own.push((column, heading.to_owned()));
            if self.own.len() > COLUMNS_MAX {
                return refuse("error: improper list");
            }
            rest = next;
        }
        if self.own.is_empty() {
            return refuse("error: improper list");
        }
        Ok(())
    }

    fn format(mut self) -> Result<Format, ApiError> {
        match self.ready {
            Some(Ready::ShortState) if !self.own.is_empty() => {}
            Some(_) if !self.own.is_empty() => return refuse("error: conflicting format options"),
            _ if !self.own.is_empty() => {}
            ready => self.read_ready(ready.unwrap_or(Ready::Short)),
        }
        // Docker finds a container's own among the processes by this column.
        if self.own.iter().all(|(_, heading)| heading != PID) {
            return refuse("Couldn't find PID field in ps output");
        }
        Ok(Format { columns: self.own })
    }

    fn read_ready(&mut self, ready: Ready) {
        for word in ready.columns().split(',') {
            let (name, own) = word.split_once('=').unwrap_or((word, ""));
            if let Some((column, heading)) = Column::parse(name) {
                let heading = if own.is_empty() { heading } else { own };
                // Where the heading says UID there are names, as `ps -f` has it.
                let column = if own.is_empty() { column } else { Column::User };
                self.own.push((column, heading.to_owned()));
            }
        }
    }
}

/// The processes as asked.
#[must_use]
pub fn top(format: &Format, processes: &[ProcessInfo], around: Around) -> Top {
    Top {
        processes: processes
            .iter()
            .map(|process| {
                let columns = format.columns.iter();
                columns.map(|(column, _)| column.show(process, around)).collect()
            })
            .collect(),
        titles: format
            .columns
            .iter()
            .map(|(_, heading)| heading.clone())
            .collect(),
    }
}

#[cfg(test)]
mod tests;
