//! Volumes: none yet, in Docker's shape.

use serde::Serialize;

use super::error::ApiError;
use super::filters::Filters;
use super::query::Query;

const FILTERS: &[&str] = &["dangling", "driver", "label", "name"];

/// The volumes of this host.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeList {
    /// Always an array.
    pub volumes: [(); 0],
    /// Null, as Docker leaves it.
    pub warnings: Option<Vec<String>>,
}

/// `GET /volumes`.
///
/// # Errors
/// 400 for filters that are none or are not known.
pub fn list(query: &Query) -> Result<VolumeList, ApiError> {
    Filters::parse(query.text("filters"), FILTERS)?.truth("dangling")?;
    Ok(VolumeList::default())
}

/// What is answered about any one volume: 404.
#[must_use]
pub fn missing(name: &str) -> ApiError {
    ApiError::not_found(format!("get {name}: no such volume"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_volumes() {
        let list = |text: &str| list(&Query::parse(Some(text)));
        let empty = serde_json::to_string(&list("filters={\"dangling\":[\"true\"]}").unwrap()).unwrap();
        assert_eq!(empty, r#"{"Volumes":[],"Warnings":null}"#);
        assert_eq!(
            list("filters={\"x\":[\"y\"]}").unwrap_err().message,
            "invalid filter 'x'"
        );
        assert_eq!(list("filters={\"dangling\":[\"y\"]}").unwrap_err().status, 400);
        assert_eq!(missing("x"), ApiError::not_found("get x: no such volume"));
    }
}
