//! How long a list takes from catalogues of 686 (the size of `data_moods.csv`), 1 k, 100 k and 1 M songs,
//! with the time to load each catalogue and its memory per song printed once.
//!
//! The songs are made up, with features spread evenly, three to an artist: no feature value or artist is so
//! common that a scan could stop early, so that real catalogues are no harder. Loading is timed once: it
//! takes seconds.

mod common;

use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use common::criterion;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mood_recommender::{
    Catalog, CatalogFormat, Filter, Mood, Options, Profile, Reading, RecommendError, Recommender, Shuffle,
    Strategy,
};

const SIZES: [usize; 4] = [686, 1_000, 100_000, 1_000_000];

fn lists(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("recommender");
    group.sample_size(20).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    for songs in SIZES {
        let recommender = load(songs);
        let uncertain = Reading::from_probabilities([("Sad", 0.4), ("Calm", 0.3), ("Energetic", 0.3)])
            .expect("these are probabilities of moods");
        let plain = Options::default();
        let journey = Options { strategy: Strategy::journey_to(Mood::Happy), ..Options::default() };
        let wishes = wishes(&recommender).expect("the default options are right");
        let questions: [(&str, Reading, &Options); 4] = [
            ("one mood", Mood::Sad.into(), &plain),
            ("uncertain", uncertain, &plain),
            ("uncertain, all wishes", uncertain, &wishes),
            ("journey", Mood::Calm.into(), &journey),
        ];
        for (name, reading, options) in questions {
            group.bench_function(BenchmarkId::new(name, songs), |bencher| {
                bencher.iter(|| recommender.recommend(black_box(reading), black_box(options)));
            });
        }
    }
    group.finish();
}

/// Options that use everything: filters, exclusions, diversity, shuffling and a listener's taste.
fn wishes(recommender: &Recommender) -> Result<Options, RecommendError> {
    let mut profile = Profile::default();
    for (at, item) in recommender.recommend(Mood::Sad, &Options::default())?.iter().enumerate() {
        if at % 2 == 0 { profile.like(item.song) } else { profile.dislike(item.song) }
    }
    let filter = Filter {
        years: Some(1960..=2015),
        popularity: Some(20.0..=100.0),
        tempo: Some(60.0..=180.0),
        exclude_artists: (0..10).map(|at| format!("Artist {at}")).collect(),
        exclude_songs: (0..100).map(|at| format!("id{at}")).collect(),
        ..Filter::default()
    };
    let shuffle = Some(Shuffle { seed: 7, tolerance: 0.05 });
    Ok(Options { count: 20, filter, diversity: 0.3, shuffle, profile, ..Options::default() })
}

/// Reads a catalogue from CSV in memory, builds the index and prints what that took.
fn load(songs: usize) -> Recommender {
    let csv = csv(songs);
    let before = resident_bytes();
    let start = Instant::now();
    let catalog = Catalog::from_bytes(&csv).expect("the made-up catalogue is right");
    let read = start.elapsed();
    let recommender = Recommender::new(catalog).expect("the made-up catalogue has songs");
    let indexed = start.elapsed() - read;
    print!("{songs} songs: read from CSV in {read:.1?}, indexed in {indexed:.1?}");
    match (before, resident_bytes()) {
        (Some(before), Some(after)) if songs >= 100_000 => {
            println!(", {} bytes of memory a song", after.saturating_sub(before) / songs);
        }
        _ => println!(),
    }
    recommender
}

/// The memory that the process holds, where the system tells (Linux, in pages of 4 KiB).
fn resident_bytes() -> Option<usize> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split_whitespace().nth(1)?.parse::<usize>().ok()? * 4096)
}

fn csv(songs: usize) -> String {
    let mut text = String::from(
        "name,album,artist,id,release_date,popularity,length,danceability,acousticness,energy,instrumentalness,\
         liveness,valence,loudness,speechiness,tempo,key,time_signature,mood\n",
    );
    let mut state = 0_u64;
    // SplitMix64, Steele et al. (2014): enough for made-up songs.
    let mut unit = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) >> 40) as f32 / 16_777_216.0
    };
    for at in 0..songs {
        let artist = (unit() * songs as f32 / 3.0) as usize;
        let year = 1950 + (unit() * 75.0) as usize;
        let mood = Mood::ALL[(unit() * 4.0) as usize];
        write!(text, "Song number {at},Album of {artist},Artist {artist},id{at},{year}-06-15")
            .expect("a String takes all");
        write!(text, ",{:.0},{:.0}", unit() * 100.0, unit() * 400_000.0).expect("a String takes all");
        for _ in 0..6 {
            write!(text, ",{:.4}", unit()).expect("a String takes all");
        }
        writeln!(text, ",{:.3},{:.4},{:.3},5,4,{mood}", unit() * -60.0, unit(), 50.0 + unit() * 150.0)
            .expect("a String takes all");
    }
    text
}

/// Reading each format, 10,000 songs.
fn reading(criterion: &mut Criterion) {
    const SONGS: usize = 10_000;
    let csv = csv(SONGS);
    let catalog = Catalog::from_bytes(&csv).expect("the made-up catalogue is right");
    let mut group = criterion.benchmark_group("read");
    group.sample_size(20).throughput(Throughput::Elements(SONGS as u64));
    for (name, format) in [("JSON", CatalogFormat::Json), ("JSON Lines", CatalogFormat::JsonLines)] {
        let mut bytes = Vec::new();
        catalog.write_to(&mut bytes, format).expect("memory takes everything");
        group.bench_function(BenchmarkId::new(name, SONGS), |bencher| {
            bencher.iter(|| Catalog::from_bytes(black_box(&bytes)));
        });
    }
    let utf_16: Vec<u8> = format!("\u{feff}{csv}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, bytes) in [("CSV", csv.as_bytes()), ("CSV in UTF-16", &utf_16)] {
        group.bench_function(BenchmarkId::new(name, SONGS), |bencher| {
            bencher.iter(|| Catalog::from_bytes(black_box(bytes)));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = criterion();
    targets = lists, reading
}
criterion_main!(benches);
