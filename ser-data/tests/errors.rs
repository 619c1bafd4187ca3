//! The text of every error: place, parameter, rule and the value given; and the cause that it holds.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ser_data::{
    Audio, AudioErrorKind, BadFile, ClipError, CorpusError, Emotion, ExtractError, LabelMap, LabelMapError,
    Manifest, ManifestError, NameError, PcmError, Skipped, SourceError, Span, SplitError,
};
use ser_features::{ConfigError, SignalError};

/// Checks an error's text and that of its cause; "" stands for no cause.
fn check(error: impl Error, text: &str, cause: &str) {
    assert_eq!(error.to_string(), text);
    assert_eq!(error.source().map(ToString::to_string).unwrap_or_default(), cause, "{text}");
    // A program that prints all causes leaves out the one that its effect's text tells.
    assert!(text.contains(cause) && !text.contains('\n'), "{text}");
}

fn disk() -> io::Error {
    io::Error::other("a broken disk")
}

fn own(text: &str) -> String {
    text.to_owned()
}

#[test]
fn errors_of_audio() {
    use AudioErrorKind as Kind;

    let whole = Audio::decode(b"Dear Sir or Madam", None, "a.wav").unwrap_err();
    let not_audio = "content must be audio in WAV, AIFF, AU, CAF, FLAC, MP3, OGG, WebM or MP4, got text";
    check(whole, &format!("a.wav: {not_audio}"), not_audio);
    let missing = Audio::open("no.wav").unwrap_err();
    let kind = missing.source().unwrap();
    assert!(kind.is::<Kind>() && kind.source().unwrap().is::<io::Error>(), "{missing}");

    check(Kind::Io(disk()), "cannot be read: a broken disk", "a broken disk");
    check(
        Kind::UnsupportedCodec { codec: own("Vorbis of 6 channels") },
        "codec must be a supported form of PCM, A-law, µ-law, ADPCM, FLAC, ALAC, MP3, AAC-LC, Vorbis or Opus, got Vorbis of 6 channels \
         (try `ffmpeg -i FILE OUT.wav`)",
        "",
    );
    check(
        Kind::UnsupportedContainer { container: "AMR" },
        "container must be WAV, AIFF, AU, CAF, FLAC, MP3, OGG, WebM or MP4, got AMR (try `ffmpeg -i FILE OUT.wav`)",
        "",
    );
    let (from, to) = ((2, 44_100), (6, 44_100));
    check(
        Kind::Changes { from, to, cause: None },
        "format must stay 2 channels at 44100 Hz, or change to one that converts to it, got 6 channels at 44100 Hz \
         (try `ffmpeg -i FILE OUT.wav`)",
        "",
    );
    let (from, to) = ((1, 8_000), (1, 8));
    let parameter = "the source's sample_rate";
    let cause = ConfigError::OutOfRange { parameter, rule: "1000 to 384000 Hz", value: 8.0 };
    let told = "config: the source's sample_rate must be 1000 to 384000 Hz, got 8";
    check(
        Kind::Changes { from, to, cause: Some(cause) },
        &format!(
            "format must stay 1 channels at 8000 Hz, or change to one that converts to it, got 1 channels at 8 Hz: {told} \
             (try `ffmpeg -i FILE OUT.wav`)"
        ),
        told,
    );
    let (unit, declared, found) = ("bytes of WAV data", 900, 600);
    let counts = "bytes of WAV data must be 900, as declared, got 600";
    check(Kind::Truncated { unit, declared, found }, &format!("{counts}: the file is truncated"), "");
    check(
        Kind::NoIndex { unit, declared, found },
        &format!("{counts}: the file is truncated and lacks the index of its samples"),
        "",
    );
    check(
        Kind::NoBeginning { container: "OGG" },
        "content must begin with the header that describes its audio, got a later piece of OGG (join all pieces in their order)",
        "",
    );
    check(Kind::NoAudioTrack, "audio tracks must be 1 or more, got 0", "");
    check(Kind::Empty { bytes: 44 }, "samples must be 1 or more, got 0 (44 bytes in all)", "");
    let limit = Duration::from_secs(600);
    check(Kind::TooLong { limit }, "length must be at most 600 s, got more", "");
    check(
        Kind::TooManySamples { limit: 9, channels: 8, sample_rate: 655_350 },
        "samples must be at most 9 (8 channels at 655350 Hz), got more",
        "",
    );
    let (index, channel) = (3, 1);
    check(
        Kind::NotFinite { index, channel, value: f32::NAN },
        "sample 3 (channel 1) must be finite, got NaN",
        "",
    );
    check(
        Kind::TooLoud { index, channel, value: -100.0 },
        "sample 3 (channel 1) must be within ±10 (full scale is ±1), got -100, 40 dB beyond full scale",
        "",
    );
    let span = Span { start: Duration::from_secs(9), end: None };
    check(
        Kind::Span { span, recording: Duration::from_secs(3) },
        "part must lie within the recording's 3 s, got 9 s to its end",
        "",
    );
    check(
        Kind::Malformed { reason: own("STREAMINFO block must have 34 bytes, got 12") },
        "STREAMINFO block must have 34 bytes, got 12: the file is damaged",
        "",
    );
}

#[test]
fn errors_of_streams() {
    check(PcmError::Io(disk()), "stream: cannot be read: a broken disk", "a broken disk");
    check(
        PcmError::NotWav,
        "stream: content must be WAV, got other bytes (try `ffmpeg -i FILE -f wav -`)",
        "",
    );
    check(
        PcmError::Header { rule: "have a fmt chunk before its data chunk", given: own("none") },
        "stream: WAV header must have a fmt chunk before its data chunk, got none",
        "",
    );
    check(
        PcmError::Format { parameter: "channels", least: 1, most: 64, given: 0 },
        "stream: channels must be 1 to 64, got 0",
        "",
    );
    let tracks = "audio tracks must be 1 or more, got 0";
    check(PcmError::Audio(AudioErrorKind::NoAudioTrack), &format!("stream: {tracks}"), tracks);
    check(PcmError::Signal(SignalError::Empty), "signal: samples must be 1 or more, got 0", "");
}

#[test]
fn errors_of_bad_files() {
    let file = || own("a.wav");
    let field =
        NameError::Field { name: file(), field: "emotion", value: own("09"), expected: own("01 to 08") };
    check(BadFile::Name(field), "a.wav: emotion must be 01 to 08, got 09", "");
    let shape = NameError::Shape { name: file(), value: own("a"), expected: own("seven numbers") };
    check(BadFile::Name(shape), "a.wav: name must be seven numbers, got a", "");
    check(
        BadFile::Folder { file: file(), found: own("none") },
        "a.wav: path must name the folder of one class, such as happy/NAME.wav, got none",
        "",
    );
    let mut rows = Manifest::parse("t.csv", b"path,label,start\na.wav,sad,x\n").unwrap().bad;
    check(BadFile::Row(rows.remove(0)), "t.csv: row 2: start must be seconds of 0 or more, got \"x\"", "");
    check(
        BadFile::Label { file: file(), label: own("grumpy"), known: own("angry, sad") },
        "a.wav: label must be known, got \"grumpy\": none of angry, sad (a file of labels says what others mean, a set of own labels \
         takes any)",
        "",
    );
    check(
        BadFile::Ambiguous { file: file(), other: own("b/a.wav"), id: own("mine/a") },
        "a.wav: content must be that of b/a.wav, which has the same id, mine/a, got other content (an id begins with the name of the \
         corpus: that of the folder or table, where it has no other)",
        "",
    );
    let (expected, value) = (own("sad"), own("calm"));
    check(
        BadFile::Copy { file: file(), other: own("b.wav"), field: "label", value, expected },
        "a.wav: label must be that of its copy b.wav, \"sad\", got \"calm\"",
        "",
    );
    let unreadable = || BadFile::Unreadable { file: file(), cause: Arc::new(disk()) };
    check(unreadable(), "a.wav: cannot be read: a broken disk", "a broken disk");
    check(Skipped::File(unreadable()), "a.wav: cannot be read: a broken disk", "a broken disk");
    let first = "a.wav: cannot be read: a broken disk";
    let files = |others| SourceError::BadFiles { first: Box::new(unreadable()), others };
    check(files(vec![]), first, first);
    check(files(vec![unreadable()]), &format!("{first} (and 1 more bad files)"), first);
}

#[test]
fn errors_of_sources() {
    let path = || "emodb".into();
    check(
        SourceError::Io { path: path(), cause: disk() },
        "emodb: cannot be read: a broken disk",
        "a broken disk",
    );
    check(
        SourceError::Archive { path: path(), cause: disk() },
        "emodb: cannot be read: a broken disk",
        "a broken disk",
    );
    check(
        SourceError::Kind { path: path() },
        "emodb: source must be a folder, a ZIP archive or a table (.csv, .tsv), got another file",
        "",
    );
    let unrecognized = |table: Option<&str>| SourceError::Unrecognized {
        path: path(),
        files: 3,
        example: own("a/1.wav"),
        looked_for: own("03a01Fa.wav (emodb)"),
        table: table.map(own),
    };
    let text = "emodb: file names must be those of a known corpus, 03a01Fa.wav (emodb), got 3 audio files such as a/1.wav";
    check(unrecognized(None), text, "");
    check(unrecognized(Some("t.csv")), &format!("{text} (if t.csv names the clips, give that file)"), "");
    check(
        SourceError::SeveralCorpora { path: path(), found: own("2 of nemo, 1 of emodb") },
        "emodb: source must be one corpus, got 2 of nemo, 1 of emodb (give the folder of each)",
        "",
    );
    check(
        SourceError::NoClips { path: path(), songs_left_out: 1, skipped: 2, example: "03a01Fa.wav" },
        "emodb: source must hold 1 or more clips such as 03a01Fa.wav, got 0 (1 songs left out, 2 bad files)",
        "",
    );
    let table =
        |cause: ManifestError, text: &str, held: &str| check(SourceError::Manifest(cause), text, held);
    table(
        ManifestError::Io { path: path(), cause: disk() },
        "emodb: cannot be read: a broken disk",
        "a broken disk",
    );
    table(
        ManifestError::Encoding { file: own("t.csv"), row: 3 },
        "t.csv: row 3: text must be UTF-8, got other bytes (save the table as UTF-8)",
        "",
    );
    table(
        ManifestError::Columns { file: own("t.csv"), found: own("name") },
        "t.csv: row 1: columns must be path (or file) and label (or emotion, mood, class), with speaker, corpus, language, start and end \
         if known, got \"name\"",
        "",
    );
    let cause = csv::Error::from(disk());
    table(ManifestError::Csv { file: own("t.csv"), cause }, "t.csv: a broken disk", "a broken disk");
}

#[test]
fn errors_of_labels() {
    check(
        "bored".parse::<Emotion>().unwrap_err(),
        "emotion: word must be one of neutral, calm, happy, sad, angry, fearful, disgust, surprised, got \"bored\"",
        "",
    );
    check(
        LabelMapError::Io { path: "own.toml".into(), cause: disk() },
        "own.toml: cannot be read: a broken disk",
        "a broken disk",
    );
    check(
        LabelMap::parse("own.toml", "emotions.boredom.mood = 'Bored'").unwrap_err(),
        "own.toml: emotions.boredom.mood must be one of Calm, Happy, Sad, Energetic, none, got \"Bored\"",
        "",
    );
    // Only lines end differently in the cause's own text.
    let syntax = LabelMap::parse("own.toml", "\nemotion = 1").unwrap_err();
    let cause = syntax.source().unwrap().to_string();
    assert!(cause.starts_with("unknown field `emotion`"), "{cause}");
    let cause = cause.lines().collect::<Vec<_>>().join(" ");
    assert_eq!(syntax.to_string(), format!("own.toml: line 2: {cause}"));
}

#[test]
fn errors_of_clips_and_corpora() {
    let empty = "signal: samples must be 1 or more, got 0";
    let clip = || ClipError::Signal { file: own("a.wav"), cause: SignalError::Empty };
    check(clip(), "a.wav: signal: samples must be 1 or more, got 0", empty);
    check(Skipped::Clip(clip()), "a.wav: signal: samples must be 1 or more, got 0", empty);
    check(ExtractError::Clip(clip()), "a.wav: signal: samples must be 1 or more, got 0", empty);
    let audio = || Audio::decode(b"", None, "a.wav").unwrap_err();
    let no_bytes = "samples must be 1 or more, got 0 (0 bytes in all)";
    check(ClipError::Audio(audio()), &format!("a.wav: {no_bytes}"), no_bytes);
    check(CorpusError::Audio(audio()), &format!("a.wav: {no_bytes}"), no_bytes);
    check(
        ExtractError::Config(ConfigError::Zero { parameter: "n_fft" }),
        "config: n_fft must be 1 or more, got 0",
        "",
    );
    check(
        ExtractError::SampleRates { preparation: 22_050, features: 16_000 },
        "features: sample_rate must be the preparation's, 22050 Hz, got 16000 Hz",
        "",
    );
    let cache = ExtractError::Cache { path: "cache".into(), cause: disk() };
    check(CorpusError::Extract(cache), "cache: cannot be written: a broken disk", "a broken disk");
    let data = || own("emodb, nemo");
    check(
        CorpusError::Missing { data: data(), id: own("emodb/03a01Fa") },
        "emodb, nemo: clips must include emodb/03a01Fa, got none with that id",
        "",
    );
    check(CorpusError::Empty { data: data() }, "emodb, nemo: usable clips must be 1 or more, got 0", "");
    let source = SourceError::Io { path: "emodb".into(), cause: disk() };
    check(CorpusError::Dataset(source), "emodb: cannot be read: a broken disk", "a broken disk");
}

#[test]
fn errors_of_splits() {
    let (first, second) = (1, 2);
    for (error, text) in [
        (
            SplitError::Length { what: "groups", given: 3, clips: 4 },
            "split: groups must be as many as clips, 4, got 3",
        ),
        (
            SplitError::Shares { validation: 0.5, test: 0.6 },
            "split: the shares of validation and test must be 0 or more and sum to less than 1, got 0.5 and 0.6",
        ),
        (
            SplitError::Folds { k: 5, what: "clips", available: 4 },
            "split: folds must be 2 to 4, the number of clips, got 5",
        ),
        (
            SplitError::EmptyPart { part: "test", reason: own("2 speakers are too few for it") },
            "split: the test part must have clips, got none: 2 speakers are too few for it",
        ),
        (
            SplitError::SharedBySpeakers { first, first_speaker: own("a"), second, second_speaker: own("b") },
            "split: identical clips must be of one speaker, got clip 1 of a and 2 of b",
        ),
        (
            SplitError::SharedByCorpora { first, first_corpus: own("a"), second, second_corpus: own("b") },
            "split: identical clips must be of one corpus, got clip 1 of a and 2 of b",
        ),
        (
            SplitError::SpeakerInTwoParts { speaker: own("a"), parts: ["validation", "test"] },
            "split: speaker a must be in one part, got validation and test",
        ),
        (SplitError::MissingSpeaker { speaker: own("a") }, "split: speaker a must have clips, got none"),
        (
            SplitError::UnknownSpeaker { file: own("a.wav"), unknown: 2, clips: 3 },
            "a.wav: speaker must be known for a split by speakers, got none (2 of 3 clips have none; name the speakers in a table, or \
             split at random)",
        ),
        (
            SplitError::MissingCorpus { corpus: own("tess"), known: own("emodb, nemo") },
            "split: corpus must be one of emodb, nemo, got tess",
        ),
        (
            SplitError::MissingClip { id: own("emodb/1"), part: "test" },
            "split: ids must be those of clips, got emodb/1 in the test part",
        ),
    ] {
        check(error, text, "");
    }
}
