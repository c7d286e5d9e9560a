//! Variables that a stack's files may be filled in with. They are the command's environment, so none may change what it
//! runs, whom it asks, or whom it trusts.

use crate::limits::{VARIABLE_BYTES_MAX, VARIABLES_MAX};

/// Variables that programs heed: the loader, shells, the `docker` command, Python (which `docker-compose` is written
/// in), Git (which fetches what a stack includes), TLS.
const DENIED: &[&str] = &[
    "BASH_ENV",
    "BUILDX_CONFIG",
    "CDPATH",
    "COMPOSE_ENV_FILES",
    "COMPOSE_FILE",
    "COMPOSE_PROJECT_NAME",
    "CURL_CA_BUNDLE",
    "DOCKER_API_VERSION",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "ENV",
    "GIT_ASKPASS",
    "GIT_EXEC_PATH",
    "GIT_EXTERNAL_DIFF",
    "GIT_PROXY_COMMAND",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_TEMPLATE_DIR",
    "HOME",
    "IFS",
    "PATH",
    "PYTHONBREAKPOINT",
    "PYTHONHOME",
    "PYTHONINSPECT",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "PYTHONWARNINGS",
    "REQUESTS_CA_BUNDLE",
    "SHELL",
    "SSH_ASKPASS",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
];

/// Beginnings of such.
const DENIED_BEGINNINGS: &[&str] = &["GIT_CONFIG", "LD_"];

/// Why a set of variables is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EnvironmentError {
    /// A name that is none, cut short.
    Name(String),
    /// One that may not be set.
    Denied(String),
    /// A value that no environment can hold, of this name.
    Value(String),
    /// There are too many.
    TooMany,
}

impl std::fmt::Display for EnvironmentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => write!(f, "`{}` is no name of a variable", name.escape_debug()),
            Self::Denied(name) => write!(f, "{name} may not be set: it would change the command itself"),
            Self::Value(name) => write!(f, "{name} has a value that no variable can have"),
            Self::TooMany => write!(f, "a stack has at most {VARIABLES_MAX} variables"),
        }
    }
}

/// Whether these may be set.
pub(super) fn judge<'a>(
    variables: impl ExactSizeIterator<Item = (&'a String, &'a String)>,
) -> Result<(), EnvironmentError> {
    if variables.len() > VARIABLES_MAX {
        return Err(EnvironmentError::TooMany);
    }
    for (name, value) in variables {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_name = name.bytes().all(is_word)
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && (1..=VARIABLE_BYTES_MAX).contains(&name.len());
        if !is_name {
            return Err(EnvironmentError::Name(name.chars().take(40).collect()));
        }
        let begins = |beginning: &&str| name.starts_with(*beginning);
        if DENIED.contains(&name.as_str()) || DENIED_BEGINNINGS.iter().any(begins) {
            return Err(EnvironmentError::Denied(name.clone()));
        }
        if value.contains('\0') || value.len() > VARIABLE_BYTES_MAX {
            return Err(EnvironmentError::Value(name.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(name: &str, value: &str) -> &'static str {
        let (name, value) = (name.to_owned(), value.to_owned());
        match judge([(&name, &value)].into_iter()) {
            Ok(()) => "fine",
            Err(EnvironmentError::Name(_)) => "name",
            Err(EnvironmentError::Denied(_)) => "denied",
            Err(EnvironmentError::Value(_)) => "value",
            Err(EnvironmentError::TooMany) => "many",
        }
    }

    #[test]
    fn names() {
        let check = |name: &str, expected: &str| assert_eq!(seen(name, "x"), expected, "{name}");
        for name in [
            "A",
            "_a1",
            "GIT_BRANCH",
            "DOCKER_REGISTRY",
            "PYTHON_VERSION",
            "COMPOSE_PROFILES",
        ] {
            check(name, "fine");
        }
        // As Hawser's documentation has them.
        let denied = "LD_PRELOAD LD_LIBRARY_PATH PATH DOCKER_HOST DOCKER_CONFIG DOCKER_CERT_PATH DOCKER_TLS_VERIFY \
                      DOCKER_CONTEXT HOME SHELL BASH_ENV ENV CDPATH IFS";
        for name in denied.split_whitespace().chain(DENIED.iter().copied()) {
            check(name, "denied");
        }
        for name in ["LD_AUDIT", "LD_", "GIT_CONFIG_COUNT"] {
            check(name, "denied");
        }
        for name in [
            "",
            "1A",
            "A-B",
            "A B",
            "A=B",
            "-A",
            "Ä",
            "A\0",
            "A\n",
            &"A".repeat(1 << 20),
        ] {
            check(name, "name");
        }
    }

    #[test]
    fn values() {
        let check = |value: &str, expected: &str| assert_eq!(seen("A", value), expected, "{:.9}", value);
        check("", "fine");
        check("a\nb ä=$x", "fine");
        check("a\0b", "value");
        check(&"x".repeat(VARIABLE_BYTES_MAX), "fine");
        check(&"x".repeat(VARIABLE_BYTES_MAX + 1), "value");
    }

    #[test]
    fn numbers() {
        let many: std::collections::BTreeMap<String, String> = (0..=VARIABLES_MAX)
            .map(|number| (format!("A{number}"), String::new()))
            .collect();
        assert_eq!(judge(many.iter()), Err(EnvironmentError::TooMany));
    }
}
