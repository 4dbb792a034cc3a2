//! arena: a multi-model shadow arena for automated trading on IG.
//!
//! ```text
//! feed ─quotes→ bars ─rounds→ director ─slice→ hosts (seats: model + paper ledger)
//!                                │  ←reports─┘
//!                                ├→ promoter (evidence, gates, lifecycle) ─changes→ desk ─orders→ broker
//!                                ├→ store (journal, durable before done)
//!                                └→ board → server (page, API, metrics)
//! ```
//!
//! The modules stand in the order of that flow. `docs/ARCHITECTURE.md` holds the laws that they keep.

pub mod clock;
pub mod config;
pub mod control;
pub mod domain;
pub mod flow;
pub mod http;
pub mod statistics;

pub mod bars;
pub mod feed;
pub mod history;
pub mod lightstreamer;
pub mod sim;

pub mod ledger;
pub mod models;
pub mod process;
pub mod registry;
pub mod seats;
pub mod training;

pub mod promoter;

pub mod calibrate;

pub mod broker;
pub mod desk;

pub mod settle;
pub mod store;

pub mod export;
#[cfg(feature = "sql")]
pub mod mirror;
pub mod notify;
pub mod report;
pub mod server;
pub mod telemetry;

pub mod deploy;

pub mod app;
pub mod cli;
pub mod pipeline;
