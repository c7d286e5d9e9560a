//! Names of images: `bb`, `docker.io/library/bb:latest`, `ghcr.io/a/b@sha256:...`.

use crate::docker::error::ApiError;

/// Longest repository name, in bytes, as Docker has it.
const NAME_BYTES_MAX: usize = 255;
/// Longest tag, in bytes, as Docker has it.
const TAG_BYTES_MAX: usize = 128;
/// The registry a name without one means; it is never written and nothing is asked of it.
const DEFAULT_DOMAIN: &str = "docker.io";
const DEFAULT_DOMAIN_BEFORE: &str = "index.docker.io";
const OFFICIAL_PREFIX: &str = "library/";

/// A name, in the short form people write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Without the default registry and its `library/`.
    pub repository: String,
    /// After the colon.
    pub tag: Option<String>,
    /// After the at sign: `sha256:` and 64 digits.
    pub digest: Option<String>,
}

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    /// 400 with Docker's sentence.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        // Of the whole text, for it could be an id; with a tag, or with its `library/`, it could not.
        if is_hex(text, 64) {
            return Err(invalid(&format!(
                "invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
            )));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) if is_digest(digest) => (rest, Some(digest.to_owned())),
            Some(_) => return Err(invalid("invalid reference format")),
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let path_at = rest.rfind('/').map_or(0, |slash| slash + 1);
        let colon = rest.get(path_at..).and_then(|path| path.find(':'));
        let (name, tag) = match colon.and_then(|colon| rest.split_at_checked(path_at + colon)) {
            Some((name, tag)) => (name, tag.strip_prefix(':')),
            None => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(invalid("invalid reference format"));
        }
        Ok(Self {
            repository: repository(name)?,
            tag: tag.map(str::to_owned),
            digest,
        })
    }

    /// `repository:tag`, with `latest` where no tag was written.
    #[must_use]
    pub fn tagged(&self) -> String {
        format!("{}:{}", self.repository, self.tag.as_deref().unwrap_or("latest"))
    }

    /// As it is shown in sentences: as [`tagged`](Self::tagged), or with the digest that was written.
    #[must_use]
    pub fn shown(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), None) => format!("{}@{digest}", self.repository),
            (Some(digest), Some(tag)) => format!("{}:{tag}@{digest}", self.repository),
            (None, _) => self.tagged(),
        }
    }
}

fn invalid(message: &str) -> ApiError {
    ApiError::bad_request(message)
}

/// Whether a text is so many lower-case hexadecimal digits.
pub(super) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && is_hex_prefix(text)
}

/// Whether a text can begin an id.
pub(super) fn is_hex_prefix(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|digits| is_hex(digits, 64))
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=TAG_BYTES_MAX).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || b".-".contains(&byte))
}

/// The short form of a repository name.
fn repository(name: &str) -> Result<String, ApiError> {
    let (domain, path) = match name.split_once('/') {
        Some((first, rest)) if is_domain_like(first) => (first, rest),
        _ => (DEFAULT_DOMAIN, name),
    };
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(invalid(
            "invalid reference format: repository name must be lowercase",
        ));
    }
    if !is_domain(domain) || path.is_empty() || !path.split('/').all(is_component) {
        return Err(invalid("invalid reference format"));
    }
    let default = domain == DEFAULT_DOMAIN || domain == DEFAULT_DOMAIN_BEFORE;
    let short = if default {
        match path.strip_prefix(OFFICIAL_PREFIX) {
            Some(official) if !official.contains('/') => official.to_owned(),
            _ => path.to_owned(),
        }
    } else {
        format!("{domain}/{path}")
    };
    if short.len() > NAME_BYTES_MAX {
        return Err(invalid("repository name must not be more than 255 characters"));
    }
    Ok(short)
}

/// What stands before the first slash is a registry only if it cannot be a directory.
fn is_domain_like(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = domain.split_once(':').unwrap_or((domain, "0"));
    let label = |label: &str| {
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        edge(label.bytes().next())
            && edge(label.bytes().next_back())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.split('.').all(label) && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Letters and digits, held together by `.`, `_`, `__` or any number of `-`.
fn is_component(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.bytes().next().is_some_and(alphanumeric)
        && text.bytes().next_back().is_some_and(alphanumeric)
        && separators.all(|run| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|byte| byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_short_form() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(Name::parse(text).unwrap().shown(), expected, "{text}");
        }
        check("bb", "bb:latest");
        check("bb:1", "bb:1");
        check("library/bb", "bb:latest");
        check("docker.io/bb", "bb:latest");
        check("docker.io/library/bb:x", "bb:x");
        check("index.docker.io/library/bb", "bb:latest");
        check("docker.io/library/a/b", "library/a/b:latest");
        check("user/bb", "user/bb:latest");
        check("ghcr.io/a/b:tag", "ghcr.io/a/b:tag");
        check("localhost/x", "localhost/x:latest");
        check("localhost:5000/x:y", "localhost:5000/x:y");
        check("a__b/c--d/e.f:V1.2-x_", "a__b/c--d/e.f:V1.2-x_");
        let hex = "a".repeat(64);
        check(&format!("{hex}:x"), &format!("{hex}:x"));
        check(&format!("library/{hex}"), &format!("{hex}:latest"));
        let digest = format!("bb@sha256:{}", "a".repeat(64));
        check(&digest, &digest);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(Name::parse(text), Err(ApiError::bad_request(expected)), "{text}");
        }
        let format = "invalid reference format";
        let lower = "invalid reference format: repository name must be lowercase";
        check("UPPER", lower);
        check("user/UPPER:x", lower);
        for text in [
            "", ":", "/", "a/", "/a", "a//b", "bb:", "bb:-x", "bb: x", "a..b", "-a", "a-", "a___b", "bb@x",
            "a b", "a.b:/c", "é",
        ] {
            check(text, format);
        }
        check(&format!("bb:{}", "x".repeat(129)), format);
        check(
            &"x".repeat(256),
            "repository name must not be more than 255 characters",
        );
        let hex = "a".repeat(64);
        check(
            &hex,
            &format!("invalid repository name ({hex}), cannot specify 64-byte hexadecimal strings"),
        );
    }
}
