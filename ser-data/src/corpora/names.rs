//! File names of published corpora.

use super::named::{NameError, Named};
use super::ravdess::{Modality, RavdessName, VocalChannel};
use crate::file::stem_of;

/// What a name says, and how names are made. `path` is the file's path below the corpus's folder, joined by `/`.
pub(super) struct Naming {
    pub(super) expected: &'static str,
    pub(super) read: fn(path: &str) -> Option<Named>,
}

impl Naming {
    pub(super) fn read(&self, path: &str) -> Result<Named, NameError> {
        (self.read)(path).ok_or_else(|| NameError::Shape {
            name: file_name(path).to_owned(),
            value: file_name(path).to_owned(),
            expected: self.expected.into(),
        })
    }
}

/// EMO-DB (Burkhardt et al. 2005, *A database of German emotional speech*, Interspeech).
pub(super) const EMODB: Naming = Naming {
    expected: "speaker, sentence, a letter for the emotion (W anger, L boredom, E disgust, A fear, F happiness, T sadness, \
               N neutral) and a version, such as 03a01Fa.wav",
    read: |path| {
        let stem = stem_of(path);
        let letters = stem.as_bytes();
        let digits = |at: [usize; 2]| at.into_iter().all(|at| letters[at].is_ascii_digit());
        let shape =
            letters.len() == 7 && digits([0, 1]) && digits([3, 4]) && letters[2].is_ascii_alphabetic();
        let known = shape && b"WLEAFTN".contains(&letters[5].to_ascii_uppercase());
        (known && letters[6].is_ascii_alphabetic()).then(|| Named::new(stem, &stem[..2], &stem[5..6]))
    },
};

/// nEMO (Christop 2024, *nEMO: Dataset of Emotional Speech in Polish*, LREC-COLING).
pub(super) const NEMO: Naming = Naming {
    expected: "SPEAKER_emotion_number with the emotion anger, fear, happiness, neutral, sadness or surprised, such as \
               WR0_anger_11.wav",
    read: |path| {
        let stem = stem_of(path);
        let [speaker, emotion, number] = parts(stem)?;
        let known = ["anger", "fear", "happiness", "neutral", "sadness", "surprised"];
        let voice = speaker.len() == 3 && speaker.ends_with(|end: char| end.is_ascii_digit());
        (voice && speaker.is_ascii() && is_one_of(emotion, &known) && is_number(number))
            .then(|| Named::new(stem, speaker, emotion))
    },
};

/// ASED (Retta et al. 2022, *A New Amharic Speech Emotion Dataset and Classification Benchmark*).
pub(super) const ASED: Naming = Naming {
    expected: "a letter and digit for the emotion (n neutral, f fearful, h happy, s sad, a angry), sentence, repetition, sex \
               and speaker, such as a5-03-01-02-50.wav",
    read: |path| {
        let stem = stem_of(path);
        let fields: Vec<&str> = stem.split('-').collect();
        let [emotion, numbers @ ..] = &fields[..] else { return None };
        let letter = emotion.get(..1).filter(|letter| is_one_of(letter, &["n", "f", "h", "s", "a"]))?;
        let shape = emotion.len() == 2 && is_number(&emotion[1..]) && numbers.len() == 4;
        let two_digits = |text: &&str| text.len() == 2 && is_number(text);
        (shape && numbers.iter().all(two_digits)).then(|| Named::new(stem, numbers[3], letter))
    },
};

/// CREMA-D (Cao et al. 2014, *CREMA-D: Crowd-Sourced Emotional Multimodal Actors Dataset*, doi:10.1109/TAFFC.2014.2336244).
pub(super) const CREMA_D: Naming = Naming {
    expected: "speaker, sentence, emotion (ANG, DIS, FEA, HAP, NEU or SAD) and level joined by _, such as 1001_DFA_ANG_XX.wav",
    read: |path| {
        let stem = stem_of(path);
        let [speaker, sentence, emotion, level] = parts(stem)?;
        let letters = |text: &str| text.bytes().all(|letter| letter.is_ascii_alphabetic());
        // One published name has the level X.
        let known = is_one_of(emotion, &["ANG", "DIS", "FEA", "HAP", "NEU", "SAD"])
            && is_one_of(level, &["XX", "X", "LO", "MD", "HI"]);
        let shape = speaker.len() == 4 && is_number(speaker) && sentence.len() == 3 && letters(sentence);
        (shape && known).then(|| Named::new(stem, speaker, emotion))
    },
};

/// TESS (Pichora-Fuller & Dupuis 2020, *Toronto emotional speech set*, doi:10.5683/SP2/E8H2MF).
pub(super) const TESS: Naming = Naming {
    expected: "speaker (OAF or YAF), word and emotion (angry, disgust, fear, happy, neutral, ps or sad) joined by _, such as \
               OAF_back_angry.wav",
    read: |path| {
        let stem = stem_of(path);
        let [speaker, word, emotion] = parts(stem)?;
        // A few published names have OA for OAF.
        let speaker = match &*speaker.to_ascii_uppercase() {
            "OAF" | "OA" => "OAF",
            "YAF" | "YA" => "YAF",
            _ => return None,
        };
        let known = ["angry", "disgust", "fear", "happy", "neutral", "ps", "sad"];
        (!word.is_empty() && is_one_of(emotion, &known)).then(|| Named::new(stem, speaker, emotion))
    },
};

/// SAVEE (Haq & Jackson 2009, *Speaker-dependent audio-visual emotion recognition*, AVSP).
pub(super) const SAVEE: Naming = Naming {
    expected: "speaker (DC, JE, JK or KL) as a folder or before _, then emotion (a, d, f, h, n, sa or su) and number, such as \
               DC/a01.wav or DC_a01.wav",
    read: |path| {
        let stem = stem_of(path);
        let (speaker, rest) = match stem.split_once('_') {
            Some(both) => both,
            None => (path.rsplit('/').nth(1)?, stem),
        };
        let digits = rest.find(|letter: char| letter.is_ascii_digit())?;
        let (emotion, number) = rest.split_at(digits);
        let known = is_one_of(speaker, &["DC", "JE", "JK", "KL"])
            && is_one_of(emotion, &["a", "d", "f", "h", "n", "sa", "su"]);
        (known && number.len() == 2 && is_number(number)).then(|| {
            let speaker = speaker.to_ascii_uppercase();
            Named::new(&format!("{speaker}_{rest}"), &speaker, emotion)
        })
    },
};

/// What a name of RAVDESS says; `None` for songs, which are no speech.
pub(super) fn read_ravdess(path: &str) -> Result<Option<Named>, NameError> {
    let name: RavdessName = stem_of(path).parse()?;
    if name.modality != Modality::AudioOnly {
        return Err(NameError::Field {
            name: file_name(path).to_owned(),
            field: "modality",
            value: format!("{:02} ({})", name.modality.code(), name.modality),
            expected: "03 (audio only)".into(),
        });
    }
    let speech = name.vocal_channel == VocalChannel::Speech;
    Ok(speech.then(|| Named::new(&name.to_string(), &format!("{:02}", name.actor), name.emotion.as_str())))
}

/// Whether a name has the form of RAVDESS's seven numbers, whether or not each number is valid.
pub(super) fn resembles_ravdess(path: &str) -> bool {
    let fields: Vec<&str> = stem_of(path).split('-').collect();
    fields.len() == 7 && fields[..6].iter().all(|field| field.len() == 2 && is_number(field))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The parts of a stem between underscores; `None` unless there are exactly `N`.
fn parts<const N: usize>(stem: &str) -> Option<[&str; N]> {
    let parts: Vec<&str> = stem.split('_').collect();
    parts.try_into().ok()
}

fn is_one_of(word: &str, known: &[&str]) -> bool {
    known.iter().any(|other| other.eq_ignore_ascii_case(word))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}
