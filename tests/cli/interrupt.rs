//! Ctrl-C and SIGTERM: the promised exit code, and nothing left beside the project's files.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use registry_mock::{Fault, Options, Rule, Server};
use serde_json::json;

use crate::context::Context;

/// Runs `shrinkwrap` against a registry that does not answer, sends a signal, tells the exit code.
fn interrupted_by(signal: &str, context: &Context) -> Option<i32> {
    let server = Server::start(Options::new(context.path("registry"))).unwrap();
    server.add_fault(Rule::new(Fault::Latency(Duration::from_mins(1))));
    let mut child = context
        .command(
            &context.project(),
            &["shrinkwrap", "--registry", server.url()],
        )
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while server.requests().is_empty() {
        assert!(Instant::now() < deadline, "the registry was never asked");
        std::thread::yield_now();
    }
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
    child.wait().unwrap().code()
}

#[test]
fn an_interrupted_run_exits_130_and_leaves_the_project_as_it_was() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let context = Context::with(&json!({"name": "p", "dependencies": {"a": "1"}}));
        let before = context.listing();
        assert_eq!(interrupted_by(signal, &context), Some(code), "{signal}");
        assert_eq!(context.listing(), before, "{signal}");
    }
}
