//! Elements within elements (EBML, RFC 8794).

use crate::audio::source::be;

/// A number whose length its first byte tells, with the marker bit left out: (value, bytes, whether all its bits are set).
pub(super) fn vint(bytes: &[u8]) -> Option<(u64, usize, bool)> {
    let count = bytes.first()?.leading_zeros() as usize + 1;
    let raw = be(bytes, 0, count).filter(|_| count <= 8)?;
    let mask = (1 << (7 * count)) - 1;
    Some((raw & mask, count, raw & mask == mask))
}

/// An identifier and the size after it, `None` where it isn't known; and the bytes of both.
pub(super) fn element(bytes: &[u8]) -> Option<(u32, Option<u64>, usize)> {
    let id_bytes = bytes.first()?.leading_zeros() as usize + 1;
    let id = be(bytes, 0, id_bytes).filter(|_| id_bytes <= 4)? as u32;
    let (size, size_bytes, unknown) = vint(bytes.get(id_bytes..)?)?;
    Some((id, (!unknown).then_some(size), id_bytes + size_bytes))
}

/// The elements in a slice: identifier and body. It ends at what makes no sense.
pub(super) fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u32, &[u8])> + Clone {
    std::iter::from_fn(move || {
        let (id, size, head) = element(bytes)?;
        let body = bytes.get(head..)?;
        let (this, rest) = body.split_at_checked(usize::try_from(size?).ok()?)?;
        bytes = rest;
        Some((id, this))
    })
}

pub(super) fn child(bytes: &[u8], id: u32) -> Option<&[u8]> {
    elements(bytes).find(|(found, _)| *found == id).map(|(_, body)| body)
}

pub(super) fn unsigned(bytes: &[u8], id: u32) -> Option<u64> {
    child(bytes, id).and_then(|body| be(body, 0, body.len().min(8)))
}

pub(super) fn float(bytes: &[u8], id: u32) -> Option<f64> {
    let body = child(bytes, id)?;
    let bits = be(body, 0, body.len())?;
    match body.len() {
        4 => Some(f32::from_bits(bits as u32).into()),
        8 => Some(f64::from_bits(bits)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_tell_their_length() {
        assert_eq!(vint(&[0x81]), Some((1, 1, false)));
        assert_eq!(vint(&[0x40, 0x02]), Some((2, 2, false)));
        assert_eq!(vint(&[0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]), Some(((1 << 56) - 1, 8, true)));
        assert_eq!((vint(&[0]), vint(&[0x40])), (None, None));
    }
}
