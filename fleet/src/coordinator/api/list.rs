//! Lists that are written as they are read: of all that there is, never more than a piece is in memory.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;

use crate::limits::API_LIST_PIECE;

/// An object whose last field is a list: `head` is everything before the first item, and `write` appends an item as JSON.
pub(super) fn written<T>(
    head: String,
    mut items: impl Iterator<Item = T> + Send + 'static,
    write: impl Fn(&mut Vec<u8>, &T) + Send + 'static,
) -> Response {
    let mut begun = Some(head);
    let mut separator: &[u8] = b"";
    let pieces = std::iter::from_fn(move || {
        let mut piece = begun.take()?.into_bytes();
        piece.reserve(2 * API_LIST_PIECE);
        while piece.len() < API_LIST_PIECE {
            let Some(item) = items.next() else {
                piece.extend_from_slice(b"]}");
                return Some(Ok::<_, Infallible>(Bytes::from(piece)));
            };
            piece.extend_from_slice(separator);
            separator = b",";
            write(&mut piece, &item);
        }
        begun = Some(String::new());
        Some(Ok(piece.into()))
    });
    let mut response = Response::new(Body::from_stream(stream::iter(pieces)));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn pieces_are_one_list() {
        let check = async |count: usize, length: usize| {
            let item = format!("\"{}\"", "x".repeat(length));
            let items = std::iter::repeat_n(item, count);
            let response = written("{\"all\":[".to_owned(), items, |piece, item| {
                piece.extend_from_slice(item.as_bytes());
            });
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let seen: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(
                seen["all"].as_array().unwrap().len(),
                count,
                "{count} of {length}"
            );
        };
        check(0, 0).await;
        check(1, 1).await;
        check(3, API_LIST_PIECE).await;
        check(2, API_LIST_PIECE / 2).await;
        check(1000, 1000).await;
    }
}
