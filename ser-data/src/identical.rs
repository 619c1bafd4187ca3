//! Clips of the same sound.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::audio::AudioError;
use crate::file::AudioFile;

/// Groups files of identical bytes, and parts of one recording that overlap, directly or through other parts: `groups[i]` is the position
/// of the first file of the group of file `i`, so `groups[i] == i` for all but repeated ones. Copies in another format are not found.
///
/// RAVDESS holds one such pair, 03-01-03-01-02-01-07 and 03-01-03-01-02-02-07. If one is in the training part and the other in the test
/// part, the model is tested on a clip that it was trained on. Splits therefore keep each group in one part.
///
/// Cheap: a file is read as a whole only if another one has the same size and the same 4 KiB in the middle (in archives: the same size and
/// CRC-32).
///
/// # Errors
///
/// [`AudioError`] names a file that cannot be read.
pub fn groups_of_identical<F: AsRef<AudioFile> + Sync>(files: &[F]) -> Result<Vec<usize>, AudioError> {
    let wholes: Vec<AudioFile> = files.iter().map(|file| file.as_ref().whole()).collect();
    // Each recording once, however many parts of it are asked for.
    let recording = first_of_each(&wholes);
    let recordings: Vec<usize> = (0..files.len()).filter(|&at| recording[at] == at).collect();
    let contents = contents(&recordings.iter().map(|&at| &wholes[at]).collect::<Vec<_>>())?;
    let content_of: HashMap<usize, usize> =
        recordings.iter().zip(&contents).map(|(&at, &first)| (at, recordings[first])).collect();
    let content: Vec<usize> = recording.iter().map(|at| content_of[at]).collect();
    Ok(overlapping(files, &content))
}

/// The first file of the same content, for each.
fn contents(files: &[&AudioFile]) -> Result<Vec<usize>, AudioError> {
    let fingerprints: Vec<_> = files.par_iter().map(|file| file.fingerprint()).collect::<Result<_, _>>()?;
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
            _ => Ok((first, Some(Sha256::digest(file.bytes()?)))),
        })
        .collect::<Result<_, AudioError>>()?;
    Ok(first_of_each(&hashes))
}

/// Divides files of one content into groups of overlapping parts.
fn overlapping<F: AsRef<AudioFile>>(files: &[F], content: &[usize]) -> Vec<usize> {
    let span = |at: usize| {
        let span = files[at].as_ref().span();
        span.map_or((Duration::ZERO, Duration::MAX), |span| (span.start, span.end.unwrap_or(Duration::MAX)))
    };
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by_key(|&at| (content[at], span(at).0, at));
    let mut groups = vec![0; files.len()];
    let mut run: Vec<usize> = Vec::new();
    let mut end = Duration::ZERO;
    let mut close = |run: &mut Vec<usize>| {
        let first = run.iter().min().copied().unwrap_or(0);
        run.drain(..).for_each(|at| groups[at] = first);
    };
    for at in order {
        let (from, to) = span(at);
        if run.last().is_some_and(|&last| content[last] != content[at] || from >= end) {
            close(&mut run);
            end = Duration::ZERO;
        }
        run.push(at);
        end = end.max(to);
    }
    close(&mut run);
    groups
}

fn first_of_each<K: Eq + Hash>(keys: &[K]) -> Vec<usize> {
    let mut first = HashMap::new();
    keys.iter().enumerate().map(|(index, key)| *first.entry(key).or_insert(index)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_overlap_are_one_group() {
        let part = |start, end: Option<u64>| {
            AudioFile::new("x.wav").with_span(Some(Duration::from_secs(start)), end.map(Duration::from_secs))
        };
        let files = [part(0, Some(2)), part(5, Some(9)), part(2, Some(4)), part(8, None), part(1, Some(3))];
        assert_eq!(overlapping(&files, &[0; 5]), [0, 1, 0, 1, 0]);
        let files = [part(3, Some(4)), part(0, None), part(3, Some(4))];
        assert_eq!(overlapping(&files, &[0, 0, 2]), [0, 0, 2]);
    }
}
