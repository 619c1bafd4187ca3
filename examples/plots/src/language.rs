//! Languages of the pictures of a recording.

use super::number;

/// Language of titles, axes, text alternatives and decimal marks in pictures of a recording. Other pictures are in English.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English, with decimal points.
    #[default]
    English,
    /// German, with decimal commas.
    German,
}

/// The texts of pictures of a recording.
pub(crate) struct Words {
    pub(crate) waveform: &'static str,
    pub(crate) mel: &'static str,
    pub(crate) pitch: &'static str,
    pub(crate) time_axis: &'static str,
    pub(crate) amplitude_axis: &'static str,
    pub(crate) frequency_axis: &'static str,
    pub(crate) pitch_axis: &'static str,
    /// Text alternatives for waveform, spectrogram and pitch.
    pub(crate) alternatives: [&'static str; 3],
}

impl Language {
    pub(crate) fn words(self) -> Words {
        match self {
            Self::English => Words {
                waveform: "Waveform (coloured: heard)",
                mel: "Mel spectrogram",
                pitch: "Pitch",
                time_axis: "time in s",
                amplitude_axis: "amplitude",
                frequency_axis: "frequency in Hz",
                pitch_axis: "pitch in Hz",
                alternatives: [
                    "Waveform over time; the part that was heard is coloured",
                    "Mel spectrogram in decibels: time to the right, frequency in hertz upwards",
                    "Pitch of the voice in hertz over time, with gaps where no voice sounds",
                ],
            },
            Self::German => Words {
                waveform: "Wellenform (farbig: gehört)",
                mel: "Mel-Spektrogramm",
                pitch: "Tonhöhe",
                time_axis: "Zeit in s",
                amplitude_axis: "Amplitude",
                frequency_axis: "Frequenz in Hz",
                pitch_axis: "Tonhöhe in Hz",
                alternatives: [
                    "Wellenform über der Zeit; der gehörte Teil ist farbig",
                    "Mel-Spektrogramm in Dezibel: nach rechts die Zeit, nach oben die Frequenz in Hertz",
                    "Tonhöhe der Stimme in Hertz über der Zeit, mit Lücken, wo keine Stimme klingt",
                ],
            },
        }
    }

    /// Formats a number at an axis with the decimal mark of the language.
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
