//! Recordings without labels. They train and are not measured.

use std::collections::HashSet;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use ser_bench::experiments::{Predictions, predict};
use ser_bench::voices::{Heads, VoiceClips};
use ser_data::{AudioFile, Clip, CorpusFormat, RavdessName, groups_of_identical};
use ser_examples::cli;
use ser_examples::inputs::{Input, find};
use ser_features::{FeatureExtractor, Preparation, PreparationConfig, check_speech, map_batch};
use ser_models::encoder::WhisperEncoder;
use ser_models::input::{ClipEncoder, Dataset};
use ser_models::layers::Padded;
use ser_models::training::{ClassWeights, EncodedClips};
use ser_models::{Checkpoint, Recipe};
use sha2::{Digest, Sha256};

/// The name of their corpus in balanced sampling.
const CORPUS: &str = "unlabelled";

const ONLY_COPIES: &str = "--unlabelled must hold recordings that are not labelled, got copies alone";

/// Recordings without labels, without copies of labelled clips.
pub(crate) struct Unlabelled {
    /// As the small network reads them. All are of class 0, which nothing trains on: soft labels take its place. A corpus of one class is
    /// drawn from with equal probabilities, so that a wrong answer that stands alone in its class is not drawn most.
    pub(crate) dataset: Dataset,
    encoded: EncodedClips,
}

impl Unlabelled {
    /// Reads files and all recordings below folders, and encodes them for the large model. Both models get the same [`windows`] of a long
    /// recording. Copies of labelled clips and of each other, and windows without speech, are left out and counted on standard error.
    ///
    /// # Errors
    /// If a recording cannot be read, holds no speech, or has the name of a recording by a labelled speaker, with its file; or if no
    /// recording is left.
    pub(crate) fn load(
        named: &[PathBuf],
        labelled: &VoiceClips,
        encoder: &Arc<WhisperEncoder>,
        small: &Recipe,
    ) -> anyhow::Result<Self> {
        ensure!(
            small.training.class_weights != ClassWeights::Balanced,
            "recipe: training.class_weights must be uniform or given where unlabelled clips train, got balanced"
        );
        let file = |input| match input {
            Input::File(path) => Ok(AudioFile::new(path)),
            Input::Standard => bail!("--unlabelled must be files and folders, got standard input"),
        };
        let files = find(named, false)?.into_iter().map(file).collect::<anyhow::Result<Vec<_>>>()?;
        let others = other_files(&files, &labelled.clips)?;
        ensure!(!others.is_empty(), "{ONLY_COPIES}");
        let speakers: HashSet<&str> =
            labelled.clips.iter().filter_map(|clip| clip.speaker.as_deref()).collect();
        others.iter().try_for_each(|file| check_speaker(file, &speakers))?;
        let read: Vec<Windows> =
            map_batch(&others, || Reader::new(small), |reader, _, file| reader.read(file))?
                .into_iter()
                .collect::<anyhow::Result<_>>()?;
        let silent: usize = read.iter().map(|windows| windows.silent).sum();
        if silent > 0 {
            cli::note(format_args!("left out: {silent} windows of unlabelled recordings, without speech"));
        }
        let mut recordings: Vec<Recording> =
            read.into_iter().flat_map(|windows| windows.recordings).collect();
        recordings.sort_by(|a, b| a.id.cmp(&b.id));

        let ids: Vec<String> = recordings.iter().map(|recording| recording.id.clone()).collect();
        let (mut raw, mut own, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
        for recording in recordings {
            recording.warnings.iter().for_each(|line| cli::note(format_args!("warning: {line}")));
            raw.push(recording.raw);
            own.push(recording.samples);
            inputs.push(recording.input);
        }
        let encoded = labelled.encode(encoder, ids.clone(), &raw)?;
        let kept = other_sounds(&encoded, &ids, labelled)?;
        let left_out = files.len() - others.len() + ids.len() - kept.len();
        if left_out > 0 {
            cli::note(format_args!(
                "left out: {left_out} unlabelled recordings or windows, copies of other clips"
            ));
        }
        ensure!(!kept.is_empty(), "{ONLY_COPIES}");
        let (input, classes) = (small.architecture.input(), &labelled.label_names);
        let mut dataset = Dataset::of_clips(input, inputs, vec![0; ids.len()], classes, &ids)?;
        if small.training.augmentation.audio.is_on() {
            dataset = dataset.with_audio(own, small.preparation.clone(), small.features.clone())?;
        }
        let dataset = dataset.select(&kept)?.with_corpora(vec![CORPUS; kept.len()])?;
        Ok(Self { dataset, encoded })
    }

    /// The answers of heads. The true classes are unknown; the answers stand in their place.
    ///
    /// # Errors
    /// If the heads cannot be used.
    pub(crate) fn answers(&self, heads: &Heads<Checkpoint>) -> anyhow::Result<Predictions> {
        let (ids, labels, names) = (self.dataset.ids(), self.dataset.labels(), self.dataset.label_names());
        let data = self.encoded.dataset(ids, labels, names, 0)?;
        let answers = heads.try_map(|head| predict(head, &data))?.mean()?;
        let truth = answers.answers().map(|(class, _)| class).collect();
        Ok(Predictions { truth, ..answers })
    }
}

/// Files whose content is not that of a labelled clip, or part of the same recording, and not that of a file before.
fn other_files<'a>(files: &'a [AudioFile], labelled: &[Clip]) -> anyhow::Result<Vec<&'a AudioFile>> {
    let known = labelled.iter().map(AsRef::as_ref);
    let groups = groups_of_identical(&known.chain(files).collect::<Vec<_>>())?;
    let is_first = |at: &usize| groups[labelled.len() + at] == labelled.len() + at;
    Ok((0..files.len()).filter(is_first).map(|at| &files[at]).collect())
}

/// Checks that the name of a recording is not that of a labelled speaker's clip, because that speaker may be one of those that are
/// measured. Names of songs and videos of RAVDESS have the actor too.
fn check_speaker(file: &AudioFile, labelled: &HashSet<&str>) -> anyhow::Result<()> {
    let path = file.to_string().replace('\\', "/");
    let name = path.rsplit('/').next().unwrap_or(&path);
    let actor = name.parse::<RavdessName>().ok().map(|name| format!("ravdess/{:02}", name.actor));
    let others = CorpusFormat::ALL.into_iter().filter_map(|format| {
        let named = format.read_name(&path).ok().flatten()?;
        Some(format!("{format}/{}", named.speaker))
    });
    match actor.into_iter().chain(others).find(|speaker| labelled.contains(&**speaker)) {
        None => Ok(()),
        Some(speaker) => {
            bail!("{file}: speaker must be none of the labelled clips', got {speaker} by the file's name")
        }
    }
}

/// The windows of a recording that the small network reads `most` samples of: as many of equal length as have `most` samples or more, so
/// that the large model's answer is for what the small one reads. A recording of less than twice `most` is one, as a labelled clip is.
fn windows(samples: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let count = (samples / most.max(1)).max(1);
    let at = move |number: usize| (number as u128 * samples as u128 / count as u128) as usize;
    (0..count).map(move |number| at(number)..at(number + 1))
}

/// Places of the clips whose sound is not that of a labelled clip or of a clip before, in whatever format it is kept: clips of equal
/// samples have equal statistics.
fn other_sounds(encoded: &EncodedClips, ids: &[String], labelled: &VoiceClips) -> anyhow::Result<Vec<usize>> {
    let sounds = |encoded: &EncodedClips, ids: &[String]| -> anyhow::Result<Vec<Vec<u32>>> {
        let data = encoded.dataset(ids, &vec![0; ids.len()], &labelled.label_names, 0)?;
        let statistics = data.inputs().values().flatten_from(1)?.to_vec2::<f32>()?;
        Ok(statistics.into_iter().map(|row| row.into_iter().map(f32::to_bits).collect()).collect())
    };
    let known: Vec<String> = labelled.clips.iter().map(|clip| clip.id.clone()).collect();
    let mut known: HashSet<Vec<u32>> = sounds(&labelled.encoded, &known)?.into_iter().collect();
    let new = sounds(encoded, ids)?.into_iter().enumerate();
    Ok(new.filter_map(|(at, sound)| known.insert(sound).then_some(at)).collect())
}

/// The content of a file.
struct Windows {
    recordings: Vec<Recording>,
    /// Windows without speech.
    silent: usize,
}

/// A recording, or a window of a long one, as both models read it.
struct Recording {
    /// An id made from the file's content, so that a moved file is the same clip.
    id: String,
    /// Samples at the encoder's rate.
    raw: Vec<f32>,
    /// Samples in the small network's preparation.
    samples: Vec<f32>,
    input: Padded,
    warnings: Vec<String>,
}

/// One thread's plans.
struct Reader<'a> {
    small: &'a Recipe,
    raw: Preparation,
    preparation: Preparation,
    extractor: FeatureExtractor,
}

impl<'a> Reader<'a> {
    fn new(small: &'a Recipe) -> anyhow::Result<Self> {
        Ok(Self {
            small,
            raw: Preparation::new(PreparationConfig::raw(ClipEncoder::SAMPLE_RATE))?,
            preparation: Preparation::new(small.preparation.clone())?,
            extractor: FeatureExtractor::new(small.features.clone())?,
        })
    }

    fn read(&mut self, file: &AudioFile) -> anyhow::Result<Windows> {
        let digest = hex::encode(Sha256::digest(file.bytes()?));
        let place = || file.to_string();
        let audio = file.read()?;
        let rate = audio.sample_rate;
        let warnings: Vec<String> =
            audio.warnings.iter().map(|warning| format!("{file}: {warning}")).collect();
        let mono = audio.to_mono().with_context(place)?;
        check_speech(&mono, rate).with_context(place)?;
        let PreparationConfig { length, sample_rate, .. } = &self.small.preparation;
        let most = length.map_or(usize::MAX, |length| {
            (length as f64 * f64::from(rate) / f64::from(*sample_rate)).round() as usize
        });
        let windows: Vec<Range<usize>> = windows(mono.len(), most).collect();
        let is_cut = windows.len() > 1;
        let mut read = Windows { recordings: Vec::new(), silent: 0 };
        for (number, window) in windows.into_iter().enumerate() {
            let mono = &mono[window];
            if is_cut && check_speech(mono, rate).is_err() {
                read.silent += 1;
                continue;
            }
            let samples = self.preparation.process(mono, rate).with_context(place)?;
            let features = self.extractor.extract(&samples).with_context(place)?;
            let number = if is_cut { format!("-{number}") } else { String::new() };
            read.recordings.push(Recording {
                id: format!("{CORPUS}/{}{number}", &digest[..32]),
                raw: self.raw.process(mono, rate).with_context(place)?,
                input: self.small.architecture.input().of(&features).with_context(place)?,
                samples,
                warnings: if read.recordings.is_empty() { warnings.clone() } else { Vec::new() },
            });
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_recordings_are_cut_into_equal_windows_of_all_samples() {
        let of = |samples, most| windows(samples, most).map(|at| (at.start, at.end)).collect::<Vec<_>>();
        assert_eq!(of(5, 10), [(0, 5)]);
        assert_eq!(of(19, 10), [(0, 19)]);
        assert_eq!(of(35, 10), [(0, 11), (11, 23), (23, 35)]);
        assert_eq!(of(600, 3).len(), 200);
        assert_eq!(of(7, usize::MAX), [(0, 7)]);
    }

    #[test]
    fn names_of_labelled_speakers_are_refused() {
        let labelled = HashSet::from(["ravdess/12", "emodb/03", "savee/DC"]);
        let check = |name: &str| check_speaker(&AudioFile::new(name), &labelled).map_err(|e| e.to_string());
        for (name, speaker) in [
            ("songs/03-02-03-01-02-01-12.wav", "ravdess/12"),
            ("01-01-03-01-02-01-12.mp4", "ravdess/12"),
            ("03-01-03-01-02-01-12.wav", "ravdess/12"),
            ("03a01Fa.wav", "emodb/03"),
            ("DC/a01.wav", "savee/DC"),
        ] {
            let expected = format!(
                "{name}: speaker must be none of the labelled clips', got {speaker} by the file's name"
            );
            assert_eq!(check(name), Err(expected));
        }
        for name in ["03-02-03-01-02-01-13.wav", "08a01Fa.wav", "a01.wav", "12.wav"] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }
}
