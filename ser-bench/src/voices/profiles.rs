//! Gain of voice profiles made from a few clips.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use ser_models::Generator;

use super::{HeadsOfFold, VoiceBench, all_of, answer, in_weighted_moods};
use crate::experiments::Predictions;

/// Unlabelled clips of each voice that a profile is made of.
const CLIPS: usize = 5;

/// Number of draws.
const DRAWS: u64 = 5;

/// UAR of moods without and with a profile, on the same clips.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProfileScore {
    /// Number of voices with more than five clips.
    pub voices: usize,
    /// UAR without a profile.
    pub without: f64,
    /// UAR with a profile.
    pub with: f64,
}

impl VoiceBench {
    /// Makes a profile of five random clips of each voice, and measures the joint answer of each fold's heads on the voice's other clips.
    /// This is repeated five times. Voices with five clips or fewer are left out.
    ///
    /// # Errors
    /// If no voice has more than five clips.
    pub fn profiles<'f>(
        &self,
        folds: impl IntoIterator<Item = &'f HeadsOfFold>,
    ) -> anyhow::Result<ProfileScore> {
        let mut answers: [Vec<Predictions>; 2] = [Vec::new(), Vec::new()];
        let mut voices = 0;
        for fold in folds {
            let heads = fold.heads.try_map(|head| Ok(head.classifier()?))?;
            let mut by_voice: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            for &at in &fold.measured {
                let clip = &self.clips.clips[at];
                let voice = clip
                    .speaker
                    .as_deref()
                    .with_context(|| format!("{}: speaker must be known, got none", clip.id))?;
                by_voice.entry(voice).or_default().push(at);
            }
            by_voice.retain(|_, places| places.len() > CLIPS);
            voices += by_voice.len();
            for (number, places) in by_voice.values().enumerate() {
                for draw in 0..DRAWS {
                    let mut order = places.clone();
                    Generator::with_stream(draw, number as u64).shuffle(&mut order);
                    let (known, others) = order.split_at(CLIPS);
                    let ids: Vec<String> = known.iter().map(|&at| self.clips.clips[at].id.clone()).collect();
                    let profile = self.clips.encoded.profile(&ids)?;
                    let ask = |with_profile: bool| -> anyhow::Result<Predictions> {
                        let of = heads.try_map(|head| {
                            let moved = if with_profile { Some(head.with_profile(&profile)?) } else { None };
                            answer(moved.as_ref().unwrap_or(head), &self.clips, &self.clips.encoded, others)
                        });
                        of?.mean()
                    };
                    answers[0].push(ask(false)?);
                    answers[1].push(ask(true)?);
                }
            }
        }
        ensure!(voices > 0, "profiles: voices must have more than {CLIPS} clips, got none");
        let uar =
            |answers: &[Predictions]| anyhow::Ok(in_weighted_moods(&all_of(answers)?).confusion().uar());
        Ok(ProfileScore { voices, without: uar(&answers[0])?, with: uar(&answers[1])? })
    }
}

impl ProfileScore {
    /// Header of the table whose rows are [`ProfileScore::row`].
    pub const TABLE: &'static str = "| voices | number | UAR, 4 moods | with a profile of five clips | gain |\n| --- | --- | --- | --- | --- |";

    /// A row of the table.
    pub fn row(&self, name: &str) -> String {
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        let gain = format!("{:+.1}", 100.0 * (self.with - self.without));
        format!("| {name} | {} | {} | {} | {gain} |", self.voices, percent(self.without), percent(self.with))
    }
}
