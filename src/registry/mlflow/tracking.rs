//! Experiments, runs, what is logged to them, and the files that a server keeps.

use std::fmt;
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::transport::FetchError;
use super::{Mlflow, MlflowError};

/// Most metrics, and most of everything, in one `log-batch`.
const METRICS_MAX: usize = 1_000;
/// Most parameters, and most tags, in one `log-batch`.
const WORDS_MAX: usize = 100;
/// The longest value of a parameter that MLflow takes, in characters.
const PARAMETER_MAX: usize = 6_000;
/// The longest value of a tag that is sent, in characters; MLflow takes a little more.
const TAG_MAX: usize = 5_000;
/// The longest name of a parameter, metric or tag.
const KEY_MAX: usize = 250;
/// Most files of one model that are fetched, and the deepest folder.
const FILES_MAX: usize = 256;
const DEPTH_MAX: usize = 8;

/// The id of a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunStatus {
    /// Everything that belongs to it was logged.
    Finished,
    /// Not everything was.
    Failed,
}

/// One number of a run.
#[derive(Clone, PartialEq, Debug)]
pub struct Metric {
    /// Such as `validation.rmse`.
    pub key: String,
    /// Any number: what is not finite is sent as a word, which MLflow understands.
    pub value: f64,
    /// The place in a series; 0 for a single number.
    pub step: i64,
}

/// A word of a run or a version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tag {
    /// Its name.
    pub key: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
}

impl Tag {
    /// A tag; a value that is too long for MLflow is cut.
    #[must_use]
    pub fn new(key: impl Into<String>, value: impl AsRef<str>) -> Self {
        Self { key: clean_key(&key.into()), value: value.as_ref().chars().take(TAG_MAX).collect() }
    }
}

/// MLflow takes letters, digits, and `_-./ :` in names.
fn clean_key(key: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-./ :".contains(c);
    key.chars().take(KEY_MAX).map(|c| if fits(c) { c } else { '_' }).collect()
}

/// A run that was begun, and where its files go.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The address of its files.
    pub artifact_uri: String,
}

#[derive(Deserialize)]
struct ExperimentAnswer {
    experiment: Experiment,
}

#[derive(Deserialize)]
struct Experiment {
    experiment_id: String,
    #[serde(default)]
    lifecycle_stage: String,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
struct ExperimentId {
    experiment_id: String,
}

#[derive(Deserialize)]
pub(super) struct RunAnswer {
    pub(super) run: RunBody,
}

#[derive(Deserialize)]
pub(super) struct RunBody {
    pub(super) info: RunInfo,
}

#[derive(Deserialize)]
pub(super) struct RunInfo {
    pub(super) run_id: String,
    pub(super) artifact_uri: String,
}

#[derive(Deserialize)]
struct Files {
    #[serde(default)]
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    path: String,
    #[serde(default)]
    is_dir: bool,
    #[serde(default)]
    file_size: Option<u64>,
}

impl Mlflow {
    /// The id of the experiment of that name, which is made where there is none.
    ///
    /// # Errors
    /// [`MlflowError`]; also where the experiment is in the server's bin.
    pub async fn experiment(&self, name: &str) -> Result<String, MlflowError> {
        let found = match self.experiment_by_name(name).await {
            Err(error) if error.is_missing() => {
                match self.send::<ExperimentId>(Method::POST, "experiments/create", &json!({ "name": name })).await {
                    Ok(made) => return Ok(made.experiment_id),
                    // Somebody else was quicker.
                    Err(error) if is_taken(&error) => self.experiment_by_name(name).await?,
                    Err(error) => return Err(error),
                }
            }
            found => found?,
        };
        if found.lifecycle_stage == "deleted" {
            return Err(MlflowError::Refused {
                address: self.address().to_owned(),
                what: format!("experiment {name:?}"),
                code: "deleted".to_owned(),
                message: "it is in the server's bin: restore it, or name another in MLFLOW_EXPERIMENT_NAME".to_owned(),
            });
        }
        Ok(found.experiment_id)
    }

    /// Puts tags on the experiment of that name, which is made where there is none; each takes the place of the one with
    /// its key.
    ///
    /// # Errors
    /// [`MlflowError`]; also where the experiment is in the server's bin.
    pub async fn tag_experiment(&self, name: &str, tags: &[Tag]) -> Result<(), MlflowError> {
        let id = self.experiment(name).await?;
        for Tag { key, value } in tags {
            let body = json!({ "experiment_id": id, "key": key, "value": value });
            self.send::<Value>(Method::POST, "experiments/set-experiment-tag", &body).await?;
        }
        Ok(())
    }

    /// The tags of the experiment of that name.
    ///
    /// # Errors
    /// [`MlflowError`]; also where there is none.
    pub async fn experiment_tags(&self, name: &str) -> Result<Vec<Tag>, MlflowError> {
        Ok(self.experiment_by_name(name).await?.tags)
    }

    async fn experiment_by_name(&self, name: &str) -> Result<Experiment, MlflowError> {
        let answer: ExperimentAnswer = self.get("experiments/get-by-name", &[("experiment_name", name)]).await?;
        Ok(answer.experiment)
    }

    /// Begins a run at `start_ms`, milliseconds since 1970.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub async fn begin_run(
        &self,
        experiment: &str,
        name: &str,
        start_ms: i64,
        tags: &[Tag],
    ) -> Result<Run, MlflowError> {
        let body = json!({ "experiment_id": experiment, "run_name": name, "start_time": start_ms, "tags": tags });
        let answer: RunAnswer = self.send(Method::POST, "runs/create", &body).await?;
        Ok(Run { id: RunId(answer.run.info.run_id), artifact_uri: answer.run.info.artifact_uri })
    }

    /// Ends a run at `end_ms`.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub async fn end_run(&self, run: &RunId, status: RunStatus, end_ms: i64) -> Result<(), MlflowError> {
        let status = match status {
            RunStatus::Finished => "FINISHED",
            RunStatus::Failed => "FAILED",
        };
        let body = json!({ "run_id": run, "status": status, "end_time": end_ms });
        self.send::<Value>(Method::POST, "runs/update", &body).await.map(drop)
    }

    /// Logs parameters, metrics (stamped `at_ms`) and tags, in as many calls as MLflow's limits ask for.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub async fn log(
        &self,
        run: &RunId,
        parameters: &[(String, String)],
        metrics: &[Metric],
        tags: &[Tag],
        at_ms: i64,
    ) -> Result<(), MlflowError> {
        for batch in batches(parameters, metrics, tags, at_ms) {
            let mut body = batch;
            body["run_id"] = json!(run);
            self.send::<Value>(Method::POST, "runs/log-batch", &body).await?;
        }
        Ok(())
    }

    /// Uploads `bytes` as the file `name` (with folders, if any) below `uri`, the address of a run's files.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub async fn upload(&self, uri: &str, name: &str, bytes: Vec<u8>) -> Result<(), MlflowError> {
        let root = self.served_path(uri)?;
        self.put_file(&format!("{root}/{name}"), bytes).await
    }

    /// Downloads everything below `uri` into the folder `into`, and returns the files by their names below it, sorted.
    ///
    /// # Errors
    /// [`FetchError`]; also for names that would lead out of the folder, and for more files than a model has.
    pub async fn download(&self, uri: &str, into: &Path) -> Result<Vec<PathBuf>, FetchError> {
        let root = self.served_path(uri)?;
        let what = format!("files of {uri}");
        let mut waiting = vec![(String::new(), 0)];
        let mut found = Vec::new();
        let mut bytes = 0_u64;
        while let Some((folder, depth)) = waiting.pop() {
            let at = if folder.is_empty() { root.clone() } else { format!("{root}/{folder}") };
            for file in self.get_files::<Files>(&at).await?.files {
                if !is_plain(&file.path) {
                    return Err(self.nonsense(&what, format!("a file is called {:?}", file.path)).into());
                }
                let name = if folder.is_empty() { file.path } else { format!("{folder}/{}", file.path) };
                if file.is_dir && depth < DEPTH_MAX {
                    waiting.push((name, depth + 1));
                } else if !file.is_dir {
                    bytes = bytes.saturating_add(file.file_size.unwrap_or_default());
                    found.push(name);
                }
                if found.len() + waiting.len() > FILES_MAX || bytes > self.file_bytes() {
                    let why = format!("more than {FILES_MAX} files or {} bytes", self.file_bytes());
                    return Err(self.nonsense(&what, why).into());
                }
            }
        }
        if found.is_empty() {
            let (address, message) = (self.address().to_owned(), "there is no file".to_owned());
            return Err(MlflowError::Missing { address, what, message }.into());
        }
        found.sort();
        for name in &found {
            let to = into.join(name);
            if let Some(parent) = to.parent() {
                tokio::fs::create_dir_all(parent).await?;
            }
            self.get_file(&format!("{root}/{name}"), &to).await?;
        }
        Ok(found.into_iter().map(PathBuf::from).collect())
    }

    /// The path below the server's own artifacts that a `mlflow-artifacts:` address means.
    pub(super) fn served_path(&self, uri: &str) -> Result<String, MlflowError> {
        let elsewhere = |why: String| MlflowError::Elsewhere { uri: uri.to_owned(), why };
        let rest = uri.strip_prefix("mlflow-artifacts:").ok_or_else(|| {
            elsewhere("a server started with --artifacts-destination serves the files of its experiments".to_owned())
        })?;
        let path = match rest.strip_prefix("//") {
            Some(rest) => {
                let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                if !host.is_empty() && host != self.authority() {
                    return Err(elsewhere(format!("that is of another server than {}", self.address())));
                }
                path
            }
            None => rest,
        };
        let path = path.trim_matches('/');
        if path.is_empty() || path.split('/').any(|piece| !is_plain(piece)) {
            return Err(elsewhere("its path is none below the server's files".to_owned()));
        }
        Ok(path.to_owned())
    }
}

/// Whether a name stands for an entry of a folder and nothing else.
fn is_plain(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', ':']) && !name.contains(char::is_control)
}

pub(super) fn is_taken(error: &MlflowError) -> bool {
    matches!(error, MlflowError::Refused { code, .. } if code == "RESOURCE_ALREADY_EXISTS")
}

/// The bodies of `log-batch`, without the run.
fn batches(parameters: &[(String, String)], metrics: &[Metric], tags: &[Tag], at_ms: i64) -> Vec<Value> {
    let mut bodies: Vec<Value> = Vec::new();
    for some in metrics.chunks(METRICS_MAX) {
        let metrics: Vec<Value> = some
            .iter()
            .map(|metric| {
                let value = match metric.value {
                    value if value.is_nan() => json!("NaN"),
                    value if value.is_infinite() => json!(if value > 0.0 { "Infinity" } else { "-Infinity" }),
                    value => json!(value),
                };
                json!({ "key": clean_key(&metric.key), "value": value, "timestamp": at_ms, "step": metric.step })
            })
            .collect();
        bodies.push(json!({ "metrics": metrics }));
    }
    for some in parameters.chunks(WORDS_MAX) {
        let parameters: Vec<Value> = some
            .iter()
            .map(|(key, value)| {
                let value: String = value.chars().take(PARAMETER_MAX).collect();
                json!({ "key": clean_key(key), "value": value })
            })
            .collect();
        bodies.push(json!({ "params": parameters }));
    }
    bodies.extend(tags.chunks(WORDS_MAX).map(|some| json!({ "tags": some })));
    bodies
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::mlflow::{Access, Limits};

    #[test]
    fn what_is_logged_keeps_to_the_limits_of_a_call() {
        let parameters: Vec<_> = (0..201).map(|n| (format!("p{n}"), "x".repeat(9_000))).collect();
        let metrics: Vec<_> =
            (0..1_001).map(|n| Metric { key: format!("m{n}"), value: f64::from(n), step: 0 }).collect();
        let tags: Vec<_> = (0..101).map(|n| Tag::new(format!("t{n}"), "é".repeat(9_000))).collect();
        let bodies = batches(&parameters, &metrics, &tags, 7);
        let counts = |key: &str| -> Vec<usize> {
            bodies.iter().filter_map(|body| body.get(key)?.as_array().map(Vec::len)).collect()
        };
        assert_eq!(counts("metrics"), [1_000, 1]);
        assert_eq!(counts("params"), [100, 100, 1]);
        assert_eq!(counts("tags"), [100, 1]);
        assert_eq!(bodies[2]["params"][0]["value"].as_str().unwrap().len(), PARAMETER_MAX);
        assert_eq!(bodies[5]["tags"][0]["value"].as_str().unwrap().chars().count(), TAG_MAX);
    }

    #[test]
    fn numbers_that_json_lacks_travel_as_words_and_names_lose_odd_characters() {
        let metric = |value| Metric { key: "r²@test".to_owned(), value, step: 0 };
        let bodies = batches(&[], &[metric(f64::NAN), metric(f64::INFINITY), metric(-0.5)], &[], 7);
        let values: Vec<&Value> = bodies[0]["metrics"].as_array().unwrap().iter().map(|m| &m["value"]).collect();
        assert_eq!(values, [&json!("NaN"), &json!("Infinity"), &json!(-0.5)]);
        assert_eq!(bodies[0]["metrics"][0]["key"], "r__test");
    }

    #[test]
    fn only_files_that_the_server_itself_serves_are_reached() {
        let mlflow = Mlflow::new("http://127.0.0.1:5000/sub/", Access::Open, Limits::default()).unwrap();
        for (uri, path) in [
            ("mlflow-artifacts:/1/abc/artifacts/model", "1/abc/artifacts/model"),
            ("mlflow-artifacts:/1/abc/", "1/abc"),
            ("mlflow-artifacts:///1", "1"),
            ("mlflow-artifacts://127.0.0.1:5000/1", "1"),
        ] {
            assert_eq!(mlflow.served_path(uri).unwrap(), path, "{uri}");
        }
        for uri in [
            "s3://bucket/1",
            "file:///etc",
            "mlflow-artifacts:/../../etc",
            "mlflow-artifacts:/",
            "mlflow-artifacts://other:5000/1",
            "mlflow-artifacts:/a//b",
        ] {
            assert!(matches!(mlflow.served_path(uri), Err(MlflowError::Elsewhere { .. })), "{uri}");
        }
    }
}
