//! The page in a real browser: each view opened, each action clicked, read as a screen reader reads it, and pictures to
//! look at in `target/page/`.
//!
//! Without Chromium and its driver the tests say that they were skipped.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a test ends where something unexpected happens, and says what it skipped"
)]

#[path = "support/browser.rs"]
mod browser;
mod support;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use arena::control::Command;
use arena::flow::{Board, State};
use arena::server::{ServerOptions, serve};
use browser::{Driver, Window};
use serde_json::{Value, json};
use support::{DemoControl, ODD_NAME};

const IN_ROWS: &str = "document.querySelectorAll('#board tr.row')";
const TOKEN: &str = "the token of this test";
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const DOWN: &str = "\u{e015}";
const END: &str = "\u{e010}";

/// A served double.
struct Served {
    control: Arc<DemoControl>,
    handle: ServerHandle,
    url: String,
}

impl Served {
    fn start(n_rows: usize) -> Self {
        let control = DemoControl::new(n_rows);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let options = ServerOptions { workers: 1, ..ServerOptions::new(TOKEN.to_owned()) };
        let server = serve(listener, Arc::clone(&control) as _, options).unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { control, handle, url }
    }

    async fn open(&self, driver: &Driver, width: u32, height: u32, is_dark: bool) -> Window {
        let window = Window::open(driver, width, height, is_dark).await;
        window.post("url", json!({ "url": self.url })).await;
        window.wait_for("document.documentElement.dataset.events").await;
        window
    }
}

/// Nobody trades live, and nobody may.
fn quiet(board: &mut Board) {
    for row in &mut board.rows {
        if matches!(row.state, State::Live | State::Eligible) {
            let row = Arc::make_mut(row);
            (row.state, row.progress) = (State::Shadow, Some(0.72));
        }
    }
    board.desk.state = "paper_only".to_owned();
    board.desk.trades.clear();
    board.desk.shortfalls.clear();
    board.desk.breaks.clear();
}

#[actix_web::test]
async fn each_view_opens_at_each_width_in_light_and_dark() {
    let Some(driver) = Driver::start() else { return };
    for (name, n_rows, width, height, is_dark) in [
        ("30-light", 30, 1440, 900, false),
        ("30-dark", 30, 1440, 900, true),
        ("2000-light", 2_000, 1200, 900, false),
        ("30-tablet", 30, 800, 1000, false),
        ("2000-phone", 2_000, 360, 740, false),
        ("30-phone-dark", 30, 360, 740, true),
        ("0-light", 0, 1440, 900, false),
    ] {
        let arena = Served::start(n_rows);
        let window = arena.open(&driver, width, height, is_dark).await;
        assert_eq!(window.run("return document.getElementById('board').dataset.rows").await, json!(n_rows.to_string()));
        if n_rows == 0 {
            assert!(window.text("#empty").await.contains("Waiting for the first bar"));
            assert!(window.text("#b-lead").await.contains("No model yet"));
        } else {
            check_rows(&window, &arena.control, name, n_rows).await;
        }
        is_as_wide_as_asked(&window, name, width).await;
        window.picture(name).await;
        check_contrast(&window, name).await;
        // The other views do not depend on how many rows there are.
        let views: &[&str] = if n_rows > 30 { &[] } else { &["dealing", "history", "feed"] };
        for view in views {
            window.run(&format!("location.hash = '#/{view}'")).await;
            window.wait_for(&format!("document.querySelector('#v-{view} .body')?.textContent.length > 3")).await;
            is_as_wide_as_asked(&window, &format!("{name} {view}"), width).await;
            check_contrast(&window, &format!("{name} {view}")).await;
            window.long_picture(&format!("{name}-{view}")).await;
        }
        if n_rows == 30 {
            check_model(&window, name, width).await;
        }
        assert_eq!(window.complaints().await, Vec::<String>::new(), "{name}");

        arena.handle.stop(false).await;
        window.wait_for("!document.getElementById('lost').hidden").await;
        assert!(window.text("#b-feed").await.contains("lost its connection") || width < 700 || n_rows == 0, "{name}");
        window.close().await;
    }
}

/// On a phone the window grows with what overflows it, so that only the asked width tells.
async fn is_as_wide_as_asked(window: &Window, name: &str, width: u32) {
    let wide = window.run("return document.documentElement.scrollWidth").await;
    assert!(wide.as_u64().unwrap() <= u64::from(width), "{name}: {wide} px wide");
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
    window.wait_for(&format!("[...{IN_ROWS}].some(tr => tr.cells[0].textContent === '{n_rows}')")).await;
    window.run("scrollTo(0, 0)").await;
    window.wait_for(&format!("{IN_ROWS}[0].cells[0].textContent === '1'")).await;

    // A change arrives without a reload.
    let before = window.run("return +document.documentElement.dataset.events").await;
    control.update(|board| Arc::make_mut(&mut board.rows[0]).episodes = 77_777);
    window.wait_for(&format!("[...{IN_ROWS}].some(tr => tr.cells[3].firstChild.textContent === '77,777')")).await;
    window.wait_for(&format!("+document.documentElement.dataset.events > {before}")).await;

    // An interval holds its mean, and says so aloud.
    let told = window.run(&format!("return {IN_ROWS}[0].cells[4].title")).await;
    assert!(told.as_str().unwrap().starts_with("95 % interval from +"), "{told}");

    // The name that would be markup is text.
    let search = "const s = document.getElementById('search'); s.value = '{}'; s.dispatchEvent(new Event('input'))";
    window.run(&search.replace("{}", "odd/name")).await;
    let found = window.run(&format!("return [...{IN_ROWS}].map(tr => tr.cells[1].title)")).await;
    assert_eq!(found, json!([ODD_NAME]));
    window.run(&search.replace("{}", "")).await;

    // Sorting by the net profit puts the best first, then the worst.
    let net = format!(
        "return [...{IN_ROWS}].slice(0, 15).map(tr => parseFloat(tr.querySelector('.c-net').textContent.replaceAll(',', '').replace('−', '-')) || 0)"
    );
    for is_falling in [true, false] {
        window.run("document.querySelector('#heads .c-net button').click()").await;
        let values: Vec<f64> = serde_json::from_value(window.run(&net).await).unwrap();
        let is_sorted = values.is_sorted_by(|a, b| if is_falling { a >= b } else { a <= b });
        assert!(is_sorted, "{name}: {values:?}");
        let told = window.run("return document.querySelector('#heads .c-net').getAttribute('aria-sort')").await;
        assert_eq!(told, if is_falling { "descending" } else { "ascending" }, "{name}");
    }
    window.run("document.querySelector('#heads .c-rank button').click()").await;
}

/// The view of the champion: every part of it filled, every plot drawn.
async fn check_model(window: &Window, name: &str, width: u32) {
    window.run("location.hash = '#/'").await;
    window.wait_for(&format!("{IN_ROWS}.length > 3")).await;
    window.run(&format!("location.hash = {IN_ROWS}[0].querySelector('.name').getAttribute('href')")).await;
    window.wait_for("document.querySelectorAll('#m-trades tbody tr').length > 10").await;
    for (part, want) in [
        ("facts", "Effective"),
        ("facts", "95 % interval"),
        ("gates", "G1 evidence"),
        ("gates", "unknown"),
        ("gates", "7.6"),
        ("equity", "deepest drawdown"),
        ("told", "y_pred"),
        ("scatter", "on the side that came"),
        ("near", "3,711 of 9,120"),
        ("lineage", "yahoo/EURUSD=X/1m"),
        ("twin", "delay"),
        ("twin", "partial close"),
        ("stats", "Deflated Sharpe"),
        ("settings", "lookback"),
    ] {
        let text = window.text(&format!("#m-{part}")).await;
        assert!(text.contains(want), "{name}: {want} is missing in {text}");
    }
    let plots = "['price', 'equity', 'told', 'scatter', 'near'].every(part => document.querySelector(`#m-${part} .plot svg`)?.childElementCount > 5)";
    window.wait_for(plots).await;
    is_as_wide_as_asked(window, &format!("{name} model"), width).await;
    check_contrast(window, &format!("{name} model")).await;
    window.long_picture(&format!("{name}-model")).await;

    // A plot is read with the keyboard.
    window.run("document.querySelector('#m-price .plot').focus()").await;
    window.press(END).await;
    let read = window.text("#m-price .readout").await;
    assert!(read.contains("open 1.38") && read.contains("close 1.38"), "{name}: {read}");

    // Another stretch of the price.
    let bars = "document.querySelector('#m-price .plot').getAttribute('aria-label').includes(', 120 bars')";
    window
        .run("const s = document.getElementById('bars'); s.value = '120'; s.dispatchEvent(new Event('change'))")
        .await;
    window.wait_for(bars).await;
    window.run("location.hash = '#/'").await;
    window.wait_for("document.activeElement.className === 'name'").await;
}

/// Every text that is seen stands out from what lies behind it, as WCAG 2.2 asks (AA).
async fn check_contrast(window: &Window, name: &str) {
    let pale = window.run(CONTRAST).await;
    assert_eq!(pale, json!([]), "{name}");
}

/// Colours in `oklab` or `color(srgb …)` do not occur in computed text colours of this page.
const CONTRAST: &str = r"
const parse = text => { const n = text.match(/[\d.]+/g).map(Number); return { rgb: n.slice(0, 3), a: n.length > 3 ? n[3] : 1 }; };
const light = rgb => { const [r, g, b] = rgb.map(v => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
const behind = node => { for (let at = node; at; at = at.parentElement) { const c = parse(getComputedStyle(at).backgroundColor); if (c.a > .99) return c.rgb; } return [255, 255, 255]; };
const bad = [];
for (const node of document.querySelectorAll('body *')) {
  const own = [...node.childNodes].some(kid => kid.nodeType === 3 && kid.data.trim());
  if (!own || !node.getClientRects().length || node.closest('.hide, script, .skip, option') || getComputedStyle(node).clipPath !== 'none') continue;
  const style = getComputedStyle(node), ink = parse(node instanceof SVGElement ? style.fill : style.color);
  const [a, b] = [light(ink.rgb), light(behind(node))].sort((x, y) => y - x), ratio = (a + .05) / (b + .05);
  if (ratio < 4.5) bad.push(node.tagName + '.' + node.className + ' ' + node.textContent.slice(0, 20) + ' ' + ratio.toFixed(2));
}
return bad.slice(0, 8);
";

#[actix_web::test]
async fn a_stranger_reads_who_leads_why_nobody_is_promoted_and_how_the_feed_is() {
    let Some(driver) = Driver::start() else { return };
    let arena = Served::start(30);
    arena.control.update(quiet);
    let window = arena.open(&driver, 1440, 900, false).await;
    window.wait_for("document.getElementById('b-live').innerText.includes('gates')").await;
    let lead = window.text("#b-lead").await;
    assert!(lead.contains(" leads with +0.") && lead.contains("72 % of the way to the gate"), "{lead}");
    let why = window.text("#b-live").await;
    assert!(why.contains("Nobody is promoted: the leader passes 5 of 9 gates and still misses"), "{why}");
    assert!(why.contains("evidence (2.66 of 3.69), days (12.4 of 20) and 2 more"), "{why}");
    assert!(why.contains("A decision is likely in 8.6 days (6 to 14)."), "{why}");
    let feed = "document.getElementById('b-feed').innerText";
    window.wait_for(&format!("{feed}.includes('2 gaps, the last from 05-01 11:42 for 3 min')")).await;
    assert!(window.text("#b-feed p").await.starts_with("Healthy"), "{}", window.text("#b-feed").await);
    window.picture("stranger").await;
    window.run("location.hash = '#/dealing'").await;
    window.wait_for("document.getElementById('d-twins')?.innerText.includes('None yet')").await;
    window.picture("nobody-live").await;
    let twin = "document.querySelector('#m-twin')?.innerText.includes('It has not traded live')";
    window.run("location.hash = document.querySelector('#b-lead a').getAttribute('href')").await;
    window.wait_for(twin).await;

    // Halted, not recorded, at its end: each is said at the top.
    arena.control.update(|board| {
        (board.desk.state, board.desk.reason) =
            ("halted".to_owned(), Some("the day's loss is at its limit".to_owned()));
    });
    window.wait_for("document.getElementById('alarm').innerText.includes('loss is at its limit')").await;
    assert!(window.text("#b-live").await.contains("Dealing is halted: the day's loss is at its limit."));
    arena
        .control
        .update(|board| (board.health.is_recording, board.health.fault) = (false, Some("disk full".to_owned())));
    window.wait_for(&format!("{feed}.includes('Not recorded: the store does not record, disk full')")).await;
    arena.control.update(|board| (board.health.is_recording, board.is_done) = (true, true));
    window.wait_for(&format!("{feed}.includes('Ended')")).await;
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}

#[actix_web::test]
async fn what_an_operator_does_needs_a_reason_a_second_look_and_the_token() {
    let Some(driver) = Driver::start() else { return };
    let arena = Served::start(30);
    let window = arena.open(&driver, 1440, 900, false).await;
    let told = "document.querySelector('#ask .problem') && !document.querySelector('#ask .problem').hidden";

    // Halting asks for each of them in turn.
    window.click("#halt").await;
    assert_eq!(window.run("return document.activeElement.id").await, "a-reason", "the first field has the focus");
    window.picture("ask-halt").await;
    window.click("#ask button[type=submit]").await;
    assert!(window.text("#ask .problem").await.contains("A reason is needed"));
    window.fill("#a-reason", "maintenance <b>now</b>").await;
    window.click("#ask button[type=submit]").await;
    assert!(window.text("#ask .problem").await.contains("The token is needed"));
    window.fill("#a-token", "a wrong one").await;
    window.click("#ask button[type=submit]").await;
    window.wait_for(told).await;
    window.wait_for("document.activeElement.id === 'a-token'").await;
    assert!(arena.control.commands.lock().unwrap().is_empty(), "nothing was done so far");
    window.fill("#a-token", TOKEN).await;
    window.click("#ask button[type=submit]").await;
    window.wait_for("!document.getElementById('ask').open").await;
    assert!(window.text("#toast").await.contains("1 live position closed"));
    assert_eq!(window.run("return document.activeElement.id").await, "halt", "the focus goes back to the button");

    // The double refuses to resume, and its sentence is shown.
    arena.control.update(|board| board.desk.state = "halted".to_owned());
    window.wait_for("!document.getElementById('resume').hidden").await;
    window.click("#resume").await;
    assert_eq!(window.run("return document.getElementById('a-token').value").await, TOKEN, "it was right once");
    window.fill("#a-reason", "all clear").await;
    window.press(TAB).await;
    window.click("#ask button[type=submit]").await;
    window
        .wait_for(&format!("({told}) && document.querySelector('#ask .problem').innerText.includes('store is full')"))
        .await;
    window.press(ESCAPE).await;
    window.wait_for("!document.getElementById('ask').open").await;

    // A model that misses gates is promoted by an override alone.
    let odd = format!("location.hash = '#/model/' + encodeURIComponent({})", json!(ODD_NAME));
    window.run(&odd).await;
    window.wait_for("document.querySelector('[data-act=promote]')").await;
    window.click("[data-act=promote]").await;
    assert!(
        window.text("#a-what").await.contains("It misses G1 evidence, G3 days"),
        "{}",
        window.text("#a-what").await
    );
    window.fill("#a-reason", "I know better").await;
    window.click("#ask button[type=submit]").await;
    window
        .wait_for(&format!("({told}) && document.querySelector('#ask .problem').innerText.includes('refused')"))
        .await;
    window.click("#a-override").await;
    window.picture("ask-override").await;
    window.click("#ask button[type=submit]").await;
    assert!(window.text("#ask .problem").await.contains("Type “override” to confirm"));
    window.fill("#a-word", "override").await;
    window.click("#ask button[type=submit]").await;
    window.wait_for("!document.getElementById('ask').open").await;

    // Retiring asks for the word.
    window.click("[data-act=retire]").await;
    window.fill("#a-reason", "it is odd").await;
    window.fill("#a-word", "no").await;
    window.click("#ask button[type=submit]").await;
    assert!(window.text("#ask .problem").await.contains("Type “retire” to confirm"));
    window.fill("#a-word", "retire").await;
    window.press(ENTER).await;
    window.wait_for("!document.getElementById('ask').open").await;

    // A live one can be demoted; one in the shadow cannot.
    assert_eq!(window.run("return document.querySelector('[data-act=demote]').hidden").await, json!(true));
    let live = arena.control.live_model();
    window.run(&format!("location.hash = '#/model/' + encodeURIComponent({})", json!(live))).await;
    window.wait_for("document.querySelector('[data-act=demote]')?.hidden === false").await;
    window.click("[data-act=demote]").await;
    window.fill("#a-reason", "it faded").await;
    window.click("#ask button[type=submit]").await;
    window.wait_for("!document.getElementById('ask').open").await;

    let text = |text: &str| Some(text.to_owned());
    let done = arena.control.commands.lock().unwrap().clone();
    let want = [
        Command::Halt { reason: text("maintenance <b>now</b>") },
        Command::Promote { model: ODD_NAME.into(), reason: text("I know better"), is_override: true },
        Command::Retire { model: ODD_NAME.into(), reason: text("it is odd") },
        Command::Demote { model: live.as_str().into(), reason: text("it faded") },
    ];
    assert_eq!(done, want);
    // The browser itself notes the answers 401, 409 and 503 on its console; nothing else may stand there.
    let noted = |line: &String| ["401", "409", "503"].iter().any(|code| line.contains(&format!("status of {code}")));
    let complaints: Vec<String> = window.complaints().await.into_iter().filter(|line| !noted(line)).collect();
    assert_eq!(complaints, Vec::<String>::new());
    window.close().await;
}

#[actix_web::test]
async fn two_thousand_rows_scroll_and_sort_without_a_stutter() {
    let Some(driver) = Driver::start() else { return };
    let arena = Served::start(2_000);
    let window = arena.open(&driver, 1440, 900, false).await;
    // Two hundred frames of scrolling at 3,600 pixels a second, then every column sorted, then events that change four
    // hundred rows each. What the page's thread worked is told in its own time, so that a busy machine shows less.
    window.devtools("Performance.enable", json!({ "timeDomain": "threadTicks" })).await;
    let begun = worked_ms(&window).await;
    let scroll = r"
        window.frames_ = []; let last = 0, n = 0;
        const step = now => {
          if (last) frames_.push(now - last);
          last = now;
          scrollBy(0, n % 100 < 80 ? 60 : -55);
          if (++n < 200) requestAnimationFrame(step); else window.isMeasured = true;
        };
        requestAnimationFrame(step);";
    window.run(scroll).await;
    window.wait_for("window.isMeasured").await;
    let scrolled = worked_ms(&window).await;
    let sort = "scrollTo(0, 0); const all = [...document.querySelectorAll('#heads button')]; for (const button of all) { button.click(); document.body.offsetHeight; } return all.length";
    let n_sorts = window.run(sort).await.as_f64().unwrap();
    let sorted = worked_ms(&window).await;
    let n_events = "return +document.documentElement.dataset.events";
    let before = window.run(n_events).await.as_f64().unwrap();
    for _ in 0..8 {
        arena.control.step();
        actix_web::rt::time::sleep(Duration::from_millis(300)).await;
    }
    window.wait_for(&format!("+document.documentElement.dataset.events > {before} + 1")).await;
    let (n_events, changed) = (window.run(n_events).await.as_f64().unwrap() - before, worked_ms(&window).await);
    let frames = "const at = p => frames_.sort((a, b) => a - b)[Math.floor((frames_.length - 1) * p)]; return [at(.5), at(.95), at(1)]";
    let frames: Vec<f64> = serde_json::from_value(window.run(frames).await).unwrap();
    let (a_frame, a_sort) = ((scrolled - begun) / 200.0, (sorted - scrolled) / n_sorts);
    let a_change = (changed - sorted) / n_events;
    println!(
        "a frame works {a_frame:.1} ms, a sort {a_sort:.1} ms, a change of 400 rows {a_change:.1} ms; \
         frames came after {frames:.1?} ms (median, 95 %, longest)"
    );
    // Sixty frames a second leave 16.7 ms for each.
    assert!(a_frame < 16.7, "a frame of scrolling takes {a_frame} ms");
    assert!(a_sort < 100.0, "a sort takes {a_sort} ms");
    assert!(a_change < 100.0, "a change takes {a_change} ms");
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}

#[actix_web::test]
async fn a_real_arena_shows_itself_and_obeys() {
    let Some(driver) = Driver::start() else { return };
    let arena = Demo::start();
    let window = Window::open(&driver, 1440, 900, false).await;
    window.post("url", json!({ "url": arena.url })).await;
    // Once the leader has traded, the head says who it is and what it still misses, or that somebody is live already.
    window.wait_for("document.getElementById('b-lead').innerText.includes(' R a trade over ')").await;
    window.wait_for("/ gates and still misses | trades live | passed every gate/.test(document.getElementById('b-live').innerText)").await;
    window.wait_for("document.getElementById('b-feed').innerText.includes('Healthy')").await;
    window.picture("real-board").await;
    window.run("location.hash = document.querySelector('#b-lead a').getAttribute('href')").await;
    window.wait_for("document.querySelectorAll('#m-trades tbody tr').length > 0").await;
    let plots = "['price', 'equity', 'told'].every(part => document.querySelector(`#m-${part} .plot svg`)?.childElementCount > 5)";
    window.wait_for(plots).await;
    assert!(window.text("#m-gates").await.contains("G9 top share"), "{}", window.text("#m-gates").await);
    assert!(window.text("#m-life").await.contains("registered in slot"), "{}", window.text("#m-life").await);
    window.long_picture("real-model").await;
    window.run("location.hash = '#/history'").await;
    window.wait_for("document.querySelectorAll('#t-all tbody tr').length > 30").await;
    window.long_picture("real-history").await;
    window.run("location.hash = '#/feed'").await;
    window.wait_for("document.getElementById('f-notes')?.innerText.includes('is in force')").await;
    window.long_picture("real-feed").await;

    window.click("#halt").await;
    window.fill("#a-reason", "a test of the switch").await;
    window.fill("#a-token", &arena.token).await;
    window.click("#ask button[type=submit]").await;
    window.wait_for("document.getElementById('alarm').innerText.includes('a test of the switch')").await;
    window.click("#resume").await;
    window.fill("#a-reason", "it works").await;
    window.click("#ask button[type=submit]").await;
    window.wait_for("document.getElementById('alarm').hidden && !document.getElementById('halt').hidden").await;
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}

/// `arena demo` as a process of its own, ended with this value.
struct Demo {
    process: Child,
    url: String,
    token: String,
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Asked to, it takes its folder with it. It may have ended by itself; then there is nothing left to do.
        drop(std::process::Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status());
        drop(self.process.wait());
    }
}

impl Demo {
    fn start() -> Self {
        let mut process = std::process::Command::new(env!("CARGO_BIN_EXE_arena"))
            .args(["demo", "--for", "5m", "--seed", "7"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().expect("stdout is piped")).lines().map_while(Result::ok);
        let mut value_of = |name: &str| {
            let line = lines.by_ref().find(|line| line.starts_with(name)).expect("the demo says where it is");
            line.split_whitespace().nth(1).expect("a value").to_owned()
        };
        let (url, token) = (value_of("page"), value_of("token"));
        // Whatever else it says is read away, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let token = std::fs::read_to_string(token).unwrap().trim().to_owned();
        Self { process, url, token }
    }
}

/// What the thread of the page has worked so far.
async fn worked_ms(window: &Window) -> f64 {
    let told = window.devtools("Performance.getMetrics", json!({})).await;
    let metrics = told["metrics"].as_array().unwrap();
    let task = metrics.iter().find(|metric| metric["name"] == "TaskDuration").unwrap();
    task["value"].as_f64().unwrap() * 1e3
}

#[actix_web::test]
async fn keyboard_and_screen_reader_reach_everything() {
    let Some(driver) = Driver::start() else { return };
    let arena = Served::start(200);
    let window = arena.open(&driver, 1440, 900, false).await;

    // From the top: the way past the head, the views, the switch, the tools, the headings, one stop in the rows.
    let mut stops = Vec::new();
    for _ in 0..32 {
        window.press(TAB).await;
        let at = "const a = document.activeElement; return a.id || a.closest('[id]')?.id || a.tagName";
        stops.push(window.run(at).await.as_str().unwrap().to_owned());
    }
    stops.dedup();
    let want = ["main", "nav", "halt", "b-lead", "b-live", "search", "states", "heads", "rows"];
    let order: Vec<usize> = want[1..].iter().filter_map(|id| stops.iter().position(|stop| stop == id)).collect();
    assert_eq!(order.len(), want.len() - 1, "{stops:?}");
    assert!(order.is_sorted(), "{stops:?}");

    // In the rows the arrows move, also beyond what was drawn; Enter opens, and back one stands on the same row.
    window.run("document.querySelector('#rows .name').focus()").await;
    for _ in 0..40 {
        window.press(DOWN).await;
    }
    let here = "return document.activeElement.closest('tr').getAttribute('aria-rowindex')";
    assert_eq!(window.run(here).await, "42");
    assert_eq!(window.run("return document.querySelectorAll('#rows .name[tabindex=\"0\"]').length").await, json!(1));
    window.press(ENTER).await;
    window.wait_for("document.activeElement.id === 'h-model'").await;
    window
        .wait_for(
            "document.querySelectorAll('#m-trades tbody tr').length > 1 || document.querySelector('#m-trades .none')",
        )
        .await;
    check_names(&window, "model").await;
    window.run("history.back()").await;
    window.wait_for("document.activeElement.className === 'name'").await;
    assert_eq!(window.run(here).await, "42");

    // Views say where one is; what is heard is short and rare.
    for view in ["dealing", "history", "feed"] {
        window.run(&format!("location.hash = '#/{view}'")).await;
        window.wait_for(&format!("document.activeElement.id === 'h-{view}'")).await;
        let current =
            window.run("return document.querySelector('#nav [aria-current=page]').innerText.toLowerCase()").await;
        assert_eq!(current, view);
        window.wait_for(&format!("document.querySelector('#v-{view} .body')?.textContent.length > 3")).await;
        check_names(&window, view).await;
    }
    window.run("location.hash = '#/'").await;
    check_names(&window, "board").await;
    window.run("window.heard = []; new MutationObserver(() => heard.push(document.getElementById('say').textContent)).observe(document.getElementById('say'), { childList: true, characterData: true, subtree: true })").await;
    for _ in 0..4 {
        arena.control.step();
        actix_web::rt::time::sleep(Duration::from_millis(260)).await;
    }
    assert_eq!(window.run("return heard").await, json!([]), "figures are not read aloud");
    arena.control.update(|board| Arc::make_mut(&mut board.rows[9]).state = State::Suspended);
    window.wait_for("heard.length === 1 && heard[0].includes('is now suspended')").await;
    assert_eq!(window.complaints().await, Vec::<String>::new());
    window.close().await;
}

/// In the tree that a screen reader is given, everything that can be used has a name, and the landmarks are there once.
async fn check_names(window: &Window, view: &str) {
    let tree = window.devtools("Accessibility.getFullAXTree", json!({})).await;
    let nodes: Vec<(&str, &str)> = tree["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|node| node["ignored"] != json!(true))
        .map(|node| {
            let of = |key: &str| node[key]["value"].as_str().unwrap_or_default();
            (of("role"), of("name"))
        })
        .collect();
    for (role, name) in &nodes {
        let wants_a_name =
            ["button", "link", "textbox", "searchbox", "combobox", "checkbox", "table", "region", "group"];
        // A row of details has a group without a name inside; what opens it has one.
        let is_named = !name.trim().is_empty() || *role == "group";
        assert!(!wants_a_name.contains(role) || is_named, "{view}: a {role} without a name");
    }
    let count = |role: &str| nodes.iter().filter(|(of, _)| *of == role).count();
    assert_eq!((count("banner"), count("main"), count("navigation")), (1, 1, 1), "{view}");
    assert!(count("heading") >= 5, "{view}: {} headings", count("heading"));
    let level = "return [...document.querySelectorAll('h1, h2, h3, h4')].filter(h => h.getClientRects().length).map(h => +h.tagName[1])";
    let levels: Vec<u64> = serde_json::from_value::<Value>(window.run(level).await)
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_u64)
        .collect();
    assert!(levels[0] == 1 && levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{view}: {levels:?}");
}
