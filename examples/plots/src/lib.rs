//! Pictures of clips, of training and of catalogues, as PNG or SVG.
//!
//! A [`Page`] is a grid of [`Figure`]s. PNG files need no system font, because a font is part of this crate. Colour maps are perceptually
//! uniform (magma, viridis), so that they are readable in grey too. [`charts`] draws training, results and catalogues, [`sound`] one clip,
//! [`overview`] a recording of any length.

#![forbid(unsafe_code)]

mod bars;
pub mod charts;
mod curves;
mod frame;
mod heatmap;
mod language;
mod matrix;
pub mod overview;
mod page;
mod picture_file;
mod pitch;
mod pitch_line;
pub mod sound;
mod theme;
mod waveform;

pub use bars::Bars;
pub use curves::{Curves, Series};
pub use heatmap::{Heatmap, Rows};
pub use language::Language;
pub use matrix::Matrix;
pub use page::{Format, Page, PlotError};
pub use picture_file::PictureFile;
pub use pitch::Pitch;
pub use theme::{Theme, register_font};
pub use waveform::Waveform;

use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend};

/// Width in pixels of the labels to the left of a picture over time. It is the same for all, so that the time axes of pictures below each
/// other are aligned.
const LABEL_WIDTH: u32 = 72;
/// Width in pixels of the colour key to the right of a picture over time.
const KEY_WIDTH: u32 = 78;

/// Formats a number at an axis, without trailing zeros and with a minus sign instead of a hyphen.
fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_string() } else { text.replace('-', "−") }
}

/// One picture of a [`Page`].
#[derive(Debug, Clone, PartialEq)]
pub enum Figure {
    /// Samples over time.
    Waveform(Waveform),
    /// Feature values over time.
    Heatmap(Heatmap),
    /// Pitch of a voice over time.
    Pitch(Pitch),
    /// Values over epochs.
    Curves(Curves),
    /// Counts or correlations of pairs.
    Matrix(Matrix),
    /// Amounts of named items.
    Bars(Bars),
}

impl Figure {
    fn draw<DB: DrawingBackend>(
        &self,
        area: &DrawingArea<DB, Shift>,
        theme: &Theme,
        language: Language,
    ) -> Result<(), PlotError> {
        match self {
            Self::Waveform(figure) => figure.draw(area, theme, language),
            Self::Heatmap(figure) => figure.draw(area, theme, language),
            Self::Pitch(figure) => figure.draw(area, theme, language),
            Self::Curves(figure) => figure.draw(area, theme),
            Self::Matrix(figure) => figure.draw(area, theme),
            Self::Bars(figure) => figure.draw(area, theme),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn heatmap(values: Array2<f32>, rows: Rows) -> Figure {
        let (title, unit) = ("Heat".into(), "dB".into());
        Figure::Heatmap(Heatmap { title, values, time: 0.5..3.5, axis: 0.0..4.0, rows, unit })
    }

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|n| format!("name {n}")).collect()
    }

    fn figures() -> Vec<Figure> {
        let ramp = Array2::from_shape_fn((12, 40), |(row, frame)| (row * frame) as f32);
        let curve = |name: &str, mark| Series {
            name: name.into(),
            points: vec![(1.0, 2.0), (2.0, 1.5), (3.0, f64::NAN), (4.0, 0.5)],
            mark,
        };
        vec![
            Figure::Waveform(Waveform {
                title: "Wave".into(),
                parts: (0..5000).map(|n| (n as f32 * 0.01).sin()).map(|x| (x, x)).collect(),
                seconds: 0.625,
                kept: Some(0.125..0.5),
            }),
            heatmap(ramp.clone(), Rows::Hertz((1..=12).map(|n| 100.0 * n as f32).collect())),
            heatmap(ramp.clone(), Rows::Names("name".into(), names(12))),
            heatmap(ramp, Rows::Numbered("row".into())),
            Figure::Pitch(Pitch {
                title: "Pitch".into(),
                points: vec![(0.5, 200.0), (1.0, 250.0), (1.5, f32::NAN), (2.0, 300.0), (2.5, f32::NAN)],
                seconds: 4.0,
            }),
            Figure::Curves(Curves {
                title: "Curves".into(),
                x: "epoch".into(),
                y: "loss".into(),
                series: vec![curve("train", None), curve("validation", Some((2.0, 1.5)))],
            }),
            Figure::Matrix(Matrix::confusion("Confusion", &names(2), &array![[9, 1], [3, 7]])),
            Figure::Matrix(Matrix::correlations("Correlations", &names(2), array![[1.0, -0.4], [-0.4, 1.0]])),
            Figure::Bars(Bars {
                title: "Bars".into(),
                unit: "songs".into(),
                bars: vec![("Sad".into(), 3.0)],
            }),
        ]
    }

    #[test]
    fn numbers_are_short_and_never_minus_nothing() {
        let shown = [(5.0, 1), (-0.04, 1), (-0.05, 2), (0.125, 2), (100.0, 0), (-56.2, 0)];
        let shown = shown.map(|(value, digits)| number(value, digits));
        assert_eq!(shown, ["5", "0", "−0.05", "0.12", "100", "−56"]);
    }

    #[test]
    fn every_figure_is_drawn_on_both_grounds_and_in_both_formats() {
        for figure in figures() {
            for theme in [Theme::Light, Theme::Dark] {
                let page =
                    Page { theme, title: "Title".into(), ..Page::new(vec![figure.clone()], (480, 240)) };
                let bytes = page.bytes(Format::Png).unwrap();
                let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
                let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
                reader.next_frame(&mut pixels).unwrap();
                assert_eq!((reader.info().width, reader.info().height), page.dimensions());
                let ground = [theme.ground().0, theme.ground().1, theme.ground().2];
                let drawn = pixels.chunks_exact(3).filter(|pixel| **pixel != ground).count();
                assert!(drawn > pixels.len() / 3 / 100, "{drawn} pixels of {figure:?}");
                let svg = String::from_utf8(page.bytes(Format::Svg).unwrap()).unwrap();
                assert!(svg.starts_with("<svg") && svg.contains("Title"), "{svg}");
            }
        }
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        let empty = [
            Page::new(vec![], (480, 240)),
            Page::new(figures(), (10, 10)),
            Page::new(vec![heatmap(Array2::zeros((0, 4)), Rows::Numbered("row".into()))], (480, 240)),
            Page::new(
                vec![Figure::Bars(Bars { title: "".into(), unit: "".into(), bars: vec![] })],
                (480, 240),
            ),
            Page::new(
                vec![Figure::Matrix(Matrix::confusion("", &names(40), &Array2::zeros((40, 40))))],
                (100, 80),
            ),
        ];
        for page in empty {
            assert!(page.bytes(Format::Png).is_err() && page.bytes(Format::Svg).is_err(), "{page:?}");
        }
        // A figure without visible content is not an error.
        let silence = Waveform { title: "".into(), parts: vec![], seconds: 0.0, kept: None };
        let flat = heatmap(Array2::zeros((2, 1)), Rows::Numbered("row".into()));
        let curves = Curves { title: "".into(), x: "".into(), y: "".into(), series: vec![] };
        let voiceless = Pitch { title: "".into(), points: vec![(0.0, f32::NAN)], seconds: 0.0 };
        for figure in [Figure::Waveform(silence), flat, Figure::Pitch(voiceless), Figure::Curves(curves)] {
            Page::new(vec![figure], (480, 240)).bytes(Format::Png).unwrap();
        }
    }

    #[test]
    fn axes_are_written_in_the_language_of_the_page() {
        let expected = [
            (Language::English, ["time in s", "amplitude", "0.2", "frequency in Hz", "pitch in Hz"]),
            (Language::German, ["Zeit in s", "Amplitude", "0,2", "Frequenz in Hz", "Tonhöhe in Hz"]),
        ];
        for (language, texts) in expected {
            let [wave, heat, _, _, pitch, ..] = &figures()[..] else { unreachable!() };
            let page =
                Page { language, ..Page::new(vec![wave.clone(), heat.clone(), pitch.clone()], (480, 240)) };
            let svg = String::from_utf8(page.bytes(Format::Svg).unwrap()).unwrap();
            for text in texts {
                assert!(svg.contains(text), "{language:?}: {text} is not in {svg}");
            }
        }
    }

    /// On a phone the numbers at the time axis do not overlap, and no title is cut.
    #[test]
    fn a_narrow_picture_over_time_has_room_for_its_words() {
        let waveform = Waveform {
            title: Language::German.words().waveform.into(),
            parts: vec![(-0.5, 0.5); 100],
            seconds: 4.3,
            kept: None,
        };
        let [_, heat, ..] = &figures()[..] else { unreachable!() };
        for figure in [Figure::Waveform(waveform), heat.clone()] {
            let svg = Page::new(vec![figure], (278, 220)).bytes(Format::Svg).unwrap();
            let svg = String::from_utf8(svg).unwrap();
            let number = |line: &str, name: &str| -> Option<f64> {
                line.split_once(&format!(" {name}=\""))?.1.split('"').next()?.parse().ok()
            };
            // The labels of the time axis, and the title at the top.
            let lines: Vec<&str> = svg.split("<text").skip(1).collect();
            let title = lines.iter().find(|line| number(line, "y").is_some_and(|y| y < 30.0)).unwrap();
            let letters = title.split_once('>').unwrap().1.split('<').next().unwrap().trim().chars().count();
            let half = letters as f64 * 7.0 / 2.0;
            let anchored = if title.contains("middle") { half } else { 0.0 };
            assert!(number(title, "x").unwrap() - anchored >= 0.0, "{title}");
            let mut places: Vec<f64> = lines
                .iter()
                .filter(|line| number(line, "y").is_some_and(|y| (175.0..200.0).contains(&y)))
                .filter_map(|line| number(line, "x"))
                .collect();
            places.sort_by(f64::total_cmp);
            assert!(
                places.len() >= 2 && places.windows(2).all(|pair| pair[1] - pair[0] >= 25.0),
                "{places:?} in {svg}"
            );
        }
    }

    /// A point in time is in the same column of pixels in every picture.
    #[test]
    fn pictures_over_time_share_an_axis() {
        let mut parts = vec![(0.0, 0.0); 40_000];
        // A click at 2 s of 5 s.
        parts[16_000..16_100].fill((1.0, 1.0));
        let mut values = Array2::zeros((4, 300));
        // The frames begin at 1 s and last 10 ms each.
        values.column_mut(100).fill(1.0);
        let wave = Waveform { title: "".into(), parts, seconds: 5.0, kept: None };
        let rows = Rows::Numbered("row".into());
        let heat =
            Heatmap { title: "".into(), values, time: 1.0..4.0, axis: 0.0..5.0, rows, unit: "".into() };
        let points = vec![(2.0, 100.0), (2.01, 400.0)];
        let pitch = Pitch { title: "".into(), points, seconds: 5.0 };
        let column = |figure: Figure| {
            let page = Page::new(vec![figure], (1200, 240));
            let bytes = page.bytes(Format::Png).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            // The column around 2 s that differs most from both of its neighbours 12 pixels away.
            let row = |y: usize, x: usize| {
                let at = 3 * (y * 1200 + x);
                pixels[at..at + 3].iter().map(|&value| i32::from(value)).sum::<i32>()
            };
            let differs = |x: usize| {
                (60..170)
                    .map(|y| (row(y, x) - row(y, x - 12)).abs().min((row(y, x) - row(y, x + 12)).abs()))
                    .sum::<i32>()
            };
            (300..800).max_by_key(|x| differs(*x)).unwrap()
        };
        let left = 8.0 + f64::from(LABEL_WIDTH);
        let expected = left + 2.0 / 5.0 * (1200.0 - 8.0 - f64::from(KEY_WIDTH) - left);
        for figure in [Figure::Waveform(wave), Figure::Heatmap(heat), Figure::Pitch(pitch)] {
            let name = format!("{figure:?}")[..8].to_owned();
            let at = column(figure);
            assert!((at as f64 - expected).abs() < 6.0, "{name}: {at}, expected {expected}");
        }
    }
}
