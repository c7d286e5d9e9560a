use super::*;

/// A shell in the command's place.
fn call(bound: Duration, lines: Option<mpsc::Sender<Bytes>>) -> Call {
    Call {
        command: Command::Alone("/bin/sh".into()),
        docker: "unix:///run/docker.sock".to_owned(),
        config: Some("/nonexistent/config".into()),
        dir: "/".into(),
        input: "from input\n".to_owned(),
        environment: [("ITS_OWN".to_owned(), "1".to_owned())].into(),
        bound,
        lines,
    }
}

async fn run(script: &str, bound: Duration) -> Outcome {
    call(bound, None).run(&["-c".to_owned(), script.to_owned()]).await
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn outcomes() {
    let check = async |script: &str, code: i32, output: &str, error: &str| {
        let expected = Outcome {
            code,
            output: output.to_owned(),
            error: error.to_owned(),
        };
        assert_eq!(run(script, LONG).await, expected, "{script}");
    };
    check("echo a; echo b >&2", 0, "a\n", "b\n").await;
    check("exit 3", 3, "", "").await;
    check("kill -9 $$", -1, "", "").await;
    check("cat", 0, "from input\n", "").await;
    check("pwd", 0, "/\n", "").await;
    check("printf '\\377'", 0, "\u{fffd}", "").await;
}

#[tokio::test]
async fn the_environment_has_nothing_of_ours() {
    let environment = run("env", LONG).await.output;
    let names: Vec<&str> = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        .collect();
    for name in &names {
        let is_known = HANDED_DOWN.contains(name)
            || ["DOCKER_HOST", "ITS_OWN", "PWD", "SHLVL", "_", "OLDPWD"].contains(name);
        assert!(is_known, "{name}");
    }
    assert!(
        environment.contains("DOCKER_HOST=unix:///run/docker.sock\n"),
        "{environment}"
    );
    assert!(
        environment.contains("DOCKER_CONFIG=/nonexistent/config\n"),
        "{environment}"
    );
    // Those that cargo sets for this very test are not handed down.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some() && !names.contains(&"CARGO_MANIFEST_DIR"));
}

#[tokio::test]
async fn what_takes_too_long_is_ended_with_all_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pid");
    // The child heeds nothing and holds the output open.
    let script = format!(
        "(trap '' TERM; echo $$ >{}; exec sleep 1000) & echo began; wait",
        path.display()
    );
    let outcome = run(&script, Duration::from_secs(1)).await;
    assert_eq!((outcome.code, outcome.output.as_str()), (-1, "began\n"));
    assert!(outcome.error.contains("longer than 1 s"), "{}", outcome.error);
}

#[tokio::test]
async fn output_is_bounded_and_its_end_is_kept() {
    let outcome = run("yes | head -c 5000000; echo end", LONG).await;
    assert!(outcome.output.len() < COMPOSE_OUTPUT_MAX + 100);
    assert!(outcome.output.starts_with("(what came before") && outcome.output.ends_with("end\n"));
}

#[tokio::test]
async fn lines_come_as_they_are_written() {
    let (sender, mut receiver) = mpsc::channel(64);
    let script = "printf 'a\\nb'; printf 'c\\n'; head -c 20000 /dev/zero; printf '\\nz'";
    let call = call(LONG, Some(sender));
    call.run(&["-c".to_owned(), script.to_owned()]).await;
    drop(call);
    let mut lines = Vec::new();
    while let Some(line) = receiver.recv().await {
        lines.push(line);
    }
    assert_eq!((&lines[0][..], &lines[1][..]), (&b"a\n"[..], &b"bc\n"[..]));
    assert_eq!(lines.last().unwrap(), "z");
    assert!(lines.iter().all(|line| line.len() < COMPOSE_LINE_MAX + 4096));
    let length: usize = lines.iter().map(Bytes::len).sum();
    assert_eq!(length, 5 + 20_000 + 2);
}

#[tokio::test]
async fn whoever_has_gone_wants_no_lines() {
    let (sender, receiver) = mpsc::channel(1);
    drop(receiver);
    let outcome = call(LONG, Some(sender))
        .run(&["-c".to_owned(), "yes | head -n 1000".to_owned()])
        .await;
    assert_eq!((outcome.code, outcome.output.len()), (0, 2000));
}
