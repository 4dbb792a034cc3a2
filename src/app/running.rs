//! A running arena as the surface sees it.

use std::sync::Arc;

use actix::Addr;
use arc_swap::ArcSwap;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use super::director::{Director, Explain, Find, Operate, View, ViewSeat};
use crate::control::{BarsView, Command, Control, ControlError, DecisionRow, Done, EquityView, FeedView, ModelView};
use crate::domain::SeatIdx;
use crate::flow::{Board, Explanation, PredictionRow, TradeRow};
use crate::ledger::read_trades;
use crate::store::actor::{Follow, Read, StoreActor};
use crate::store::{Followed, Snapshots, Store, StoreError, charts, views};

/// Whole lanes that are read at one time.
const ASIDE_MAX: usize = 2;

/// The actors behind the server.
pub(super) struct Running {
    board: Arc<ArcSwap<Board>>,
    director: Addr<Director>,
    store: Addr<StoreActor>,
    aside: Semaphore,
}

impl Running {
    pub(super) fn new(board: Arc<ArcSwap<Board>>, director: Addr<Director>, store: Addr<StoreActor>) -> Self {
        Self { board, director, store, aside: Semaphore::new(ASIDE_MAX) }
    }

    /// Reads what may be long from a snapshot, on a thread where no commit waits for it.
    async fn read_aside<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ControlError> {
        let _turn = self.aside.acquire().await.expect("nobody closes it");
        let store = Reader(self.store.clone()).snapshot().await.map_err(unread)?;
        let done = tokio::task::spawn_blocking(move || read(&*store)).await;
        done.map_err(|error| ControlError::Unavailable(format!("it was not read: {error}")))?.map_err(unread)
    }
}

fn gone(error: actix::MailboxError) -> ControlError {
    ControlError::Unavailable(format!("the arena is stopping ({error})"))
}

fn unread(error: StoreError) -> ControlError {
    ControlError::Unavailable(error.to_string())
}

/// The store's actor, for whoever reads a journal that goes on.
pub(super) struct Reader(pub(super) Addr<StoreActor>);

impl Snapshots for Reader {
    fn snapshot(&self) -> BoxFuture<'_, Result<Box<dyn Store>, StoreError>> {
        let read: Read<Box<dyn Store>> = Read(Box::new(|store| store.snapshot()));
        let taken = self.0.send(read);
        taken
            .map(|taken| match taken {
                Ok(taken) => taken,
                Err(error) => Err(StoreError::Io(format!("the arena is stopping ({error})"))),
            })
            .boxed()
    }

    fn follow(&self) -> BoxFuture<'_, Result<Followed, StoreError>> {
        let begun = self.0.send(Follow);
        begun
            .map(|begun| match begun {
                Ok(begun) => begun,
                Err(error) => Err(StoreError::Io(format!("the arena is stopping ({error})"))),
            })
            .boxed()
    }
}

impl Control for Running {
    fn board(&self) -> Arc<Board> {
        self.board.load_full()
    }

    fn trades(&self, model: String) -> BoxFuture<'_, Result<Vec<TradeRow>, ControlError>> {
        async move {
            let entry = self.director.send(Find(model)).await.map_err(gone)??;
            let seat = entry.seat;
            let trades = self.read_aside(move |store| read_trades(store, seat)).await?;
            Ok(trades.iter().map(|trade| entry.trade_row(trade)).collect())
        }
        .boxed()
    }

    fn explain(&self, model: String) -> BoxFuture<'_, Result<Explanation, ControlError>> {
        async move { self.director.send(Explain(model)).await.map_err(gone)? }.boxed()
    }

    fn model(&self, model: String) -> BoxFuture<'_, Result<ModelView, ControlError>> {
        async move {
            let answer = self.director.send(View(model.clone())).await.map_err(gone)?;
            if !matches!(answer, Err(ControlError::NoSuchModel { .. })) {
                return answer;
            }
            // A live deal leads to its model, too.
            let read = Read(Box::new(move |store| views::seat_of_deal(store, &model)));
            match self.store.send(read).await.map_err(gone)?.map_err(unread)? {
                Some(seat) => self.director.send(ViewSeat(SeatIdx(seat))).await.map_err(gone)?,
                None => answer,
            }
        }
        .boxed()
    }

    fn predictions(&self, model: String, last: usize) -> BoxFuture<'_, Result<Vec<PredictionRow>, ControlError>> {
        async move {
            let entry = self.director.send(Find(model)).await.map_err(gone)??;
            self.read_aside(move |store| views::predictions(store, &entry, last)).await
        }
        .boxed()
    }

    fn bars(&self, model: String, last: usize) -> BoxFuture<'_, Result<BarsView, ControlError>> {
        async move {
            let entry = self.director.send(Find(model)).await.map_err(gone)??;
            let read = Read(Box::new(move |store| charts::bars(store, &entry, last)));
            self.store.send(read).await.map_err(gone)?.map_err(unread)
        }
        .boxed()
    }

    fn equity(&self, model: String) -> BoxFuture<'_, Result<EquityView, ControlError>> {
        async move {
            let seat = self.director.send(Find(model)).await.map_err(gone)??.seat;
            let trades = self.read_aside(move |store| read_trades(store, seat)).await?;
            Ok(charts::equity(&trades))
        }
        .boxed()
    }

    fn decisions(&self, model: Option<String>, last: usize) -> BoxFuture<'_, Result<Vec<DecisionRow>, ControlError>> {
        async move {
            let model = match model {
                Some(name) => Some(self.director.send(Find(name)).await.map_err(gone)??.model),
                None => None,
            };
            let read = Read(Box::new(move |store| charts::decisions(store, model.as_deref(), last)));
            self.store.send(read).await.map_err(gone)?.map_err(unread)
        }
        .boxed()
    }

    fn feed(&self, last: usize) -> BoxFuture<'_, Result<FeedView, ControlError>> {
        async move {
            let read = Read(Box::new(move |store| charts::feed(store, last)));
            self.store.send(read).await.map_err(gone)?.map_err(unread)
        }
        .boxed()
    }

    fn audit(&self) -> BoxFuture<'_, Result<Vec<serde_json::Value>, ControlError>> {
        async move {
            let read = Read(Box::new(views::audit_texts));
            let records = self.store.send(read).await.map_err(gone)?.map_err(unread)?;
            let parsed = records.iter().map(|record| serde_json::from_str(record));
            parsed
                .collect::<Result<_, _>>()
                .map_err(|error| ControlError::Unavailable(format!("an audit record cannot be read: {error}")))
        }
        .boxed()
    }

    fn command(&self, command: Command) -> BoxFuture<'_, Result<Done, ControlError>> {
        async move { self.director.send(Operate(command)).await.map_err(gone)? }.boxed()
    }
}
