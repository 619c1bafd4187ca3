//! Tests of `extract_features`: its files, parts (`--shard`) and skipped clips.

use std::path::Path;

use safetensors::SafeTensors;
use tempfile::TempDir;

use crate::support::{example, fails, prints, sample, text, write, write_wav};

#[test]
fn features_are_written_by_stem() {
    let folder = TempDir::new().unwrap();
    let wav = std::fs::read(sample()).unwrap();
    write(&folder, "clips/Actor_01/one.wav", &wav);
    write(&folder, "clips/two.wav", &wav);
    write(&folder, "clips/notes.txt", "not a clip");
    let output = folder.path().join("features.safetensors");
    let clips = folder.path().join("clips");
    prints("extract_features", [clips.as_os_str(), "--output".as_ref(), output.as_ref()]);

    let bytes = std::fs::read(&output).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.len(), 12);
    let shape = |name: &str| tensors.tensor(name).unwrap().shape().to_vec();
    for stem in ["Actor_01/one", "two"] {
        for (feature, rows) in [("mfcc", 40), ("chroma", 12), ("mel", 128), ("contrast", 7), ("tonnetz", 6)] {
            assert_eq!(shape(&format!("{stem}.{feature}")), [rows, 130]);
        }
        assert_eq!(shape(&format!("{stem}.vector")), [193]);
    }
    let vector = |stem: &str| tensors.tensor(&format!("{stem}.vector")).unwrap().data().to_vec();
    assert_eq!(vector("two"), vector("Actor_01/one"));
}

#[test]
fn raw_features_have_the_clips_own_length() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("raw.safetensors");
    let arguments =
        [sample().into_os_string(), "--raw".into(), "--output".into(), output.clone().into_os_string()];
    prints("extract_features", arguments);
    let bytes = std::fs::read(&output).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("sample.mfcc").unwrap().shape(), [40, 1 + 95_144 / 512]);
}

/// Returns the stems of the clips in a file of features.
fn stems(path: &Path) -> Vec<String> {
    let bytes = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut stems: Vec<String> =
        tensors.names().iter().filter_map(|name| Some(name.strip_suffix(".vector")?.to_string())).collect();
    assert_eq!(tensors.len(), 6 * stems.len());
    stems.sort();
    stems
}

#[test]
fn shards_are_disjoint_complete_and_made_once() {
    let folder = TempDir::new().unwrap();
    let tone: Vec<f32> = (0..22_050u16).map(|n| 0.3 * (f32::from(n) * 0.05).sin()).collect();
    let mut clips: Vec<String> =
        ["a", "b", "c", "d", "e"].map(|name| write_wav(&folder, &format!("{name}.wav"), &tone)).to_vec();
    let output = folder.path().join("features.safetensors");
    let shard = |clips: &[String], shard: &str, more: &[&str]| {
        let options = ["--output", output.to_str().unwrap(), "--shard", shard];
        prints(
            "extract_features",
            clips.iter().map(String::as_str).chain(options).chain(more.iter().copied()),
        )
    };
    let file = |index: usize| folder.path().join(format!("features-{index:03}-of-003.safetensors"));

    assert!(shard(&clips, "1/3", &[]).contains("features-001-of-003.safetensors: 2 clips, 12 tensors"));
    shard(&clips, "2/3", &[]);
    // The order of the arguments does not change the parts.
    clips.reverse();
    shard(&clips, "3/3", &[]);
    assert_eq!([1, 2, 3].map(|index| stems(&file(index))), [vec!["a", "d"], vec!["b", "e"], vec!["c"]]);
    assert!(shard(&clips, "1/3", &[]).contains("already complete, 2 clips"));

    // A file is written again if it is not what this run would write: if its values or header are damaged, if it is truncated, or if it has
    // other clips or settings.
    let whole = std::fs::read(file(1)).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut header = whole.clone();
    header[20] ^= 1;
    let other = std::fs::read(file(2)).unwrap();
    for damaged in [&flipped[..], &header, &whole[..whole.len() - 1], b"", &other] {
        std::fs::write(file(1), damaged).unwrap();
        assert!(shard(&clips, "1/3", &[]).contains("2 clips, 12 tensors"));
        assert!(std::fs::read(file(1)).unwrap() == whole);
    }
    assert!(shard(&clips, "1/3", &["--raw"]).contains("2 clips, 12 tensors"));
    assert!(shard(&clips, "1/3", &[]).contains("2 clips, 12 tensors"));
    assert!(shard(&clips[..4], "1/3", &[]).contains("2 clips, 12 tensors"));

    // No other files are left in the folder. A part without clips is complete too.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5 + 3);
    assert!(shard(&clips[..1], "2/2", &[]).contains("features-002-of-002.safetensors: 0 clips, 0 tensors"));
    assert!(shard(&clips[..1], "2/2", &[]).contains("already complete"));
}

#[test]
fn a_shard_that_leaves_out_bad_clips_is_whole_only_for_those_who_allow_it() {
    let folder = TempDir::new().unwrap();
    write(&folder, "clips/good.wav", std::fs::read(sample()).unwrap());
    let bad = write(&folder, "clips/bad.wav", "RIFF");
    let clips = folder.path().join("clips");
    let output = folder.path().join("features.safetensors");
    let arguments =
        [clips.to_str().unwrap(), "--output", output.to_str().unwrap(), "--shard", "1/1", "--skip-bad"];
    assert!(prints("extract_features", arguments).contains("1 clips, 6 tensors"));
    assert!(prints("extract_features", arguments).contains("already complete"));
    fails("extract_features", &arguments[..5], &[&bad]);
}

#[test]
fn what_is_no_shard_is_refused_with_the_rule() {
    let sample = sample();
    for shard in ["0/4", "5/4", "x"] {
        let arguments = [sample.to_str().unwrap(), "--output", "features.safetensors", "--shard", shard];
        let output = example("extract_features", arguments);
        assert_eq!(output.status.code(), Some(2));
        let error = text(&output.stderr);
        assert!(error.contains(shard) && error.contains("must be I/N with I from 1 to N"), "{error}");
    }
}

#[test]
fn one_bad_file_among_many_is_named_and_left_out_only_when_asked() {
    let folder = TempDir::new().unwrap();
    write(&folder, "clips/good.wav", std::fs::read(sample()).unwrap());
    let bad = write(&folder, "clips/bad.wav", "RIFF");
    let clips = folder.path().join("clips");
    let output = folder.path().join("features.safetensors");
    let arguments = [clips.to_str().unwrap(), "--output", output.to_str().unwrap(), "--skip-bad"];
    fails("extract_features", &arguments[..3], &[&bad]);
    assert!(!output.exists());
    let run = example("extract_features", arguments);
    assert!(run.status.success());
    assert!(text(&run.stderr).contains(&format!("skipped: {bad}")), "{}", text(&run.stderr));
    assert_eq!(SafeTensors::deserialize(&std::fs::read(output).unwrap()).unwrap().len(), 6);
}

#[test]
fn a_truncated_clip_is_read_where_that_is_allowed_and_told() {
    let folder = TempDir::new().unwrap();
    let whole = std::fs::read(sample()).unwrap();
    let cut = write(&folder, "cut.wav", &whole[..whole.len() * 3 / 4]);
    let output = folder.path().join("features.safetensors");
    let arguments = [&cut, "--output", output.to_str().unwrap(), "--shard", "1/1", "--allow-truncated"];
    fails(
        "extract_features",
        &arguments[..5],
        &["cut.wav: bytes of WAV data must be ", "the file is truncated"],
    );
    let told = text(&example("extract_features", arguments).stderr);
    let expected = format!("warning: {cut}: the file was read up to the damage: bytes of WAV data must be ");
    assert!(told.starts_with(&expected) && told.lines().count() == 1, "{told}");
    assert!(prints("extract_features", arguments).contains("already complete"));
    // A run without the option does not accept this file as complete.
    fails(
        "extract_features",
        &arguments[..5],
        &["cut.wav: bytes of WAV data must be ", "the file is truncated"],
    );
}

#[test]
fn two_inputs_with_one_stem_are_refused() {
    let folder = TempDir::new().unwrap();
    let other = write(&folder, "sample.wav", std::fs::read(sample()).unwrap());
    let output = folder.path().join("features.safetensors");
    let sample = sample();
    let arguments = [sample.to_str().unwrap(), &other, "--output", output.to_str().unwrap()];
    fails(
        "extract_features",
        arguments,
        &["sample.wav: stem must differ from those of the other inputs, got sample, that of "],
    );
}

#[test]
fn a_csv_file_has_a_row_for_each_clip_and_names_its_columns() {
    let folder = TempDir::new().unwrap();
    let wav = std::fs::read(sample()).unwrap();
    for name in ["clips/b, c.wav", "clips/a.wav"] {
        write(&folder, name, &wav);
    }
    let clips = folder.path().join("clips");
    let output = folder.path().join("means.CSV");
    let whole = folder.path().join("whole.safetensors");
    let arguments = |output: &Path, more: &[&str]| {
        let given = [clips.to_str().unwrap(), "--features", "mfcc,rms", "--output", output.to_str().unwrap()];
        given.iter().chain(more).map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(prints("extract_features", arguments(&output, &[])).contains("2 clips, 41 values each"));
    prints("extract_features", arguments(&whole, &[]));

    let text = std::fs::read_to_string(&output).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("id,mfcc_0,mfcc_1,") && lines[0].ends_with(",mfcc_39,rms"), "{}", lines[0]);
    let [a, b] = [1, 2].map(|i| lines[i]);
    assert_eq!((lines.len(), a.strip_prefix("a,")), (3, b.strip_prefix("\"b, c\",")));
    let values: Vec<f32> = a.split(',').skip(1).map(|x| x.parse().unwrap()).collect();
    let bytes = std::fs::read(&whole).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let vector = tensors.tensor("a.vector").unwrap().data().to_vec();
    assert_eq!(values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>(), vector);
    assert_eq!(tensors.len(), 6);

    // A complete part is not written again. A part whose rows were changed is.
    let shard = ["--shard", "1/1"];
    assert!(prints("extract_features", arguments(&output, &shard)).contains("2 clips, 41 values each"));
    assert!(prints("extract_features", arguments(&output, &shard)).contains("already complete"));
    let part = folder.path().join("means-001-of-001.CSV");
    std::fs::write(&part, text.replace("rms", "level")).unwrap();
    assert!(prints("extract_features", arguments(&output, &shard)).contains("2 clips, 41 values each"));
    assert_eq!(std::fs::read_to_string(&part).unwrap(), text);
}

#[test]
fn functionals_are_columns_and_tensors_by_name() {
    let folder = TempDir::new().unwrap();
    let sample = sample();
    let arguments = |output: &Path| {
        let given = ["--features", "rms,f0", "--functionals", "mean,percentile_10,slope", "--output"];
        let given = std::iter::once(sample.to_str().unwrap()).chain(given).chain([output.to_str().unwrap()]);
        given.map(String::from).collect::<Vec<_>>()
    };
    let (table, tensors) = (folder.path().join("table.csv"), folder.path().join("table.safetensors"));
    assert!(prints("extract_features", arguments(&table)).contains("1 clips, 6 values each"));
    assert!(prints("extract_features", arguments(&tensors)).contains("1 clips, 3 tensors"));
    let text = std::fs::read_to_string(&table).unwrap();
    let (head, row) = text.trim_end().split_once('\n').unwrap();
    assert_eq!(head, "id,rms_mean,rms_percentile_10,rms_slope,f0_mean,f0_percentile_10,f0_slope");
    let values: Vec<f32> = row.split(',').skip(1).map(|x| x.parse().unwrap()).collect();
    assert!(values[0] > values[1] && values[1] >= 0.0 && values[3] > 0.0, "{values:?}");
    let bytes = std::fs::read(&tensors).unwrap();
    let vector = SafeTensors::deserialize(&bytes).unwrap().tensor("sample.vector").unwrap().data().to_vec();
    assert_eq!(values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>(), vector);
    let shard: Vec<String> =
        arguments(&tensors).into_iter().chain(["--shard", "1/1"].map(String::from)).collect();
    assert!(prints("extract_features", &shard).contains("1 clips, 3 tensors"));
    assert!(prints("extract_features", &shard).contains("already complete"));
    let odd = arguments(&table).into_iter().chain(["--functionals", "mode"].map(String::from));
    let refused = example("extract_features", odd.collect::<Vec<_>>());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("functionals: name must be one of mean, std"));
}

#[test]
fn statistics_of_voiced_frames_alone_differ_from_those_of_all() {
    let folder = TempDir::new().unwrap();
    let (sample, table) = (sample(), folder.path().join("table.csv"));
    let values = |more: &[&str]| -> Vec<f32> {
        let given = [sample.to_str().unwrap(), "--raw", "--output", table.to_str().unwrap(), "--features"];
        prints("extract_features", given.iter().chain(more));
        let text = std::fs::read_to_string(&table).unwrap();
        text.trim_end().rsplit_once('\n').unwrap().1.split(',').skip(1).map(|x| x.parse().unwrap()).collect()
    };
    let (all, voiced) = (values(&["f0,rms,hnr,f1"]), values(&["f0,rms,hnr,f1", "--voiced"]));
    assert_eq!((all.len(), voiced.len()), (4, 4));
    // Unvoiced frames have an F0 of 0 and lower the mean over all frames.
    assert!(voiced[0] > 60.0 && voiced[0] > all[0] && voiced[1] > all[1], "{all:?} {voiced:?}");
    let arguments = [sample.to_str().unwrap(), "--voiced", "--output", table.to_str().unwrap()];
    fails(
        "extract_features",
        arguments,
        &["--features: names must include f0 for --voiced, got mfcc,chroma,mel,contrast,tonnetz"],
    );
}

#[test]
fn a_feature_that_a_rate_has_not_is_named_with_the_file() {
    let folder = TempDir::new().unwrap();
    let output = folder.path().join("features.csv");
    let sample = sample();
    let arguments = [sample.to_str().unwrap(), "--sample-rate", "8000", "--output", output.to_str().unwrap()];
    fails("extract_features", arguments, &["sample.wav", "contrast", "8000 Hz", "--features"]);
    let arguments = arguments.into_iter().chain(["--features", "mfcc,chroma"]);
    assert!(prints("extract_features", arguments).contains("1 clips, 52 values each"));
}
