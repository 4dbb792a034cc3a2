//! What is on the screen and what keys do to it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::cli::inspect::Leaderboard;
use crate::control::ModelView;
use crate::domain::{ModelId, UtcMicros};
use crate::flow::{Explanation, Row, State, TradeRow};

/// Rows that a page key goes.
const PAGE: usize = 10;

/// What the rows are ordered by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sort {
    Rank,
    Name,
    State,
    Episodes,
    Net,
    Mean,
    Bound,
    Progress,
    Drawdown,
}

impl Sort {
    /// In the order of the columns.
    pub(super) const ALL: [Self; 9] = [
        Self::Rank,
        Self::Name,
        Self::State,
        Self::Episodes,
        Self::Net,
        Self::Mean,
        Self::Bound,
        Self::Progress,
        Self::Drawdown,
    ];

    fn next(self) -> Self {
        let at = Self::ALL.iter().position(|sort| *sort == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    /// In the order that this column is first wanted in: names and ranks from the first, figures from the largest.
    fn order(self, a: &Row, b: &Row) -> std::cmp::Ordering {
        // What is undefined comes last.
        let figure =
            |a: Option<f64>, b: Option<f64>| b.unwrap_or(f64::NEG_INFINITY).total_cmp(&a.unwrap_or(f64::NEG_INFINITY));
        match self {
            Self::Rank => a.rank.cmp(&b.rank),
            Self::Name => a.model.cmp(&b.model),
            Self::State => importance(a.state).cmp(&importance(b.state)),
            Self::Episodes => b.episodes.cmp(&a.episodes),
            Self::Net => b.net_profit.cmp(&a.net_profit),
            Self::Mean => figure(a.mean_r, b.mean_r),
            Self::Bound => figure(a.lcb95_r, b.lcb95_r),
            Self::Progress => figure(a.progress, b.progress),
            Self::Drawdown => a.max_drawdown_r.total_cmp(&b.max_drawdown_r),
        }
    }
}

fn importance(state: State) -> u8 {
    match state {
        State::Live => 0,
        State::Eligible => 1,
        State::Shadow => 2,
        State::Warming => 3,
        State::Suspended => 4,
        State::Retired => 5,
    }
}

/// What an operator can do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Act {
    Promote,
    Override,
    Demote,
    Retire,
    Halt,
    Resume,
}

impl Act {
    /// The end of its path in the API.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Promote | Self::Override => "promote",
            Self::Demote => "demote",
            Self::Retire => "retire",
            Self::Halt => "halt",
            Self::Resume => "resume",
        }
    }

    /// What it asks before it is done.
    pub(super) fn question(self) -> &'static str {
        match self {
            Self::Promote => "Let it trade for real, if it has passed every gate?",
            Self::Override => "Let it trade for real ALTHOUGH GATES ARE MISSED? It is marked for ever",
            Self::Demote => "Close its live position and take it back to paper?",
            Self::Retire => "End it for good? Its record stays",
            Self::Halt => "Close all live positions and stop live dealing?",
            Self::Resume => "Let live dealing go on?",
        }
    }

    fn is_of_model(self) -> bool {
        !matches!(self, Self::Halt | Self::Resume)
    }
}

/// All about one model.
#[derive(Clone, Debug)]
pub(super) struct Detail {
    pub(super) view: ModelView,
    pub(super) explanation: Explanation,
    pub(super) trades: Vec<TradeRow>,
}

/// What keys mean.
#[derive(Clone, Debug)]
pub(super) enum Mode {
    Table,
    /// Letters go into the filter.
    Filter,
    /// One model; scrolled down by so many lines.
    Detail(Box<Detail>, u16),
    /// A question with the reason that is being typed.
    Ask {
        act: Act,
        model: Option<ModelId>,
        reason: String,
    },
    Help,
}

/// What the shell is to do.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Wish {
    Nothing,
    Quit,
    /// Ask the arena for what is shown.
    Refresh,
    /// Ask the arena for all about a model.
    Show(ModelId),
    /// Have the arena do something.
    Do {
        act: Act,
        model: Option<ModelId>,
        reason: String,
    },
}

/// What is on the screen.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) address: String,
    pub(super) time: Option<UtcMicros>,
    rows: Vec<Row>,
    pub(super) sort: Sort,
    pub(super) is_reversed: bool,
    pub(super) filter: String,
    selected: Option<ModelId>,
    pub(super) mode: Mode,
    /// What the arena said last.
    pub(super) said: String,
    /// Why the arena does not answer.
    pub(super) lost: Option<String>,
}

impl Screen {
    pub(super) fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            time: None,
            rows: Vec::new(),
            sort: Sort::Rank,
            is_reversed: false,
            filter: String::new(),
            selected: None,
            mode: Mode::Table,
            said: String::new(),
            lost: None,
        }
    }

    /// Takes a new leaderboard. Whoever was selected still is.
    pub(super) fn take(&mut self, board: Leaderboard) {
        (self.time, self.rows, self.lost) = (board.time, board.models, None);
    }

    /// The arena does not answer.
    pub(super) fn lose(&mut self, why: &str) {
        self.lost = Some(why.to_owned());
    }

    pub(super) fn say(&mut self, said: String) {
        self.said = said;
    }

    pub(super) fn open(&mut self, detail: Detail) {
        // A refresh keeps the place; one that comes late must not take over what is being typed.
        match &mut self.mode {
            Mode::Detail(shown, _) => **shown = detail,
            Mode::Table => self.mode = Mode::Detail(Box::new(detail), 0),
            _ => {}
        }
    }

    /// The model that is shown in full.
    pub(super) fn shown(&self) -> Option<&ModelId> {
        match &self.mode {
            Mode::Detail(detail, _) => Some(&detail.view.row.model),
            _ => None,
        }
    }

    /// Every row.
    pub(super) fn all(&self) -> &[Row] {
        &self.rows
    }

    /// The rows that pass the filter, in order.
    pub(super) fn rows(&self) -> Vec<&Row> {
        let filter = self.filter.to_lowercase();
        let passes = |row: &&Row| {
            filter.is_empty()
                || row.model.as_str().to_lowercase().contains(&filter)
                || row.state.word().contains(&filter)
                || row.epic.to_lowercase().contains(&filter)
        };
        let mut rows: Vec<&Row> = self.rows.iter().filter(passes).collect();
        rows.sort_by(|a, b| {
            let order = self.sort.order(a, b);
            let order = if self.is_reversed { order.reverse() } else { order };
            order.then(a.rank.cmp(&b.rank))
        });
        rows
    }

    /// The place of the selected row among those shown; the first where it is not among them.
    pub(super) fn place(&self, rows: &[&Row]) -> usize {
        self.selected.as_ref().and_then(|model| rows.iter().position(|row| row.model == *model)).unwrap_or(0)
    }

    fn selected(&self) -> Option<ModelId> {
        let rows = self.rows();
        rows.get(self.place(&rows)).map(|row| row.model.clone())
    }

    fn go(&mut self, to: impl Fn(usize) -> usize) {
        let rows = self.rows();
        let place = to(self.place(&rows)).min(rows.len().saturating_sub(1));
        let model = rows.get(place).map(|row| row.model.clone());
        self.selected = model;
    }

    fn ask(&mut self, act: Act) {
        let model = match &self.mode {
            Mode::Detail(detail, _) => Some(detail.view.row.model.clone()),
            _ => self.selected(),
        };
        let model = model.filter(|_| act.is_of_model());
        if act.is_of_model() && model.is_none() {
            return;
        }
        self.said.clear();
        self.mode = Mode::Ask { act, model, reason: String::new() };
    }

    /// What a key does.
    pub(super) fn on_key(&mut self, key: KeyEvent) -> Wish {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if is_control && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return Wish::Quit;
        }
        match &mut self.mode {
            Mode::Filter => self.on_filter_key(key.code),
            Mode::Ask { act, model, reason } => match key.code {
                KeyCode::Esc => {
                    self.mode = Mode::Table;
                    Wish::Nothing
                }
                // What cannot be taken back asks for a word.
                KeyCode::Enter if reason.trim().is_empty() && matches!(act, Act::Override) => Wish::Nothing,
                KeyCode::Enter => {
                    let wish = Wish::Do { act: *act, model: model.clone(), reason: reason.trim().to_owned() };
                    self.mode = Mode::Table;
                    wish
                }
                KeyCode::Backspace => {
                    reason.pop();
                    Wish::Nothing
                }
                KeyCode::Char(letter) if !is_control => {
                    reason.push(letter);
                    Wish::Nothing
                }
                _ => Wish::Nothing,
            },
            Mode::Help => {
                self.mode = Mode::Table;
                Wish::Nothing
            }
            Mode::Detail(_, scroll) => match key.code {
                KeyCode::Esc | KeyCode::Enter | KeyCode::Backspace | KeyCode::Left => {
                    self.mode = Mode::Table;
                    Wish::Nothing
                }
                KeyCode::Down | KeyCode::Char('j') => {
                    *scroll = scroll.saturating_add(1);
                    Wish::Nothing
                }
                KeyCode::Up | KeyCode::Char('k') => {
                    *scroll = scroll.saturating_sub(1);
                    Wish::Nothing
                }
                KeyCode::PageDown | KeyCode::Char(' ') => {
                    *scroll = scroll.saturating_add(10);
                    Wish::Nothing
                }
                KeyCode::PageUp => {
                    *scroll = scroll.saturating_sub(10);
                    Wish::Nothing
                }
                code => self.on_common_key(code),
            },
            Mode::Table => self.on_table_key(key.code),
        }
    }

    fn on_table_key(&mut self, code: KeyCode) -> Wish {
        match code {
            KeyCode::Down | KeyCode::Char('j') => self.go(|at| at + 1),
            KeyCode::Up | KeyCode::Char('k') => self.go(|at| at.saturating_sub(1)),
            KeyCode::PageDown => self.go(|at| at + PAGE),
            KeyCode::PageUp => self.go(|at| at.saturating_sub(PAGE)),
            KeyCode::Home | KeyCode::Char('g') => self.go(|_| 0),
            KeyCode::End | KeyCode::Char('G') => self.go(|_| usize::MAX),
            KeyCode::Char('s') => (self.sort, self.is_reversed) = (self.sort.next(), false),
            KeyCode::Char('S') => self.is_reversed = !self.is_reversed,
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Esc if !self.filter.is_empty() => self.filter.clear(),
            KeyCode::Enter | KeyCode::Right => {
                return self.selected().map_or(Wish::Nothing, Wish::Show);
            }
            code => return self.on_common_key(code),
        }
        Wish::Nothing
    }

    fn on_common_key(&mut self, code: KeyCode) -> Wish {
        match code {
            KeyCode::Char('q') | KeyCode::Esc => return Wish::Quit,
            KeyCode::Char('?') => self.mode = Mode::Help,
            KeyCode::Char('p') => self.ask(Act::Promote),
            KeyCode::Char('o') => self.ask(Act::Override),
            KeyCode::Char('d') => self.ask(Act::Demote),
            KeyCode::Char('r') => self.ask(Act::Retire),
            KeyCode::Char('h') => self.ask(Act::Halt),
            KeyCode::Char('u') => self.ask(Act::Resume),
            _ => {}
        }
        Wish::Nothing
    }

    fn on_filter_key(&mut self, code: KeyCode) -> Wish {
        match code {
            KeyCode::Esc => {
                self.filter.clear();
                self.mode = Mode::Table;
            }
            KeyCode::Enter | KeyCode::Down => self.mode = Mode::Table,
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(letter) => self.filter.push(letter),
            _ => {}
        }
        Wish::Nothing
    }
}
