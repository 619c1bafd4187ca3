//! Divides work into parts, such as the tasks of an array job of a batch system.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;

/// One of several parts of the work, written `I/N` with I from 1 to N.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match numbers {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            _ => Err("part must be I/N with I from 1 to N, such as 3/12".into()),
        }
    }
}

impl Shard {
    /// Returns every N-th item from the I-th on. The lengths of the parts differ by at most one, and each item is in exactly one part.
    pub fn part<T>(self, items: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
        items.into_iter().skip(self.index - 1).step_by(self.count)
    }

    /// Returns the path of this part's file: `features.safetensors` becomes `features-003-of-012.safetensors`.
    pub fn path(self, whole: &Path) -> PathBuf {
        let Self { index, count } = self;
        let width = count.to_string().len().max(3);
        let mut name = whole.file_stem().unwrap_or_default().to_os_string();
        name.push(format!("-{index:0width$}-of-{count:0width$}"));
        if let Some(extension) = whole.extension() {
            name.push(".");
            name.push(extension);
        }
        whole.with_file_name(name)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test may panic
mod tests {
    use super::*;

    fn shard(text: &str) -> Shard {
        text.parse().unwrap()
    }

    #[test]
    fn parts_are_disjoint_alike_in_length_and_together_the_whole() {
        for (items, count) in [(0, 3), (2, 3), (12, 3), (14, 4), (5, 1)] {
            let parts: Vec<Vec<usize>> =
                (1..=count).map(|i| shard(&format!("{i}/{count}")).part(0..items).collect()).collect();
            assert!(parts.iter().all(|part| part.len() == items / count || part.len() == items / count + 1));
            let mut all = parts.concat();
            all.sort_unstable();
            assert_eq!(all, (0..items).collect::<Vec<_>>());
        }
    }

    #[test]
    fn files_are_named_so_that_they_sort() {
        let path = |text, whole| shard(text).path(Path::new(whole)).to_str().unwrap().to_string();
        assert_eq!(path("3/12", "out/features.safetensors"), "out/features-003-of-012.safetensors");
        assert_eq!(path("70/4000", "a.b"), "a-0070-of-4000.b");
        assert_eq!(path("1/1", "features"), "features-001-of-001");
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for text in ["0/4", "5/4", "x", "1", "1/", "/4", "-1/4", "1/4/2", "1/0", "1.0/2", ""] {
            assert_eq!(
                text.parse::<Shard>(),
                Err("part must be I/N with I from 1 to N, such as 3/12".into()),
                "{text}"
            );
        }
    }
}
