//! Our client of IG against the simulator, over real sockets: logins, reads, deals and the feed, on good days and bad
//! ones. What was sent is read from the simulator's list of requests.

#![expect(clippy::unwrap_used, reason = "tests")]

mod bench;
mod dealing;
mod feed;
mod reads;
mod session;
