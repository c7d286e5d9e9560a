//! `POST /images/create?fromSrc=-`: `docker import`.

use serde::Serialize;
use wire::request::ImportImage;
use wire::{Image, ImageConfig};

use super::changes::parse_changes;
use super::index::repo_and_tag;
use crate::docker::error::ApiError;
use crate::docker::query::Query;

/// Reads `fromSrc`, `repo`, `tag`, `message`, `changes`, `platform` of an import.
///
/// # Errors
/// 400 for what cannot be, 501 for a source other than the request's body (a pull, a URL).
pub fn parse_import(query: &Query) -> Result<ImportImage, ApiError> {
    if let Some(name) = query.text("fromImage").filter(|name| !name.is_empty()) {
        return Err(ApiError::not_implemented(format!(
            "pulling images is not served: import {name} from a tar with \"docker import\""
        )));
    }
    let source = query.text("fromSrc").unwrap_or_default();
    if source != "-" {
        return Err(ApiError::not_implemented(
            "importing from a URL is not served: send the tar itself (\"docker import -\")",
        ));
    }
    check_platform(query.text("platform").unwrap_or_default())?;
    let config = parse_changes(ImageConfig::default(), query.all("changes"))?;
    let message = query.text("message").unwrap_or_default();
    Ok(ImportImage {
        tag: repo_and_tag(query)?.unwrap_or_default(),
        comment: if message.is_empty() {
            format!("Imported from {source}")
        } else {
            message.to_owned()
        },
        config,
    })
}

/// A tar does not say for which processor it is; only the system can be checked.
fn check_platform(platform: &str) -> Result<(), ApiError> {
    match platform.split('/').next() {
        None | Some("" | "linux") => Ok(()),
        Some(other) => Err(ApiError::bad_request(format!(
            "operating system {other:?} is not supported"
        ))),
    }
}

/// The one line an import answers.
#[derive(Debug, Serialize)]
pub struct Imported {
    status: String,
}

/// The one line an import answers (200): the id.
#[must_use]
pub fn imported(image: &Image) -> Imported {
    Imported {
        status: format!("sha256:{}", image.id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ImportImage, ApiError> {
        parse_import(&Query::parse(Some(text)))
    }

    #[test]
    fn an_import_has_a_name_a_comment_and_changes() {
        let import =
            parse("fromSrc=-&repo=x%3Ay&changes=CMD+sh&changes=ENV+A%3Db&platform=linux/amd64").unwrap();
        assert_eq!(
            (import.tag.as_str(), import.comment.as_str()),
            ("x:y", "Imported from -")
        );
        assert_eq!(import.config.command, ["/bin/sh", "-c", "sh"]);
        assert_eq!(import.config.env, ["A=b"]);
        let import = parse("fromSrc=-&message=hello").unwrap();
        assert_eq!((import.tag.as_str(), import.comment.as_str()), ("", "hello"));
    }

    #[test]
    fn other_sources_are_refused_by_name() {
        #[track_caller]
        fn check(text: &str, status: u16, expected: &str) {
            let error = parse(text).unwrap_err();
            assert_eq!((error.status, error.message.as_str()), (status, expected));
        }
        check(
            "fromImage=bb&tag=latest",
            501,
            "pulling images is not served: import bb from a tar with \"docker import\"",
        );
        check(
            "fromSrc=http://x/y.tar",
            501,
            "importing from a URL is not served: send the tar itself (\"docker import -\")",
        );
        check(
            "fromSrc=-&repo=UPPER",
            400,
            "invalid reference format: repository name must be lowercase",
        );
        check(
            "fromSrc=-&platform=windows",
            400,
            "operating system \"windows\" is not supported",
        );
    }
}
