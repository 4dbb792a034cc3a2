//! Which MLflow, by what right, and where ONNX Runtime is: from the configuration and from the environment, whose names
//! are those that MLflow's own client and ONNX Runtime go by.

use std::path::{Path, PathBuf};

use super::{Access, Limits, Mlflow, MlflowError};
use crate::models::fitted::OnnxError;
use crate::models::fitted::onnx;

/// Runs belong to the experiment of this name where `MLFLOW_EXPERIMENT_NAME` names no other.
const EXPERIMENT: &str = "arena";

/// A variable of the environment that says something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The server that is named, if one is: `configured` goes before `MLFLOW_TRACKING_URI`. A variable that names no server
/// (a file or a database, which MLflow's own client would open itself) is passed over with a warning: it may be meant for
/// other programs.
///
/// # Errors
/// [`MlflowError::BadAddress`] for a configured address that is none.
pub fn named(configured: Option<&str>) -> Result<Option<Mlflow>, MlflowError> {
    let access = || {
        Access::of(
            variable("MLFLOW_TRACKING_TOKEN"),
            variable("MLFLOW_TRACKING_USERNAME"),
            variable("MLFLOW_TRACKING_PASSWORD"),
        )
    };
    let client = |address: &str| Mlflow::new(address, access(), Limits::default());
    if let Some(address) = configured.map(str::trim).filter(|address| !address.is_empty()) {
        return client(address).map(Some);
    }
    let Some(address) = variable("MLFLOW_TRACKING_URI") else { return Ok(None) };
    match client(&address) {
        Ok(mlflow) => Ok(Some(mlflow)),
        Err(error) => {
            tracing::warn!(%error, "MLFLOW_TRACKING_URI is passed over");
            Ok(None)
        }
    }
}

/// The experiment that runs belong to.
#[must_use]
pub fn experiment() -> String {
    variable("MLFLOW_EXPERIMENT_NAME").unwrap_or_else(|| EXPERIMENT.to_owned())
}

/// Has ONNX Runtime at hand, where its library is named: `configured` goes before `ORT_DYLIB_PATH`. Where it is not, or
/// where this program was built without it, whatever needs it says so.
///
/// # Errors
/// [`OnnxError::Library`] for a library that cannot be loaded.
pub fn use_onnxruntime(configured: Option<&Path>) -> Result<(), OnnxError> {
    let library = configured.map(Path::to_owned).or_else(|| variable("ORT_DYLIB_PATH").map(PathBuf::from));
    match library {
        Some(library) if onnx::is_built() => onnx::use_library(&library),
        _ => Ok(()),
    }
}
