//! `/markets`, `/clientsentiment`, `/watchlists`.

use serde_json::{Value, json};

use super::{Answer, ApiError, Body, Request};
use crate::domain::Epic;
use crate::sim::ig::board::Board;
use crate::sim::ig::watchlists::Refused;
use crate::sim::ig::world::World;
use crate::sim::rng::Rng;

/// Markets that can be asked for at once.
const EPICS_MAX: usize = 50;

impl World {
    fn known(&self, epic: &str) -> Result<&Board, ApiError> {
        self.board(epic).ok_or_else(|| ApiError::new(404, "error.public-api.epic-not-found"))
    }

    pub(super) fn market(&self, epic: &str) -> Result<Answer, ApiError> {
        Ok(Answer::ok(self.known(epic)?.details(self.time())))
    }

    pub(super) fn markets(&self, request: &Request, version: u8) -> Result<Answer, ApiError> {
        let query = request.parameters()?;
        if let Some(term) = query.get("searchTerm") {
            return Ok(self.search(term));
        }
        let epics = query.get("epics").ok_or_else(|| ApiError::new(400, "validation.null-not-allowed.epics"))?;
        let epics: Vec<&str> = epics.split(',').map(str::trim).filter(|epic| !epic.is_empty()).collect();
        if epics.len() > EPICS_MAX {
            return Err(ApiError::new(400, "error.public-api.too-many-epics"));
        }
        let is_snapshot = match query.get("filter") {
            None | Some("ALL") => false,
            Some("SNAPSHOT_ONLY") => version >= 2,
            Some(_) => return Err(ApiError::new(400, "invalid.request.filter")),
        };
        let mut details = Vec::with_capacity(epics.len());
        for epic in epics {
            let board = self.known(epic)?;
            let mut detail = board.details(self.time());
            if is_snapshot {
                detail["instrument"] = Value::Null;
                detail["dealingRules"] = Value::Null;
            }
            details.push(detail);
        }
        Ok(Answer::ok(json!({ "marketDetails": details })))
    }

    fn search(&self, term: &str) -> Answer {
        let term = term.to_lowercase();
        let is_found = |board: &&Board| {
            let text = format!("{} {}", board.listing.name, board.listing.epic).to_lowercase();
            term.split_whitespace().all(|word| text.contains(word))
        };
        let found: Vec<Value> = self
            .epics
            .iter()
            .filter_map(|epic| self.boards.get(epic))
            .filter(is_found)
            .map(|board| board.found(self.time()))
            .collect();
        Answer::ok(json!({ "markets": found }))
    }

    /// The share of clients that hold a long position: drawn for the market, wandering from hour to hour.
    fn sentiment_of(&self, market_id: &str) -> Value {
        let mut steady = Rng::new(self.seed, &format!("sentiment {market_id}"));
        let mut hourly = Rng::new(self.seed, &format!("sentiment {market_id} {}", self.now.0 / 3_600_000_000));
        let long = (steady.between(30.0, 70.0) + hourly.between(-5.0, 5.0)).round();
        json!({ "marketId": market_id, "longPositionPercentage": long, "shortPositionPercentage": 100.0 - long })
    }

    fn market_ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = Vec::new();
        for board in self.epics.iter().filter_map(|epic| self.boards.get(epic)) {
            if !ids.contains(&board.listing.market_id.as_str()) {
                ids.push(&board.listing.market_id);
            }
        }
        ids
    }

    pub(super) fn sentiment(&self, request: &Request, path: &[&str]) -> Result<Answer, ApiError> {
        let known = self.market_ids();
        let list = |ids: &mut dyn Iterator<Item = &str>| {
            let sentiments: Vec<Value> = ids.map(|id| self.sentiment_of(id)).collect();
            Answer::ok(json!({ "clientSentiments": sentiments }))
        };
        match path {
            [] => {
                let query = request.parameters()?;
                let ids = query.get("marketIds").unwrap_or_default();
                Ok(list(&mut ids.split(',').map(str::trim).filter(|id| known.contains(id))))
            }
            ["related", id] => Ok(list(&mut known.iter().copied().filter(|other| other != id).take(5))),
            [id] if known.contains(id) => Ok(Answer::ok(self.sentiment_of(id))),
            _ => Err(ApiError::new(404, "error.public-api.epic-not-found")),
        }
    }

    pub(super) fn watchlist(&mut self, request: &Request, path: &[&str]) -> Result<Answer, ApiError> {
        let done = || Answer::ok(json!({ "status": "SUCCESS" }));
        let refused = |refused: Refused| match refused {
            Refused::NotFound => ApiError::new(404, "error.watchlists.not-found"),
            Refused::NotEditable => ApiError::new(403, "error.watchlists.not-editable"),
        };
        match (request.method.as_str(), path) {
            ("GET", []) => Ok(Answer::ok(self.watchlists.json())),
            ("POST", []) => {
                let body = Body::parse(&request.body)?;
                let (name, wanted) = (body.needed("name")?, body.texts("epics")?);
                let (known, unknown): (Vec<Epic>, Vec<Epic>) =
                    wanted.into_iter().map(Epic::from).partition(|epic| self.boards.contains_key(epic));
                let id = self.watchlists.create(&name, known);
                let status = if unknown.is_empty() { "SUCCESS" } else { "SUCCESS_NOT_ALL_INSTRUMENTS_ADDED" };
                Ok(Answer::ok(json!({ "watchlistId": id, "status": status })))
            }
            ("GET", [id]) => {
                let epics = self.watchlists.epics(id).ok_or_else(|| refused(Refused::NotFound))?;
                let boards = epics.iter().filter_map(|epic| self.boards.get(epic));
                let markets: Vec<Value> = boards.map(|board| board.found(self.time())).collect();
                Ok(Answer::ok(json!({ "markets": markets })))
            }
            ("PUT", [id]) => {
                let epic = Body::parse(&request.body)?.epic()?;
                if self.board(&epic).is_none() {
                    return Err(ApiError::new(404, "error.public-api.epic-not-found"));
                }
                self.watchlists.add(id, epic.into()).map_err(refused).map(|()| done())
            }
            ("DELETE", [id]) => self.watchlists.delete(id).map_err(refused).map(|()| done()),
            ("DELETE", [id, epic]) => self.watchlists.remove(id, epic).map_err(refused).map(|()| done()),
            _ => Err(ApiError::new(404, "invalid.url")),
        }
    }
}
