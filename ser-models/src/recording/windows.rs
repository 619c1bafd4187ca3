//! The windows of a stream, which a model recognises one after the other.

use super::activity::{Activity, LOWEST_DB, SILENT_DB, sounding_seconds};
use ser_features::{MIN_SPEECH_SECONDS, SignalError};
use std::collections::VecDeque;

/// In a quiet recording, frames this far below the loudest one, in dB, are silent.
const BELOW_LOUDEST_DB: f32 = 30.0;

/// Cuts a stream of samples, which arrives in pieces of any size, into windows. Keeps the samples of one window, so that its memory does
/// not grow with the stream.
#[derive(Debug)]
pub(crate) struct Windows {
    activity: Activity,
    sample_rate: u32,
    /// Length of a window in seconds.
    length: f64,
    /// Seconds from one window's end to the next one's.
    interval: f64,
    /// The last samples, at most one window.
    samples: VecDeque<f32>,
    /// The levels of the frames in `samples`.
    levels: VecDeque<f32>,
    /// The loudest frame since the last window.
    level_db: f32,
    /// Number of samples received.
    taken: u64,
    /// Number of samples received when the last window was reported.
    reported: u64,
    /// End of the first window in seconds.
    first: f64,
    /// Number of complete windows.
    full: u64,
    /// The level of the loudest frame in the stream.
    loudest_db: f32,
}

/// A window of a stream.
pub(crate) struct Window<'a> {
    /// The window's samples, mono.
    pub(crate) samples: &'a [f32],
    /// Start and end in seconds from the stream's start.
    pub(crate) start: f64,
    pub(crate) end: f64,
    /// Seconds of the window that are not silent.
    pub(crate) sounding: f64,
    /// The loudest frame since the window before, in dB relative to full scale.
    pub(crate) level_db: f32,
}

impl Window<'_> {
    /// Whether the window has too little sound for speech.
    pub(crate) fn is_silent(&self) -> bool {
        self.sounding < MIN_SPEECH_SECONDS
    }
}

impl Windows {
    /// Makes windows of `length` seconds that end every `interval` seconds, the first one after `first` seconds.
    pub(crate) fn new(sample_rate: u32, length: f64, interval: f64, first: f64) -> Result<Self, SignalError> {
        Ok(Self {
            activity: Activity::new(sample_rate)?,
            sample_rate,
            length,
            interval,
            samples: VecDeque::new(),
            levels: VecDeque::new(),
            level_db: LOWEST_DB,
            taken: 0,
            reported: 0,
            first,
            full: 0,
            loudest_db: LOWEST_DB,
        })
    }

    /// Seconds from one frame of levels to the next.
    pub(crate) fn frame_seconds(&self) -> f64 {
        self.activity.frame_seconds()
    }

    /// Seconds of audio received.
    pub(crate) fn seconds(&self) -> f64 {
        self.taken as f64 / f64::from(self.sample_rate)
    }

    /// Number of samples received.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Processes samples up to the next window's end, and returns the rest. Passes the levels of the frames that they complete to `levels`.
    /// [`Windows::is_due`] then says whether the window is complete.
    ///
    /// # Errors
    /// If a sample is not finite. Samples of earlier calls are kept.
    pub(crate) fn take<'a>(
        &mut self,
        samples: &'a [f32],
        mut levels: impl FnMut(&[f32]),
    ) -> Result<&'a [f32], SignalError> {
        let wanted = usize::try_from(self.next_end().saturating_sub(self.taken)).unwrap_or(usize::MAX);
        let (now, later) = samples.split_at(wanted.min(samples.len()));
        let measured = self.activity.push(now)?;
        levels(&measured);
        self.taken += now.len() as u64;
        self.level_db = measured.iter().copied().fold(self.level_db, f32::max);
        self.loudest_db = self.loudest_db.max(self.level_db);
        let frames = (self.length / self.frame_seconds()) as usize;
        keep_last(&mut self.levels, &measured, frames);
        let length = (self.length * f64::from(self.sample_rate)).round() as usize;
        keep_last(&mut self.samples, now, length);
        Ok(later)
    }

    /// Whether a window has just become complete.
    pub(crate) fn is_due(&self) -> bool {
        self.taken == self.next_end()
    }

    /// Whether samples were received after the last window.
    pub(crate) fn has_rest(&self) -> bool {
        self.taken > self.reported
    }

    /// Returns the level in dB below which frames are silent: `silence_db`, or a lower one if the stream has been quiet so far.
    pub(crate) fn silence_db(&self, silence_db: f32) -> f32 {
        silence_db.min((self.loudest_db - BELOW_LOUDEST_DB).max(SILENT_DB))
    }

    /// Returns the window that ends here. Its frames below [`Windows::silence_db`] count as silent. The next window is due one interval
    /// later.
    pub(crate) fn window(&mut self, silence_db: f32) -> Window<'_> {
        if self.is_due() {
            self.full += 1;
        }
        self.reported = self.taken;
        let end = self.seconds();
        let silence_db = self.silence_db(silence_db);
        let sounding = sounding_seconds(&self.levels, self.frame_seconds(), silence_db);
        let level_db = std::mem::replace(&mut self.level_db, LOWEST_DB);
        let samples = &*self.samples.make_contiguous();
        let start = end - samples.len() as f64 / f64::from(self.sample_rate);
        Window { samples, start, end, sounding, level_db }
    }

    /// Number of received samples at which the next window is complete.
    fn next_end(&self) -> u64 {
        ((self.first + self.full as f64 * self.interval) * f64::from(self.sample_rate)).round() as u64
    }
}

/// Appends values and drops the first ones beyond `length`.
fn keep_last(kept: &mut VecDeque<f32>, values: &[f32], length: usize) {
    let values = &values[values.len().saturating_sub(length)..];
    let excess = (kept.len() + values.len()).saturating_sub(length);
    kept.drain(..excess);
    kept.extend(values);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::SILENCE_DB;

    #[test]
    fn no_hop_leaves_out_the_start() {
        for (hop, expected) in [(2.0, [(0.0, 3.0), (2.0, 5.0)]), (1.7, [(0.0, 3.0), (1.7, 4.7)])] {
            let mut windows = Windows::new(8_000, 3.0, hop, 3.0).unwrap();
            let (samples, mut found) = (vec![0.1; 41_600], Vec::new());
            let mut rest = &samples[..];
            while !rest.is_empty() {
                rest = windows.take(rest, |_| {}).unwrap();
                if windows.is_due() {
                    let window = windows.window(SILENCE_DB);
                    found.push((window.start, window.end));
                }
            }
            let near = |(a, b): (&(f64, f64), &(f64, f64))| (a.0 - b.0).abs() + (a.1 - b.1).abs() < 1e-3;
            assert!(found.len() == 2 && found.iter().zip(&expected).all(near), "{hop}: {found:?}");
        }
    }

    #[test]
    fn quiet_sound_is_no_silence_until_louder_sound_comes() {
        let mut windows = Windows::new(8_000, 1.0, 1.0, 1.0).unwrap();
        let tone = |volume: f32| (0..8_000).map(|n| volume * (n as f32 * 0.5).sin()).collect::<Vec<f32>>();
        let mut silent = |volume| {
            assert!(windows.take(&tone(volume), |_| {}).unwrap().is_empty());
            windows.window(SILENCE_DB).is_silent()
        };
        // The loud second reaches into the window after it.
        let [quiet, loud, _, quiet_again] = [0.002, 0.3, 0.002, 0.002].map(&mut silent);
        assert_eq!((quiet, loud, quiet_again), (false, false, true));
    }

    /// Returns start, end and silence of each window of a signal that arrives in pieces.
    fn windows(samples: &[f32], piece: usize, first: f64) -> Vec<(f64, f64, bool)> {
        let mut windows = Windows::new(8_000, 3.0, 1.0, first).unwrap();
        let mut found = Vec::new();
        for mut piece in samples.chunks(piece) {
            while !piece.is_empty() {
                piece = windows.take(piece, |_| {}).unwrap();
                if windows.is_due() {
                    let window = windows.window(SILENCE_DB);
                    assert_eq!(
                        window.samples.len(),
                        ((window.end - window.start) * 8_000.0).round() as usize
                    );
                    found.push((window.start, window.end, window.is_silent()));
                }
            }
        }
        if windows.has_rest() {
            let window = windows.window(SILENCE_DB);
            found.push((window.start, window.end, window.is_silent()));
        }
        found
    }

    #[test]
    fn windows_end_every_interval_and_at_the_end() {
        let mut samples = vec![0.0; 44_000];
        samples[..8_000].iter_mut().enumerate().for_each(|(n, x)| *x = 0.3 * (n as f32 * 0.5).sin());
        let expected = [(0.0, 3.0, false), (1.0, 4.0, true), (2.0, 5.0, true), (2.5, 5.5, true)];
        assert_eq!(windows(&samples, 44_000, 3.0), expected);
        assert_eq!(windows(&samples, 123, 3.0), expected);
        assert_eq!(windows(&samples[..20_000], 999, 3.0), [(0.0, 2.5, false)]);
        let short: Vec<f64> = windows(&samples, 999, 0.5).iter().map(|window| window.1).collect();
        assert_eq!(short, [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]);
        assert_eq!(windows(&samples[..24_000], 24_000, 3.0), [(0.0, 3.0, false)]);
    }
}
