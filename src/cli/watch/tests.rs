//! The screen as keys change it, drawn into cells.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::draw::draw;
use super::screen::{Act, Detail, Mode, Screen, Sort, Wish};
use crate::cli::inspect::Leaderboard;
use crate::control::ModelView;
use crate::domain::Money;
use crate::flow::{Explanation, Row, State};

fn row(rank: u32, model: &str, state: State, mean: Option<f64>) -> Row {
    Row {
        rank,
        model: model.into(),
        ticket: format!("{model}@0#00000000"),
        epic: "CS.D.EURUSD.TODAY.IP".to_owned(),
        state,
        episodes: u64::from(rank) * 7,
        wins: 3,
        net_profit: Money::from_micros(i64::from(rank) * -12_340_000),
        currency: "GBP".to_owned(),
        mean_r: mean,
        lcb95_r: mean.map(|mean| mean - 0.1),
        log10_e: mean,
        progress: mean.map(|mean| mean * 2.0),
        max_drawdown_r: f64::from(rank) * 1.5,
        profit_factor: None,
        win_rate: None,
        exposure: None,
        open_position: None,
        flags: Vec::new(),
        statistics: None,
    }
}

fn screen() -> Screen {
    let mut screen = Screen::new("http://127.0.0.1:8787");
    screen.take(Leaderboard {
        time: Some("2025-01-07T09:31:00Z".parse().unwrap()),
        models: vec![
            row(1, "momentum:lookback=1,threshold=0.00039,stop=4", State::Live, Some(0.223)),
            row(2, "knn", State::Shadow, Some(0.11)),
            row(3, "random:rate=0.1", State::Retired, Some(-0.2)),
            row(4, "stack", State::Warming, None),
        ],
    });
    screen
}

fn press(screen: &mut Screen, keys: &str) -> Wish {
    let mut wish = Wish::Nothing;
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            '\u{8}' => KeyCode::Backspace,
            letter => KeyCode::Char(letter),
        };
        wish = screen.on_key(KeyEvent::new(code, KeyModifiers::NONE));
    }
    wish
}

fn drawn(screen: &Screen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(screen, frame)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let lines = buffer.content().chunks(usize::from(width));
    lines.map(|line| line.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned() + "\n").collect()
}

fn names(screen: &Screen) -> Vec<String> {
    screen.rows().iter().map(|row| row.model.to_string()).collect()
}

#[test]
fn eighty_columns_show_every_figure() {
    let want = "\
arena http://127.0.0.1:8787  4 models, 1 live  2025-01-07T09:31:00Z
  #▾ model             state          n        net  mean_r lcb95_r   gate   dd_r
   1 momentum…039,s=4  live           7     -12.34   0.223   0.123   45 %    1.5
   2 knn               shadow        14     -24.68   0.110   0.010   22 %    3.0
   3 random:rate=0.1   retired       21     -37.02  -0.200  -0.300  -40 %    4.5
   4 stack             warming       28     -49.36       -       -      -    6.0

q quit  ↑↓ move  Enter show  s sort  / filter  p d r h operate  ? all keys
";
    assert_eq!(drawn(&screen(), 80, 8), want);
}

#[test]
fn rows_are_sorted_and_filtered_and_whoever_was_selected_stays_so() {
    let mut screen = screen();
    press(&mut screen, "j");
    press(&mut screen, "sss");
    assert_eq!(screen.sort, Sort::Episodes);
    assert_eq!(names(&screen)[0], "stack");
    assert_eq!(screen.place(&screen.rows()), 2, "knn is still selected");
    press(&mut screen, "S");
    assert_eq!(names(&screen)[0], "momentum:lookback=1,threshold=0.00039,stop=4");
    press(&mut screen, "ss");
    assert_eq!(screen.sort, Sort::Mean);
    assert_eq!(names(&screen)[3], "stack", "what is undefined comes last");
    press(&mut screen, "/ran\n");
    assert_eq!(names(&screen), ["random:rate=0.1"]);
    assert_eq!(press(&mut screen, "\n"), Wish::Show("random:rate=0.1".into()));
    press(&mut screen, "\u{1b}");
    assert_eq!(names(&screen).len(), 4);
    press(&mut screen, "/shadow\n");
    assert_eq!(names(&screen), ["knn"], "a state is found too");
}

#[test]
fn nothing_is_done_without_a_question() {
    let mut screen = screen();
    assert_eq!(press(&mut screen, "d"), Wish::Nothing);
    assert!(drawn(&screen, 80, 20).contains("take it back to paper?"));
    assert_eq!(press(&mut screen, "\u{1b}"), Wish::Nothing);
    let model = Some("momentum:lookback=1,threshold=0.00039,stop=4".into());
    let wish = press(&mut screen, "dit fades\n");
    assert_eq!(wish, Wish::Do { act: Act::Demote, model: model.clone(), reason: "it fades".to_owned() });
    assert_eq!(press(&mut screen, "o\n"), Wish::Nothing, "an override wants a reason");
    let wish = press(&mut screen, "why nott\u{8}\n");
    assert_eq!(wish, Wish::Do { act: Act::Override, model, reason: "why not".to_owned() });
    let wish = press(&mut screen, "h\n");
    assert_eq!(wish, Wish::Do { act: Act::Halt, model: None, reason: String::new() });
    assert_eq!(press(&mut screen, "q"), Wish::Quit);
}

#[test]
fn one_model_is_shown_in_full_and_scrolls() {
    let mut screen = screen();
    let row = screen.all()[0].clone();
    let view: ModelView = serde_json::from_value(serde_json::json!({
        "row": row, "content_hash": "ab", "generation": 0, "registered": null, "settings": [], "curve": [], "lifecycle": [],
        "live": [], "shortfall": null, "nearness": null, "lineage": null,
    }))
    .unwrap();
    let explanation: Explanation = serde_json::from_value(serde_json::json!({
        "model": row.model, "state": "live", "gates": [], "expected_days_to_decision": null,
    }))
    .unwrap();
    screen.open(Detail { view, explanation, trades: Vec::new() });
    let text = drawn(&screen, 80, 60);
    assert!(text.contains("identity") && text.contains("no closed trade yet"), "{text}");
    press(&mut screen, "jj");
    assert!(matches!(screen.mode, Mode::Detail(_, 2)));
    assert_eq!(screen.shown(), Some(&row.model));
    press(&mut screen, "\u{1b}");
    assert!(matches!(screen.mode, Mode::Table));
}

#[test]
fn thousands_of_rows_and_a_tiny_terminal_are_drawn() {
    let mut screen = screen();
    let models = (0..5_000).map(|n| row(n + 1, &format!("model-{n}"), State::Shadow, Some(0.0))).collect();
    screen.take(Leaderboard { time: None, models });
    screen.on_key(KeyEvent::new(KeyCode::End, KeyModifiers::NONE));
    assert!(drawn(&screen, 80, 24).contains("model-4999"));
    screen.lose("no arena answers");
    for (width, height) in [(1, 1), (10, 3), (300, 80)] {
        drawn(&screen, width, height);
        press(&mut screen, "?");
        drawn(&screen, width, height);
        press(&mut screen, "x");
    }
}
