//! What answers where MLflow should: nothing, too late, without end, or in other words. Always one sentence, and a
//! training that stands locally.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

#[path = "support/past.rs"]
mod past;
mod process;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use arena::registry::Registry;
use arena::registry::mlflow::{Access, Limits, Mlflow, MlflowError, MlflowReference, PullError, Shelf, Tag};
use process::arena;

/// Something that answers requests on loopback until its test ends.
struct Stub {
    address: String,
    asked: Arc<AtomicUsize>,
}

impl Stub {
    /// `answer` is given the head of each request, its number from 0, and the connection to write to.
    fn new(answer: impl Fn(&str, usize, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (Arc::clone(&asked), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { break };
                let (count, answer) = (Arc::clone(&count), Arc::clone(&answer));
                thread::spawn(move || {
                    let mut head = Vec::new();
                    let mut byte = [0];
                    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                        head.push(byte[0]);
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    // The body is read before it is answered, as a client that is still sending would not listen.
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                    let mut body = vec![0; length.unwrap_or(0)];
                    if stream.read_exact(&mut body).is_ok() && !head.is_empty() {
                        answer(&head, count.fetch_add(1, Ordering::SeqCst), &mut stream);
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// Always the same answer.
    fn saying(status: &'static str, body: &'static str) -> Self {
        Self::new(move |_, _, stream| respond(stream, status, body))
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn respond(stream: &mut TcpStream, status: &str, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    // Whoever gave up waiting is not there to read it.
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())));
}

/// Small answers, and patience: a busy machine must not look like a slow server.
fn limits() -> Limits {
    Limits { answer_bytes: 64 << 10, file_bytes: 64 << 10, pause: Duration::from_millis(1), ..Limits::default() }
}

fn client(address: &str) -> Mlflow {
    Mlflow::new(address, Access::Open, limits()).unwrap()
}

/// One that waits for nobody.
fn hasty(address: &str) -> Mlflow {
    let soon = Duration::from_millis(400);
    Mlflow::new(address, Access::Open, Limits { call: soon, stall: soon, ..limits() }).unwrap()
}

fn wait<T: Send>(work: impl Future<Output = T> + Send) -> T {
    arena::registry::mlflow::block_on(work).unwrap()
}

/// A port on which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn whatever_answers_there_is_one_sentence() {
    const HTML: &str = "<!doctype html><title>Sign in</title><p>Who are you?";
    let endless = Stub::new(|_, _, stream| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        if stream.write_all(head.as_bytes()).is_ok() {
            while stream.write_all(format!("400\r\n{}\r\n", "x".repeat(1024)).as_bytes()).is_ok() {}
        }
    });
    let dripping = Stub::new(|_, _, stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"));
        while stream.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    for (stub, part) in [
        (Stub::saying("200 OK", HTML), "does not speak as MLflow does"),
        (Stub::saying("200 OK", ""), "an empty answer"),
        (Stub::saying("200 OK", "{}"), "missing field"),
        (Stub::saying("200 OK", "[1, 2"), "does not speak as MLflow does"),
        (Stub::saying("200 OK", r#"{"experiment": {"experiment_id": 7}}"#), "does not speak as MLflow does"),
        (Stub::saying("200 OK", "\u{0}\u{1b}[31m\n\nnot json"), "does not speak as MLflow does"),
        (Stub::saying("500 Internal Server Error", HTML), "500 Internal Server Error, <!doctype html>"),
        (Stub::saying("503 Service Unavailable", HTML), "cannot be reached: 503 Service Unavailable"),
        (Stub::saying("401 Unauthorized", HTML), "MLFLOW_TRACKING_USERNAME"),
        (Stub::saying("302 Found", ""), "302 Found"),
        (
            Stub::saying("200 OK", r#"{"error_code": "PERMISSION_DENIED", "message": "not you"}"#),
            "PERMISSION_DENIED, not you",
        ),
        (
            Stub::saying("500 X", r#"{"error_code": "INTERNAL_ERROR", "message": "the database is locked"}"#),
            "INTERNAL_ERROR, the database is locked",
        ),
        (endless, "more than 65536 bytes"),
        (Stub::new(|_, _, _| ()), "cannot be reached"),
        (Stub::new(|_, _, stream| drop(stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n"))), "cannot be reached"),
    ] {
        let said = wait(client(&stub.address).experiment("arena")).unwrap_err().to_string();
        assert!(said.contains(part) && said.contains(&stub.address), "{part}: {said}");
        assert!(!said.contains(char::is_control) && said.chars().count() < 500, "{said}");
    }
    let silent = Stub::new(|_, _, _| thread::sleep(Duration::from_secs(30)));
    for stub in [dripping, silent] {
        let begun = Instant::now();
        let said = wait(hasty(&stub.address).experiment("arena")).unwrap_err().to_string();
        assert!(said.contains("did not answer experiments/get-by-name within 400ms"), "{said}");
        // Far less than the stub would take, far more than the limits ask for.
        assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    }
    let error = wait(client(&nobody()).experiment("arena")).unwrap_err();
    assert!(error.is_passing() && matches!(error, MlflowError::Unreachable { .. }), "{error}");
}

#[test]
fn addresses_that_are_none_are_told_before_anything_is_sent() {
    for address in
        ["", "127.0.0.1:5000", "sqlite:///mlflow.db", "file:///tmp", "databricks", "http://", "http://h/?x=1"]
    {
        let said = Mlflow::new(address, Access::Open, limits()).unwrap_err().to_string();
        assert!(said.contains("is no address of an MLflow server"), "{address}: {said}");
    }
    let said = Mlflow::new("http://me:secret@host", Access::Open, limits()).unwrap_err().to_string();
    assert!(said.contains("MLFLOW_TRACKING_PASSWORD") && !said.contains("secret"), "{said}");
}

#[test]
fn what_only_reads_is_tried_again_and_what_writes_is_not() {
    let stub = Stub::new(|head, nth, stream| match head {
        head if head.starts_with("GET") && nth == 0 => respond(stream, "503 Busy", ""),
        head if head.starts_with("GET") => {
            respond(stream, "200 OK", r#"{"experiment": {"experiment_id": "7", "lifecycle_stage": "active"}}"#);
        }
        _ => respond(stream, "503 Busy", ""),
    });
    let mlflow = client(&stub.address);
    assert_eq!(wait(mlflow.experiment("arena")).unwrap(), "7");
    assert_eq!(stub.asked(), 2);
    wait(mlflow.begin_run("7", "run", 0, &[])).unwrap_err();
    assert_eq!(stub.asked(), 3);
}

#[test]
fn an_experiment_in_the_bin_says_what_to_do() {
    let stub = Stub::saying("200 OK", r#"{"experiment": {"experiment_id": "7", "lifecycle_stage": "deleted"}}"#);
    let said = wait(client(&stub.address).experiment("arena")).unwrap_err().to_string();
    assert!(said.contains("MLFLOW_EXPERIMENT_NAME"), "{said}");
}

/// A version whose files are named as `files` say.
fn version_with(files: &'static str) -> Stub {
    Stub::new(move |head, _, stream| {
        let body = if head.contains("/model-versions/get-download-uri") {
            r#"{"artifact_uri": "mlflow-artifacts:/1/r/artifacts/model"}"#
        } else if head.contains("/model-versions/get") {
            r#"{"model_version": {"name": "knn", "version": "3", "status": "READY"}}"#
        } else if head.contains("/mlflow-artifacts/artifacts?") {
            files
        } else {
            "not a card"
        };
        respond(stream, "200 OK", body);
    })
}

#[test]
fn files_that_are_no_model_or_would_leave_the_folder_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::of(&Registry::open(dir.path().join("models")));
    let reference: MlflowReference = "mlflow:knn/3".parse().unwrap();
    let huge = r#"{"files": [{"path": "card.toml", "is_dir": false, "file_size": 9000000}]}"#;
    for (files, part) in [
        (r#"{"files": []}"#, "there is no file"),
        (r#"{"files": [{"path": "../../evil", "is_dir": false}]}"#, "a file is called"),
        (r#"{"files": [{"path": "/etc/passwd", "is_dir": false}]}"#, "a file is called"),
        (r#"{"files": [{"path": "a", "is_dir": true}]}"#, "there is no file"),
        (r#"{"files": [{"path": "weights.bin", "is_dir": false}]}"#, "holds no model that the arena knows"),
        (
            r#"{"files": [{"path": "card.toml", "is_dir": false}, {"path": "model.safetensors", "is_dir": false}]}"#,
            "holds no model that the arena knows",
        ),
        (huge, "more than 256 files or 65536 bytes"),
    ] {
        let stub = version_with(files);
        let error = wait(shelf.resolve(Some(&client(&stub.address)), &reference)).unwrap_err();
        assert!(error.to_string().contains(part), "{part}: {error}");
        assert!(!error.is_passing());
    }
    let left: Vec<_> = std::fs::read_dir(dir.path().join("models/.cache")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!dir.path().join("evil").exists());
    let error = wait(shelf.resolve(None, &reference)).unwrap_err();
    assert!(matches!(error, PullError::Nowhere { .. }) && error.to_string().contains("[registry] mlflow"), "{error}");
}

#[test]
fn addresses_that_lead_in_a_circle_come_to_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::of(&Registry::open(dir.path().join("models")));
    let stub = Stub::new(|head, _, stream| {
        let body = if head.contains("get-download-uri") {
            r#"{"artifact_uri": "models:/knn/3"}"#
        } else {
            r#"{"model_version": {"name": "knn", "version": "3"}}"#
        };
        respond(stream, "200 OK", body);
    });
    let reference = "mlflow:knn/3".parse().unwrap();
    let said = wait(shelf.pull(&client(&stub.address), &reference)).unwrap_err().to_string();
    assert!(said.contains("circle"), "{said}");
}

#[test]
fn a_training_stands_locally_whatever_mlflow_does_and_says_what_was_not_logged() {
    let dir = tempfile::tempdir().unwrap();
    past::write(&dir.path().join("data"), 900, 3);
    let html = Stub::saying("200 OK", "<html>");
    for (nth, address) in [nobody(), html.address.clone()].iter().enumerate() {
        let arguments =
            ["train", "--kind", "ols", "--data", past::DATA_SET, "--name", "m", "--mlflow", address, "--json"];
        let ran = arena(dir.path(), &arguments).is(0);
        let document = ran.json();
        let reference = format!("m@{}", nth + 1);
        assert_eq!(document["registered"][0], reference.as_str(), "{document}");
        let why = document["not_logged"][0]["reason"].as_str().unwrap();
        assert!(why.contains(&format!("arena models push {reference}")) && why.contains(address), "{why}");
        assert!(ran.err.contains("was not logged"), "{ran:?}");
        arena(dir.path(), &["models", "push", &reference, "--mlflow", address]).fails(1, address);
        arena(dir.path(), &["models", "verify", &reference]).is(0);
    }
    arena(dir.path(), &["models", "push", "m@9", "--mlflow", &nobody()]).fails(5, "m@9");
    arena(dir.path(), &["models", "push", "m@1", "--mlflow", "sqlite:///x"]).fails(2, "sqlite:///x");
    arena(dir.path(), &["models", "push", "m@1"]).fails(2, "--mlflow URL");
    arena(dir.path(), &["models", "pull", "m@1", "--mlflow", &nobody()]).fails(2, "mlflow:NAME/VERSION");
    arena(dir.path(), &["models", "pull", "mlflow:m/1", "--mlflow", &nobody()]).fails(1, "cannot be reached");
}

#[test]
fn the_head_of_an_audit_chain_goes_into_tags_of_an_experiment_and_comes_back() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    let found = r#"{"experiment":{"experiment_id":"7","lifecycle_stage":"active","tags":[{"key":"arena.head.a","value":"x"}]}}"#;
    let stub = Stub::new(move |head, _, stream| {
        let line = head.lines().next().unwrap_or_default();
        let path = line.split(' ').nth(1).and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        heard.lock().unwrap().push(path.to_owned());
        respond(stream, "200 OK", if path.starts_with("get-by-name") { found } else { "{}" });
    });
    let mlflow = client(&stub.address);
    let tags = [Tag::new("arena.head.a", "{}"), Tag::new("arena.head.a.2026-11-30", "{}")];
    wait(mlflow.tag_experiment("heads", &tags)).unwrap();
    let back = wait(mlflow.experiment_tags("heads")).unwrap();
    assert_eq!((back.len(), back[0].key.as_str(), back[0].value.as_str()), (1, "arena.head.a", "x"));
    let name = "get-by-name?experiment_name=heads";
    assert_eq!(*asked.lock().unwrap(), [name, "set-experiment-tag", "set-experiment-tag", name]);
}
