//! Registered models: their versions, where a version's files lie, and the aliases that people and promoters set.

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::tracking::{RunAnswer, Tag, is_taken};
use super::{Mlflow, MlflowError, MlflowReference, Pick, RunId};

/// How often one address may lead to another (`models:/name/3` to `runs:/…` to `mlflow-artifacts:/…`).
const HOPS_MAX: usize = 4;

/// One version of a registered model.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Version {
    /// The registered model.
    pub name: String,
    /// Its number.
    #[serde(deserialize_with = "number")]
    pub version: u64,
    /// Where its files lie, as whoever made it said.
    #[serde(default)]
    pub source: String,
    /// The run that it came from, where there is one.
    #[serde(default)]
    pub run_id: String,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<Tag>,
    /// Why it cannot be used, if it cannot.
    #[serde(default)]
    status: String,
}

impl Version {
    /// The value of a tag.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str())
    }
}

/// MLflow writes numbers of versions as text.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Number(u64),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(|_| serde::de::Error::custom(format!("version {text:?}"))),
    }
}

#[derive(Deserialize)]
struct VersionAnswer {
    model_version: Version,
}

#[derive(Deserialize)]
struct VersionsAnswer {
    #[serde(default)]
    model_versions: Vec<Version>,
}

#[derive(Deserialize)]
struct UriAnswer {
    artifact_uri: String,
}

#[derive(Deserialize)]
struct LoggedAnswer {
    model: LoggedModel,
}

#[derive(Deserialize)]
struct LoggedModel {
    info: LoggedInfo,
}

#[derive(Deserialize)]
struct LoggedInfo {
    artifact_uri: String,
}

impl Mlflow {
    /// Makes the registered model where there is none of that name.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub async fn register(&self, name: &str, tags: &[Tag]) -> Result<(), MlflowError> {
        let body = json!({ "name": name, "tags": tags });
        match self.send::<Value>(Method::POST, "registered-models/create", &body).await {
            Err(error) if !is_taken(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes a new version of a registered model from the files at `source`.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub async fn new_version(
        &self,
        name: &str,
        source: &str,
        run: &RunId,
        tags: &[Tag],
        description: &str,
    ) -> Result<Version, MlflowError> {
        let body = json!({ "name": name, "source": source, "run_id": run, "tags": tags, "description": description });
        let answer: VersionAnswer = self.send(Method::POST, "model-versions/create", &body).await?;
        Ok(answer.model_version)
    }

    /// The newest version of `name` that carries the tag `key = value`, if there is one. Neither may hold a quote.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub async fn version_with_tag(&self, name: &str, key: &str, value: &str) -> Result<Option<Version>, MlflowError> {
        let filter = format!("name='{name}' and tags.`{key}` = '{value}'");
        // The answer is held against what was asked: a server that ignores the filter must not fool us.
        let versions = self.search(&filter).await?;
        Ok(versions.into_iter().find(|version| version.name == name && version.tag(key) == Some(value)))
    }

    /// The newest versions first.
    async fn search(&self, filter: &str) -> Result<Vec<Version>, MlflowError> {
        let query = [("filter", filter), ("order_by", "version_number DESC"), ("max_results", "100")];
        let mut versions = self.get::<VersionsAnswer>("model-versions/search", &query).await?.model_versions;
        versions.sort_by_key(|version| std::cmp::Reverse(version.version));
        Ok(versions)
    }

    /// The version that a reference means; the alias `latest` means the one with the highest number.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub async fn version(&self, reference: &MlflowReference) -> Result<Version, MlflowError> {
        let name = reference.name.as_str();
        let version = match &reference.pick {
            Pick::Version(number) => {
                let query = [("name", name), ("version", &number.to_string())];
                self.get::<VersionAnswer>("model-versions/get", &query).await?.model_version
            }
            Pick::Alias(alias) if alias == "latest" => {
                let newest = self.search(&format!("name=\"{name}\"")).await?.into_iter().find(|v| v.name == name);
                newest.ok_or_else(|| MlflowError::Missing {
                    address: self.address().to_owned(),
                    what: reference.to_string(),
                    message: "there is no version".to_owned(),
                })?
            }
            Pick::Alias(alias) => self.aliased(name, alias).await?.ok_or_else(|| MlflowError::Missing {
                address: self.address().to_owned(),
                what: reference.to_string(),
                message: format!("no version has the alias {alias}"),
            })?,
        };
        if !matches!(version.status.as_str(), "" | "READY") {
            let (what, code) = (reference.to_string(), version.status.clone());
            let message = format!("version {} is not ready", version.version);
            return Err(MlflowError::Refused { address: self.address().to_owned(), what, code, message });
        }
        Ok(version)
    }

    /// The version that carries an alias, if one does.
    ///
    /// # Errors
    /// [`MlflowError`]; also where there is no such registered model.
    pub async fn aliased(&self, name: &str, alias: &str) -> Result<Option<Version>, MlflowError> {
        match self.get::<VersionAnswer>("registered-models/alias", &[("name", name), ("alias", alias)]).await {
            Ok(answer) => Ok(Some(answer.model_version)),
            // The server's word for an alias that nobody carries.
            Err(MlflowError::Refused { code, .. }) if code == "INVALID_PARAMETER_VALUE" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives a version an alias, taking it from another that had it.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub async fn set_alias(&self, name: &str, alias: &str, version: u64) -> Result<(), MlflowError> {
        let body = json!({ "name": name, "alias": alias, "version": version.to_string() });
        self.send::<Value>(Method::POST, "registered-models/alias", &body).await.map(drop)
    }

    /// Takes an alias off whichever version carries it; none is no error.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub async fn delete_alias(&self, name: &str, alias: &str) -> Result<(), MlflowError> {
        let body = json!({ "name": name, "alias": alias });
        self.send::<Value>(Method::DELETE, "registered-models/alias", &body).await.map(drop)
    }

    /// Where the files of a version lie: always a `mlflow-artifacts:` address, whatever its source was called.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub async fn files_of(&self, version: &Version) -> Result<String, MlflowError> {
        let mut uri = self.download_uri(&version.name, &version.version.to_string()).await?;
        for _ in 0..HOPS_MAX {
            let next = if let Some(rest) = uri.strip_prefix("runs:/") {
                let (run, path) = rest.trim_start_matches('/').split_once('/').unwrap_or((rest, ""));
                let answer: RunAnswer = self.get("runs/get", &[("run_id", run)]).await?;
                format!("{}/{path}", answer.run.info.artifact_uri.trim_end_matches('/'))
            } else if let Some(id) = uri.strip_prefix("models:/").filter(|rest| rest.starts_with("m-")) {
                let (id, path) = id.split_once('/').unwrap_or((id, ""));
                let answer: LoggedAnswer = self.get(&format!("logged-models/{id}"), &[]).await?;
                format!("{}/{path}", answer.model.info.artifact_uri.trim_end_matches('/'))
            } else if let Some((name, version)) = uri.strip_prefix("models:/").and_then(|rest| rest.split_once('/')) {
                self.download_uri(name, version).await?
            } else {
                self.served_path(&uri)?;
                return Ok(uri);
            };
            uri = next;
        }
        Err(self.nonsense("get-download-uri", format!("{uri} leads in a circle")))
    }

    async fn download_uri(&self, name: &str, version: &str) -> Result<String, MlflowError> {
        let query = [("name", name), ("version", version)];
        Ok(self.get::<UriAnswer>("model-versions/get-download-uri", &query).await?.artifact_uri)
    }
}
