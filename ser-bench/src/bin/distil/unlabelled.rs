//! Recordings without labels, which only train.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use ser_bench::experiments::{Predictions, predict};
use ser_bench::voices::{Heads, VoiceClips};
use ser_data::{AudioFile, Clip, groups_of_identical};
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

/// Recordings without labels, none with the sound of a labelled clip.
pub(crate) struct Unlabelled {
    /// As the small network reads them. All are of class 0, which nothing trains on: soft labels take its place. A corpus of one class is
    /// drawn from with equal probabilities, so that a wrong answer that stands alone in its class is not drawn most.
    pub(crate) dataset: Dataset,
    encoded: EncodedClips,
}

impl Unlabelled {
    /// Reads files and all recordings below folders, and encodes them for the large model. Copies of labelled clips and of each other are
    /// left out and counted on standard error.
    ///
    /// # Errors
    /// If a recording cannot be read or holds no speech, by its file, or no recording is left.
    pub(crate) fn load(
        named: &[PathBuf],
        labelled: &VoiceClips,
        encoder: &Arc<WhisperEncoder>,
        small: &Recipe,
    ) -> anyhow::Result<Self> {
        ensure!(
            small.training.class_weights != ClassWeights::Balanced,
            "class_weights must be uniform or given where unlabelled clips train, got balanced"
        );
        let file = |input| match input {
            Input::File(path) => Ok(AudioFile::new(path)),
            Input::Standard => bail!("--unlabelled must be files and folders, got standard input"),
        };
        let files = find(named, false)?.into_iter().map(file).collect::<anyhow::Result<Vec<_>>>()?;
        let others = other_files(&files, &labelled.clips)?;
        ensure!(!others.is_empty(), "{ONLY_COPIES}");
        let mut recordings: Vec<Recording> =
            map_batch(&others, || Reader::new(small), |reader, _, file| reader.read(file))?
                .into_iter()
                .collect::<anyhow::Result<_>>()?;
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
        let left_out = files.len() - kept.len();
        if left_out > 0 {
            cli::note(format_args!("left out: {left_out} unlabelled recordings, copies of other clips"));
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

    /// What heads answer for them. As the true class of each, which is not known, stands the answer.
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

/// A recording as both models read it.
struct Recording {
    /// By its content, so that it is the same clip wherever it lies.
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

    fn read(&mut self, file: &AudioFile) -> anyhow::Result<Recording> {
        let digest = hex::encode(Sha256::digest(file.bytes()?));
        let place = || file.to_string();
        let audio = file.read()?;
        let rate = audio.sample_rate;
        let warnings = audio.warnings.iter().map(|warning| format!("{file}: {warning}")).collect();
        let mono = audio.to_mono().with_context(place)?;
        check_speech(&mono, rate).with_context(place)?;
        let samples = self.preparation.process(&mono, rate).with_context(place)?;
        let features = self.extractor.extract(&samples).with_context(place)?;
        Ok(Recording {
            id: format!("{CORPUS}/{}", &digest[..32]),
            raw: self.raw.process(&mono, rate).with_context(place)?,
            input: self.small.architecture.input().of(&features).with_context(place)?,
            samples,
            warnings,
        })
    }
}
