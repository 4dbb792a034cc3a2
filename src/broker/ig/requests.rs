//! What we ask of IG, typed: bodies that say nothing where there is nothing to say.

use serde::Serialize;

use super::number::Number;
use super::wire::{OrderType, Side, TimeInForce};

/// `POST /positions/otc` version 2, at the market: stop and limit travel in the same request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenPosition {
    /// The market.
    pub epic: String,
    /// `DFB`, `-`, or a month.
    pub expiry: String,
    /// The currency of the deal.
    pub currency_code: String,
    /// The side.
    pub direction: Side,
    /// How much.
    pub size: Number,
    /// Always `MARKET`.
    pub order_type: &'static str,
    /// Never.
    pub guaranteed_stop: bool,
    /// Always: with a stop or limit it has to be.
    pub force_open: bool,
    /// Never.
    pub trailing_stop: bool,
    /// In points from the fill.
    pub stop_distance: Number,
    /// In points from the fill.
    pub limit_distance: Number,
    /// All at once or nothing.
    pub time_in_force: &'static str,
    /// Ours: the key to look it up by.
    pub deal_reference: String,
}

/// `PUT /positions/otc/{dealId}` version 2. What is absent is removed at IG, so both levels are always there.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AmendPosition {
    /// The stop.
    pub stop_level: Number,
    /// The limit.
    pub limit_level: Number,
    /// Never.
    pub guaranteed_stop: bool,
    /// Never.
    pub trailing_stop: bool,
}

/// `POST /positions/otc` version 1 with `_method: DELETE`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClosePosition {
    /// Theirs.
    pub deal_id: String,
    /// Opposite to the position.
    pub direction: Side,
    /// How much of it.
    pub size: Number,
    /// Always `MARKET`.
    pub order_type: &'static str,
}

/// `POST /workingorders/otc` version 2.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateOrder {
    /// The market.
    pub epic: String,
    /// `DFB`, `-`, or a month.
    pub expiry: String,
    /// The currency of the deal.
    pub currency_code: String,
    /// The side.
    pub direction: Side,
    /// How much.
    pub size: Number,
    /// Where it triggers.
    pub level: Number,
    /// How it waits.
    #[serde(rename = "type")]
    pub kind: OrderType,
    /// How long it waits.
    pub time_in_force: TimeInForce,
    /// Until when, `yyyy/MM/dd HH:mm:ss` in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub good_till_date: Option<String>,
    /// Never.
    pub guaranteed_stop: bool,
    /// Always: with a stop or limit it has to be.
    pub force_open: bool,
    /// In points from the fill.
    pub stop_distance: Number,
    /// In points from the fill.
    pub limit_distance: Number,
    /// Ours.
    pub deal_reference: String,
}

/// `PUT /workingorders/otc/{dealId}` version 2.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AmendOrder {
    /// Where it triggers.
    pub level: Number,
    /// How it waits.
    #[serde(rename = "type")]
    pub kind: OrderType,
    /// How long it waits.
    pub time_in_force: TimeInForce,
    /// Until when, `yyyy/MM/dd HH:mm:ss` in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub good_till_date: Option<String>,
    /// In points from the fill.
    pub stop_distance: Number,
    /// In points from the fill.
    pub limit_distance: Number,
}
