//! A real browser for tests: Chromium, driven through chromedriver's W3C interface. The pictures are in `target/page/`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};

/// A running chromedriver, ended with this value.
pub(crate) struct Driver {
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
    pub(crate) fn start() -> Option<Self> {
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
pub(crate) struct Window {
    client: Client,
    base: String,
}

impl Window {
    pub(crate) async fn open(driver: &Driver, width: u32, height: u32, is_dark: bool) -> Self {
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

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.client.post(format!("{}/{path}", self.base)).json(&body).send().await.unwrap();
        let is_done = answer.status().is_success();
        let answer: Value = answer.json().await.unwrap();
        assert!(is_done, "{path}: {answer}");
        answer["value"].clone()
    }

    pub(crate) async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    pub(crate) async fn wait_for(&self, condition: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.run(&format!("return Boolean({condition})")).await != json!(true) {
            if Instant::now() >= deadline {
                let there = self.run("return location.hash + ' ' + document.body.innerText.slice(0, 600)").await;
                panic!("never true: {condition}; the page shows {there}; {:?}", self.complaints().await);
            }
            actix_web::rt::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn picture(&self, name: &str) {
        let answer: Value =
            self.client.get(format!("{}/screenshot", self.base)).send().await.unwrap().json().await.unwrap();
        keep(name, answer["value"].as_str().unwrap());
    }

    /// The id of the element that a selector finds.
    async fn element(&self, selector: &str) -> String {
        let found = self.post("element", json!({ "using": "css selector", "value": selector })).await;
        let id = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str);
        id.unwrap_or_else(|| panic!("{selector}: {found}")).to_owned()
    }

    /// Clicks as a mouse does: what is hidden or covered cannot be clicked.
    pub(crate) async fn click(&self, selector: &str) {
        let id = self.element(selector).await;
        self.post(&format!("element/{id}/click"), json!({})).await;
    }

    /// Types into a field, in place of what is there.
    pub(crate) async fn fill(&self, selector: &str, text: &str) {
        let id = self.element(selector).await;
        self.post(&format!("element/{id}/clear"), json!({})).await;
        self.post(&format!("element/{id}/value"), json!({ "text": text })).await;
    }

    /// Presses a key of the keyboard; `key` is its character of WebDriver.
    pub(crate) async fn press(&self, key: &str) {
        let strokes = json!([{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }]);
        self.post("actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes }] })).await;
    }

    /// A command of the browser's own protocol.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// The text that is to be read in an element.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let text = self.run(&format!("return document.querySelector('{selector}').innerText")).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// A picture of the whole page, however long.
    pub(crate) async fn long_picture(&self, name: &str) {
        let size = self.run("return [innerWidth, Math.min(6000, document.documentElement.scrollHeight)]").await;
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        let shot = json!({ "captureBeyondViewport": true, "clip": clip });
        let answer = self.devtools("Page.captureScreenshot", shot).await;
        keep(name, answer["data"].as_str().unwrap());
    }

    /// Errors and warnings on the console, policy violations included.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let entries = self.post("se/log", json!({ "type": "browser" })).await;
        let is_bad = |entry: &&Value| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"));
        entries.as_array().unwrap().iter().filter(is_bad).map(|entry| entry["message"].to_string()).collect()
    }

    pub(crate) async fn close(self) {
        self.client.delete(&self.base).send().await.unwrap();
    }
}

/// Puts a picture where one can look at it.
fn keep(name: &str, picture: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/page");
    std::fs::create_dir_all(&folder).unwrap();
    let bytes = unbase64(picture);
    assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 5_000, "{name} is no picture");
    std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
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
