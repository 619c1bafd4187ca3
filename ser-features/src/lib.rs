//! Audio features with librosa's names, defaults and numbers.
