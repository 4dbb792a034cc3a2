//! `arena leaderboard --watch` on a terminal: a full-screen table that keeps itself up to date.
//!
//! [`screen`] is what is seen and what keys do, pure; `draw` puts it into cells; this file has the terminal and the arena.

mod draw;
mod screen;

use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_util::StreamExt;
use serde_json::json;

use self::screen::{Act, Detail, Screen, Wish};
use super::inspect::Leaderboard;
use super::output::{Failure, UNREACHED};
use super::{Client, block_on};
use crate::control::Done;
use crate::domain::ModelId;

/// How often the arena is asked.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Draws until it is told to stop. An arena that never answered is an error; one that stops answering is waited for.
pub(super) fn run(client: &Client) -> Result<(), Failure> {
    let first: Leaderboard = block_on(client.get(&["leaderboard"]))?;
    let mut screen = Screen::new(client.address());
    screen.take(first);
    let mut terminal = ratatui::init();
    let ended = block_on(watch(client, &mut screen, &mut terminal));
    ratatui::restore();
    ended
}

async fn watch(client: &Client, screen: &mut Screen, terminal: &mut ratatui::DefaultTerminal) -> Result<(), Failure> {
    let mut keys = EventStream::new();
    let mut ticks = tokio::time::interval(ASK_EVERY);
    loop {
        terminal.draw(|frame| draw::draw(screen, frame))?;
        let wish = tokio::select! {
            event = keys.next() => match event {
                Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => screen.on_key(key),
                Some(Ok(_)) => Wish::Nothing,
                Some(Err(error)) => return Err(error.into()),
                None => Wish::Quit,
            },
            _ = ticks.tick() => Wish::Refresh,
        };
        match wish {
            Wish::Nothing => {}
            Wish::Quit => return Ok(()),
            Wish::Refresh => refresh(client, screen).await?,
            Wish::Show(model) => show(client, screen, &model).await,
            Wish::Do { act, model, reason } => {
                obey(client, screen, act, model.as_ref(), &reason).await;
                refresh(client, screen).await?;
            }
        }
    }
}

async fn refresh(client: &Client, screen: &mut Screen) -> Result<(), Failure> {
    match client.get::<Leaderboard>(&["leaderboard"]).await {
        Ok(board) => screen.take(board),
        Err(failure) if failure.code == UNREACHED => screen.lose(&failure.message),
        Err(failure) => return Err(failure),
    }
    if let Some(model) = screen.shown().cloned() {
        show(client, screen, &model).await;
    }
    Ok(())
}

async fn show(client: &Client, screen: &mut Screen, model: &ModelId) {
    let name = model.as_str();
    let detail = async {
        Ok::<_, Failure>(Detail {
            view: client.get(&["models", name]).await?,
            explanation: client.get(&["models", name, "explain"]).await?,
            trades: client.get(&["models", name, "trades"]).await?,
        })
    };
    match detail.await {
        Ok(detail) => screen.open(detail),
        Err(failure) => screen.say(failure.message),
    }
}

async fn obey(client: &Client, screen: &mut Screen, act: Act, model: Option<&ModelId>, reason: &str) {
    let reason = if reason.is_empty() { json!(null) } else { json!(reason) };
    let body = match act {
        Act::Promote => json!({ "reason": reason, "override": false }),
        Act::Override => json!({ "reason": reason, "override": true }),
        _ => json!({ "reason": reason }),
    };
    let path = match model {
        Some(model) => vec!["models", model.as_str(), act.path()],
        None => vec![act.path()],
    };
    match client.post::<Done>(&path, &body).await {
        Ok(done) => screen.say(super::operate::done_text(&done).trim().replace('\n', "; ")),
        Err(failure) => screen.say(failure.message),
    }
}

#[cfg(test)]
mod tests;
