//! Why a song was chosen, in numbers and in words.

use crate::feature::Feature;
use crate::index::Group;
use crate::song::Song;
use crate::strategy::Part;

/// For example: `valence 0.96, popularity 71: happier than 98 % and more popular than 87 % of the Happy
/// songs`.
pub(crate) fn reason(song: &Song, group: &Group, part: &Part, sounds_liked: bool) -> String {
    let mut terms: Vec<(Feature, f32)> =
        Feature::ALL.into_iter().zip(part.weights).filter(|(_, weight)| *weight != 0.0).collect();
    terms.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let numbers: Vec<String> = terms.iter().map(|(feature, _)| number(song, *feature)).collect();
    let mut text = words(song, group, part, &terms);
    if !numbers.is_empty() {
        text = format!("{}: {text}", numbers.join(", "));
    }
    if sounds_liked {
        text.push_str("; it sounds like what you liked");
    }
    // What rounds to 0 % explains nothing, unless there is nothing else.
    let counts = |probability: f64| probability >= 0.005;
    let all = !part.asked_by.iter().any(|(_, probability)| counts(*probability));
    let moods: Vec<_> = part.asked_by.iter().filter(|(_, probability)| all || counts(*probability)).collect();
    if moods.iter().any(|(_, probability)| *probability < 0.995) {
        let moods: Vec<String> = moods
            .iter()
            .map(|(mood, probability)| format!("{mood} ({:.0} %)", probability * 100.0))
            .collect();
        text.push_str(&format!("; for {}", moods.join(", ")));
    }
    text
}

/// What the song is better at than most songs of its mood.
fn words(song: &Song, group: &Group, part: &Part, terms: &[(Feature, f32)]) -> String {
    let mood = part.target;
    let praise: Vec<String> = terms
        .iter()
        .filter_map(|&(feature, weight)| {
            let more = weight > 0.0;
            let percent = group.percent(feature, feature.unit(song.feature(feature)), more);
            (percent >= 50).then(|| format!("{} than {percent} %", comparative(feature, more)))
        })
        .collect();
    match praise.split_last() {
        Some((last, [])) => format!("{last} of the {mood} songs"),
        Some((last, rest)) => format!("{} and {last} of the {mood} songs", rest.join(", ")),
        None if group.songs.len() == 1 => format!("the only {mood} song"),
        None => format!("the best {mood} song that is left"),
    }
}

fn number(song: &Song, feature: Feature) -> String {
    let value = song.feature(feature);
    match feature {
        Feature::Popularity => format!("{feature} {value:.0}"),
        Feature::Tempo => format!("{feature} {value:.0} BPM"),
        Feature::Loudness => format!("{feature} {value:.1} dB"),
        _ => format!("{feature} {value:.2}"),
    }
}

fn comparative(feature: Feature, more: bool) -> &'static str {
    match (feature, more) {
        (Feature::Valence, true) => "happier",
        (Feature::Valence, false) => "gloomier",
        (Feature::Energy, true) => "more energetic",
        (Feature::Energy, false) => "calmer",
        (Feature::Acousticness, true) => "more acoustic",
        (Feature::Acousticness, false) => "less acoustic",
        (Feature::Danceability, true) => "more danceable",
        (Feature::Danceability, false) => "less danceable",
        (Feature::Instrumentalness, true) => "more instrumental",
        (Feature::Instrumentalness, false) => "less instrumental",
        (Feature::Liveness, true) => "more of a concert",
        (Feature::Liveness, false) => "less of a concert",
        (Feature::Loudness, true) => "louder",
        (Feature::Loudness, false) => "quieter",
        (Feature::Speechiness, true) => "more spoken",
        (Feature::Speechiness, false) => "less spoken",
        (Feature::Tempo, true) => "faster",
        (Feature::Tempo, false) => "slower",
        (Feature::Popularity, true) => "more popular",
        (Feature::Popularity, false) => "less known",
    }
}
