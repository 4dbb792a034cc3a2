//! `mlflow:name/33` and `mlflow:name@challenger`: how a configuration names a version that MLflow keeps.

use std::fmt;
use std::str::FromStr;

/// What begins every reference to MLflow.
const SCHEME: &str = "mlflow:";
/// The longest name of a registered model that is taken, in bytes.
const NAME_MAX: usize = 256;

/// A registered model and which of its versions.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct MlflowReference {
    /// The registered model.
    pub name: String,
    /// Which version.
    pub pick: Pick,
}

/// Which version of a registered model.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Pick {
    /// This one.
    Version(u64),
    /// The one that carries this alias.
    Alias(String),
}

/// Why a text is no reference to MLflow.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{text:?} is no MLflow model: want mlflow:NAME/VERSION or mlflow:NAME@ALIAS, such as mlflow:knn-crude/3; {why}"
)]
pub struct ReferenceError {
    text: String,
    why: &'static str,
}

impl MlflowReference {
    /// Whether a reference is meant for MLflow at all.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(SCHEME)
    }
}

impl FromStr for MlflowReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let wrong = |why| ReferenceError { text: text.to_owned(), why };
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| wrong("it does not begin with mlflow:"))?;
        let at = rest.rfind(['/', '@']).ok_or_else(|| wrong("no version and no alias is named"))?;
        let (name, pick) = (&rest[..at], &rest[at + 1..]);
        // MLflow itself takes no slash and no colon in a name.
        if name.is_empty() || name.len() > NAME_MAX || name.contains(['/', ':']) || name.contains(char::is_control) {
            return Err(wrong("the name is empty, too long, or has a slash or a colon"));
        }
        let pick = if rest[at..].starts_with('/') {
            let number = pick.parse().ok().filter(|number| *number > 0 && !pick.starts_with(['+', '0']));
            Pick::Version(number.ok_or_else(|| wrong("a version is a whole number from 1 on"))?)
        } else {
            let is_alias = !pick.is_empty()
                && pick.len() <= NAME_MAX
                && pick.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
            if !is_alias {
                return Err(wrong("an alias has letters, digits, dots, underscores and hyphens"));
            }
            Pick::Alias(pick.to_owned())
        };
        Ok(Self { name: name.to_owned(), pick })
    }
}

impl fmt::Display for MlflowReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pick {
            Pick::Version(version) => write!(f, "{SCHEME}{}/{version}", self.name),
            Pick::Alias(alias) => write!(f, "{SCHEME}{}@{alias}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_read_back_as_they_print() {
        for text in ["mlflow:knn-crude/33", "mlflow:knn@challenger", "mlflow:a b.c@v-1_x", "mlflow:odd@name/2"] {
            assert_eq!(text.parse::<MlflowReference>().unwrap().to_string(), text);
            assert!(MlflowReference::is_meant(text));
        }
        let alias = "mlflow:knn@challenger".parse::<MlflowReference>().unwrap();
        assert_eq!(alias.pick, Pick::Alias("challenger".to_owned()));
        assert!(!MlflowReference::is_meant("knn-crude@3"));
    }

    #[test]
    fn what_is_no_reference_says_what_one_is() {
        for text in [
            "knn@3",
            "mlflow:",
            "mlflow:knn",
            "mlflow:/3",
            "mlflow:knn/",
            "mlflow:knn/0",
            "mlflow:knn/-1",
            "mlflow:knn/+3",
            "mlflow:knn/03",
            "mlflow:knn/latest",
            "mlflow:a/b/3",
            "mlflow:a:b/3",
            "mlflow:knn@",
            "mlflow:knn@a b",
            "mlflow:knn@ä",
            "mlflow:kn\nn/3",
        ] {
            let said = text.parse::<MlflowReference>().unwrap_err().to_string();
            assert!(said.contains("mlflow:NAME/VERSION"), "{text}: {said}");
        }
    }
}
