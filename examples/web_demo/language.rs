//! Languages of pictures and playlists.

use ser_plots::Language;
use serde::Deserialize;
use utoipa::ToSchema;

/// Code of a language.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LanguageCode {
    /// English.
    #[default]
    En,
    /// German.
    De,
}

impl LanguageCode {
    /// Returns the title of a playlist.
    pub(crate) fn playlist_title(self) -> &'static str {
        match self {
            Self::En => "Songs for your mood",
            Self::De => "Lieder für deine Stimmung",
        }
    }
}

impl From<LanguageCode> for Language {
    fn from(code: LanguageCode) -> Self {
        match code {
            LanguageCode::En => Self::English,
            LanguageCode::De => Self::German,
        }
    }
}
