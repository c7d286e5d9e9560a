//! Queries, and the filters in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use socketd::docker::containers::list::ListQuery;
use socketd::docker::containers::{archive, operate, stats, top};
use socketd::docker::events::EventQuery;
use socketd::docker::query::Query;
use socketd::docker::{images, time, volumes};
use wire::Time;

fuzz_target!(|text: &str| {
    let query = Query::parse(Some(text));
    let _ = ListQuery::parse(&query);
    let _ = EventQuery::parse(&query, Time(1_700_000_000_000_000_000));
    let _ = operate::parse_stop("web", &query);
    let _ = operate::parse_kill("web", &query);
    let _ = operate::parse_remove("web", &query);
    let _ = operate::parse_rename("web", &query);
    let _ = operate::parse_wait("web", &query);
    let _ = archive::parse_path("web", &query);
    let _ = archive::parse_write("web", &query);
    let _ = stats::parse_samples(&query);
    let _ = top::parse_format(&query);
    let _ = images::parse_import(&query);
    let _ = images::commit_container(&query);
    let _ = volumes::list(&query);
    let _ = time::parse_moment(text, Time(1_700_000_000_000_000_000));
});
