//! What a fitted model is made of, as named tensors in the safetensors format: numbers and a little text, no code.
//!
//! The same model gives the same bytes: tensors are sorted by type and name, and there is one entry of metadata. Reading
//! allocates no more than the bytes that it is given, since every shape is held against them before it is believed.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::ArtefactError;

/// The key of the metadata, and the one version of the format that there is.
const FORMAT: (&str, &str) = ("arena_model", "1");

/// Collects tensors and turns them into bytes.
#[derive(Debug, Default)]
pub(super) struct Writer {
    tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
    prefix: String,
}

impl Writer {
    /// Writes what `write` writes under `name.`.
    pub(super) fn within(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        let length = self.prefix.len();
        self.prefix.push_str(name);
        self.prefix.push('.');
        write(self);
        self.prefix.truncate(length);
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.push(name, Dtype::U8, vec![value.len()], value.as_bytes().to_vec());
    }

    pub(super) fn bytes(&mut self, name: &str, value: &[u8]) {
        self.push(name, Dtype::U8, vec![value.len()], value.to_vec());
    }

    pub(super) fn whole(&mut self, name: &str, value: usize) {
        self.push(name, Dtype::U64, vec![1], (value as u64).to_le_bytes().to_vec());
    }

    pub(super) fn number(&mut self, name: &str, value: f64) {
        self.numbers(name, &[value]);
    }

    pub(super) fn numbers(&mut self, name: &str, values: &[f64]) {
        self.matrix(name, &[values.len()], values);
    }

    /// Row-major.
    pub(super) fn matrix(&mut self, name: &str, shape: &[usize], values: &[f64]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.push(name, Dtype::F64, shape.to_vec(), bytes);
    }

    pub(super) fn wholes(&mut self, name: &str, values: &[u32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.push(name, Dtype::U32, vec![values.len()], bytes);
    }

    fn push(&mut self, name: &str, dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>) {
        self.tensors.push((format!("{}{name}", self.prefix), dtype, shape, bytes));
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.clone(), bytes).expect("as many bytes as the shape says");
            (name.as_str(), view)
        });
        let metadata = HashMap::from([(FORMAT.0.to_owned(), FORMAT.1.to_owned())]);
        safetensors::serialize(views, Some(metadata)).expect("a model has a small header")
    }
}

/// Tensors by name, below a prefix.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    tensors: &'a SafeTensors<'a>,
    prefix: String,
    wanted: RefCell<BTreeSet<String>>,
}

/// Reads bytes with `read`, which must want every tensor that there is.
pub(super) fn read<T>(
    bytes: &[u8],
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, ArtefactError>,
) -> Result<T, ArtefactError> {
    let damaged = |error: safetensors::SafeTensorError| ArtefactError::Damaged(error.to_string());
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    match metadata.metadata().as_ref().and_then(|entries| entries.get(FORMAT.0)) {
        None => return Err(ArtefactError::Damaged(format!("no metadata `{}`: not a model of the arena", FORMAT.0))),
        Some(version) if version == FORMAT.1 => {}
        Some(version) => return Err(ArtefactError::Version { found: version.clone() }),
    }
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let mut reader = Reader { tensors: &tensors, prefix: String::new(), wanted: RefCell::default() };
    let value = read(&mut reader)?;
    let wanted = reader.wanted.into_inner();
    match tensors.names().iter().filter(|name| !wanted.contains(**name)).min() {
        Some(name) => Err(ArtefactError::Damaged(format!("tensor `{name}` belongs to no such model"))),
        None => Ok(value),
    }
}

impl Reader<'_> {
    /// Reads what `read` reads under `name.`.
    pub(super) fn within<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Result<T, ArtefactError>,
    ) -> Result<T, ArtefactError> {
        let length = self.prefix.len();
        self.prefix.push_str(name);
        self.prefix.push('.');
        let value = read(self);
        self.prefix.truncate(length);
        value
    }

    /// That something about a tensor is wrong.
    pub(super) fn wrong<T>(&self, name: &str, what: &str) -> Result<T, ArtefactError> {
        Err(ArtefactError::Damaged(format!("tensor `{}{name}` {what}", self.prefix)))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.tensor(&format!("{}{name}", self.prefix)).is_ok()
    }

    fn tensor(&self, name: &str, dtype: Dtype) -> Result<(Vec<usize>, &[u8]), ArtefactError> {
        let full = format!("{}{name}", self.prefix);
        let Ok(view) = self.tensors.tensor(&full) else {
            return self.wrong(name, "is missing");
        };
        self.wanted.borrow_mut().insert(full);
        if view.dtype() != dtype {
            return self.wrong(name, &format!("is of type {}, not {dtype}", view.dtype()));
        }
        Ok((view.shape().to_vec(), view.data()))
    }

    pub(super) fn text(&self, name: &str) -> Result<&str, ArtefactError> {
        let (_, bytes) = self.tensor(name, Dtype::U8)?;
        std::str::from_utf8(bytes).or_else(|_| self.wrong(name, "is not text"))
    }

    pub(super) fn bytes(&self, name: &str) -> Result<&[u8], ArtefactError> {
        Ok(self.tensor(name, Dtype::U8)?.1)
    }

    /// A whole number within `range`.
    pub(super) fn whole(&self, name: &str, range: std::ops::RangeInclusive<usize>) -> Result<usize, ArtefactError> {
        let (_, bytes) = self.tensor(name, Dtype::U64)?;
        let value = <[u8; 8]>::try_from(bytes).ok().and_then(|bytes| usize::try_from(u64::from_le_bytes(bytes)).ok());
        match value {
            Some(value) if range.contains(&value) => Ok(value),
            Some(value) => self.wrong(name, &format!("is {value}, not within {}..={}", range.start(), range.end())),
            None => self.wrong(name, "is not one number"),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<f64, ArtefactError> {
        match self.numbers(name)?[..] {
            [value] => Ok(value),
            _ => self.wrong(name, "is not one number"),
        }
    }

    /// One or more finite numbers, in one dimension.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<f64>, ArtefactError> {
        let (shape, values) = self.any_shape(name)?;
        if shape.len() != 1 {
            return self.wrong(name, "is not a list");
        }
        Ok(values)
    }

    /// As many finite numbers as are wanted.
    pub(super) fn numbers_of(&self, name: &str, length: usize) -> Result<Vec<f64>, ArtefactError> {
        let values = self.numbers(name)?;
        if values.len() != length {
            return self.wrong(name, &format!("has {} numbers, not {length}", values.len()));
        }
        Ok(values)
    }

    /// Rows, columns and the finite numbers of a matrix, row-major; none of the three is empty.
    pub(super) fn matrix(&self, name: &str) -> Result<(usize, usize, Vec<f64>), ArtefactError> {
        let (shape, values) = self.any_shape(name)?;
        match shape[..] {
            [rows, columns] => Ok((rows, columns, values)),
            _ => self.wrong(name, "is not a matrix"),
        }
    }

    fn any_shape(&self, name: &str) -> Result<(Vec<usize>, Vec<f64>), ArtefactError> {
        let (shape, bytes) = self.tensor(name, Dtype::F64)?;
        let (chunks, _) = bytes.as_chunks::<8>();
        let values: Vec<f64> = chunks.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect();
        if values.is_empty() {
            return self.wrong(name, "is empty");
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => self.wrong(name, &format!("is not finite at {at}")),
            None => Ok((shape, values)),
        }
    }

    pub(super) fn wholes(&self, name: &str) -> Result<Vec<u32>, ArtefactError> {
        let (_, bytes) = self.tensor(name, Dtype::U32)?;
        let (chunks, _) = bytes.as_chunks::<4>();
        Ok(chunks.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect())
    }
}
