//! Where model versions are kept.

pub mod mlflow;
