//! Computes waveform, mel spectrogram and pitch of a recording of any length from samples that arrive piece by piece.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use ser_features::{
    DecibelConfig, Feature, FeatureConfig, MelConfig, PreparationConfig, StftConfig, StreamingExtractor,
    StreamingResampler, amplitude_to_db, mel_filter_bank, power_to_db,
};

use crate::pitch_line::PitchLine;
use crate::{Figure, Heatmap, Language, Pitch, Rows, Waveform};

/// Maximum number of columns of a picture, because few screens have more. If there are more, neighbours are joined.
const MAX_COLUMNS: usize = 2048;
/// Number of parts of a waveform per second, before neighbours are joined.
const PARTS_A_SECOND: u32 = 500;

/// Computes the pictures of a recording that arrives piece by piece. An hour takes little more memory than a minute.
#[derive(Debug)]
pub struct Overview {
    sample_rate: u32,
    config: FeatureConfig,
    resampler: StreamingResampler,
    extractor: StreamingExtractor,
    /// Lowest and highest sample of each part, at the recording's sample rate.
    wave: Columns<(f32, f32)>,
    /// Sum of the mel powers of the frames in each column, `n_mels` values each.
    mel: Columns<Vec<f32>>,
    /// Root mean square of each frame.
    levels: Vec<f32>,
    pitch: PitchLine,
    samples: u64,
}

/// Result of an [`Overview`], ready to be drawn.
#[derive(Debug, Clone)]
pub struct Overviewed {
    /// The samples, with the part that trimming kept in colour.
    pub waveform: Figure,
    /// The mel spectrogram in dB of the part that trimming kept.
    pub mel: Figure,
    /// Pitch of the voice.
    pub pitch: Figure,
    /// Text alternatives for waveform, spectrogram and pitch, in the language of the titles.
    pub alternatives: [&'static str; 3],
    /// Duration of the recording in seconds.
    pub seconds: f64,
}

impl Overview {
    /// Creates an overview of mono samples at `sample_rate` Hz.
    ///
    /// # Errors
    /// If samples of this rate cannot be resampled to the rate of the recogniser.
    pub fn new(sample_rate: u32) -> anyhow::Result<Self> {
        let config = FeatureConfig {
            features: vec![Feature::Mel, Feature::Rms],
            sample_rate: PreparationConfig::default().sample_rate,
            ..FeatureConfig::default()
        };
        Ok(Self {
            sample_rate,
            resampler: StreamingResampler::new(sample_rate, config.sample_rate)?,
            pitch: PitchLine::new(config.sample_rate)?,
            extractor: StreamingExtractor::new(config.clone())?,
            config,
            wave: Columns::new((sample_rate / PARTS_A_SECOND).max(1) as usize),
            mel: Columns::new(1),
            levels: Vec::new(),
            samples: 0,
        })
    }

    /// Appends samples.
    ///
    /// # Errors
    /// If a sample is NaN, infinite or beyond ±1e12.
    pub fn push(&mut self, samples: &[f32]) -> anyhow::Result<()> {
        let resampled = self.resampler.push(samples)?;
        self.pitch.push(resampled)?;
        let frames = self.extractor.push(resampled)?;
        note(frames.get(Feature::Mel), frames.get(Feature::Rms), &mut self.mel, &mut self.levels);
        self.samples += samples.len() as u64;
        samples.iter().for_each(|x| self.wave.add((*x, *x), |a, b| *a = (a.0.min(b.0), a.1.max(b.1))));
        Ok(())
    }

    /// Returns the pictures of all samples, with titles and text alternatives in a language.
    ///
    /// # Errors
    /// If there are no samples.
    pub fn finish(mut self, language: Language) -> anyhow::Result<Overviewed> {
        let resampled = self.resampler.finish()?;
        self.pitch.push(resampled)?;
        let frames = self.extractor.push(resampled)?;
        note(frames.get(Feature::Mel), frames.get(Feature::Rms), &mut self.mel, &mut self.levels);
        let frames = self.extractor.finish()?;
        note(frames.get(Feature::Mel), frames.get(Feature::Rms), &mut self.mel, &mut self.levels);

        let seconds = self.samples as f64 / f64::from(self.sample_rate);
        let frame = self.config.hop_length as f64 / f64::from(self.config.sample_rate);
        let frames = self.kept_frames()?;
        let kept = frames.start as f64 * frame..(frames.end as f64 * frame).min(seconds);
        let words = language.words();
        let mel = self.mel_figure(words.mel, frames, seconds)?;
        let mut points = self.pitch.finish()?;
        points.retain(|(time, _)| kept.contains(time));
        Ok(Overviewed {
            mel,
            waveform: Figure::Waveform(Waveform {
                title: words.waveform.to_string(),
                parts: self.wave.joined,
                seconds,
                kept: Some(kept),
            }),
            pitch: Figure::Pitch(Pitch { title: words.pitch.to_string(), points, seconds }),
            alternatives: words.alternatives,
            seconds,
        })
    }

    /// Returns the frames from the first to the last that is not silent, as [`Trim`](ser_features::Trim) finds them.
    fn kept_frames(&self) -> anyhow::Result<Range<usize>> {
        let Some(top_db) = PreparationConfig::default().trim_top_db else { return Ok(0..self.levels.len()) };
        let mut levels = Array1::from(self.levels.clone());
        let loudest = self.levels.iter().copied().fold(0.0, f32::max);
        let reference = ser_features::Reference::Value(loudest);
        amplitude_to_db(
            &mut levels,
            &DecibelConfig { reference, top_db: None, ..DecibelConfig::amplitude() },
        )?;
        let is_loud = |level: &f32| *level > -top_db;
        let first = levels.iter().position(is_loud).unwrap_or(0);
        let last = levels.iter().rposition(is_loud).map_or(self.levels.len(), |last| last + 1);
        Ok(first..last)
    }

    /// Draws the mel spectrogram of the recording as if it were normalised to a peak of 1.
    fn mel_figure(&mut self, title: &str, frames: Range<usize>, seconds: f64) -> anyhow::Result<Figure> {
        let Columns { joined: mut columns, size, filled: last } =
            std::mem::replace(&mut self.mel, Columns::new(1));
        let count = columns.len();
        for (n, column) in columns.iter_mut().enumerate() {
            // A column holds the sum of its frames. The last column may have fewer frames.
            let of = if n + 1 == count && last > 0 { last } else { size };
            column
                .iter_mut()
                .for_each(|power| *power /= of as f32 * self.pitch.peak().powi(2).max(f32::MIN_POSITIVE));
        }
        let shown = frames.start / size..frames.end.div_ceil(size).min(count);
        let mut values = Array2::from_shape_fn((self.config.n_mels, shown.len()), |(row, n)| {
            columns[shown.start + n][row]
        });
        power_to_db(&mut values, &DecibelConfig::default())?;
        let second = |column: usize| {
            (column * size * self.config.hop_length) as f64 / f64::from(self.config.sample_rate)
        };
        Ok(Figure::Heatmap(Heatmap {
            title: title.to_string(),
            values,
            time: second(shown.start)..second(shown.end).min(seconds),
            axis: 0.0..seconds,
            rows: Rows::Hertz(self.mel_centres()?),
            unit: "dB".to_string(),
        }))
    }

    /// Returns the mean frequency of each mel band in Hz.
    fn mel_centres(&self) -> anyhow::Result<Vec<f32>> {
        let FeatureConfig { sample_rate, n_fft, n_mels, .. } = self.config;
        let config = MelConfig {
            sample_rate,
            n_mels,
            stft: StftConfig { n_fft, ..StftConfig::default() },
            ..MelConfig::default()
        };
        let bin = sample_rate as f32 / n_fft as f32;
        let bank = mel_filter_bank(&config)?;
        let centre = |row: ArrayView1<'_, f32>| {
            let weighted: f32 = row.iter().enumerate().map(|(k, weight)| k as f32 * bin * weight).sum();
            weighted / row.sum().max(f32::MIN_POSITIVE)
        };
        Ok(bank.outer_iter().map(centre).collect())
    }
}

/// Appends frames of mel power to `columns` and their root mean squares to `levels`.
fn note(
    mel: Option<ArrayView2<'_, f32>>,
    rms: Option<ArrayView2<'_, f32>>,
    columns: &mut Columns<Vec<f32>>,
    levels: &mut Vec<f32>,
) {
    for column in mel.iter().flat_map(|mel| mel.columns()) {
        columns.add(column.to_vec(), |a, b| a.iter_mut().zip(b).for_each(|(a, b)| *a += b));
    }
    levels.extend(rms.iter().flat_map(|rms| rms.iter()));
}

/// A growing sequence of values, joined into parts of equal size. When there are twice [`MAX_COLUMNS`] parts, each pair of neighbours is
/// joined.
#[derive(Debug)]
struct Columns<T> {
    joined: Vec<T>,
    /// Number of values in a full part.
    size: usize,
    /// Number of values in the last part, or 0 if it is full.
    filled: usize,
}

impl<T> Columns<T> {
    fn new(size: usize) -> Self {
        Self { joined: Vec::new(), size, filled: 0 }
    }

    fn add(&mut self, one: T, join: impl Fn(&mut T, T)) {
        match self.joined.last_mut() {
            Some(last) if self.filled > 0 => join(last, one),
            _ => {
                if self.joined.len() == 2 * MAX_COLUMNS {
                    self.halve(&join);
                }
                self.joined.push(one);
            }
        }
        self.filled = (self.filled + 1) % self.size;
    }

    /// Joins each pair of neighbours. All parts must be full.
    fn halve(&mut self, join: impl Fn(&mut T, T)) {
        let mut parts = std::mem::take(&mut self.joined).into_iter();
        while let Some(mut first) = parts.next() {
            if let Some(second) = parts.next() {
                join(&mut first, second);
            }
            self.joined.push(first);
        }
        self.size *= 2;
    }
}

#[cfg(test)]
mod tests {
    use ser_data::Audio;
    use ser_examples::assets;
    use ser_features::{FeatureExtractor, Preparation};

    use super::*;

    fn overview(samples: &[f32], sample_rate: u32, piece: usize) -> Overviewed {
        overview_in(Language::English, samples, sample_rate, piece)
    }

    fn overview_in(language: Language, samples: &[f32], sample_rate: u32, piece: usize) -> Overviewed {
        let mut overview = Overview::new(sample_rate).unwrap();
        samples.chunks(piece).for_each(|piece| overview.push(piece).unwrap());
        overview.finish(language).unwrap()
    }

    fn sample() -> (Vec<f32>, u32) {
        let sample = Audio::decode(assets::SAMPLE_WAV, Some("wav"), "sample.wav").unwrap();
        (sample.to_mono().unwrap(), sample.sample_rate)
    }

    fn mel(overviewed: &Overviewed) -> &Heatmap {
        let Figure::Heatmap(mel) = &overviewed.mel else { panic!("{:?}", overviewed.mel) };
        mel
    }

    fn pitch(overviewed: &Overviewed) -> &Pitch {
        let Figure::Pitch(pitch) = &overviewed.pitch else { panic!("{:?}", overviewed.pitch) };
        pitch
    }

    #[test]
    fn pieces_of_any_length_give_the_same_pictures() {
        let (samples, sample_rate) = sample();
        let whole = overview(&samples, sample_rate, samples.len());
        for piece in [777, 22_050] {
            let pieces = overview(&samples, sample_rate, piece);
            assert_eq!(whole.waveform, pieces.waveform);
            assert_eq!(whole.mel, pieces.mel);
            // Compared as text, because gaps are NaN, which is not equal to itself.
            assert_eq!(format!("{:?}", whole.pitch), format!("{:?}", pieces.pitch));
        }
        assert!((whole.seconds - samples.len() as f64 / f64::from(sample_rate)).abs() < 1e-9);
    }

    /// The spectrogram is equal to that of the recogniser's features, except in frames that overlap the part that trimming cut.
    #[test]
    fn the_spectrogram_is_that_of_the_features() {
        let (samples, sample_rate) = sample();
        let overviewed = overview(&samples, sample_rate, 5_000);
        let config = PreparationConfig { length: None, ..PreparationConfig::default() };
        let clip = Preparation::new(config).unwrap().process(&samples, sample_rate).unwrap();
        let config = FeatureConfig { features: vec![Feature::Mel], ..FeatureConfig::default() };
        let features = FeatureExtractor::new(config).unwrap().extract(&clip).unwrap();
        let mut expected = features.get(Feature::Mel).unwrap().clone();
        power_to_db(&mut expected, &DecibelConfig::default()).unwrap();
        let values = &mel(&overviewed).values;
        assert!(values.ncols().abs_diff(expected.ncols()) <= 1, "{} {}", values.ncols(), expected.ncols());
        let (from, to) = (3, expected.ncols().min(values.ncols()) - 3);
        for frame in from..to {
            for (a, b) in values.column(frame).iter().zip(expected.column(frame)) {
                assert!((a - b).abs() < 0.05, "frame {frame}: {a} and {b} dB");
            }
        }
    }

    #[test]
    fn ten_minutes_take_no_more_columns_than_a_screen_has() {
        // A tone whose frequency rises every minute.
        let (sample_rate, seconds) = (8_000, 600);
        let mut turns = 0.0;
        let samples: Vec<f32> = (0..sample_rate * seconds)
            .map(|n| {
                turns += f64::from(100 + 20 * (n / (60 * sample_rate))) / f64::from(sample_rate);
                0.3 * (turns * std::f64::consts::TAU).sin() as f32
            })
            .collect();
        let overviewed = overview(&samples, sample_rate, sample_rate as usize);
        let mel = mel(&overviewed);
        assert!((MAX_COLUMNS / 2..=2 * MAX_COLUMNS).contains(&mel.values.ncols()), "{}", mel.values.ncols());
        assert!((mel.time.end - 600.0).abs() < 0.5 && mel.axis.end == 600.0, "{:?}", mel.time);
        // The pitch of each minute is that of the tone.
        let points = &pitch(&overviewed).points;
        for (time, hertz) in points {
            let (minute, into) = ((time / 60.0) as i32, time % 60.0);
            if (0.2..59.8).contains(&into) && *time < 599.8 {
                let expected = (100 + 20 * minute) as f32;
                assert!((hertz / expected - 1.0).abs() < 0.02, "{hertz} Hz at {time} s, expected {expected}");
            }
        }
        assert!(points.len() > 8_000, "{}", points.len());
    }

    #[test]
    fn titles_and_descriptions_follow_the_language() {
        let (samples, sample_rate) = sample();
        for (language, title, described) in [
            (Language::English, "Waveform (coloured: heard)", "Pitch of the voice"),
            (Language::German, "Wellenform (farbig: gehört)", "Tonhöhe der Stimme"),
        ] {
            let overviewed = overview_in(language, &samples, sample_rate, 22_050);
            let Figure::Waveform(waveform) = &overviewed.waveform else { panic!("{overviewed:?}") };
            assert_eq!(waveform.title, title);
            assert!(overviewed.alternatives[2].starts_with(described), "{:?}", overviewed.alternatives);
        }
    }

    #[test]
    fn nothing_has_no_pictures() {
        assert!(Overview::new(8_000).unwrap().finish(Language::English).is_err());
    }

    #[test]
    fn parts_are_joined_two_by_two() {
        let mut columns = Columns::new(3);
        (0..3 * 2 * MAX_COLUMNS + 4).for_each(|_| columns.add(1, |a, b| *a += b));
        assert_eq!((columns.size, columns.joined.len(), columns.filled), (6, MAX_COLUMNS + 1, 4));
        assert!(columns.joined[..MAX_COLUMNS].iter().all(|of| *of == 6) && columns.joined[MAX_COLUMNS] == 4);
    }
}
