//! Why a song was chosen: in plain words first, with the numbers behind.

use crate::feature::SongFeature;
use crate::index::Group;
use crate::song::Song;
use crate::strategy::{Part, Strategy};

/// A song is one of the top songs in a feature if at least this percentage of the songs of its mood has less of it.
const FIRST: usize = 90;
/// It has more of it than most.
const MORE: usize = 50;
/// Smaller probabilities round to 0 % and are left out.
const LEAST: f64 = 0.005;

/// For example: `one of the happiest well-known songs here (valence 0.96, popularity 84)`.
pub(crate) fn reason(
    song: &Song,
    group: &Group,
    part: &Part,
    strategy: &Strategy,
    sounds_liked: bool,
) -> String {
    let mut terms: Vec<(SongFeature, f32)> =
        SongFeature::ALL.into_iter().zip(part.weights).filter(|(_, weight)| *weight != 0.0).collect();
    terms.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let known = |(feature, weight): &(SongFeature, f32)| Some((*feature, *weight, song.feature(*feature)?));
    let mut text = words(&terms.iter().filter_map(known).collect::<Vec<_>>(), group, part);
    let numbers: Vec<String> =
        terms.iter().filter_map(|(feature, _)| Some(number(*feature, song.feature(*feature)?))).collect();
    if !numbers.is_empty() {
        text.push_str(&format!(" ({})", numbers.join(", ")));
    }
    let unknown: Vec<&str> = terms
        .iter()
        .filter(|(feature, _)| song.feature(*feature).is_none())
        .map(|(feature, _)| feature.as_str())
        .collect();
    if !unknown.is_empty() {
        text.push_str(&format!("; {} unknown", unknown.join(" and ")));
    }
    if song.mood_estimated {
        text.push_str("; mood estimated");
    }
    if sounds_liked {
        text.push_str("; it sounds like what you liked");
    }
    let all = !part.asked_by.iter().any(|(_, probability)| *probability >= LEAST);
    let moods: Vec<_> =
        part.asked_by.iter().filter(|(_, probability)| all || *probability >= LEAST).collect();
    if moods.iter().any(|(_, probability)| *probability < 1.0 - LEAST) {
        let mut before = "";
        let effects: Vec<String> = moods
            .iter()
            .map(|(mood, probability)| {
                let (_, verb) = strategy.verb(*mood);
                let verb = if verb == std::mem::replace(&mut before, verb) {
                    String::new()
                } else {
                    format!("{verb} ")
                };
                format!("{verb}{mood} ({:.0} %)", probability * 100.0)
            })
            .collect();
        text.push_str(&format!("; it {}", effects.join(" and ")));
    }
    text
}

/// What distinguishes the song among those of its mood: `terms` are the features that count, with weight and value.
fn words(terms: &[(SongFeature, f32, f32)], group: &Group, part: &Part) -> String {
    let mood = part.target;
    if group.songs.len() == 1 {
        return format!("the only {mood} song here");
    }
    let ranked = terms.iter().map(|&(feature, weight, value)| {
        let more = weight > 0.0;
        (feature, more, group.percent(feature, feature.unit(value), more))
    });
    let (mut first, mut others) = (None, Vec::new());
    for (feature, more, percent) in ranked.filter(|(.., percent)| *percent >= MORE) {
        let (plain, most) = adjectives(feature, more);
        if first.is_none() && percent >= FIRST {
            first = Some(most);
        } else {
            others.push(plain);
        }
    }
    match (first, &others[..]) {
        (Some(first), others) => format!("one of the {} songs here", joined(first, others)),
        (None, [plain, others @ ..]) => format!("{} {} song", article(plain), joined(plain, others)),
        (None, []) => {
            let mood = mood.as_str().to_lowercase();
            format!("{} {mood} song", article(&mood))
        }
    }
}

fn joined(first: &str, others: &[&str]) -> String {
    let mut text = first.to_owned();
    for other in others {
        text.push_str(if text.contains(' ') { ", " } else { " " });
        text.push_str(other);
    }
    text
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn number(feature: SongFeature, value: f32) -> String {
    match feature {
        SongFeature::Popularity => format!("{feature} {value:.0}"),
        SongFeature::Tempo => format!("{feature} {value:.0} BPM"),
        SongFeature::Loudness => format!("{feature} {value:.1} dB"),
        _ => format!("{feature} {value:.2}"),
    }
}

/// What a song with much (or little) of a feature is, plainly and in the superlative.
fn adjectives(feature: SongFeature, more: bool) -> (&'static str, &'static str) {
    match (feature, more) {
        (SongFeature::Valence, true) => ("happy", "happiest"),
        (SongFeature::Valence, false) => ("gloomy", "gloomiest"),
        (SongFeature::Energy, true) => ("energetic", "most energetic"),
        (SongFeature::Energy, false) => ("calm", "calmest"),
        (SongFeature::Acousticness, true) => ("acoustic", "most acoustic"),
        (SongFeature::Acousticness, false) => ("electric", "most electric"),
        (SongFeature::Danceability, true) => ("danceable", "most danceable"),
        (SongFeature::Danceability, false) => ("undanceable", "least danceable"),
        (SongFeature::Instrumentalness, true) => ("instrumental", "most instrumental"),
        (SongFeature::Instrumentalness, false) => ("sung", "most sung"),
        (SongFeature::Liveness, true) => ("live", "most live"),
        (SongFeature::Liveness, false) => ("studio-made", "most studio-made"),
        (SongFeature::Loudness, true) => ("loud", "loudest"),
        (SongFeature::Loudness, false) => ("quiet", "quietest"),
        (SongFeature::Speechiness, true) => ("spoken", "most spoken"),
        (SongFeature::Speechiness, false) => ("wordless", "least spoken"),
        (SongFeature::Tempo, true) => ("fast", "fastest"),
        (SongFeature::Tempo, false) => ("slow", "slowest"),
        (SongFeature::Popularity, true) => ("well-known", "best-known"),
        (SongFeature::Popularity, false) => ("little-known", "least known"),
    }
}
