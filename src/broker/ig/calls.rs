//! Every call of IG's REST service that the arena makes, one function each.

use reqwest::Method;

use super::fault::IgError;
use super::requests::{AmendOrder, AmendPosition, ClosePosition, CreateOrder, OpenPosition};
use super::rest::Rest;
use super::throttle::Lane;
use super::wire::{
    Account, Accounts, Activities, Activity, Application, Confirm, ManyMarkets, MarketDetails, MarketLine, Position,
    PositionLine, Positions, PriceBar, Prices, Reference, Resolution, Search, Sentiment, Sentiments, SessionAnswer,
    Transaction, Transactions, WorkingOrderLine, WorkingOrders,
};
use crate::domain::UtcMicros;

/// Markets that one request may ask for.
const MARKETS_MAX: usize = 50;

/// Pages of a list that are read at most.
const PAGES_MAX: usize = 1_000;

/// Bars on a page of past prices.
pub const PRICES_PAGE: usize = 500;

/// A stretch of past prices.
#[derive(Clone, Debug, PartialEq)]
pub enum Stretch {
    /// The last so many bars, the one that still forms included.
    Last(usize),
    /// From a time to a time, both in UTC.
    Between(UtcMicros, UtcMicros),
}

impl Rest {
    /// The session as IG has it.
    ///
    /// # Errors
    /// [`IgError`], as of every call here.
    pub async fn session(&self) -> Result<SessionAnswer, IgError> {
        self.read(Lane::Desk, "/session", 1).await
    }

    /// Every account of the client.
    ///
    /// # Errors
    /// [`IgError`].
    pub async fn accounts(&self) -> Result<Vec<Account>, IgError> {
        Ok(self.read::<Accounts>(Lane::Desk, "/accounts", 1).await?.accounts)
    }

    /// Every key of the client, with its allowances.
    ///
    /// # Errors
    /// [`IgError`].
    pub async fn applications(&self) -> Result<Vec<Application>, IgError> {
        self.read(Lane::Data, "/operations/application", 1).await
    }

    /// A market with its rules.
    ///
    /// # Errors
    /// [`IgError`].
    pub async fn market(&self, epic: &str) -> Result<MarketDetails, IgError> {
        self.read(Lane::Data, &format!("/markets/{}", escaped(epic)), 3).await
    }

    /// Markets with their rules, in the order asked for.
    ///
    /// # Errors
    /// [`IgError`].
    pub async fn markets(&self, epics: &[String]) -> Result<Vec<MarketDetails>, IgError> {
        let mut all = Vec::with_capacity(epics.len());
        for some in epics.chunks(MARKETS_MAX) {
            let list: Vec<String> = some.iter().map(|epic| escaped(epic)).collect();
            let path = format!("/markets?epics={}&filter=ALL", list.join(","));
            all.extend(self.read::<ManyMarkets>(Lane::Data, &path, 2).await?.market_details);
        }
        Ok(all)
    }

    /// Markets whose name holds `term`.
    ///
    /// # Errors
    /// [`IgError`].
    pub async fn search(&self, term: &str) -> Result<Vec<MarketLine>, IgError> {
        let path = format!("/markets?searchTerm={}", escaped(term));
        Ok(self.read::<Search>(Lane::Data, &path, 1).await?.markets)
    }

    /// One page of past prices, from 1, with what is left of the week noted.
    ///
    /// # Errors
    /// [`IgError`].
    pub async fn prices(
        &self,
        epic: &str,
        resolution: &Resolution,
        stretch: &Stretch,
        page: usize,
    ) -> Result<Prices, IgError> {
        let range = match stretch {
            Stretch::Last(count) => format!("max={count}"),
            Stretch::Between(from, to) => format!("from={}&to={}", iso(*from), iso(*to)),
        };
        let path = format!(
            "/prices/{}?resolution={}&{range}&pageSize={PRICES_PAGE}&pageNumber={page}",
            escaped(epic),
            resolution.word()
        );
        let prices: Prices = self.read(Lane::Data, &path, 3).await?;
        let told = prices.metadata.as_ref().and_then(|metadata| metadata.allowance).or(prices.allowance);
        if let Some(allowance) = told {
            self.note_history(allowance);
        }
        Ok(prices)
    }

    /// Every page of a stretch of past prices.
    ///
    /// # Errors
    /// [`IgError`].
    pub async fn all_prices(
        &self,
        epic: &str,
        resolution: &Resolution,
        stretch: &Stretch,
    ) -> Result<Vec<PriceBar>, IgError> {
        let mut bars = Vec::new();
        for page in 1..=PAGES_MAX {
            let prices = self.prices(epic, resolution, stretch, page).await?;
            let pages = prices.metadata.and_then(|metadata| metadata.page_data).map_or(1, |data| data.total_pages);
            bars.extend(prices.prices);
            if i64::try_from(page).is_ok_and(|page| page >= pages) {
                return Ok(bars);
            }
        }
        Err(IgError::NotUnderstood(format!("more than {PAGES_MAX} pages of prices")))
    }

    /// Every position of the account.
    ///
    /// # Errors
    /// [`IgError`].
    pub async fn positions(&self) -> Result<Vec<PositionLine>, IgError> {
        Ok(self.read::<Positions>(Lane::Desk, "/positions", 2).await?.positions)
    }

    /// One position; `None` where there is none.
    ///
    /// # Errors
    /// [`IgError`].
    pub async fn position(&self, deal_id: &str) -> Result<Option<Position>, IgError> {
        let path = format!("/positions/{}", escaped(deal_id));
        absent(self.read::<PositionLine>(Lane::Desk, &path, 2).await.map(|line| line.position))
    }

    /// Opens a position: the reference by which to ask what came of it.
    ///
    /// # Errors
    /// [`IgError`]; it was sent once.
    pub async fn open_position(&self, order: &OpenPosition) -> Result<String, IgError> {
        self.deal(Method::POST, "/positions/otc", 2, order).await.map(|said: Reference| said.deal_reference)
    }

    /// Changes stop and limit of a position.
    ///
    /// # Errors
    /// [`IgError`]; it was sent once.
    pub async fn amend_position(&self, deal_id: &str, amend: &AmendPosition) -> Result<String, IgError> {
        let path = format!("/positions/otc/{}", escaped(deal_id));
        self.deal(Method::PUT, &path, 2, amend).await.map(|said: Reference| said.deal_reference)
    }

    /// Closes a position, or a part of it.
    ///
    /// # Errors
    /// [`IgError`]; it was sent once.
    pub async fn close_position(&self, close: &ClosePosition) -> Result<String, IgError> {
        self.deal(Method::DELETE, "/positions/otc", 1, close).await.map(|said: Reference| said.deal_reference)
    }

    /// What came of a request; `None` before it is booked and a minute after.
    ///
    /// # Errors
    /// [`IgError`].
    pub async fn confirm_of(&self, reference: &str) -> Result<Option<Confirm>, IgError> {
        absent(self.read(Lane::Desk, &format!("/confirms/{}", escaped(reference)), 1).await)
    }

    /// Every working order of the account.
    ///
    /// # Errors
    /// [`IgError`].
    pub async fn working_orders(&self) -> Result<Vec<WorkingOrderLine>, IgError> {
        Ok(self.read::<WorkingOrders>(Lane::Desk, "/workingorders", 2).await?.working_orders)
    }

    /// Makes a working order.
    ///
    /// # Errors
    /// [`IgError`]; it was sent once.
    pub async fn create_order(&self, order: &CreateOrder) -> Result<String, IgError> {
        self.deal(Method::POST, "/workingorders/otc", 2, order).await.map(|said: Reference| said.deal_reference)
    }

    /// Changes a working order.
    ///
    /// # Errors
    /// [`IgError`]; it was sent once.
    pub async fn amend_order(&self, deal_id: &str, amend: &AmendOrder) -> Result<String, IgError> {
        let path = format!("/workingorders/otc/{}", escaped(deal_id));
        self.deal(Method::PUT, &path, 2, amend).await.map(|said: Reference| said.deal_reference)
    }

    /// Cancels a working order.
    ///
    /// # Errors
    /// [`IgError`]; it was sent once.
    pub async fn delete_order(&self, deal_id: &str) -> Result<String, IgError> {
        let path = format!("/workingorders/otc/{}", escaped(deal_id));
        let body = serde_json::json!({});
        self.deal(Method::DELETE, &path, 2, &body).await.map(|said: Reference| said.deal_reference)
    }

    /// What happened on the account from a time on, with details, newest first; of one deal where it is named.
    ///
    /// # Errors
    /// [`IgError`].
    pub async fn activity(&self, from: UtcMicros, deal_id: Option<&str>) -> Result<Vec<Activity>, IgError> {
        let of_deal = deal_id.map(|id| format!("&dealId={}", escaped(id))).unwrap_or_default();
        let mut path = format!("/history/activity?from={}&detailed=true&pageSize=500{of_deal}", iso(from));
        let mut all: Vec<Activity> = Vec::new();
        for _ in 0..PAGES_MAX {
            let page: Activities = self.read(Lane::Desk, &path, 3).await?;
            let before = all.len();
            // A page ends at a second, and the next one begins with all of that second. Two of one second may be alike in
            // everything, as two parts of a position that are closed at one level: each of a page is one.
            let last = all.last().map(|told| told.date.clone());
            let mut told: Vec<Activity> =
                all.iter().rev().take_while(|told| Some(&told.date) == last.as_ref()).cloned().collect();
            for activity in page.activities {
                match told.iter().position(|known| *known == activity) {
                    Some(at) => drop(told.swap_remove(at)),
                    None => all.push(activity),
                }
            }
            let is_standing = all.len() == before;
            match page.metadata.and_then(|metadata| metadata.paging).and_then(|paging| paging.next) {
                // A path of this service and nothing else: no answer leads us elsewhere.
                Some(_) if is_standing => {
                    return Err(IgError::NotUnderstood("a page of activity that leads to itself".to_owned()));
                }
                Some(next) if next.starts_with("/history/activity") => path = next,
                _ => return Ok(all),
            }
        }
        Err(IgError::NotUnderstood(format!("more than {PAGES_MAX} pages of activity")))
    }

    /// Money that moved from a time to a time, newest first.
    ///
    /// # Errors
    /// [`IgError`].
    pub async fn transactions(&self, from: UtcMicros, to: UtcMicros) -> Result<Vec<Transaction>, IgError> {
        let path = format!("/history/transactions?type=ALL&from={}&to={}&pageSize=0", iso(from), iso(to));
        Ok(self.read::<Transactions>(Lane::Desk, &path, 2).await?.transactions)
    }

    /// How IG's clients stand in markets, by their names for sentiment.
    ///
    /// # Errors
    /// [`IgError`].
    pub async fn sentiment(&self, market_ids: &[String]) -> Result<Vec<Sentiment>, IgError> {
        let list: Vec<String> = market_ids.iter().map(|id| escaped(id)).collect();
        let path = format!("/clientsentiment?marketIds={}", list.join(","));
        Ok(self.read::<Sentiments>(Lane::Data, &path, 1).await?.client_sentiments)
    }
}

/// What is not there is an answer, not a fault.
fn absent<T>(answer: Result<T, IgError>) -> Result<Option<T>, IgError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(IgError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `yyyy-MM-ddTHH:mm:ss`, UTC without saying so.
fn iso(time: UtcMicros) -> String {
    UtcMicros(time.0.div_euclid(1_000_000) * 1_000_000).to_string().trim_end_matches('Z').to_owned()
}

/// Text as a part of a path or query.
fn escaped(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing into a string cannot fail");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_names_are_written_as_ig_reads_them() {
        assert_eq!(iso("2014-05-01T00:00:00.292Z".parse().unwrap()), "2014-05-01T00:00:00");
        assert_eq!(escaped("IX.D.FTSE.DAILY.IP"), "IX.D.FTSE.DAILY.IP");
        assert_eq!(escaped("a/b c?é"), "a%2Fb%20c%3F%C3%A9");
    }
}
