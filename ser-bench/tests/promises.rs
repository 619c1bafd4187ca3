//! Checks at compile time which public types are `Send`, `Sync`, `Debug` or errors, because callers rely on it.

use std::error::Error;
use std::fmt::Debug;

/// Plans write to buffers of their own: they can move to another thread, and one thread at a time uses them.
fn moved<T: Send + Debug>() {}

/// Data, models and catalogues are read by several threads.
fn shared<T: Send + Sync + Debug>() {}

/// Errors travel through threads and `anyhow`.
fn error<T: Error + Send + Sync + 'static>() {}

macro_rules! check {
    ($what:ident: $($type:ty),+ $(,)?) => { $($what::<$type>();)+ };
}

mod features {
    use super::{error, moved, shared};
    use ser_features::*;

    #[test]
    fn plans_of_features_are_moved_and_printed() {
        check!(moved:
            BandPass, Chroma, ChromaCqt, Cqt, Delta, FeatureExtractor, Formants, GriffinLim, HarmonicPercussive, Hpss, Istft, KaldiFbank,
            KaldiMfcc, LogMel, MelSpectrogram, MelToStft, Mfcc, OnsetStrength, Pcen, PitchShift, Preemphasis, Preparation, Pyin, Resampler,
            Rms, SpectralBalance, SpectralContrast, Stft, StreamingExtractor, StreamingResampler, StreamingYin, Tempo, Tempogram,
            TimeStretch, Tonnetz, Trim, Tuning, VoiceQuality, WhisperMel, Yin, ZeroCrossingRate,
        );
        check!(shared: ChromaConfig, FeatureConfig, Features, Functional, PitchTrack, PreparationConfig, StftConfig, Window, YinFrames);
        check!(error: ConfigError, SignalError, ser_features::Error, UnknownFeature, UnknownFunctional);
    }
}

mod data {
    use super::{error, shared};
    use ser_data::*;

    #[test]
    fn recordings_and_corpora_are_shared_and_printed() {
        check!(shared: Audio, AudioLimits, AudioOptions, AudioWarning, Clip, Corpus<()>, CorpusOptions, Extracted<()>, LabelMap, RavdessName, Source, Split);
        check!(error: AudioError, ClipError, CorpusError, ExtractError, LabelError, LabelMapError, ManifestError, NameError, PcmError, SourceError, SplitError);
    }
}

mod models {
    use super::{error, moved, shared};
    use ser_models::encoder::{EncoderError, WhisperEncoder};
    use ser_models::input::{Dataset, DatasetError, InputError};
    use ser_models::layers::{LayerError, Sequential};
    use ser_models::live::Listener;
    use ser_models::models::{Architecture, Model};
    use ser_models::recording::SpeechDetector;
    use ser_models::training::{
        EncodedClips, EncodedError, StateError, Trainer, TrainingConfig, TrainingError,
    };
    use ser_models::*;

    #[test]
    fn models_are_moved_shared_and_printed() {
        check!(moved: Listener, Listening<'static>, Recognizer, SpeechDetector);
        check!(shared:
            Architecture, Checkpoint, Classifier, ConfusionMatrix, Dataset, EncodedClips, Model, Parameters, Recipe, Recognition, Sequential,
            Timeline, Trainer, TrainingConfig, VoiceProfile, WhisperEncoder,
        );
        check!(error:
            CheckpointError, ClassifyError, DatasetError, EncodedError, EncoderError, InputError, LayerError, ParameterError, ProfileError,
            RecipeError, RecognizeError, SettingError, StateError, TrainingError, WeightsError,
        );
    }
}

mod songs {
    use super::{error, shared};
    use mood_recommender::*;

    #[test]
    fn catalogues_and_recommenders_are_shared_and_printed() {
        check!(shared: Catalog, CatalogBuilder, Options, Playlist, Profile, Reading, Recommendation<'static>, Recommender, Song, Stats);
        check!(error: CatalogError, InvalidDate, PlaylistError, ReadingError, RecommendError, UnknownMood);
    }
}
