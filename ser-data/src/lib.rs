//! Audio files, RAVDESS labels, splits and cached features.
