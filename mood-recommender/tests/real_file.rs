//! The whole of `data_moods.csv`, where it is kept beside the repository.

use mood_recommender::{Catalog, Mood, Options, Point, Recommender, Song, SongFeature, Strategy};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

#[test]
fn the_file_is_read_whole() {
    let Some(catalog) = crate::common::data_moods() else { return };
    assert_eq!(catalog.songs().len(), 686);
    assert!(catalog.duplicates().is_empty());
    assert!(
        catalog
            .songs()
            .iter()
            .all(|song| song.mood.is_some() && song.release_date.is_some() && song.key.is_some())
    );
    let to_the_day = catalog.songs().iter().filter(|song| song.release_date.unwrap().day().is_some()).count();
    assert_eq!(to_the_day, 646);
}

#[test]
fn the_starter_catalogue_agrees_with_it() {
    let Some(catalog) = crate::common::data_moods() else { return };
    for song in Catalog::starter().songs() {
        let real = catalog.songs().iter().find(|real| real.name == song.name && real.artist == song.artist);
        let real = real.unwrap_or_else(|| panic!("{} is not there", song.name));
        assert_eq!(
            (real.mood, real.release_date, real.duration_ms),
            (song.mood, song.release_date, song.duration_ms)
        );
        for feature in SongFeature::ALL {
            let (real, printed) = (real.feature(feature).unwrap(), song.feature(feature).unwrap());
            assert!(
                (real - printed).abs() <= 1e-5 * printed.abs(),
                "{}: {feature} {real} {printed}",
                song.name
            );
        }
    }
}

#[test]
fn the_reports_correlations_are_there() {
    let Some(catalog) = crate::common::data_moods() else { return };
    let stats = catalog.stats();
    assert_eq!(Mood::ALL.map(|mood| stats.count(mood)), [195, 140, 197, 154]);
    // §7.3: what moods have more of (+) or less of (−) than the others.
    for (mood, feature, sign) in [
        (Mood::Calm, SongFeature::Acousticness, 1.0),
        (Mood::Calm, SongFeature::Energy, -1.0),
        (Mood::Energetic, SongFeature::Energy, 1.0),
        (Mood::Energetic, SongFeature::Loudness, 1.0),
        (Mood::Energetic, SongFeature::Acousticness, -1.0),
        (Mood::Happy, SongFeature::Valence, 1.0),
        (Mood::Sad, SongFeature::Acousticness, 1.0),
        (Mood::Sad, SongFeature::Valence, -1.0),
    ] {
        let correlation = stats.correlation(mood, feature).unwrap();
        assert!(correlation * sign > 0.1, "{mood} {feature}: {correlation}");
    }
    // numpy 2.4.6: means and point-biserial correlations of the same file.
    for (mood, feature, mean, correlation) in [
        (Mood::Calm, SongFeature::Acousticness, 0.883348, 0.665773),
        (Mood::Energetic, SongFeature::Loudness, -4.695844, 0.492754),
        (Mood::Happy, SongFeature::Valence, 0.579095, 0.475314),
        (Mood::Sad, SongFeature::Popularity, 37.730964, -0.104845),
    ] {
        assert!((stats.mean(mood, feature).unwrap() - mean).abs() < 1e-5);
        assert!((stats.correlation(mood, feature).unwrap() - correlation).abs() < 1e-5);
    }
    println!("{stats}");
}

#[test]
fn moods_are_learned_with_at_least_79_percent_in_ten_fold_cross_validation() {
    let Some(catalog) = crate::common::data_moods() else { return };
    let seeds = 0..10_u64;
    let accuracies: Vec<f64> = seeds
        .map(|seed| {
            let mut order: Vec<usize> = (0..catalog.songs().len()).collect();
            order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
            let right: usize = (0..10).map(|fold| right_in_fold(&catalog, &order, fold)).sum();
            right as f64 / catalog.songs().len() as f64
        })
        .collect();
    let mean = accuracies.iter().sum::<f64>() / accuracies.len() as f64;
    println!("accuracy in 10-fold cross-validation: mean {mean:.4} of {accuracies:.4?}");
    assert!(accuracies.iter().all(|&accuracy| accuracy >= 0.79), "{accuracies:?}");
}

#[test]
fn the_carried_model_finds_the_moods_that_it_was_fitted_to() {
    let Some(catalog) = crate::common::data_moods() else { return };
    let mut builder = Catalog::builder();
    for song in catalog.songs() {
        builder.push(Song { mood: None, ..song.clone() }).unwrap();
    }
    let mut estimated = builder.build();
    assert_eq!(estimated.estimate_moods(), 686);
    let correct = estimated.songs().iter().zip(catalog.songs()).filter(|(a, b)| a.mood == b.mood).count();
    println!("{correct} of 686 moods are found again");
    assert!(correct as f64 >= 0.81 * 686.0, "{correct}");
}

/// Hides the moods of one tenth and counts how many come back right.
fn right_in_fold(catalog: &Catalog, order: &[usize], fold: usize) -> usize {
    let hidden: Vec<usize> = order.iter().copied().skip(fold).step_by(10).collect();
    let mut builder = Catalog::builder();
    for (at, song) in catalog.songs().iter().enumerate() {
        let mut song = song.clone();
        if hidden.contains(&at) {
            song.mood = None;
        }
        builder.push(song).unwrap();
    }
    let mut learned = builder.build();
    assert_eq!(learned.assign_moods().unwrap(), hidden.len());
    hidden.iter().filter(|&&at| learned.songs()[at].mood == catalog.songs()[at].mood).count()
}

#[test]
fn journeys_between_all_moods_have_every_length_that_people_play() {
    let Some(catalog) = crate::common::data_moods() else { return };
    let recommender = Recommender::new(catalog).unwrap();
    for from in Mood::ALL {
        for to in Mood::ALL.into_iter().filter(|to| *to != from) {
            for count in 2..=25 {
                let options = Options { count, strategy: Strategy::journey_to(to), ..Options::default() };
                let list = recommender.recommend(from, &options).unwrap();
                assert_eq!(list.len(), count, "{from} to {to}");
                let path: Vec<Point> = list.iter().map(|item| crate::common::point(item.song)).collect();
                crate::common::check_journey(&path, to.point());
            }
        }
    }
}

#[test]
fn lists_from_the_real_file_are_what_the_report_describes() {
    let Some(catalog) = crate::common::data_moods() else { return };
    let recommender = Recommender::new(catalog).unwrap();
    for (mood, target) in
        [(Mood::Sad, Mood::Happy), (Mood::Calm, Mood::Energetic), (Mood::Energetic, Mood::Calm)]
    {
        let list = recommender.recommend(mood, &Options::default()).unwrap();
        assert_eq!(list.len(), 10);
        for item in &list {
            println!("{mood}: {:.3} {} – {}: {}", item.score, item.song.artist, item.song.name, item.reason);
            assert_eq!(item.song.mood, Some(target));
        }
    }
}
