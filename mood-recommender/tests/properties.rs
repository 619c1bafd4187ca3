//! What holds for every catalogue, reading and set of options.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use mood_recommender::{
    Aim, Catalog, CatalogFormat, Filter, Mood, Options, Point, Profile, Reading, Recommender, Shuffle, Song,
    SongFeature, Strategy as Aims,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

static RECOMMENDERS: LazyLock<Vec<Recommender>> = LazyLock::new(|| {
    let catalogs = [1, 5, 40, 200, 1500].map(|songs| crate::common::random_catalog(songs, songs as u64));
    catalogs
        .into_iter()
        .chain([Catalog::starter()])
        .map(|catalog| Recommender::new(catalog).unwrap())
        .collect()
});

fn recommenders() -> impl Strategy<Value = &'static Recommender> {
    (0..RECOMMENDERS.len()).prop_map(|at| &RECOMMENDERS[at])
}

fn moods() -> impl Strategy<Value = Mood> {
    (0..4_usize).prop_map(|at| Mood::ALL[at])
}

fn readings() -> impl Strategy<Value = Reading> {
    vec(0.0_f64..1.0, 4).prop_filter_map("a probability above 0", |probabilities| {
        Reading::from_probabilities(Mood::ALL.map(Mood::as_str).into_iter().zip(probabilities)).ok()
    })
}

fn aims() -> impl Strategy<Value = BTreeMap<Mood, Aim>> {
    let features = (0..10_usize).prop_map(|at| SongFeature::ALL[at]);
    let weights = proptest::collection::btree_map(features, prop_oneof![-3.0..-0.1, 0.1..3.0], 1..5);
    proptest::collection::btree_map(
        moods(),
        (moods(), weights).prop_map(|(target, weights)| Aim { target, weights }),
        0..5,
    )
}

fn strategies() -> impl Strategy<Value = Aims> {
    prop_oneof![Just(Aims::Balance), Just(Aims::Keep), Just(Aims::CheerUp), aims().prop_map(Aims::Custom)]
}

/// Songs with anything missing but name and artist.
fn songs() -> impl Strategy<Value = Song> {
    let texts = (
        "['=+@＝-]{0,3}[ -~é\u{301},\"\n]{0,8}[a-z]",
        "[ -~é\u{301}]{0,30}",
        "[0-9]{0,2}",
        option::of("[ -~]{0,12}[a-z]"),
        "['=+@-]{0,2}[ -~é\n]{0,9}",
    );
    let features = vec(option::of(0.0_f32..=1.0), 10);
    let others = (
        option::of(moods()),
        any::<bool>(),
        option::of(any::<u32>()),
        option::of(-1_i8..=11),
        option::of(any::<u8>()),
    );
    (texts, features, others).prop_map(
        |((name, album, id, path, note), features, (mood, estimated, length, key, beats))| {
            let mut song = Song {
                name: name.as_str().into(),
                artist: name.into(),
                album: album.into(),
                id: id.into(),
                path: path.map(Into::into),
                mood,
                mood_estimated: estimated,
                duration_ms: length,
                key,
                time_signature: beats,
                release_date: key.map(|_| "1982-10-27".parse().unwrap()),
                ..Song::default()
            };
            song.extra.insert("=note", note);
            let known = |at: usize| features[at];
            (song.valence, song.energy, song.acousticness, song.danceability) =
                (known(0), known(1), known(2), known(3));
            (song.instrumentalness, song.liveness, song.speechiness) = (known(4), known(5), known(6));
            song.loudness = known(7).map(|unit| unit * -60.0);
            song.tempo = known(8).map(|unit| unit * 250.0);
            song.popularity = known(9).map(|unit| unit * 100.0);
            song
        },
    )
}

fn filters() -> impl Strategy<Value = Filter> {
    let years = option::of((1950_u16..2000, 0_u16..40).prop_map(|(from, more)| from..=from + more));
    let popularity = option::of((0.0_f32..60.0, 0.0_f32..50.0).prop_map(|(from, more)| from..=from + more));
    let tempo = option::of((50.0_f32..150.0, 0.0_f32..100.0).prop_map(|(from, more)| from..=from + more));
    let songs = vec((0..300_usize).prop_map(|at| format!("id{at}")), 0..100);
    let artists = vec((0..60_usize).prop_map(|at| format!("ARTIST {at}")), 0..10);
    (years, popularity, tempo, vec(moods(), 0..3), songs, artists).prop_map(
        |(years, popularity, tempo, moods, exclude_songs, exclude_artists)| Filter {
            years,
            popularity,
            tempo,
            moods,
            exclude_songs,
            exclude_artists,
        },
    )
}

fn profiles() -> impl Strategy<Value = Profile> {
    vec((0..40_usize, any::<bool>()), 0..10).prop_map(|judged| {
        let mut profile = Profile::default();
        for (at, liked) in judged {
            let song = &RECOMMENDERS[2].catalog().songs()[at];
            if liked { profile.like(song) } else { profile.dislike(song) }
        }
        profile
    })
}

fn options() -> impl Strategy<Value = Options> {
    let shuffle =
        option::of((any::<u64>(), 0.0_f32..0.3).prop_map(|(seed, tolerance)| Shuffle { seed, tolerance }));
    let diversity = prop_oneof![Just(0.0_f32), 0.0_f32..=1.0];
    (0..60_usize, strategies(), filters(), option::of(1..4_usize), diversity, shuffle, profiles()).prop_map(
        |(count, strategy, filter, max_per_artist, diversity, shuffle, profile)| Options {
            count,
            strategy,
            filter,
            max_per_artist,
            diversity,
            shuffle,
            profile,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_list_keeps_what_was_asked(recommender in recommenders(), reading in readings(), options in options()) {
        let list = recommender.recommend(reading, &options).unwrap();
        prop_assert!(list.len() <= options.count);

        let keys: HashSet<_> = list.iter().map(|item| item.song.key()).collect();
        prop_assert_eq!(keys.len(), list.len());

        let mut songs_of_artist: HashMap<&str, usize> = HashMap::new();
        for item in &list {
            *songs_of_artist.entry(&item.song.artist).or_default() += 1;
        }
        if let Some(most) = options.max_per_artist {
            prop_assert!(songs_of_artist.values().all(|&songs| songs <= most));
        }

        let Filter { years, popularity, tempo, moods, exclude_songs, exclude_artists } = &options.filter;
        for item in &list {
            let song = item.song;
            prop_assert!(years.as_ref().is_none_or(|years| years.contains(&song.release_date.unwrap().year())));
            prop_assert!(popularity.as_ref().is_none_or(|popularity| popularity.contains(&song.popularity.unwrap())));
            prop_assert!(tempo.as_ref().is_none_or(|tempo| tempo.contains(&song.tempo.unwrap())));
            prop_assert!(moods.is_empty() || moods.contains(&song.mood.unwrap()));
            prop_assert!(!exclude_songs.iter().any(|key| *key == song.id));
            prop_assert!(exclude_artists.iter().all(|artist| !artist.eq_ignore_ascii_case(&song.artist)));
            prop_assert!((0.0..=1.0).contains(&item.score), "{}", item.score);
            prop_assert!(!item.reason.is_empty());
        }

        let slack = options.shuffle.map_or(0.0, |shuffle| shuffle.tolerance + 1e-6);
        prop_assert!(list.is_sorted_by(|a, b| a.score >= b.score - slack));

        prop_assert_eq!(&recommender.recommend(reading, &options).unwrap(), &list);
    }

    #[test]
    fn without_wishes_the_list_is_the_best_of_all(recommender in recommenders(), mood in moods(), count in 0..100_usize) {
        let options = Options { count, max_per_artist: None, ..Options::default() };
        let list = recommender.recommend(mood, &options).unwrap();
        let everything = Options { count: usize::MAX, ..options };
        let all = recommender.recommend(mood, &everything).unwrap();
        prop_assert_eq!(&list[..], &all[..count.min(all.len())]);
        let target = all.first().and_then(|item| item.song.mood);
        prop_assert_eq!(all.len(), recommender.catalog().songs().iter().filter(|song| song.mood == target).count());
    }

    #[test]
    fn weights_scaled_by_a_constant_change_nothing(
        recommender in recommenders(), reading in readings(), aims in aims(), scale in 1e-6_f64..1e6,
    ) {
        let ask = |scale: f64| {
            let mut aims = aims.clone();
            aims.values_mut().flat_map(|aim| aim.weights.values_mut()).for_each(|weight| *weight *= scale);
            let options = Options { count: 20, strategy: Aims::Custom(aims), ..Options::default() };
            recommender.recommend(reading, &options).unwrap()
        };
        prop_assert_eq!(ask(scale), ask(1.0));
    }

    #[test]
    fn journeys_lead_to_the_target_in_small_steps(
        recommender in recommenders(), reading in readings(), filter in filters(), count in 0..30_usize,
        target in (0.0_f32..=1.0, 0.0_f32..=1.0), most in option::of(1..4_usize),
    ) {
        let target = Point { valence: target.0, energy: target.1 };
        let strategy = Aims::Journey { target };
        let options = Options { count, strategy, filter, max_per_artist: most, ..Options::default() };
        let list = recommender.recommend(reading, &options).unwrap();
        prop_assert!(list.len() <= count);
        prop_assert!(list.iter().all(|item| !options.filter.exclude_songs.iter().any(|key| *key == item.song.id)));
        prop_assert!(options.filter.moods.is_empty()
            || list.iter().all(|item| options.filter.moods.contains(&item.song.mood.unwrap())));
        let mut songs_of_artist: HashMap<&str, usize> = HashMap::new();
        for item in &list {
            *songs_of_artist.entry(&item.song.artist).or_default() += 1;
        }
        prop_assert!(songs_of_artist.values().all(|&songs| most.is_none_or(|most| songs <= most)));
        let path: Vec<Point> = list.iter().map(|item| crate::common::point(item.song)).collect();
        crate::common::check_journey(&path, target);
        prop_assert_eq!(&recommender.recommend(reading, &options).unwrap(), &list);
    }

    #[test]
    fn random_catalogues_of_200_songs_and_more_have_whole_journeys(
        songs in 200..400_usize, seed in any::<u64>(), from in moods(), to in moods(), count in 5..=10_usize,
    ) {
        let recommender = Recommender::new(crate::common::random_catalog(songs, seed)).unwrap();
        let options = Options { count, strategy: Aims::journey_to(to), ..Options::default() };
        let list = recommender.recommend(from, &options).unwrap();
        prop_assert_eq!(list.len(), count);
        let path: Vec<Point> = list.iter().map(|item| crate::common::point(item.song)).collect();
        crate::common::check_journey(&path, to.point());
        let away = |point: Point, other: Point| (point.valence - other.valence).hypot(point.energy - other.energy);
        if from != to {
            // Songs are 0.03 apart on average; a short way with many songs must begin further out.
            prop_assert!(away(path[0], from.point()) < 0.3);
            prop_assert!(away(path[count - 1], to.point()) < 0.3);
        }
    }

    #[test]
    fn what_was_written_reads_back_the_same_in_every_format(songs in vec(songs(), 1..8)) {
        let mut builder = Catalog::builder();
        for song in songs {
            builder.push(song).unwrap();
        }
        let catalog = builder.build();
        for format in [CatalogFormat::Csv, CatalogFormat::Json, CatalogFormat::JsonLines] {
            let mut bytes = Vec::new();
            catalog.write_to(&mut bytes, format).unwrap();
            let again = Catalog::from_bytes(&bytes).unwrap();
            prop_assert_eq!(again.songs(), catalog.songs(), "{:?}", format);
            let mut twice = Vec::new();
            again.write_to(&mut twice, format).unwrap();
            prop_assert_eq!(&Catalog::from_bytes(&twice).unwrap(), &catalog);
        }
    }

    #[test]
    fn the_order_of_rows_changes_no_list(
        songs in 1..400_usize, seed in any::<u64>(), missing in 0..4_usize, steps in prop_oneof![Just(0_u8), 1..6_u8], reading in readings(),
        options in options(), is_journey: bool, has_ids: bool,
    ) {
        let catalog = crate::common::random_catalog(songs, seed);
        let strategy = if is_journey { Aims::journey_to(Mood::Happy) } else { options.strategy.clone() };
        let options = Options { strategy, ..options };
        // Few steps give many songs the same scores, or the same place on a journey.
        let coarse = |value: f32| if steps > 0 { (value * f32::from(steps)).round() / f32::from(steps) } else { value };
        let ask = |order: &[usize]| {
            let mut builder = Catalog::builder();
            for at in order {
                let mut song = catalog.songs()[*at].clone();
                for feature in [&mut song.valence, &mut song.energy, &mut song.acousticness, &mut song.danceability] {
                    *feature = feature.map(coarse);
                }
                song.popularity = song.popularity.map(|value| coarse(value / 100.0) * 100.0);
                // Some songs lack some features.
                if at % 4 < missing {
                    (song.popularity, song.energy) = (None, song.energy.filter(|_| at % 3 > 0));
                }
                if !has_ids {
                    song.id = "".into();
                }
                builder.push(song).unwrap();
            }
            let recommender = Recommender::new(builder.build()).unwrap();
            let list = recommender.recommend(reading, &options).unwrap();
            list.iter().map(|item| (item.score.to_bits(), item.song.name.to_string(), item.reason.clone())).collect::<Vec<_>>()
        };
        let mut order: Vec<usize> = (0..songs).collect();
        let given = ask(&order);
        order.reverse();
        order.rotate_left(songs / 3);
        prop_assert_eq!(given, ask(&order));
    }

    #[test]
    fn unknown_columns_are_kept(
        names in proptest::collection::btree_set("[a-z]{1,6}", 1..5), cells in vec("[ -&(-~]{0,12}", 5), separator in 0..4_usize,
    ) {
        // Without apostrophes: one before a formula is the mark that writing makes, and reading takes it away.
        let separator = [",", ";", "\t", "|"][separator];
        let names: Vec<String> = names.into_iter().map(|name| format!("x {name}")).collect();
        let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
        let row = |cells: Vec<String>| cells.join(separator);
        let mut header = vec!["name".to_owned(), "artist".to_owned(), "energy".to_owned()];
        header.extend(names.iter().cloned());
        let mut song = vec!["A".to_owned(), "B".to_owned(), "0.5".to_owned()];
        song.extend(cells.iter().take(names.len()).map(quoted));
        let catalog = Catalog::from_bytes(format!("{}\n{}\n", row(header), row(song))).unwrap();
        for (name, cell) in names.iter().zip(&cells) {
            let expected = Some(cell.trim()).filter(|cell| !cell.is_empty());
            prop_assert_eq!(catalog.songs()[0].extra.get(name), expected);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        _ = Catalog::from_bytes(&bytes);
        for start in [&b"name,artist,energy\n"[..], b"[{\"name\":", b"\xff\xfen\0a\0"] {
            _ = Catalog::from_bytes([start, &bytes].concat());
        }
    }
}
