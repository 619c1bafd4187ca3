//! Draws pages of training, of results and of catalogues.

use mood_recommender::{Catalog, Mood, Song, SongFeature};
use ndarray::Array2;
use ser_models::ConfusionMatrix;
use ser_models::training::{Epoch, Evaluation, History};

use crate::{Bars, Curves, Figure, Matrix, Page, Series};

/// Draws losses, accuracies and UAR of each epoch, and marks the kept epoch.
pub fn learning_curves(history: &History) -> Page {
    let curve = |name: &str, value: &dyn Fn(&Epoch) -> Option<f64>| {
        let point = |epoch: &Epoch| Some((epoch.epoch as f64, value(epoch)?));
        Series {
            name: name.to_string(),
            points: history.epochs.iter().filter_map(point).collect(),
            mark: history.best().and_then(point),
        }
    };
    let validation =
        |value: fn(&Evaluation) -> f64| move |epoch: &Epoch| epoch.validation.as_ref().map(value);
    let figure = |title: &str, y: &str, mut series: Vec<Series>| {
        series.retain(|series| !series.points.is_empty());
        let (title, x, y) = (title.to_string(), "epoch".to_string(), y.to_string());
        Figure::Curves(Curves { title, x, y, series })
    };
    let loss = figure(
        "Loss (dot: the selected epoch)",
        "cross-entropy in nats",
        vec![
            curve("training", &|epoch| Some(epoch.train_loss)),
            curve("validation", &validation(|evaluation| evaluation.loss)),
        ],
    );
    let accuracy = figure(
        "Accuracy and UAR (dot: the selected epoch)",
        "share in %",
        vec![
            curve("training accuracy", &|epoch| Some(epoch.train_accuracy * 100.0)),
            curve("validation accuracy", &validation(|evaluation| evaluation.confusion.accuracy() * 100.0)),
            curve("validation UAR", &validation(|evaluation| evaluation.confusion.uar() * 100.0)),
        ],
    );
    Page { columns: 2, ..Page::new(vec![loss, accuracy], (640, 400)) }
}

/// Draws a confusion matrix: counts, coloured by their share of the true class.
pub fn confusion(title: impl Into<String>, confusion: &ConfusionMatrix) -> Page {
    let labels = confusion.labels();
    let counts = Array2::from_shape_fn((labels.len(), labels.len()), |(truth, recognised)| {
        usize::try_from(confusion.count(truth, recognised)).unwrap_or(usize::MAX)
    });
    let size = if labels.len() > 4 { (880, 600) } else { (560, 420) };
    Page::new(vec![Figure::Matrix(Matrix::confusion(title, labels, &counts))], size)
}

/// Draws the content of a catalogue: the number of songs of each mood, the point-biserial correlation of each feature with each mood, and
/// Pearson's correlation between the features.
pub fn catalog(name: &str, catalog: &Catalog) -> Page {
    let stats = catalog.stats();
    let moods = Mood::ALL.map(|mood| mood.to_string()).to_vec();
    let features = SongFeature::ALL.map(|feature| feature.to_string()).to_vec();
    let mut bars: Vec<(String, f64)> =
        Mood::ALL.map(|mood| (mood.to_string(), stats.count(mood) as f64)).to_vec();
    if stats.unlabelled() > 0 {
        bars.push(("no mood".to_string(), stats.unlabelled() as f64));
    }
    let by_mood = Array2::from_shape_fn((moods.len(), features.len()), |(mood, feature)| {
        stats.correlation(Mood::ALL[mood], SongFeature::ALL[feature]).map_or(f32::NAN, |value| value as f32)
    });
    let by_mood = Matrix {
        rows: moods,
        columns: features.clone(),
        ..Matrix::correlations("Correlation (−1 to 1) of features with moods", &[], by_mood)
    };
    let among = Matrix::correlations(
        "Correlation (−1 to 1) of features with each other",
        &features,
        correlations(catalog),
    );
    let bars = Bars { title: "Mood distribution".to_string(), unit: "songs".to_string(), bars };
    Page {
        title: format!("{name}: {} songs", stats.songs()),
        columns: 3,
        ..Page::new(vec![Figure::Bars(bars), Figure::Matrix(by_mood), Figure::Matrix(among)], (600, 460))
    }
}

/// Returns Pearson's correlation of each pair of features, over the songs that have both. It is NaN if a feature has the same value in all
/// of them.
fn correlations(catalog: &Catalog) -> Array2<f32> {
    let songs = catalog.songs();
    Array2::from_shape_fn((SongFeature::ALL.len(), SongFeature::ALL.len()), |(a, b)| {
        let pairs = || {
            let both = |feature: usize, song: &Song| song.feature(SongFeature::ALL[feature]).map(f64::from);
            songs.iter().filter_map(move |song| Some((both(a, song)?, both(b, song)?)))
        };
        let count = pairs().count().max(1) as f64;
        let sums = pairs().fold((0.0, 0.0), |sums, pair| (sums.0 + pair.0, sums.1 + pair.1));
        let (mean_a, mean_b) = (sums.0 / count, sums.1 / count);
        let mut products = [0.0; 3];
        for (value_a, value_b) in pairs() {
            let (x, y) = (value_a - mean_a, value_b - mean_b);
            products.iter_mut().zip([x * y, x * x, y * y]).for_each(|(sum, product)| *sum += product);
        }
        (products[0] / (products[1] * products[2]).sqrt()) as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Format;

    #[test]
    fn correlations_are_pearsons() {
        let mut builder = Catalog::builder();
        for (n, (valence, energy, tempo)) in
            [(0.1, 0.9, 100.0), (0.4, 0.7, 80.0), (0.5, 0.2, 120.0), (0.9, 0.1, 90.0)].into_iter().enumerate()
        {
            let name = format!("song {n}").into();
            let (valence, energy, tempo) = (Some(valence), Some(energy), Some(tempo));
            builder
                .push(Song { name, artist: "A".into(), valence, energy, tempo, ..Song::default() })
                .unwrap();
        }
        let values = correlations(&builder.build());
        let at = |a: SongFeature, b: SongFeature| values[[a as usize, b as usize]];
        // numpy 2.4.6: np.corrcoef([[.1, .4, .5, .9], [.9, .7, .2, .1], [100, 80, 120, 90]])
        assert!((at(SongFeature::Valence, SongFeature::Energy) + 0.894_660_8).abs() < 1e-6, "{values}");
        assert!((at(SongFeature::Valence, SongFeature::Tempo) + 0.132_914_7).abs() < 1e-6, "{values}");
        assert_eq!(
            at(SongFeature::Energy, SongFeature::Valence),
            at(SongFeature::Valence, SongFeature::Energy)
        );
        assert!((at(SongFeature::Tempo, SongFeature::Tempo) - 1.0).abs() < 1e-6);
        assert!(at(SongFeature::Loudness, SongFeature::Energy).is_nan(), "unknown everywhere");
    }

    #[test]
    fn runs_without_validation_and_catalogues_without_moods_are_drawn_too() {
        let epoch = |epoch, validation| Epoch {
            epoch,
            learning_rate: 0.1,
            train_loss: 1.0 / epoch as f64,
            train_accuracy: 0.5,
            validation,
            best: epoch == 2,
        };
        let mut matrix = ConfusionMatrix::new(["Calm", "Happy"]);
        matrix.add(0, 1);
        let evaluation = Evaluation { loss: 0.4, confusion: matrix.clone() };
        let mut builder = Catalog::builder();
        builder.push(Song { name: "A".into(), artist: "B".into(), ..Song::default() }).unwrap();
        for page in [
            learning_curves(&History { epochs: vec![epoch(1, None), epoch(2, None)] }),
            learning_curves(&History {
                epochs: vec![epoch(1, Some(evaluation.clone())), epoch(2, Some(evaluation))],
            }),
            learning_curves(&History { epochs: vec![epoch(1, None)] }),
            confusion("Confusion", &matrix),
            catalog("one", &builder.build()),
        ] {
            page.bytes(Format::Png).unwrap();
            page.bytes(Format::Svg).unwrap();
        }
    }
}
