//! The bytes of a file, read piece by piece.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

/// What a file can be read from.
pub(super) trait Bytes: Read + Seek + Send {}

impl<T: Read + Seek + Send> Bytes for T {}

/// A part of a file (at first all of it) with a position in it. No length that a file declares makes it allocate more than the
/// file holds.
pub(super) struct Source<'s> {
    stream: BufReader<Box<dyn Bytes + 's>>,
    /// Where the part begins in the file.
    start: u64,
    /// Bytes of the part.
    length: u64,
    /// Position in the part.
    position: u64,
}

impl<'s> Source<'s> {
    /// All of a file, from its start.
    pub(super) fn new(stream: impl Read + Seek + Send + 's) -> io::Result<Self> {
        let boxed: Box<dyn Bytes + 's> = Box::new(stream);
        let mut stream = BufReader::with_capacity(1 << 16, boxed);
        let length = stream.seek(SeekFrom::End(0))?;
        stream.seek(SeekFrom::Start(0))?;
        Ok(Self { stream, start: 0, length, position: 0 })
    }

    /// The part from `start`, of at most `length` bytes.
    pub(super) fn part(mut self, start: u64, length: u64) -> io::Result<Self> {
        let start = start.min(self.length);
        self.length = length.min(self.length - start);
        self.start += start;
        self.stream.seek(SeekFrom::Start(self.start))?;
        self.position = 0;
        Ok(self)
    }

    pub(super) fn len(&self) -> u64 {
        self.length
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Bytes from here to the end.
    pub(super) fn left(&self) -> u64 {
        self.length - self.position
    }

    /// Moves to a position, or to the end where that comes first.
    pub(super) fn seek(&mut self, to: u64) -> io::Result<()> {
        let to = to.min(self.length);
        let step = i128::from(to) - i128::from(self.position);
        match i64::try_from(step) {
            Ok(step) => self.stream.seek_relative(step)?,
            Err(_) => self.stream.seek(SeekFrom::Start(self.start + to)).map(drop)?,
        }
        self.position = to;
        Ok(())
    }

    pub(super) fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.seek(self.position.saturating_add(bytes))
    }

    /// Appends the next `count` bytes, or fewer at the end. Returns how many.
    pub(super) fn append(&mut self, count: u64, to: &mut Vec<u8>) -> io::Result<u64> {
        let count = count.min(self.left());
        to.reserve(usize::try_from(count).unwrap_or(0));
        let read = (&mut self.stream).take(count).read_to_end(to)? as u64;
        self.position += read;
        // A file that shrinks while it is read.
        if read < count {
            self.length = self.position;
        }
        Ok(read)
    }

    /// The next `count` bytes, or fewer at the end.
    pub(super) fn bytes(&mut self, count: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.append(count, &mut bytes)?;
        Ok(bytes)
    }

    /// The next `N` bytes, or `None` where fewer are left; these are passed over then.
    pub(super) fn array<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let mut array = [0; N];
        if self.left() < N as u64 {
            self.seek(self.length)?;
            return Ok(None);
        }
        self.stream.read_exact(&mut array)?;
        self.position += N as u64;
        Ok(Some(array))
    }

    /// Bytes at a position, or fewer at the end; the own position stays.
    pub(super) fn peek_at(&mut self, at: u64, count: u64) -> io::Result<Vec<u8>> {
        let back = self.position;
        self.seek(at)?;
        let bytes = self.bytes(count)?;
        self.seek(back)?;
        Ok(bytes)
    }

    /// The next bytes, or fewer at the end; the own position stays.
    pub(super) fn peek(&mut self, count: u64) -> io::Result<Vec<u8>> {
        self.peek_at(self.position, count)
    }
}

/// Big-endian number of up to 8 bytes at a place; `None` after the end.
pub(super) fn be(bytes: &[u8], at: usize, count: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(count)?)?;
    Some(bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

/// Little-endian number of up to 8 bytes at a place; `None` after the end.
pub(super) fn le(bytes: &[u8], at: usize, count: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(count)?)?;
    Some(bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn parts_and_positions_stay_within_the_file() {
        let bytes: Vec<u8> = (0..100).collect();
        let mut source = Source::new(Cursor::new(&bytes)).unwrap().part(10, 1000).unwrap();
        assert_eq!((source.len(), source.position(), source.left()), (90, 0, 90));
        assert_eq!(source.array::<2>().unwrap(), Some([10, 11]));
        assert_eq!(source.peek_at(88, 9).unwrap(), [98, 99]);
        assert_eq!(source.peek(2).unwrap(), [12, 13]);
        source.skip(u64::MAX).unwrap();
        assert_eq!((source.left(), source.array::<1>().unwrap()), (0, None));
        source.seek(1).unwrap();
        let mut part = source.part(1, 3).unwrap();
        assert_eq!(part.bytes(u64::MAX).unwrap(), [11, 12, 13]);
    }

    #[test]
    fn numbers_of_both_orders() {
        assert_eq!(be(&[1, 2, 3], 1, 2), Some(0x203));
        assert_eq!(le(&[1, 2, 3], 1, 2), Some(0x302));
        assert_eq!((be(&[1], 0, 2), le(&[1], usize::MAX, 2)), (None, None));
    }
}
