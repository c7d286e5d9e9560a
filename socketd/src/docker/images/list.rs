//! `GET /images/json`.

use std::collections::{BTreeMap, HashMap};

use regex_lite::Regex;
use serde::Serialize;
use wire::{Image, ImageId, Summary, Time};

use super::index::ImageIndex;
use super::reference::Name;
use crate::docker::error::ApiError;
use crate::docker::filters::{Filters, compile, invalid, pairs};
use crate::docker::query::Query;
use crate::docker::time::parse_moment;

const FILTERS: &[&str] = &["before", "dangling", "label", "reference", "since", "until"];

/// How many containers use each image.
#[derive(Debug, Default)]
pub struct Uses(HashMap<ImageId, usize>);

impl Uses {
    /// Counts.
    #[must_use]
    pub fn count<'a>(containers: impl Iterator<Item = &'a Summary>) -> Self {
        let mut uses = HashMap::new();
        for summary in containers {
            *uses.entry(summary.image_id).or_default() += 1;
        }
        Self(uses)
    }

    fn of(&self, image: ImageId) -> usize {
        self.0.get(&image).copied().unwrap_or_default()
    }
}

/// An image as a list shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageItem<'a> {
    containers: usize,
    created: u64,
    id: String,
    labels: Option<BTreeMap<&'a str, &'a str>>,
    parent_id: &'static str,
    repo_digests: [(); 0],
    repo_tags: Vec<&'a str>,
    shared_size: i64,
    size: u64,
}

impl<'a> ImageItem<'a> {
    /// `shared_size`: bytes shared with other images, or -1 where that was not asked.
    #[must_use]
    pub(in crate::docker) fn new(image: &'a Image, uses: &Uses, shared_size: i64) -> Self {
        Self {
            containers: uses.of(image.id),
            created: image.created_at.seconds(),
            id: format!("sha256:{}", image.id),
            labels: (!image.config.labels.is_empty()).then(|| pairs(&image.config.labels).collect()),
            parent_id: "",
            repo_digests: [],
            repo_tags: image.tags.iter().map(String::as_str).collect(),
            shared_size,
            size: image.size_bytes,
        }
    }
}

/// `GET /images/json`. There are no intermediate images, so `all` changes nothing; nor `digests`, for there are none.
///
/// # Errors
/// 400 for filters that are none or are not known, 404 where one names an image that is none.
pub fn list<'a>(
    index: &'a ImageIndex,
    query: &Query,
    uses: &Uses,
    now: Time,
) -> Result<Vec<ImageItem<'a>>, ApiError> {
    let filters = Filters::parse(query.text("filters"), FILTERS)?;
    let dangling = filters.truth("dangling")?;
    let window = Window::parse(index, &filters, now)?;
    let references: Vec<_> = filters
        .values("reference")
        .iter()
        .map(|text| Reference::parse(text))
        .collect();
    // Nothing is shared between images, so what is asked is known at once; unasked, Docker says -1.
    let shared_size = if query.flag("shared-size") { 0 } else { -1 };
    let items = index
        .images()
        .iter()
        .filter(|image| dangling.is_none_or(|dangling| image.tags.is_empty() == dangling))
        .filter(|image| window.contains(image.created_at))
        .filter(|image| filters.labels("label", pairs(&image.config.labels)))
        .filter_map(|image| {
            let mut item = ImageItem::new(image, uses, shared_size);
            if !references.is_empty() {
                item.repo_tags
                    .retain(|tag| references.iter().any(|reference| reference.fits(tag)));
                if item.repo_tags.is_empty() {
                    return None;
                }
            }
            Some(item)
        })
        .collect();
    Ok(items)
}

/// The times between which an image must have been made, both left out.
struct Window {
    after: Option<Time>,
    before: Option<Time>,
}

impl Window {
    fn parse(index: &ImageIndex, filters: &Filters, now: Time) -> Result<Self, ApiError> {
        let mut window = Self {
            after: None,
            before: None,
        };
        for reference in filters.values("since") {
            let created_at = index.resolve(reference)?.created_at;
            window.after = window.after.max(Some(created_at));
        }
        for reference in filters.values("before") {
            window.end_before(index.resolve(reference)?.created_at);
        }
        for text in filters.values("until") {
            window.end_before(parse_moment(text, now).map_err(|_| invalid("until", text))?);
        }
        Ok(window)
    }

    fn end_before(&mut self, time: Time) {
        self.before = Some(self.before.map_or(time, |before| before.min(time)));
    }

    fn contains(&self, time: Time) -> bool {
        self.after.is_none_or(|after| time > after) && self.before.is_none_or(|before| time < before)
    }
}

/// One wanted name: as a shell pattern, and as the name it may also be the long form of.
struct Reference {
    pattern: Option<Regex>,
    short: Option<String>,
}

impl Reference {
    fn parse(text: &str) -> Self {
        Self {
            pattern: compile(&shell_pattern(text)),
            short: Name::parse(text).ok().map(|name| match name.tag {
                Some(_) => name.tagged(),
                None => name.repository,
            }),
        }
    }

    /// Whether it fits a name with its tag, or its repository alone.
    fn fits(&self, tag: &str) -> bool {
        let repository = tag.rsplit_once(':').map_or(tag, |(repository, _)| repository);
        [tag, repository].into_iter().any(|name| {
            self.short.as_deref() == Some(name)
                || self
                    .pattern
                    .as_ref()
                    .is_some_and(|pattern| pattern.is_match(name))
        })
    }
}

/// Go's `path.Match` as a regular expression, which cannot be made to run for ever:
/// `*` and `?` stop at a slash, `[a-c]` and `[^a-c]` are one character, `\` quotes.
fn shell_pattern(pattern: &str) -> String {
    let mut expression = String::from("^");
    let mut characters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match character {
            '[' if !in_class => {
                in_class = true;
                expression.push('[');
                expression.extend(characters.next_if_eq(&'^'));
            }
            ']' if in_class => {
                in_class = false;
                expression.push(']');
            }
            '-' if in_class => expression.push('-'),
            '*' if !in_class => expression.push_str("[^/]*"),
            '?' if !in_class => expression.push_str("[^/]"),
            '\\' => expression.extend(characters.next().map(quoted)),
            plain => expression.push_str(&quoted(plain)),
        }
    }
    expression.push('$');
    expression
}

fn quoted(character: char) -> String {
    regex_lite::escape(character.encode_utf8(&mut [0; 4]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wire::spec::Pair;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn index() -> ImageIndex {
        let image = |byte: u8, seconds: u64, tags: &[&str]| Image {
            id: ImageId([byte; 32]),
            created_at: Time(seconds * SECOND),
            size_bytes: 1_984_300,
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..Image::default()
        };
        let mut labelled = image(3, 300, &["ghcr.io/a/b:1", "bb:latest"]);
        labelled.config.labels = vec![Pair::new("team", "a")];
        ImageIndex::new(vec![
            labelled,
            image(2, 200, &[]),
            image(1, 100, &["alpine:3.10", "alpine:3.9"]),
        ])
    }

    fn list_of(filters: &str) -> Result<Vec<String>, ApiError> {
        let index = index();
        let text = format!("filters={filters}");
        let items = list(
            &index,
            &Query::parse(Some(&text)),
            &Uses::default(),
            Time(1000 * SECOND),
        )?;
        Ok(items
            .iter()
            .map(|item| format!("{}:{}", item.id.get(7..9).unwrap(), item.repo_tags.join(",")))
            .collect())
    }

    #[test]
    fn filters_choose_images() {
        #[track_caller]
        fn check(filters: &str, expected: &[&str]) {
            assert_eq!(list_of(filters).unwrap(), expected, "{filters}");
        }
        let (new, dangling, old) = ("03:ghcr.io/a/b:1,bb:latest", "02:", "01:alpine:3.10,alpine:3.9");
        check("", &[new, dangling, old]);
        check(r#"{"dangling":["true"]}"#, &[dangling]);
        check(r#"{"dangling":{"false":true}}"#, &[new, old]);
        check(r#"{"label":["team=a"]}"#, &[new]);
        check(r#"{"before":["bb"]}"#, &[dangling, old]);
        check(r#"{"since":["alpine:3.9"]}"#, &[new, dangling]);
        check(r#"{"since":["alpine:3.9"],"before":["bb"]}"#, &[dangling]);
        check(r#"{"until":["250"]}"#, &[dangling, old]);
        check(r#"{"until":["850s"]}"#, &[old]);
        check(r#"{"reference":["bb"]}"#, &["03:bb:latest"]);
        check(r#"{"reference":["docker.io/library/bb"]}"#, &["03:bb:latest"]);
        check(r#"{"reference":["alpine:3.*"]}"#, &[old]);
        check(r#"{"reference":["alpine:3.9"]}"#, &["01:alpine:3.9"]);
        check(r#"{"reference":["*"]}"#, &["03:bb:latest", old]);
        check(r#"{"reference":["ghcr.io/*/b"]}"#, &["03:ghcr.io/a/b:1"]);
        check(r#"{"reference":["[a-b]*"]}"#, &["03:bb:latest", old]);
        check(r#"{"reference":["[^a]?"]}"#, &["03:bb:latest"]);
        assert_eq!(
            list_of(r#"{"x":["y"]}"#).unwrap_err().message,
            "invalid filter 'x'"
        );
        assert_eq!(
            list_of(r#"{"until":["y"]}"#).unwrap_err().message,
            "invalid filter 'until=y'"
        );
        assert_eq!(
            list_of(r#"{"since":["y"]}"#).unwrap_err().message,
            "No such image: y:latest"
        );
    }

    #[test]
    fn an_item_has_dockers_shape() {
        let index = index();
        let summary = Summary {
            image_id: ImageId([3; 32]),
            ..Summary::default()
        };
        let uses = Uses::count([summary].iter());
        let query = Query::parse(Some("shared-size=1"));
        let items = serde_json::to_value(list(&index, &query, &uses, Time(0)).unwrap()).unwrap();
        let expected = json!({
            "Containers": 1,
            "Created": 300,
            "Id": format!("sha256:{}", "03".repeat(32)),
            "Labels": {"team": "a"},
            "ParentId": "",
            "RepoDigests": [],
            "RepoTags": ["ghcr.io/a/b:1", "bb:latest"],
            "SharedSize": 0,
            "Size": 1_984_300
        });
        assert_eq!(items[0], expected);
        assert_eq!(items[1]["Labels"], json!(null));
        assert_eq!(items[1]["RepoTags"], json!([]));
        let read: bollard_stubs::models::ImageSummary = serde_json::from_value(items[0].clone()).unwrap();
        assert_eq!(read.containers, 1);
    }
}
