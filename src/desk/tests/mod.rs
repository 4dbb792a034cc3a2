//! The desk against the in-process venue and the scripted broker: every rule of live dealing by an example.

mod breaks;
mod crash;
mod dealing;
mod simulation;
mod venue;
mod world;
