#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod audio;
mod corpora;
mod corpus;
mod extract;
mod file;
mod identical;
mod labels;
mod names;
mod span;
mod split;

pub use audio::{
    Audio, AudioError, AudioErrorKind, AudioLimits, AudioOptions, AudioReader, AudioWarning, Pcm,
    PcmEncoding, PcmError,
};
pub use corpora::{
    BadFile, BadRow, Clip, Clips, ClipsOptions, CorpusFormat, FoundAudio, FoundCorpus, Intensity, Manifest,
    ManifestError, ManifestRow, Modality, NameError, Named, RavdessName, Sex, Source, SourceError,
    SourceWarning, Statement, VocalChannel, find_audio,
};
pub use corpus::{Corpus, CorpusError, CorpusOptions, CorpusStage, LeftOut, Skipped, speakers_of};
pub use extract::{
    ClipError, ExtractConfig, ExtractError, Extracted, ExtractedClip, Progress, extract_all, extract_each,
};
pub use file::{AudioFile, is_audio_path};
pub use identical::groups_of_identical;
pub use labels::{Emotion, LabelError, LabelMap, LabelMapError, LabelSet, MOODS};
pub use span::Span;
pub use split::{
    PUBLISHED_FOLDS, PublishedFold, Shares, Split, SplitError, SplitIds, by_speakers, leave_corpus_out,
    published_folds, single_speaker, speaker_k_folds, speaker_shares, stratified, stratified_k_folds,
};
