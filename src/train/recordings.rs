//! Reads recordings when they are needed, and keeps decoded audio up to a given number of bytes, so
//! that a corpus may have any size.

use crate::{Result, audio};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex},
};

/// Files to read, and the decoded ones that are in memory.
pub struct Recordings {
    paths: Vec<PathBuf>,
    budget_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    samples: HashMap<usize, Arc<Vec<i16>>>,
    order: VecDeque<usize>,
    bytes: usize,
    refused: BTreeMap<usize, String>,
}

impl Recordings {
    /// Recordings in these files; at most `budget_bytes` of samples are kept.
    pub fn new(paths: Vec<PathBuf>, budget_bytes: usize) -> Self {
        Recordings {
            paths,
            budget_bytes,
            kept: Mutex::default(),
        }
    }

    /// Number of files.
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there are no files.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Samples of file `index`: mono, 16 kHz, 16 bits.
    ///
    /// # Errors
    /// As [`audio::read_samples`]; the file is then among [`Self::refused`].
    pub fn samples(&self, index: usize) -> Result<Arc<Vec<i16>>> {
        if let Some(samples) = self.lock().samples.get(&index) {
            return Ok(samples.clone());
        }
        self.read(index).inspect_err(|error| {
            self.lock().refused.insert(index, error.to_string());
        })
    }

    /// Files that could not be read so far, and why.
    pub fn refused(&self) -> Vec<String> {
        self.lock().refused.values().cloned().collect()
    }

    /// BLAKE3 of the files' names.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for path in &self.paths {
            hasher
                .update(path.as_os_str().as_encoded_bytes())
                .update(&[0]);
        }
        hasher.finalize().to_hex().to_string()
    }

    fn read(&self, index: usize) -> Result<Arc<Vec<i16>>> {
        let path = &self.paths[index];
        let mono = audio::read_samples(path)?;
        let narrow = |v: &f32| (v * 32768.0).round().clamp(-32768.0, 32767.0) as i16;
        let samples: Arc<Vec<i16>> = Arc::new(mono.iter().map(narrow).collect());
        let mut kept = self.lock();
        if !kept.samples.contains_key(&index) {
            kept.bytes += 2 * samples.len();
            kept.order.push_back(index);
            kept.samples.insert(index, samples.clone());
        }
        while kept.bytes > self.budget_bytes {
            let Some(oldest) = kept.order.pop_front() else {
                break;
            };
            if let Some(gone) = kept.samples.remove(&oldest) {
                kept.bytes -= 2 * gone.len();
            }
        }
        Ok(samples)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
