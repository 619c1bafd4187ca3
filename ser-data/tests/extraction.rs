//! Features of many clips: the same from every number of threads, and from the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use crate::common::{chunk, encoding, fmt, riff, tone, wav};
use ser_data::{
    AudioFile, ClipError, ExtractConfig, ExtractError, Extracted, ExtractedClip, Progress, extract_all,
    extract_each,
};
use ser_features::{
    Feature, FeatureConfig, FeatureExtractor, Features, Preparation, PreparationConfig, SignalError,
};
use tempfile::TempDir;

/// A folder of clips, each half a second of another tone.
fn clips(count: u32) -> (TempDir, Vec<AudioFile>) {
    let folder = tempfile::tempdir().unwrap();
    let file = |n: u32| {
        let path = folder.path().join(format!("{n:02}.wav"));
        fs::write(&path, tone(n)).unwrap();
        AudioFile::new(path)
    };
    let files = (0..count).map(file).collect();
    (folder, files)
}

/// Two cheap features of one second.
fn config() -> ExtractConfig {
    ExtractConfig {
        preparation: PreparationConfig { length: Some(22_050), ..Default::default() },
        features: FeatureConfig { features: vec![Feature::Mel, Feature::Mfcc], ..Default::default() },
        ..Default::default()
    }
}

fn all(files: &[AudioFile], config: &ExtractConfig) -> Extracted<Features> {
    extract_all(files, config, |_| {}, |f| f).unwrap()
}

fn entries(cache: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(cache).unwrap();
    let mut files: Vec<_> =
        folders.flat_map(|f| fs::read_dir(f.unwrap().path()).unwrap()).map(|f| f.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn features_are_those_of_the_prepared_clip() {
    let config = ExtractConfig::default();
    let file = AudioFile::new(encoding("reference.wav"));
    let extracted = all(std::slice::from_ref(&file), &config);
    let (mono, sample_rate) = file.read_speech().unwrap();
    let prepared = Preparation::new(config.preparation.clone()).unwrap().process(&mono, sample_rate).unwrap();
    let expected = FeatureExtractor::new(config.features.clone()).unwrap().extract(&prepared).unwrap();
    let [(0, found)] = &extracted.features[..] else { panic!("one clip") };
    for (feature, matrix) in expected.iter() {
        assert_eq!(found.get(feature), Some(matrix));
    }
    assert_eq!((found.vector(), found.stack()), (expected.vector(), expected.stack()));
    assert_eq!((found.vector().len(), found.n_frames()), (193, 130));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (_folder, files) = clips(12);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| all(&files, &config()).features)
    };
    let one = with(1);
    assert_eq!(one.iter().map(|(at, _)| *at).collect::<Vec<_>>(), (0..12).collect::<Vec<_>>());
    assert_eq!(one, with(4));
}

#[test]
fn progress_is_told_once_a_clip() {
    let (_folder, files) = clips(7);
    let told = Mutex::new(Vec::new());
    let progress = |p: Progress| told.lock().unwrap().push((p.done, p.total));
    extract_all(&files, &config(), progress, |_| ()).unwrap();
    assert_eq!(told.into_inner().unwrap(), (1..=7).map(|done| (done, 7)).collect::<Vec<_>>());
}

#[test]
fn the_cache_gives_back_the_same_features() {
    let (_folder, files) = clips(5);
    let cache = tempfile::tempdir().unwrap();
    let config = ExtractConfig { cache: Some(cache.path().join("new/folder")), ..config() };
    let first = all(&files, &config);
    let second = all(&files, &config);
    assert_eq!((first.from_cache, second.from_cache), (0, 5));
    assert_eq!(first.features, second.features);
    assert_eq!(entries(&cache.path().join("new/folder")).len(), 5);
}

#[test]
fn the_cache_knows_that_an_extension_helps_to_decode_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let frames = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../audio/bare.mp3")).unwrap();
    let [named, other] = ["a.mp3", "b.wav"].map(|name| {
        let path = folder.path().join(name);
        // In the middle of a frame.
        fs::write(&path, &frames[50..]).unwrap();
        AudioFile::new(path)
    });
    let config = ExtractConfig { cache: Some(folder.path().join("cache")), ..config() };
    let refused =
        || extract_all(std::slice::from_ref(&other), &config, |_| {}, |f| f).unwrap_err().to_string();
    let before = refused();
    for from_cache in [0, 1] {
        assert_eq!(all(std::slice::from_ref(&named), &config).from_cache, from_cache);
    }
    assert_eq!(refused(), before);
}

#[test]
fn a_truncated_clip_is_taken_only_by_those_who_allow_it() {
    let (folder, files) = clips(2);
    let cut = folder.path().join("01.wav");
    let whole = fs::read(&cut).unwrap();
    fs::write(&cut, &whole[..whole.len() * 3 / 4]).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let config = ExtractConfig { cache: Some(cache.path().into()), ..config() };
    let allowing = ExtractConfig { allow_truncated: true, ..config.clone() };
    let refused = || {
        let error = extract_all(&files, &config, |_| {}, |f| f).unwrap_err().to_string();
        assert!(error.contains("01.wav: bytes of WAV data must be "), "{error}");
    };
    refused();
    for from_cache in [0, 2] {
        let extracted = all(&files, &allowing);
        assert_eq!((extracted.features.len(), extracted.from_cache), (2, from_cache));
        let [warning] = &extracted.warnings[..] else { panic!("{:?}", extracted.warnings) };
        assert!(
            warning.contains("01.wav: the file was read up to the damage: bytes of WAV data must be "),
            "{warning}"
        );
    }
    // What was kept of the cut file is not taken for a whole one.
    refused();
}

#[test]
fn what_is_odd_in_a_file_is_told_once_whether_it_is_kept_or_not() {
    let (folder, mut files) = clips(2);
    let odd = folder.path().join("00.wav");
    let mut bytes = fs::read(&odd).unwrap();
    bytes[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    fs::write(&odd, bytes).unwrap();
    let at = |ms| Some(Duration::from_millis(ms));
    files.push(AudioFile::new(&odd).with_span(at(0), at(300)));
    files.push(AudioFile::new(&odd).with_span(at(200), at(500)));
    let cache = tempfile::tempdir().unwrap();
    let config = ExtractConfig { cache: Some(cache.path().into()), ..config() };
    for from_cache in [0, 4] {
        let extracted = all(&files, &config);
        let [warning] = &extracted.warnings[..] else { panic!("{:?}", extracted.warnings) };
        let expected = format!("{}: the header declares 4294967295 bytes", odd.display());
        assert!(warning.starts_with(&expected), "{warning}");
        assert_eq!(extracted.from_cache, from_cache);
    }
}

#[test]
fn an_entry_belongs_to_one_content_and_one_configuration() {
    let (folder, files) = clips(3);
    let cache = tempfile::tempdir().unwrap();
    let config = ExtractConfig { cache: Some(cache.path().into()), ..config() };
    all(&files, &config);
    // Another name of the same content is the same clip; another content of the same name is not.
    fs::copy(folder.path().join("00.wav"), folder.path().join("copy.wav")).unwrap();
    fs::write(folder.path().join("01.wav"), tone(99)).unwrap();
    let mut more = files.clone();
    more.push(AudioFile::new(folder.path().join("copy.wav")));
    assert_eq!(all(&more, &config).from_cache, 3);

    let mut features = config.clone();
    features.features.n_mfcc = 13;
    let mut preparation = config.clone();
    preparation.preparation.trim_top_db = None;
    for changed in [features, preparation] {
        assert_eq!(all(&files, &changed).from_cache, 0);
        assert_eq!(all(&files, &changed).from_cache, 3);
    }
}

#[test]
fn damaged_entries_are_computed_anew() {
    let (_folder, files) = clips(6);
    let cache = tempfile::tempdir().unwrap();
    let config = ExtractConfig { cache: Some(cache.path().into()), ..config() };
    let whole = all(&files, &config).features;
    let paths = entries(cache.path());
    let bytes = fs::read(&paths[0]).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() - 5] ^= 1;
    fs::write(&paths[0], flipped).unwrap();
    fs::write(&paths[1], &bytes[..bytes.len() / 2]).unwrap();
    fs::write(&paths[2], b"").unwrap();
    fs::write(&paths[3], b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFnot safetensors").unwrap();
    // A whole entry, but another clip's.
    fs::copy(&paths[5], &paths[4]).unwrap();
    let again = all(&files, &config);
    assert_eq!((again.from_cache, again.features), (1, whole.clone()));
    let repaired = all(&files, &config);
    assert_eq!((repaired.from_cache, repaired.features), (6, whole));
}

#[test]
fn two_runs_share_a_folder() {
    let (_folder, files) = clips(16);
    let cache = tempfile::tempdir().unwrap();
    let config = ExtractConfig { cache: Some(cache.path().into()), ..config() };
    let expected = all(&files, &ExtractConfig { cache: None, ..config.clone() }).features;
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..2).map(|_| scope.spawn(|| all(&files, &config).features)).collect();
        for run in runs {
            assert_eq!(run.join().unwrap(), expected);
        }
    });
    let entries = entries(cache.path());
    assert_eq!(entries.len(), 16);
    assert!(entries.iter().all(|e| e.extension().is_some_and(|e| e == "safetensors")), "{entries:?}");
}

/// A silent, a very short, a NaN and an unreadable clip at the positions 1, 2, 4 and 5 of 6.
fn with_bad_clips() -> (TempDir, Vec<AudioFile>) {
    let (folder, mut files) = clips(2);
    let mut add = |at: usize, name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        files.insert(at, AudioFile::new(path));
    };
    add(1, "silent.wav", &wav(&[0; 8000], 8000));
    add(2, "short.wav", &wav(&[1000; 10], 8000));
    let nan: Vec<u8> = [f32::NAN; 8000].iter().flat_map(|s| s.to_le_bytes()).collect();
    add(4, "nan.wav", &riff(&[chunk(b"fmt ", &fmt(3, 1, 8000, 32)), chunk(b"data", &nan)]));
    add(5, "text.wav", b"no sound at all");
    (folder, files)
}

#[test]
fn the_first_bad_clip_ends_the_run_by_its_name() {
    let (_folder, files) = with_bad_clips();
    for _ in 0..20 {
        let error = extract_all(&files, &config(), |_| {}, |_| ()).unwrap_err();
        assert!(error.to_string().contains("silent.wav: signal: sound must not be silent"), "{error}");
        assert!(matches!(
            error,
            ExtractError::Clip(ClipError::Signal { cause: SignalError::Silent { .. }, .. })
        ));
    }
}

#[test]
fn bad_clips_are_skipped_when_asked_and_reported() {
    let (_folder, files) = with_bad_clips();
    let config = ExtractConfig { skip_bad: true, ..config() };
    let extracted = all(&files, &config);
    assert_eq!(extracted.features.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 3]);
    let skipped: Vec<_> = extracted.skipped.iter().map(|(at, e)| (*at, e.to_string())).collect();
    for ((at, text), (expected_at, expected)) in skipped.iter().zip([
        (1, "silent.wav: signal: sound must not be silent"),
        (2, "short.wav: signal: samples must be 2000 or more, got 10"),
        (4, "nan.wav: sample 0 (channel 0) must be finite, got NaN"),
        (5, "text.wav: content must be audio in WAV, AIFF, AU, CAF, FLAC, MP3, OGG, WebM or MP4, got text"),
    ]) {
        assert_eq!(*at, expected_at);
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(skipped.len(), 4);
}

#[test]
fn configurations_that_cannot_work_are_refused_before_any_clip() {
    let none: [AudioFile; 0] = [];
    let refused =
        |config: &ExtractConfig| extract_all(&none, config, |_| {}, |_| ()).unwrap_err().to_string();
    let mut rates = config();
    rates.features.sample_rate = 16_000;
    assert_eq!(refused(&rates), "features: sample_rate must be the preparation's, 22050 Hz, got 16000 Hz");
    let mut features = config();
    features.features.features.clear();
    assert!(matches!(extract_all(&none, &features, |_| {}, |_| ()), Err(ExtractError::Config(_))));
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = refused(&ExtractConfig { cache: Some(file.path().into()), ..config() });
    assert!(text.contains(": cannot be written: "), "{text}");
    assert!(text.starts_with(&file.path().display().to_string()), "{text}");
}

#[test]
fn clips_of_ravdess_are_extracted_from_flac_and_wav_alike() {
    let (Some(ravdess), Some(originals)) = (crate::common::ravdess(), crate::common::ravdess_originals())
    else {
        return;
    };
    let stem = "03-01-02-01-01-02-01";
    let files = [
        AudioFile::new(ravdess.join(format!("Actor_01/{stem}.flac"))),
        AudioFile::new(originals.join(format!("{stem}.wav"))),
    ];
    let extracted = all(&files, &ExtractConfig::default());
    assert_eq!(extracted.features[0].1, extracted.features[1].1);
    assert_eq!(extracted.features[0].1.stack().dim(), (193, 130));
}

#[test]
fn silence_has_features_only_where_any_sound_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("silent.wav");
    fs::write(&path, wav(&[0; 8000], 8000)).unwrap();
    let files = [AudioFile::new(path)];
    let cache = Some(folder.path().join("cache"));
    let any = ExtractConfig { speech_only: false, cache: cache.clone(), ..config() };
    assert_eq!(all(&files, &any).features.len(), 1);
    // What was kept for any sound is not taken for speech.
    let error = extract_all(&files, &ExtractConfig { cache, ..config() }, |_| {}, |f| f).unwrap_err();
    assert!(error.to_string().contains("silent.wav: signal: sound must not be silent"), "{error}");
}

#[derive(Debug)]
struct Failure(String);

impl From<ExtractError> for Failure {
    fn from(error: ExtractError) -> Self {
        Self(error.to_string())
    }
}

#[test]
fn clips_come_one_by_one_in_order_until_the_sink_fails() {
    let (folder, mut files) = clips(40);
    let bad = folder.path().join("bad.wav");
    fs::write(&bad, b"RIFF").unwrap();
    files.insert(3, AudioFile::new(&bad));
    let skipping = ExtractConfig { skip_bad: true, ..config() };
    let expected = all(&files, &skipping);
    let mut given = Vec::new();
    let sink = |clip: ExtractedClip<Features>| {
        if clip.position == 37 {
            return Err(Failure("the disk is full".into()));
        }
        given.push((clip.position, clip.result.ok()));
        Ok(())
    };
    let failure = extract_each(files.iter(), &skipping, |f| f, sink).unwrap_err();
    assert_eq!(failure.0, "the disk is full");
    assert_eq!(given.iter().map(|(at, _)| *at).collect::<Vec<_>>(), (0..37).collect::<Vec<_>>());
    assert!(given[3].1.is_none());
    let good: Vec<_> = given.into_iter().filter_map(|(at, f)| Some((at, f?))).collect();
    assert_eq!(good, expected.features[..36]);
    let failure = extract_each(files.iter(), &config(), |f| f, |_| Ok::<(), Failure>(())).unwrap_err();
    assert!(failure.0.contains("bad.wav"), "{}", failure.0);
}
