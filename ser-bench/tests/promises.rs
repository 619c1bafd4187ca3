//! Checks at compile time that public types are `Debug`, `Send` and `Sync`, and which are errors, because callers rely on it. A test
//! compares the types that are checked with the lists of public items, `docs/api`.

#![allow(clippy::unwrap_used)] // a test may panic

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Debug;

use api::{LIBRARIES, items};
use proc_macro2::{TokenStream, TokenTree};

#[allow(dead_code)] // it reads more than is compared here
mod api;

/// Several threads can use one.
fn shared<T: Send + Sync + Debug>() {}

/// Another thread can use it, but not at the same time. Each list says why.
fn moved<T: Send + Debug>() {}

/// Errors travel through threads and `anyhow`.
fn error<T: Error + Send + Sync + 'static>() {}

macro_rules! check {
    ($what:ident: $($type:ty),+ $(,)?) => { $($what::<$type>();)+ };
}

/// Types that are not checked, and why.
const UNCHECKED: [(&str, &str); 7] = [
    ("Bin", "a trait of numbers, for generic code alone"),
    ("Sample", "a trait of numbers, for generic code alone"),
    ("FrameByFrame", "a trait of plans, for generic code alone"),
    ("RowByFrame", "a trait of plans, for generic code alone"),
    ("MusicFolder", "tested beside it, behind the cargo feature `files`"),
    ("MusicFolderError", "tested beside it, behind the cargo feature `files`"),
    ("NotFound", "tested beside it, behind the cargo feature `files`"),
];

mod features {
    use super::{error, moved, shared};
    use ser_features::*;

    #[test]
    fn plans_and_features_are_shared_and_printed() {
        check!(shared:
            BandPass, Chroma, ChromaCqt, Cqt, Delta, GriffinLim, HarmonicPercussive, Hpss, Istft, KaldiFbank, KaldiMfcc, LogMel,
            MelSpectrogram, MelToStft, Mfcc, OnsetStrength, Pcen, Preemphasis, Pyin, Rms, SpectralBalance, SpectralBandwidth,
            SpectralCentroid, SpectralContrast, SpectralFlatness, SpectralRolloff, Spectrogram, Stft, Tempo, Tempogram, TimeStretch,
            Tonnetz, Trim, Tuning, VoiceQuality, WhisperMel, Yin, ZeroCrossingRate,
        );
        check!(shared:
            Streaming<Stft>, StreamingDelta, StreamingPcen, StreamingPreemphasis, StreamingResampler, StreamingRow<Rms>,
            StreamedFrames<'static>,
        );
        check!(shared:
            BandwidthConfig, CentroidConfig, ChromaConfig, ChromaCqtConfig, ContrastConfig, CqtConfig, DecibelConfig, DeltaConfig,
            FeatureConfig, FlatnessConfig, FormantConfig, GriffinLimConfig, HpssConfig, KaldiFbankConfig, KaldiFrameConfig, KaldiMelConfig,
            KaldiMfccConfig, LogMelConfig, MelConfig, MfccConfig, OnsetConfig, PcenConfig, PreemphasisConfig, PreparationConfig, PyinConfig,
            RmsConfig, RolloffConfig, SpectralBalanceConfig, StftConfig, TempoConfig, TempogramConfig, TrimConfig, TuningConfig,
            WhisperConfig, YinConfig, ZeroCrossingConfig,
        );
        check!(shared:
            Alignment, Feature, Features, FormantFrames, Functional, LogScale, MelNorm, MelScale, PadMode, PitchTrack, Pitches, Precision,
            Reference, SpectralBalanceFrames, Spectrum, VoiceQualityFrames, Window, YinFrame, YinFrames,
        );
        // The resampler for any ratio, rubato's, is not `Sync`.
        check!(moved: FeatureExtractor, Formants, PitchShift, Preparation, Resampler, StreamingExtractor);
        check!(error: ConfigError, SignalError, ser_features::Error, UnknownFeature, UnknownFunctional);
    }
}

mod data {
    use super::{error, moved, shared};
    use ser_data::*;

    #[test]
    fn recordings_and_corpora_are_shared_and_printed() {
        check!(shared:
            Audio, AudioFile, AudioLimits, AudioOptions, AudioWarning, BadFile, Clip, Clips, ClipsOptions, Corpus<f32>, CorpusFormat,
            CorpusOptions, CorpusStage, Emotion, ExtractConfig, Extracted<f32>, ExtractedClip<f32>, FoundAudio, FoundCorpus, Intensity,
            LabelMap, LabelSet, LeftOut, Manifest, ManifestRow, Modality, Named, Pcm, PcmEncoding, Progress, PublishedFold, RavdessName,
            Sex, Shares, Skipped, Source, SourceWarning, Span, Split, SplitIds, Statement, VocalChannel,
        );
        // It holds decoders and a resampler, which are not `Sync`.
        check!(moved: AudioReader<'static>);
        check!(error:
            AudioError, AudioErrorKind, BadFile, BadRow, ClipError, CorpusError, ExtractError, LabelError, LabelMapError, ManifestError,
            NameError, PcmError, SourceError, SplitError,
        );
    }
}

mod models {
    use super::{error, moved, shared};
    use ser_models::encoder::*;
    use ser_models::input::*;
    use ser_models::layers::*;
    use ser_models::live::*;
    use ser_models::models::*;
    use ser_models::recording::*;
    use ser_models::training::*;
    use ser_models::*;

    #[test]
    fn models_are_shared_and_printed() {
        check!(shared:
            Activity, ClipEncoder, Dataset, EncoderBlocks, LiveConfig, LiveReading, ModelInput, Normalization, NotSpeech,
            Recognition, Segment, Timeline, TimelineConfig, TimelineWindow, WhisperEncoder,
        );
        check!(shared:
            Checkpoint, CheckpointSource, Classifier, ConfusionMatrix, Evaluation, Generator, Parameter, Parameters,
            Readout, Recipe, RecipeFile, Scope<'static>, SplitRecord, TrainingRecord, VoiceProfile,
        );
        check!(shared:
            Architecture, AttentionLstmConfig, BlockLayer<usize>, Cnn1dConfig, CnnAttentionConfig, CnnLstmConfig, ConvBlock<usize>,
            EnsembleConfig, HeadLayers, HeadPooling, HybridConfig, Model, RnnLstmConfig, Summary, TimNetConfig, TunedBlocks,
            WhisperHeadConfig,
        );
        check!(shared:
            AudioAugmentation, Augmentation, ClassWeights, EarlyStopping, EncodedClips, EncodingConfig, Epoch, Event<'static>, Finish,
            Framework, History, Learner, Masks, Monitor, Optimizer, OptimizerConfig, OptimizerParams, Preset, RecordingChain, Sampling,
            Schedule, Step, Targets, Trainer, TrainingConfig,
        );
        // They hold resamplers.
        check!(moved: Listener, Listening<'static>, Recognizer, SpeechCues, SpeechDetector);
        check!(error:
            CheckpointError, ClassifyError, ClipEncoderError, DatasetError, EncodedError, EncoderError, FileError, InputError, LayerError,
            LiveError, ParameterError, ProfileError, RecipeError, RecognizeError, SettingError, StateError, TrainingError, WeightsError,
        );
    }

    #[test]
    fn layers_are_shared_and_printed() {
        check!(shared:
            AttentionPool, AvgPool<1>, AvgPool<2>, BatchNorm, CandleModule, Conv<1>, Conv<2>, CrossEntropy, Dense, Dropout, Flatten,
            GlobalAvgPool, GlobalMaxPool, LayerMixture, Lstm, MaxPool<1>, MaxPool<2>, Relu, Residual, Seeded<Dense>, Sequential, SimpleRnn,
            TimeFirst, TransformerBlock, Box<dyn Layer>,
        );
        check!(shared:
            BatchNormConfig, Conv1dConfig, Conv2dConfig, Fusion<'static>, Init, LstmConfig, Mode<'static>, Padded, Padding,
            SimpleRnnConfig, States, SummaryRow,
        );
        // It holds the closure of a backward pass, which is called once.
        check!(moved: Forward);
    }
}

mod songs {
    use super::{error, shared};
    use mood_recommender::*;

    #[test]
    fn catalogues_and_recommenders_are_shared_and_printed() {
        check!(shared:
            Aim, Catalog, CatalogBuilder, CatalogFormat, Duplicate, Extra, Filter, Mood, Options, Playlist, PlaylistEntry, PlaylistFormat,
            Point, Profile, ReadOptions, Reading, Recommendation<'static>, Recommender, ReleaseDate, Shuffle, SkippedRow, Song, SongFeature,
            Stats, Strategy,
        );
        check!(error: CatalogError, InvalidDate, PlaylistError, ReadingError, RecommendError, UnknownMood);
    }
}

/// The names of the types in each `check!`, with its first word.
fn checked(tokens: TokenStream) -> BTreeSet<(String, String)> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut found = BTreeSet::new();
    for at in 0..tokens.len() {
        let TokenTree::Group(group) = &tokens[at] else { continue };
        if at < 2 || tokens[at - 2].to_string() != "check" || tokens[at - 1].to_string() != "!" {
            found.extend(checked(group.stream()));
            continue;
        }
        let text = group.stream().to_string();
        let (what, types) = text.trim_matches(['(', ')']).split_once(':').unwrap();
        let name = |of: &str| {
            let path = of.split_once("dyn ").map_or(of, |(_, of)| of).split(['<', '>']).next().unwrap();
            path.rsplit(':').next().unwrap().trim().to_owned()
        };
        found.extend(types.split(',').map(name).map(|name| (what.trim().to_owned(), name)));
    }
    found
}

#[test]
fn every_public_type_is_checked() {
    let checked = checked(include_str!("promises.rs").parse().unwrap());
    let is_checked = |what: Option<&str>, name: &str| {
        checked.iter().any(|(of, checked)| checked == name && what.is_none_or(|what| of == what))
    };
    let items: Vec<_> = LIBRARIES.into_iter().flat_map(items).collect();
    let mut missing = BTreeSet::new();
    // An alias is another name of a type that is checked.
    for item in items.iter().filter(|item| item.is_type() && item.kind != "type") {
        let is_error = item.name().ends_with("Error") || item.name().ends_with("ErrorKind");
        let is_unchecked = UNCHECKED.iter().any(|(name, _)| *name == item.name());
        if is_checked(is_error.then_some("error"), item.name()) == is_unchecked {
            missing.insert(&item.path);
        }
    }
    assert!(missing.is_empty(), "a check! or UNCHECKED, not both, must name {missing:#?}");
}
