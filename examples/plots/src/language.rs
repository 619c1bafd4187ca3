//! The languages of a recording's pictures.

use super::number;

/// The language of titles, axes and decimal marks of pictures of a recording. Other pictures are English.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English, with decimal points.
    #[default]
    English,
    /// German, with decimal commas.
    German,
}

/// What stands at pictures of a recording.
pub(crate) struct Words {
    pub(crate) waveform: &'static str,
    pub(crate) mel: &'static str,
    pub(crate) pitch: &'static str,
    pub(crate) time_axis: &'static str,
    pub(crate) amplitude_axis: &'static str,
    pub(crate) frequency_axis: &'static str,
    pub(crate) pitch_axis: &'static str,
}

impl Language {
    pub(crate) fn words(self) -> Words {
        match self {
            Self::English => Words {
                waveform: "Waveform; coloured: what trimming kept",
                mel: "Mel spectrogram",
                pitch: "Pitch",
                time_axis: "time in s",
                amplitude_axis: "amplitude",
                frequency_axis: "frequency in Hz",
                pitch_axis: "pitch in Hz",
            },
            Self::German => Words {
                waveform: "Wellenform; farbig: was gehört wurde",
                mel: "Mel-Spektrogramm",
                pitch: "Tonhöhe",
                time_axis: "Zeit in s",
                amplitude_axis: "Amplitude",
                frequency_axis: "Frequenz in Hz",
                pitch_axis: "Tonhöhe in Hz",
            },
        }
    }

    /// A number at an axis.
    pub(crate) fn number(self, value: f64, digits: usize) -> String {
        let text = number(value, digits);
        match self {
            Self::English => text,
            Self::German => text.replace('.', ","),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_marks_follow_the_language() {
        assert_eq!(Language::English.number(-0.25, 2), "−0.25");
        assert_eq!(Language::German.number(-0.25, 2), "−0,25");
        assert_eq!(Language::German.number(3.0, 2), "3");
    }
}
