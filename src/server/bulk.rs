//! Answers that read the whole store: from a snapshot, on threads of their own, so that no bar waits for them.

use std::fmt::Display;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Surface;
use super::answers::problem;
use crate::report;
use crate::store::{Snapshots, Store};

/// How many may be made at one time: each may go through gigabytes.
const AT_ONCE_MAX: usize = 2;

/// Where snapshots come from, and who makes use of them at present.
pub(super) struct Bulk {
    snapshots: Option<Arc<dyn Snapshots>>,
    places: Semaphore,
}

impl Bulk {
    pub(super) fn new(snapshots: Option<Arc<dyn Snapshots>>) -> Self {
        Self { snapshots, places: Semaphore::new(AT_ONCE_MAX) }
    }

    /// A snapshot and a place among those who read one, or the answer to whoever has to do without.
    async fn begin(&self) -> Result<(Box<dyn Store>, SemaphorePermit<'_>), HttpResponse> {
        let Ok(place) = self.places.try_acquire() else {
            return Err(unavailable(
                "as many reports and exports as may be made at one time are being made: try later",
            ));
        };
        let Some(snapshots) = &self.snapshots else {
            return Err(unavailable("this arena has no store to read"));
        };
        let store = snapshots.snapshot().await.map_err(unavailable)?;
        Ok((store, place))
    }
}

fn unavailable(why: impl Display) -> HttpResponse {
    problem(StatusCode::SERVICE_UNAVAILABLE, &format!("unavailable: {why}"))
}

pub(super) async fn report(arena: web::Data<Surface>) -> HttpResponse {
    let (store, place) = match arena.bulk.begin().await {
        Ok(begun) => begun,
        Err(answer) => return answer,
    };
    let made = web::block(move || report::gather(&*store)).await;
    drop(place);
    match made {
        Ok(Ok(report)) => HttpResponse::Ok().json(report),
        Ok(Err(error)) => unavailable(error),
        Err(error) => unavailable(error),
    }
}
