//! Blocks of several frames.

use super::ebml::vint;

/// The frames of a block: one, or several whose sizes stand in front (Xiph, fixed size, EBML).
pub(super) fn laced(body: &[u8], lacing: u8) -> Option<Vec<&[u8]>> {
    if lacing == 0 {
        return Some(vec![body]);
    }
    let (&count, mut rest) = body.split_first()?;
    let count = usize::from(count) + 1;
    let mut sizes = Vec::new();
    match lacing {
        1 => {
            for _ in 1..count {
                let more = rest.iter().position(|&byte| byte != 255)?;
                sizes.push(255 * more + usize::from(rest[more]));
                rest = &rest[more + 1..];
            }
        }
        2 => sizes = vec![rest.len() / count; count - 1],
        _ => {
            for index in 1..count {
                let (value, bytes, _) = vint(rest)?;
                rest = rest.get(bytes..)?;
                // The first is a size, the others differences, with half of the range for negative ones.
                let size = match sizes.last() {
                    Some(&before) if index > 1 => {
                        let bias = (1i64 << (7 * bytes - 1)) - 1;
                        usize::try_from(before as i64 + value as i64 - bias).ok()?
                    }
                    _ => usize::try_from(value).ok()?,
                };
                sizes.push(size);
            }
        }
    }
    let mut frames = Vec::new();
    for size in sizes {
        let (frame, after) = rest.split_at_checked(size)?;
        frames.push(frame);
        rest = after;
    }
    frames.push(rest);
    Some(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frames_of_a_block_have_the_sizes_before_them() {
        let body = b"\x02\x01\x02abbccc";
        assert_eq!(laced(body, 1), Some(vec![&b"a"[..], b"bb", b"ccc"]));
        assert_eq!(laced(b"\x01aabb", 2), Some(vec![&b"aa"[..], b"bb"]));
        // The second size is the first plus one: 1 + 63 of a byte's seven bits.
        assert_eq!(laced(b"\x02\x81\xC0abbccc", 3), Some(vec![&b"a"[..], b"bb", b"ccc"]));
        assert_eq!((laced(b"\x02\xFF", 1), laced(b"", 2), laced(b"\x01\x84ab", 3)), (None, None, None));
    }
}
