//! Watchlists of the user: one that cannot be edited, and those that are made.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::domain::Epic;

#[derive(Clone, Debug)]
struct Watchlist {
    name: String,
    epics: Vec<Epic>,
    is_editable: bool,
}

/// All watchlists.
#[derive(Debug)]
pub(super) struct Watchlists {
    lists: BTreeMap<String, Watchlist>,
    made: u32,
}

/// Why a change of a watchlist is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    NotFound,
    NotEditable,
}

impl Watchlists {
    pub(super) fn new(epics: &[Epic]) -> Self {
        let popular = Watchlist { name: "Popular Markets".to_owned(), epics: epics.to_vec(), is_editable: false };
        Self { lists: BTreeMap::from([("Popular Markets".to_owned(), popular)]), made: 0 }
    }

    /// As `GET /watchlists` lists them.
    pub(super) fn json(&self) -> Value {
        let list = |(id, list): (&String, &Watchlist)| {
            json!({
                "id": id,
                "name": list.name,
                "editable": list.is_editable,
                "deleteable": list.is_editable,
                "defaultSystemWatchlist": !list.is_editable,
            })
        };
        json!({ "watchlists": self.lists.iter().map(list).collect::<Vec<Value>>() })
    }

    /// The markets of one.
    pub(super) fn epics(&self, id: &str) -> Option<&[Epic]> {
        self.lists.get(id).map(|list| list.epics.as_slice())
    }

    /// Makes one; returns its id.
    pub(super) fn create(&mut self, name: &str, epics: Vec<Epic>) -> String {
        self.made += 1;
        let id = (10_000 + self.made).to_string();
        self.lists.insert(id.clone(), Watchlist { name: name.to_owned(), epics, is_editable: true });
        id
    }

    fn editable(&mut self, id: &str) -> Result<&mut Watchlist, Refused> {
        let list = self.lists.get_mut(id).ok_or(Refused::NotFound)?;
        if list.is_editable { Ok(list) } else { Err(Refused::NotEditable) }
    }

    /// Adds a market.
    pub(super) fn add(&mut self, id: &str, epic: Epic) -> Result<(), Refused> {
        let list = self.editable(id)?;
        if !list.epics.contains(&epic) {
            list.epics.push(epic);
        }
        Ok(())
    }

    /// Takes a market off.
    pub(super) fn remove(&mut self, id: &str, epic: &str) -> Result<(), Refused> {
        let list = self.editable(id)?;
        let before = list.epics.len();
        list.epics.retain(|known| known.as_str() != epic);
        if list.epics.len() == before { Err(Refused::NotFound) } else { Ok(()) }
    }

    /// Deletes one.
    pub(super) fn delete(&mut self, id: &str) -> Result<(), Refused> {
        self.editable(id)?;
        self.lists.remove(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_were_made_can_be_edited_and_deleted_the_system_s_cannot() {
        let mut lists = Watchlists::new(&["A.B".into()]);
        assert_eq!(lists.add("Popular Markets", "C.D".into()), Err(Refused::NotEditable));
        let id = lists.create("Mine", vec!["A.B".into()]);
        lists.add(&id, "C.D".into()).unwrap();
        lists.add(&id, "C.D".into()).unwrap();
        assert_eq!(lists.epics(&id).unwrap().len(), 2);
        lists.remove(&id, "A.B").unwrap();
        assert_eq!(lists.remove(&id, "A.B"), Err(Refused::NotFound));
        lists.delete(&id).unwrap();
        assert_eq!(lists.delete(&id), Err(Refused::NotFound));
        assert_eq!(lists.json()["watchlists"].as_array().unwrap().len(), 1);
    }
}
