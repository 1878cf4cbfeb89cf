//! Ctrl-C and SIGTERM: the promised exit code, and nothing left beside the project's files.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use registry_mock::{Fault, Options, Registry, Rule, Server};
use serde_json::json;

use crate::context::Context;

fn send(signal: &str, process: u32) {
    let sent = Command::new("kill")
        .args([signal, &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Looks again and again until there is an answer.
fn await_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

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
    await_some("the registry was never asked", || {
        (!server.requests().is_empty()).then_some(())
    });
    send(signal, child.id());
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

#[test]
fn an_interrupt_ends_scripts_with_all_they_started_and_brings_the_former_tree_back() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let context = Context::with(&json!({"name": "p", "dependencies": {"a": "1.0.0"}}));
        // Two processes that wait for ever: the shell, and a child that reads a pipe.
        let script = "mkfifo pipe; (echo $$ > $INIT_CWD/pids.new; sh -c 'echo $$ >> $INIT_CWD/pids.new; \
                      mv $INIT_CWD/pids.new $INIT_CWD/pids; cat pipe')";
        let hangs = Registry::new()
            .package("hangs", "1.0.0")
            .manifest(json!({"scripts": {"install": script}}));
        context.serve(&hangs);
        context.run(&["install"]).exits(0);
        let manifest = json!({"name": "p", "dependencies": {"a": "1.1.0", "hangs": "1"}});
        context.put("package.json", &manifest.to_string());
        context.run(&["shrinkwrap"]).exits(0);
        let mut child = context
            .command(&context.project(), &["ci", "--allow-scripts", "hangs"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pids = await_some("the script never ran", || {
            fs::read_to_string(context.project().join("pids")).ok()
        });
        send(signal, child.id());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        for pid in pids.lines() {
            await_some("a process of the script lives on", || {
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok();
                stat.is_none_or(|stat| stat.contains(") Z ")).then_some(())
            });
        }
        assert!(context.read("node_modules/a/index.js").contains("1.0.0"));
        assert!(!context.has("node_modules/hangs"));
    }
}
