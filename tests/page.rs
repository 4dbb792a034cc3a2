//! The page in a real browser against the double of the arena: rows, sorting, panel, errors, and pictures to look at.
//!
//! Chromium is driven through chromedriver's W3C interface; without the two the test says that it was skipped.
//! The pictures are in `target/page/`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a test ends where something unexpected happens, and says what it skipped"
)]

mod support;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arena::server::{ServerOptions, serve};
use reqwest::Client;
use serde_json::{Value, json};
use support::{DemoControl, ODD_NAME};

/// A running chromedriver, ended with this value.
struct Driver {
    process: Child,
    base: String,
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing left to do.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Driver {
    /// Starts it on a port of its choice; `None` where it is not installed.
    fn start() -> Option<Self> {
        let has_browser = Command::new("chromium").arg("--version").output().is_ok_and(|o| o.status.success());
        let spawned =
            Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok();
        let (true, Some(mut process)) = (has_browser, spawned) else {
            println!("skipped: chromium and chromium-driver are not installed");
            return None;
        };
        let stdout = process.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(stdout).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split("started successfully on port ").nth(1).map(|rest| rest.trim_end_matches('.').to_owned())
            })
            .filter(|port| port.parse::<u16>().is_ok());
        // Whatever else it says is read away, so that it never waits for us.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let port = port.expect("chromedriver names its port");
        Some(Self { process, base: format!("http://127.0.0.1:{port}") })
    }
}

/// One browser window.
struct Window {
    client: Client,
    base: String,
}

impl Window {
    async fn open(driver: &Driver, width: u32, height: u32, is_dark: bool) -> Self {
        let client = arena::http::client().build().unwrap();
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--hide-scrollbars".to_owned(),
            format!("--window-size={},{height}", width.max(500)),
        ];
        if is_dark {
            arguments.push("--blink-settings=preferredColorScheme=0".to_owned());
        }
        let mut options = json!({ "args": arguments });
        if width < 500 {
            // A window cannot be that narrow; a phone can.
            let metrics = json!({ "width": width, "height": height, "pixelRatio": 2.0, "touch": true, "mobile": true });
            options["mobileEmulation"] = json!({ "deviceMetrics": metrics });
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let answer = client.post(format!("{}/session", driver.base)).json(&wanted).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {answer}")).to_owned();
        Self { client, base: format!("{}/session/{id}", driver.base) }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.client.post(format!("{}/{path}", self.base)).json(&body).send().await.unwrap();
        let is_done = answer.status().is_success();
        let answer: Value = answer.json().await.unwrap();
        assert!(is_done, "{path}: {answer}");
        answer["value"].clone()
    }

    async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    async fn wait_for(&self, condition: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.run(&format!("return Boolean({condition})")).await != json!(true) {
            assert!(Instant::now() < deadline, "never true: {condition}");
            actix_web::rt::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn picture(&self, name: &str) {
        let answer: Value =
            self.client.get(format!("{}/screenshot", self.base)).send().await.unwrap().json().await.unwrap();
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/page");
        std::fs::create_dir_all(&folder).unwrap();
        let bytes = unbase64(answer["value"].as_str().unwrap());
        assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 5_000, "{name} is no picture");
        std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }

    /// Errors and warnings on the console, policy violations included.
    async fn complaints(&self) -> Vec<String> {
        let entries = self.post("se/log", json!({ "type": "browser" })).await;
        let is_bad = |entry: &&Value| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"));
        entries.as_array().unwrap().iter().filter(is_bad).map(|entry| entry["message"].to_string()).collect()
    }

    async fn close(self) {
        self.client.delete(&self.base).send().await.unwrap();
    }
}

fn unbase64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => Some(u32::from(c - b'A')),
        b'a'..=b'z' => Some(u32::from(c - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(c - b'0') + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u32> = text.bytes().filter_map(digit).collect();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0, |bits, d| bits << 6 | d) << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}

const IN_ROWS: &str = "document.querySelectorAll('#board tr.row')";

#[actix_web::test]
async fn the_page_shows_the_arena_in_a_browser() {
    let Some(driver) = Driver::start() else { return };
    for (name, n_rows, width, height, is_dark) in [
        ("30-light", 30, 1440, 900, false),
        ("30-wide", 30, 1720, 900, false),
        ("30-dark", 30, 1440, 900, true),
        ("1000-light", 1_000, 1200, 900, false),
        ("30-tablet", 30, 800, 1000, false),
        ("1000-phone", 1_000, 390, 844, false),
        ("30-phone-dark", 30, 390, 844, true),
        ("0-light", 0, 1440, 900, false),
    ] {
        let control = DemoControl::new(n_rows);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let options = ServerOptions { workers: 1, ..ServerOptions::new("token".to_owned()) };
        let server = serve(listener, Arc::clone(&control) as _, options).unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);

        let window = Window::open(&driver, width, height, is_dark).await;
        window.post("url", json!({ "url": url })).await;
        window.wait_for("document.documentElement.dataset.events").await;
        assert_eq!(window.run("return document.getElementById('board').dataset.rows").await, json!(n_rows.to_string()));
        // On a phone the window grows with what overflows it, so that only the asked width tells.
        let is_wide = window.run("return document.documentElement.scrollWidth").await;
        assert!(is_wide.as_u64().unwrap() <= u64::from(width), "{name}: {is_wide} px wide");
        if n_rows == 0 {
            let text = window.run("return document.getElementById('empty').innerText").await;
            assert!(text.as_str().unwrap().contains("Waiting for the first bar"), "{text}");
        } else {
            check_rows(&window, &control, name, n_rows).await;
        }
        window.run("scrollTo(0, 0)").await;
        window.picture(name).await;
        if n_rows > 0 {
            check_panel(&window, name).await;
            check_changes(&window, name, width).await;
        }
        assert_eq!(window.complaints().await, Vec::<String>::new(), "{name}");

        handle.stop(false).await;
        window.wait_for("!document.getElementById('lost').hidden").await;
        window.close().await;
    }
}

async fn check_rows(window: &Window, control: &DemoControl, name: &str, n_rows: usize) {
    let n_elements = window.run(&format!("return {IN_ROWS}.length")).await.as_u64().unwrap();
    assert!(n_elements <= 60 && n_elements as usize >= n_rows.min(20), "{name}: {n_elements} elements");

    // Columns that a narrow window hides leave their room to the others.
    let spare = window
        .run(&format!("const seen = [...{IN_ROWS}[0].cells].filter(td => td.offsetWidth); return Math.max(...seen.map(td => td.getBoundingClientRect().right)) - document.getElementById('board').getBoundingClientRect().right"))
        .await;
    assert!(spare.as_f64().unwrap().abs() < 2.0, "{name}: {spare} px between the last cell and the table's edge");

    // The last row is there once one scrolls to it.
    window
        .run("scrollTo(0, document.getElementById('list').getBoundingClientRect().bottom + scrollY - innerHeight)")
        .await;
    let last = format!("[...{IN_ROWS}].some(tr => tr.cells[0].textContent === '{n_rows}')");
    window.wait_for(&last).await;
    window.run("scrollTo(0, 0)").await;
    window.wait_for(&format!("{IN_ROWS}[0].cells[0].textContent === '1'")).await;

    // A change arrives without a reload, and costs little even with many rows.
    let before = window.run("window.longest = 0; new PerformanceObserver(list => { for (const task of list.getEntries()) longest = Math.max(longest, task.duration); }).observe({ entryTypes: ['longtask'] }); return +document.documentElement.dataset.events").await;
    for _ in 0..4 {
        control.step();
        actix_web::rt::time::sleep(Duration::from_millis(260)).await;
    }
    control.update(|board| Arc::make_mut(&mut board.rows[0]).episodes = 77_777);
    window.wait_for(&format!("[...{IN_ROWS}].some(tr => tr.cells[3].textContent === '77,777')")).await;
    window.wait_for(&format!("+document.documentElement.dataset.events > {before}")).await;
    let longest = window.run("return longest").await.as_f64().unwrap();
    // Generous, because the machine of the test may be busy; the point is that it is not seconds.
    assert!(longest < 500.0, "{name}: a task of {longest} ms");

    // The name that would be markup is text.
    window
        .run("const s = document.getElementById('search'); s.value = 'odd/name'; s.dispatchEvent(new Event('input'))")
        .await;
    let found = window.run(&format!("return [...{IN_ROWS}].map(tr => tr.cells[1].title)")).await;
    assert_eq!(found, json!([ODD_NAME]));
    window.run("const s = document.getElementById('search'); s.value = ''; s.dispatchEvent(new Event('input'))").await;

    // Sorting by the heading of the net profit puts the best first, then the worst.
    let net = format!(
        "return [...{IN_ROWS}].slice(0, 15).map(tr => parseFloat(tr.cells[4].textContent.replaceAll(',', '').replace('−', '-')) || 0)"
    );
    for is_falling in [true, false] {
        window.run("document.querySelectorAll('#heads button')[4].click()").await;
        let values: Vec<f64> = serde_json::from_value(window.run(&net).await).unwrap();
        let is_sorted = values.is_sorted_by(|a, b| if is_falling { a >= b } else { a <= b });
        assert!(is_sorted, "{name}: {values:?}");
    }
    window.run("document.querySelectorAll('#heads button')[0].click()").await;
}

async fn check_panel(window: &Window, name: &str) {
    let press = |key: &str| {
        format!(
            "(document.activeElement.closest('tr.row') || document.body).dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true }}))"
        )
    };
    window.run(&format!("{IN_ROWS}[0].focus(); {}", press("Enter"))).await;
    window.wait_for("document.querySelectorAll('#panel section').length >= 4").await;
    let text = window.run("return document.getElementById('panel').innerText").await;
    for want in ["G1 evidence", "unknown", "Live beside its paper twin", "lookback", "Predicted"] {
        assert!(text.as_str().unwrap().contains(want), "{name}: {want} is missing in {text}");
    }
    actix_web::rt::time::sleep(Duration::from_millis(250)).await;
    window.picture(&format!("{name}-panel")).await;
    window.run(&press("Escape")).await;
    window.wait_for("document.getElementById('panel').hidden").await;
    let is_back = window.run("return document.activeElement.classList.contains('row')").await;
    assert_eq!(is_back, json!(true), "{name}: the focus goes back to the row");
}

/// The list of changes stands beside a wide table, and opens above a narrow one.
async fn check_changes(window: &Window, name: &str, width: u32) {
    let is_seen = "return document.getElementById('side').offsetHeight > 0";
    let is_narrow = width < 1_520;
    assert_eq!(window.run(is_seen).await, json!(!is_narrow), "{name}");
    if is_narrow {
        window.run("document.getElementById('latest').click()").await;
        assert_eq!(window.run(is_seen).await, json!(true), "{name}");
        window.picture(&format!("{name}-changes")).await;
    }
    let n_changes = window.run("return document.querySelectorAll('#feed li time').length").await;
    assert_eq!(n_changes, json!(6), "{name}");
}
