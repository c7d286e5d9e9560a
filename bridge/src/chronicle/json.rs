//! JSON, written only: an event is one object on one line. `journal/FORMAT.md` names its members.

use wire::Event;
use wire::spec::Pair;

use super::text::{action_word, kind_word, moment};

/// Appends an event as one line.
pub(super) fn line(event: &Event, out: &mut String) {
    out.push_str("{\"sequence\":");
    out.push_str(&event.sequence.to_string());
    member("time", &moment(event.time), out);
    out.push_str(",\"time_ns\":");
    out.push_str(&event.time.0.to_string());
    member("kind", &kind_word(event.kind), out);
    member("action", &action_word(event.action), out);
    member("actor", &event.actor, out);
    pairs("attributes", &event.attributes, out);
    pairs("labels", &event.labels, out);
    out.push_str("}\n");
}

/// Appends a gap: events that cannot be read any more.
pub(super) fn gap(first: u64, last: u64, why: &str, out: &mut String) {
    out.push_str(&format!("{{\"gap\":{{\"first\":{first},\"last\":{last}"));
    member("why", why, out);
    out.push_str("}}\n");
}

fn member(name: &str, value: &str, out: &mut String) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    string(value, out);
}

fn pairs(name: &str, pairs: &[Pair], out: &mut String) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":{");
    for (at, pair) in pairs.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        string(&pair.key, out);
        out.push(':');
        string(&pair.value, out);
    }
    out.push('}');
}

/// A text is UTF-8 already, so only what JSON itself reserves is escaped (RFC 8259, section 7).
fn string(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use wire::{Action, EventKind, Time};

    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let event = Event {
            sequence: 7,
            time: Time(1_795_313_500_500_000_000),
            kind: EventKind::Container,
            action: Action::Die,
            actor: "ab".to_owned(),
            attributes: vec![Pair::new("name", "we\"b"), Pair::new("exit_code", "1")],
            labels: vec![Pair::new("a\\b", "line\none\u{1}\u{e9}")],
        };
        let mut out = String::new();
        line(&event, &mut out);
        assert_eq!(
            out,
            concat!(
                r#"{"sequence":7,"time":"2026-11-22T02:11:40.5Z","time_ns":1795313500500000000,"#,
                r#""kind":"container","action":"die","actor":"ab","#,
                r#""attributes":{"name":"we\"b","exit_code":"1"},"labels":{"a\\b":"line\none\u0001é"}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_gap_is_one_line() {
        let mut out = String::new();
        gap(3, 5, "damaged", &mut out);
        assert_eq!(out, "{\"gap\":{\"first\":3,\"last\":5,\"why\":\"damaged\"}}\n");
    }
}
