//! What IG answers, typed. Words that are not known survive, fields that are not known are ignored, and what IG leaves out
//! now and then is optional here.
//!
//! Source: IG's REST reference; the shapes are those of recorded answers.

use serde::Deserialize;

use super::number::{Number, words};

words! {
    /// The side of a deal.
    Side { Buy = "BUY", Sell = "SELL" }
}
words! {
    /// Whether a market can be dealt in.
    MarketStatus {
        Closed = "CLOSED", EditsOnly = "EDITS_ONLY", Offline = "OFFLINE", OnAuction = "ON_AUCTION",
        OnAuctionNoEdits = "ON_AUCTION_NO_EDITS", Suspended = "SUSPENDED", Tradeable = "TRADEABLE",
    }
}
words! {
    /// What a rule is counted in.
    RuleUnit { Points = "POINTS", Percentage = "PERCENTAGE" }
}
words! {
    /// Whether a deal was taken.
    DealVerdict { Accepted = "ACCEPTED", Rejected = "REJECTED" }
}
words! {
    /// What a confirmed deal is now.
    ConfirmStatus {
        Open = "OPEN", Amended = "AMENDED", PartiallyClosed = "PARTIALLY_CLOSED", Closed = "CLOSED", Deleted = "DELETED",
    }
}
words! {
    /// What a confirmed deal did to another.
    AffectedStatus {
        Opened = "OPENED", Amended = "AMENDED", PartiallyClosed = "PARTIALLY_CLOSED", FullyClosed = "FULLY_CLOSED",
        Deleted = "DELETED",
    }
}
words! {
    /// What an account is for.
    AccountType { Cfd = "CFD", Physical = "PHYSICAL", Spreadbet = "SPREADBET" }
}
words! {
    /// Whether an account may be used.
    AccountStatus { Enabled = "ENABLED", Disabled = "DISABLED", SuspendedFromDealing = "SUSPENDED_FROM_DEALING" }
}
words! {
    /// Whether a key may be used.
    KeyStatus { Enabled = "ENABLED", Disabled = "DISABLED", Revoked = "REVOKED" }
}
words! {
    /// What an activity is about.
    ActivityType {
        EditStopAndLimit = "EDIT_STOP_AND_LIMIT", Position = "POSITION", System = "SYSTEM", WorkingOrder = "WORKING_ORDER",
    }
}
words! {
    /// What an activity did to a deal.
    ActionType {
        PositionClosed = "POSITION_CLOSED", PositionDeleted = "POSITION_DELETED", PositionOpened = "POSITION_OPENED",
        PositionPartiallyClosed = "POSITION_PARTIALLY_CLOSED", PositionRolled = "POSITION_ROLLED",
        StopLimitAmended = "STOP_LIMIT_AMENDED", WorkingOrderDeleted = "WORKING_ORDER_DELETED",
        LimitOrderAmended = "LIMIT_ORDER_AMENDED", LimitOrderDeleted = "LIMIT_ORDER_DELETED",
        LimitOrderFilled = "LIMIT_ORDER_FILLED", LimitOrderOpened = "LIMIT_ORDER_OPENED",
        LimitOrderRolled = "LIMIT_ORDER_ROLLED", StopOrderAmended = "STOP_ORDER_AMENDED",
        StopOrderDeleted = "STOP_ORDER_DELETED", StopOrderFilled = "STOP_ORDER_FILLED",
        StopOrderOpened = "STOP_ORDER_OPENED", StopOrderRolled = "STOP_ORDER_ROLLED", Unknown = "UNKNOWN",
    }
}
words! {
    /// How a working order waits.
    OrderType { Limit = "LIMIT", Stop = "STOP" }
}
words! {
    /// How long a working order waits.
    TimeInForce { GoodTillCancelled = "GOOD_TILL_CANCELLED", GoodTillDate = "GOOD_TILL_DATE" }
}
words! {
    /// The length of a bar of past prices.
    Resolution {
        Second = "SECOND", Minute = "MINUTE", Minute2 = "MINUTE_2", Minute3 = "MINUTE_3", Minute5 = "MINUTE_5",
        Minute10 = "MINUTE_10", Minute15 = "MINUTE_15", Minute30 = "MINUTE_30", Hour = "HOUR", Hour2 = "HOUR_2",
        Hour3 = "HOUR_3", Hour4 = "HOUR_4", Day = "DAY", Week = "WEEK", Month = "MONTH",
    }
}

/// Money on an account.
#[derive(Clone, Copy, Debug, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// All of it.
    pub balance: Option<Number>,
    /// Held as margin.
    pub deposit: Option<Number>,
    /// Of open positions.
    pub profit_loss: Option<Number>,
    /// Free.
    pub available: Option<Number>,
}

/// `POST /session` version 2.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoginAnswer {
    /// What the account is for.
    pub account_type: Option<AccountType>,
    /// Its money.
    pub account_info: Option<Balance>,
    /// Its currency.
    pub currency_iso_code: Option<String>,
    /// The account that the login landed on.
    pub current_account_id: String,
    /// Where prices are streamed.
    pub lightstreamer_endpoint: String,
    /// Whether it may deal at all.
    pub dealing_enabled: Option<bool>,
    /// Hours of the account's local time ahead of UTC.
    pub timezone_offset: Option<Number>,
}

/// `POST /session` version 3.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OauthLogin {
    /// The account that the login landed on.
    pub account_id: String,
    /// Where prices are streamed.
    pub lightstreamer_endpoint: String,
    /// The tokens.
    pub oauth_token: OauthToken,
}

/// Tokens of a version 3 session.
#[derive(Clone, Deserialize)]
pub struct OauthToken {
    /// For requests.
    pub access_token: secrecy::SecretString,
    /// For the next tokens.
    pub refresh_token: secrecy::SecretString,
    /// Seconds, as text.
    pub expires_in: Number,
}

impl std::fmt::Debug for OauthToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OauthToken").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// `GET /session`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionAnswer {
    /// The account in use.
    pub account_id: String,
    /// Where prices are streamed.
    pub lightstreamer_endpoint: String,
    /// The account's currency.
    pub currency: Option<String>,
}

/// `GET /session/encryptionKey`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionKey {
    /// Base64 of a DER SubjectPublicKeyInfo.
    pub encryption_key: String,
    /// Milliseconds; goes in beside the password.
    pub time_stamp: i64,
}

/// `PUT /session`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SwitchAnswer {
    /// Whether the account may deal.
    pub dealing_enabled: Option<bool>,
    /// Whether it may have trailing stops.
    pub trailing_stops_enabled: Option<bool>,
}

/// `GET /accounts`.
#[derive(Clone, Debug, Deserialize)]
pub struct Accounts {
    /// Each account of the client.
    pub accounts: Vec<Account>,
}

/// An account.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Its name for requests.
    pub account_id: String,
    /// Its name for people.
    pub account_name: Option<String>,
    /// Whether it may be used.
    pub status: AccountStatus,
    /// What it is for.
    pub account_type: AccountType,
    /// Whether logins land on it.
    pub preferred: Option<bool>,
    /// Its money.
    pub balance: Option<Balance>,
    /// Its currency.
    pub currency: Option<String>,
}

/// One of `GET /operations/application`: a key and its allowances.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// Whether it may be used.
    pub status: KeyStatus,
    /// Requests a minute of the key.
    pub allowance_application_overall: Option<u32>,
    /// Dealing requests a minute of the account.
    pub allowance_account_trading: Option<u32>,
    /// Other requests a minute of the account.
    pub allowance_account_overall: Option<u32>,
    /// Points of past prices a week.
    pub allowance_account_historical_data: Option<u32>,
    /// Subscriptions at a time.
    pub concurrent_subscriptions_limit: Option<u32>,
}

/// `GET /markets/{epic}` version 3.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarketDetails {
    /// What is dealt.
    pub instrument: Instrument,
    /// By which rules.
    pub dealing_rules: DealingRules,
    /// Where it stands.
    pub snapshot: Snapshot,
}

/// `GET /markets?epics=` version 2.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManyMarkets {
    /// In the order asked for.
    pub market_details: Vec<MarketDetails>,
}

/// What is dealt.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instrument {
    /// Its name for requests.
    pub epic: String,
    /// `DFB`, `-`, or a month.
    pub expiry: Option<String>,
    /// Its name for people.
    pub name: Option<String>,
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Whether a stop or limit may be set.
    pub stops_limits_allowed: Option<bool>,
    /// Whether a position may be opened beside an opposite one.
    pub force_open_allowed: Option<bool>,
    /// Whether its prices are streamed.
    pub streaming_prices_available: Option<bool>,
    /// The currencies that it can be dealt in.
    pub currencies: Option<Vec<Currency>>,
    /// Money for one whole contract and one point, as text.
    pub value_of_one_pip: Option<String>,
    /// What one point is, as text.
    pub one_pip_means: Option<String>,
    /// What one contract is, as text.
    pub contract_size: Option<String>,
    /// The name that sentiment goes by.
    pub market_id: Option<String>,
}

/// A currency of an instrument.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Currency {
    /// Three letters.
    pub code: String,
    /// Whether a deal is in it unless told otherwise.
    pub is_default: Option<bool>,
}

/// By which rules a market is dealt.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DealingRules {
    /// The step of levels.
    pub min_step_distance: Option<Rule>,
    /// The least size, whatever its unit says.
    pub min_deal_size: Option<Rule>,
    /// The least distance of a guaranteed stop.
    pub min_controlled_risk_stop_distance: Option<Rule>,
    /// The least distance of a stop or limit.
    pub min_normal_stop_or_limit_distance: Option<Rule>,
    /// The greatest distance of a stop or limit.
    pub max_stop_or_limit_distance: Option<Rule>,
    /// Whether it can be dealt at the market.
    pub market_order_preference: Option<String>,
}

/// A figure and its unit.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Rule {
    /// Points or percent.
    pub unit: RuleUnit,
    /// The figure.
    pub value: Option<Number>,
}

/// Where a market stands.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Whether it can be dealt in.
    pub market_status: MarketStatus,
    /// What it is sold at; null outside hours.
    pub bid: Option<Number>,
    /// What it is bought at; null outside hours.
    pub offer: Option<Number>,
    /// Decimals of its prices.
    pub decimal_places_factor: Option<Number>,
    /// What its levels are scaled by.
    pub scaling_factor: Option<Number>,
    /// Minutes that its prices are late.
    pub delay_time: Option<Number>,
}

/// A market in a search, and beside a position.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MarketLine {
    /// Its name for requests.
    pub epic: String,
    /// Its name for people.
    pub instrument_name: Option<String>,
    /// `DFB`, `-`, or a month.
    pub expiry: Option<String>,
    /// What it is sold at.
    pub bid: Option<Number>,
    /// What it is bought at.
    pub offer: Option<Number>,
    /// Whether it can be dealt in.
    pub market_status: Option<MarketStatus>,
    /// Whether its prices are streamed.
    pub streaming_prices_available: Option<bool>,
}

/// `GET /markets?searchTerm=`.
#[derive(Clone, Debug, Deserialize)]
pub struct Search {
    /// What was found.
    pub markets: Vec<MarketLine>,
}

/// `GET /prices/{epic}` version 3; version 2 has its allowance at the top.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prices {
    /// In order of time.
    pub prices: Vec<PriceBar>,
    /// Version 3.
    pub metadata: Option<PriceMetadata>,
    /// Versions 1 and 2.
    pub allowance: Option<HistoryAllowance>,
}

/// About a page of prices.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PriceMetadata {
    /// What is left of the week.
    pub allowance: Option<HistoryAllowance>,
    /// Which page it is.
    pub page_data: Option<PageData>,
}

/// What is left of a week's points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryAllowance {
    /// Points left.
    pub remaining_allowance: i64,
    /// Points a week.
    pub total_allowance: i64,
    /// Seconds until all are there again.
    pub allowance_expiry: i64,
}

/// Which page of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageData {
    /// Rows a page.
    pub page_size: i64,
    /// From 1.
    pub page_number: i64,
    /// 0 where there is nothing.
    pub total_pages: i64,
}

/// A bar of past prices.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PriceBar {
    /// Its start in the account's time: of no use.
    pub snapshot_time: String,
    /// Its start in UTC, `yyyy-MM-ddTHH:mm:ss`; version 3 alone.
    #[serde(rename = "snapshotTimeUTC")]
    pub snapshot_time_utc: Option<String>,
    /// First.
    pub open_price: TwoSided,
    /// Last.
    pub close_price: TwoSided,
    /// Highest.
    pub high_price: TwoSided,
    /// Lowest.
    pub low_price: TwoSided,
    /// How many prices, off an exchange.
    pub last_traded_volume: Option<Number>,
}

/// Bid and ask; either may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct TwoSided {
    /// What it is sold at.
    pub bid: Option<Number>,
    /// What it is bought at.
    pub ask: Option<Number>,
}

/// What a dealing request is answered with.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// What to ask the outcome by.
    pub deal_reference: String,
}

/// `GET /confirms/{dealReference}`, and `CONFIRMS` of the stream.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confirm {
    /// Ours, as we gave it.
    pub deal_reference: String,
    /// Theirs; of a close, that of the opening.
    pub deal_id: Option<String>,
    /// Taken or not.
    pub deal_status: DealVerdict,
    /// What it is now; null when rejected.
    pub status: Option<ConfirmStatus>,
    /// `SUCCESS`, or why not.
    pub reason: Option<String>,
    /// The market.
    pub epic: Option<String>,
    /// The side of the request.
    pub direction: Option<Side>,
    /// At what level.
    pub level: Option<Number>,
    /// How much.
    pub size: Option<Number>,
    /// Its stop.
    pub stop_level: Option<Number>,
    /// Its limit.
    pub limit_level: Option<Number>,
    /// Other deals that it changed.
    #[serde(default)]
    pub affected_deals: Vec<AffectedDeal>,
    /// Of a close, in [`Confirm::profit_currency`].
    pub profit: Option<Number>,
    /// Three letters.
    pub profit_currency: Option<String>,
    /// When, in UTC with milliseconds.
    pub date: Option<String>,
}

/// A deal that another changed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AffectedDeal {
    /// Theirs.
    pub deal_id: String,
    /// What became of it.
    pub status: AffectedStatus,
}

/// `OPU` of the stream: a position as it is now.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PositionUpdate {
    /// Of the request that changed it, if one did.
    pub deal_reference: Option<String>,
    /// Theirs.
    pub deal_id: Option<String>,
    /// The deal that opened it.
    pub deal_id_origin: Option<String>,
    /// `OPEN`, `UPDATED` or `DELETED`.
    pub status: Option<String>,
    /// Taken or not.
    pub deal_status: Option<DealVerdict>,
    /// The market.
    pub epic: Option<String>,
    /// Its side.
    pub direction: Option<Side>,
    /// At what level.
    pub level: Option<Number>,
    /// What is left of it.
    pub size: Option<Number>,
    /// Its stop.
    pub stop_level: Option<Number>,
    /// Its limit.
    pub limit_level: Option<Number>,
    /// When, in UTC with milliseconds.
    pub timestamp: Option<String>,
}

/// `GET /positions`.
#[derive(Clone, Debug, Deserialize)]
pub struct Positions {
    /// Every one of the account.
    pub positions: Vec<PositionLine>,
}

/// A position and its market.
#[derive(Clone, Debug, Deserialize)]
pub struct PositionLine {
    /// The position.
    pub position: Position,
    /// Its market.
    pub market: MarketLine,
}

/// A position; version 1 has other names for size and level.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Position {
    /// Theirs.
    pub deal_id: String,
    /// Of the request that opened it; version 2.
    pub deal_reference: Option<String>,
    /// Its side.
    pub direction: Side,
    /// How much.
    #[serde(alias = "dealSize")]
    pub size: Number,
    /// At what level.
    #[serde(alias = "openLevel")]
    pub level: Number,
    /// Its stop.
    pub stop_level: Option<Number>,
    /// Its limit.
    pub limit_level: Option<Number>,
    /// The currency it is dealt in.
    pub currency: Option<String>,
    /// When, `yyyy-MM-ddTHH:mm:ss` in UTC; version 2.
    #[serde(rename = "createdDateUTC")]
    pub created_date_utc: Option<String>,
}

/// `GET /workingorders`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkingOrders {
    /// Every one of the account.
    pub working_orders: Vec<WorkingOrderLine>,
}

/// A working order and its market.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkingOrderLine {
    /// The order.
    pub working_order_data: WorkingOrder,
    /// Its market.
    pub market_data: MarketLine,
}

/// A working order; version 1 has other names for size and level.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkingOrder {
    /// Theirs.
    pub deal_id: String,
    /// The side.
    pub direction: Side,
    /// The market.
    pub epic: String,
    /// How much.
    #[serde(alias = "size")]
    pub order_size: Number,
    /// Where it triggers.
    #[serde(alias = "level")]
    pub order_level: Number,
    /// How it waits; version 2.
    pub order_type: Option<OrderType>,
    /// How long it waits; version 2.
    pub time_in_force: Option<TimeInForce>,
    /// Until when, ISO in UTC.
    #[serde(rename = "goodTillDateISO")]
    pub good_till_date_iso: Option<String>,
    /// In points from the fill.
    pub stop_distance: Option<Number>,
    /// In points from the fill.
    pub limit_distance: Option<Number>,
}

/// `GET /clientsentiment/{marketId}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sentiment {
    /// The market's name for sentiment.
    pub market_id: String,
    /// Percent of clients that are long.
    pub long_position_percentage: f64,
    /// Percent of clients that are short.
    pub short_position_percentage: f64,
}

/// `GET /clientsentiment?marketIds=`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sentiments {
    /// Each.
    pub client_sentiments: Vec<Sentiment>,
}

/// `GET /history/activity` version 3.
#[derive(Clone, Debug, Deserialize)]
pub struct Activities {
    /// Newest first.
    pub activities: Vec<Activity>,
    /// Where more are.
    pub metadata: Option<ActivityMetadata>,
}

/// Where more activities are.
#[derive(Clone, Debug, Deserialize)]
pub struct ActivityMetadata {
    /// See there.
    pub paging: Option<ActivityPaging>,
}

/// The path of the next page.
#[derive(Clone, Debug, Deserialize)]
pub struct ActivityPaging {
    /// `/history/activity?…`; null on the last page.
    pub next: Option<String>,
}

/// Something that happened on the account.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Activity {
    /// When, in UTC.
    pub date: String,
    /// The market.
    pub epic: Option<String>,
    /// Theirs.
    pub deal_id: Option<String>,
    /// About what; version 3.
    #[serde(rename = "type")]
    pub kind: Option<ActivityType>,
    /// Who did it: `SYSTEM` for stops and limits.
    pub channel: Option<String>,
    /// Accepted or rejected; version 3.
    pub status: Option<DealVerdict>,
    /// For people.
    pub description: Option<String>,
    /// Only when asked for.
    pub details: Option<ActivityDetails>,
}

/// What an activity did.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityDetails {
    /// Of the request, if one did it.
    pub deal_reference: Option<String>,
    /// Deal by deal.
    #[serde(default)]
    pub actions: Vec<ActivityAction>,
    /// How much.
    pub size: Option<Number>,
    /// The side.
    pub direction: Option<Side>,
    /// At what level.
    pub level: Option<Number>,
    /// Its stop.
    pub stop_level: Option<Number>,
    /// Its limit.
    pub limit_level: Option<Number>,
}

/// What an activity did to one deal.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivityAction {
    /// What.
    pub action_type: ActionType,
    /// To which.
    pub affected_deal_id: Option<String>,
}

/// `GET /history/transactions` version 2.
#[derive(Clone, Debug, Deserialize)]
pub struct Transactions {
    /// Newest first.
    pub transactions: Vec<Transaction>,
    /// Which page it is.
    pub metadata: Option<TransactionMetadata>,
}

/// Which page of transactions it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionMetadata {
    /// See there.
    pub page_data: Option<PageData>,
}

/// Money that moved.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// When, in UTC.
    pub date_utc: Option<String>,
    /// When the deal was opened, in UTC.
    pub open_date_utc: Option<String>,
    /// The market's name for people.
    pub instrument_name: Option<String>,
    /// `£-4.20`, with commas at thousands.
    pub profit_and_loss: String,
    /// `DEAL`, `DEPO`, `WITH` and others.
    pub transaction_type: String,
    /// The tail of the closing deal's name.
    pub reference: Option<String>,
    /// `-` for none.
    pub open_level: Option<String>,
    /// `-` for none.
    pub close_level: Option<String>,
    /// `+1`, `-0.5`, or `-`.
    pub size: Option<String>,
}

impl Transaction {
    /// The money, signed; `None` where the text holds none.
    #[must_use]
    pub fn profit(&self) -> Option<Number> {
        let kept: String =
            self.profit_and_loss.chars().filter(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')).collect();
        Number::parse(&kept)
    }
}

/// An error's body.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// See [`super::fault`].
    pub error_code: String,
}

#[cfg(test)]
mod tests;
