//! Songs with moods, and recommendations that suit a mood.
