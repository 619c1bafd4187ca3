#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod audio;
mod corpus;
mod extract;
mod file;
mod ravdess;
mod split;

pub use audio::{
    Audio, AudioError, AudioErrorKind, AudioLimits, AudioOptions, AudioReader, AudioWarning, Pcm,
    PcmEncoding, PcmError,
};
pub use corpus::{Corpus, CorpusError, CorpusOptions, CorpusStage, Skipped};
pub use extract::{
    ClipError, ExtractConfig, ExtractError, Extracted, ExtractedClip, Progress, extract_all, extract_each,
    prepare_all,
};
pub use file::{AudioFile, is_audio_path};
pub use ravdess::{
    BadFile, Clip, ClipName, DatasetError, Emotion, Intensity, LabelError, LabelSet, MOODS, Modality,
    NameError, Ravdess, RavdessOptions, Sex, Statement, VocalChannel, groups_of_identical, mood_of,
};
pub use split::{
    PUBLISHED_FOLDS, PublishedFold, Shares, Split, SplitError, SplitIds, actor_k_folds, published_folds,
    single_actor, stratified, stratified_k_folds,
};
