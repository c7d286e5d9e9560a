//! Events, one a line: for people, or as JSON.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use journal::{Archive, Batch};
use wire::event::attribute;
use wire::{Event, Time};

use super::follow::Watch;
use super::text::{action_word, kind_word, parse_moment};
use super::{ChronicleError, Verdict, directory, json, look, text};
use crate::config::{Export, Show};

/// Events read at once.
const PAGE_EVENTS: usize = 1024;
/// Bytes read at once, about.
const PAGE_BYTES: usize = 1024 * 1024;

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

/// Which events, and how.
#[derive(Debug)]
struct Want<'a> {
    show: &'a Show,
    form: Form,
    since: Time,
    until: Option<Time>,
}

/// Shows what is asked for.
pub(super) fn run(show: &Show) -> Result<Verdict, ChronicleError> {
    let mut out = BufWriter::new(io::stdout().lock());
    let form = if show.json { Form::Json } else { Form::Text };
    tell(show, form, &mut out)
}

/// Writes every event that is kept as JSON.
pub(super) fn export(export: &Export) -> Result<Verdict, ChronicleError> {
    let everything = Show::everything(export.place.clone());
    match &export.output {
        None => tell(&everything, Form::Json, &mut BufWriter::new(io::stdout().lock())),
        Some(path) => {
            let file = File::create_new(path).map_err(ChronicleError::Output)?;
            let mut out = BufWriter::new(file);
            let verdict = tell(&everything, Form::Json, &mut out)?;
            out.get_ref().sync_all().map_err(ChronicleError::Output)?;
            Ok(verdict)
        }
    }
}

fn tell(show: &Show, form: Form, out: &mut impl Write) -> Result<Verdict, ChronicleError> {
    let moment = |text: &Option<String>| {
        let parsed = text.as_deref().map(parse_moment).transpose();
        parsed.map_err(|error| ChronicleError::Output(io::Error::new(io::ErrorKind::InvalidInput, error)))
    };
    let want = Want {
        show,
        form,
        since: moment(&show.since)?.unwrap_or(Time::NEVER),
        until: moment(&show.until)?,
    };
    // Before the first look, so that nothing falls between the two.
    let watch = match show.follow {
        true => Some(Watch::begin(&directory(&show.place.state_dir)).map_err(ChronicleError::Watch)?),
        false => None,
    };
    let mut reading = Reading {
        want,
        after: show.after,
        left: show.count.unwrap_or(u64::MAX),
        verdict: Verdict::Whole,
    };
    loop {
        let archive = look(&show.place.state_dir)?;
        let done = reading.page_through(&archive, out)?;
        out.flush().map_err(ChronicleError::Output)?;
        match &watch {
            Some(watch) if !done => watch.wait().map_err(ChronicleError::Watch)?,
            _ => return Ok(reading.verdict),
        }
    }
}

/// A reading under way.
#[derive(Debug)]
struct Reading<'a> {
    want: Want<'a>,
    /// The last event that was looked at.
    after: u64,
    /// Lines that may still be shown.
    left: u64,
    verdict: Verdict,
}

impl Reading<'_> {
    /// Shows everything that an archive has beyond what was shown; whether that was all that is wanted.
    fn page_through(&mut self, archive: &Archive, out: &mut impl Write) -> Result<bool, ChronicleError> {
        loop {
            if self.left == 0 {
                return Ok(true);
            }
            let batch = archive
                .read(self.after, self.want.since, PAGE_EVENTS, PAGE_BYTES)
                .map_err(ChronicleError::Read)?;
            let (before, last) = (self.after, batch.last_sequence);
            let lines = self.lines(&batch);
            out.write_all(lines.as_bytes()).map_err(ChronicleError::Output)?;
            self.after = batch.scanned_to.max(before);
            if self.after >= last || self.after == before {
                return Ok(false);
            }
        }
    }

    /// The lines of a batch, gaps in their places.
    fn lines(&mut self, batch: &Batch) -> String {
        let mut out = String::new();
        let mut gaps: Vec<(u64, u64, String)> = Vec::new();
        if self.after > 0 && batch.first_retained > self.after.saturating_add(1) {
            gaps.push((
                self.after + 1,
                batch.first_retained - 1,
                "no longer kept".to_owned(),
            ));
        }
        for damage in &batch.damage {
            self.verdict = Verdict::Damaged;
            if let Some((first, last)) = damage.lost {
                gaps.push((first, last, damage.to_string()));
            }
        }
        gaps.sort();
        let mut gaps = gaps.into_iter().peekable();
        for event in &batch.events {
            while let Some((first, last, why)) = gaps.next_if(|(first, ..)| *first < event.sequence) {
                self.gap(first, last, &why, &mut out);
            }
            if self.left > 0 && self.passes(event) {
                self.left -= 1;
                match self.want.form {
                    Form::Text => text::line(event, &mut out),
                    Form::Json => json::line(event, &mut out),
                }
            }
        }
        for (first, last, why) in gaps {
            self.gap(first, last, &why, &mut out);
        }
        out
    }

    fn gap(&self, first: u64, last: u64, why: &str, out: &mut String) {
        match self.want.form {
            Form::Text => text::gap(first, last, why, out),
            Form::Json => json::gap(first, last, why, out),
        }
    }

    fn passes(&self, event: &Event) -> bool {
        let show = self.want.show;
        let is = |asked: &Option<String>, word: &str| asked.as_deref().is_none_or(|asked| asked == word);
        let named = |asked: &str| {
            event.actor.starts_with(asked)
                || event.attribute(attribute::NAME).is_some_and(|name| name == asked)
        };
        self.want.until.is_none_or(|until| event.time <= until)
            && is(&show.kind, &kind_word(event.kind))
            && is(&show.action, &action_word(event.action))
            && show.actor.as_deref().is_none_or(named)
    }
}
