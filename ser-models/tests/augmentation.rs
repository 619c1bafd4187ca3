//! Training on clips whose audio is augmented while the model trains.

use crate::common::{RATE, voice};
use ndarray::Array2;
use ser_features::{Feature, FeatureConfig, FeatureExtractor, PreparationConfig};
use ser_models::models::{
    Architecture, AttentionLstmConfig, Cnn1dConfig, CnnLstmConfig, ConvBlock, TimNetConfig,
};
use ser_models::training::{
    AudioAugmentation, Augmentation, Dataset, Event, Finish, History, Masks, RecordingChain, Trainer,
    TrainingConfig,
};
use ser_models::{Checkpoint, CheckpointSource};
use std::sync::atomic::{AtomicBool, Ordering};

static GO: AtomicBool = AtomicBool::new(false);

fn preparation() -> PreparationConfig {
    PreparationConfig { length: Some(RATE as usize / 2), ..PreparationConfig::raw(RATE) }
}

fn features() -> FeatureConfig {
    let features = vec![Feature::Mfcc, Feature::Contrast];
    FeatureConfig { sample_rate: RATE, n_mfcc: 13, features, ..Default::default() }
}

fn voices(first: u64, n: u64) -> Dataset {
    let clips: Vec<Vec<f32>> =
        (first..first + n).map(|i| voice(i as usize % 2, i)[..RATE as usize / 2].to_vec()).collect();
    let mut extractor = FeatureExtractor::new(features()).unwrap();
    let rows: Vec<f32> = clips.iter().flat_map(|clip| extractor.extract(clip).unwrap().vector()).collect();
    let inputs = Array2::from_shape_vec((clips.len(), 20), rows).unwrap();
    let labels = (0..clips.len()).map(|i| i % 2).collect();
    let ids = (first..first + n).map(|i| format!("voice-{i}"));
    let data = Dataset::new(inputs, labels, ["Calm", "Energetic"], ids).unwrap();
    data.with_audio(clips, preparation(), features()).unwrap()
}

fn network() -> Cnn1dConfig {
    Cnn1dConfig { features: 20, blocks: vec![ConvBlock::new(4, 5, 2, 0.2)], ..Default::default() }
}

fn trainer(audio: AudioAugmentation) -> Trainer {
    trainer_of(Augmentation { audio, ..Default::default() }, 4)
}

fn trainer_of(augmentation: Augmentation, seed: u64) -> Trainer {
    let config = TrainingConfig { epochs: 3, batch_size: 6, augmentation, ..Default::default() };
    Trainer::new(config, network().into(), &voices(0, 16), Some(&voices(100, 6)), seed).unwrap()
}

fn everything() -> AudioAugmentation {
    AudioAugmentation {
        speed: Some([0.9, 1.1]),
        shift: 0.05,
        gain: Some([-6.0, 6.0]),
        snr: Some([10.0, 30.0]),
        low_pass: Some([2_000.0, 4_000.0]),
        high_pass: Some([50.0, 300.0]),
        chain: RecordingChain {
            reverberation: Some([0.1, 0.3]),
            equalizer: 6.0,
            tilt: 2.0,
            pink: 0.5,
            telephone: 0.2,
        },
        probability: 0.7,
    }
}

/// Returns the history and the checkpoint's bytes of a complete run.
fn finished(mut trainer: Trainer) -> (History, Vec<u8>) {
    assert_eq!(trainer.run(|_| {}, &GO).unwrap(), Finish::Completed);
    let mut features = features();
    if trainer.model().input().is_padded() {
        features.features = vec![Feature::Mfcc];
    }
    let source = CheckpointSource {
        preparation: preparation(),
        features,
        protocol: "made up".to_owned(),
        split_seed: 0,
        test: Vec::new(),
    };
    (trainer.history().clone(), trainer.checkpoint(source).unwrap().to_bytes().unwrap())
}

#[test]
fn one_seed_gives_one_result_with_any_number_of_threads() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| finished(trainer(everything())))
    };
    let one = run(1);
    assert!(one == run(3));
    assert!(one == finished(trainer(everything())));
}

#[test]
fn a_run_cut_at_any_batch_and_resumed_ends_bit_for_bit_like_an_uncut_one() {
    let uncut = finished(trainer(everything()));
    let folder = tempfile::tempdir().unwrap();
    for cut in [1, 3, 5] {
        let path = folder.path().join(format!("state-{cut}"));
        let (stop, mut seen) = (AtomicBool::new(false), 0);
        let mut cut_run = trainer(everything());
        cut_run.keep_state(&path);
        let count = |event: &Event<'_>| {
            seen += usize::from(matches!(event, Event::Batch { .. }));
            stop.store(seen == cut, Ordering::Relaxed);
        };
        assert_eq!(cut_run.run(count, &stop).unwrap(), Finish::Stopped);
        let mut resumed = trainer(everything());
        resumed.resume(&path).unwrap();
        assert!(finished(resumed) == uncut, "cut at batch {cut}");
    }
}

#[test]
fn members_of_an_ensemble_see_batches_of_their_own_and_answer_with_their_mean() {
    let member =
        |seed| trainer_of(Augmentation { audio: everything(), mixup: 0.4, ..Default::default() }, seed);
    let members: Vec<(History, Vec<u8>)> = (4..7).map(|seed| finished(member(seed))).collect();
    assert!(members[0].0 != members[1].0 && members[1].0 != members[2].0);
    let join = |files: &[&[u8]]| {
        let members: Vec<_> = files.iter().map(|file| (Checkpoint::from_bytes(file).unwrap(), 1.0)).collect();
        Checkpoint::join(&members).unwrap()
    };
    let files: Vec<&[u8]> = members.iter().map(|(_, file)| &file[..]).collect();
    let joined = join(&files);
    assert!(matches!(&joined.architecture, Architecture::Ensemble(config) if config.members == 3));

    let clips = voices(200, 7);
    let answers = |model: &Checkpoint| model.classifier().unwrap().probabilities(clips.inputs()).unwrap();
    let mean = files.iter().map(|file| answers(&join(&[file]))).reduce(|sum, own| sum + own).unwrap() / 3.0;
    assert!(answers(&joined).iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-6));

    // A member that was interrupted and resumed is joined to the same bytes.
    let folder = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let mut cut = member(5);
    cut.keep_state(folder.path().join("state"));
    let first = |event: &Event<'_>| stop.store(matches!(event, Event::Epoch(_)), Ordering::Relaxed);
    assert_eq!(cut.run(first, &stop).unwrap(), Finish::Stopped);
    let mut resumed = member(5);
    resumed.resume(folder.path().join("state")).unwrap();
    let resumed = finished(resumed);
    assert!(resumed == members[1]);
    let again = join(&[files[0], &resumed.1, files[2]]);
    assert!(again.to_bytes().unwrap() == joined.to_bytes().unwrap());
}

#[test]
fn clips_differ_from_epoch_to_epoch_and_normalisation_is_that_of_the_clips_as_they_are() {
    let (plain, changed) = (trainer(AudioAugmentation::default()), trainer(everything()));
    let (plain, changed) = (finished(plain), finished(changed));
    assert_ne!(plain.0, changed.0);
    let load = |bytes: &[u8]| Checkpoint::from_bytes(bytes).unwrap();
    assert_eq!(load(&plain.1).normalization, load(&changed.1).normalization);

    // Training with a change that leaves every clip as it is equals training without one.
    let idle = AudioAugmentation { gain: Some([0.0, 0.0]), ..Default::default() };
    assert_eq!(finished(trainer(idle)).0, plain.0);
}

/// Makes voices of 0.3 to 0.8 seconds, which are 10 to 26 frames. A network reads at most 20 of them.
fn uneven(architecture: &Architecture, first: u64, n: u64) -> Dataset {
    let (preparation, input) = (PreparationConfig::raw(RATE), architecture.input());
    let features = FeatureConfig { features: vec![Feature::Mfcc], ..features() };
    let length = |i: u64| RATE as usize * (3 + i as usize * 7 % 6) / 10;
    let clips: Vec<Vec<f32>> =
        (first..first + n).map(|i| voice(i as usize % 2, i)[..length(i)].to_vec()).collect();
    let mut extractor = FeatureExtractor::new(features.clone()).unwrap();
    let inputs: Vec<_> =
        clips.iter().map(|clip| input.of(&extractor.extract(clip).unwrap()).unwrap()).collect();
    let labels = (0..clips.len()).map(|i| i % 2).collect();
    let ids = (first..first + n).map(|i| format!("voice-{i}"));
    let data = Dataset::of_clips(input, inputs, labels, ["Calm", "Energetic"], ids).unwrap();
    let frames = data.inputs().lengths().unwrap();
    assert!(frames.contains(&10) && frames.contains(&20));
    data.with_audio(clips, preparation, features).unwrap()
}

fn recurrent() -> [Architecture; 3] {
    let (rows, frames) = (13, 20);
    let image = |batch_norm| ConvBlock::image(4, batch_norm, [2; 2], 0.2);
    [
        AttentionLstmConfig { rows, frames, lstm_units: 6, attention_units: 4, ..Default::default() }.into(),
        CnnLstmConfig {
            rows,
            frames,
            blocks: vec![image(false), image(true)],
            lstm_units: 6,
            ..Default::default()
        }
        .into(),
        TimNetConfig { rows, frames, filters: 6, blocks: 3, ..Default::default() }.into(),
    ]
}

#[test]
fn clips_of_many_lengths_that_are_changed_as_sound_and_masked_are_resumed_bit_for_bit() {
    let masks = |count, width| Masks { count, width };
    let augmentation = Augmentation {
        audio: everything(),
        time_masks: masks(2, 4),
        frequency_masks: masks(1, 3),
        mixup: 0.2,
        ..Default::default()
    };
    let folder = tempfile::tempdir().unwrap();
    for architecture in recurrent() {
        let name = architecture.name();
        let (training, validation) = (uneven(&architecture, 0, 12), uneven(&architecture, 100, 6));
        let new = || {
            let config = TrainingConfig { epochs: 2, batch_size: 5, augmentation, ..Default::default() };
            Trainer::new(config, architecture.clone(), &training, Some(&validation), 4).unwrap()
        };
        let uncut = finished(new());
        for cut in [1, 2, 3, 4, 5] {
            let path = folder.path().join(format!("{name}-{cut}"));
            let (stop, mut seen) = (AtomicBool::new(false), 0);
            let mut cut_run = new();
            cut_run.keep_state(&path);
            let count = |event: &Event<'_>| {
                seen += usize::from(matches!(event, Event::Batch { .. }));
                stop.store(seen == cut, Ordering::Relaxed);
            };
            assert_eq!(cut_run.run(count, &stop).unwrap(), Finish::Stopped, "{name}: cut at batch {cut}");
            let mut resumed = new();
            resumed.resume(&path).unwrap();
            assert!(finished(resumed) == uncut, "{name}: cut at batch {cut}");
        }
    }
}
