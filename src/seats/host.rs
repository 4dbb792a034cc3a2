//! The model actor: holds one block of seats on an arbiter of its own and runs it when the director says so.

use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, MessageResult};

use super::{Block, BlockReport, Wants};
use crate::flow::Slice;

/// Runs a slice over the host's seats; `None` once its seats were taken away.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Option<BlockReport>")]
pub struct RunSlice {
    /// The rounds.
    pub slice: Arc<Slice>,
    /// What else to hand in.
    pub wants: Wants,
    /// Whether each seat must be reachable while another one blocks.
    pub is_live: bool,
}

/// A model actor.
#[derive(Debug)]
pub struct Host {
    block: Block,
}

impl Host {
    /// A host of `block`.
    #[must_use]
    pub fn new(block: Block) -> Self {
        Self { block }
    }
}

impl Actor for Host {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        // The director waits for each answer, so that one message at a time is all there ever is.
        context.set_mailbox_capacity(2);
    }
}

impl Handler<RunSlice> for Host {
    type Result = MessageResult<RunSlice>;

    fn handle(&mut self, message: RunSlice, _: &mut Self::Context) -> Self::Result {
        MessageResult(if message.is_live {
            self.block.run_live(&message.slice, message.wants)
        } else {
            Some(self.block.run(&message.slice, message.wants))
        })
    }
}
