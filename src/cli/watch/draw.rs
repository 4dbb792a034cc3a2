//! The screen in cells. Columns go as the terminal narrows; at 80 they are those of `arena leaderboard`.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row as TableRow, Table, TableState, Wrap};

use super::screen::{Mode, Screen, Sort};
use crate::cli::inspect::{explanation_text, model_text, trades_text};
use crate::cli::output::{number, shorten_name};
use crate::flow::{Row, State};

/// Trades that the view of one model shows.
const TRADES_MAX: usize = 20;

const KEYS: &str = "q quit  ↑↓ move  Enter show  s sort  / filter  p d r h operate  ? all keys";

const HELP: &str = "\
↑ ↓ j k      one row            PgUp PgDn   ten rows
Home End     first, last        Enter →     all about a model
s            sort by the next column        S  the other way round
/            filter by name, state or epic  Esc  no filter

p  promote   live, if it has passed every gate
o  override  live although it has not; wants a reason
d  demote    back to paper      r  retire   for good
h  halt      close all live, stop dealing
u  resume    let dealing go on

q  quit      any key closes this";

pub(super) fn draw(screen: &Screen, frame: &mut Frame<'_>) {
    let [top, middle, bottom] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(3), Constraint::Length(1)]).areas(frame.area());
    frame.render_widget(header(screen), top);
    match &screen.mode {
        Mode::Detail(detail, scroll) => {
            let trades: Vec<_> = detail.trades.iter().rev().take(TRADES_MAX).rev().cloned().collect();
            let text = format!(
                "{}\ngates\n{}\nlast trades\n{}",
                model_text(&detail.view),
                indented(&explanation_text(&detail.explanation)),
                indented(&trades_text(&trades))
            );
            frame.render_widget(Paragraph::new(text).scroll((*scroll, 0)), middle);
        }
        _ => table(screen, frame, middle),
    }
    frame.render_widget(footer(screen), bottom);
    match &screen.mode {
        Mode::Ask { act, model, reason } => {
            let mut lines = Vec::new();
            if let Some(model) = model {
                lines.push(Line::from(model.to_string()).bold());
            }
            lines.push(Line::from(act.question()));
            lines.push(Line::default());
            lines.push(Line::from(vec![Span::raw("Reason: "), Span::raw(reason.clone()), Span::raw("▏")]));
            lines.push(Line::from("Enter does it, Esc does not").dim());
            dialog(frame, act.path(), Text::from(lines), 60);
        }
        Mode::Help => dialog(frame, "keys", Text::from(HELP), 66),
        _ => {}
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn header(screen: &Screen) -> Line<'static> {
    let rows = screen.all();
    let live = rows.iter().filter(|row| row.state == State::Live).count();
    let time = screen.time.map_or_else(|| "before the first bar".to_owned(), |time| time.to_string());
    let mut line = vec![
        Span::from("arena ").bold(),
        Span::raw(format!("{}  {} models, {live} live  {time}", screen.address, rows.len())),
    ];
    if let Some(why) = &screen.lost {
        line.push(Span::styled(format!("  {why}"), Style::new().fg(Color::Red).bold()));
    }
    Line::from(line)
}

fn footer(screen: &Screen) -> Line<'static> {
    match &screen.mode {
        Mode::Filter => Line::from(format!("filter: {}▏  Enter keeps it, Esc drops it", screen.filter)),
        _ if !screen.said.is_empty() => Line::from(screen.said.clone()).yellow(),
        Mode::Detail(..) => Line::from("Esc back  ↑↓ scroll  p promote  d demote  r retire  ? help").dim(),
        _ if !screen.filter.is_empty() => Line::from(format!("filter: {}  Esc drops it   {KEYS}", screen.filter)).dim(),
        _ => Line::from(KEYS).dim(),
    }
}

/// Title, width and what it is sorted by, of each column; the width of the name is what is left.
const COLUMNS: [(&str, u16, Sort); 9] = [
    ("#", 4, Sort::Rank),
    ("model", 0, Sort::Name),
    ("state", 9, Sort::State),
    ("n", 6, Sort::Episodes),
    ("net", 10, Sort::Net),
    ("mean_r", 7, Sort::Mean),
    ("lcb95_r", 7, Sort::Bound),
    ("gate", 6, Sort::Progress),
    ("dd_r", 6, Sort::Drawdown),
];

fn table(screen: &Screen, frame: &mut Frame<'_>, area: Rect) {
    let rows = screen.rows();
    let place = screen.place(&rows);
    let fixed: u16 = COLUMNS.iter().map(|(_, width, _)| width + 1).sum();
    let name_width = usize::from(area.width.saturating_sub(fixed).max(12));
    let titles = COLUMNS.iter().map(|(title, width, sort)| {
        let mark = match (*sort == screen.sort, screen.is_reversed) {
            (true, false) => "▾",
            (true, true) => "▴",
            _ => "",
        };
        let title = format!("{title}{mark}");
        let is_text = matches!(sort, Sort::Name | Sort::State);
        Cell::from(if is_text { title } else { format!("{title:>0$}", usize::from(*width)) })
    });
    let header = TableRow::new(titles).style(Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED));
    let widths = COLUMNS.map(|(_, width, _)| if width == 0 { Constraint::Min(12) } else { Constraint::Length(width) });
    // Only what is seen is made: thousands of rows cost no more than a screen of them.
    let seen = usize::from(area.height.saturating_sub(1)).max(1);
    let first = place.saturating_sub(seen / 2).min(rows.len().saturating_sub(seen));
    let cells = rows.iter().skip(first).take(seen).map(|row| cells(row, name_width));
    let table = Table::new(cells, widths)
        .header(header)
        .column_spacing(1)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::new().with_selected((!rows.is_empty()).then(|| place - first));
    frame.render_stateful_widget(table, area, &mut state);
}

fn cells(row: &Row, name_width: usize) -> TableRow<'static> {
    let right = |text: String, width: usize| Cell::from(format!("{text:>width$}"));
    let figure = |value: Option<f64>, width: usize| right(number(value, 3), width);
    let signed = |value: f64| if value < 0.0 { Color::Red } else { Color::Green };
    let progress = row.progress.map_or_else(|| "-".to_owned(), |share| format!("{} %", number(Some(share * 100.0), 0)));
    let mean = figure(row.mean_r, 7);
    TableRow::new([
        right(row.rank.to_string(), 4),
        Cell::from(shorten_name(row.model.as_str(), name_width)),
        Cell::from(row.state.word()).style(Style::new().fg(color(row.state))),
        right(row.episodes.to_string(), 6),
        right(number(Some(row.net_profit.as_f64()), 2), 10),
        match row.mean_r {
            Some(value) => mean.style(Style::new().fg(signed(value))),
            None => mean,
        },
        figure(row.lcb95_r, 7),
        right(progress, 6),
        right(number(Some(row.max_drawdown_r), 1), 6),
    ])
}

fn color(state: State) -> Color {
    match state {
        State::Live => Color::Green,
        State::Eligible => Color::Cyan,
        State::Suspended => Color::Red,
        State::Retired => Color::DarkGray,
        State::Warming | State::Shadow => Color::Reset,
    }
}

fn dialog(frame: &mut Frame<'_>, title: &str, text: Text<'_>, width: u16) {
    let area = frame.area();
    let width = width.min(area.width);
    #[expect(clippy::cast_possible_truncation, reason = "a dialog has a dozen lines")]
    let height = (text.lines.len() as u16 + 2).min(area.height);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    let block = Block::bordered().title(format!(" {title} "));
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }).block(block), place);
}
