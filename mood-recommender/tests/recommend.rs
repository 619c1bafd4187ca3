//! Lists for moods and readings: what is in them, in which order and why.

use mood_recommender::{
    Catalog, Filter, Mood, Options, Profile, Reading, RecommendError, Recommendation, Recommender, Shuffle,
    Song, SongFeature, Strategy,
};

fn starter() -> Recommender {
    Recommender::new(Catalog::starter()).unwrap()
}

fn count(count: usize) -> Options {
    Options { count, ..Options::default() }
}

fn names<'a>(list: &[Recommendation<'a>]) -> Vec<&'a str> {
    list.iter().map(|item| item.song.name.as_str()).collect()
}

#[test]
fn balance_ranks_as_the_report_says() {
    let recommender = starter();
    let ask = |mood| recommender.recommend(mood, &Options::default()).unwrap();
    let by = |mood, score: fn(&Song) -> f32| {
        let mut songs: Vec<&Song> =
            recommender.catalog().songs().iter().filter(|song| song.mood == Some(mood)).collect();
        songs.sort_by(|a, b| score(b).total_cmp(&score(a)));
        songs.iter().map(|song| song.name.as_str()).collect::<Vec<_>>()
    };
    let happy = by(Mood::Happy, |song| song.valence.unwrap() + song.popularity.unwrap() / 100.0);
    assert_eq!(names(&ask(Mood::Sad)), happy);
    assert_eq!(names(&ask(Mood::Happy)), happy);
    assert_eq!(names(&ask(Mood::Calm)), by(Mood::Energetic, |song| song.energy.unwrap()));
    assert_eq!(
        names(&ask(Mood::Energetic)),
        by(Mood::Calm, |song| song.acousticness.unwrap() - song.energy.unwrap())
    );
}

#[test]
fn scores_and_reasons_say_what_was_looked_at() {
    let recommender = starter();
    let list = recommender.recommend(Mood::Sad, &count(2)).unwrap();
    assert_eq!(names(&list), ["Africa", "1999"]);
    assert!((list[0].score - (0.732 + 0.84) / 2.0).abs() < 1e-6);
    assert_eq!(list[0].reason, "a happy well-known song (valence 0.73, popularity 84)");
    let list = recommender.recommend(Mood::Energetic, &count(1)).unwrap();
    assert_eq!(list[0].song.name, "After The Rain");
    assert!((list[0].score - (0.993 + 1.0 - 0.0337) / 2.0).abs() < 1e-6);
    assert_eq!(list[0].reason, "a calm song (energy 0.03, acousticness 0.99)");
}

#[test]
fn an_uncertain_reading_gives_a_mixed_list_in_proportion() {
    let recommender = Recommender::new(crate::common::random_catalog(500, 1)).unwrap();
    let reading = Reading::from_probabilities([("Sad", 0.6), ("Calm", 0.3), ("Energetic", 0.1)]).unwrap();
    let list = recommender.recommend(reading, &count(10)).unwrap();
    let of = |mood| list.iter().filter(|item| item.song.mood == Some(mood)).count();
    assert_eq!((of(Mood::Happy), of(Mood::Energetic), of(Mood::Calm)), (6, 3, 1));
    assert!(list[0].reason.ends_with("; it balances Sad (60 %)"), "{}", list[0].reason);
    assert!(list.iter().all(|item| item.score <= 0.6));
    let sure = recommender.recommend(Mood::Sad, &count(6)).unwrap();
    let happy: Vec<_> = list.iter().filter(|item| item.song.mood == Some(Mood::Happy)).collect();
    assert!(sure.iter().zip(happy).all(|(sure, mixed)| sure.song == mixed.song));
}

#[test]
fn where_one_mood_runs_out_the_others_fill_up() {
    let reading = Reading::from_probabilities([("Sad", 0.9), ("Calm", 0.1)]).unwrap();
    let recommender = starter();
    let list = recommender.recommend(reading, &count(10)).unwrap();
    let happy = list.iter().filter(|item| item.song.mood == Some(Mood::Happy)).count();
    assert_eq!((happy, list.len()), (4, 10));
}

#[test]
fn fewer_songs_than_asked_make_a_shorter_list() {
    assert_eq!(starter().recommend(Mood::Sad, &count(1000)).unwrap().len(), 4);
    assert_eq!(starter().recommend(Mood::Sad, &count(usize::MAX)).unwrap().len(), 4);
    assert_eq!(starter().recommend(Mood::Sad, &count(0)).unwrap().len(), 0);
}

#[test]
fn a_catalogue_without_songs_or_without_moods_has_an_answer() {
    let empty = Catalog::builder().build();
    assert_eq!(Recommender::new(empty).unwrap_err(), RecommendError::EmptyCatalog);
    let mut builder = Catalog::builder();
    builder.push(Song { name: "A".into(), artist: "B".into(), ..Song::default() }).unwrap();
    let recommender = Recommender::new(builder.build()).unwrap();
    assert!(recommender.recommend(Mood::Sad, &Options::default()).unwrap().is_empty());
}

#[test]
fn a_song_comes_once_though_it_has_two_ids() {
    let mut builder = Catalog::builder();
    for (id, name, popularity) in [("1", "Africa", 80.0), ("2", " AFRICA ", 90.0), ("3", "Rosanna", 70.0)] {
        let (name, artist, id, mood) = (name.into(), "TOTO".into(), id.into(), Some(Mood::Happy));
        let popularity = Some(popularity);
        builder.push(Song { name, artist, id, mood, popularity, ..Song::default() }).unwrap();
    }
    let recommender = Recommender::new(builder.build()).unwrap();
    assert_eq!(names(&recommender.recommend(Mood::Sad, &count(3)).unwrap()), ["AFRICA", "Rosanna"]);
    let options = Options { max_per_artist: Some(1), ..count(3) };
    assert_eq!(names(&recommender.recommend(Mood::Sad, &options).unwrap()), ["AFRICA"]);
}

#[test]
fn an_artist_with_all_the_best_songs_does_not_fill_the_list() {
    let mut builder = Catalog::builder();
    for at in 0..1000_u16 {
        let (name, artist) = (
            format!("Song {at}").into(),
            if at < 990 { "Same".into() } else { format!("Other {at}").into() },
        );
        let valence = Some(1.0 - f32::from(at) / 1000.0);
        builder.push(Song { name, artist, valence, mood: Some(Mood::Happy), ..Song::default() }).unwrap();
    }
    let recommender = Recommender::new(builder.build()).unwrap();
    for diversity in [0.0, 0.5] {
        let list = recommender.recommend(Mood::Sad, &Options { diversity, ..Options::default() }).unwrap();
        assert_eq!(list.len(), 10);
        assert_eq!(list.iter().filter(|item| item.song.artist == "Same").count(), 2);
    }
}

#[test]
fn a_journey_begins_at_the_mood_and_ends_at_the_target() {
    let recommender = Recommender::new(crate::common::random_catalog(2000, 9)).unwrap();
    let options = Options { strategy: Strategy::journey_to(Mood::Happy), ..count(8) };
    let list = recommender.recommend(Mood::Calm, &options).unwrap();
    assert_eq!(list.len(), 8);
    assert_eq!((list[0].song.mood, list[7].song.mood), (Some(Mood::Calm), Some(Mood::Happy)));
    assert!(
        list[0].reason.starts_with("song 1 of 8: begins where you are, Calm (valence 0."),
        "{}",
        list[0].reason
    );
    assert!(
        list[1].reason.starts_with("song 2 of 8: ") && list[1].reason.ends_with(" to go)"),
        "{}",
        list[1].reason
    );
    assert!(list[7].reason.contains(", arrives at Happy (valence 0.5"), "{}", list[7].reason);
    assert!(list.iter().all(|item| item.score > 0.9));
}

#[test]
fn a_journey_through_one_artists_songs_is_as_short_as_the_limit() {
    let mut builder = Catalog::builder();
    for at in 0..300_u16 {
        let (name, artist) = (format!("Song {at}").into(), "Same".into());
        let (valence, energy) = (Some(f32::from(at) / 300.0), Some(f32::from(at % 20) / 20.0));
        builder.push(Song { name, artist, valence, energy, ..Song::default() }).unwrap();
    }
    let recommender = Recommender::new(builder.build()).unwrap();
    let options = Options { strategy: Strategy::journey_to(Mood::Happy), ..count(10) };
    assert_eq!(recommender.recommend(Mood::Calm, &options).unwrap().len(), 2);
}

#[test]
fn explicit_moods_keep_only_their_parts() {
    let recommender = starter();
    let reading = Reading::from_probabilities([("Sad", 0.5), ("Calm", 0.5)]).unwrap();
    let filter = Filter { moods: vec![Mood::Energetic], ..Filter::default() };
    let list = recommender.recommend(reading, &Options { filter, ..count(5) }).unwrap();
    assert_eq!(list.len(), 5);
    assert!(list.iter().all(|item| item.song.mood == Some(Mood::Energetic)));
}

#[test]
fn diversity_makes_lists_less_alike() {
    let recommender = Recommender::new(crate::common::random_catalog(2000, 5)).unwrap();
    let spread = |diversity| {
        let list = recommender.recommend(Mood::Sad, &Options { diversity, ..count(10) }).unwrap();
        assert_eq!(list.len(), 10);
        let pairs =
            list.iter().enumerate().flat_map(|(at, a)| list[at + 1..].iter().map(move |b| (a.song, b.song)));
        let distances = pairs.map(|(a, b)| {
            [SongFeature::Energy, SongFeature::Acousticness, SongFeature::Liveness]
                .map(|feature| (a.feature(feature).unwrap() - b.feature(feature).unwrap()).powi(2))
                .iter()
                .sum::<f32>()
        });
        distances.sum::<f32>()
    };
    assert!(spread(0.5) > spread(0.0));
    assert!(spread(1.0) > spread(0.5));
}

#[test]
fn shuffling_varies_the_list_by_seed_and_repeats_it_by_seed() {
    let recommender = Recommender::new(crate::common::random_catalog(2000, 6)).unwrap();
    let ask = |seed| {
        let shuffle = Some(Shuffle { seed, tolerance: 0.1 });
        names(&recommender.recommend(Mood::Sad, &Options { shuffle, ..count(10) }).unwrap())
    };
    assert_eq!(ask(1), ask(1));
    assert_ne!(ask(1), ask(2));
}

#[test]
fn likes_and_dislikes_shift_the_next_list() {
    let recommender = Recommender::new(crate::common::random_catalog(3000, 7)).unwrap();
    let mean_energy = |profile: &Profile| {
        let options = Options { profile: profile.clone(), ..count(20) };
        let list = recommender.recommend(Mood::Sad, &options).unwrap();
        (list.iter().map(|item| item.song.energy.unwrap()).sum::<f32>() / 20.0, list)
    };
    let (mut still, mut loud) = (Profile::default(), Profile::default());
    for song in recommender.catalog().songs() {
        if song.energy.unwrap() < 0.02 {
            still.like(song);
            loud.dislike(song);
        } else if song.energy.unwrap() > 0.98 {
            still.dislike(song);
            loud.like(song);
        }
    }
    let (before, first) = mean_energy(&Profile::default());
    let (stiller, list) = mean_energy(&still);
    assert!(stiller < before - 0.05, "{stiller} {before}");
    assert!(list.iter().any(|item| item.reason.contains("sounds like what you liked")));
    assert!(mean_energy(&loud).0 > before + 0.05);
    let mut tired = Profile::default();
    tired.dislike(first[0].song);
    assert!(mean_energy(&tired).1.iter().all(|item| item.song != first[0].song));
}

#[test]
fn a_song_is_scored_on_what_it_has_and_its_reason_says_so() {
    let mut builder = Catalog::builder();
    for (name, valence, popularity) in [
        ("Known", Some(0.8), Some(50.0)),
        ("Half", Some(0.7), None),
        ("Dull", Some(0.1), Some(10.0)),
        ("None", None, None),
    ] {
        let (name, mood) = (name.into(), Some(Mood::Happy));
        builder
            .push(Song { name, artist: "B".into(), mood, valence, popularity, ..Song::default() })
            .unwrap();
    }
    let recommender = Recommender::new(builder.build()).unwrap();
    let options = Options { max_per_artist: None, ..Options::default() };
    let list = recommender.recommend(Mood::Sad, &options).unwrap();
    assert_eq!(names(&list), ["Half", "Known", "Dull", "None"]);
    assert_eq!(list.iter().map(|item| item.score).collect::<Vec<_>>(), [0.7, 0.65, 0.1, 0.0]);
    assert!(list[0].reason.ends_with("(valence 0.70); popularity unknown"), "{}", list[0].reason);
    assert!(
        list[3].reason.ends_with("; popularity and valence unknown")
            || list[3].reason.ends_with("; valence and popularity unknown")
    );
    // Filters do not guess either.
    let filter = Filter { popularity: Some(0.0..=100.0), ..Filter::default() };
    assert_eq!(
        names(&recommender.recommend(Mood::Sad, &Options { filter, ..options.clone() }).unwrap()),
        ["Known", "Dull"]
    );
    // A taste of songs with unknown features is a taste too.
    let mut profile = Profile::default();
    profile.like(list[3].song);
    profile.dislike(list[1].song);
    let list = recommender.recommend(Mood::Sad, &Options { profile, diversity: 0.5, ..options }).unwrap();
    assert!(list.iter().all(|item| item.score.is_finite()) && list.len() == 3);
}

#[test]
fn a_catalogue_without_moods_has_estimated_ones() {
    let mut builder = Catalog::builder();
    for song in crate::common::random_catalog(300, 11).songs() {
        builder.push(Song { mood: None, ..song.clone() }).unwrap();
    }
    let recommender = Recommender::new(builder.build()).unwrap();
    for mood in Mood::ALL {
        for item in recommender.recommend(mood, &Options::default()).unwrap() {
            assert!(item.song.mood_estimated && item.reason.contains("; mood estimated"), "{}", item.reason);
        }
    }
    assert_eq!(recommender.catalog().stats().unlabelled(), 0);
}

#[test]
fn a_large_catalogue_gives_on_all_cores_what_it_gives_piece_by_piece() {
    let catalog = crate::common::random_catalog(300_000, 21);
    let recommender = Recommender::new(catalog).unwrap();
    let mut profile = Profile::default();
    let songs = recommender.catalog().songs();
    songs.iter().take(6).for_each(|song| profile.like(song));
    let ask = |options: Options| recommender.recommend(Mood::Sad, &options).unwrap();
    let whole = ask(Options { profile: profile.clone(), max_per_artist: None, ..count(50) });
    // Years divide the catalogue; each list comes from all songs, of which others are sunk.
    let mut pieces: Vec<(f32, &str)> = Vec::new();
    for years in [1950..=1969, 1970..=1989, 1990..=2024] {
        let filter = Filter { years: Some(years), ..Filter::default() };
        let list = ask(Options { profile: profile.clone(), filter, max_per_artist: None, ..count(50) });
        pieces.extend(list.iter().map(|item| (item.score, item.song.id.as_str())));
    }
    pieces.sort_by(|a, b| b.0.total_cmp(&a.0));
    let whole: Vec<(f32, &str)> = whole.iter().map(|item| (item.score, item.song.id.as_str())).collect();
    assert_eq!(whole, pieces[..50]);
    assert_eq!(ask(count(5)), ask(count(5)));
}

#[test]
fn a_list_serialises_as_flat_objects() {
    let recommender = starter();
    let list = recommender.recommend(Mood::Sad, &count(1)).unwrap();
    let json = serde_json::to_value(&list).unwrap();
    assert_eq!(json[0]["name"], "Africa");
    assert_eq!(json[0]["artist"], "TOTO");
    assert_eq!(json[0]["score"], list[0].score);
    assert_eq!(json[0]["reason"], list[0].reason);
}

#[test]
fn a_recommender_is_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Recommender>();
    shared::<RecommendError>();
    assert_eq!(Options::default().strategy, Strategy::Balance);
}
