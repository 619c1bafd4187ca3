//! Boxes within boxes.

use super::be;

/// The boxes that follow one another in a slice: their kind and body. They end at the first that is longer than the slice.
pub(super) struct Boxes<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = (&'a [u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let all = std::mem::take(&mut self.0);
        let kind = all.get(4..8)?.try_into().ok()?;
        let (header, size) = match be(all, 0, 4)? {
            0 => (8, all.len() as u64),
            1 => (16, be(all, 8, 8)?),
            size => (8, size),
        };
        let (this, rest) = all.split_at_checked(usize::try_from(size).ok()?)?;
        self.0 = rest;
        Some((kind, this.get(header..)?))
    }
}

pub(super) fn child<'a>(bytes: &'a [u8], kind: &'static [u8; 4]) -> Option<&'a [u8]> {
    children(bytes, kind).next()
}

pub(super) fn children<'a>(bytes: &'a [u8], kind: &'static [u8; 4]) -> impl Iterator<Item = &'a [u8]> {
    Boxes(bytes).filter(move |(found, _)| *found == kind).map(|(_, body)| body)
}
