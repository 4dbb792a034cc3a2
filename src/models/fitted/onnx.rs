//! Models made elsewhere, in the ONNX format, run by ONNX Runtime.
//!
//! The runtime is a library that is loaded when it is first needed; [`use_library`] says from where. Whoever brings a
//! model brings probes too: rows with the values that the model gave where it was made. They travel inside of the
//! artefact, and a model that does not give them again here is refused, whatever the reason (another runtime, a
//! converter's fault, columns in another order).
//!
//! A session runs one row at a time on one thread, so that an estimate depends on its row alone. Rows go in as the
//! type that the model takes, `f32` mostly: expect differences of 1e-7 or so to where it was made.

use std::path::Path;
use std::sync::Arc;

use super::ArtefactError;
use super::tensors::{Reader, Writer};

/// What to say where this program was built without the runtime.
pub const NOT_BUILT: &str = "built without the feature onnx: cargo install --features onnx";
/// The largest difference to a probe that is taken where nobody says another.
pub const TOLERANCE: f64 = 1e-5;
/// Most probes of a model.
pub const PROBES_MAX: usize = 1_000;

/// Why a model in the ONNX format cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OnnxError {
    /// This program lacks the part that runs such models.
    #[error("{NOT_BUILT}")]
    NotBuilt,
    /// The runtime's library is not known, or not usable. Mend the configuration.
    #[error("ONNX Runtime: {0}")]
    Library(String),
    /// Not a model that takes one row and gives one number.
    #[error("the ONNX model cannot be used: {0}")]
    Unusable(String),
    /// It gives other values than where it was made.
    #[error(
        "the ONNX model is refused: probe {probe} gives {got} where it gave {want} when it was made, and {tolerance} is \
         the largest difference that is taken"
    )]
    Probe {
        /// Which probe, counted from 1.
        probe: usize,
        /// What it gave where it was made.
        want: String,
        /// What it gives here.
        got: String,
        /// The largest difference that is taken.
        tolerance: String,
    },
}

/// Rows, and what the model gave for them where it was made.
#[derive(Clone, PartialEq, Debug)]
pub struct Probes {
    width: usize,
    rows: Vec<f64>,
    y: Vec<f64>,
    tolerance: f64,
}

impl Probes {
    /// From rows of one width with a value each.
    ///
    /// # Errors
    /// [`OnnxError::Unusable`] where there is none, where widths differ, or where a number is not finite.
    pub fn new(rows: &[(Vec<f64>, f64)], tolerance: f64) -> Result<Self, OnnxError> {
        let wrong = |why: String| Err(OnnxError::Unusable(why));
        let width = rows.first().map_or(0, |(row, _)| row.len());
        if width == 0 || rows.len() > PROBES_MAX {
            return wrong(format!("{} probe rows, where 1 to {PROBES_MAX} are wanted", rows.len()));
        }
        if !tolerance.is_finite() || tolerance < 0.0 {
            return wrong(format!("a tolerance of {tolerance}"));
        }
        for (nth, (row, y)) in rows.iter().enumerate() {
            if row.len() != width {
                return wrong(format!("probe {} has {} columns, the first has {width}", nth + 1, row.len()));
            }
            if !row.iter().chain([y]).all(|value| value.is_finite()) {
                return wrong(format!("probe {} has a value that is not finite", nth + 1));
            }
        }
        let flat = rows.iter().flat_map(|(row, _)| row.iter().copied()).collect();
        Ok(Self { width, rows: flat, y: rows.iter().map(|(_, y)| *y).collect(), tolerance })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.y.len()
    }

    /// The largest difference that is taken.
    #[must_use]
    pub fn tolerance(&self) -> f64 {
        self.tolerance
    }

    /// How wide their rows are.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }
}

/// A model in the ONNX format, ready to run.
#[derive(Clone)]
pub struct Onnx {
    file: Arc<[u8]>,
    probes: Probes,
    session: session::Shared,
}

impl std::fmt::Debug for Onnx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Onnx")
            .field("bytes", &self.file.len())
            .field("width", &self.probes.width)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Onnx {
    fn eq(&self, other: &Self) -> bool {
        self.file == other.file && self.probes == other.probes
    }
}

impl Onnx {
    /// Loads the model in `file` and holds it against its probes.
    ///
    /// # Errors
    /// [`OnnxError`].
    pub fn new(file: Vec<u8>, probes: Probes) -> Result<Self, OnnxError> {
        let session = session::load(&file, probes.width)?;
        let model = Self { file: file.into(), probes, session };
        for (nth, (row, want)) in model.probes.rows.chunks(model.probes.width).zip(&model.probes.y).enumerate() {
            let got = model.value(row);
            // A value that is no number is not near.
            let is_near = (got - want).abs() <= model.probes.tolerance;
            if !is_near {
                return Err(OnnxError::Probe {
                    probe: nth + 1,
                    want: want.to_string(),
                    got: got.to_string(),
                    tolerance: model.probes.tolerance.to_string(),
                });
            }
        }
        Ok(model)
    }

    /// How wide a row is.
    #[must_use]
    pub fn width(&self) -> usize {
        self.probes.width
    }

    /// What it is held against.
    #[must_use]
    pub fn probes(&self) -> &Probes {
        &self.probes
    }

    /// What it gives for a row; NaN where the runtime fails.
    #[must_use]
    pub fn value(&self, row: &[f64]) -> f64 {
        self.session.run(row)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.bytes("file", &self.file);
        out.matrix("probe_rows", &[self.probes.count(), self.probes.width], &self.probes.rows);
        out.numbers("probe_y", &self.probes.y);
        out.number("tolerance", self.probes.tolerance);
    }

    pub(super) fn read(from: &Reader<'_>) -> Result<Self, ArtefactError> {
        let (count, width, rows) = from.matrix("probe_rows")?;
        let y = from.numbers_of("probe_y", count)?;
        let rows: Vec<(Vec<f64>, f64)> = rows.chunks(width).map(<[f64]>::to_vec).zip(y).collect();
        let probes = Probes::new(&rows, from.number("tolerance")?)?;
        Ok(Self::new(from.bytes("file")?.to_vec(), probes)?)
    }
}

/// Tells where the library of ONNX Runtime is. The first that could be loaded stays for the life of the process.
///
/// # Errors
/// [`OnnxError::Library`] where it cannot be loaded, [`OnnxError::NotBuilt`].
pub fn use_library(path: &Path) -> Result<(), OnnxError> {
    session::use_library(path)
}

/// Whether this program has the part that runs such models.
#[must_use]
pub fn is_built() -> bool {
    cfg!(feature = "onnx")
}

/// A text that a model carries under `key` in its own metadata, if it has one.
///
/// # Errors
/// [`OnnxError`].
pub fn metadata(file: &[u8], key: &str) -> Result<Option<String>, OnnxError> {
    session::metadata(file, key)
}

#[cfg(feature = "onnx")]
mod session {
    use std::path::Path;
    use std::sync::{Arc, Mutex, OnceLock, PoisonError};

    use ort::environment::Environment;
    use ort::logging::LogLevel;
    use ort::session::Session;
    use ort::value::{Tensor, TensorElementType, ValueType};

    use super::OnnxError;

    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    static LOADING: Mutex<()> = Mutex::new(());

    /// What is shared by all who ask the same model. The runtime wants a session for itself while it runs.
    #[derive(Clone)]
    pub(super) struct Shared {
        session: Arc<Mutex<Session>>,
        takes_doubles: bool,
    }

    pub(super) fn use_library(path: &Path) -> Result<(), OnnxError> {
        let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
        if ENVIRONMENT.get().is_some() {
            return Ok(());
        }
        let failed = |why: String| OnnxError::Library(first_line(&why));
        let builder = ort::init_from(path).map_err(|error| failed(error.to_string()))?;
        let environment = builder
            .with_name("arena")
            .with_telemetry(false)
            .build()
            .map_err(|error| failed(format!("{}: {error}", path.display())))?;
        environment.set_log_level(LogLevel::Error);
        ENVIRONMENT.get_or_init(|| environment);
        Ok(())
    }

    fn open(file: &[u8]) -> Result<Session, OnnxError> {
        let environment = ENVIRONMENT.get().ok_or_else(|| {
            let why = "no library is named: set [registry] onnxruntime, or ORT_DYLIB_PATH, to the libonnxruntime of the \
                       wheel or package onnxruntime";
            OnnxError::Library(why.to_owned())
        })?;
        let opened = || -> ort::Result<Session> {
            Session::builder(environment)?
                .with_intra_threads(1)?
                .with_inter_threads(1)?
                .with_parallel_execution(false)?
                .with_intra_op_spinning(false)?
                .with_deterministic_compute(true)?
                .commit_from_memory(file)
        };
        opened().map_err(|error| OnnxError::Unusable(first_line(&error.to_string())))
    }

    pub(super) fn load(file: &[u8], width: usize) -> Result<Shared, OnnxError> {
        let session = open(file)?;
        let unusable = |why: String| Err(OnnxError::Unusable(why));
        let [input] = session.inputs() else {
            let names: Vec<&str> = session.inputs().iter().map(ort::value::Outlet::name).collect();
            return unusable(format!("it takes {} inputs ({}), where one row is given", names.len(), names.join(", ")));
        };
        let takes_doubles = match input.dtype() {
            ValueType::Tensor { ty: TensorElementType::Float32, .. } => false,
            ValueType::Tensor { ty: TensorElementType::Float64, .. } => true,
            other => {
                return unusable(format!("its input {} is {other}, where a row of numbers is given", input.name()));
            }
        };
        if let ValueType::Tensor { shape, .. } = input.dtype() {
            let fits = |dimension: i64, size: usize| dimension < 0 || i64::try_from(size).is_ok_and(|n| n == dimension);
            match shape[..] {
                [one, columns] if fits(one, 1) && fits(columns, width) => {}
                [one, columns] if fits(one, 1) => {
                    return unusable(format!("it takes {columns} columns, where the features have {width}"));
                }
                _ => return unusable(format!("its input {} is of shape {shape:?}, not (1, {width})", input.name())),
            }
        }
        match session.outputs() {
            [output] if is_numbers(output.dtype()) => {}
            [output] => return unusable(format!("its output {} is {}, not a number", output.name(), output.dtype())),
            several => {
                let names: Vec<&str> = several.iter().map(ort::value::Outlet::name).collect();
                return unusable(format!(
                    "it gives {} outputs ({}), where one is wanted: export a regression",
                    names.len(),
                    names.join(", ")
                ));
            }
        }
        Ok(Shared { session: Arc::new(Mutex::new(session)), takes_doubles })
    }

    fn is_numbers(value: &ValueType) -> bool {
        matches!(value, ValueType::Tensor { ty: TensorElementType::Float32 | TensorElementType::Float64, .. })
    }

    pub(super) fn metadata(file: &[u8], key: &str) -> Result<Option<String>, OnnxError> {
        let session = open(file)?;
        let metadata = session.metadata().map_err(|error| OnnxError::Unusable(first_line(&error.to_string())))?;
        Ok(metadata.custom(key))
    }

    impl Shared {
        pub(super) fn run(&self, row: &[f64]) -> f64 {
            match self.try_run(row) {
                Ok(value) => value,
                Err(error) => {
                    tracing::error!(%error, "ONNX Runtime failed on a row");
                    f64::NAN
                }
            }
        }

        fn try_run(&self, row: &[f64]) -> ort::Result<f64> {
            let shape = [1, row.len()];
            // A session that panicked mid-way is as good as one that did not: it keeps nothing between rows.
            let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
            let outputs = if self.takes_doubles {
                session.run(ort::inputs![Tensor::from_array((shape, row.to_vec()))?])?
            } else {
                #[expect(clippy::cast_possible_truncation, reason = "the model takes single precision")]
                let row: Vec<f32> = row.iter().map(|value| *value as f32).collect();
                session.run(ort::inputs![Tensor::from_array((shape, row))?])?
            };
            let output = &outputs[0];
            let single = |values: &[f64]| match values {
                [value] => Ok(*value),
                other => Err(ort::Error::new(format!("{} numbers for one row", other.len()))),
            };
            if let Ok((_, values)) = output.try_extract_tensor::<f32>() {
                return single(&values.iter().take(2).map(|value| f64::from(*value)).collect::<Vec<_>>());
            }
            single(output.try_extract_tensor::<f64>()?.1)
        }
    }

    fn first_line(text: &str) -> String {
        text.lines().next().unwrap_or_default().trim_end_matches('.').chars().take(300).collect()
    }
}

#[cfg(not(feature = "onnx"))]
mod session {
    use std::path::Path;

    use super::OnnxError;

    /// There is none without the runtime.
    #[derive(Clone)]
    pub(super) enum Shared {}

    impl Shared {
        pub(super) fn run(&self, _row: &[f64]) -> f64 {
            match *self {}
        }
    }

    pub(super) fn use_library(_path: &Path) -> Result<(), OnnxError> {
        Err(OnnxError::NotBuilt)
    }

    pub(super) fn load(_file: &[u8], _width: usize) -> Result<Shared, OnnxError> {
        Err(OnnxError::NotBuilt)
    }

    pub(super) fn metadata(_file: &[u8], _key: &str) -> Result<Option<String>, OnnxError> {
        Err(OnnxError::NotBuilt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_rows_of_one_width_with_finite_numbers() {
        let row = |values: &[f64], y| (values.to_vec(), y);
        let probes = Probes::new(&[row(&[1.0, 2.0], 1.0), row(&[3.0, 4.0], 1.1)], TOLERANCE).unwrap();
        assert_eq!((probes.count(), probes.width()), (2, 2));
        for (rows, tolerance, part) in [
            (vec![], 1.0, "0 probe rows"),
            (vec![row(&[], 1.0)], 1.0, "1 probe rows"),
            (vec![row(&[1.0], 1.0), row(&[1.0, 2.0], 1.0)], 1.0, "probe 2 has 2 columns"),
            (vec![row(&[f64::NAN], 1.0)], 1.0, "not finite"),
            (vec![row(&[1.0], f64::INFINITY)], 1.0, "not finite"),
            (vec![row(&[1.0], 1.0)], f64::NAN, "tolerance"),
            (vec![row(&[1.0], 1.0)], -1.0, "tolerance"),
        ] {
            let said = Probes::new(&rows, tolerance).unwrap_err().to_string();
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn without_a_library_or_with_a_wrong_one_there_is_a_sentence() {
        let probes = Probes::new(&[(vec![1.0], 1.0)], TOLERANCE).unwrap();
        let said = Onnx::new(b"no model".to_vec(), probes).unwrap_err().to_string();
        assert!(said.contains(if is_built() { "ORT_DYLIB_PATH" } else { NOT_BUILT }), "{said}");
        let said = use_library(Path::new("no/such/libonnxruntime.so")).unwrap_err().to_string();
        assert!(said.contains(if is_built() { "no/such/libonnxruntime.so" } else { NOT_BUILT }), "{said}");
    }
}
