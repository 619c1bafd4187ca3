use std::collections::HashMap;
use std::hash::Hash;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::audio::AudioError;
use crate::file::AudioFile;

/// Groups files of identical content: `groups[i]` is the position of the first file that has the bytes of file `i`,
/// so `groups[i] == i` for all but repeated ones.
///
/// RAVDESS holds one such pair, 03-01-03-01-02-01-07 and 03-01-03-01-02-02-07. With one in training and the other in
/// the test part, the test part has been seen: the splits take these groups and keep each on one side.
///
/// Cheap: only files of equal size and fingerprint are read as a whole.
///
/// # Errors
///
/// [`AudioError`] names a file that cannot be read.
pub fn groups_of_identical<F: AsRef<AudioFile> + Sync>(files: &[F]) -> Result<Vec<usize>, AudioError> {
    let fingerprints: Vec<_> =
        files.par_iter().map(|f| f.as_ref().fingerprint()).collect::<Result<_, _>>()?;
    let alike = first_of_each(&fingerprints);
    let mut members = vec![0; files.len()];
    alike.iter().for_each(|&first| members[first] += 1);

    let hashes: Vec<_> = files
        .par_iter()
        .zip(&alike)
        .enumerate()
        .map(|(index, (file, &first))| match members[first] {
            // Unlike all others: its position sets it apart.
            1 => Ok((index, None)),
            _ => Ok((first, Some(Sha256::digest(file.as_ref().bytes()?)))),
        })
        .collect::<Result<_, AudioError>>()?;
    Ok(first_of_each(&hashes))
}

fn first_of_each<K: Eq + Hash>(keys: &[K]) -> Vec<usize> {
    let mut first = HashMap::new();
    keys.iter().enumerate().map(|(index, key)| *first.entry(key).or_insert(index)).collect()
}
