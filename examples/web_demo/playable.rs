//! Converts a clip to a WAV file for browsers that cannot play its format.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Cursor;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hound::{SampleFormat, WavSpec, WavWriter};
use hyper::body::{Frame, SizeHint};

use crate::listening::{self, MAX_SECONDS};
use crate::problem::Problem;
use crate::room::{Room, Share};

/// Maximum number of samples in a file: ten minutes at 48 kHz. Without this limit, a clip of a few kilobytes could have eight times as
/// many.
const MAX_SAMPLES: u32 = MAX_SECONDS * 48_000;
/// Number of bytes of a sample.
const SAMPLE: usize = 2;
/// Time after which a refused client should try again. Most clients have read their file by then.
const TAKEN: Duration = Duration::from_secs(5);

/// Returns the room for files that clients have not read yet. It is large enough for two files of the maximum size.
pub(crate) fn room() -> Room {
    Room::new(2 * SAMPLE * MAX_SAMPLES as usize, 0)
}

/// A mono WAV file of 16 bits. It is kept in pieces of one second. Each piece is freed when it is sent, so that a slow client holds less
/// and less memory.
pub(crate) struct Playable {
    pieces: VecDeque<Bytes>,
    left: u64,
}

/// Samples with their room, which is given back when they are dropped.
struct Piece {
    samples: Box<[u8]>,
    _share: Share,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.samples
    }
}

impl Playable {
    /// Decodes the first ten minutes of a clip, or less at rates above 48 kHz. The samples take their room from `room`.
    ///
    /// # Errors
    /// If the clip cannot be decoded, or if there is not enough room.
    pub(crate) fn new(content: &[u8], name: &str, cut: bool, room: &Room) -> Result<Self, Problem> {
        let mut reader = listening::open(content, name, cut)?;
        let sample_rate = reader.sample_rate();
        let seconds = MAX_SECONDS.min(MAX_SAMPLES / sample_rate.max(1));
        let (mut pieces, mut size) = (VecDeque::new(), 0);
        listening::blocks(&mut reader, seconds, |samples| {
            let mut share = room.share();
            if !share.try_grow(SAMPLE * samples.len()) {
                return Err(Problem::busy(TAKEN));
            }
            let sample = |x: &f32| ((x.clamp(-1.0, 1.0) * 32_767.0) as i16).to_le_bytes();
            let samples: Box<[u8]> = samples.iter().flat_map(sample).collect();
            size += samples.len() as u32;
            pieces.push_back(Bytes::from_owner(Piece { samples, _share: share }));
            Ok(())
        })?;
        let header = header(sample_rate, size).map_err(Problem::internal)?;
        let left = header.len() as u64 + u64::from(size);
        pieces.push_front(header.into());
        Ok(Self { pieces, left })
    }
}

/// Returns the header of a WAV file with `size` bytes of samples.
fn header(sample_rate: u32, size: u32) -> hound::Result<Vec<u8>> {
    let spec = WavSpec { channels: 1, sample_rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut header = Cursor::new(Vec::new());
    WavWriter::new(&mut header, spec)?.finalize()?;
    let mut header = header.into_inner();
    // hound wrote two sizes for a file without samples: that of the rest of the file, and, at the end of the header, that of the samples.
    let end = header.len();
    let whole = end as u32 - 8 + size;
    header[4..8].copy_from_slice(&whole.to_le_bytes());
    header[end - 4..].copy_from_slice(&size.to_le_bytes());
    Ok(header)
}

impl HttpBody for Playable {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use ser_examples::assets;

    use super::*;

    fn playable(room: &Room) -> Result<Playable, Problem> {
        Playable::new(assets::SAMPLE_WAV, "sample.wav", false, room)
    }

    #[tokio::test]
    async fn a_file_has_the_samples_of_the_clip_and_the_size_that_it_says() {
        let playable = playable(&room()).map_err(|problem| problem.detail).unwrap();
        let said = playable.size_hint().exact();
        let file = playable.collect().await.unwrap().to_bytes();
        assert_eq!(said, Some(file.len() as u64));
        let mut read = hound::WavReader::new(&file[..]).unwrap();
        let mut clip = hound::WavReader::new(assets::SAMPLE_WAV).unwrap();
        assert_eq!(read.spec(), clip.spec());
        assert_eq!(read.len(), clip.len());
        for (read, clip) in read.samples::<i16>().zip(clip.samples::<i16>()) {
            assert!((read.unwrap() - clip.unwrap()).abs() <= 1);
        }
    }

    #[tokio::test]
    async fn what_is_sent_gives_its_room_back_at_once() {
        let size = assets::SAMPLE_WAV.len();
        let room = Room::new(size, 0);
        let mut first = playable(&room).map_err(|problem| problem.detail).unwrap();
        assert_eq!(playable(&room).err().map(|problem| problem.code), Some("busy"));
        let free = |bytes| room.share().try_grow(bytes);
        assert!(!free(size / 2));
        // Read the header and the first second.
        for _ in 0..2 {
            drop(first.frame().await.unwrap().unwrap());
        }
        assert!(free(2 * 22_050) && !free(size));
        drop(first);
        assert!(free(size));
    }
}
