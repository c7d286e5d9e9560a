use super::*;

#[test]
fn what_servers_send() {
    let check = |text: &str, expected: Incoming| {
        assert_eq!(Incoming::decode(text.as_bytes()).unwrap(), expected, "{text}")
    };
    check(
        r#"{"type":"welcome","serverId":"dockhand","version":"1.0"}"#,
        Incoming::Welcome,
    );
    check(r#"{"type":"welcome","environmentId":1}"#, Incoming::Welcome);
    check(r#"{"type":"ping","timestamp":1795684730123}"#, Incoming::Ping);
    check(r#"{"type":"pong"}"#, Incoming::Pong);
    let error = |text: &str, retry_after| {
        Incoming::Error(ServerError {
            text: text.to_owned(),
            retry_after,
        })
    };
    check(
        r#"{"type":"error","message":"Invalid token"}"#,
        error("Invalid token", None),
    );
    check(r#"{"type":"error","error":"no","message":""}"#, error("no", None));
    check(
        r#"{"type":"error","message":"wait","retryAfter":30}"#,
        error("wait", Some(30)),
    );
    check(r#"{"type":"error","retryAfter":0.5}"#, error("", Some(1)));
    check(r#"{"type":"error","retryAfter":-5}"#, error("", None));
    check(
        r#"{"type":"stream_end","requestId":"1","reason":"cancelled"}"#,
        Incoming::Cancel("1".into()),
    );
    check(
        r#"{"type":"exec_input","execId":"e","data":"YQ=="}"#,
        Incoming::ExecInput("e".into(), "YQ==".into()),
    );
}

#[test]
fn what_servers_send_to_terminals() {
    let check = |text: &str, expected: Incoming| {
        assert_eq!(Incoming::decode(text.as_bytes()).unwrap(), expected, "{text}")
    };
    let size = Size {
        columns: 80,
        rows: 24,
    };
    check(
        r#"{"type":"exec_resize","execId":"e","cols":80,"rows":24}"#,
        Incoming::ExecResize("e".into(), size),
    );
    check(
        r#"{"type":"exec_end","execId":"e","reason":"user_closed"}"#,
        Incoming::ExecEnd("e".into()),
    );
    let start = ExecStart {
        id: "e".into(),
        container: "c".into(),
        command: "/bin/sh".into(),
        user: String::new(),
        size: None,
    };
    check(
        r#"{"type":"exec_start","execId":"e","containerId":"c","cmd":"/bin/sh","cols":0,"rows":0}"#,
        Incoming::ExecStart(start.clone()),
    );
    let start = ExecStart {
        user: "root".into(),
        size: Some(size),
        ..start
    };
    check(
        r#"{"type":"exec_start","execId":"e","containerId":"c","user":"root","cols":80,"rows":24}"#,
        Incoming::ExecStart(start),
    );
    check(
        r#"{"type":"future","requestId":"1","x":{}}"#,
        Incoming::Unknown("future".into()),
    );
}

#[test]
fn what_requests_carry() {
    let check = |fields: &str, expected: RequestBody| {
        let text = format!(r#"{{"type":"request","requestId":"1","method":"GET","path":"/x"{fields}}}"#);
        let Incoming::Request(request) = Incoming::decode(text.as_bytes()).unwrap() else {
            unreachable!("{text}");
        };
        assert_eq!(request.body, expected, "{text}");
    };
    check("", RequestBody::None);
    check(r#","body":null"#, RequestBody::None);
    check(
        r#","body":{"a":1.0, "b":[ ]}"#,
        RequestBody::Json(r#"{"a":1.0, "b":[ ]}"#.into()),
    );
    check(r#","body":[1]"#, RequestBody::Json("[1]".into()));
    check(r#","body":"a\nb""#, RequestBody::Text("a\nb".into()));
    check(
        r#","body":"YQ==","isBinary":true"#,
        RequestBody::Base64("YQ==".into()),
    );
    check(r#","isBinary":true"#, RequestBody::None);
    check(
        r#","body":{},"isBinary":null,"streaming":null,"headers":null"#,
        RequestBody::Json("{}".into()),
    );
}

#[test]
fn what_is_no_message() {
    let check = |text: &str, request: Option<&str>| match Incoming::decode(text.as_bytes()) {
        Err(MessageError::Shape(_, id)) => assert_eq!(id.as_deref(), request, "{text}"),
        seen => assert!(seen.is_err() && request.is_none(), "{text}: {seen:?}"),
    };
    check("", None);
    check("[]", None);
    check("{}", None);
    check("{\"type\":\"ping\"", None);
    check("\u{FFFD}", None);
    check(r#"{"type":"request","requestId":"1","path":"/x"}"#, None);
    check(
        r#"{"type":"request","requestId":"1","method":7,"path":"/x"}"#,
        Some("1"),
    );
    check(r#"{"type":"ping","requestId":"1","method":7}"#, None);
    check(r#"{"type":"exec_input","execId":"e"}"#, None);
    check(
        r#"{"type":"exec_resize","execId":"e","cols":70000,"rows":1}"#,
        None,
    );
    check(&"[".repeat(100_000), None);
}

#[test]
fn what_the_agent_sends() {
    let check = |message: Outgoing<'_>, expected: &str| {
        assert_eq!(String::from_utf8(message.encode()).unwrap(), expected);
    };
    let hello = Outgoing::Hello {
        version: "0.1.0",
        protocol: PROTOCOL,
        agent_id: "id",
        agent_name: "nm",
        token: "t",
        token_hash: "h",
        docker_version: "28",
        hostname: "vm",
        capabilities: &["exec"],
    };
    check(
        hello,
        concat!(
            r#"{"type":"hello","version":"0.1.0","protocol":"1.0","agentId":"id","agentName":"nm","token":"t","#,
            r#""tokenHash":"h","dockerVersion":"28","hostname":"vm","capabilities":["exec"]}"#
        ),
    );
    let response = Response {
        request_id: "1",
        status_code: 204,
        ..Response::default()
    };
    check(
        Outgoing::Response(response.clone()),
        r#"{"type":"response","requestId":"1","statusCode":204,"headers":{}}"#,
    );
    let response = Response {
        status_code: 200,
        body: Some("YQ=="),
        is_binary: true,
        ..response
    };
    check(
        Outgoing::Response(response),
        r#"{"type":"response","requestId":"1","statusCode":200,"headers":{},"body":"YQ==","isBinary":true}"#,
    );
    check(
        Outgoing::StreamEnd {
            request_id: "1",
            reason: StreamEnd::Cancelled,
        },
        r#"{"type":"stream_end","requestId":"1","reason":"cancelled"}"#,
    );
    check(
        Outgoing::Error {
            request_id: "1",
            error: "no",
            code: "X",
        },
        r#"{"type":"error","requestId":"1","error":"no","code":"X"}"#,
    );
}

#[test]
fn what_the_agent_sends_besides() {
    let check = |message: Outgoing<'_>, expected: &str| {
        assert_eq!(String::from_utf8(message.encode()).unwrap(), expected);
    };
    check(
        Outgoing::Ping { timestamp: 7 },
        r#"{"type":"ping","timestamp":7}"#,
    );
    check(
        Outgoing::Pong { timestamp: 7 },
        r#"{"type":"pong","timestamp":7}"#,
    );
    check(
        Outgoing::ExecReady { exec_id: "e" },
        r#"{"type":"exec_ready","execId":"e"}"#,
    );
    check(
        Outgoing::ExecOutput {
            exec_id: "e",
            data: "YQ==",
        },
        r#"{"type":"exec_output","execId":"e","data":"YQ=="}"#,
    );
    check(
        Outgoing::ExecEnd {
            exec_id: "e",
            reason: ExecEnd::ContainerExit,
        },
        r#"{"type":"exec_end","execId":"e","reason":"container_exit"}"#,
    );
    check(
        Outgoing::ExecEnd {
            exec_id: "e",
            reason: ExecEnd::UserClosed,
        },
        r#"{"type":"exec_end","execId":"e","reason":"user_closed"}"#,
    );
}
