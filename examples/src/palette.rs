//! Look of each mood: the colours and icon that the page, the pictures and the terminal share.
//!
//! Shapes in these colours have a contrast of at least 3 : 1 with their background, and letters on these colours at least 4.5 : 1 (WCAG
//! 2.2). Any two colours can be distinguished with any colour vision. A mood's name, letter or icon is always shown beside its colour.

use console::Style;
use mood_recommender::Mood;

/// Red, green and blue, as sRGB.
pub type Rgb = [u8; 3];

/// Look of a mood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The mood.
    pub mood: Mood,
    /// Its colour on a light background.
    pub light: Rgb,
    /// Its colour on a dark background.
    pub dark: Rgb,
    /// Its colour on a terminal, whose background is unknown: a number of xterm's 256 colours.
    pub terminal: u8,
    /// Its icon: the `d` of an SVG path in a box of 24 × 24, drawn as a line.
    pub icon: &'static str,
}

/// The looks of all moods, in the order of [`Mood::ALL`].
pub const LOOKS: [Look; 4] = [
    Look {
        mood: Mood::Calm,
        light: [0x1a, 0x9a, 0x8a],
        dark: [0x4f, 0xd1, 0xc0],
        terminal: 30,
        // Waves.
        icon: "M2 9c3-3 5-3 7 0s5 3 7 0 3-2 6-1M2 16c3-3 5-3 7 0s5 3 7 0 3-2 6-1",
    },
    Look {
        mood: Mood::Happy,
        light: [0xb8, 0x7d, 0x00],
        dark: [0xff, 0xc9, 0x40],
        terminal: 136,
        // A sun.
        icon: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M19 5l-2 2M7 17l-2 2",
    },
    Look {
        mood: Mood::Sad,
        light: [0x1d, 0x4f, 0xa8],
        dark: [0x6f, 0x97, 0xff],
        terminal: 27,
        // A drop.
        icon: "M12 3c4 5 6 8 6 11a6 6 0 0 1-12 0c0-3 2-6 6-11z",
    },
    Look {
        mood: Mood::Energetic,
        light: [0xa6, 0x1c, 0x3c],
        dark: [0xff, 0x6b, 0x57],
        terminal: 161,
        // A bolt.
        icon: "M13 2 5 13h6l-1 9 9-12h-6z",
    },
];

/// Colours of parts without speech on a light and on a dark background.
pub const SILENT: [Rgb; 2] = [[0x80, 0x86, 0x8e], [0x77, 0x7d, 0x86]];

/// Share of a mood's colour in the background of its icon.
pub const BEHIND_ICON: f64 = 0.1;

/// Share of a mood's colour in the background of a card that shows all moods.
pub const BEHIND_CARD: f64 = 0.06;

impl Look {
    /// Returns the look of a label, or `None` if the label is not one of the four moods.
    pub fn of(label: &str) -> Option<&'static Self> {
        LOOKS.iter().find(|look| look.mood.as_str() == label)
    }

    /// Style of shapes on a terminal.
    fn shape(&self) -> Style {
        Style::new().force_styling(true).color256(self.terminal)
    }

    /// Style of letters on the mood's colour on a terminal.
    pub fn badge(&self) -> Style {
        let colour = xterm(self.terminal);
        let (black, white) = ([0; 3], [255; 3]);
        // Black and white of xterm's colour cube.
        let letters = if contrast(colour, black) >= contrast(colour, white) { 16 } else { 231 };
        Style::new().force_styling(true).color256(letters).on_color256(self.terminal)
    }
}

/// Returns a text in the colour of the mood `label` if standard output shows colours. Returns it unchanged for other labels.
pub fn painted(label: &str, text: String) -> String {
    match Look::of(label) {
        Some(look) if console::colors_enabled() => look.shape().apply_to(text).to_string(),
        _ => text,
    }
}

/// Returns one of the colours 16 to 231 of a terminal with 256 colours. They form a cube with six steps on each side.
fn xterm(number: u8) -> Rgb {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let at = usize::from(number.saturating_sub(16));
    [STEPS[(at / 36).min(5)], STEPS[at / 6 % 6], STEPS[at % 6]]
}

/// Returns the contrast of two colours, 1 to 21 (WCAG 2.2).
fn contrast(a: Rgb, b: Rgb) -> f64 {
    let luminance = |colour: Rgb| {
        let [red, green, blue] = linear(colour);
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Returns the linear light, 0 to 1, of each component of a colour.
fn linear(colour: Rgb) -> [f64; 3] {
    colour.map(|part| match f64::from(part) / 255.0 {
        part if part <= 0.04045 => part / 12.92,
        part => ((part + 0.055) / 1.055).powf(2.4),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Matrices that simulate in linear light how eyes without one kind of cone see colours (Machado, Oliveira and Fernandes 2009, severity
    /// 1), and the identity for normal vision.
    const EYES: [(&str, [[f64; 3]; 3]); 4] = [
        ("all", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "no long cones",
            [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ],
        ),
        (
            "no middle cones",
            [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ],
        ),
        (
            "no short cones",
            [
                [1.255528, -0.076749, -0.178779],
                [-0.078411, 0.930809, 0.147602],
                [0.004733, 0.691367, 0.303900],
            ],
        ),
    ];

    /// Converts linear light to L*, a* and b* (CIE 1976, D65).
    fn lab([red, green, blue]: [f64; 3]) -> [f64; 3] {
        let f = |t: f64| if t > 216.0 / 24_389.0 { t.cbrt() } else { (24_389.0 / 27.0 * t + 16.0) / 116.0 };
        let x = f((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047);
        let y = f(0.2126 * red + 0.7152 * green + 0.0722 * blue);
        let z = f((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    fn seen(colour: Rgb, eye: &[[f64; 3]; 3]) -> [f64; 3] {
        let light = linear(colour);
        lab(eye
            .map(|row| row.iter().zip(light).map(|(part, light)| part * light).sum::<f64>().clamp(0.0, 1.0)))
    }

    fn palettes() -> [(&'static str, [Rgb; 4], &'static [Rgb]); 3] {
        // The backgrounds of the page, of its panels and of pictures. A terminal's background may have any colour from black to white.
        [
            ("light", LOOKS.map(|look| look.light), &[[0xff; 3], [0xf7, 0xf6, 0xf3]]),
            ("dark", LOOKS.map(|look| look.dark), &[[0x1b, 0x1d, 0x22], [0x13, 0x14, 0x17], [24, 26, 30]]),
            ("terminal", LOOKS.map(|look| xterm(look.terminal)), &[[0; 3], [0xff; 3]]),
        ]
    }

    #[test]
    fn every_mood_has_one_look_in_the_moods_own_order() {
        assert_eq!(LOOKS.map(|look| look.mood), Mood::ALL);
        assert_eq!(Look::of("Sad").map(|look| look.mood), Some(Mood::Sad));
        assert_eq!(Look::of("Bored"), None);
    }

    #[test]
    fn shapes_are_seen_on_their_ground_and_letters_on_them() {
        for (name, colours, grounds) in palettes() {
            for (colour, mood) in colours.into_iter().zip(Mood::ALL) {
                for ground in grounds {
                    let contrast = contrast(colour, *ground);
                    assert!(contrast >= 3.0, "{mood}, {name}: {contrast:.2} on {ground:?}");
                }
                let letters = contrast(colour, [0; 3]).max(contrast(colour, [255; 3]));
                assert!(letters >= 4.5, "{mood}, {name}: letters {letters:.2}");
            }
        }
        for (colour, ground) in SILENT.into_iter().zip([[0xf7, 0xf6, 0xf3], [0x1b, 0x1d, 0x22]]) {
            assert!(contrast(colour, ground) >= 3.0, "silence on {ground:?}");
        }
    }

    /// Mixes a colour into a background, as `color-mix(in srgb, …)` of CSS does.
    fn mixed(colour: Rgb, share: f64, ground: Rgb) -> Rgb {
        let part = |a: u8, b: u8| (f64::from(a) * share + f64::from(b) * (1.0 - share)).round() as u8;
        [0, 1, 2].map(|n| part(colour[n], ground[n]))
    }

    #[test]
    fn shapes_are_seen_on_grounds_that_moods_colour() {
        for (name, panel, silent, of) in [
            ("light", [0xff; 3], SILENT[0], (|look: &Look| look.light) as fn(&Look) -> Rgb),
            ("dark", [0x1b, 0x1d, 0x22], SILENT[1], |look| look.dark),
        ] {
            for look in &LOOKS {
                let own = contrast(of(look), mixed(of(look), BEHIND_ICON, panel));
                assert!(own >= 3.0, "{}, {name}: {own:.2} behind its icon", look.mood);
                let card = mixed(of(look), BEHIND_CARD, panel);
                for (shape, colour) in
                    LOOKS.iter().map(|other| (other.mood.as_str(), of(other))).chain([("silence", silent)])
                {
                    let on = contrast(colour, card);
                    assert!(on >= 3.0, "{shape}, {name}: {on:.2} on the card of {}", look.mood);
                }
            }
        }
    }

    #[test]
    fn colours_are_told_apart_with_any_colour_vision() {
        for (name, colours, _) in palettes() {
            for (eye, matrix) in &EYES {
                for (n, a) in colours.iter().enumerate() {
                    for b in &colours[n + 1..] {
                        let (a, b) = (seen(*a, matrix), seen(*b, matrix));
                        let away = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                        // A difference of 2.3 is just noticeable.
                        assert!(away >= 15.0, "{name}, {eye}: {a:?} and {b:?} are {away:.1} apart");
                    }
                }
            }
        }
    }

    #[test]
    fn contrasts_are_those_of_the_standard() {
        assert!((contrast([255; 3], [0; 3]) - 21.0).abs() < 1e-9);
        // The lightest grey for text on white, as the explanation of WCAG states it.
        assert!((contrast([0x76; 3], [255; 3]) - 4.54).abs() < 0.005);
    }
}
