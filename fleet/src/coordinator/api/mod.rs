//! What users see: REST, WebSockets, Docker endpoints.
