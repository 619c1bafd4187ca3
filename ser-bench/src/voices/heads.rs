//! Heads of one training part whose answers are averaged.

use ser_models::Checkpoint;

use crate::experiments::Predictions;

/// Trained heads of different seeds and a discriminant, or a result of each of them.
#[derive(Debug, Clone)]
pub struct Heads<T> {
    /// The trained heads, one for each seed.
    pub trained: Vec<T>,
    /// The discriminant; its weight is that of all trained heads together.
    pub discriminant: Option<T>,
}

impl<T> Heads<T> {
    /// Each head with its weight.
    pub fn votes(&self) -> impl Iterator<Item = (&T, u16)> {
        let all = u16::try_from(self.trained.len()).unwrap_or(u16::MAX).max(1);
        self.trained.iter().map(|head| (head, 1)).chain(self.discriminant.iter().map(move |head| (head, all)))
    }

    /// Each trained head together with the discriminant.
    pub fn one_by_one(&self) -> impl Iterator<Item = Self>
    where
        T: Clone,
    {
        let discriminant = &self.discriminant;
        self.trained
            .iter()
            .map(|head| Self { trained: vec![head.clone()], discriminant: discriminant.clone() })
    }

    /// Applies `of` to each head.
    ///
    /// # Errors
    /// The first error of `of`.
    pub fn try_map<U>(&self, mut of: impl FnMut(&T) -> anyhow::Result<U>) -> anyhow::Result<Heads<U>> {
        let trained = self.trained.iter().map(&mut of).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Heads { trained, discriminant: self.discriminant.as_ref().map(of).transpose()? })
    }
}

impl Heads<Predictions> {
    /// The mean of their answers to the same clips.
    ///
    /// # Errors
    /// If they are answers to different clips.
    pub fn mean(&self) -> anyhow::Result<Predictions> {
        Predictions::mean(&self.votes().collect::<Vec<_>>())
    }
}

impl Heads<Checkpoint> {
    /// Joins the heads into one model.
    ///
    /// # Errors
    /// As [`Checkpoint::join`].
    pub fn together(&self) -> anyhow::Result<Checkpoint> {
        Ok(Checkpoint::join(
            &self.votes().map(|(head, votes)| (head.clone(), votes.into())).collect::<Vec<_>>(),
        )?)
    }
}
